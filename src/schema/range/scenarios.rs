//! The scenarios that must stay true, as far as the engine decides them: numbers as in the design's list. One table and one
//! ACD each; what belongs to the tables and volumes around it is tested there.

use super::*;
use crate::base::time::day_of_civil;
use crate::schema::clock::{CompletionRule, Newest, bucket_span, period_span, settled_until};

/// An instant of March 2024, or of another month: `at(5, "09:30")`.
fn at(day: u32, time: &str) -> Instant {
    let (hour, minute) = time.split_once(':').unwrap();
    let seconds = hour.parse::<i64>().unwrap() * 3_600 + minute.parse::<i64>().unwrap() * 60;
    Instant::of_day(day_of_civil(2024, 3, day).unwrap()).plus(seconds)
}

fn interval(day: u32, time: &str, minutes: i64) -> Span {
    Span { start: at(day, time), stop: at(day, time).plus(minutes * 60) }
}

/// Intervals of some minutes from one time up to another on one day, each with `rows` rows.
fn intervals(day: u32, from: &str, to: &str, minutes: i64, rows: u64) -> Vec<Slot> {
    let starts = (0..).map(|n| at(day, from).plus(n * minutes * 60)).take_while(|start| *start < at(day, to));
    starts.map(|start| Slot { span: Span { start, stop: start.plus(minutes * 60) }, rows }).collect()
}

fn hull(slots: &[Slot]) -> Vec<Span> {
    held_by_rows(slots.iter().map(|slot| slot.span), Some(Instant::MAX)).into_iter().collect()
}

fn request(start: Option<&str>, stop: Option<&str>) -> Request {
    Request::parse(start, stop).unwrap()
}

struct Case {
    grain: Grain,
    request: Request,
    held: Vec<Span>,
    volume: Vec<Slot>,
    target: Vec<Slot>,
    policies: Policies,
    settled_until: Option<Instant>,
}

impl Case {
    /// All that the volume has is held, nothing was said, the target is not collecting.
    fn new(request: Request, volume: Vec<Slot>, target: Vec<Slot>) -> Case {
        let held = hull(&volume);
        let policies = Policies::default();
        Case { grain: Grain::Interval, request, held, volume, target, policies, settled_until: None }
    }

    fn decide(&self) -> Decision {
        let volume = Side::new(self.volume.iter().copied(), 0);
        let target = Side::new(self.target.iter().copied(), 0);
        let question = Question {
            grain: self.grain,
            event_slot_minutes: 30,
            request: self.request,
            held: &self.held,
            volume: &volume,
            target: &target,
            undated_proven: true,
            policies: self.policies,
            settled_until: self.settled_until,
        };
        assert_eq!(oracle::disagreement(&question), None);
        decide(&question).unwrap()
    }
}

#[test]
fn scenario_01_an_outage_within_an_interval_replaces_that_interval_alone() {
    let asked = request(Some("2024-03-05 05:13"), Some("2024-03-05 05:19"));
    let rows = intervals(5, "04:00", "07:00", 30, 4);
    let decision = Case::new(asked, rows.clone(), rows).decide();
    let half_hour = Slot { span: interval(5, "05:00", 30), rows: 4 };
    assert_eq!(decision.delete, [half_hour]);
    assert_eq!(decision.insert, [half_hour]);
    assert_eq!(decision.actual.to_string(), "2024-03-05 05:00 to 05:29");
    assert_eq!(decision.refused(), None);

    let day = Slot { span: Span::of_day(at(5, "00:00").day()), rows: 4 };
    let daily = Case { grain: Grain::Daily, ..Case::new(asked, vec![day], vec![day]) }.decide();
    assert!(daily.is_idle() && daily.widened.is_empty() && daily.refused().is_none());
    assert_eq!(daily.partial, [Period { span: day.span, target_rows: 4, volume_rows: 4 }]);
    let again = periods_touched(&decision.touched(), Grain::Daily, Some(&daily), [day.span]);
    assert_eq!(again, [day.span]);

    let told = Policies { partial_periods: PartialPeriods::Replace, ..Policies::default() };
    let daily = Case { grain: Grain::Daily, policies: told, ..Case::new(asked, vec![day], vec![day]) }.decide();
    assert_eq!((daily.delete.as_slice(), daily.insert.as_slice()), ([day].as_slice(), [day].as_slice()));
    assert_eq!(periods_touched(&decision.touched(), Grain::Daily, Some(&daily), [day.span]), []);
}

