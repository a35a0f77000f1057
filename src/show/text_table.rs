//! Tables on a terminal: aligned, as wide as the terminal, no row wrapped.
//!
//! When the table is too wide, the columns that may go leave first, then texts are cut where that
//! hurts least. Numbers, hashes, reasons and commands are never cut.

use unicode_width::UnicodeWidthStr as _;

/// How a terminal shows things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub columns: usize,
    /// Whether it shows colours.
    pub color: bool,
    /// Whether it shows UTF-8.
    pub utf8: bool,
}

/// ANSI foregrounds only, so that any background will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Names.
    Bold,
    /// Times.
    Dim,
    /// Rejected.
    Red,
    /// Missing.
    Magenta,
    /// Forbidden.
    Yellow,
    /// Failed open.
    Reverse,
}

impl Style {
    /// The text in this style.
    pub fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Style::Plain => return text.to_owned(),
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Magenta => 35,
            Style::Yellow => 33,
            Style::Reverse => 7,
        };
        if color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What may happen to a column that is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// Nothing.
    Keep,
    /// Its text is cut at the end.
    CutEnd,
    /// Its text is cut in the middle: paths, whose ends tell most.
    CutMiddle,
    /// It is left out, the one with the lowest number first.
    Leave(u8),
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Whether it holds numbers.
    pub right: bool,
    /// What may happen to it.
    pub narrow: Narrow,
}

impl Column {
    /// A column of text.
    pub fn text(title: &'static str, narrow: Narrow) -> Column {
        Column { title, right: false, narrow }
    }

    /// A column of numbers.
    pub fn number(title: &'static str) -> Column {
        Column { title, right: true, narrow: Narrow::Keep }
    }

    /// The same, with something else to happen when it is too wide.
    pub fn or(self, narrow: Narrow) -> Column {
        Column { narrow, ..self }
    }
}

/// A text and its style.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(text, Style::Plain)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// A line that stands for the headings.
    title: Option<String>,
    /// At least this wide: as wide as the tables it stands with.
    widths_min: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<Cell>),
    Line(String),
}

/// Between two columns.
const GAP: usize = 2;

/// The least that a cut text keeps.
const CUT_COLUMNS_MIN: usize = 8;

impl Table {
    /// A table of these columns.
    pub fn new(columns: Vec<Column>) -> Table {
        Table { columns, rows: Vec::new(), title: None, widths_min: Vec::new() }
    }

    /// A table under one line instead of headings.
    pub fn titled(title: impl Into<String>, columns: Vec<Column>) -> Table {
        Table { title: Some(title.into()), ..Table::new(columns) }
    }

