//! Which time of the volumes can matter for a request: whole days, and no more of them than rows reach across. Pure.

use crate::base::time::{Instant, Span};
use crate::schema::clock::bucket_span;
use crate::schema::grain::Grain;
use crate::schema::range::{Request, Side, reach_days};
use crate::section::pieces::Acd;
use crate::volume::section::{SectionSource, SectionView};
use std::collections::BTreeMap;

/// The whole days in question, moved apart as far as rows may reach: rows outside them cannot matter. `None`: all of time.
pub(super) fn reached(request: Request, grain: Grain) -> Option<Span> {
    around(request, reach_days(grain))
}

fn around(request: Request, reach: i32) -> Option<Span> {
    let Request { start, stop } = request;
    if start.is_none() && stop.is_none() {
        return None;
    }
    let first = start.map_or(Instant::MIN, |start| Instant::of_day(start.day().saturating_sub(reach)));
    // The stop itself is not asked for: midnight belongs to the day after the last one.
    let last_day = |stop: Instant| stop.plus(-1).day().saturating_add(reach);
    let last = stop.map_or(Instant::MAX, |stop| Instant::of_day(last_day(stop).saturating_add(1)));
    Span::new(first, last)
}

/// The days of the request with those whose rows reach into them, and into these in turn: what lies outside meets no row
/// inside. It is known where catalogs list the buckets; else, and for grains whose rows last for days, what is
/// [`reached`].
pub(super) fn needed<'s>(
    request: Request,
    grain: Grain,
    sections: impl Iterator<Item = &'s SectionView> + Clone,
) -> Option<Span> {
    let reached = reached(request, grain)?;
    let listed = sections.clone().all(|section| section.source == SectionSource::Catalog);
    let Some(mut window) =
        around(request, 0).filter(|_| listed && matches!(grain, Grain::Interval | Grain::Event | Grain::Daily))
    else {
        return Some(reached);
    };
    loop {
        let buckets = sections.clone().flat_map(|section| &section.buckets);
        let spans = buckets.filter_map(|bucket| Some(bucket_span(grain, bucket.day?, Some(Instant(bucket.stop)))));
        let wider = spans.filter(|span| span.meets(window)).fold(window, Span::hull);
        if wider == window {
            return Some(window);
        }
        if wider.start < reached.start || wider.stop > reached.stop {
            return Some(reached);
        }
        window = wider;
    }
}

/// Whether a row of the target lies across an edge of a window: what it touches outside may matter then.
pub(super) fn is_crossed(window: Span, target: &BTreeMap<Acd, Side>) -> bool {
    let mut slots = target.values().flat_map(Side::slots);
    slots.any(|slot| slot.span.meets(window) && (slot.span.start < window.start || slot.span.stop > window.stop))
}
