use super::*;

#[test]
fn fits() {
    let check = |shape: Shape, value: &str, expected: bool| {
        assert_eq!(shape.fits(value.as_bytes()), expected, "{shape:?} {value:?}");
    };
    for shape in Field::ALL.iter().map(|field| field.shape()) {
        check(shape, "-", true);
        check(shape, "", true);
    }
    check(Shape::Token, "TLSv1.3", true);
    check(Shape::Token, "a b", false);
    check(Shape::Address, "10.0.0.1", true);
    check(Shape::Address, "fe80::1", true);
    check(Shape::Address, "unix:", true);
    check(Shape::Address, "10.0.0.1 x", false);
    check(Shape::Address, "abc", false);
    check(Shape::Status, "200", true);
    check(Shape::Status, "20", false);
    check(Shape::Status, "2000", false);
    check(Shape::Integer, "0", true);
    check(Shape::Integer, "1.5", false);
    check(Shape::Decimal, "1.500", true);
    check(Shape::Decimal, "1", true);
    check(Shape::Decimal, "1.", false);
    check(Shape::Decimal, ".5", false);
    check(Shape::Sha1, "b2b279f36e5659cfddf7868eec97131e076d4e65", true);
    check(Shape::Sha1, "b2b279f36e5659cfddf7868eec97131e076d4e6", false);
    check(Shape::Sha1, "b2b279f36e5659cfddf7868eec97131e076d4e6g", false);
    check(Shape::Serial, "ABCDEF00", true);
    check(Shape::Serial, "-04D2", true);
    check(Shape::Serial, "--04D2", false);
    check(Shape::Serial, r"ABAB\x5C\x0AABAB", true);
    check(Shape::Serial, r"ABAB\\\nABAB", true);
    check(Shape::Serial, r"ABAB\x5CABAB", false);
    check(Shape::Serial, "ABABx", false);
    check(Shape::CertificateTime, "Bad time value", true);
    check(Shape::CertificateTime, "Jan  1 01:01:01.123456 2026 GMT", true);
    check(Shape::CertificateTime, "Jan  1 01:01:01 5 GMT", true);
    check(Shape::CertificateTime, "Jan  1 01:01:01x 2026 GMT", false);
    check(Shape::CertificateTime, "Jan  1 01:01:01 20260 GMT", false);
    check(Shape::CertificateTime, "Jan  1 01:01:01 2026", false);
    check(Shape::Address, "unix:\"", false);
    check(Shape::SessionReused, "r", true);
    check(Shape::SessionReused, "x", false);
    check(Shape::UpstreamAddresses, "127.0.0.1:1, unix:/run/x.sock : group", true);
    check(Shape::UpstreamAddresses, "127.0.0.1:1,", false);
    check(Shape::UpstreamAddresses, "127.0.0.1:1 200", false);
    // The resolver failed before, and after, the server that answered (nginx 1.22).
    check(Shape::UpstreamAddresses, ", 127.0.0.1:28444", true);
    check(Shape::UpstreamAddresses, "127.0.0.1:28444 : ", true);
    check(Shape::UpstreamAddresses, ", ", false);
    check(Shape::UpstreamNumbers, "404 : ", true);
    check(Shape::UpstreamNumbers, "502, 200 : -", true);
    check(Shape::UpstreamNumbers, "502,", false);
}

#[test]
fn upstream_elements() {
    let check = |value: &str, expected: &[&str]| {
        let found: Vec<_> = upstream_list(value.as_bytes()).collect();
        let expected: Vec<_> = expected.iter().map(|e| e.as_bytes()).collect();
        assert_eq!(found, expected, "{value:?}");
    };
    check("10.0.0.1:80", &["10.0.0.1:80"]);
    check("10.0.0.1:80, 10.0.0.2:80", &["10.0.0.1:80", "10.0.0.2:80"]);
    check("10.0.0.1:80 : 10.0.0.2:80", &["10.0.0.1:80", "10.0.0.2:80"]);
    check(r#"["10.0.0.1:80", null,"[::1]:80"]"#, &["10.0.0.1:80", "-", "[::1]:80"]);
    check("[::1]:80, [::1]:81", &["[::1]:80", "[::1]:81"]);
    check("a, b : c, -", &["a", "b", "c", "-"]);
    check("502 :", &["502 :"]);
    check(", b", &["", "b"]);
    check("a : ", &["a", ""]);
    check("", &[""]);
}

#[test]
fn names() {
    for field in Field::ALL {
        assert_eq!(Field::from_variable(field.variable().as_bytes()), Some(*field));
    }
    assert_eq!(Field::from_variable(b"http_x_case"), None);
    assert_eq!(Field::from_variable(b"query_string"), Some(Field::Args));
    assert_eq!(Field::from_variable(b"Status"), Some(Field::Status));
}

#[test]
fn a_value_that_fits_holds_and_reaches_what_its_shape_may() {
    let values = [
        (Shape::TimeLocal, "22/Nov/2026:11:51:17 +0000"),
        (Shape::TimeIso8601, "2026-11-22T11:51:17+00:00"),
        (Shape::CertificateTime, "Nov  2 11:51:15 2027 GMT"),
        (Shape::CertificateTime, "Bad time value"),
        (Shape::Serial, r"-ABAB\x5C\x0AABAB"),
        (Shape::Status, "200"),
        (Shape::SessionReused, "r"),
        (Shape::UpstreamAddresses, ", a : "),
        (Shape::Verify, "SUCCESS"),
        (Shape::Verify, "FAILED"),
        (Shape::UpstreamAddresses, "127.0.0.1:1, unix:/run/x.sock : group"),
        (Shape::UpstreamNumbers, "0.001, - : 200"),
        (Shape::Verify, "FAILED:self-signed certificate in certificate chain"),
    ];
    for (shape, value) in values {
        assert!(shape.fits(value.as_bytes()), "{shape:?}");
        assert!(value.bytes().all(|byte| shape.may_hold(byte)), "{shape:?}");
        let followed = format!("{value} \"");
        let reach = shape.reach(followed.as_bytes());
        assert!((value.len()..=followed.len()).contains(&reach), "{shape:?} {reach}");
    }
    assert_eq!(Shape::TimeLocal.reach(&[b'1'; 200]), 26);
    assert_eq!(Shape::UpstreamNumbers.reach(b"1, 2 : 3 4"), 8);
    assert_eq!(Shape::Verify.reach(b"SUCCESS SUCCESS"), 7);
}
