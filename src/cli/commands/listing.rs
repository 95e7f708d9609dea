//! What `intervault check` lists beside sets and tables: labels, sections, blocks, chunks, coverage; and its comparisons. What is
//! long is shown as it is read.

use super::chain::PassedOver;
use super::check::outline_exit;
use super::turns::{Of, Turns};
use super::unusable::Beside;
use super::{open, unusable};
use crate::check::{self, Compared, Found, Scope, SetOutline, short};
use crate::cli::args::{Against, CheckOptions, ListOptions, Listing};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::render::check as check_render;
use crate::cli::render::listing as render;
use crate::cli::render::streamed::Streamed;
use crate::cli::render::text::escape;
use crate::device::traits::Device;
use crate::format::block::SetId;
use crate::inspect::{self, ChunkLine, ChunkSummary, Listed, Medium, Unread};
use crate::section::table::is_tree;
use crate::store::traits::Store;
use crate::verify::listed::{SetSection, member_sections};
use crate::volume::chain::{Chain, ChainError, Gap, Wanted};
use crate::volume::section::SectionView;
use crate::volume::set::SetReader;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Lists or compares.
///
/// # Errors
/// There is nothing to look at, nothing to compare with, or a database fails. What is wrong with volumes is in the answer.
pub(super) fn run(options: &CheckOptions, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let turns = Turns::open(&options.devices, true, config, output)?;
    turns.gather(Of::Chain(options.set.as_deref()))?;
    turns.device().remarks().iter().for_each(|remark| output.warning(remark));
    let found = check::find(turns.device(), None)?;
    if options.listing.compares() {
        return compare(options, &found, config, output);
    }
    let mut answer = output.json().then(|| Streamed::begin("intervault/check", output));
    let mut exit = unusable::exit_of(&found);
    if let Some(answer) = &mut answer {
        answer.field("unreadable", &check_render::unreadable_json(&found.unreadable));
        answer.field("further_unreadable", &serde_json::json!(found.further));
        answer.list("sets");
    }
    let wanted = options.set.as_deref();
    let meant: Vec<&SetReader<'_>> = found.sets.iter().filter(|set| is_meant(set, wanted)).collect();
    if meant.is_empty() && !found.sets.is_empty() {
        return Err(no_set(wanted.unwrap_or_default(), turns.device()));
    }
    let names = meant.iter().flat_map(|set| set.sections()).map(|section| &section.header.table);
    if !meant.is_empty() && !names.into_iter().any(|name| options.listing.has_table(name)) && names_tables(options) {
        return Err(no_table(&options.listing, turns.device().describe()));
    }
    let (listing, device) = (&options.listing, turns.device());
    let mut lister =
        Lister { options: listing, device, output, answer, exit, shown: 0, chosen: false, untimed: BTreeSet::new() };
    for set in &meant {
        lister.set(set, &found)?;
        if output.is_closed() {
            break;
        }
    }
    let nothing = lister.shown == 0 && lister.chosen && !meant.is_empty() && !output.is_closed();
    (answer, exit) = (lister.answer, lister.exit);
    if nothing {
        exit = exit.worst(Exit::Nothing);
        output
            .warning("nothing is listed: of the tables, the ACD or the time that were asked for there is nothing here");
    }
    match answer {
        Some(answer) => answer.end(exit),
        None if !found.unreadable.is_empty() => {
            output.line(check_render::unreadable_text(&found).trim_end());
        }
        None => {}
    }
    unusable::warn(&found, "", output);
    Ok(exit)
}

/// Whether tables are listed of which some were named.
fn names_tables(options: &CheckOptions) -> bool {
    !options.listing.tables.is_empty()
}

fn no_table(listing: &ListOptions, place: String) -> Failure {
    let named = escape(&listing.tables.join(", ")).into_owned();
    Failure::new(Exit::Nothing, format!("no table {named} on {}", escape(&place)))
        .hint("intervault check DEVICE lists the tables that are there")
}

fn is_meant(set: &SetReader<'_>, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| set.set_id().to_string().starts_with(wanted))
}

fn no_set(wanted: &str, device: &dyn Device) -> Failure {
    Failure::new(Exit::Nothing, format!("no set {wanted} on {}", device.describe()))
        .hint("list the sets with intervault check DEVICE --list")
}

/// Shows what is asked for of one set after the other.
struct Lister<'o> {
    options: &'o ListOptions,
    device: &'o dyn Device,
    output: &'o Output,
    answer: Option<Streamed<'o>>,
    exit: Exit,
    /// What is there of lists of which a part can be chosen: tables, and lines.
    shown: u64,
    /// Whether a part of such a list was chosen.
    chosen: bool,
    /// Tables without time of which that was said.
    untimed: BTreeSet<String>,
}

