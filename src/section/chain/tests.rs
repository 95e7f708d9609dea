//! Chains of random histories: a source whose rows change, sets taken of it, some of them lost or damaged. What is said of
//! them is held against the source's own states, which the chain never sees.

use super::*;
use crate::format::chunk::PieceEntry;
use crate::format::section::{HeldEntry, Losses};
use crate::section::changes::{Before, changes};
use crate::section::evidence::{Claims, weigh};
use crate::section::pieces::Cutoffs;
use crate::testing::mutate::Rng;
use proptest::prelude::*;

const DAY: i64 = 86_400;
const ACD: Acd = Some(1);
/// Rows start at quarters of a day.
const QUARTER: i64 = DAY / 4;
const FIRST_DAY: i32 = 100;

/// A row: its span, and what else is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    span: Span,
    value: u8,
}

impl Row {
    fn day(&self) -> Day {
        self.span.start.day()
    }
}

/// A state of the source: rows in order, a multiset.
type State = Vec<Row>;

fn digest(rows: &[Row]) -> [u8; 16] {
    let hash = |row: &Row| {
        let text = format!("{row:?}");
        let hash = crate::base::checksum::blake3(text.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        u128::from_le_bytes(half)
    };
    rows.iter().map(hash).fold(0u128, u128::wrapping_add).to_le_bytes()
}

/// A set taken of the source.
#[derive(Debug, Clone)]
struct Taken {
    cutoff: Option<Instant>,
    state: State,
    buckets: Vec<BucketEntry>,
    end: SectionEndRecord,
    /// Number of the set after which the source has these columns.
    shape: usize,
}

impl Taken {
    fn complete(&self, row: &Row) -> bool {
        self.cutoff.is_none_or(|cutoff| row.span.stop <= cutoff)
    }

    /// The source's complete rows of a day.
    fn rows(&self, day: Day) -> Vec<Row> {
        self.state.iter().filter(|row| row.day() == day && self.complete(row)).copied().collect()
    }

    fn wrote(&self, day: Day) -> bool {
        self.buckets.iter().any(|bucket| bucket.day == Some(day) && bucket.is_written())
    }

    /// Whether an instant lies between the first and the last row of a day.
    fn between(&self, day: Day, at: Instant) -> bool {
        let rows = || self.state.iter().filter(|row| row.day() == day).map(|row| row.span);
        rows().any(|span| span.start <= at) && rows().any(|span| at < span.stop)
    }

    fn reaches(&self, at: Instant) -> bool {
        self.end.envelope.iter().any(|entry| entry.start <= at.0 && at.0 < entry.stop)
    }

    /// Takes a set: a full one, or what changed since the one before.
    fn take(state: &State, cutoff: Option<Instant>, before: Option<&Taken>) -> Taken {
        let end = SectionEndRecord {
            rows: 0,
            chunks: 0,
            buckets: 0,
            digest: [0; 16],
            held: Vec::new(),
            envelope: Vec::new(),
            lost: None,
        };
        let mut taken = Taken { cutoff, state: state.clone(), buckets: Vec::new(), end, shape: 0 };
        let days: BTreeSet<Day> = state.iter().map(Row::day).collect();
        let (mut now, mut complete) = (Vec::new(), BTreeMap::new());
        for day in days {
            let all: Vec<Row> = state.iter().filter(|row| row.day() == day).copied().collect();
            let rows = taken.rows(day);
            for row in &rows {
                let covered: &mut Span = complete.entry(ACD).or_insert(row.span);
                *covered = covered.hull(row.span);
            }
            now.push(BucketEntry {
                acd: ACD,
                day: Some(day),
                pieces: 1,
                rows: rows.len() as u64,
                carried: (all.len() - rows.len()) as u64,
                first: all.iter().map(|row| row.span.start.0).min().unwrap(),
                stop: all.iter().map(|row| row.span.stop.0).max().unwrap(),
                digest: digest(&rows),
                carried_digest: None,
            });
        }
        let lost = BTreeSet::new();
        let before = before.map(|before| Before { buckets: &before.buckets, end: &before.end, lost: &lost });
        let changes = changes(Grain::Interval, &now, &complete, before);
        taken.buckets = now.into_iter().filter(|bucket| changes.written.contains(&(bucket.acd, bucket.day))).collect();
        taken.buckets.extend(changes.unwritten);
        taken.buckets.sort_unstable_by_key(|bucket| bucket.day);
        (taken.end.held, taken.end.envelope) = (changes.held, changes.envelope);
        taken
    }

    /// What the set proves without the buckets of the `damaged` days.
    fn evidence(&self, damaged: &BTreeSet<Day>, listed: bool, ended: bool) -> Evidence {
        let written = self.buckets.iter().filter(|bucket| bucket.is_written());
        let pieces: Vec<PieceEntry> = written
            .filter(|bucket| bucket.day.is_some_and(|day| !damaged.contains(&day)))
            .map(|bucket| PieceEntry {
                acd: bucket.acd,
                day: bucket.day,
                piece: 0,
                last: 1,
                rows: bucket.rows as u32,
                carried: bucket.carried as u32,
                first: bucket.first,
                stop: bucket.stop,
                digest: bucket.digest,
                carried_digest: bucket.carried_digest,
            })
            .collect();
        let cutoffs = Cutoffs::new(self.cutoff.map(|cutoff| (ACD, cutoff)));
        let claims = Claims {
            buckets: listed.then_some(&self.buckets[..]),
            end: ended.then_some(&self.end),
            cutoffs: &cutoffs,
            grain: Grain::Interval,
            window: None,
        };
        weigh(claims, &pieces, false)
    }
}

/// One set as it is found.
#[derive(Debug, Clone)]
struct Found {
    taken: Taken,
    damaged: BTreeSet<Day>,
    listed: bool,
    /// Whether its end mark is there.
    ended: bool,
    /// Whether the set before it is not the next one that was found.
    gap_behind: bool,
    evidence: Evidence,
}

impl Found {
    fn holds(&self, at: Instant) -> bool {
        self.evidence.held.get(&ACD).is_some_and(|held| held.iter().any(|span| span.holds(moment(at))))
    }

    /// Whether it is lost what it had of an instant, or may be.
    fn lacks(&self, at: Instant) -> bool {
        let claims = || self.taken.end.held.iter().any(|entry| entry.start <= at.0 && at.0 < entry.stop);
        let behind = || self.gap_behind && self.taken.reaches(at);
        !self.listed && !self.holds(at) && (!self.ended || claims() || behind())
    }

    /// The rows on its volumes that can be read.
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.taken.state.iter().filter(|row| self.has(row.day()))
    }

    fn has(&self, day: Day) -> bool {
        self.taken.wrote(day) && !self.damaged.contains(&day)
    }
}

