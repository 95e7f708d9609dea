//! Fuzz bodies of what a PostgreSQL server and its addresses are made of: rows of a COPY in text, URLs.

use crate::column::batch::OwnedValue;
use crate::store::postgres::probe::{FORMS, cut, lines};
use crate::store::postgres::url::ServerUrl;

/// A field as the server's manual says it, byte by byte: no bytes for a null.
fn plain(field: &[u8]) -> Option<Option<Vec<u8>>> {
    if field == b"\\N" {
        return Some(None);
    }
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = field.get(at) {
        at += 1;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let escaped = *field.get(at)?;
        at += 1;
        let known = [(b'b', 8), (b'f', 12), (b'n', 10), (b'r', 13), (b't', 9), (b'v', 11)];
        out.push(known.iter().find(|(letter, _)| *letter == escaped).map_or(escaped, |(_, meant)| *meant));
    }
    Some(Some(out))
}

/// What a field of a form means; `None` where it means nothing. The forms are those of [`FORMS`].
fn value(form: usize, field: &[u8]) -> Option<OwnedValue> {
    let Some(bytes) = plain(field)? else { return Some(OwnedValue::Null) };
    let text = || std::str::from_utf8(field).ok();
    let one_nan = |real: f64| if real.is_nan() { f64::NAN } else { real };
    Some(match form {
        0 => OwnedValue::Integer(text()?.parse().ok()?),
        1 => OwnedValue::Real(one_nan(text()?.parse().ok()?)),
        2 => OwnedValue::Real(one_nan(f64::from(text()?.parse::<f32>().ok()?))),
        3 => OwnedValue::Integer(match field {
            b"t" => 1,
            b"f" => 0,
            _ => return None,
        }),
        4 => OwnedValue::Text(bytes),
        _ => {
            let digits = field.strip_prefix(b"\\\\x")?;
            let pair = |pair: &[u8]| {
                let lower = pair.len() == 2 && pair.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
                lower.then(|| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).flatten()
            };
            OwnedValue::Blob(digits.chunks(2).map(pair).collect::<Option<Vec<u8>>>()?)
        }
    })
}

/// The bits of a value, so that a NaN is equal to itself and a minus zero is not zero.
fn bits(value: OwnedValue) -> OwnedValue {
    match value {
        OwnedValue::Real(real) => OwnedValue::Blob(real.to_bits().to_le_bytes().to_vec()),
        other => other,
    }
}

/// Rows of a COPY in text: the first byte says how many fields they have, the second where what comes is cut in two; each field
/// is of the next form in turn. The parser gives what a slow one gives, and refuses what that refuses.
///
/// # Panics
/// If the two differ.
pub fn copy_text(data: &[u8]) {
    let [count, cut_at, text @ ..] = data else { return };
    let (count, cut_at) = (usize::from(count % 8), usize::from(*cut_at).min(text.len()));
    let first = usize::from(text.len() as u8) % FORMS.len();
    let forms: Vec<usize> = (0..count).map(|at| first.wrapping_add(at) % FORMS.len()).collect();
    let parts = text.split_at(cut_at);
    let rows = lines(&[parts.0, parts.1]);
    let expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let whole = expected.len().saturating_sub(1);
    assert!(rows.iter().map(Vec::as_slice).eq(expected.into_iter().take(whole)), "rows are cut elsewhere");
    // The last row may have no line feed, so that short inputs reach the parser.
    for row in rows.iter().map(Vec::as_slice).chain(text.rsplit(|byte| *byte == b'\n').take(1)) {
        let fields: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
        let fits = fields.len() == count || (count == 0 && row.is_empty());
        let values = forms.iter().zip(&fields).map(|(form, field)| value(*form, field)).collect::<Option<Vec<_>>>();
        let expected = values.filter(|_| fits).map(|values| values.into_iter().map(bits).collect::<Vec<_>>());
        let found = cut(row, &forms).map(|values| values.into_iter().map(bits).collect::<Vec<_>>());
        assert_eq!(found, expected, "{forms:?}: {}", String::from_utf8_lossy(row));
    }
}

/// Text as the URL of a database on a server: what is accepted means the same written out with its password, and without it the
/// password is nowhere.
///
/// # Panics
/// If that does not hold.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = text.parse::<ServerUrl>() else { return };
    let again = url.with_password().parse::<ServerUrl>();
    assert!(again.is_ok(), "it cannot be read as it is written: {}", url.with_password());
    let told = url.to_string();
    let known = told.parse::<ServerUrl>();
    assert!(known.as_ref().is_ok_and(|known| known.get("password").is_none()), "it tells its password: {told}");
    assert_eq!(again.map(|again| again.to_string()).ok(), Some(told), "written out, it means something else");
    assert_eq!(known.map(|known| known.to_string()).ok(), Some(url.to_string()), "it is written in two ways");
}

/// Seeds by name, for the target `copy_text`.
#[must_use]
pub fn copy_text_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let seed = |count: u8, text: &str| [&[count, 9], text.as_bytes()].concat();
    vec![
        ("numbers", seed(2, "12\t0.5\n-9223372036854775808\t-0\n")),
        ("texts", seed(3, "ab\\tc\t\\\\x00ff\t7\nK\\\\\\n\t\\N\t\\N\n\n\n")),
        ("odd", seed(4, "t\tf\\\t\\\\x0\t1234567\t\n")),
    ]
}

/// Seeds by name, for the target `url`.
#[must_use]
pub fn url_seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("short", b"postgresql:///cms".to_vec()),
        ("full", b"postgres://br:se%20cret@a,[::1]:5433/cms?schema=br&sslmode=verify-full&connect_timeout=5".to_vec()),
        ("ports", b"postgres://a,b/d?port=7,8".to_vec()),
        ("found_1", b"postgresql://s?port==".to_vec()),
        ("found_2", b"postgres://s/?port=tgresql:////tgrescms".to_vec()),
        ("found_3", b"postgres://s:8/://%22r?host=&".to_vec()),
        ("found_4", b"postgres://br:s0et@s?dbname=".to_vec()),
        ("socket", b"postgresql://%2Frun%2Fpostgresql/cms?user=br&password=p%26w".to_vec()),
    ]
}
