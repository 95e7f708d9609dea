//! Sequences that have given fewer numbers than there are rows: rows that were put in brought numbers of their own.

use postgres::Error;
use postgres::types::Type;

use super::session::Session;
use super::shape::Shape;
use crate::store::name::quoted;

/// Bytes up to which a table is read from end to end for the highest number in a column that no index leads with.
const READ_BYTES_MAX: i64 = 64 << 20;

/// For each column of whole numbers or decimals with a sequence (serial, identity, a default that asks one) that is behind the
/// highest number in the column what is to be done, in words.
pub(super) fn behind(client: &mut Session, shape: &Shape) -> Result<Vec<String>, Error> {
    // A sequence that may not be looked at would be an error, and so would the highest of what is no number: either would end
    // the transaction.
    let sql = "SELECT a.attname::text, o.sequence::regclass::text, CASE \
               WHEN has_sequence_privilege(o.sequence, 'SELECT, USAGE') THEN pg_sequence_last_value(o.sequence) END, \
               has_sequence_privilege(o.sequence, 'SELECT, USAGE'), \
               EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam \
               WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL \
               AND m.amname = 'btree') OR (SELECT sum(pg_relation_size(leaf)) <= $4::int8 FROM unnest($3::oid[]) leaf) \
               FROM pg_attribute a \
               CROSS JOIN LATERAL (SELECT pg_get_serial_sequence($2, a.attname)::regclass::oid UNION SELECT d.refobjid \
               FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid \
               AND d.refclassid = 'pg_class'::regclass WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum) o(sequence) \
               JOIN pg_sequence s ON s.seqrelid = o.sequence \
               WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND s.seqincrement > 0 ORDER BY a.attnum, 2";
    let mut words = Vec::new();
    for row in client.query(sql, &[&shape.oid, &shape.qualified(), &shape.leaf_oids(), &READ_BYTES_MAX])? {
        let (column, sequence): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (last, known): (Option<i64>, bool) = (row.try_get(2)?, row.try_get(3)?);
        if !has_numbers(shape, &column) {
            continue;
        }
        if row.try_get::<_, Option<bool>>(4)? != Some(true) {
            words.push(format!(
                "table {}, column {column}: whether the sequence {sequence} is behind the rows was not looked at, since the \
                 table is large and no index begins with the column: compare its last number with the highest of the column",
                shape.schema.name
            ));
            continue;
        }
        let highest = format!(
            "SELECT CASE WHEN max({0}) <= 9223372036854775807 THEN max({0})::int8 END FROM {1}",
            quoted(&column),
            shape.from()
        );
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

/// Whether a column is of whole numbers or decimals.
fn has_numbers(shape: &Shape, column: &str) -> bool {
    let at = shape.schema.columns.iter().position(|of| of.name == column);
    let base = at.and_then(|at| shape.bases.get(at)).and_then(|(base, _)| Type::from_oid(*base));
    base.is_some_and(|base| [Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC].contains(&base))
}