/// A history, and what is here of the sets taken of it: newest first.
#[derive(Debug)]
struct World {
    chain: Vec<Taken>,
    found: Vec<Found>,
}

impl World {
    /// `loss` in 8: how likely a set is missing; as likely is damage of a day or of a catalog.
    fn new(seed: u64, loss: usize) -> World {
        let mut random = Rng::new(seed);
        let mut state: State = Vec::new();
        let mut last = FIRST_DAY;
        let mut chain: Vec<Taken> = Vec::new();
        for _ in 0..2 + random.below(4) {
            for _ in 0..1 + random.below(3) {
                step(&mut state, &mut last, &mut random);
            }
            let cutoff =
                (random.below(3) == 0).then(|| Instant(i64::from(last) * DAY - random.below(6) as i64 * QUARTER));
            // A table whose columns changed is written whole.
            let shape = chain.last().map_or(0, |last| last.shape + usize::from(random.below(6) == 0));
            let before = chain.last().filter(|last| last.shape == shape);
            let taken = Taken { shape, ..Taken::take(&state, cutoff, before) };
            chain.push(taken);
        }
        let mut found = Vec::new();
        let mut last = None;
        for (number, taken) in chain.iter().enumerate() {
            if random.below(8) < loss {
                continue;
            }
            let days: BTreeSet<Day> = taken.state.iter().map(Row::day).collect();
            let damaged: BTreeSet<Day> = days.into_iter().filter(|_| random.below(24) < loss).collect();
            let listed = random.below(16) >= loss;
            let ended = listed || random.below(3) > 0;
            let evidence = taken.evidence(&damaged, listed, ended);
            let gap_behind = last.is_some_and(|last| number > last + 1);
            last = Some(number);
            found.push(Found { taken: taken.clone(), damaged, listed, ended, gap_behind, evidence });
        }
        found.reverse();
        World { chain, found }
    }

    /// The days of the buckets that a set here tells of.
    fn known_days(&self) -> BTreeSet<Day> {
        let of = |found: &Found| {
            let days = found.taken.buckets.iter().filter_map(|bucket| bucket.day);
            days.filter(|day| found.listed || found.has(*day)).collect::<Vec<_>>()
        };
        self.found.iter().flat_map(of).collect()
    }