#[test]
fn scenario_02_the_range_ends_where_the_volume_ends() {
    let asked = request(Some("2024-03-19"), Some("2024-03-31 23:59"));
    let volume = intervals(20, "08:00", "18:00", 30, 2);
    let later = intervals(20, "18:00", "20:00", 30, 2);
    let target =
        [intervals(20, "08:00", "18:00", 30, 3), later.clone(), intervals(25, "09:00", "10:00", 30, 3)].concat();
    let decision = Case::new(asked, volume, target).decide();
    assert_eq!(decision.actual.to_string(), "2024-03-20 08:00 to 17:59");
    assert!(later.iter().all(|slot| !decision.deletes(slot.span)));
    assert!(!decision.deletes(interval(25, "09:00", 30)));
    assert_eq!(rows(&decision.delete), 60);
    assert_eq!(rows(&decision.insert), 40);
    assert_eq!(decision.thinner.len(), 20);
}

#[test]
fn scenario_03_an_acd_without_rows_on_the_volume_is_left_alone() {
    for policy in [Uncovered::Refuse, Uncovered::Delete, Uncovered::Keep] {
        let policies = Policies { uncovered: policy, ..Policies::default() };
        let target = intervals(5, "08:00", "18:00", 30, 2);
        let decision = Case { policies, ..Case::new(Request::ALL, Vec::new(), target) }.decide();
        assert!(decision.is_idle() && decision.refused().is_none() && decision.actual.is_empty());
    }
}

#[test]
fn scenario_04_rows_that_an_outage_at_the_source_would_erase_are_refused() {
    let volume = [intervals(5, "08:00", "09:00", 30, 2), intervals(5, "10:00", "11:00", 30, 2)].concat();
    let target = intervals(5, "08:00", "11:00", 30, 2);
    let mut case = Case::new(Request::ALL, volume, target);
    let outage = intervals(5, "09:00", "10:00", 30, 2);
    let decision = case.decide();
    assert_eq!(decision.uncovered, outage);
    assert_eq!(decision.refused(), Some(Refusal { uncovered_rows: 4, straddling_rows: 0 }));

    case.policies.uncovered = Uncovered::Delete;
    let decision = case.decide();
    assert_eq!((decision.refused(), rows(&decision.delete)), (None, 12));

    case.policies.uncovered = Uncovered::Keep;
    let decision = case.decide();
    assert_eq!((decision.refused(), decision.kept.as_slice()), (None, outage.as_slice()));
    assert_eq!((rows(&decision.delete), rows(&decision.insert)), (8, 8));
}

