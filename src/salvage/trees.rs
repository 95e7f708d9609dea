//! Which files of a tree are lost: the rows that are there are looked at in their order, with a gap wherever rows are missing.

use super::account::{FilesLoss, SectionAccount, SetAccount};
use super::judge::{Judged, JudgedSection};
use super::room::Room;
use super::sources::Again;
use crate::base::position::Position;
use crate::column::digest::RowHasher;
use crate::error::Error;
use crate::files::entry::Kind;
use crate::files::name::shown;
use crate::files::order::{Order, Place};
use crate::files::rows::Row;
use std::collections::BTreeSet;

/// Paths of torn files that are listed.
const PATHS_MAX: usize = 1_000;

/// Completes the account of the file trees of a set of which something is lost.
///
/// # Errors
/// A source fails.
pub(super) fn account(
    judged: &Judged,
    of_set: &mut SetAccount,
    again: &mut Again<'_, '_>,
    room: &mut Room,
) -> Result<(), Error> {
    for (section, account) in judged.sections.iter().zip(&mut of_set.sections) {
        if account.whole {
            account.files = None;
        } else if account.files.is_some() {
            let mut loss = files(section, account, again)?;
            // How many there are is told whatever there is room for.
            room.cut(&mut loss.paths, PATHS_MAX, |path| path.len().saturating_add(size_of::<String>()));
            account.files = Some(loss);
        }
    }
    Ok(())
}

fn files(section: &JudgedSection, account: &SectionAccount, again: &mut Again<'_, '_>) -> Result<FilesLoss, Error> {
    let gaps: BTreeSet<u64> = section.lost.iter().flat_map(|lost| &lost.gaps).copied().collect();
    let mut look = Look { loss: FilesLoss::default(), order: Order::default() };
    let mut row = 0u64;
    for place in &section.chunks {
        if gaps.contains(&row) {
            look.gap();
        }
        let Some(block) = again.block(place)? else { continue };
        let Ok(rows) = section.table.prove(&mut RowHasher::default(), block.payload(), Position::UNKNOWN) else {
            continue;
        };
        for at in 0..rows.batch.rows {
            match Row::of(&rows.batch, at) {
                Ok(row) => look.row(&row),
                Err(why) => look.odd(why.to_owned()),
            }
        }
        row = row.saturating_add(rows.batch.rows as u64);
    }
    if gaps.contains(&account.rows) {
        look.gap();
    }
    Ok(look.loss)
}

struct Look {
    loss: FilesLoss,
    order: Order,
}

impl Look {
    fn gap(&mut self) {
        self.order.gap();
        self.torn();
    }

    fn odd(&mut self, why: String) {
        self.loss.odd.get_or_insert(why);
    }

    fn torn(&mut self) {
        let Some(path) = self.order.torn() else { return };
        self.loss.torn = self.loss.torn.saturating_add(1);
        if self.loss.paths.len() < PATHS_MAX {
            self.loss.paths.push(shown(&path));
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        if self.loss.odd.is_some() {
            return;
        }
        let place = match self.order.look(row) {
            Ok(place) => place,
            Err(why) => return self.odd(why),
        };
        self.torn();
        match (row.kind, place) {
            (Kind::Totals, _) => self.loss.of = Some(row.piece),
            (Kind::File, Place::First | Place::Next) if row.last => self.loss.whole = self.loss.whole.saturating_add(1),
            _ => {}
        }
    }
}
