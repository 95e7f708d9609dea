//! The digest against a second implementation, written value by value from the specification, and against vectors that
//! never change.

use super::{Digest, RowHasher, row_hashes};
use crate::base::time::day_of_civil;
use crate::column::batch::{Batch, Column, ColumnData, OwnedValue, Value};
use crate::column::error::ColumnErrorKind;
use crate::column::logical::LogicalType;
use OwnedValue::{Blob, Integer, Null, Real, Text};
use proptest::collection::vec;
use proptest::prelude::*;

/// The class of a value and what a canonical row has of it.
fn naive_item(value: &OwnedValue, logical: LogicalType) -> (u8, Vec<u8>) {
    let own = plain(value);
    let fitting = match (logical, value) {
        (_, Null) => Some(own.clone()),
        (LogicalType::Integer { .. } | LogicalType::Any, Integer(v)) | (LogicalType::Boolean, Integer(v @ 0..=1)) => {
            match *v {
                0 => return (0, Vec::new()),
                1..=0xFFFF => return (1, (*v as u16).to_le_bytes().to_vec()),
                0x1_0000..=0xFFFF_FFFF => return (2, (*v as u32).to_le_bytes().to_vec()),
                _ => Some(own.clone()),
            }
        }
        (LogicalType::Any, _)
        | (LogicalType::Float { .. }, Real(_))
        | (LogicalType::Text, Text(_))
        | (LogicalType::Blob, Blob(_)) => Some(own.clone()),
        (LogicalType::FixedText { .. }, Text(text)) => {
            let mut text = text.clone();
            while text.last() == Some(&0x20) {
                text.pop();
            }
            Some(plain(&Text(text)))
        }
        (LogicalType::Decimal { .. }, _) => decimal(value),
        (LogicalType::Date, Text(text)) => {
            date(text).map(|day| [vec![0xD5], (day as i32).to_le_bytes().to_vec()].concat())
        }
        (LogicalType::Time, Text(text)) => time(text).map(|at| tagged(0xD7, at)),
        (LogicalType::Timestamp, Text(text)) => timestamp(text).map(|at| tagged(0xD6, at)),
        (LogicalType::TimestampZone, Text(text)) => {
            text.strip_suffix(b"+00").and_then(timestamp).map(|at| tagged(0xD8, at))
        }
        _ => None,
    };
    (3, fitting.unwrap_or_else(|| [vec![0xDF], own].concat()))
}

fn tagged(tag: u8, number: i64) -> Vec<u8> {
    [vec![tag], number.to_le_bytes().to_vec()].concat()
}

fn plain(value: &OwnedValue) -> Vec<u8> {
    match value {
        Null => vec![0xD0],
        Integer(v) => {
            let length = (1..=8u32)
                .find(|bytes| {
                    let half = 1i128 << (8 * bytes - 1);
                    (-half..half).contains(&i128::from(*v))
                })
                .unwrap();
            [vec![0xC0 + length as u8], v.to_le_bytes()[..length as usize].to_vec()].concat()
        }
        Real(v) if v.is_nan() => vec![0xD1, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F],
        Real(v) => [vec![0xD1], v.to_bits().to_le_bytes().to_vec()].concat(),
        Text(text) => [vec![0xD2], lengthened(text)].concat(),
        Blob(blob) => [vec![0xD3], lengthened(blob)].concat(),
    }
}

fn lengthened(bytes: &[u8]) -> Vec<u8> {
    let length = if bytes.len() < 255 {
        vec![bytes.len() as u8]
    } else {
        [vec![255], (bytes.len() as u32).to_le_bytes().to_vec()].concat()
    };
    [length, bytes.to_vec()].concat()
}

fn decimal(value: &OwnedValue) -> Option<Vec<u8>> {
    let text = match value {
        Text(text) => String::from_utf8(text.clone()).ok()?,
        Integer(v) => v.to_string(),
        Real(v) if v.is_finite() => v.to_string(),
        _ => return None,
    };
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let mut parts = unsigned.split('.');
    let (whole, fraction) = (parts.next()?, parts.next());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    let mut digits = format!("{whole}{}", fraction.unwrap_or(""));
    let mut exponent = -(fraction.unwrap_or("").len() as i32);
    while digits.len() > 1 && digits.starts_with('0') {
        digits.remove(0);
    }
    while digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
        exponent += 1;
    }
    if digits == "0" {
        exponent = 0;
    } else if negative {
        digits.insert(0, '-');
    }
    Some([vec![0xD4], exponent.to_le_bytes().to_vec(), lengthened(digits.as_bytes())].concat())
}