#[test]
fn scenario_05_nothing_after_the_cutoff_of_the_set_or_of_a_collecting_target_is_deleted() {
    // The source: last row 09:30, taken at 10:20; that row is complete half an hour after its end, at 10:30.
    let volume = intervals(5, "00:00", "10:00", 30, 2);
    let mut newest = Newest::new(CompletionRule::new(Grain::Interval), at(5, "10:20"));
    volume.iter().for_each(|slot| newest.add(slot.span));
    let cutoff = newest.cutoff(None);
    assert_eq!(cutoff, Some(at(5, "09:30")));
    let held: Vec<Span> = held_by_rows(volume.iter().map(|slot| slot.span), cutoff).into_iter().collect();
    // The target has collected since 10:05, and has rows of its own from before.
    let target = intervals(5, "09:00", "11:00", 30, 5);
    let decision = Case { held, ..Case::new(Request::ALL, volume.clone(), target.clone()) }.decide();
    assert_eq!(decision.delete, intervals(5, "09:00", "09:30", 30, 5));
    assert_eq!(decision.carried_left, intervals(5, "09:30", "10:00", 30, 2));

    // A target that is itself collecting at 10:20 has a cutoff too, whatever the set speaks for.
    let spans = target.iter().map(|slot| slot.span);
    let settled = settled_until(CompletionRule::new(Grain::Interval), at(5, "10:20"), 1_800, spans);
    assert_eq!(settled, at(5, "09:30"));
    let case = Case { settled_until: Some(settled), ..Case::new(Request::ALL, volume, target) };
    let decision = case.decide();
    assert_eq!(decision.delete, intervals(5, "09:00", "09:30", 30, 5));
    assert_eq!(decision.unsettled, intervals(5, "09:30", "10:00", 30, 2));
    assert!(decision.straddling.is_empty() && decision.refused().is_none());
}

#[test]
fn scenario_06_an_interval_caught_in_the_middle_of_archiving_is_carried_not_held() {
    let whole = intervals(5, "08:00", "10:00", 30, 150);
    let caught = Slot { span: interval(5, "10:00", 30), rows: 10 };
    let volume = [whole.clone(), vec![caught]].concat();
    let mut newest = Newest::new(CompletionRule::new(Grain::Interval), at(5, "10:31"));
    volume.iter().for_each(|slot| newest.add(slot.span));
    let cutoff = newest.cutoff(None);
    assert_eq!(cutoff, Some(at(5, "10:00")));
    let held: Vec<Span> = held_by_rows(volume.iter().map(|slot| slot.span), cutoff).into_iter().collect();
    assert_eq!(held, hull(&whole));

    let complete = [whole.clone(), vec![Slot { rows: 150, ..caught }]].concat();
    let told = Policies { carried: Carried::Insert, ..Policies::default() };
    for policies in [Policies::default(), told] {
        let case = Case { held: held.clone(), policies, ..Case::new(Request::ALL, volume.clone(), complete.clone()) };
        let decision = case.decide();
        assert!(!decision.deletes(caught.span) && !decision.inserts(caught.span));
        assert_eq!(decision.carried_left, [caught]);
    }
    // Only a target without that interval takes them, and only when told.
    for (policies, goes_in) in [(Policies::default(), false), (told, true)] {
        let case = Case { held: held.clone(), policies, ..Case::new(Request::ALL, volume.clone(), whole.clone()) };
        assert_eq!(case.decide().inserts(caught.span), goes_in);
    }
}

#[test]
fn scenario_08_what_retention_took_at_the_source_is_not_held_by_the_incremental() {
    // The full saw the 1st to the 12th; then the 1st to the 10th went, the 12th changed, the 13th came.
    let day = |day: u32| bucket_span(Grain::Daily, at(day, "00:00").day(), None);
    let parent = Span { start: day(1).start, stop: day(12).stop };
    let envelope = Span { start: day(11).start, stop: day(13).stop };
    let changed = (1..=10).chain([12]).map(day);
    let held = held_incremental(Some(envelope), Some(parent), changed);
    assert_eq!(held.to_string(), "2024-03-12 00:00 to 2024-03-13 23:59");

    let target: Vec<Slot> = (1..=13).map(|n| Slot { span: day(n), rows: 3 }).collect();
    let volume = vec![Slot { span: day(12), rows: 3 }, Slot { span: day(13), rows: 3 }];
    let case = Case { grain: Grain::Daily, held: held.spans().to_vec(), ..Case::new(Request::ALL, volume, target) };
    let decision = case.decide();
    assert_eq!(decision.delete.iter().map(|slot| slot.span).collect::<Vec<_>>(), [day(12), day(13)]);
    assert_eq!(decision.refused(), None);
}

