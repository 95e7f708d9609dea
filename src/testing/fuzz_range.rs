//! Fuzz body of the range engine: the engine and the oracle agree on every question, and no text of a request panics.

use super::range_world::World;
use crate::base::time::Span;
use crate::schema::grain::Grain;
use crate::schema::range::{Request, decide, oracle};

/// One run. The first byte chooses between a question and the text of a request.
///
/// # Panics
/// If the engine and the oracle disagree, or a decision contradicts itself.
#[expect(clippy::panic, reason = "a fuzz body reports what it finds by a panic")]
pub fn fuzz_range(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    if first % 4 == 0 {
        return fuzz_request(rest);
    }
    let world = World::from_bytes(rest);
    let question = world.question();
    if let Some(difference) = oracle::disagreement(&question) {
        panic!("{difference}");
    }
    let Ok(decision) = decide(&question) else { return };
    for slot in world.target.slots() {
        let inside = decision.actual.holds(slot.span);
        assert!(inside || !decision.deletes(slot.span), "a row outside the actual range is deleted");
    }
    // Events stand side by side and push nothing out.
    for slot in decision.kept.iter().filter(|_| world.grain != Grain::Event) {
        let pushed = |other: &Span| decision.inserts(*other) && other.meets(slot.span);
        let beside = world.volume.slots().iter().map(|slot| slot.span).find(pushed);
        assert_eq!(beside, None, "a row goes in beside a kept one");
    }
}

fn fuzz_request(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (start, stop) = text.split_once('\n').map_or((&*text, None), |(start, stop)| (start, Some(stop)));
    let Ok(request) = Request::parse(Some(start), stop) else { return };
    assert!(request.span().is_some(), "a request that was accepted holds no instant");
    // What it is shown as can be written again and means the same.
    let (start, stop) = (request.start.map(|at| at.to_string()), request.stop.map(|at| at.plus(-60).to_string()));
    assert_eq!(Request::parse(start.as_deref(), stop.as_deref()), Ok(request));
}

#[cfg(test)]
mod tests {
    use super::fuzz_range;

    #[test]
    fn seeds_pass() {
        for seed in [
            b"".as_slice(),
            b"\0",
            b"\x002024-02-29 23:59",
            b"\x002024-02-29\n2024-02-29",
            b"\x009999-12-31\n9999-12-31 23:59",
            b"\x00\xff\xfe2024-02-29",
            b"\x01\0\0\0\x01\0\x02\0\0\x18aaaaaaaabbbbbbbbccccccccddddddddeeeeeeee",
        ] {
            fuzz_range(seed);
        }
    }
}
