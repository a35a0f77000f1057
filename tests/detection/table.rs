//! The table of docs/detection.md: what was found, and how soon.

use std::fmt::Write as _;

use jiff::SignedDuration;

use crate::judge::Outcome;

/// What became of all expected messages of one incident and rule.
#[derive(Debug)]
struct Row {
    incident: String,
    rule: String,
    delays: Vec<SignedDuration>,
    logs: usize,
    messages: usize,
}

/// The rows, in the order in which incidents first come.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds the outcomes of a log.
    pub(crate) fn add(&mut self, outcomes: Vec<Outcome>) {
        for Outcome { incident, rule, delay, messages } in outcomes {
            let known =
                self.rows.iter().position(|row| row.incident == incident && row.rule == rule);
            let index = known.unwrap_or_else(|| {
                let (delays, logs, messages) = (Vec::new(), 0, 0);
                self.rows.push(Row { incident, rule, delays, logs, messages });
                self.rows.len() - 1
            });
            let row = &mut self.rows[index];
            row.delays.extend(delay);
            row.logs += 1;
            row.messages += messages;
        }
    }

    /// The table in Markdown.
    pub(crate) fn text(mut self) -> String {
        let mut text = String::from(
            "| incident | rule | found in time | median delay | longest | messages |\n\
             |---|---|---|---|---|---|\n",
        );
        for row in &mut self.rows {
            row.delays.sort();
            let Row { incident, rule, delays, logs, messages } = row;
            let shown = |delay: Option<&SignedDuration>| {
                delay.map_or_else(|| "-".to_owned(), |delay| duration(*delay))
            };
            let (median, longest) = (shown(delays.get(delays.len() / 2)), shown(delays.last()));
            let found = delays.len();
            writeln!(
                text,
                "| {incident} | `{rule}` | {found} of {logs} | {median} | {longest} | {messages} |"
            )
            .unwrap();
        }
        text
    }
}

/// As somebody who waits would say it.
fn duration(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{}.{} h", seconds / 3600, seconds % 3600 / 360),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_up_all_logs() {
        let outcome = |incident: &str, seconds: Option<i64>, messages| Outcome {
            incident: incident.to_owned(),
            rule: "rule".to_owned(),
            delay: seconds.map(SignedDuration::from_secs),
            messages,
        };
        let mut table = Table::default();
        table.add(vec![outcome("b", Some(119), 1), outcome("a", None, 0)]);
        table.add(vec![outcome("b", Some(7200), 2)]);
        table.add(vec![outcome("b", Some(0), 1), outcome("b", Some(150), 1)]);
        let text = table.text();
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            ["| b | `rule` | 4 of 4 | 3 min | 2.0 h | 5 |", "| a | `rule` | 0 of 1 | - | - | 0 |"]
        );
    }
}
