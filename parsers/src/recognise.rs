//! Tells by which format lines were written, when nobody says.

use crate::line::{LineParser, Spans};
use crate::log_format::LogFormat;

/// The formats that gatelog knows by name, most telling first, each as its `log_format` directive.
pub const KNOWN_FORMATS: [&str; 5] = [MTLS_EXTENDED, MTLS_JSON, MTLS_TSV, MTLS, COMBINED];

/// The reference format: nginx's `combined` and the certificate.
pub const MTLS: &str = r#"log_format mtls '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" client_verify=$ssl_client_verify client_dn="$ssl_client_s_dn" client_fp=$ssl_client_fingerprint';"#;

/// The reference format and everything else gatelog can use.
pub const MTLS_EXTENDED: &str = r#"log_format mtls_extended '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" client_verify=$ssl_client_verify client_dn="$ssl_client_s_dn" client_fp=$ssl_client_fingerprint '
    'upstream_addr="$upstream_addr" upstream_status="$upstream_status" request_time=$request_time upstream_response_time="$upstream_response_time" ssl_protocol=$ssl_protocol ssl_cipher=$ssl_cipher '
    'issuer_dn="$ssl_client_i_dn" serial=$ssl_client_serial v_start="$ssl_client_v_start" v_end="$ssl_client_v_end" v_remain=$ssl_client_v_remain session_reused=$ssl_session_reused '
    'server_name=$server_name server_port=$server_port sni="$ssl_server_name" host="$host" request_id=$request_id connection=$connection connection_requests=$connection_requests msec=$msec';"#;

/// The same fields as one JSON object.
pub const MTLS_JSON: &str = r#"log_format mtls_json escape=json '{"time":"$time_iso8601","msec":$msec,"remote_addr":"$remote_addr","remote_user":"$remote_user","request":"$request","method":"$request_method","uri":"$request_uri","status":$status,"bytes":$body_bytes_sent,"referer":"$http_referer","user_agent":"$http_user_agent",'
    '"client_verify":"$ssl_client_verify","client_dn":"$ssl_client_s_dn","client_fp":"$ssl_client_fingerprint","issuer_dn":"$ssl_client_i_dn","serial":"$ssl_client_serial","v_start":"$ssl_client_v_start","v_end":"$ssl_client_v_end","v_remain":"$ssl_client_v_remain","ssl_protocol":"$ssl_protocol","ssl_cipher":"$ssl_cipher","session_reused":"$ssl_session_reused",'
    '"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","upstream_response_time":"$upstream_response_time","request_time":$request_time,"server_name":"$server_name","server_port":"$server_port","sni":"$ssl_server_name","host":"$host","request_id":"$request_id","connection":$connection,"connection_requests":$connection_requests}';"#;

/// Fifteen columns between tabs.
pub const MTLS_TSV: &str = "log_format mtls_tsv '$time_iso8601\t$remote_addr\t$status\t$ssl_client_verify\t$ssl_client_s_dn\t$ssl_client_fingerprint\t$ssl_client_serial\t$ssl_client_v_end\t$ssl_protocol\t$request_method\t$request_uri\t$upstream_addr\t$upstream_status\t$http_user_agent\t$request_id';";

/// nginx's own default; it has no certificate, so it gives no verdict.
pub const COMBINED: &str = r#"log_format combined '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';"#;

/// How many lines from the start are tried.
pub const LINES_MAX: usize = 100;

/// Parsers of the formats known by name, and last the one for JSON in any order.
pub fn known_parsers() -> Vec<LineParser> {
    let formats = KNOWN_FORMATS.iter().filter_map(|text| LogFormat::parse(text.as_bytes()).ok());
    let parsers = formats.map(|format| LineParser::new(&format));
    parsers.chain([LineParser::json_by_key()]).collect()
}

/// The index of the parser that finds most values in the first [`LINES_MAX`] lines, of several that
/// find as many the first; `None` when none reads any line. A JSON object can be read by the keys of
/// many formats, so it is not the number of lines that counts.
pub fn recognise<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    parsers: &[LineParser],
) -> Option<usize> {
    let mut found = vec![0usize; parsers.len()];
    let mut spans = Spans::default();
    for line in lines.into_iter().filter(|line| !line.is_empty()).take(LINES_MAX) {
        for (parser, values) in parsers.iter().zip(&mut found) {
            let record = parser.parse(line, &mut spans);
            *values += record.map_or(0, |record| record.variable_count());
        }
    }
    let some = found.iter().enumerate().filter(|(_, values)| **values > 0);
    let best = some.max_by_key(|(index, values)| (**values, std::cmp::Reverse(*index)));
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_format_compiles_under_its_name() {
        let parsers = known_parsers();
        let names: Vec<_> = parsers.iter().map(LineParser::name).collect();
        assert_eq!(names, ["mtls_extended", "mtls_json", "mtls_tsv", "mtls", "combined", "json"]);
    }

    #[test]
    fn recognised() {
        let parsers = known_parsers();
        let check = |lines: &[&str], expected: Option<&str>| {
            let found = recognise(lines.iter().map(|line| line.as_bytes()), &parsers);
            assert_eq!(found.map(|index| parsers[index].name()), expected, "{lines:?}");
        };
        let combined =
            r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200 3 "-" "a""#;
        check(&[combined], Some("combined"));
        check(&["rubbish", combined], Some("combined"));
        check(
            &[&format!("{combined} client_verify=NONE client_dn=\"-\" client_fp=-")],
            Some("mtls"),
        );
        check(&[r#"{"ssl_client_verify": "NONE", "status": 400}"#], Some("json"));
        check(&[r#"{"nothing": "known"}"#], None);
        check(&["", "rubbish"], None);
        check(&[], None);
    }
}
