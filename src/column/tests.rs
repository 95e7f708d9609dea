//! Round trips over batches of every shape, and bytes that are not what they should be.

mod bounds;

use super::batch::{Batch, Column, ColumnData, OwnedValue, Strings, Value};
use super::decode::{StoredColumn, decode_batch, decode_column};
use super::encode::{EncodeOptions, EncodedColumn, Encoder, Related, encode_batch};
use super::error::ColumnErrorKind;
use super::id;
use super::logical::LogicalType;
use proptest::collection::vec;
use proptest::prelude::*;

fn stored(encoded: &[EncodedColumn]) -> Vec<StoredColumn<'_>> {
    encoded.iter().map(StoredColumn::from).collect()
}

fn column(values: &[OwnedValue]) -> Column {
    let mut column = Column::new(ColumnData::Integer(Vec::new()));
    values.iter().for_each(|value| column.push(value.as_value()));
    column
}

fn integers(values: impl IntoIterator<Item = i64>) -> Column {
    Column::new(ColumnData::Integer(values.into_iter().collect()))
}

fn reals(values: impl IntoIterator<Item = f64>) -> Column {
    Column::new(ColumnData::Real(values.into_iter().map(f64::to_bits).collect()))
}

fn texts<S: AsRef<[u8]>>(values: impl IntoIterator<Item = S>) -> Column {
    let mut strings = Strings::default();
    values.into_iter().for_each(|value| strings.push(value.as_ref()));
    Column::new(ColumnData::Text(strings))
}

/// Compared by bits: a NaN is equal to itself here.
fn same(left: &Batch, right: &Batch) -> bool {
    let bits = |value: &OwnedValue| match value {
        OwnedValue::Real(real) => OwnedValue::Blob(real.to_bits().to_le_bytes().to_vec()),
        other => other.clone(),
    };
    let strays = |column: &Column| -> Vec<_> {
        column.strays.iter().map(|(row, v)| (*row, matches!(v, OwnedValue::Real(_)), bits(v))).collect()
    };
    left.rows == right.rows
        && left.columns.len() == right.columns.len()
        && left
            .columns
            .iter()
            .zip(&right.columns)
            .all(|(a, b)| a.data == b.data && a.nulls == b.nulls && strays(a) == strays(b))
}

fn comes_back(batch: &Batch) -> Vec<EncodedColumn> {
    let mut last = Vec::new();
    for related in [Related::Allowed, Related::Alone] {
        let encoded = encode_batch(batch, &EncodeOptions { related, level: 3 }).unwrap();
        let decoded = decode_batch(&stored(&encoded), batch.rows, None).unwrap();
        assert!(same(batch, &decoded), "{related:?}: {encoded:?}");
        for number in (0..batch.columns.len()).rev() {
            let part = decode_batch(&stored(&encoded), batch.rows, Some(&[number])).unwrap();
            assert!(same(&Batch::new(vec![batch.columns[number].clone()]), &part));
        }
        last = encoded;
    }
    last
}

fn encoding_of(column: Column) -> u16 {
    comes_back(&Batch::new(vec![column]))[0].encoding
}

fn noise(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed.wrapping_mul(2).wrapping_add(1)), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|state| state ^ (state >> 29))
}

#[test]
fn whole_numbers_of_every_pattern_come_back() {
    let n = 5_000i64;
    let patterns: Vec<Vec<i64>> = vec![
        vec![],
        vec![i64::MIN],
        vec![i64::MIN, i64::MAX],
        vec![0; 5_000],
        vec![-1; 3],
        (0..n).collect(),
        (0..n).rev().map(|v| v * 1_000_003).collect(),
        (0..n).map(|v| v % 100 + 1).collect(),
        (0..n).map(|v| v / 700).collect(),
        (0..n).map(|v| if v % 97 == 0 { v * v } else { 0 }).collect(),
        (0..n).map(|v| if v == 2_500 { i64::MIN } else { i64::MAX }).collect(),
        noise(1).take(5_000).map(|v| v as i64).collect(),
        noise(2).take(5_000).map(|v| (v % 1_800) as i64).collect(),
        noise(3).take(5_000).map(|v| (v >> (v % 64)) as i64).collect(),
        noise(4).take(5_000).map(|v| 40_000_013 + 7_001 * (v % 200) as i64).collect(),
        noise(5).take(70_000 - 4_464).map(|v| if v % 3 == 0 { (v % 900) as i64 } else { 0 }).collect(),
        (0..n).map(|v| i64::MIN + v * v).collect(),
        (0..n).map(|v| if v % 2 == 0 { i64::MIN } else { i64::MAX }).collect(),
    ];
    for values in patterns {
        assert_eq!(encoding_of(integers(values)), id::INTEGERS);
    }
}

