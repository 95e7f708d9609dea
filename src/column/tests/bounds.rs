//! What the specification allows in the bytes of a column, up to its last value, and what it refuses, from the first on.

use super::{integers, specimens, stored};
use crate::column::batch::{Column, ColumnData, OwnedValue};
use crate::column::decode::{StoredColumn, decode_batch, decode_column};
use crate::column::encode::{EncodeOptions, encode_batch};
use crate::column::error::ColumnErrorKind;
use crate::column::id;

/// A number stream of one value.
fn constant(value: i64) -> Vec<u8> {
    [&[id::form::CONSTANT], value.to_le_bytes().as_slice()].concat()
}

/// A byte stream as it is.
fn raw(bytes: &[u8]) -> Vec<u8> {
    [&[id::method::RAW], (bytes.len() as u32).to_le_bytes().as_slice(), bytes].concat()
}

/// A number stream of these numbers, each of eight bytes.
fn numbers(values: &[i64]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [&[id::form::NARROW, 8], 0i64.to_le_bytes().as_slice(), &raw(&bytes)].concat()
}

fn count(count: u32) -> Vec<u8> {
    count.to_le_bytes().to_vec()
}

fn column(encoding: u16, rows: usize, parts: &[&[u8]]) -> Result<Column, String> {
    let bytes = parts.concat();
    let stored = StoredColumn { encoding, decoded: 100_000, bytes: &bytes };
    decode_column(&stored, rows, None).map_err(|error| error.kind.to_string())
}

/// Whole numbers, or why there are none.
fn whole(rows: usize, parts: &[&[u8]]) -> Result<Vec<i64>, String> {
    let column = column(id::INTEGERS, rows, &[&[&[0u8][..]], parts].concat())?;
    match column.data {
        ColumnData::Integer(values) => Ok(values),
        other => panic!("{other:?}"),
    }
}