impl Lister<'_> {
    fn set(&mut self, set: &SetReader<'_>, found: &Found<'_>) -> Result<(), Failure> {
        let outline = found.outline(set);
        self.exit = self.exit.worst(outline_exit(&outline));
        self.head(&outline);
        for what in &self.options.what {
            match what {
                Listing::Labels => self.labels(set),
                Listing::Sections => self.sections(set),
                Listing::Blocks => self.blocks(set),
                Listing::Chunks => self.chunks(set),
                Listing::Coverage => self.coverage(set, &found.sets),
            }
        }
        if let Some(answer) = &mut self.answer {
            answer.close();
        }
        Ok(())
    }

    fn head(&mut self, outline: &SetOutline) {
        match &mut self.answer {
            Some(answer) => {
                answer.item();
                answer.fields(&check_render::outline_json(outline));
            }
            None => self.output.line(&check_render::head_text(outline)),
        }
    }

    /// Begins a list of its own in JSON, and in text a heading.
    fn begin(&mut self, name: &str, heading: &str) {
        match &mut self.answer {
            Some(answer) => answer.list(name),
            None => self.output.line(&format!("\n{heading}")),
        }
    }

    fn item(&mut self, value: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        match &mut self.answer {
            Some(answer) => answer.push(&value()),
            None => self.output.line(&text()),
        }
    }

    fn end(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.close();
        }
    }

    fn labels(&mut self, set: &SetReader<'_>) {
        self.begin("labels", render::LABELS);
        for volume in set.volumes() {
            for name in set.copies(volume.number) {
                let read = set.copy(volume.number, &name).map(|volume| (volume.label().clone(), volume.source().len()));
                let read = read.map_err(Unread::from);
                self.unread(read.as_ref().err());
                let (number, read) = (volume.number, read.as_ref().map_err(|unread| unread.reason.as_str()));
                self.item(|| render::label_json(number, &name, read), || render::label_text(number, &name, read));
            }
        }
        self.end();
    }

    /// Notes what could not be read.
    fn unread<'u>(&mut self, what: impl IntoIterator<Item = &'u Unread>) {
        self.exit = what.into_iter().map(|unread| Exit::of_unread(unread.class)).fold(self.exit, Exit::worst);
    }

    /// Notes that a table is there that was chosen. That is all there need be, unless an ACD or a time of it was chosen too.
    fn table(&mut self) {
        if !self.options.narrows() {
            self.shown = self.shown.saturating_add(1);
        }
    }

    /// Whether a section has rows of the ACD and the time that were chosen; where none was, it need have none.
    fn has_rows(&self, section: &SectionView) -> bool {
        let of_acd = || section.buckets.iter().any(|bucket| self.options.has_acd(bucket.acd));
        let of_time = || section.chunks.iter().any(|chunk| self.options.has_time(chunk.span()));
        !self.options.narrows() || of_acd() && of_time()
    }

    /// Says once of a table that was asked for by name why it has no place in a calendar.
    fn untimed(&mut self, name: &str) {
        if self.untimed.insert(name.to_owned()) {
            let name = escape(name);
            self.output
                .warning(&format!("table {name}: its rows have no time, so that no time of it is there or missing"));
        }
    }

    fn meant<'s>(&self, set: &'s SetReader<'_>) -> Vec<&'s SectionView> {
        set.sections().iter().filter(|section| self.options.has_table(&section.header.table)).collect()
    }

    fn sections(&mut self, set: &SetReader<'_>) {
        self.begin("sections", render::SECTIONS);
        self.chosen |= self.options.chooses();
        for section in self.meant(set) {
            self.shown = self.shown.saturating_add(u64::from(self.has_rows(section)));
            self.item(|| render::section_json(section), || render::section_text(section));
        }
        self.end();
    }

    fn blocks(&mut self, set: &SetReader<'_>) {
        if let Some(answer) = &mut self.answer {
            answer.list("block_lists");
        }
        for volume in set.volumes() {
            for name in set.copies(volume.number) {
                self.volume_blocks(volume.number, &name);
            }
        }
        self.end();
    }

    /// The blocks of one copy of a volume.
    fn volume_blocks(&mut self, number: u32, name: &str) {
        let medium = Medium::new(name, || self.device.open(name));
        let output = self.output;
        match &mut self.answer {
            Some(answer) => {
                answer.item();
                answer.field("volume", &number);
                answer.field("name", &name);
                answer.list("blocks");
            }
            None => output.line(&render::blocks_head(number, name)),
        }
        let mut damaged = false;
        let answer = &mut self.answer;
        let listed = inspect::list_blocks(&medium, &mut |listed: Listed| {
            damaged |= matches!(listed, Listed::Damaged { .. });
            match answer {
                Some(answer) => answer.push(&render::listed_json(&listed)),
                None => output.line(&render::listed_text(&listed)),
            }
            !output.is_closed()
        });
        let (how, failed) = match listed {
            Ok(how) => (Some(how.name()), None),
            Err(error) => (None, Some(Failure::from(error))),
        };
        match &mut self.answer {
            Some(answer) => {
                answer.close();
                answer.field("found_by", &how);
                answer.close();
            }
            None => output.line(&render::blocks_end(how)),
        }
        if damaged {
            self.exit = self.exit.worst(Exit::Damage);
        }
        if let Some(failure) = failed {
            output.error(&failure);
            self.exit = self.exit.worst(failure.exit);
        }
    }

    fn chunks(&mut self, set: &SetReader<'_>) {
        if let Some(answer) = &mut self.answer {
            answer.list("chunk_lists");
        }
        self.chosen |= self.options.chooses();
        for section in self.meant(set) {
            self.table();
            self.section_chunks(set, section);
        }
        self.end();
    }

    fn section_chunks(&mut self, set: &SetReader<'_>, section: &SectionView) {
        match &mut self.answer {
            Some(answer) => {
                answer.item();
                answer.field("section", &section.number);
                answer.field("table", &section.header.table);
                answer.list("chunks");
            }
            None => self.output.line(&render::chunks_head(section)),
        }
        let mut summary = ChunkSummary::new(section);
        for chunk in &section.chunks {
            if self.output.is_closed() {
                break;
            }
            if !self.options.has_time(chunk.span()) {
                continue;
            }
            let line = ChunkLine::read(set, chunk);
            let acd = |line: &ChunkLine| self.options.acd.is_none_or(|acd| line.acds().contains(&Some(acd)));
            if line.directory.is_ok() && !acd(&line) {
                continue;
            }
            self.unread(line.directory.as_ref().err());
            summary.add(&line);
            self.shown = self.shown.saturating_add(1);
            self.item(|| render::chunk_json(&line), || render::chunk_text(&line));
        }
        match &mut self.answer {
            Some(answer) => {
                answer.close();
                answer.fields(&render::summary_json(&summary));
                answer.close();
            }
            None => self.output.line(&render::summary_text(&summary)),
        }
    }

    /// Of a chain, told with its newest member alone.
    fn coverage(&mut self, set: &SetReader<'_>, all: &[SetReader<'_>]) {
        let members = chain_of(set, all);
        self.begin("coverage", &render::coverage_head(&members, self.options.exact));
        self.chosen |= self.options.chooses();
        let zone = self.options.exact.then(|| TimeZone::try_system().unwrap_or(TimeZone::UTC));
        for sections in member_sections(&members) {
            let named = sections.first().is_some_and(|(_, view)| self.options.has_table(&view.header.table));
            if !named || self.output.is_closed() {
                continue;
            }
            self.table();
            let Some(mut table) = inspect::coverage(&sections, self.options.window, zone.as_ref()) else {
                let name = name_of(&sections).filter(|_| !self.options.tables.is_empty());
                name.into_iter().for_each(|name| self.untimed(name));
                continue;
            };
            table.acds.retain(|acd| self.options.has_acd(acd.acd));
            self.unread(&table.unread);
            let warn = |unread: &Unread| self.output.warning(&format!("table {}: {}", table.table, unread.reason));
            table.unread.iter().for_each(warn);
            self.shown = self.shown.saturating_add(table.acds.len() as u64);
            let (width, paints) = (self.output.width(), self.output.paints());
            self.item(|| render::coverage_json(&table), || render::coverage_text(&table, width, paints));
        }
        self.end();
    }
}