#[test]
fn texts_that_spell_numbers_get_the_encoding_for_them() {
    let many = |f: &dyn Fn(u64) -> String| texts(noise(9).take(600).map(f));
    assert_eq!(encoding_of(many(&|v| format!("20{:02}-0{}-1{}", v % 90 + 10, v % 9 + 1, v % 10))), id::DATES);
    assert_eq!(encoding_of(many(&|v| format!("2024-02-29 {:02}:{:02}:07", v % 24, v % 60))), id::TIMESTAMPS);
    assert_eq!(encoding_of(many(&|v| (v as i64 % 1_000).to_string())), id::DECIMALS);
    assert_eq!(encoding_of(many(&|v| format!("{}.{:02}", v % 1_000, v % 100))), id::DECIMALS);
    assert_eq!(encoding_of(many(&|v| format!("{:0w$}", v % 1_000, w = 3 + (v % 5) as usize))), id::DIGITS);
    assert_eq!(encoding_of(many(&|v| format!("{:020}", v))), id::DIGIT_GROUPS);
    assert_eq!(encoding_of(many(&|v| ["voice", "chat", ""][v as usize % 3].to_string())), id::STRING_DICTIONARY);
    assert_eq!(encoding_of(many(&|v| format!("{v:x}"))), id::STRINGS);
}

#[test]
fn texts_that_only_look_like_numbers_stay_as_they_are() {
    for odd in ["2024-02-30", "0000-01-01", "-0", "01", "1e5", "2024-01-01 24:00:00", " 1", "\u{0661}", "", "1."] {
        let mut values: Vec<String> = (0..300).map(|v| v.to_string()).collect();
        values[250] = odd.to_string();
        comes_back(&Batch::new(vec![texts(&values)]));
        comes_back(&Batch::new(vec![texts([odd, odd])]));
    }
    comes_back(&Batch::new(vec![texts([b"\xff\xfe".as_slice(), b"\0", b""])]));
}

#[test]
fn reals_of_every_kind_come_back() {
    let odd = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.1, 1e300];
    assert_eq!(encoding_of(reals(odd)), id::REALS);
    assert_eq!(
        encoding_of(Column::new(ColumnData::Real(vec![0x7FF0_0000_0000_0001, 0xFFF8_0000_0000_0123]))),
        id::REALS
    );
    assert_eq!(encoding_of(reals((0..500).map(f64::from))), id::SCALED_REALS);
    assert_eq!(encoding_of(reals((0..500).map(|v| f64::from(v) / 100.0))), id::SCALED_REALS);
    assert_eq!(encoding_of(reals((0..500).map(|v| -f64::from(v)))), id::REALS);
    assert_eq!(encoding_of(reals((0..500).map(|v| f64::from(v).sqrt()))), id::REALS);
}

#[test]
fn related_columns_are_found_and_come_back() {
    let base: Vec<i64> = noise(6).take(3_000).map(|v| (v % 100_000) as i64).collect();
    let near: Vec<i64> = base.iter().zip(noise(7)).map(|(v, n)| v - (n % 4) as i64).collect();
    let batch = Batch::new(vec![integers(base.clone()), integers(base), integers(near.clone()), integers(near)]);
    let encodings = |related| -> Vec<u16> {
        encode_batch(&batch, &EncodeOptions { related, level: 3 })
            .unwrap()
            .iter()
            .map(|column| column.encoding)
            .collect()
    };
    assert_eq!(encodings(Related::Allowed), [id::INTEGERS, id::EQUAL, id::DIFFERENCE, id::DIFFERENCE]);
    assert_eq!(encodings(Related::Alone), [id::INTEGERS; 4]);
    comes_back(&batch);
}