fn numbers(text: &[u8], pattern: &str) -> Option<Vec<i64>> {
    if text.len() != pattern.len() {
        return None;
    }
    let mut fields = vec![0i64];
    for (byte, expected) in text.iter().zip(pattern.bytes()) {
        match expected {
            b'9' if byte.is_ascii_digit() => *fields.last_mut()? = fields.last()? * 10 + i64::from(byte - b'0'),
            b'9' => return None,
            other if other == *byte => fields.push(0),
            _ => return None,
        }
    }
    Some(fields)
}

fn date(text: &[u8]) -> Option<i64> {
    let fields = numbers(text, "9999-99-99")?;
    day_of_civil(fields[0] as i32, fields[1] as u32, fields[2] as u32).map(i64::from)
}

fn time(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = text.split_at_checked(8)?;
    let fields = numbers(whole, "99:99:99")?;
    if fields[0] > 23 || fields[1] > 59 || fields[2] > 59 {
        return None;
    }
    let mut micros = ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1_000_000;
    if !fraction.is_empty() {
        let digits = std::str::from_utf8(fraction.strip_prefix(b".")?).ok()?;
        if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        micros += format!("{digits:0<6}").parse::<i64>().ok()?;
    }
    Some(micros)
}

fn timestamp(text: &[u8]) -> Option<i64> {
    let (day, at) = text.split_at_checked(10)?;
    Some(date(day)? * 86_400_000_000 + time(at.strip_prefix(b" ")?)?)
}

fn naive_row(values: &[OwnedValue], types: &[LogicalType]) -> Vec<u8> {
    let mut row = vec![0; types.len().div_ceil(4)];
    for (number, (value, logical)) in values.iter().zip(types).enumerate() {
        let (class, bytes) = naive_item(value, *logical);
        row[number / 4] += class * [1, 4, 16, 64][number % 4];
        row.extend(bytes);
    }
    row
}

fn naive_hash(values: &[OwnedValue], types: &[LogicalType]) -> u128 {
    let mut row = naive_row(values, types);
    while !row.len().is_multiple_of(64) {
        row.push(0);
    }
    u128::from_le_bytes(blake3::hash(&row).as_bytes()[..16].try_into().unwrap())
}

fn batch_of(rows: &[Vec<OwnedValue>], columns: usize) -> Batch {
    let mut all = vec![Column::new(ColumnData::Integer(Vec::new())); columns];
    for row in rows {
        row.iter().zip(&mut all).for_each(|(value, column)| column.push(value.as_value()));
    }
    Batch { columns: all, rows: rows.len() }
}

const TYPES: [LogicalType; 14] = [
    LogicalType::Integer { bits: 16 },
    LogicalType::Integer { bits: 64 },
    LogicalType::Float { bits: 32 },
    LogicalType::Float { bits: 64 },
    LogicalType::Decimal { precision: 10, scale: 2 },
    LogicalType::Boolean,
    LogicalType::Date,
    LogicalType::Time,
    LogicalType::Timestamp,
    LogicalType::TimestampZone,
    LogicalType::Text,
    LogicalType::FixedText { width: 8 },
    LogicalType::Blob,
    LogicalType::Any,
];

const WHOLE: [i64; 23] = [
    0,
    1,
    127,
    128,
    255,
    256,
    16_383,
    16_384,
    32_767,
    32_768,
    65_535,
    65_536,
    1 << 23,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1 << 32,
    1 << 55,
    i64::MAX,
    -1,
    -128,
    -129,
    -32_769,
    i64::MIN,
];