/// The members of a set's chain up to it that are here, the newest first; the set alone if it belongs to none.
fn chain_of<'a>(set: &'a SetReader<'a>, all: &'a [SetReader<'a>]) -> Vec<&'a SetReader<'a>> {
    let id = set.set_id().to_string();
    let chosen = Chain::choose(all, Wanted { set: Some(&id), stop_at: None });
    chosen.map_or_else(|_| vec![set], |chain| chain.members().to_vec())
}

/// Compares the newest state of what is meant with a database or another set.
fn compare(options: &CheckOptions, found: &Found<'_>, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let listing = &options.listing;
    found.has_sets()?;
    let State { members: here, mut warnings, mut passed_over, beside } =
        state_of(found, options.set.as_deref(), Some(output))?;
    let scope = Scope { acd: listing.acd, window: listing.window };
    let tables: Vec<Vec<SetSection<'_>>> = meant(listing, &here);
    let exit = match &listing.against {
        Some(Against::Database(url)) => {
            let store: Box<dyn Store> = open::database(url)?;
            let snapshot = store.snapshot(options.jobs)?;
            let exit = passed_over.exit().worst(beside);
            let mut shown = Shown::begin(&here, (&url.to_string(), None), exit, output);
            for sections in tables.iter().filter(|sections| !is_passed_by(listing, sections)) {
                let progress = Progress::new(output);
                let compared = check::against_database(sections, snapshot.as_ref(), scope, options.jobs, &progress);
                match compared {
                    Ok(compared) => shown.table(&compared),
                    Err(error) => {
                        shown.failed(&Failure::from(error));
                        break;
                    }
                }
            }
            let catalogue = open::catalogue(config.catalogue.as_deref())?;
            let further = here.first().map(|set| check::only_in_database(set, snapshot.as_ref(), &catalogue, scope));
            let mut further = further.transpose()?.unwrap_or_default();
            further.retain(|compared| listing.has_table(&compared.table));
            shown.end(&further, listing.narrows())
        }
        other => {
            let turns = match other {
                Some(Against::Device(device)) => Some(Turns::open(std::slice::from_ref(device), true, config, output)?),
                _ => None,
            };
            let elsewhere = turns.as_ref().map(|turns| check::find(turns.device(), None)).transpose()?;
            elsewhere.as_ref().map_or(Ok(()), Found::has_sets)?;
            let other = elsewhere.as_ref().unwrap_or(found);
            let State { members: there, warnings: further, passed_over: others, beside: other_beside } =
                state_of(other, listing.against_set.as_deref(), elsewhere.as_ref().map(|_| output))?;
            warnings.extend(further);
            passed_over.extend(others);
            let label = there.first().map_or_else(String::new, |set| set.label().label.clone());
            let against = (&*label, there.first().map(|set| set.set_id()));
            let exit = passed_over.exit().worst(beside).worst(other_beside);
            let mut shown = Shown::begin(&here, against, exit, output);
            let other_tables = meant(listing, &there);
            for sections in &tables {
                let same = other_tables.iter().find(|other| name_of(other) == name_of(sections));
                shown.table(&match same {
                    Some(same) => check::against_set(sections, same, scope),
                    None => check::alone(sections, &there, "the other set", scope),
                });
            }
            let alone = other_tables.iter().filter(|other| tables.iter().all(|mine| name_of(mine) != name_of(other)));
            let alone: Vec<Compared> = alone.map(|other| check::alone(other, &here, "the first set", scope)).collect();
            shown.end(&alone, listing.narrows())
        }
    };
    warnings.iter().for_each(|warning| output.warning(warning));
    passed_over.warn(output);
    Ok(exit)
}

