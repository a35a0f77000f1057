//! Any bytes at all in any field, through the commands, many lines at once.

use std::fs;

use proptest::prelude::*;

use crate::lines::{FIELDS, FORMATS, Field};
use crate::logs::{Hostile, check_parse, check_reports, log};
use crate::values;

const LINES_MAX: usize = 100;

/// Bytes, characters, and pieces of what is known to be hostile, in any order; never what nginx
/// writes for a value that is not there.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = values::all().into_iter().map(|(_, value)| value);
    let known: Vec<Vec<u8>> = known.filter(|value| value.len() < 500).collect();
    let part = (prop::sample::select(known), any::<prop::sample::Index>());
    let part = part.prop_map(|(value, at)| value[at.index(value.len())..].to_vec());
    let piece = prop_oneof![
        3 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
        2 => prop::sample::select(b"\"\\ ,:=-{}\t\n/?[]".to_vec()).prop_map(|byte| vec![byte]),
        1 => part,
    ];
    let value = prop::collection::vec(piece, 1..30).prop_map(|pieces| pieces.concat());
    value.prop_filter("`-` is no value", |value| value != b"-")
}

fn hostile(format: &'static str) -> impl Strategy<Value = Vec<Hostile>> {
    let fields: Vec<&'static Field> = FIELDS.iter().filter(|field| field.is_in(format)).collect();
    let one = (prop::sample::select(fields), value());
    let one = one.prop_map(|(field, value)| Hostile {
        name: format!("${} {value:?}", field.variable),
        field,
        value,
    });
    prop::collection::vec(one, 1..LINES_MAX)
}

fn logs() -> impl Strategy<Value = (&'static str, Vec<Hostile>)> {
    prop::sample::select(&FORMATS[..])
        .prop_flat_map(|format| hostile(format).prop_map(move |hostile| (format, hostile)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_changes_its_own_field_alone((format, hostile) in logs()) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.log"), log(format, &hostile)).unwrap();
        let counts = check_parse(directory.path(), format, &hostile);
        check_reports(directory.path(), &counts);
    }
}