const REAL: [f64; 12] =
    [0.0, -0.0, 1.5, -2.0, 12.5, 0.1, 1e21, 1e-7, 5e-324, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

/// Texts that fit a type, and texts that nearly do, separated by bars.
const TEXT: &str = "| |ab  |voice|0|-0|12.50|12.5|-0.00|007.10|1e5|1.|.5|+1|NaN|123456789012345678901234567890.10|\
    2024-02-29|2023-02-29|0001-01-01|9999-12-31|10000-01-01|00:00:00|23:59:59.999999|23:59:59.5|24:00:00|12:00:00.|\
    12:00:00.1234567|2024-02-29 00:00:00|2024-02-29 00:00:00.500|1969-12-31 23:59:59.5|2024-02-29T00:00:00|\
    2024-02-29 00:00:00+00|2024-02-29 00:00:00.25+00|2024-02-29 00:00:00+02|\u{e9}";

/// One value for every branch of the specification.
fn edges() -> Vec<OwnedValue> {
    let long = [254, 255, 256].map(|length| Text(vec![b'x'; length]));
    let blob = [vec![], vec![0], vec![0xFF; 300]].map(Blob);
    let negative_nan = Real(f64::from_bits(0xFFF8_0000_0000_0001));
    std::iter::once(Null)
        .chain(WHOLE.map(Integer))
        .chain(REAL.map(Real))
        .chain([negative_nan])
        .chain(TEXT.split('|').map(|text| Text(text.as_bytes().to_vec())))
        .chain([Text(vec![0xFF, 0xFE])])
        .chain(long)
        .chain(blob)
        .collect()
}

#[test]
fn every_type_and_value_agrees_with_the_naive_way() {
    for logical in TYPES {
        for value in edges() {
            let batch = batch_of(&[vec![value.clone()]], 1);
            let mut hashes = Vec::new();
            row_hashes(&batch, &[logical], &mut hashes).unwrap();
            assert_eq!(hashes, [naive_hash(std::slice::from_ref(&value), &[logical])], "{logical:?} {value:?}");
        }
    }
}

#[test]
fn rows_of_whole_numbers_alone_agree_with_the_naive_way() {
    // Every number in every column, then one column that is not zero; up to two groups of columns and one more.
    for columns in 1..=17usize {
        let every = (0..WHOLE.len()).map(|first| (0..columns).map(move |at| WHOLE[(first + 5 * at) % WHOLE.len()]));
        let mut rows: Vec<Vec<OwnedValue>> = every.map(|row| row.map(Integer).collect()).collect();
        rows.extend((0..columns).map(|one| (0..columns).map(|at| Integer(i64::from(at == one) * 300)).collect()));
        let types = vec![LogicalType::Integer { bits: 64 }; columns];
        let mut hashes = Vec::new();
        row_hashes(&batch_of(&rows, columns), &types, &mut hashes).unwrap();
        let naive: Vec<u128> = rows.iter().map(|row| naive_hash(row, &types)).collect();
        assert_eq!(hashes, naive, "{columns} columns");
    }
}

#[test]
fn neighbours_that_begin_or_end_alike_are_not_taken_for_the_same() {
    // Of 8 to 16 bytes, which are compared by their ends; and shorter and longer ones.
    let texts = "2024-03-01|2024-03-02|2025-03-02|2024-03-02|12345678|12345679|abcdefgh12345678|abcdefgh12345679|\
        bbcdefgh12345679|abcdefgh-12345678|abcdefgh+12345678|1234567|1234568|1234568";
    let rows: Vec<Vec<OwnedValue>> = texts.split('|').map(|text| vec![Text(text.as_bytes().to_vec())]).collect();
    for logical in [LogicalType::Text, LogicalType::Date, LogicalType::Any, LogicalType::FixedText { width: 17 }] {
        let mut hashes = Vec::new();
        row_hashes(&batch_of(&rows, 1), &[logical], &mut hashes).unwrap();
        let naive: Vec<u128> = rows.iter().map(|row| naive_hash(row, &[logical])).collect();
        assert_eq!(hashes, naive, "{logical:?}");
    }
}

#[test]
fn different_values_of_one_type_have_different_items() {
    for logical in [LogicalType::Any, LogicalType::Integer { bits: 32 }, LogicalType::Text, LogicalType::Boolean] {
        let edges = edges();
        let items: Vec<_> = edges.iter().map(|value| naive_item(value, logical)).collect();
        for (at, item) in items.iter().enumerate() {
            let like: Vec<_> =
                items[..at].iter().zip(&edges).filter(|(other, _)| *other == item).map(|(_, v)| v).collect();
            let nan = matches!(edges[at], Real(v) if v.is_nan());
            assert_eq!(like.len(), usize::from(nan && like.len() == 1), "{logical:?} {:?} {like:?}", edges[at]);
        }
    }
}

#[test]
fn a_decimal_is_the_same_from_every_store() {
    let logical = [LogicalType::Decimal { precision: 10, scale: 2 }];
    let hash = |value: OwnedValue| {
        let mut hashes = Vec::new();
        row_hashes(&batch_of(&[vec![value]], 1), &logical, &mut hashes).unwrap();
        hashes[0]
    };
    let text = |text: &str| hash(Text(text.as_bytes().to_vec()));
    assert_eq!(text("12.50"), hash(Real(12.5)));
    assert_eq!(text("1200.00"), hash(Integer(1_200)));
    assert_eq!(text("-0.00"), hash(Real(-0.0)));
    assert_eq!(text("0"), hash(Integer(0)));
    assert_eq!(text("0.1"), hash(Real(0.1)));
    assert_eq!(text("1000000000000000000000"), hash(Real(1e21)));
    assert_ne!(text("12.50"), text("12.51"));
    assert_ne!(text("1e5"), hash(Integer(100_000)), "a text that is no decimal is escaped");
}

#[test]
fn order_does_not_count_and_multiplicity_does() {
    let rows = |values: &[i64]| {
        let mut hashes = Vec::new();
        let batch = Batch::new(vec![Column::new(ColumnData::Integer(values.to_vec()))]);
        row_hashes(&batch, &[LogicalType::Any], &mut hashes).unwrap();
        Digest::of(&hashes)
    };
    assert_eq!(rows(&[1, 2, 2, 3]), rows(&[2, 3, 1, 2]));
    assert_ne!(rows(&[1, 2, 2]), rows(&[1, 1, 2]));
    assert_eq!(rows(&[1, 2]).plus(rows(&[3])), rows(&[3, 2, 1]));
}

#[test]
fn a_batch_that_does_not_match_its_types_is_refused() {
    let long = Batch { columns: vec![Column::new(ColumnData::Integer(vec![1, 2]))], rows: 3 };
    for (batch, types) in [(long, 1), (Batch::default(), 1), (batch_of(&[vec![Null]], 1), 0)] {
        let mut hashes = vec![1];
        let error = row_hashes(&batch, &vec![LogicalType::Any; types], &mut hashes).unwrap_err();
        assert!(matches!(error.kind, ColumnErrorKind::Shape(_)));
        assert!(hashes.is_empty());
    }
    let mut hashes = Vec::new();
    row_hashes(&Batch { columns: vec![], rows: 2 }, &[], &mut hashes).unwrap();
    assert_eq!(hashes, [naive_hash(&[], &[]); 2]);
}

proptest! {
    #[test]
    fn random_batches_agree_with_the_naive_way(
        types in vec(prop::sample::select(TYPES.to_vec()), 1..20),
        mostly in prop::sample::select(vec![0usize, 1, 20, 1_000]),
        rows in 0..200usize,
        seed in any::<u64>(),
    ) {
        let (edges, mut state) = (edges(), seed);
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % end
        };
        let rows: Vec<Vec<OwnedValue>> = (0..rows)
            .map(|_| types.iter().map(|_| match below(mostly + 2) {
                0 => edges[below(edges.len())].clone(),
                1 => Integer(0),
                _ => Integer(1i64.rotate_left(below(64) as u32).wrapping_sub(below(3) as i64)),
            }).collect())
            .collect();
        let batch = batch_of(&rows, types.len());
        let mut hashes = Vec::new();
        let mut hasher = RowHasher::default();
        for _ in 0..2 {
            hasher.hash(&batch, &types, &mut hashes).unwrap();
            let naive: Vec<u128> = rows.iter().map(|row| naive_hash(row, &types)).collect();
            prop_assert_eq!(&hashes, &naive);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn golden_value(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::json!({"null": null}),
        Value::Integer(v) => serde_json::json!({"integer": v.to_string()}),
        Value::Real(v) => serde_json::json!({"real_bits": format!("{:016x}", v.to_bits())}),
        Value::Text(v) => serde_json::json!({"text_hex": hex(v)}),
        Value::Blob(v) => serde_json::json!({"blob_hex": hex(v)}),
    }
}

fn golden_read(value: &serde_json::Value) -> OwnedValue {
    let (class, content) = value.as_object().unwrap().iter().next().unwrap();
    let content = content.as_str().unwrap_or_default();
    match class.as_str() {
        "null" => Null,
        "integer" => Integer(content.parse().unwrap()),
        "real_bits" => Real(f64::from_bits(u64::from_str_radix(content, 16).unwrap())),
        "text_hex" => Text(unhex(content)),
        "blob_hex" => Blob(unhex(content)),
        other => panic!("{other}"),
    }
}

const GOLDEN: &str = include_str!("../../../tests/golden/digest-v1.json");

#[test]
fn the_golden_vectors_still_hold() {
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    let mut total = Digest::default();
    let vectors = golden["rows"].as_array().unwrap();
    assert!(vectors.len() > 700);
    for vector in vectors {
        let types: Vec<LogicalType> = vector["types"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stored| {
                let part = |at: usize| stored[at].as_u64().unwrap() as u32;
                LogicalType::from_stored(part(0) as u16, part(1), part(2)).unwrap()
            })
            .collect();
        let values: Vec<OwnedValue> = vector["values"].as_array().unwrap().iter().map(golden_read).collect();
        let mut hashes = Vec::new();
        row_hashes(&batch_of(std::slice::from_ref(&values), types.len()), &types, &mut hashes).unwrap();
        assert_eq!(vector["hash"].as_str().unwrap(), hex(&hashes[0].to_le_bytes()), "{vector}");
        if let Some(row) = vector["row"].as_str() {
            assert_eq!(row, hex(&naive_row(&values, &types)), "{vector}");
        }
        total.add(hashes[0]);
    }
    assert_eq!(golden["sum"].as_str().unwrap(), hex(&total.to_bytes()));
}

/// Prints the file of golden vectors; run by hand when a type is added. Vectors that exist never change.
#[test]
#[ignore = "writes no file, prints one"]
fn print_golden_vectors() {
    let mut rows: Vec<(Vec<LogicalType>, Vec<OwnedValue>)> = Vec::new();
    for logical in TYPES {
        rows.extend(edges().into_iter().map(|value| (vec![logical], vec![value])));
    }
    let wide = |values: &[i64]| values.iter().map(|value| Integer(*value)).collect::<Vec<_>>();
    let integer = LogicalType::Integer { bits: 32 };
    rows.push((vec![integer; 9], wide(&[0, 0, 0, 0, 0, 0, 0, 0, 7])));
    rows.push((vec![integer; 8], wide(&[0; 8])));
    rows.push((vec![], vec![]));
    let call = vec![Text(b"2024-01-01".to_vec()), Integer(1_130), Integer(0), Null, Text(b"40113096  ".to_vec())];
    rows.push((vec![LogicalType::Date, integer, integer, integer, LogicalType::FixedText { width: 10 }], call));
    let mut total = Digest::default();
    let mut lines = Vec::new();
    for (types, values) in &rows {
        let hash = naive_hash(values, types);
        total.add(hash);
        let types_json: Vec<_> = types
            .iter()
            .map(|logical| {
                let (id, a, b) = logical.to_stored();
                serde_json::json!([id, a, b])
            })
            .collect();
        let values_json: Vec<_> = values.iter().map(|value| golden_value(value.as_value())).collect();
        let row = naive_row(values, types);
        let mut vector =
            serde_json::json!({"types": types_json, "values": values_json, "hash": hex(&hash.to_le_bytes())});
        if row.len() <= 64 {
            vector["row"] = hex(&row).into();
        }
        lines.push(vector.to_string());
    }
    println!("{{\"digest\": 1, \"sum\": \"{}\", \"rows\": [\n{}\n]}}", hex(&total.to_bytes()), lines.join(",\n"));
}

#[test]
fn a_digest_counts_its_rows() {
    assert_eq!([&[][..], &[7], &[7, 7, 9]].map(|hashes| Digest::of(hashes).rows), [0, 1, 3]);
}