/// A file tree is compared with a database only if it is asked for by name: to say that it cannot be.
fn is_passed_by(listing: &ListOptions, sections: &[SetSection<'_>]) -> bool {
    listing.tables.is_empty() && sections.first().is_some_and(|(_, view)| is_tree(&view.header))
}

fn name_of<'a>(sections: &[SetSection<'a>]) -> Option<&'a str> {
    sections.first().map(|(_, view)| view.header.table.as_str())
}

fn meant<'a>(listing: &ListOptions, members: &[&'a SetReader<'a>]) -> Vec<Vec<SetSection<'a>>> {
    let mut tables = member_sections(members);
    tables.retain(|sections| name_of(sections).is_some_and(|name| listing.has_table(name)));
    tables
}

/// A state that is compared.
struct State<'a> {
    /// The set that is meant with those before it in its chain, the newest first.
    members: Vec<&'a SetReader<'a>>,
    /// What a person should know of the choice.
    warnings: Vec<String>,
    /// Sets that may be newer, and were not taken.
    passed_over: PassedOver,
    /// What follows from the warnings, and from files that cannot be used, which are told already.
    beside: Exit,
}

/// The state that is meant; of files that cannot be used it tells `output`, unless that was done.
fn state_of<'a>(found: &'a Found<'_>, wanted: Option<&str>, output: Option<&Output>) -> Result<State<'a>, Failure> {
    let chain = Chain::choose(&found.sets, Wanted { set: wanted, stop_at: None }).map_err(|error| {
        let exit = if matches!(error, ChainError::Several(_)) { Exit::NotRestorable } else { Exit::Nothing };
        Failure::new(exit, error.to_string()).hint("name one with --set, the other one with --against-set")
    })?;
    let gap = |gap: &Gap| match gap.last.saturating_sub(gap.first) {
        0 => format!("member {} of the chain is not here", gap.last),
        _ => format!("members {} to {} of the chain are not here", gap.first, gap.last),
    };
    let end = |set: &&&SetReader<'_>| set.lacks_end_only();
    let ends = chain.members().iter().filter(end).map(|set| format!("the end of set {} is lost", set.label().label));
    let warnings: Vec<String> = chain.gaps().iter().map(gap).chain(ends).collect();
    let beside = |output| Beside::of(found, &chain, (wanted, false), u32::MAX, output).told(output);
    let beside = output.map_or(Exit::Done, beside);
    Ok(State {
        members: chain.members().to_vec(),
        passed_over: PassedOver::of(&chain),
        beside: if warnings.is_empty() { beside } else { beside.worst(Exit::Warnings) },
        warnings,
    })
}

