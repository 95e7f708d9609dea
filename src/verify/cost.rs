//! What damage costs: which rows of which table, of which ACDs and from what time, as far as catalog and neighbours tell.

use crate::base::time::{Instant, Span};
use crate::format::catalog::{BucketEntry, ChunkEntry};
use crate::section::pieces::Acd;
use std::fmt;

/// ACDs that are named in words before the rest is only counted.
const SHOWN: usize = 8;

/// Rows of one table that are lost, or that nobody can vouch for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The table.
    pub table: String,
    /// The ACDs that have rows in that time: those hit are among them. `None` stands for rows that name no ACD.
    pub acds: Vec<Acd>,
    /// From the earliest of the rows to the end of the last; `None` if none of them is dated, or nobody can tell.
    pub span: Option<Span>,
    /// How many rows; 0 if nobody can tell.
    pub rows: u64,
}

impl Cost {
    /// What these chunks of a table hold, of which the set lists these buckets; `None` if there is no chunk.
    pub(super) fn of_chunks<'c>(
        table: &str,
        buckets: &[BucketEntry],
        chunks: impl Iterator<Item = &'c ChunkEntry>,
    ) -> Option<Cost> {
        let (mut rows, mut undated, mut span) = (0u64, 0u64, None::<Span>);
        let mut any = false;
        for chunk in chunks {
            any = true;
            rows = rows.saturating_add(u64::from(chunk.rows));
            undated = undated.saturating_add(u64::from(chunk.undated));
            let of_chunk = Span::new(Instant(chunk.first), Instant(chunk.stop));
            span = span.into_iter().chain(of_chunk).reduce(Span::hull);
        }
        let hit = |bucket: &&BucketEntry| match bucket.day {
            Some(_) => span.is_some_and(|span| bucket.first < span.stop.0 && span.start.0 < bucket.stop),
            None => undated > 0,
        };
        let mut acds: Vec<Acd> =
            buckets.iter().filter(|bucket| bucket.is_written()).filter(hit).map(|bucket| bucket.acd).collect();
        acds.dedup();
        any.then(|| Cost { table: table.to_owned(), acds, span, rows })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            0 => write!(f, "rows of {}", self.table)?,
            rows => write!(f, "{rows} rows of {}", self.table)?,
        }
        let named: Vec<String> = self.acds.iter().flatten().map(i64::to_string).collect();
        if !named.is_empty() {
            let more = named.len().saturating_sub(SHOWN);
            write!(f, " of ACD {}", named.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))?;
            if more > 0 {
                write!(f, " and {more} more")?;
            }
        }
        match self.span {
            Some(span) => write!(f, " between {} and {}", span.start, span.stop),
            None => Ok(()),
        }
    }
}

/// Several costs in one line.
pub(super) fn in_words(costs: &[Cost]) -> String {
    costs.iter().map(Cost::to_string).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(acd: Acd, day: Option<i32>, first: i64, stop: i64) -> BucketEntry {
        BucketEntry { acd, day, pieces: 1, rows: 1, carried: 0, first, stop, digest: [0; 16], carried_digest: None }
    }

    fn chunk(first: i64, stop: i64, undated: u32) -> ChunkEntry {
        ChunkEntry { volume: 1, block: 1, offset: 0, bytes: 64, first_row: 0, rows: 10, first, stop, undated }
    }

    #[test]
    fn the_acds_that_have_rows_in_the_time_are_named() {
        let buckets = [
            bucket(None, None, 0, 0),
            bucket(Some(1), Some(0), 0, 100),
            bucket(Some(1), Some(1), 100, 200),
            bucket(Some(2), Some(1), 100, 200),
            bucket(Some(3), Some(2), 200, 300),
        ];
        let of = |chunks: &[ChunkEntry]| Cost::of_chunks("hsplit", &buckets, chunks.iter());
        let one = of(&[chunk(120, 200, 0)]).unwrap();
        assert_eq!((one.acds.clone(), one.rows), (vec![Some(1), Some(2)], 10));
        let text = one.to_string();
        assert!(text.starts_with("10 rows of hsplit of ACD 1, 2 between "), "{text}");
        let both = of(&[chunk(120, 200, 0), chunk(0, 10, 3)]).unwrap();
        assert_eq!((both.acds, both.rows), (vec![None, Some(1), Some(2)], 20));
        assert_eq!(both.span, Span::new(Instant(0), Instant(200)));
        assert_eq!(of(&[]), None);
    }
}