#[test]
fn scenario_09_a_bucket_that_is_not_proven_deletes_nothing() {
    // Of three days the middle one is lost; its last row reached past midnight.
    let days = [5, 6, 7].map(|day| intervals(day, "22:00", "23:00", 30, 2));
    let past_midnight = Slot { span: interval(6, "23:45", 30), rows: 2 };
    let target = [days.concat(), vec![past_midnight]].concat();
    let volume = [days[0].clone(), days[2].clone()].concat();
    let lost = bucket_span(Grain::Interval, at(6, "00:00").day(), Some(past_midnight.span.stop));
    let held = SpanSet::from_spans(hull(&target)).minus(&SpanSet::from(lost));
    for uncovered in [Uncovered::Refuse, Uncovered::Delete, Uncovered::Keep] {
        let policies = Policies { uncovered, ..Policies::default() };
        let case =
            Case { held: held.spans().to_vec(), policies, ..Case::new(Request::ALL, volume.clone(), target.clone()) };
        let decision = case.decide();
        assert_eq!(decision.delete, volume);
        assert_eq!(decision.refused(), None);
    }
}

#[test]
fn scenario_10_a_changed_interval_length_counts_nothing_twice_and_loses_nothing() {
    let minutes = |slots: &[Slot]| slots.iter().map(|slot| slot.span.seconds() / 60).sum::<i64>();
    for (before, after) in [(30, 15), (15, 30), (60, 15), (15, 60)] {
        // The volume: changed at 10:00. The target: changed at 12:00, with an hour more on either side.
        let volume = [intervals(5, "08:00", "10:00", before, 1), intervals(5, "10:00", "14:00", after, 1)].concat();
        let target = [intervals(5, "07:00", "12:00", before, 1), intervals(5, "12:00", "15:00", after, 1)].concat();
        let case = Case::new(Request::ALL, volume.clone(), target.clone());
        let decision = case.decide();
        assert_eq!(decision.refused(), None);
        assert_eq!(minutes(&decision.delete), 360);
        assert_eq!(decision.insert, volume);

        // A request within an interval of either side widens to the longer of the two.
        let asked = request(Some("2024-03-05 11:20"), Some("2024-03-05 11:21"));
        let decision = Case::new(asked, volume, target).decide();
        let longer = before.max(after);
        assert_eq!((minutes(&decision.delete), minutes(&decision.insert)), (longer, longer));
        assert_eq!(decision.refused(), None);
    }
}

#[test]
fn scenario_10_a_longer_row_across_the_end_of_the_volume_is_refused_and_never_deleted() {
    let volume = intervals(5, "08:00", "10:15", 15, 1);
    let target = intervals(5, "08:00", "12:00", 30, 1);
    let mut case = Case::new(Request::ALL, volume, target);
    let across = Slot { span: interval(5, "10:00", 30), rows: 1 };
    let decision = case.decide();
    assert_eq!(decision.straddling, [across]);
    assert_eq!(decision.refused(), Some(Refusal { uncovered_rows: 0, straddling_rows: 1 }));
    for uncovered in [Uncovered::Delete, Uncovered::Keep] {
        case.policies.uncovered = uncovered;
        let decision = case.decide();
        assert!(!decision.deletes(across.span) && decision.refused().is_none());
        assert_eq!(decision.left_out, intervals(5, "10:00", "10:15", 15, 1));
        assert_eq!(rows(&decision.insert), 8);
    }
}

#[test]
fn scenario_13_rows_of_one_stamp_keep_their_number() {
    // The hour that occurs twice, a re-login: the volume has four rows of one stamp, the target three.
    let volume = vec![Slot { span: interval(31, "02:00", 30), rows: 4 }];
    let target = vec![Slot { span: interval(31, "02:00", 30), rows: 3 }];
    let decision = Case::new(Request::ALL, volume.clone(), target.clone()).decide();
    assert_eq!((decision.delete, decision.insert), (target, volume));
    // Two rows of one stamp, one of them a minute long: both go, both come.
    let two = vec![Slot { span: interval(5, "09:00", 1), rows: 1 }, Slot { span: interval(5, "09:00", 30), rows: 1 }];
    let decision =
        Case::new(request(Some("2024-03-05 09:20"), Some("2024-03-05 09:20")), two.clone(), two.clone()).decide();
    assert_eq!((decision.delete, decision.insert), (two.clone(), two));
}

