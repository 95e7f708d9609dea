//! The engine against the oracle, in random worlds and in all small ones.

use super::*;
use crate::testing::range_world::World;
use proptest::prelude::*;

fn agree(question: &Question<'_>) {
    if let Some(difference) = oracle::disagreement(question) {
        panic!("{difference}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_oracle_agree(data in proptest::collection::vec(any::<u8>(), 0..160)) {
        agree(&World::from_bytes(&data).question());
    }
}

/// All sets of rows of one, two and three quarters of an hour in three quarters, on either side; all held sets of
/// quarters; all requests between quarters, one within a quarter, none; all policies.
#[test]
fn engine_and_oracle_agree_in_all_small_worlds() {
    let quarter = |from: i64, to: i64| Span { start: Instant(from * 900), stop: Instant(to * 900) };
    let shapes = [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)].map(|(from, to)| quarter(from, to));
    let side = |set: u32| {
        let chosen = shapes.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
        // Rows differ in number from shape to shape and from set to set, so that thinner spans occur.
        Side::new(chosen.map(|(i, span)| Slot { span: *span, rows: u64::from(set).wrapping_add(i as u64) % 3 + 1 }), 0)
    };
    let sides: Vec<Side> = (0..64).map(side).collect();
    let mut requests = vec![Request::ALL, Request { start: Some(Instant(1000)), stop: Some(Instant(1060)) }];
    for from in 0..3 {
        requests.extend(
            (from + 1..4).map(|to| Request { start: Some(Instant(from * 900)), stop: Some(Instant(to * 900)) }),
        );
    }
    let mut asked = 0_u64;
    for (number, volume) in sides.iter().enumerate() {
        for target in &sides {
            for held_set in 0..8 {
                let held: Vec<Span> = (0..3).filter(|i| held_set >> i & 1 == 1).map(|i| quarter(i, i + 1)).collect();
                // One request, taken in turn, for each of these: the product of all would take a minute.
                asked += 1;
                let request = requests[(asked % requests.len() as u64) as usize];
                for uncovered in [Uncovered::Refuse, Uncovered::Delete, Uncovered::Keep] {
                    let carried = if number % 2 == 0 { Carried::Insert } else { Carried::Leave };
                    agree(&Question {
                        grain: Grain::Interval,
                        event_slot_minutes: 30,
                        request,
                        held: &held,
                        volume,
                        target,
                        undated_proven: true,
                        policies: Policies { uncovered, carried, ..Policies::default() },
                        settled_until: asked.is_multiple_of(5).then_some(Instant(1800)),
                    });
                }
            }
        }
    }
    assert_eq!(asked, 64 * 64 * 8);
}

/// A generator whose worlds never straddle would prove nothing: each kind of outcome must come up often.
#[test]
fn random_worlds_show_every_outcome() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let worlds = 20_000;
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..worlds {
        let data: Vec<u8> = (0..160).map(|_| next()).collect();
        let world = World::from_bytes(&data);
        agree(&world.question());
        let Ok(decision) = decide(&world.question()) else {
            *seen.entry("no answer").or_default() += 1;
            continue;
        };
        let keeps = world.policies.uncovered == Uncovered::Keep;
        let told_to_keep = if keeps { decision.uncovered.len() } else { 0 };
        let straddling: Vec<Span> = decision.straddling.iter().map(|slot| slot.span).collect();
        // Pushed out by a row that was only kept because another had been: the chain that has to settle.
        let pushed_by_kept = |slot: &Slot| !straddling.iter().any(|span| span.meets(slot.span));
        for (name, is_so) in [
            ("delete", !decision.delete.is_empty()),
            ("insert", !decision.insert.is_empty()),
            ("left out", !decision.left_out.is_empty()),
            (
                "left out by a chain",
                keeps && !decision.straddling.is_empty() && decision.left_out.iter().any(pushed_by_kept),
            ),
            ("kept", decision.kept.len() > decision.straddling.len()),
            ("displaced", decision.kept.len() > decision.straddling.len() + told_to_keep),
            ("displaced, not told to keep", !keeps && decision.kept.len() > decision.straddling.len()),
            ("uncovered", !decision.uncovered.is_empty()),
            ("straddling", !decision.straddling.is_empty()),
            ("unsettled", !decision.unsettled.is_empty()),
            ("thinner", !decision.thinner.is_empty()),
            ("carried in", !decision.carried_in.is_empty()),
            ("carried left", !decision.carried_left.is_empty()),
            ("partial", !decision.partial.is_empty()),
            ("refused", decision.refused().is_some()),
            ("not refused", !decision.is_idle() && decision.refused().is_none()),
            ("undated replaced", decision.undated == Undated::Replace),
            ("undated inserted", decision.undated == Undated::Insert),
        ] {
            *seen.entry(name).or_default() += u32::from(is_so);
        }
    }
    let rare: Vec<_> = seen.iter().filter(|(_, count)| **count < worlds / 500).collect();
    assert!(seen.len() == 19 && rare.is_empty(), "too rare: {rare:?} of {seen:?}");
}