/// The answer of a comparison.
struct Shown<'o> {
    output: &'o Output,
    answer: Option<Streamed<'o>>,
    exit: Exit,
    same: u64,
    different: u64,
    /// Tables without a difference of which not everything could be compared.
    open: u64,
    /// What was compared of all of them, or was to be: buckets.
    buckets: u64,
}

impl<'o> Shown<'o> {
    /// Says what is compared: the newest of some sets with `name`, which is a set too if one is given.
    /// The exit status is no better than `exit`.
    fn begin(here: &[&SetReader<'_>], (name, set): (&str, Option<SetId>), exit: Exit, output: &'o Output) -> Shown<'o> {
        let mut answer = output.json().then(|| Streamed::begin("intervault/check-against", output));
        let newest = here.first().map(|set| (set.set_id(), set.label().label.as_str()));
        let (id, label) = newest.map_or_else(|| (None, ""), |(id, label)| (Some(id), label));
        match &mut answer {
            Some(answer) => {
                answer.field("set", &id.map(|id| id.to_string()));
                answer.field("label", &label);
                answer.field("against", &json!({"name": name, "set": set.map(|set| set.to_string())}));
                answer.list("tables");
            }
            None => {
                output.line(&render::against_head(label, &id.map(short).unwrap_or_default()));
                output.line(&render::against_other(name, set.map(short).as_deref()));
            }
        }
        Shown { output, answer, exit, same: 0, different: 0, open: 0, buckets: 0 }
    }

    /// What was compared so far stands; the rest is not known.
    fn failed(&mut self, failure: &Failure) {
        self.output.error(failure);
        self.exit = self.exit.worst(failure.exit);
    }

    fn table(&mut self, compared: &Compared) {
        let (count, exit) = match compared.same() {
            Some(true) => (&mut self.same, Exit::Done),
            Some(false) => (&mut self.different, Exit::Damage),
            None => (&mut self.open, Exit::Warnings),
        };
        *count = count.saturating_add(1);
        let Compared { buckets, beyond_cutoff, not_here, unknown, .. } = compared;
        self.buckets =
            [buckets, beyond_cutoff, not_here, unknown].into_iter().copied().fold(self.buckets, u64::saturating_add);
        self.exit = self.exit.worst(exit);
        if compared.not_here > 0 || compared.unknown > 0 {
            self.exit = self.exit.worst(Exit::Volume);
        }
        match &mut self.answer {
            Some(answer) => {
                answer.item();
                answer.fields(&render::compared_json(compared));
                answer.list("differences");
                compared.differences.iter().for_each(|difference| answer.push(&render::difference_json(difference)));
                answer.close();
                answer.close();
            }
            None => self.output.line(&render::compared_text(compared)),
        }
    }

    /// Ends it. Where there is no table, or an ACD or a time was chosen and no row of it is on either side, nothing was compared.
    fn end(mut self, further: &[Compared], narrows: bool) -> Exit {
        further.iter().for_each(|compared| self.table(compared));
        let tables = self.same.saturating_add(self.different).saturating_add(self.open);
        if tables == 0 || narrows && self.buckets == 0 && self.different == 0 {
            self.exit = self.exit.worst(Exit::Nothing);
            self.output.warning("nothing was compared: no row of what was asked for is on either side");
        }
        let exit = self.exit;
        match self.answer {
            Some(mut answer) => {
                answer.close();
                answer.end(exit);
            }
            None => self.output.line(&render::against_end(self.same, self.different, self.open)),
        }
        exit
    }
}
