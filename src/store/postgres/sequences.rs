//! Sequences that have given fewer numbers than there are rows: rows that were put in brought numbers of their own.

use postgres::Error;

use super::session::Session;
use super::shape::Shape;
use crate::store::name::quoted;

/// For each column of a table with a sequence of its own (serial, identity) that is behind the highest number in the column
/// what is to be done, in words.
pub(super) fn behind(client: &mut Session, shape: &Shape) -> Result<Vec<String>, Error> {
    // A sequence that may not be looked at would be an error.
    let sql = "SELECT a.attname::text, o.sequence::regclass::text, CASE \
               WHEN has_sequence_privilege(o.sequence, 'SELECT, USAGE') THEN pg_sequence_last_value(o.sequence) END, \
               has_sequence_privilege(o.sequence, 'SELECT, USAGE') \
               FROM pg_attribute a \
               CROSS JOIN LATERAL (SELECT pg_get_serial_sequence($2, a.attname)::regclass::oid AS sequence) o \
               JOIN pg_sequence s ON s.seqrelid = o.sequence \
               WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND s.seqincrement > 0 ORDER BY a.attnum";
    let mut words = Vec::new();
    for row in client.query(sql, &[&shape.oid, &shape.qualified()])? {
        let (column, sequence): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (last, known): (Option<i64>, bool) = (row.try_get(2)?, row.try_get(3)?);
        let highest = format!("SELECT max({})::int8 FROM {}", quoted(&column), shape.from());
        let Some(highest) = client.query_one(&highest, &[])?.try_get::<_, Option<i64>>(0)? else { continue };
        if known && last.is_some_and(|last| last >= highest) || highest < 1 {
            continue;
        }
        let stands = match (known, last) {
            (false, _) => "may not be looked at by this role, and may be behind".to_owned(),
            (true, None) => "has given no number yet".to_owned(),
            (true, Some(last)) => format!("has given numbers up to {last}"),
        };
        words.push(format!(
            "table {}, column {column}: the sequence {sequence} {stands}, and there are rows up to {highest}: before the \
             application goes on run SELECT setval('{}', {highest})",
            shape.schema.name,
            sequence.replace('\'', "''")
        ));
    }
    Ok(words)
}