/// Texts, or why there are none.
fn texts(encoding: u16, rows: usize, parts: &[&[u8]]) -> Result<Vec<String>, String> {
    let column = column(encoding, rows, &[&[&[2u8][..]], parts].concat())?;
    match column.data {
        ColumnData::Text(strings) => {
            Ok((0..strings.len()).map(|at| String::from_utf8_lossy(strings.get(at)).into_owned()).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(found: Result<T, String>, start: &str) {
    let error = found.expect_err(start);
    assert!(error.starts_with(start), "{error}, expected {start}");
}

#[test]
fn rows_and_promised_bytes_are_held_to_the_limits_of_a_chunk() {
    let bytes = [&[0], constant(7).as_slice()].concat();
    let most = StoredColumn { encoding: id::INTEGERS, decoded: 65_536 * 8, bytes: &bytes };
    assert_eq!(decode_column(&most, 65_536, None).map(|column| column.len()), Ok(65_536));
    let limit = |field, found, limit| ColumnErrorKind::Limit { field, found, limit };
    let wide = StoredColumn { decoded: u32::MAX, ..most };
    let rows = limit("rows", 65_537, 65_536);
    assert_eq!(decode_column(&StoredColumn { decoded: 64 << 20, ..most }, 65_537, None).unwrap_err().kind, rows);
    assert_eq!(decode_batch(&[most], 65_537, None).unwrap_err().kind, rows);
    let over = StoredColumn { decoded: (64 << 20) + 1, ..most };
    let (cap, found) = (64 << 20, u64::from(over.decoded));
    assert_eq!(decode_column(&over, 1, None).unwrap_err().kind, limit("decoded bytes", found, cap));
    assert!(decode_column(&StoredColumn { decoded: 64 << 20, ..most }, 1, None).is_ok());
    let half = StoredColumn { decoded: 32 << 20, ..most };
    let batch =
        |columns: &[StoredColumn<'_>], wanted| decode_batch(columns, 1, wanted).map(|batch| batch.columns.len());
    assert_eq!(batch(&[half, half], None), Ok(2));
    assert_eq!(batch(&[half, half, most], None).unwrap_err().kind, limit("decoded bytes", cap + 524_288, cap));
    // Only what is wanted is counted; nothing overflows.
    assert_eq!(batch(&[half, half, most, wide], Some(&[0, 2])), Ok(2));
    assert!(batch(&[wide; 4], None).is_err());
    let error = decode_batch(&[most], 1, Some(&[0, 1])).unwrap_err();
    assert_eq!(
        (error.kind.to_string().as_str(), error.at.column),
        ("column wanted is 1, allowed: a column of the chunk", Some(1))
    );
}

#[test]
fn every_column_fits_exactly_what_the_specification_counts() {
    let batch = specimens();
    let encoded = encode_batch(&batch, &EncodeOptions::default()).unwrap();
    for (number, column) in batch.columns.iter().enumerate() {
        let stray = |value: &OwnedValue| match value {
            OwnedValue::Text(bytes) | OwnedValue::Blob(bytes) => 16 + bytes.len(),
            OwnedValue::Null | OwnedValue::Integer(_) | OwnedValue::Real(_) => 16,
        };
        let main = match &column.data {
            ColumnData::Integer(_) | ColumnData::Real(_) => 8 * batch.rows,
            ColumnData::Text(strings) | ColumnData::Blob(strings) => 4 * batch.rows + strings.bytes.len(),
        };
        let strays: usize = column.strays.iter().map(|(_, value)| stray(value)).sum();
        let size = (main + 4 * column.nulls.len() + strays) as u32;
        let with = |decoded| {
            let mut columns = stored(&encoded);
            columns[number].decoded = decoded;
            decode_batch(&columns, batch.rows, Some(&[number])).map_err(|error| error.kind)
        };
        assert!(with(size).is_ok(), "column {number}: {size} bytes");
        let error = with(size - 1).expect_err("a column outgrew what was promised");
        assert!(matches!(error, ColumnErrorKind::Limit { .. }), "column {number}: {error}");
    }
}

#[test]
fn a_reference_names_an_earlier_column_that_refers_to_none() {
    let (plain, nulls) =
        ([&[0], constant(7).as_slice()].concat(), [&[4, 0, 0, 0, 0], numbers(&[]).as_slice(), &constant(7)].concat());
    let null = [&[4], count(1).as_slice(), &numbers(&[0]), &constant(7)].concat();
    let stray = [&[8], count(1).as_slice(), &numbers(&[0]), &raw(&[3, 0, 0, 0, 0]), &constant(7)].concat();
    let text = [&[2], constant(0).as_slice(), &raw(b"")].concat();
    let to = |number: u16| number.to_le_bytes().to_vec();
    let difference = |number| [to(number), constant(2)].concat();
    let read = |columns: &[(u16, &[u8])]| {
        let columns: Vec<_> = columns
            .iter()
            .map(|(encoding, bytes)| StoredColumn { encoding: *encoding, decoded: 1_000, bytes })
            .collect();
        let last = columns.len() - 1;
        decode_batch(&columns, 3, Some(&[last]))
            .map(|mut batch| batch.columns.remove(0))
            .map_err(|e| e.kind.to_string())
    };
    let first = (id::INTEGERS, plain.as_slice());
    assert_eq!(read(&[first, (id::EQUAL, &to(0))]), Ok(integers([7, 7, 7])));
    assert_eq!(read(&[first, (id::DIFFERENCE, &difference(0))]), Ok(integers([8, 8, 8])));
    assert_eq!(read(&[(id::INTEGERS, &nulls), (id::DIFFERENCE, &difference(0))]), Ok(integers([8, 8, 8])));
    let earlier = "column referred to is 1, allowed: an earlier column that refers to none";
    refused(read(&[first, (id::EQUAL, &to(1))]), earlier);
    refused(read(&[first, (id::DIFFERENCE, &difference(1))]), earlier);
    refused(read(&[first, (id::EQUAL, &to(0)), (id::EQUAL, &to(1))]), earlier);
    refused(read(&[first, (id::DIFFERENCE, &difference(0)), (id::DIFFERENCE, &difference(1))]), earlier);
    refused(read(&[(id::EQUAL, &to(1))]), earlier);
    refused(read(&[first, (id::EQUAL, &to(9))]), "column referred to is 9");
    for other in [(id::INTEGERS, null.as_slice()), (id::INTEGERS, &stray), (id::STRINGS, &text)] {
        assert!(read(&[other, (id::EQUAL, &to(0))]).is_ok());
        let numbers = "column referred to is 0, allowed: whole numbers without nulls and strays";
        refused(read(&[other, (id::DIFFERENCE, &difference(0))]), numbers);
    }
    // A caller that decodes alone has to give the column, of as many rows.
    for other in [None, Some(integers([1, 2]))] {
        let bytes = to(0);
        let stored = StoredColumn { encoding: id::EQUAL, decoded: 1_000, bytes: &bytes };
        let error = decode_column(&stored, 3, other.as_ref()).unwrap_err().kind.to_string();
        assert_eq!(error, "column referred to is 0, allowed: a decoded column of as many rows");
    }
}

#[test]
fn a_head_has_four_bits_and_its_class_suits_the_encoding() {
    refused(column(id::INTEGERS, 1, &[&[16], &constant(1)]), "head is 16, allowed: 0 to 15");
    refused(column(13, 1, &[&[0], &constant(1)]), "column encoding 13 is not known");
    refused(column(0, 1, &[&[0], &constant(1)]), "column encoding 0 is not known");
    let bodies: [(u16, Vec<u8>, &[u8]); 10] = [
        (id::INTEGERS, constant(1), &[0]),
        (id::REALS, constant(1), &[1]),
        (id::SCALED_REALS, [vec![0], constant(1)].concat(), &[1]),
        (id::STRINGS, [constant(1), raw(b"ab")].concat(), &[2, 3]),
        (id::STRING_DICTIONARY, [count(1), constant(1), raw(b"a"), constant(0)].concat(), &[2, 3]),
        (id::DATES, constant(1), &[2]),
        (id::TIMESTAMPS, constant(1), &[2]),
        (id::DECIMALS, [vec![0], constant(1)].concat(), &[2]),
        (id::DIGITS, constant(1), &[2]),
        (id::DIGIT_GROUPS, [vec![1, 1], constant(1)].concat(), &[2]),
    ];
    for (encoding, body, classes) in bodies {
        for class in 0..4u8 {
            let found = column(encoding, 2, &[&[class], &body]);
            match classes.contains(&class) {
                true => assert_eq!(found.map(|column| column.len()), Ok(2), "{encoding} {class}"),
                false => refused(found, &format!("encoding is {encoding}, allowed: one that suits the storage class")),
            }
        }
    }
}

#[test]
fn nulls_and_strays_name_rows_of_the_chunk_and_none_twice() {
    let nulls = |gaps: &[i64], rows: usize, values: &[i64]| {
        let head = [vec![4], count(gaps.len() as u32)].concat();
        column(id::INTEGERS, rows, &[&head, &numbers(gaps), &numbers(values)]).map(|column| column.nulls)
    };
    assert_eq!(nulls(&[0, 0, 0], 3, &[]), Ok(vec![0, 1, 2]));
    assert_eq!(nulls(&[2], 3, &[1, 2]), Ok(vec![2]));
    refused(nulls(&[3], 3, &[1, 2]), "gap is 3, allowed: a row of the chunk");
    refused(nulls(&[-1], 3, &[1, 2]), "gap is 3, allowed: a row of the chunk");
    refused(nulls(&[1, 1], 3, &[1]), "gap is 3, allowed: a row of the chunk");
    refused(nulls(&[0, i64::MAX], 3, &[1]), "gap is 3, allowed: a row of the chunk");
    refused(nulls(&[0; 4], 3, &[]), "rows is 4, allowed: at most the number of rows of the chunk");
    let strays = |head: u8, gaps: &[i64], values: &[u8]| {
        let nulls = if head & 4 == 0 { vec![] } else { [count(1), numbers(&[1])].concat() };
        let rest = 3 - gaps.len() - usize::from(head & 4 != 0);
        let parts =
            [&[head], &*nulls, &count(gaps.len() as u32), &numbers(gaps), &raw(values), &numbers(&vec![5; rest])];
        column(id::INTEGERS, 3, &parts.concat().chunks(1 << 20).collect::<Vec<_>>()).map(|column| column.strays)
    };
    let text = |row: u32, bytes: &[u8]| (row, OwnedValue::Text(bytes.to_vec()));
    assert_eq!(strays(8, &[0, 1], &[2, 1, 0, 0, 0, b'x', 2, 0, 0, 0, 0]), Ok(vec![text(0, b"x"), text(2, b"")]));
    assert_eq!(strays(12, &[0], &[2, 0, 0, 0, 0]), Ok(vec![text(0, b"")]));
    assert_eq!(strays(8, &[0], &[3, 0, 0, 0, 0]), Ok(vec![(0, OwnedValue::Blob(vec![]))]));
    assert_eq!(strays(8, &[0], &[0, 9, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![(0, OwnedValue::Integer(9))]));
    assert_eq!(strays(8, &[0], &[1, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![(0, OwnedValue::Real(0.0))]));
    refused(strays(12, &[1], &[2, 0, 0, 0, 0]), "row of a stray is 3, allowed: a row that is not null");
    refused(strays(8, &[0], &[4, 0, 0, 0, 0]), "class of a stray is 4, allowed: 0 to 3");
    refused(strays(8, &[0], &[2, 0, 0, 0, 0, 7]), "bytes after the strays is 1, allowed: 0");
    refused(strays(8, &[0], &[2, 1, 0, 0, 0]), "1 bytes wanted, 0 left");
    refused(strays(8, &[0], &[2, 0xFF, 0xFF, 0xFF, 0xFF]), "decoded bytes is 4294967295");
}

#[test]
fn scales_reach_to_their_caps() {
    let reals = |scale: u8| {
        column(id::SCALED_REALS, 1, &[&[1, scale], &constant(1)]).map(|column| match column.data {
            ColumnData::Real(bits) => f64::from_bits(bits[0]),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!((reals(0), reals(1), reals(15)), (Ok(1.0), Ok(0.1), Ok(1e-15)));
    refused(reals(16), "scale is 16, allowed: 0 to 15");
    refused(reals(255), "scale is 255, allowed: 0 to 15");
    let decimals = |scale: u8, value: i64| texts(id::DECIMALS, 1, &[&[scale], &constant(value)]);
    assert_eq!(decimals(17, -5), Ok(vec!["-0.00000000000000005".into()]));
    assert_eq!(decimals(0, i64::MIN), Ok(vec!["-9223372036854775808".into()]));
    refused(decimals(18, 1), "scale is 18, allowed: 0 to 17");
}

#[test]
fn dates_times_and_digits_are_texts_of_their_kind() {
    let dates = |day| texts(id::DATES, 1, &[&constant(day)]);
    assert_eq!((dates(-719_162), dates(2_932_896)), (Ok(vec!["0001-01-01".into()]), Ok(vec!["9999-12-31".into()])));
    refused(dates(-719_163), "day is ");
    refused(dates(2_932_897), "day is 2932897, allowed: 0001-01-01 to 9999-12-31");
    let times = |second| texts(id::TIMESTAMPS, 1, &[&constant(second)]);
    assert_eq!(times(-62_135_596_800), Ok(vec!["0001-01-01 00:00:00".into()]));
    assert_eq!(times(253_402_300_799), Ok(vec!["9999-12-31 23:59:59".into()]));
    refused(times(-62_135_596_801), "second is ");
    refused(times(253_402_300_800), "second is 253402300800, allowed: of the years 1 to 9999");
    let digits = |value| texts(id::DIGITS, 1, &[&constant(value)]);
    assert_eq!((digits(1), digits(10)), (Ok(vec![String::new()]), Ok(vec!["0".into()])));
    assert_eq!(digits(199_999_999_999_999_999), Ok(vec!["9".repeat(17)]));
    for value in [0, 2, 20, -1, 1_000_000_000_000_000_000, i64::MIN] {
        refused(digits(value), "number of digits is ");
    }
    let groups = |widths: &[u8], values: &[i64]| {
        let streams: Vec<u8> = values.iter().flat_map(|value| constant(*value)).collect();
        texts(id::DIGIT_GROUPS, 2, &[&[widths.len() as u8], widths, &streams])
    };
    assert_eq!(groups(&[1, 18], &[9, 999_999_999_999_999_999]), Ok(vec!["9".repeat(19); 2]));
    assert_eq!(groups(&[2, 3], &[7, 0]), Ok(vec!["07000".into(); 2]));
    assert_eq!(groups(&[], &[]), Ok(vec![String::new(); 2]));
    refused(groups(&[0], &[0]), "width of a group is 0, allowed: 1 to 18");
    refused(groups(&[1, 19], &[0, 0]), "width of a group is 19, allowed: 1 to 18");
    refused(groups(&[1], &[10]), "group of digits is 10");
    refused(groups(&[1], &[-1]), "group of digits is ");
}

#[test]
fn strings_are_as_long_as_their_lengths_say() {
    let plain = |lengths: &[i64], bytes: &[u8]| texts(id::STRINGS, lengths.len(), &[&numbers(lengths), &raw(bytes)]);
    assert_eq!(plain(&[2, 0, 1], b"abc"), Ok(vec!["ab".into(), String::new(), "c".into()]));
    refused(plain(&[2, 0, 1], b"ab"), "raw length is 2, allowed: the length that the number of values demands");
    refused(plain(&[2, 0, 1], b"abcd"), "raw length is 4, the limit is 3");
    refused(plain(&[-1, 1], b""), "bytes of all strings is ");
    refused(plain(&[i64::MAX, i64::MAX], b""), "bytes of all strings is ");
    let dictionary = |distinct: u32, indices: &[i64]| {
        let entries = [constant(1), raw(&b"abcdef"[..distinct.min(6) as usize])].concat();
        texts(id::STRING_DICTIONARY, indices.len(), &[&count(distinct), &entries, &numbers(indices)])
    };
    assert_eq!(dictionary(2, &[1, 0]), Ok(vec!["b".into(), "a".into()]));
    assert_eq!(dictionary(0, &[]), Ok(vec![]));
    refused(dictionary(3, &[0, 1]), "distinct strings is 3, allowed: at most the number of values");
    refused(dictionary(2, &[0, 2]), "index is 2, allowed: below the number of distinct strings");
    refused(dictionary(2, &[0, -1]), "index is ");
}

#[test]
fn number_streams_are_refused_where_they_contradict_themselves() {
    let base = 0i64.to_le_bytes();
    for width in [0, 3, 5, 7, 9, 16] {
        for form in [id::form::NARROW, id::form::PLANES] {
            refused(whole(0, &[&[form, width], &base, &raw(b"")]), &format!("width is {width}, allowed: 1, 2, 4 or 8"));
        }
    }
    for form in [0, 8, 255] {
        refused(whole(1, &[&[form], &base]), &format!("form is {form}, allowed: 1 to 7"));
    }
    let narrow = |width: u8, bytes: &[u8]| whole(2, &[&[id::form::NARROW, width], &(-1i64).to_le_bytes(), &raw(bytes)]);
    assert_eq!(narrow(1, &[0, 255]), Ok(vec![-1, 254]));
    assert_eq!(narrow(2, &[0, 0, 1, 2]), Ok(vec![-1, 512]));
    assert_eq!(narrow(4, &[0, 0, 0, 0, 1, 0, 0, 2]), Ok(vec![-1, 0x0200_0000]));
    assert_eq!(narrow(8, &[1, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![i64::MIN, -1]));
    let planes = |width: u8, planes: &[[u8; 2]]| {
        let streams: Vec<u8> = planes.iter().flat_map(|plane| raw(plane)).collect();
        whole(2, &[&[id::form::PLANES, width], &base, &streams])
    };
    assert_eq!(planes(1, &[[1, 2]]), Ok(vec![1, 2]));
    assert_eq!(planes(4, &[[1, 2], [0, 0], [0, 0], [3, 255]]), Ok(vec![0x0300_0001, 0xFF00_0002]));
    let top = [[0, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [128, 0]];
    assert_eq!(planes(8, &top), Ok(vec![i64::MIN, 1]));
    let sparse = |rows: usize, gaps: &[i64], values: &[i64]| {
        whole(rows, &[&[id::form::SPARSE], &base, &count(gaps.len() as u32), &numbers(gaps), &numbers(values)])
    };
    assert_eq!(sparse(3, &[0, 1], &[5, 6]), Ok(vec![5, 0, 6]));
    assert_eq!(sparse(2, &[0, 0], &[5, 6]), Ok(vec![5, 6]));
    refused(sparse(1, &[0, 0], &[5, 6]), "exceptions is 2, allowed: at most the number of values");
    for gaps in [[0, 2], [-1, 0], [3, 0], [1, i64::MAX]] {
        refused(sparse(3, &gaps, &[5, 6]), "gap is 3, allowed: a place within the values");
    }
    let dictionary = |entries: &[i64], indices: &[i64]| {
        let parts = [count(entries.len() as u32), numbers(entries), numbers(indices)].concat();
        whole(indices.len(), &[&[id::form::DICTIONARY], &parts])
    };
    assert_eq!(dictionary(&[7, 9], &[1, 0]), Ok(vec![9, 7]));
    refused(dictionary(&[7, 9], &[0]), "distinct values is 2, allowed: at most the number of values");
    refused(dictionary(&[7, 9], &[0, 2]), "index is 2, allowed: below the number of distinct values");
    refused(dictionary(&[7, 9], &[0, -1]), "index is ");
    let delta = |rows: usize, steps: &[i64]| whole(rows, &[&[id::form::DELTA], &base, &numbers(steps)]);
    assert_eq!((delta(1, &[]), delta(3, &[1, 4])), (Ok(vec![0]), Ok(vec![0, -1, 1])));
    refused(delta(0, &[]), "values of a delta is 0, allowed: at least 1");
}

#[test]
fn number_streams_lie_four_deep_in_each_other() {
    let delta = |inner: &[u8]| [&[id::form::DELTA], 0i64.to_le_bytes().as_slice(), inner].concat();
    let two = delta(&delta(&constant(2)));
    assert_eq!(whole(4, &[&delta(&two)]).map(|values| values.len()), Ok(4));
    refused(whole(5, &[&delta(&delta(&two))]), "depth of number streams is 5, allowed: 1 to 4");
    let dictionary = |entries: &[u8], indices: &[u8]| [&[id::form::DICTIONARY], &*count(1), entries, indices].concat();
    let deep = dictionary(&constant(3), &dictionary(&constant(0), &dictionary(&constant(0), &constant(0))));
    assert_eq!(whole(2, &[&deep]), Ok(vec![3, 3]));
    refused(whole(2, &[&dictionary(&constant(0), &deep)]), "depth of number streams is 5, allowed: 1 to 4");
}

#[test]
fn tokens_stand_for_numbers_of_64_bits() {
    let base = 0i64.to_le_bytes();
    let tokens = |kept: u8, tokens: &[u8], low: &[u8]| {
        whole(tokens.len(), &[&[id::form::TOKENS, kept], &base, &raw(tokens), low])
    };
    assert_eq!(tokens(2, &[3, 8, 22], &[9]), Ok(vec![3, 9, 100]));
    assert_eq!(tokens(7, &[0, 127, 255], &[]), Ok(vec![0, 127, 255]));
    refused(tokens(8, &[0], &[]), "kept bits is 8, allowed: 0 to 7");
    // Without kept bits, token 64 has 63 low bits and is the largest; the next would need 64.
    assert_eq!(tokens(0, &[64], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), Ok(vec![-1]));
    for token in [65, 66, 255] {
        assert!(tokens(0, &[token], &[0xFF; 64]).is_err(), "token {token}");
    }
    assert!(tokens(2, &[3, 8, 22], &[]).is_err());
    refused(tokens(2, &[3, 8, 22], &[9, 0]), "bytes after the column is 1, allowed: 0");
}

#[test]
fn an_encoding_that_is_not_for_the_values_is_named_at_the_first_byte() {
    for (encoding, head) in [(id::INTEGERS, id::class::TEXT), (id::STRINGS, id::class::INTEGER)] {
        let bytes = [&[head][..], &[0; 40]].concat();
        let stored = StoredColumn { encoding, decoded: 100_000, bytes: &bytes };
        let error = decode_column(&stored, 2, None).unwrap_err();
        assert_eq!(error.at.byte, Some(0), "{error}");
        let shown = error.kind.to_string();
        assert!(shown.contains("encoding"), "{shown}");
    }
}
