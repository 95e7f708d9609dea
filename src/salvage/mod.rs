//! Salvage: all intact blocks of damaged sets, wherever they lie and whatever lies between them, become new valid sets. Two
//! passes: the first finds blocks and proves rows, the second copies chunks as they are. What is lost is told, and a new set
//! speaks for nothing of which it has not all; see chapter 5.9 of the format.

mod account;
mod chunks;
mod collect;
mod gaps;
mod indexes;
mod judge;
mod known;
mod losses;
mod parts;
mod room;
mod sources;
mod trees;
mod write;

pub use account::{Account, AcdLoss, Count, FilesLoss, Gap, OtherSources, SectionAccount, SetAccount, SourceAccount};

use crate::base::budget::Budget;
use crate::base::monitor::{Monitor, Silent, Task};
use crate::base::ordered::ordered;
use crate::device::traits::Device;
use crate::error::{Error, ErrorKind};
use crate::format::block::SetId;
use crate::section::rows::SectionTable;
use collect::{Heap, Prover, collect};
use judge::{Judged, judge};
use parts::Proof;
use room::Room;
use sources::{Again, Sources};
use std::sync::{Mutex, PoisonError};

/// How a salvage is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvageOptions {
    /// Sets whose id begins with these hexadecimal digits; none: all that are found.
    pub set: Option<String>,
    /// Capacity of each new volume in bytes; none: one volume takes everything.
    pub volume_size: Option<u64>,
    /// Whether the new sets are read back before they count as finished.
    pub verify: bool,
    /// Threads, at least 1.
    pub jobs: usize,
}

impl Default for SalvageOptions {
    fn default() -> SalvageOptions {
        SalvageOptions { set: None, volume_size: None, verify: true, jobs: 1 }
    }
}

/// A salvage: from where, and how. Nothing is ever written to a source.
///
/// ```
/// use intervault::device::memory::MemoryDevice;
/// use intervault::salvage::{Salvage, SalvageOptions};
/// # fn main() -> Result<(), intervault::error::Error> {
/// let heap = MemoryDevice::named("heap");
/// heap.insert("whatever", b"no block at all".to_vec());
/// let account = Salvage::new(&[&heap], SalvageOptions::default()).account()?;
/// assert!(account.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Salvage<'a> {
    from: Vec<&'a dyn Device>,
    options: SalvageOptions,
    monitor: &'a dyn Monitor,
}

/// What is done with each set that was judged: given where its blocks lie, its account and its id.
type Each<'e> = dyn FnMut(&Judged, &Sources<'_>, SetAccount) -> Result<SetAccount, Error> + 'e;

/// Gives the id of a new set.
pub type NewId<'i> = dyn FnMut() -> Result<SetId, Error> + 'i;

impl<'a> Salvage<'a> {
    /// A salvage that nobody watches. Everything that the devices list is looked through, whatever its name.
    #[must_use]
    pub fn new(from: &[&'a dyn Device], options: SalvageOptions) -> Salvage<'a> {
        Salvage { from: from.to_vec(), options, monitor: &Silent }
    }

    /// The same with somebody who is told how far it is and can stop it.
    #[must_use]
    pub fn watched(self, monitor: &'a dyn Monitor) -> Salvage<'a> {
        Salvage { monitor, ..self }
    }

    /// What there is and what is lost. Every intact chunk is decoded and proved; nothing is written.
    ///
    /// # Errors
    /// A source device cannot be listed, or fails while blocks are read again; there is more than can be held in mind; somebody
    /// asked to stop. Damage is no error.
    pub fn account(&self) -> Result<Account, Error> {
        self.work(&mut |_, _, account| Ok(account))
    }

    /// Writes a new set for each set of which a section was found, one after the other, and says what there is and what is
    /// lost.
    /// `new_id` gives the id of each.
    ///
    /// # Errors
    /// As [`Salvage::account`]; `to` cannot be written or is full; what was written reads back as something else. A set is
    /// finished only when all of it was written, and read back unless told not to: after an error the set that was being
    /// written stays unfinished, those before it are whole.
    pub fn write(&self, to: &dyn Device, new_id: &mut NewId<'_>) -> Result<Account, Error> {
        let _lock = to.lock()?;
        self.work(&mut |judged, sources, account| {
            if judged.sections.is_empty() {
                return Ok(account);
            }
            let writing = write::Writing { to, options: &self.options, monitor: self.monitor };
            let written = writing.write(judged, sources, new_id()?)?;
            Ok(SetAccount { written: Some(written), ..account })
        })
    }

    fn work(&self, each: &mut Each<'_>) -> Result<Account, Error> {
        let sources = Sources::new(&self.from)?;
        self.monitor.begin(Task::Verify, "looking for blocks", 0);
        let heap = collect(&sources, self.options.set.as_deref(), self.options.jobs, self.monitor);
        self.monitor.end(Task::Verify);
        let Heap { sets, sources: looked, others, unopened, more_unopened, refused, let_go, .. } = heap?;
        let source = |(name, bytes, sifted)| SourceAccount { name, bytes, sifted };
        let (count, bytes, sifted) = others;
        let mut account = Account {
            sources: looked.into_iter().map(source).collect(),
            others: OtherSources { count, bytes, sifted },
            unopened,
            more_unopened,
            refused,
            let_go,
            sets: Vec::new(),
        };
        let mut room = Room::new();
        for (set, parts) in sets {
            let mut again = Again::new(&sources);
            let mut later = |table: &SectionTable, places: &[sources::Place]| {
                prove_later(&sources, table, places, self.options.jobs)
            };
            let (judged, mut of_set) = judge(set, parts, &mut again, &mut later, &mut room)?;
            trees::account(&judged, &mut of_set, &mut again, &mut room)?;
            unless_cancelled(self.monitor)?;
            account.sets.push(each(&judged, &sources, of_set)?);
        }
        account.sets.sort_by(|a, b| (&a.label, a.set).cmp(&(&b.label, b.set)));
        Ok(account)
    }
}

fn unless_cancelled(monitor: &dyn Monitor) -> Result<(), Error> {
    if monitor.cancelled() { Err(ErrorKind::Cancelled.into()) } else { Ok(()) }
}

/// Proves chunks whose header was not known when they passed.
fn prove_later(
    sources: &Sources<'_>,
    table: &SectionTable,
    places: &[sources::Place],
    jobs: usize,
) -> Result<Vec<Proof>, Error> {
    let (budget, prover) = (Budget::new(collect::ON_THE_WAY), Prover::new());
    let readers: Vec<Mutex<Again<'_, '_>>> = (0..jobs.max(1)).map(|_| Mutex::new(Again::new(sources))).collect();
    let mut proofs = Vec::with_capacity(places.len());
    ordered(
        jobs.max(1),
        places.len(),
        4,
        |worker, item, emit| {
            let (Some(place), Some(reader)) = (places.get(item), readers.get(worker)) else { return Ok(()) };
            let lent = budget.take(u64::from(place.bytes()));
            let block = reader.lock().unwrap_or_else(PoisonError::into_inner).block(place)?;
            let proof = block.map_or(Proof::Wrong, |block| prover.prove(Some(table), block.payload()));
            drop(lent);
            emit(proof);
            Ok::<(), Error>(())
        },
        |proof| {
            proofs.push(proof);
            Ok(())
        },
    )?;
    Ok(proofs)
}