#[test]
fn kept_rows_push_out_until_it_settles() {
    // The target's half hours lie a quarter beside the volume's: keeping one leaves the next uncovered, and so on.
    let volume = intervals(5, "08:00", "12:00", 30, 1);
    let target = intervals(5, "08:15", "12:15", 30, 1);
    let mut case = Case::new(Request::ALL, volume.clone(), target.clone());
    case.policies.uncovered = Uncovered::Keep;
    let decision = case.decide();
    assert_eq!(decision.straddling, target[7..]);
    assert_eq!(decision.kept, target);
    assert_eq!(decision.left_out, volume);
    assert!(decision.is_idle());

    // Told to delete, it is the same: the volumes have something for every row here, and none of it can come.
    case.policies.uncovered = Uncovered::Delete;
    let decision = case.decide();
    assert_eq!((decision.kept.as_slice(), decision.uncovered.as_slice()), (target.as_slice(), [].as_slice()));
    assert!(decision.is_idle());
}

#[test]
fn a_row_whose_cover_is_pushed_out_stays_and_one_that_the_volumes_lack_goes() {
    // Held to 10:15; the target's row across that edge meets the volume's row of 10:00, whose twin loses its cover then.
    let half_hours = intervals(5, "08:00", "10:00", 30, 1);
    let twin = Slot { span: interval(5, "10:00", 15), rows: 2 };
    let across = Slot { span: interval(5, "10:10", 30), rows: 1 };
    let outage = Slot { span: interval(5, "09:00", 30), rows: 1 };
    let target = [half_hours.clone(), vec![twin, across]].concat();
    let volume = [half_hours.into_iter().filter(|slot| *slot != outage).collect(), vec![twin]].concat();
    let mut case = Case::new(Request::ALL, volume.clone(), target);
    let decision = case.decide();
    assert_eq!(decision.refused(), Some(Refusal { uncovered_rows: 1, straddling_rows: 1 }));
    for (policy, deleted, kept) in
        [(Uncovered::Delete, 4, vec![twin, across]), (Uncovered::Keep, 3, vec![outage, twin, across])]
    {
        case.policies.uncovered = policy;
        let decision = case.decide();
        assert_eq!((decision.uncovered.as_slice(), decision.kept), ([outage].as_slice(), kept));
        assert_eq!((rows(&decision.delete), decision.insert.as_slice()), (deleted, &volume[..3]));
        assert_eq!(decision.left_out, [twin]);
    }
}

#[test]
fn events_push_nothing_out() {
    // One event lasts across the end of what is held, another stands within its time.
    let event = |start: i64, seconds: i64| Slot {
        span: Span { start: at(5, "09:00").plus(start), stop: at(5, "09:00").plus(start + seconds) },
        rows: 1,
    };
    let (long, short) = (event(0, 60), event(10, 1));
    let held = vec![Span { start: at(5, "09:00"), stop: at(5, "09:00").plus(30) }];
    for uncovered in [Uncovered::Delete, Uncovered::Keep] {
        let policies = Policies { uncovered, ..Policies::default() };
        let rows = vec![long, short];
        let case =
            Case { grain: Grain::Event, held: held.clone(), policies, ..Case::new(Request::ALL, rows.clone(), rows) };
        let decision = case.decide();
        assert_eq!((decision.kept.as_slice(), decision.left_out.as_slice()), ([long].as_slice(), [].as_slice()));
        assert_eq!((decision.delete.as_slice(), decision.insert.as_slice()), ([short].as_slice(), [short].as_slice()));
    }
}