    fn combine(&self) -> CombinedAcd {
        self.combined()
            .acds
            .remove(&ACD)
            .unwrap_or_else(|| CombinedAcd { gives: vec![SpanSet::EMPTY; self.found.len()], ..CombinedAcd::default() })
    }

    fn combined(&self) -> Combined {
        // By a scan only what can be read is known.
        let buckets: Vec<Vec<BucketEntry>> = self
            .found
            .iter()
            .map(|found| {
                let here = |bucket: &&BucketEntry| found.listed || bucket.day.is_some_and(|day| found.has(day));
                found.taken.buckets.iter().filter(here).copied().collect()
            })
            .collect();
        let member = |(found, buckets)| {
            let (found, buckets): (&Found, &Vec<BucketEntry>) = (found, buckets);
            let end = found.ended.then_some(&found.taken.end);
            Member {
                evidence: &found.evidence,
                buckets,
                listed: found.listed,
                end,
                gap_behind: found.gap_behind,
                shape: found.taken.shape,
            }
        };
        let members: Vec<Member<'_>> = self.found.iter().zip(&buckets).map(member).collect();
        combine(Grain::Interval, &members, None)
    }

    /// The rows that would go in, with the place of their member.
    fn given(&self, acd: &CombinedAcd) -> Vec<(Row, usize)> {
        let held = SpanSet::from_spans(acd.held.iter().copied());
        let mut given = Vec::new();
        for (place, found) in self.found.iter().enumerate() {
            let mine = |row: &&Row| held.holds(row.span) && acd.gives[place].meets(moment(row.span.start));
            given.extend(found.rows().filter(mine).map(|row| (*row, place)));
        }
        given.sort_unstable();
        given
    }
}

/// Something happens at the source.
fn step(state: &mut State, last: &mut Day, random: &mut Rng) {
    let some_day = |random: &mut Rng, last: Day| FIRST_DAY + random.below((last - FIRST_DAY + 1) as usize) as i32;
    match random.below(8) {
        // Days go by; one in a while stays empty, some rows reach past midnight, some are there twice.
        0..=2 => {
            for _ in 0..1 + random.below(3) {
                for quarter in 0..4 {
                    let start = i64::from(*last) * DAY + quarter * QUARTER;
                    let quarters = if quarter == 3 && random.below(4) == 0 { 2 } else { 1 };
                    let span = Span { start: Instant(start), stop: Instant(start + quarters * QUARTER) };
                    for _ in 0..[1, 1, 1, 2, 0][random.below(5)] {
                        state.push(Row { span, value: random.below(3) as u8 });
                    }
                }
                *last += 1;
            }
            if random.below(3) == 0 {
                *last += 1;
            }
        }
        // Late rows, corrected rows.
        3 | 4 => {
            let day = some_day(random, *last);
            let value = random.below(3) as u8;
            state.iter_mut().filter(|row| row.day() == day).for_each(|row| row.value = value);
        }
        5 => {
            let start = i64::from(some_day(random, *last)) * DAY;
            state.push(Row { span: Span { start: Instant(start), stop: Instant(start + QUARTER) }, value: 9 });
        }
        6 => {
            let day = some_day(random, *last);
            state.retain(|row| row.day() != day);
        }
        // Age takes the oldest rows, mostly whole days.
        _ => {
            let oldest = state.iter().map(|row| row.span.start).min().unwrap_or(Instant(0));
            let edge = oldest.plus(random.below(10) as i64 * QUARTER);
            state.retain(|row| row.span.start >= edge);
        }
    }
    state.sort_unstable();
}