/// A column of one of many kinds, by number; the same seed gives the same numbers.
fn any_column(kind: u64, rows: usize, seed: u64) -> Column {
    let numbers = || noise(seed).take(rows);
    match kind % 11 {
        0 => integers(vec![7; rows]),
        1 => integers(numbers().map(|v| v as i64)),
        2 => integers(numbers().map(|v| (v % 50) as i64)),
        3 => integers(numbers().enumerate().map(|(at, v)| (at as u64 * 3 + v % 2) as i64)),
        4 => integers(numbers().map(|v| if v % 40 == 0 { (v % 9_000) as i64 - 99 } else { 0 })),
        5 => integers(numbers().map(|v| 40_000_013 + 7_001 * (v % 20) as i64)),
        6 => integers(numbers().map(|v| (v as i64) % 100_000 + (v % 4) as i64)),
        7 => reals(numbers().map(|v| (v % 1_000) as f64 / 100.0)),
        8 => texts(numbers().map(|v| format!("2024-02-{:02}", v % 28 + 1))),
        9 => texts(numbers().map(|v| format!("{v:x}"))),
        _ => {
            let odd = |v: u64| match v % 9 {
                0 => OwnedValue::Null,
                1 => OwnedValue::Text(b"x".to_vec()),
                _ => OwnedValue::Integer((v % 70) as i64),
            };
            column(&numbers().map(odd).collect::<Vec<_>>())
        }
    }
}

#[test]
fn an_encoder_may_remember_the_wrong_thing_and_is_still_right() {
    for seed in 0..60u64 {
        let mut encoder = Encoder::new(EncodeOptions { related: Related::Allowed, level: 1 });
        let mut picks = noise(seed);
        let mut pick = |end: u64| picks.next().unwrap() % end;
        let kinds: Vec<u64> = (0..5).map(|_| pick(11)).collect();
        for batch in 0..6 {
            let rows = [0, 1, 2, 40, 300, 2_000][pick(6) as usize];
            // Most columns stay of their kind, some have the seed of another and are equal to it or near.
            let column = |kind: &u64| {
                let (changed, other) = (pick(4) == 0, pick(11));
                any_column(if changed { other } else { *kind }, rows, batch * 7 + pick(2))
            };
            let batch = Batch { columns: kinds.iter().map(column).collect(), rows };
            let encoded = encoder.encode(&batch).unwrap();
            let decoded = decode_batch(&stored(&encoded), batch.rows, None).unwrap();
            assert!(same(&batch, &decoded), "seed {seed}: {batch:?}");
        }
    }
}

#[test]
fn an_encoder_looks_anew_at_a_column_that_has_changed() {
    let mut encoder = Encoder::new(EncodeOptions::default());
    let mut size = |column: Column| encoder.encode(&Batch::new(vec![column])).unwrap()[0].bytes.len();
    let spread = || integers(noise(3).take(4_000).map(|v| (v % 3 * 5_000_000_000) as i64));
    size(integers(noise(1).take(4_000).map(|v| (v % 60_000) as i64)));
    let (surprised, looked_at) = (size(spread()), size(spread()));
    let alone = encode_batch(&Batch::new(vec![spread()]), &EncodeOptions::default()).unwrap()[0].bytes.len();
    assert!(surprised > alone, "it was written in the form of the column before: {surprised} and {alone} bytes");
    assert_eq!(looked_at, alone);
}

