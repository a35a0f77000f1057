//! The shape of every answer: security headers, `Content-Length`, and errors as
//! `{"error": {"code", "message"}}`. Nothing a client sent is repeated in an answer.

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};

use super::host::HostError;

/// An answer before it is tied to its connection.
pub(super) type Answer = Response<Bytes>;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A page with its own type.
pub(super) fn page(content_type: &'static str, body: Bytes) -> Answer {
    answer(StatusCode::OK, content_type, body)
}

/// An error: `code` is for programs, `message` for people.
pub(super) fn error(status: StatusCode, code: &'static str, message: &str) -> Answer {
    let json = serde_json::json!({ "error": { "code": code, "message": message } });
    answer(status, JSON, Bytes::from(json.to_string()))
}

/// The answer to a request whose `Host` breaks the rule.
pub(super) fn host_refused(error: HostError) -> Answer {
    let (status, code, message) = match error {
        HostError::Missing => {
            (StatusCode::BAD_REQUEST, "host_missing", "the request has no Host header")
        }
        HostError::Repeated => {
            (StatusCode::BAD_REQUEST, "host_repeated", "the request has more than one Host header")
        }
        HostError::Foreign => (
            StatusCode::MISDIRECTED_REQUEST,
            "host_not_served",
            "this host is not served here: use an IP address, localhost, or a name listed in \
             http.hosts",
        ),
    };
    self::error(status, code, message)
}

/// No such path on this listener.
pub(super) fn not_found() -> Answer {
    error(StatusCode::NOT_FOUND, "not_found", "there is no such path here")
}

/// The path exists, the method does not.
pub(super) fn method_not_allowed() -> Answer {
    let mut answer =
        error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only GET and HEAD are served");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// Nothing can be served just now.
pub(super) fn unavailable(code: &'static str, message: &str) -> Answer {
    error(StatusCode::SERVICE_UNAVAILABLE, code, message)
}

/// The same answer, after which the connection is closed: its next bytes would be the rest of a
/// body, not a request.
pub(super) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    // `Content-Length` is hyper's: it knows the body, and sends the length to HEAD as well.
    let headers = answer.headers_mut();
    let content_type = HeaderValue::from_str(content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or_else(|_| HeaderValue::from_static(TEXT)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
