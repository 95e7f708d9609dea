//! Answers as JSON: one object each, with the name and version of its schema, so that programs can tell what they hold.
//! Fields may be added in a version; a field never changes its meaning or goes away without a new version.

use super::text::acts;
use crate::base::time::Span;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use serde::Serialize;

/// Version of all schemas here.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a, T: Serialize> {
    schema: &'static str,
    version: u32,
    exit: u8,
    status: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// An answer: `schema`, `version`, `exit` (the number), `status` (its word), then the fields of `body`, which must be a
/// struct or a map.
#[must_use]
pub fn document(schema: &'static str, exit: Exit, body: &impl Serialize) -> String {
    let document = Document { schema, version: VERSION, exit: exit.code(), status: exit.name(), body };
    let text = serde_json::to_string_pretty(&document).unwrap_or_else(|error| {
        format!("{{\"schema\":\"intervault/error\",\"version\":1,\"exit\":1,\"message\":\"{error}\"}}")
    });
    harmless(text)
}

/// The same JSON with everything in its texts that a terminal would act on written as `\u` and four digits, beside what has to
/// be in JSON: what is beyond ASCII is in texts alone.
#[must_use]
pub fn harmless(json: String) -> String {
    let is_harm = |c: char| c >= '\u{7f}' && acts(c);
    if !json.contains(is_harm) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harm(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The body of `intervault/error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What failed and where.
    pub message: String,
    /// What to try; left out if there is nothing to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// The body for a failure.
#[must_use]
pub fn error_body(failure: &Failure) -> ErrorBody {
    ErrorBody { message: failure.message.clone(), hint: failure.hint.clone() }
}

/// A span of civil time, half-open: `from` is in it, `until` is not. A side without bound is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpanBody {
    /// First instant, `YYYY-MM-DD HH:MM[:SS]`.
    pub from: Option<String>,
    /// First instant after it.
    pub until: Option<String>,
}

impl From<Span> for SpanBody {
    fn from(span: Span) -> SpanBody {
        SpanBody {
            from: (span.start > Span::ALL.start).then(|| span.start.to_string()),
            until: (span.stop < Span::ALL.stop).then(|| span.stop.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;

    #[test]
    fn an_answer_names_its_schema_and_status() {
        let text = document("intervault/check", Exit::Damage, &serde_json::json!({ "blocks": 3 }));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted = serde_json::json!({
            "schema": "intervault/check", "version": 1, "exit": 4, "status": "damage", "blocks": 3
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn spans_are_half_open_and_unbounded_sides_are_null() {
        let span = Span { start: Instant(0), stop: Instant(1_800) };
        let body = SpanBody::from(span);
        assert_eq!((body.from.as_deref(), body.until.as_deref()), (Some("1970-01-01 00:00"), Some("1970-01-01 00:30")));
        assert_eq!(SpanBody::from(Span::ALL), SpanBody { from: None, until: None });
    }
}