#[test]
fn an_encoder_gives_the_same_bytes_for_the_same_batches() {
    let batches: Vec<Batch> =
        (0..4).map(|seed| Batch::new((0..11).map(|kind| any_column(kind, 500, seed)).collect())).collect();
    let encoded = || {
        let mut encoder = Encoder::new(EncodeOptions::default());
        batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(encoded(), encoded());
    let first = encode_batch(&batches[0], &EncodeOptions::default()).unwrap();
    assert_eq!(encoded()[0], first);
}

#[test]
fn nulls_and_strays_come_back() {
    use OwnedValue::{Blob, Integer, Null, Real, Text};
    for values in [
        vec![Null; 100],
        vec![Null, Integer(1)],
        vec![Integer(1), Text(b"x".to_vec()), Null, Blob(vec![0, 255]), Real(f64::NAN), Real(-0.0)],
        vec![Text(vec![]), Null, Text(vec![]), Integer(i64::MIN)],
        vec![Real(1.5), Integer(1), Null, Real(2.5)],
        vec![Blob(vec![]), Text(vec![]), Blob(vec![1]), Null],
    ] {
        comes_back(&Batch::new(vec![column(&values), column(&values)]));
    }
}

#[test]
fn a_batch_that_contradicts_itself_is_refused() {
    let shape = |column: Column| {
        let batch = Batch { columns: vec![integers([1, 2, 3]), column], rows: 3 };
        encode_batch(&batch, &EncodeOptions::default()).unwrap_err()
    };
    let with = |nulls: Vec<u32>, strays: Vec<(u32, OwnedValue)>| Column { nulls, strays, ..integers([0, 0, 0]) };
    let text = || OwnedValue::Text(vec![b'x']);
    for bad in [
        integers([1]),
        with(vec![3], vec![]),
        with(vec![1, 1], vec![]),
        with(vec![], vec![(2, text()), (1, text())]),
        with(vec![1], vec![(1, text())]),
        with(vec![], vec![(1, OwnedValue::Null)]),
    ] {
        let error = shape(bad);
        assert!(matches!(error.kind, ColumnErrorKind::Shape(_)), "{error}");
        assert_eq!(error.at.column, Some(1));
    }
}

fn value() -> impl Strategy<Value = OwnedValue> {
    let text = prop_oneof![
        "[0-9]{0,21}",
        "-?[0-9]{1,3}(\\.[0-9]{0,2})?",
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "2024-01-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]",
        "[a-c]{0,2}",
    ];
    prop_oneof![
        Just(OwnedValue::Null),
        Just(OwnedValue::Integer(0)),
        (0..2_000i64).prop_map(OwnedValue::Integer),
        any::<i64>().prop_map(OwnedValue::Integer),
        any::<u64>().prop_map(|bits| OwnedValue::Real(f64::from_bits(bits))),
        (-5_000..5_000i32).prop_map(|v| OwnedValue::Real(f64::from(v) / 100.0)),
        text.prop_map(|text| OwnedValue::Text(text.into_bytes())),
        vec(any::<u8>(), 0..20).prop_map(OwnedValue::Text),
        vec(any::<u8>(), 0..20).prop_map(OwnedValue::Blob),
    ]
}

/// Columns from one kind of value to all kinds mixed: a pool of values, and which of them each row takes.
fn batch() -> impl Strategy<Value = Batch> {
    let pool = prop_oneof![vec(value(), 1..4), vec(value(), 1..40)];
    (0..300usize).prop_flat_map(move |rows| {
        let picks = (pool.clone(), vec(any::<prop::sample::Index>(), rows));
        vec(picks, 1..4).prop_map(|columns| {
            let columns = columns.iter().map(|(pool, picks)| {
                let values: Vec<OwnedValue> = picks.iter().map(|pick| pick.get(pool).clone()).collect();
                column(&values)
            });
            Batch::new(columns.collect())
        })
    })
}

proptest! {
    #[test]
    fn any_batch_comes_back(batch in batch()) {
        comes_back(&batch);
    }

    #[test]
    fn any_whole_numbers_come_back(values in vec(any::<i64>(), 0..300), shift in 0..64u32) {
        let narrow = integers(values.iter().map(|value| value >> shift));
        let walk = integers(values.iter().scan(0i64, |sum, value| { *sum = sum.wrapping_add(value >> shift); Some(*sum) }));
        comes_back(&Batch::new(vec![narrow, walk]));
    }

    #[test]
    fn any_bytes_are_refused_or_decoded(encoding in 0..14u16, rows in 0..100usize, bytes in vec(any::<u8>(), 0..200)) {
        let stored = StoredColumn { encoding, decoded: 100_000, bytes: &bytes };
        let earlier = integers(0..rows as i64);
        if let Ok(column) = decode_column(&stored, rows, Some(&earlier)) {
            prop_assert_eq!(column.len(), rows);
        }
    }
}

/// One column for every encoding and every form that the writer uses.
fn specimens() -> Batch {
    let rows = 200usize;
    let pick = |seed: u64| noise(seed).take(rows);
    let mut mixed = integers([]);
    for v in pick(1) {
        mixed.push(match v % 7 {
            0 => Value::Null,
            1 => Value::Text(b"stray"),
            2 => Value::Real(0.5),
            v => Value::Integer(v as i64),
        });
    }
    Batch::new(vec![
        integers(vec![30; rows]),
        integers(pick(2).map(|v| (v % 200) as i64)),
        integers(pick(3).map(|v| (v % 100_000) as i64)),
        integers(pick(3).map(|v| (v % 100_000) as i64)),
        integers(pick(3).zip(pick(4)).map(|(v, w)| (v % 100_000 + w % 2) as i64)),
        integers(pick(5).map(|v| if v % 9 == 0 { (v % 5_000) as i64 } else { 0 })),
        integers(pick(6).map(|v| 1_000_003 * (v % 5) as i64)),
        integers((0..rows as i64).map(|v| v * 1_000 + v % 3)),
        reals(pick(7).map(|v| (v as f64).sqrt())),
        reals(pick(8).map(|v| (v % 1_000) as f64 / 4.0)),
        texts(pick(9).map(|v| format!("{v:x}"))),
        texts(pick(10).map(|v| ["voice", "chat", "mail"][v as usize % 3])),
        texts(pick(11).map(|v| format!("2024-01-{:02}", v % 28 + 1))),
        texts(pick(12).map(|v| format!("2024-01-01 {:02}:00:00", v % 24))),
        texts(pick(13).map(|v| format!("{}.{:02}", v % 100, v % 100))),
        texts(pick(14).map(|v| format!("{:05}", v % 100_000))),
        texts(pick(15).map(|v| format!("{v:020}"))),
        mixed,
    ])
}

#[test]
fn specimens_cover_every_encoding() {
    let batch = specimens();
    let encoded = encode_batch(&batch, &EncodeOptions::default()).unwrap();
    let used: Vec<u16> = encoded.iter().map(|column| column.encoding).collect();
    for (id, name) in id::ENCODINGS {
        assert!(used.contains(id), "{name} in {used:?}");
    }
    comes_back(&batch);
}

#[test]
fn columns_cut_short_at_any_byte_are_refused() {
    let batch = specimens();
    let encoded = encode_batch(&batch, &EncodeOptions::default()).unwrap();
    for (number, column) in encoded.iter().enumerate() {
        for length in 0..column.bytes.len() {
            let mut cut = stored(&encoded);
            cut[number].bytes = &column.bytes[..length];
            let error = decode_batch(&cut, batch.rows, Some(&[number])).unwrap_err();
            assert_eq!(error.at.column, Some(number as u32), "{error}");
        }
        let longer = [column.bytes.as_slice(), &[0]].concat();
        let mut long = stored(&encoded);
        long[number].bytes = &longer;
        assert!(decode_batch(&long, batch.rows, Some(&[number])).is_err());
    }
}

#[test]
fn any_flipped_bit_is_survived() {
    let batch = specimens();
    let encoded = encode_batch(&batch, &EncodeOptions::default()).unwrap();
    let mut refused = 0;
    for (number, column) in encoded.iter().enumerate() {
        for bit in 0..column.bytes.len() * 8 {
            let mut bytes = column.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut flipped = stored(&encoded);
            flipped[number].bytes = &bytes;
            match decode_batch(&flipped, batch.rows, Some(&[number])) {
                Ok(decoded) => assert_eq!(decoded.columns[0].len(), batch.rows),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// Cells of the tables under a heading of the specification, rows from the third on.
fn table_under(heading: &str) -> Vec<Vec<String>> {
    let spec = include_str!("../../format-spec.md");
    let (_, after) = spec.split_once(&format!("\n### {heading}\n")).unwrap();
    let lines = after.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("| "));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    lines.skip(2).map(cells).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn listed(text: &str) -> Vec<OwnedValue> {
    let value = |text: &str| match text.strip_prefix('\'') {
        Some(quoted) => OwnedValue::Text(quoted.trim_end_matches('\'').as_bytes().to_vec()),
        None if text == "null" => OwnedValue::Null,
        None if text.contains('.') => OwnedValue::Real(text.parse().unwrap()),
        None => OwnedValue::Integer(text.parse().unwrap()),
    };
    text.split(", ").map(value).collect()
}

#[test]
fn the_examples_of_the_specification_decode() {
    let mut shown = Vec::new();
    let earlier = integers([100, 200, 300]);
    for example in table_under("7.6 Examples") {
        let [encoding, name, rows, bytes, values] = example.as_slice() else { panic!("{example:?}") };
        let (encoding, rows, bytes) = (encoding.parse().unwrap(), rows.parse().unwrap(), unhex(bytes));
        let stored = StoredColumn { encoding, decoded: 1_000, bytes: &bytes };
        let decoded = decode_column(&stored, rows, Some(&earlier)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: Vec<OwnedValue> = (0..rows).map(|row| decoded.get(row).into()).collect();
        assert_eq!(found, listed(values), "{name}");
        for length in 0..bytes.len() {
            let cut = StoredColumn { bytes: &bytes[..length], ..stored };
            assert!(decode_column(&cut, rows, Some(&earlier)).is_err(), "{name} cut to {length}");
        }
        shown.push(name.clone());
    }
    for name in id::ENCODINGS.iter().map(|(_, name)| name).chain(id::form::FORMS.iter().map(|(_, name)| name)) {
        assert!(*name == "integers" || shown.iter().any(|shown| shown == name), "{name} has no example");
    }
}

#[test]
fn the_digest_examples_of_the_specification_hold() {
    use super::digest::row_hashes;
    use super::logical::LogicalType;
    let examples = table_under("8.4 Examples");
    assert_eq!(examples.len(), 10);
    for example in examples {
        let [types, values, row] = example.as_slice() else { panic!("{example:?}") };
        let logical = |name: &str| match name {
            "integer" => LogicalType::Integer { bits: 32 },
            "float" => LogicalType::Float { bits: 64 },
            "decimal" => LogicalType::Decimal { precision: 9, scale: 2 },
            "boolean" => LogicalType::Boolean,
            "date" => LogicalType::Date,
            "timestamp" => LogicalType::Timestamp,
            "text" => LogicalType::Text,
            "fixed text" => LogicalType::FixedText { width: 4 },
            "blob" => LogicalType::Blob,
            "any" => LogicalType::Any,
            other => panic!("{other}"),
        };
        let types: Vec<LogicalType> = types.split(", ").map(logical).collect();
        let columns = listed(values).into_iter().map(|value| column(&[value])).collect();
        let mut hashes = Vec::new();
        row_hashes(&Batch::new(columns), &types, &mut hashes).unwrap();
        let mut canonical = unhex(row);
        canonical.resize(canonical.len().next_multiple_of(64), 0);
        assert_eq!(hashes[0].to_le_bytes(), blake3::hash(&canonical).as_bytes()[..16], "{example:?}");
    }
    assert!(blake3::hash(&[0; 64]).to_string().starts_with("4d006976636a8696d909a630a4081aad"));
}

#[test]
fn every_logical_type_comes_back_from_its_stored_id_and_parameters() {
    let types = [
        LogicalType::Integer { bits: 8 },
        LogicalType::Integer { bits: 64 },
        LogicalType::Float { bits: 32 },
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
    for logical in types {
        let (id, first, second) = logical.to_stored();
        assert_eq!(LogicalType::from_stored(id, first, second), Some(logical));
        // A parameter that the type has not is no such type.
        if !matches!(logical, LogicalType::Decimal { .. }) {
            assert_eq!(LogicalType::from_stored(id, first, second + 1), None, "{logical:?}");
        }
    }
    assert_eq!((LogicalType::from_stored(0, 0, 0), LogicalType::from_stored(13, 0, 0)), (None, None));
}