#[test]
fn a_chain_through_the_whole_history_settles_in_time() {
    let half_hours = |offset: i64| {
        (0..100_000).map(move |n| Slot {
            span: Span { start: Instant(n * 1_800 + offset), stop: Instant((n + 1) * 1_800 + offset) },
            rows: 1,
        })
    };
    let (volume, target) = (Side::new(half_hours(0), 0), Side::new(half_hours(900), 0));
    let decision = decide(&Question {
        grain: Grain::Interval,
        event_slot_minutes: 30,
        request: Request::ALL,
        held: &[Span { start: Instant(0), stop: Instant(180_000_000) }],
        volume: &volume,
        target: &target,
        undated_proven: true,
        policies: Policies { uncovered: Uncovered::Keep, ..Policies::default() },
        settled_until: None,
    })
    .unwrap();
    assert_eq!((decision.kept.len(), decision.left_out.len()), (100_000, 100_000));
}

#[test]
fn rows_that_overlap_in_a_long_chain_are_refused() {
    let chain: Vec<Slot> = (0..20)
        .map(|n| Slot { span: Span { start: Instant(n * 900), stop: Instant(n * 900 + 1_800) }, rows: 1 })
        .collect();
    let side = Side::new(chain, 0);
    let ask = |start: i64, stop: i64| {
        decide(&Question {
            grain: Grain::Interval,
            event_slot_minutes: 30,
            request: Request { start: Some(Instant(start)), stop: Some(Instant(stop)) },
            held: &[Span::ALL],
            volume: &side,
            target: &side,
            undated_proven: true,
            policies: Policies::default(),
            settled_until: None,
        })
    };
    let error = ask(9_000, 9_060).unwrap_err();
    assert_eq!(
        error,
        RangeError::WidenedTooFar { edge: Instant(9_000), widened: Instant(0), minutes: 150, longest: 30 }
    );
    let text = "rows that overlap each other reach from 1970-01-01 02:30 to 1970-01-01 00:00, 150 minutes, more than the \
                longest row there lasts (30 minutes): choose a range that begins and ends where no row lies across the edge";
    assert_eq!(error.to_string(), text);
    // Exactly as far as the longest row is allowed; a second more is not, on either side.
    assert!(ask(1_800, 18_900 - 1_800).is_ok());
    assert!(matches!(ask(1_801, 18_900 - 1_800), Err(RangeError::WidenedTooFar { edge: Instant(1_801), .. })));
    assert!(matches!(ask(1_800, 18_900 - 1_801), Err(RangeError::WidenedTooFar { edge: Instant(17_099), .. })));
    assert_eq!(ask(60, 60), Err(RangeError::EmptyRequest));
}

