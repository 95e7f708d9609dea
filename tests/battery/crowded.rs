//! A folder with very many files that are named like volumes and are none, beside a set: what looks at it takes little memory and
//! few words, counts all of them, and judges the set.

use super::bombs_seen::{confined, put};
use super::tiers::long;
use intervault::testing::fixtures::small;
use intervault::volume::set::list_sets;
use std::process::Output;

const PROGRAM: &str = env!("CARGO_BIN_EXE_intervault");
const ASKING: &str = env!("CARGO_BIN_EXE_br_check");

#[test]
fn very_many_files_that_are_no_volumes_cost_little_and_hide_no_set() {
    let folder = tempfile::tempdir().unwrap();
    let (state, place) = (folder.path().join("state"), folder.path().join("crowded"));
    let fixture = small(Some(16 << 10));
    let label = list_sets(&fixture.device()).unwrap().sets[0].label().label.clone();
    let place = put(&place, fixture.volumes.into_iter().map(|(_, bytes)| bytes).collect());
    let files = if long() { 200_000 } else { 20_000 };
    for number in 0..files {
        std::fs::File::create(folder.path().join(format!("crowded/CMS-of-nothing-{number:06}.ivv"))).unwrap();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let look = |program: &str, words: &[&str], wanted: i32| {
        let Output { status, stdout, stderr } = confined(program, words, &state);
        let end = text(&stderr[stderr.len().saturating_sub(500)..]);
        assert_eq!(status.code(), Some(wanted), "{words:?}: {status}: {end}");
        assert!(stdout.len() + stderr.len() < 1 << 20, "{words:?}: {} and {} bytes", stdout.len(), stderr.len());
        (text(&stdout), text(&stderr))
    };
    for words in [&["check", &place][..], &["check", &place, "--verify"], &["label", &place]] {
        let (said, warned) = look(PROGRAM, words, 4);
        assert!(said.contains(&label), "{words:?}: the set is not told: {said}");
        let all = [said, warned].concat();
        assert!(all.contains(&format!("{}", files - 1_000)), "{words:?}: nobody says how many more there are");
    }
    let (said, _) = look(PROGRAM, &["check", &place, "--verify", "--json"], 4);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    let sets = answer["sets"].as_array().unwrap();
    assert!(sets.len() == 1 && sets[0]["verified"]["whole"] == true, "{sets:?}");
    assert_eq!(sets[0]["verified"]["findings"], serde_json::json!([]));
    let (said, _) = look(ASKING, &["--type", "d", "--path", &place, "--verify"], 4);
    assert!(said.contains(&label), "{said}");
    // Empty files hold nothing that could be lost.
    let (said, _) = look(PROGRAM, &["salvage", &place, "--dry-run", "--json"], 0);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((answer["sets"].as_array().unwrap().len(), &answer["nothing_lost"]), (1, &true.into()));
}
