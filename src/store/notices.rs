//! The rows of what the receivers of alerts were told and have not taken yet.

use rusqlite::{Connection, params};

use super::{Notice, NoticeKind, stored_hash};

/// Saves those that have changed.
pub(super) fn put(connection: &Connection, notices: &[Notice]) -> rusqlite::Result<()> {
    for Notice { kind, receiver, id, bytes } in notices {
        match bytes {
            Some(bytes) => {
                let mut insert = connection.prepare_cached(
                    "INSERT OR REPLACE INTO notice (kind, receiver, id, bytes, hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                insert.execute(params![kind.name(), receiver, id, bytes, stored_hash(bytes)])?;
            }
            None => {
                let mut delete = connection.prepare_cached(
                    "DELETE FROM notice WHERE kind = ?1 AND receiver = ?2 AND id = ?3",
                )?;
                delete.execute(params![kind.name(), receiver, id])?;
            }
        }
    }
    Ok(())
}

/// Saves these in the place of all that there are.
pub(super) fn replace(connection: &Connection, notices: &[Notice]) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM notice", [])?;
    put(connection, notices)
}

/// All of them, in the order of receivers and ids. One that is not what was written is left out: the alert
/// itself is in the image, and is told again.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Notice>> {
    let select = "SELECT kind, receiver, id, bytes, hash FROM notice ORDER BY kind, receiver, id";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query([])?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let bytes: Vec<u8> = row.get(3)?;
        let kinds = [NoticeKind::Told, NoticeKind::Queued];
        let kind = kinds.into_iter().find(|known| known.name() == kind);
        if let Some(kind) = kind.filter(|_| row.get(4) == Ok(stored_hash(&bytes))) {
            let (receiver, id) = (row.get(1)?, row.get(2)?);
            notices.push(Notice { kind, receiver, id, bytes: Some(bytes) });
        }
    }
    Ok(notices)
}