/// Per instant and without segments: who gives it, from the states of the source.
fn oracle(world: &World, at: Instant) -> Giver {
    let day = at.day();
    let witness = world.found.iter().position(|found| found.listed && found.taken.reaches(at) || found.lacks(at));
    let unknown = witness.is_some_and(|first| world.found[first].lacks(at));
    let mut spoken = false;
    for (place, found) in world.found.iter().enumerate() {
        // Of a bucket that it did not write it knows that nothing is before its first row or after its last.
        let between = found.taken.between(day, at);
        let knows = if found.taken.wrote(day) { found.listed || found.has(day) } else { found.listed && !between };
        if !found.holds(at) || !knows {
            continue;
        }
        let same = match witness {
            Some(first) if place >= first && unknown => false,
            Some(first) if place >= first => {
                let (own, theirs) = (&found.taken, &world.found[first].taken);
                own.rows(day) == theirs.rows(day) && (own.shape == theirs.shape || own.rows(day).is_empty())
            }
            _ => true,
        };
        if same {
            return Giver::Member(place);
        }
        spoken = true;
    }
    match witness.map(|place| (place, &world.found[place].taken)) {
        Some((place, _)) if spoken => Giver::Stale(place),
        Some((place, _)) if unknown => Giver::Lost(place),
        Some((place, taken)) if !taken.rows(day).is_empty() && taken.between(day, at) => Giver::Lost(place),
        _ => world.found.iter().position(|found| found.holds(at)).map_or(Giver::Nobody, Giver::Member),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A whole chain gives what the source had when the last set was taken, every row once, and what age took since.
    #[test]
    fn a_whole_chain_is_the_newest_state_and_what_age_took(seed: u64) {
        let world = World::new(seed, 0);
        let combined = world.combined();
        prop_assert!(combined.stale.is_empty() && combined.lost.is_empty(), "{combined:?}");
        let acd = world.combine();
        let given = world.given(&acd);
        let newest = world.chain.last().unwrap();
        let reached = |row: &Row| newest.reaches(row.span.start);
        let rows: Vec<Row> = given.iter().map(|(row, _)| *row).filter(reached).collect();
        let state: Vec<Row> = newest.state.iter().filter(|row| newest.complete(row)).copied().collect();
        prop_assert_eq!(rows, state);
        for (row, place) in given.iter().filter(|(row, _)| !reached(row)) {
            prop_assert!(*place > 0);
            prop_assert!(acd.older.iter().any(|(number, span)| number == place && span.meets(moment(row.span.start))));
        }
        // What age took is as the newest set had it that reached it.
        let mut expired = BTreeMap::<Day, usize>::new();
        for (row, _) in given.iter().filter(|(row, _)| !reached(row)) {
            *expired.entry(row.day()).or_default() += 1;
            let last = world.chain.iter().rev().find(|taken| taken.reaches(row.span.start)).unwrap();
            prop_assert!(last.state.contains(row), "{row:?} was corrected before age took it");
        }
    }

    /// With sets missing, days and catalogs damaged: nothing that a catalog here contradicts is given, and whatever is held
    /// is given whole, so that no row of a target goes for which the right one does not come.
    #[test]
    fn a_chain_with_losses_gives_nothing_wrong_and_holds_nothing_that_it_lacks(seed: u64, loss in 1..5_usize) {
        let world = World::new(seed, loss);
        let acd = world.combine();
        let held = SpanSet::from_spans(acd.held.iter().copied());
        let given: Vec<Row> = world.given(&acd).into_iter().map(|(row, _)| row).collect();
        let Some(newest) = world.found.iter().position(|found| found.listed) else { return Ok(()) };
        let taken = &world.found[newest].taken;
        // What a scan found of a newer set is newer than this witness.
        let of_newer = |row: &Row| world.found[..newest].iter().any(|found| found.rows().any(|other| other.day() == row.day()));
        let judged = |row: &&Row| taken.reaches(row.span.start) && !of_newer(row);
        let given: Vec<Row> = given.iter().filter(judged).copied().collect();
        let state: Vec<Row> =
            taken.state.iter().filter(judged).filter(|row| taken.complete(row) && held.holds(row.span)).copied().collect();
        prop_assert_eq!(given, state);
    }

    /// By the source's own states, whatever is lost: of the time that the newest set here reached, nothing is given that the
    /// source no longer had then, and nothing that it had lies in what is held and is not given.
    #[test]
    fn a_chain_with_losses_never_goes_behind_its_newest_set(seed: u64, loss in 0..6_usize) {
        let world = World::new(seed, loss);
        let Some(newest) = world.found.first().map(|found| &found.taken) else { return Ok(()) };
        let acd = world.combine();
        let held = SpanSet::from_spans(acd.held.iter().copied());
        let given = world.given(&acd).into_iter().map(|(row, _)| row).filter(|row| newest.reaches(row.span.start));
        let inside = |row: &&Row| newest.reaches(row.span.start) && newest.complete(row) && held.holds(row.span);
        let state: Vec<Row> = newest.state.iter().filter(inside).copied().collect();
        prop_assert_eq!(given.collect::<Vec<_>>(), state);
    }

    /// Every instant is given by whom the naive model says.
    #[test]
    fn the_giver_of_each_instant_is_that_of_the_model(seed: u64, loss in 0..6_usize) {
        let world = World::new(seed, loss);
        let combined = world.combined();
        let acd = world.combine();
        let (mut stale, mut lost) = (BTreeSet::new(), BTreeSet::new());
        let last = world.chain.iter().flat_map(|taken| &taken.state).map(|row| row.span.stop).max();
        let last = last.unwrap_or(Instant(0)).0 + DAY;
        for at in (i64::from(FIRST_DAY - 1) * DAY..last).step_by(QUARTER as usize / 2).map(Instant) {
            let giver = oracle(&world, at);
            for (place, gives) in acd.gives.iter().enumerate() {
                // Whoever does not hold the instant may give what it does not speak for.
                let found = &world.found[place];
                let untold = matches!(giver, Giver::Stale(_) | Giver::Lost(_)) && gives.meets(moment(at));
                if found.holds(at) && !untold {
                    prop_assert_eq!(gives.meets(moment(at)), giver == Giver::Member(place), "{} by {}", at, place);
                } else if gives.meets(moment(at)) {
                    prop_assert!(!matches!(giver, Giver::Member(_)));
                    let newer = &world.found[..place];
                    prop_assert!(newer.iter().all(|newer| !newer.listed || !newer.taken.reaches(at)), "{at} by {place}");
                }
            }
            match giver {
                Giver::Stale(_) => {
                    stale.insert((ACD, Some(at.day())));
                    prop_assert!(!acd.held.iter().any(|span| span.holds(moment(at))), "{at} is stale and held");
                }
                Giver::Lost(_) => {
                    lost.insert((ACD, Some(at.day())));
                    prop_assert!(!acd.held.iter().any(|span| span.holds(moment(at))), "{at} is lost and held");
                }
                Giver::Member(_) | Giver::Nobody => {}
            }
        }
        // Where any time may be lost, nothing is said for sure of days of which no bucket is known. Undated rows there are none.
        let known = world.known_days();
        let is_known = |bucket: &Bucket| bucket.1.is_some_and(|day| known.contains(&day));
        lost.retain(|bucket| !stale.contains(bucket) && is_known(bucket));
        let told = combined.lost.into_iter().filter(is_known).collect();
        prop_assert_eq!((combined.stale, told), (stale, lost));
    }

    /// A single set that lists all that it has says what it says without a chain.
    #[test]
    fn a_single_set_is_its_own_chain(seed: u64, loss in 0..6_usize) {
        let mut world = World::new(seed, loss);
        world.found.truncate(1);
        let Some(found) = world.found.first().cloned() else { return Ok(()) };
        let acd = world.combine();
        // Less what it holds of a day with a bucket that it did not write: under a row that reaches past midnight, say.
        let own = SpanSet::from_spans(found.evidence.held.get(&ACD).into_iter().flatten().copied());
        let without = own.minus(&SpanSet::from_spans(acd.held.iter().copied()));
        prop_assert_eq!(own.minus(&without), SpanSet::from_spans(acd.held.iter().copied()));
        for span in without.spans() {
            // Its last row may reach into the next day.
            let lost = |day| world.combined().lost.contains(&(ACD, Some(day)));
            prop_assert!(lost(span.start.day()) || lost(span.start.day() - 1), "{span:?}");
        }
        let held = SpanSet::from_spans(acd.held.iter().copied());
        let rows: Vec<Row> = world.given(&acd).into_iter().map(|(row, _)| row).collect();
        let own: Vec<Row> = found.rows().filter(|row| held.holds(row.span)).copied().collect();
        prop_assert_eq!(rows, own);
        // And so may its other rows go in.
        prop_assert!(found.rows().all(|row| acd.gives[0].meets(moment(row.span.start))));
        prop_assert!(acd.older.is_empty());
    }
}

/// The worlds of the properties above have in them what they are about.
#[test]
fn the_worlds_are_rich() {
    let (mut stale, mut lost, mut older, mut several, mut scanned) = (0, 0, 0, 0, 0);
    for seed in 0..400 {
        let world = World::new(seed, (seed % 5) as usize);
        let (combined, acd) = (world.combined(), world.combine());
        stale += usize::from(!combined.stale.is_empty());
        lost += usize::from(!combined.lost.is_empty());
        older += usize::from(!acd.older.is_empty());
        scanned += usize::from(world.found.iter().any(|found| !found.listed && !found.evidence.held.is_empty()));
        let places: BTreeSet<usize> = world.given(&acd).into_iter().map(|(_, place)| place).collect();
        several += usize::from(places.len() > 1);
    }
    let counts = [stale, lost, older, several, scanned];
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

/// Two sets of days 10 to 14, the newer of which wrote day 12.
fn two() -> [(Vec<BucketEntry>, SectionEndRecord); 2] {
    let span = |day: i64| Span { start: Instant(day * DAY), stop: Instant(day * DAY + DAY) };
    let state: State = (10..15).map(|day| Row { span: span(day), value: 1 }).collect();
    let full = Taken::take(&state, None, None);
    let mut state = state;
    state[2].value = 2;
    let newer = Taken::take(&state, None, Some(&full));
    [(newer.buckets, newer.end), (full.buckets, full.end)]
}

fn undated_bucket(pieces: u32, state: u8) -> BucketEntry {
    BucketEntry {
        acd: ACD,
        day: None,
        pieces,
        rows: 3,
        carried: 0,
        first: 0,
        stop: 0,
        digest: [state; 16],
        carried_digest: None,
    }
}

#[test]
fn undated_rows_come_from_the_newest_member_that_has_them_as_the_newest_catalog_says() {
    let told = |newer: Option<BucketEntry>, older: Option<BucketEntry>, proven: [bool; 2]| {
        let mut sets = two();
        sets[0].0.extend(newer);
        sets[1].0.extend(older);
        let evidence = proven
            .map(|proven| Evidence { undated: proven.then_some(ACD).into_iter().collect(), ..Evidence::default() });
        let member = |place: usize| Member {
            evidence: &evidence[place],
            buckets: &sets[place].0,
            listed: true,
            end: Some(&sets[place].1),
            gap_behind: false,
            shape: 0,
        };
        let mut combined = combine(Grain::Interval, &[member(0), member(1)], None);
        let acd = combined.acds.remove(&ACD).unwrap();
        let bucket = (ACD, None);
        (acd.undated, acd.undated_proven, combined.stale.contains(&bucket), combined.lost.contains(&bucket))
    };
    let (one, other) = (undated_bucket(1, 1), undated_bucket(1, 2));
    assert_eq!(told(Some(other), Some(one), [true, true]), (Some(0), true, false, false));
    assert_eq!(told(Some(undated_bucket(0, 1)), Some(one), [false, true]), (Some(1), true, false, false));
    assert_eq!(told(Some(undated_bucket(0, 2)), Some(one), [false, true]), (None, false, true, false));
    assert_eq!(told(Some(undated_bucket(0, 2)), None, [false, false]), (None, false, false, true));
    // The newest copy is damaged: its rows may go in where the target has none, the older state does not.
    assert_eq!(told(Some(other), Some(one), [false, true]), (Some(0), false, true, false));
    // The newest catalog has none.
    assert_eq!(told(None, Some(one), [false, true]), (None, false, false, false));
}

/// Whether it left them unwritten, or the source had none any more, its catalog alone said.
#[test]
fn of_a_newer_member_without_its_catalog_nobody_knows_whether_undated_rows_were_gone() {
    let sets = two();
    let older = [sets[1].0.clone(), vec![undated_bucket(1, 1)]].concat();
    let older_evidence = Evidence { undated: BTreeSet::from([ACD]), ..Evidence::default() };
    let told = |listed: bool, whole: bool, written: bool| {
        let undated = if written { BTreeSet::from([ACD]) } else { BTreeSet::new() };
        let newer = Evidence { whole, undated, ..Evidence::default() };
        let evidence = [&newer, &older_evidence];
        let own = [sets[0].0.clone(), if written { vec![undated_bucket(1, 2)] } else { Vec::new() }].concat();
        let member = |place: usize, buckets, listed| Member {
            evidence: evidence[place],
            buckets,
            listed,
            end: Some(&sets[place].1),
            gap_behind: false,
            shape: 0,
        };
        let combined = combine(Grain::Interval, &[member(0, &own, listed), member(1, &older, true)], None);
        let acd = &combined.acds[&ACD];
        (acd.undated, acd.undated_proven, combined.stale.contains(&(ACD, None)))
    };
    assert_eq!(told(true, true, false), (None, false, false), "its catalog has none");
    assert_eq!(told(false, true, false), (None, false, true), "it may have left them unwritten");
    assert_eq!(told(false, false, false), (None, false, true), "it may have written some that are lost");
    assert_eq!(told(false, true, true), (Some(0), true, false), "it wrote some");
}

/// Where its list is lost, what a row reaches of the next day says nothing of the rows that begin there.
#[test]
fn a_salvaged_member_without_its_list_says_nothing_of_the_rows_beyond_the_last_one_of_a_bucket() {
    let span = |start, stop| Span { start: Instant(start), stop: Instant(stop) };
    let bucket = |day: i32, stop: i64, rows: u64| BucketEntry {
        day: Some(day),
        rows,
        first: i64::from(day) * DAY,
        stop,
        ..undated_bucket(1, rows as u8)
    };
    // Days 10 and 11 in the full set, of 10 a newer state: its last row reaches a quarter of an hour into 11.
    let full = [bucket(10, 11 * DAY + 900, 4), bucket(11, 12 * DAY, 6)];
    let held = |start, stop| vec![HeldEntry { acd: ACD, start, stop }];
    let end =
        |held: Vec<HeldEntry>, lost| SectionEndRecord { envelope: held.clone(), held, lost, ..two()[0].1.clone() };
    let ends = |stop: i64| {
        let lost = Losses { any_time: false, time: Vec::new(), undated: vec![ACD], gaps: vec![0] };
        [end(held(10 * DAY, stop), Some(lost)), end(held(10 * DAY, 12 * DAY), None)]
    };
    let evidence = |start, stop| Evidence {
        held: BTreeMap::from([(ACD, vec![span(start, stop)])]),
        whole: true,
        ..Evidence::default()
    };
    let gives = |newer: &[BucketEntry], stop: i64| {
        let ends = ends(stop);
        let evidence = [evidence(10 * DAY, stop), evidence(10 * DAY, 12 * DAY)];
        let member = |place: usize, buckets| Member {
            evidence: &evidence[place],
            buckets,
            listed: true,
            end: Some(&ends[place]),
            gap_behind: false,
            shape: 0,
        };
        let combined = combine(Grain::Interval, &[member(0, newer), member(1, &full)], None);
        assert!(combined.lost.is_empty() && combined.stale.is_empty(), "{combined:?}");
        let acd = &combined.acds[&ACD];
        assert_eq!(acd.held, [span(10 * DAY, 12 * DAY)]);
        [0, 899, 900].map(|after| acd.gives.iter().position(|own| own.meets(moment(Instant(11 * DAY + after)))))
    };
    let newer = bucket(10, 11 * DAY + 900, 5);
    assert_eq!(gives(&[newer], 11 * DAY + 900), [Some(1); 3], "the rows of the 11th are the older member's");
    assert_eq!(gives(&[newer, bucket(11, 12 * DAY, 7)], 12 * DAY), [Some(0); 3], "it wrote the 11th too");
    assert_eq!(
        gives(&[newer], 12 * DAY),
        [Some(0); 3],
        "it holds all of the 11th: the source had nothing there any more"
    );
}

#[test]
fn a_bucket_that_a_salvaged_member_lists_in_part_does_not_make_an_older_one_the_newest_state() {
    let [_, (buckets, end)] = two();
    let held = Span { start: Instant(10 * DAY), stop: Instant(15 * DAY) };
    let evidence =
        [Vec::new(), vec![held]].map(|held| Evidence { held: BTreeMap::from([(ACD, held)]), ..Evidence::default() });
    let told = |time: Vec<HeldEntry>| {
        let lost = Losses { any_time: false, time, undated: vec![ACD], gaps: Vec::new() };
        let ends = [SectionEndRecord { lost: Some(lost), ..end.clone() }, end.clone()];
        let member = |place: usize| Member {
            evidence: &evidence[place],
            buckets: &buckets,
            listed: true,
            end: Some(&ends[place]),
            gap_behind: false,
            shape: 0,
        };
        let combined = combine(Grain::Interval, &[member(0), member(1)], None);
        let stale: Vec<Day> = combined.stale.iter().filter_map(|(_, day)| *day).collect();
        (stale, combined.acds[&ACD].held.iter().any(|span| span.holds(moment(Instant(12 * DAY + QUARTER)))))
    };
    assert_eq!(told(Vec::new()), (Vec::new(), true));
    // The newest has as many rows there as the older one, and had others: nobody knows which.
    assert_eq!(told(vec![range(12, 13)]), (vec![12], false));
}

#[test]
fn a_bucket_of_carried_rows_alone_is_as_one_that_is_not_there() {
    // The columns changed in between: of rows their digests would say nothing, but there are none.
    let carried = BucketEntry {
        day: Some(12),
        rows: 0,
        carried: 2,
        first: 12 * DAY,
        stop: 13 * DAY,
        digest: [0; 16],
        carried_digest: Some([1; 16]),
        ..undated_bucket(1, 0)
    };
    let ends = two().map(|(_, end)| SectionEndRecord { envelope: vec![range(10, 15)], ..end });
    let span = Span { start: Instant(10 * DAY), stop: Instant(15 * DAY) };
    let held = Evidence { held: BTreeMap::from([(ACD, vec![span])]), ..Evidence::default() };
    let nothing = Evidence::default();
    let member = |evidence, buckets, end, shape| Member {
        evidence,
        buckets,
        listed: true,
        end: Some(end),
        gap_behind: false,
        shape,
    };
    let newer = [carried];
    let members = [member(&nothing, &newer[..], &ends[0], 1), member(&held, &[], &ends[1], 0)];
    let combined = combine(Grain::Interval, &members, None);
    assert_eq!((combined.stale, combined.lost), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(combined.acds[&ACD].held, [span]);
}

#[test]
fn only_what_meets_the_window_is_told() {
    let sets = two();
    let cutoffs = Cutoffs::default();
    let evidence = |place: usize| {
        let (buckets, end) = &sets[place];
        let claims =
            Claims { buckets: Some(buckets), end: Some(end), cutoffs: &cutoffs, grain: Grain::Interval, window: None };
        weigh(claims, &[], false)
    };
    let (newer, older) = (evidence(0), evidence(1));
    let member = |evidence, place: usize| {
        let (buckets, end) = &sets[place];
        Member { evidence, buckets, listed: true, end: Some(end), gap_behind: false, shape: 0 }
    };
    let members = [member(&newer, 0), member(&older, 1)];
    let all = combine(Grain::Interval, &members, None);
    assert_eq!(all.lost.iter().filter_map(|(_, day)| *day).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
    let window = Span::new(Instant(12 * DAY), Instant(14 * DAY));
    let some = combine(Grain::Interval, &members, window);
    assert_eq!(some.lost.iter().filter_map(|(_, day)| *day).collect::<Vec<_>>(), [12, 13]);
}

/// A stale week is left alone from its first day to its last.
#[test]
fn a_stale_week_is_not_held_at_all() {
    let week = |day: i32, state: u8, pieces: u32| BucketEntry {
        acd: ACD,
        day: Some(day),
        pieces,
        rows: 1,
        carried: 0,
        first: i64::from(day) * DAY,
        stop: i64::from(day + 7) * DAY,
        digest: [state; 16],
        carried_digest: None,
    };
    let held = |start: i64, stop: i64| HeldEntry { acd: ACD, start: start * DAY, stop: stop * DAY };
    let end = |held: Vec<HeldEntry>| SectionEndRecord {
        rows: 0,
        chunks: 0,
        buckets: 0,
        digest: [0; 16],
        held,
        envelope: vec![self::range(14, 35)],
        lost: None,
    };
    let (newer, older) = ([week(14, 1, 0), week(21, 2, 0), week(28, 1, 0)], [14, 21, 28].map(|day| week(day, 1, 1)));
    let (newer_end, older_end) = (end(Vec::new()), end(vec![held(14, 35)]));
    let spans = BTreeMap::from([(ACD, vec![Span { start: Instant(14 * DAY), stop: Instant(35 * DAY) }])]);
    let evidence = [Evidence::default(), Evidence { held: spans, ..Evidence::default() }];
    let member = |evidence, buckets, end| Member {
        evidence,
        buckets,
        listed: true,
        end: Some(end),
        gap_behind: false,
        shape: 0,
    };
    let members = [member(&evidence[0], &newer[..], &newer_end), member(&evidence[1], &older[..], &older_end)];
    let combined = combine(Grain::Weekly, &members, None);
    let held: Vec<(i64, i64)> =
        combined.acds[&ACD].held.iter().map(|span| (span.start.0 / DAY, span.stop.0 / DAY)).collect();
    assert_eq!(held, [(14, 21), (28, 35)]);
    assert_eq!(combined.stale, BTreeSet::from([(ACD, Some(21))]));
}

fn range(start: i64, stop: i64) -> HeldEntry {
    HeldEntry { acd: ACD, start: start * DAY, stop: stop * DAY }
}
