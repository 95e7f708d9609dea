//! What a salvage found, what it made of it, and what is lost: data, for people and programs.

use crate::base::time::{Day, Instant};
use crate::format::block::SetId;
use crate::section::pieces::Acd;
use crate::volume::finder::Sifted;
use crate::volume::set_writer::SetSummary;

/// A number of things that are lost, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// So many and perhaps more.
    AtLeast(u64),
}

impl Count {
    /// The number, whether or not there may be more.
    #[must_use]
    pub const fn known(self) -> u64 {
        match self {
            Count::Exactly(number) | Count::AtLeast(number) => number,
        }
    }

    /// Whether it is known that nothing is lost.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        matches!(self, Count::Exactly(0))
    }
}

/// What was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAccount {
    /// What people know it as.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// What these were.
    pub sifted: Sifted,
}

/// Sources with no block in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtherSources {
    /// How many there are.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What these were.
    pub sifted: Sifted,
}

/// What was salvaged, of all sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What was looked through and has blocks, or could not be read everywhere, in order.
    pub sources: Vec<SourceAccount>,
    /// What was looked through besides.
    pub others: OtherSources,
    /// What could not be opened, and why; at most 1,000.
    pub unopened: Vec<(String, String)>,
    /// How many more could not be opened.
    pub more_unopened: u64,
    /// Whether some of them could not be opened since whoever asks is not allowed to.
    pub refused: bool,
    /// Intact blocks that were let go because there were more than can be held in mind.
    pub let_go: u64,
    /// The sets of which blocks were found, by label, then by id.
    pub sets: Vec<SetAccount>,
}

impl Account {
    /// Whether anything was found that makes a set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.iter().all(|set| set.sections.is_empty())
    }

    /// Whether something is lost, as far as that can be seen.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        !self.unopened.is_empty() || self.let_go > 0 || self.sets.iter().any(SetAccount::has_losses)
    }

    /// Whether what may not be opened can be the reason of what is lost: all that was read is of intact blocks. Whether volumes
    /// are missing besides shows when it may.
    #[must_use]
    pub fn lost_by_refusal(&self) -> bool {
        let sifted = self.sources.iter().map(|source| &source.sifted).chain([&self.others.sifted]);
        let all_intact = sifted.into_iter().all(|sifted| (sifted.other, sifted.zeros, sifted.unread) == (0, 0, 0));
        self.refused && self.let_go == 0 && all_intact
    }
}

/// What was salvaged of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAccount {
    /// The set whose blocks were found.
    pub set: SetId,
    /// Its label, as people read it; none if no label was found.
    pub label: Option<String>,
    /// Intact blocks that were found, each counted once.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that were there more than once.
    pub copies: u64,
    /// Whether its catalog was found whole. If not nobody knows what the source had not or was left out, nor, of an incremental
    /// set, what was left unwritten.
    pub catalog: bool,
    /// Whether what ends it was found: the end mark or the index of its last volume. If not nobody knows whether it was ever
    /// finished.
    pub ended: bool,
    /// Its sections of which the table is known, in order.
    pub sections: Vec<SectionAccount>,
    /// Numbers of sections of which nobody knows the table, from the first to the last, and how many intact chunks of them there
    /// are without use.
    pub nameless: Vec<(u32, u32, u64)>,
    /// Whether it is known that there were no sections behind these.
    pub all_known: bool,
    /// What contradicts itself: what of it was not taken, and why.
    pub conflicts: Vec<String>,
    /// The set that was written; none if none was to be, or there is nothing to write.
    pub written: Option<SetSummary>,
}

impl SetAccount {
    /// Whether something is lost, or may be: what cannot be shown to be there counts as lost, also label, catalog and end.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        let of_set = self.label.is_none() || !self.catalog || !self.ended || !self.all_known;
        of_set || !self.nameless.is_empty() || self.sections.iter().any(SectionAccount::has_losses)
    }

    /// Rows that were salvaged.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sections.iter().map(|section| section.rows).fold(0, u64::saturating_add)
    }
}

/// What was salvaged of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionAccount {
    /// Its number in the set that is salvaged.
    pub number: u32,
    /// Its table, or its file tree.
    pub table: String,
    /// Whether its header was lost where the section lies, and is known from the catalog.
    pub header_from_catalog: bool,
    /// Whether where it ends was found, so that its totals are known.
    pub ended: bool,
    /// Rows and chunks that are there.
    pub rows: u64,
    /// Chunks that are there.
    pub chunks: u64,
    /// Rows that are lost.
    pub lost_rows: Count,
    /// Chunks that are lost.
    pub lost_chunks: Count,
    /// Whether all that the section had is there, and proved.
    pub whole: bool,
    /// Whether it is of an incremental set, or may be, and what that left unwritten is not listed: the list is lost, or the
    /// label, without which the new set counts as a full one.
    pub unlisted: bool,
    /// What is lost of each ACD: by the catalog, or else what may be, as widely as what is known allows. At most 1,000, and fewer
    /// where there are very many in all.
    pub acds: Vec<AcdLoss>,
    /// How many more ACDs there are of which something is lost, or may be.
    pub more_acds: u64,
    /// Whether rows of ACDs may be lost that nothing is known of.
    pub other_acds: bool,
    /// Where rows are missing between others: at most 1,000 places, and fewer where there are very many in all.
    pub gaps: Vec<Gap>,
    /// How many more such places there are.
    pub more_gaps: u64,
    /// Of a file tree: what is lost of its files.
    pub files: Option<FilesLoss>,
}

impl SectionAccount {
    /// Whether something is lost, or may be.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        !self.whole
    }
}

/// What is lost of an ACD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcdLoss {
    /// The ACD.
    pub acd: Acd,
    /// Rows that are lost; none if only the time is known of which rows may be.
    pub rows: Option<u64>,
    /// Days or first days of periods of which rows are lost, or may be: each run from its first to its last.
    pub days: Vec<(Day, Day)>,
    /// Whether rows of any other time may be lost too.
    pub any_time: bool,
    /// Whether rows without a usable time are among them, or may be.
    pub undated: bool,
}

/// Rows that are missing between others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Number of the first of them in the section.
    pub first_row: u64,
    /// How many; none if nobody knows.
    pub rows: Option<u64>,
    /// None of those with a time starts before this; none if there is no bound.
    pub after: Option<Instant>,
    /// None of those with a time ends behind this; none if there is no bound.
    pub before: Option<Instant>,
}

/// What is lost of the files of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesLoss {
    /// Files that are whole.
    pub whole: u64,
    /// Files that the tree had, if its end is there.
    pub of: Option<u64>,
    /// How many files are there in part.
    pub torn: u64,
    /// Their paths, at most 1,000, and fewer where there are very many in all.
    pub paths: Vec<String>,
    /// Why the rows that are there make no tree, if they do not.
    pub odd: Option<String>,
}
