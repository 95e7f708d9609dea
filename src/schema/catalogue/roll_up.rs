//! How the rows of a finer table become one row of a coarser one, column by column.

use serde::{Deserialize, Serialize};

/// What becomes of a column when rows are rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RollUp {
    /// Says which rows belong together.
    Key,
    /// Is not in the coarser table, or cannot be made from the finer one.
    Skip,
    /// The value of the latest row.
    Last,
    /// 1 if any row has something other than 0, else 0.
    Any,
    /// The greatest.
    Max,
    /// The number of rows.
    Count,
    /// The sum.
    #[default]
    Sum,
}

/// Patterns for each rule. A `*` stands for any characters, also none; ASCII case is ignored. They are asked in the order
/// in which they stand here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "a list for each rule of RollUp")]
pub struct RollUpRules {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub count: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sum: Vec<String>,
    /// The rule of columns that no pattern names.
    #[serde(default)]
    pub default: RollUp,
}

impl RollUpRules {
    /// The rule of a column.
    ///
    /// ```
    /// use intervault::schema::catalogue::{Catalogue, RollUp};
    /// let catalogue = Catalogue::builtin();
    /// let rules = catalogue.roll_up(catalogue.get("dsplit").unwrap()).unwrap();
    /// assert_eq!(rules.of("ACDCALLS"), RollUp::Sum);
    /// assert_eq!(rules.of("maxinqueue"), RollUp::Max);
    /// assert_eq!(rules.of("servicelevel"), RollUp::Last);
    /// assert_eq!(rules.of("split"), RollUp::Key);
    /// ```
    #[must_use]
    pub fn of(&self, column: &str) -> RollUp {
        let rules = [
            (&self.key, RollUp::Key),
            (&self.skip, RollUp::Skip),
            (&self.last, RollUp::Last),
            (&self.any, RollUp::Any),
            (&self.max, RollUp::Max),
            (&self.count, RollUp::Count),
            (&self.sum, RollUp::Sum),
        ];
        let named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, column));
        rules.into_iter().find(|(patterns, _)| named(patterns)).map_or(self.default, |(_, rule)| rule)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        // The earliest place leaves the most for the parts that follow.
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("split", "SPLIT", true),
            ("split", "split1", false),
            ("max*", "maxtop", true),
            ("max*", "max", true),
            ("max*", "i_max", false),
            ("*time", "acdtime", true),
            ("*time", "times", false),
            ("i_*time", "i_time", true),
            ("i_*time", "i_tim", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("a**a", "aa", true),
            ("*a*", "banana", true),
            ("*x*", "banana", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_rule_that_names_a_column_wins() {
        let rules = RollUpRules {
            key: vec!["a".into()],
            skip: vec!["a".into(), "b".into()],
            count: vec!["*".into()],
            default: RollUp::Max,
            ..RollUpRules::default()
        };
        assert_eq!(["a", "b", "c"].map(|column| rules.of(column)), [RollUp::Key, RollUp::Skip, RollUp::Count]);
        let rest = RollUpRules { default: RollUp::Max, ..RollUpRules::default() };
        assert_eq!(rest.of("a"), RollUp::Max);
    }
}