    /// Makes the columns of several tables stand under each other.
    pub fn align(tables: &mut [&mut Table]) {
        let columns = tables.iter().map(|table| table.columns.len()).max().unwrap_or(0);
        let shown = |table: &&&mut Table| !table.is_empty();
        let widest = |index| tables.iter().filter(shown).map(|t| t.widest(index)).max();
        let widths: Vec<usize> = (0..columns).map(|index| widest(index).unwrap_or(0)).collect();
        tables.iter_mut().for_each(|table| table.widths_min.clone_from(&widths));
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row::Cells(cells));
    }

    /// Adds a line across all columns.
    pub fn line(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Line(text.into()));
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table's lines, the headings first.
    pub fn render(&self, terminal: &Terminal) -> String {
        let widths = self.fit(terminal.columns);
        let headings: Vec<Cell> = self.columns.iter().map(|column| column.title.into()).collect();
        let mut out = match &self.title {
            Some(title) => cut(title, terminal.columns, Narrow::CutEnd, terminal.utf8) + "\n",
            None => self.cells(&headings, &widths, terminal),
        };
        for row in &self.rows {
            match row {
                Row::Cells(cells) => out.push_str(&self.cells(cells, &widths, terminal)),
                Row::Line(text) => {
                    out.push_str(&cut(text, terminal.columns, Narrow::CutEnd, terminal.utf8));
                    out.push('\n');
                }
            }
        }
        out
    }

    /// The width of each column; `None` for one that is left out.
    fn fit(&self, columns: usize) -> Vec<Option<usize>> {
        let mut widths: Vec<Option<usize>> =
            (0..self.columns.len()).map(|i| Some(self.widest(i))).collect();
        let over = |widths: &[Option<usize>]| {
            let shown = widths.iter().flatten();
            let total = shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1);
            total.saturating_sub(columns)
        };
        while over(&widths) > 0 {
            let leaving = |(index, column): (usize, &Column)| match column.narrow {
                Narrow::Leave(order) if widths.get(index).is_some_and(Option::is_some) => {
                    Some((order, index))
                }
                _ => None,
            };
            let first = self.columns.iter().enumerate().filter_map(leaving).min();
            let Some(width) = first.and_then(|(_, index)| widths.get_mut(index)) else { break };
            *width = None;
        }
        let cuttable =
            |column: &Column| matches!(column.narrow, Narrow::CutEnd | Narrow::CutMiddle);
        loop {
            let excess = over(&widths);
            let cut = self.columns.iter().zip(&mut widths).filter(|(column, _)| cuttable(column));
            let widest = cut.filter_map(|(_, width)| width.as_mut()).max_by_key(|width| **width);
            match widest {
                Some(width) if excess > 0 && *width > CUT_COLUMNS_MIN => {
                    // A little at a time, so that two long columns share the loss.
                    *width = width.saturating_sub(excess.min(4)).max(CUT_COLUMNS_MIN);
                }
                _ => return widths,
            }
        }
    }

    fn widest(&self, index: usize) -> usize {
        let title = match self.title {
            Some(_) => 0,
            None => self.columns.get(index).map_or(0, |column| column.title.width()),
        };
        let least = self.widths_min.get(index).copied().unwrap_or(0);
        let cell = |row: &Row| match row {
            Row::Cells(cells) => cells.get(index).map_or(0, |cell| cell.text.width()),
            Row::Line(_) => 0,
        };
        self.rows.iter().map(cell).max().unwrap_or(0).max(title).max(least)
    }

    fn cells(&self, cells: &[Cell], widths: &[Option<usize>], terminal: &Terminal) -> String {
        let mut line = String::new();
        let mut used = 0;
        let mut next = 0;
        for ((column, cell), width) in self.columns.iter().zip(cells).zip(widths) {
            let Some(width) = *width else { continue };
            let text = cut(&cell.text, width, column.narrow, terminal.utf8);
            let pad = if column.right { width.saturating_sub(text.width()) } else { 0 };
            line.push_str(&" ".repeat(next + pad - used.min(next + pad)));
            line.push_str(&cell.style.paint(&text, terminal.color));
            used = next.max(used) + pad + text.width();
            next += width + GAP;
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// The text in at most `width` columns.
fn cut(text: &str, width: usize, narrow: Narrow, utf8: bool) -> String {
    if text.width() <= width || matches!(narrow, Narrow::Keep | Narrow::Leave(_)) {
        return text.to_owned();
    }
    let ellipsis = if utf8 { "…" } else { "..." };
    let room = width.saturating_sub(ellipsis.width());
    let (head, tail) =
        if narrow == Narrow::CutMiddle { (room.div_ceil(2), room / 2) } else { (room, 0) };
    let start = fitting(text.chars(), head);
    let end: String = fitting(text.chars().rev(), tail).chars().rev().collect();
    format!("{start}{ellipsis}{end}")
}

/// As many characters as fit into `columns`.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4];
    let mut used = 0;
    for character in characters {
        used += character.encode_utf8(&mut buffer).width();
        if used > columns {
            break;
        }
        text.push(character);
    }
    text
}

/// Breaks a sentence at spaces; further lines begin with `indent`.
pub fn wrap(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let start = text.len() - text.trim_start().len();
    let (lead, words) = text.split_at_checked(start).unwrap_or(("", text));
    let mut lines: Vec<String> = vec![lead.to_owned()];
    for word in words.split_inclusive(' ') {
        let fits = |line: &String| line.width() + word.trim_end().width() <= columns.max(20);
        match lines.last_mut() {
            Some(line) if line.trim().is_empty() || fits(line) => line.push_str(word),
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Terminal = Terminal { columns: 100, color: false, utf8: true };

    fn table() -> Table {
        let mut table = Table::new(vec![
            Column::text("NAME", Narrow::CutEnd),
            Column::number("n"),
            Column::number("from").or(Narrow::Leave(0)),
            Column::text("path", Narrow::CutMiddle),
        ]);
        table.row(vec!["checkout-service".into(), "1,000".into(), "2".into(), "/a/b".into()]);
        table.row(vec![
            Cell::styled("x", Style::Bold),
            "7".into(),
            "".into(),
            "/long/path/of/it".into(),
        ]);
        table
    }

    #[test]
    fn aligned() {
        let expected = "\
NAME                  n  from  path
checkout-service  1,000     2  /a/b
x                     7        /long/path/of/it
";
        assert_eq!(table().render(&WIDE), expected);
    }

    #[test]
    fn narrow() {
        let expected = "\
NAME                  n  path
checkout-service  1,000  /a/b
x                     7  /long/path/of/it
";
        assert_eq!(table().render(&Terminal { columns: 41, ..WIDE }), expected);
        let expected = "\
NAME              n  path
checkout-se…  1,000  /a/b
x                 7  /long…of/it
";
        assert_eq!(table().render(&Terminal { columns: 32, ..WIDE }), expected);
        let plain = table().render(&Terminal { columns: 32, utf8: false, ..WIDE });
        assert!(plain.contains("checkout-...") && plain.lines().all(|line| line.width() <= 32));
    }

    #[test]
    fn colours_do_not_count() {
        let colored = table().render(&Terminal { color: true, ..WIDE });
        assert!(colored.contains("\x1b[1mx\x1b[0m                     7"));
    }
}