/// Nothing decided; each test fills in what it is about.
fn idle() -> Decision {
    let nothing = Side::default();
    let question = Question {
        grain: Grain::Interval,
        event_slot_minutes: 30,
        request: Request::ALL,
        held: &[],
        volume: &nothing,
        target: &nothing,
        undated_proven: true,
        policies: Policies::default(),
        settled_until: None,
    };
    decide(&question).unwrap()
}

#[test]
fn a_decision_answers_from_its_lists() {
    let slot = |n: i64| Slot { span: Span { start: Instant(n), stop: Instant(n + 1) }, rows: 2 };
    let (delete, insert, carried_in) = (vec![slot(1), slot(3)], vec![slot(3), slot(5)], vec![slot(7)]);
    let decision = Decision { delete, insert, carried_in, ..idle() };
    let spans = || (0..9).map(|n| slot(n).span);
    assert_eq!(spans().filter(|span| decision.deletes(*span)).map(|span| span.start.0).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(spans().filter(|span| decision.inserts(*span)).map(|span| span.start.0).collect::<Vec<_>>(), [3, 5, 7]);
    assert_eq!(decision.touched(), spans().filter(|span| span.start.0 % 2 == 1 && span.start.0 < 8).collect());
    assert_eq!(rows(&decision.delete), 4);
}

#[test]
fn a_decision_is_idle_only_if_nothing_at_all_happens() {
    let some = || vec![Slot { span: Span { start: Instant(0), stop: Instant(1) }, rows: 1 }];
    assert!(idle().is_idle());
    assert!(!Decision { delete: some(), ..idle() }.is_idle());
    assert!(!Decision { insert: some(), ..idle() }.is_idle());
    assert!(!Decision { carried_in: some(), ..idle() }.is_idle());
    assert!(!Decision { undated: Undated::Insert, ..idle() }.is_idle());
    assert!(Decision { kept: some(), uncovered: some(), left_out: some(), carried_left: some(), ..idle() }.is_idle());
}

/// The rows of a side after a decision about it was applied, with the volume given.
fn after(decision: &Decision, volume: &Side, target: &Side) -> Side {
    let stays = target.slots().iter().filter(|slot| !decision.deletes(slot.span));
    let comes = volume.slots().iter().filter(|slot| decision.inserts(slot.span));
    let undated = match decision.undated {
        Undated::Leave => target.undated,
        Undated::Replace => volume.undated,
        Undated::Insert => target.undated.saturating_add(volume.undated),
    };
    Side::new(stays.chain(comes).copied(), undated)
}

/// Under every policy; a decision that is refused is looked at all the same. Returns how many rows were displaced.
fn same_rows_stay(question: &Question<'_>) -> u64 {
    let mut displaced = 0;
    for uncovered in [Uncovered::Refuse, Uncovered::Delete, Uncovered::Keep] {
        for carried in [Carried::Leave, Carried::Insert] {
            let policies = Policies { uncovered, carried, ..question.policies };
            let question = Question { target: question.volume, policies, ..question.clone() };
            agree(&question);
            let Ok(decision) = decide(&question) else { continue };
            assert_eq!(after(&decision, question.volume, question.target), *question.target, "{question:#?}");
            assert_eq!(decision.uncovered, [], "{question:#?}");
            displaced += rows(&decision.kept) - rows(&decision.straddling);
        }
    }
    displaced
}

/// Rows that overlap as they like, all of it held but for what was lost; asked for from one instant to another.
#[derive(Debug)]
struct Overlapping {
    grain: Grain,
    side: Side,
    held: Vec<Span>,
    request: Request,
    settled_until: Option<Instant>,
}

impl Overlapping {
    fn any() -> impl Strategy<Value = Overlapping> {
        let grain = prop_oneof![Just(Grain::Interval), Just(Grain::Weekly), Just(Grain::Event)];
        let rows = proptest::collection::vec((0..120_i64, 1..8_i64, 1..4_u64), 1..40);
        let lost = proptest::option::of((0..120_i64, 1..10_i64));
        let request = (0..120_i64, 1..60_i64);
        let settled = proptest::option::weighted(0.2, 0..128_i64);
        (grain, rows, lost, request, settled).prop_map(|(grain, rows, lost, request, settled)| {
            // Intervals of 15 minutes to two hours, weeks that begin on any day, events of a quarter of an hour.
            let (step, lasts): (i64, fn(i64) -> i64) = match grain {
                Grain::Weekly => (86_400, |_| 7 * 86_400),
                Grain::Event => (900, |_| 900),
                _ => (900, |n| n * 900),
            };
            let at = |n: i64| Instant(n * step);
            let slots = rows.iter().map(|(start, length, rows)| Slot {
                span: Span { start: at(*start), stop: at(*start).plus(lasts(*length)) },
                rows: *rows,
            });
            let side = Side::new(slots, 0);
            let all: SpanSet =
                held_by_rows(side.slots().iter().map(|slot| slot.span), Some(Instant::MAX)).into_iter().collect();
            let lost: SpanSet =
                lost.into_iter().map(|(from, length)| Span { start: at(from), stop: at(from + length) }).collect();
            Overlapping {
                grain,
                held: all.minus(&lost).spans().to_vec(),
                side,
                request: Request { start: Some(at(request.0)), stop: Some(at(request.0 + request.1)) },
                settled_until: settled.map(at),
            }
        })
    }

    fn question(&self) -> Question<'_> {
        Question {
            grain: self.grain,
            event_slot_minutes: 30,
            request: self.request,
            held: &self.held,
            volume: &self.side,
            target: &self.side,
            undated_proven: true,
            policies: Policies::default(),
            settled_until: self.settled_until,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_target_that_has_the_same_rows_keeps_them(world in Overlapping::any()) {
        same_rows_stay(&world.question());
    }

    #[test]
    fn a_target_that_has_the_same_rows_keeps_them_in_any_world(data in proptest::collection::vec(any::<u8>(), 0..160)) {
        let mut world = World::from_bytes(&data);
        world.target = world.volume.clone();
        same_rows_stay(&world.question());
    }
}

/// Weeks that begin on any day, a part of them asked for: the rows across the edges displace others.
#[test]
fn weeks_that_overlap_stay_where_both_sides_have_them() {
    let day = |n: i64| Instant(n * 86_400);
    let weeks = (0..60).map(|n| Slot { span: Span { start: day(n), stop: day(n + 7) }, rows: 1 });
    let world = Overlapping {
        grain: Grain::Weekly,
        side: Side::new(weeks, 0),
        held: vec![Span::ALL],
        request: Request { start: Some(day(20)), stop: Some(day(45)) },
        settled_until: None,
    };
    // Those across the edges push out all that they meet, those in turn all the others, under six policies.
    assert_eq!(same_rows_stay(&world.question()), 6 * 19);
}

/// What [`reach_days`] leaves out changes nothing, wherever in its period a row's own date lies.
fn reach_suffices(question: &Question<'_>) {
    let Some(asked) = question.request.span() else { return };
    let reach = reach_days(question.grain);
    let days = asked.start.day() - reach..=asked.stop.plus(-1).day() + reach;
    for date_of in [|span: Span| span.start.day(), |span: Span| span.stop.plus(-1).day()] {
        let date_of = |span: Span| if question.grain == Grain::Monthly { date_of(span) } else { span.start.day() };
        let near = |side: &Side| {
            Side::new(side.slots().iter().copied().filter(|slot| days.contains(&date_of(slot.span))), side.undated)
        };
        let (volume, target) = (near(question.volume), near(question.target));
        let cropped = decide(&Question { volume: &volume, target: &target, ..question.clone() });
        match (decide(question), cropped) {
            (Ok(whole), Ok(cropped)) => assert_eq!(whole, cropped, "{question:#?}"),
            (whole, cropped) => assert_eq!(whole.is_err(), cropped.is_err(), "{question:#?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_beyond_the_reach_change_nothing(data in proptest::collection::vec(any::<u8>(), 0..160)) {
        reach_suffices(&World::from_bytes(&data).question());
    }

    /// Long intervals, spread over days, around a short request.
    #[test]
    fn long_intervals_beyond_the_reach_change_nothing(
        rows in proptest::collection::vec((0..144 * 8_i64, prop_oneof![Just(30_i64), Just(600), Just(1_440)], 0..3_u8), 0..8),
        from in 144 * 3..144 * 5_i64,
        length in 1..100_i64,
    ) {
        let slot = |(start, minutes, _): &(i64, i64, u8)| {
            let start = Instant(start * 600);
            Slot { span: Span { start, stop: start.plus(minutes * 60) }, rows: 1 }
        };
        let side = |not: u8| Side::new(rows.iter().filter(|row| row.2 != not).map(slot), 0);
        let (volume, target) = (side(0), side(1));
        let start = Instant(from * 600);
        reach_suffices(&Question {
            grain: Grain::Interval,
            event_slot_minutes: 30,
            request: Request { start: Some(start), stop: Some(start.plus(length * 60)) },
            held: &[Span::ALL],
            volume: &volume,
            target: &target,
            undated_proven: true,
            policies: Policies { uncovered: Uncovered::Keep, ..Policies::default() },
            settled_until: None,
        });
    }
}

/// The reach of a chain of days that makes the request unanswerable: two of them must be seen to know.
#[test]
fn the_reach_of_intervals_shows_a_chain_that_goes_too_far() {
    let day = |n: i64, late: i64| Slot {
        span: Span { start: Instant(n * 86_400 + late), stop: Instant((n + 1) * 86_400 + late) },
        rows: 1,
    };
    let side = Side::new([day(4, 1_200), day(3, 1_800)], 0);
    let question = Question {
        grain: Grain::Interval,
        event_slot_minutes: 30,
        request: Request { start: Some(Instant(5 * 86_400 + 600)), stop: Some(Instant(5 * 86_400 + 660)) },
        held: &[Span::ALL],
        volume: &side,
        target: &side,
        undated_proven: true,
        policies: Policies::default(),
        settled_until: None,
    };
    assert!(matches!(decide(&question), Err(RangeError::WidenedTooFar { .. })));
    reach_suffices(&question);
}
