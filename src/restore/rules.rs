//! The rules by which a restore or an undo refuses: each has a name, and some an option that lets it through. Pure.

use crate::error::{Class, Error};
use std::fmt;

/// A rule that must hold before rows are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// No row of the target goes in whose place the set has nothing.
    Uncovered,
    /// No row of the target lies across an edge of what is replaced.
    Straddling,
    /// Administration data needs single-user mode.
    SingleUser,
    /// Local data needs collection off.
    Collection,
    /// Local data belongs to the server that it came from.
    Server,
    /// Set and target are of one version of the database's schema.
    SchemaVersion,
    /// The columns on the volumes fit those of the target.
    SchemaDrift,
    /// The target has the table.
    AbsentTable,
    /// The rows of the target's table can be written and told apart.
    NotWritable,
    /// No earlier restore is half done.
    UnfinishedRestore,
    /// The volumes that are needed are here.
    MissingVolume,
    /// The members of the chain that are needed are here.
    MissingMember,
    /// The set is all that was written, and was finished.
    IncompleteSet,
    /// What is read is what was written.
    Damage,
    /// The set speaks for the ACD asked for.
    UnknownAcd,
    /// Of what was asked for, something can be restored.
    LeftAlone,
    /// The set is a backup, not what a restore deleted.
    UndoSet,
    /// Rows, volumes and answer are still those of the plan.
    ChangedSincePlan,
    /// Rows are still as the restore left them that is undone.
    ChangedSince,
    /// No later restore replaced rows there.
    ReplacedSince,
    /// The restore that is undone kept what it deleted.
    NotKept,
}

impl Rule {
    /// All rules, in the order in which they are listed for people.
    pub const ALL: [Rule; 21] = [
        Rule::Uncovered,
        Rule::Straddling,
        Rule::SingleUser,
        Rule::Collection,
        Rule::Server,
        Rule::SchemaVersion,
        Rule::SchemaDrift,
        Rule::AbsentTable,
        Rule::NotWritable,
        Rule::UnfinishedRestore,
        Rule::MissingVolume,
        Rule::MissingMember,
        Rule::IncompleteSet,
        Rule::Damage,
        Rule::UnknownAcd,
        Rule::LeftAlone,
        Rule::UndoSet,
        Rule::ChangedSincePlan,
        Rule::ChangedSince,
        Rule::ReplacedSince,
        Rule::NotKept,
    ];

    /// The name, for people and programs. It never changes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rule::Uncovered => "uncovered",
            Rule::Straddling => "straddling",
            Rule::SingleUser => "single-user",
            Rule::Collection => "collection",
            Rule::Server => "server",
            Rule::SchemaVersion => "schema-version",
            Rule::SchemaDrift => "schema-drift",
            Rule::AbsentTable => "absent-table",
            Rule::NotWritable => "not-writable",
            Rule::UnfinishedRestore => "unfinished-restore",
            Rule::MissingVolume => "missing-volume",
            Rule::MissingMember => "missing-member",
            Rule::IncompleteSet => "incomplete-set",
            Rule::Damage => "damage",
            Rule::UnknownAcd => "unknown-acd",
            Rule::LeftAlone => "left-alone",
            Rule::UndoSet => "undo-set",
            Rule::ChangedSincePlan => "changed-since-plan",
            Rule::ChangedSince => "changed-since",
            Rule::ReplacedSince => "replaced-since",
            Rule::NotKept => "not-kept",
        }
    }

    /// The option of the command that lets through what the rule refuses; `None` where nothing does.
    #[must_use]
    pub fn override_option(self) -> Option<&'static str> {
        match self {
            Rule::Uncovered | Rule::Straddling => Some("--uncovered"),
            Rule::SingleUser | Rule::Collection => Some("--tables"),
            Rule::SchemaVersion => Some("--other-version"),
            Rule::UnfinishedRestore => Some("--anew"),
            Rule::MissingVolume | Rule::MissingMember | Rule::IncompleteSet | Rule::Damage => Some("--partial"),
            Rule::ChangedSince | Rule::ReplacedSince => Some("--force"),
            Rule::Server
            | Rule::SchemaDrift
            | Rule::AbsentTable
            | Rule::NotWritable
            | Rule::UnknownAcd
            | Rule::LeftAlone
            | Rule::UndoSet
            | Rule::ChangedSincePlan
            | Rule::NotKept => None,
        }
    }

    /// Says that the rule is broken: where, and what to try.
    #[must_use]
    pub(super) fn refusal(self, what: impl Into<String>, advice: impl Into<String>) -> Refusal {
        Refusal { rule: self, what: what.into(), advice: advice.into(), class: Class::NotRestorable }
    }

    /// The same as the error that ends the work.
    #[must_use]
    pub(super) fn error(self, what: impl Into<String>, advice: impl Into<String>) -> Error {
        self.refusal(what, advice).error()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a plan cannot be applied. As text: the rule, and where it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// Where it is broken.
    pub what: String,
    /// What to try.
    pub advice: String,
    /// Whether it is volumes that are missing (exit status 5), damage (4), nothing there (10), no right to read (7), somebody at
    /// work (6) or a rule (9).
    pub class: Class,
}

impl Refusal {
    /// The same with another class.
    pub(super) fn of_class(self, class: Class) -> Refusal {
        Refusal { class, ..self }
    }

    /// The error that ends the work for this reason.
    pub(super) fn error(&self) -> Error {
        Error::of_class(self.class, self.to_string(), self.advice.clone())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by the rule {}: {}", self.rule, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    #[test]
    fn a_refusal_names_its_rule_and_keeps_its_class() {
        let refusal = Rule::Damage.refusal("block 7", "another copy").of_class(Class::Damage);
        let error = refusal.error();
        assert_eq!(error.class(), Class::Damage);
        assert!(error.to_string().contains("refused by the rule damage: block 7"), "{error}");
        assert_eq!(Rule::NotKept.error("it", "that").class(), Class::NotRestorable);
    }
}