#[test]
fn weeks_begin_where_the_rows_say_and_months_where_the_calendar_says() {
    let week = |day: u32| period_span(Grain::Weekly, at(day, "00:00").day()).unwrap();
    let slots = |spans: &[Span]| spans.iter().map(|span| Slot { span: *span, rows: 1 }).collect::<Vec<_>>();
    let weeks = slots(&[week(3), week(10), week(17)]);
    let asked = request(Some("2024-03-09"), Some("2024-03-20"));
    let case = Case { grain: Grain::Weekly, ..Case::new(asked, weeks.clone(), weeks.clone()) };
    let decision = case.decide();
    assert_eq!(decision.widened.spans(), [week(10)]);
    assert_eq!((decision.delete.as_slice(), decision.insert.as_slice()), (&weeks[1..2], &weeks[1..2]));
    assert_eq!(decision.partial.iter().map(|p| p.span).collect::<Vec<_>>(), [week(3), week(17)]);
    assert_eq!(decision.refused(), None);

    let all = Case { grain: Grain::Weekly, ..Case::new(Request::ALL, weeks.clone(), weeks.clone()) }.decide();
    assert_eq!((all.widened.spans(), all.delete.as_slice()), ([Span::ALL].as_slice(), weeks.as_slice()));

    let march = period_span(Grain::Monthly, at(1, "00:00").day()).unwrap();
    for (start, stop, replace, widened) in [
        ("2024-03-01", "2024-03-31", PartialPeriods::Keep, "2024-03-01 00:00 to 2024-03-31 23:59"),
        ("2024-02-29 23:59", "2024-04-01 00:00", PartialPeriods::Keep, "2024-03-01 00:00 to 2024-03-31 23:59"),
        ("2024-03-01 00:01", "2024-04-30", PartialPeriods::Keep, "2024-04-01 00:00 to 2024-04-30 23:59"),
        ("2024-03-01", "2024-03-31 23:58", PartialPeriods::Keep, "nothing"),
        ("2024-03-01 00:01", "2024-03-02", PartialPeriods::Replace, "2024-03-01 00:00 to 2024-03-31 23:59"),
        ("2024-03-01", "2024-03-31", PartialPeriods::Replace, "2024-03-01 00:00 to 2024-03-31 23:59"),
        ("2024-02-29 23:59", "2024-04-01 00:00", PartialPeriods::Replace, "2024-02-01 00:00 to 2024-04-30 23:59"),
    ] {
        let months = slots(&[march]);
        let policies = Policies { partial_periods: replace, ..Policies::default() };
        let asked = request(Some(start), Some(stop));
        let case = Case { grain: Grain::Monthly, policies, ..Case::new(asked, months.clone(), months) };
        assert_eq!(case.decide().widened.to_string(), widened, "{start} to {stop}");
    }
}

#[test]
fn events_are_covered_by_their_slot_of_the_day() {
    let event = |time: &str, rows: u64| Slot { span: interval(5, time, 1), rows };
    let volume = vec![event("09:00", 1), event("09:29", 1), event("10:31", 1)];
    let target = vec![event("09:10", 3), event("09:30", 1), event("10:30", 1), event("10:32", 1)];
    let decision = Case { grain: Grain::Event, ..Case::new(Request::ALL, volume, target) }.decide();
    assert_eq!(decision.uncovered, [event("09:30", 1)]);
    assert_eq!(decision.delete, [event("09:10", 3), event("09:30", 1), event("10:30", 1)]);
    let slot = interval(5, "09:00", 30);
    assert_eq!(decision.thinner, [Thinner { span: slot, target_rows: 3, volume_rows: 2 }]);
}

#[test]
fn touched_periods_are_listed_unless_their_row_was_replaced() {
    let day = |n: u32| Span::of_day(at(n, "00:00").day());
    let touched = SpanSet::from_spans([interval(5, "23:30", 60), interval(8, "09:00", 30), interval(9, "00:00", 30)]);
    assert_eq!(periods_touched(&touched, Grain::Daily, None, []), [day(5), day(6), day(8), day(9)]);
    let to_midnight = SpanSet::from(interval(12, "23:30", 30));
    assert_eq!(periods_touched(&to_midnight, Grain::Daily, None, []), [day(12)]);
    let one = Slot { span: day(6), rows: 1 };
    let daily = Case { grain: Grain::Daily, ..Case::new(Request::ALL, vec![one], vec![one]) }.decide();
    assert_eq!(periods_touched(&touched, Grain::Daily, Some(&daily), [day(6), day(7)]), [day(5), day(8), day(9)]);
    let march = period_span(Grain::Monthly, at(1, "00:00").day()).unwrap();
    assert_eq!(periods_touched(&touched, Grain::Monthly, None, [march]), [march]);
    let week = |n: u32| period_span(Grain::Weekly, at(n, "00:00").day()).unwrap();
    assert_eq!(periods_touched(&touched, Grain::Weekly, None, [week(3), week(10)]), [week(3)]);
    assert_eq!(periods_touched(&touched, Grain::Interval, None, [interval(5, "23:30", 60)]), []);
}
