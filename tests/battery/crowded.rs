//! A folder with very many files that are named like volumes and are none, beside a set: what looks at it takes little memory and
//! few words, counts all of them, and judges the set. So too a file in which very many volumes lie one behind the other.

use super::bombs_seen::{confined, put};
use super::tiers::long;
use intervault::device::parts::PARTS_MAX;
use intervault::format::block::{BlockIdentity, BlockKind, SetId, encode_block};
use intervault::format::label::LabelRecord;
use intervault::format::record::encode_record;
use intervault::testing::fixtures::small;
use intervault::testing::sets::sample_label;
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
    let files: u32 = if long() { 1_000_000 } else { 20_000 };
    for number in 0..files {
        // A quarter each: names that say nothing, volumes of one set, and twice one volume each of very many sets.
        let name = match number % 4 {
            0 => format!("CMS-of-nothing-{number:06}.ivv"),
            1 => format!("CMS-260101-01-XXAX-00-F-{:02}.12345678.ivv", number + 1),
            _ => format!("CMS-260102-{:02}-XXAX-00-F-01.{:08x}.ivv", number % 97, number.wrapping_mul(2_654_435_761)),
        };
        std::fs::File::create(folder.path().join("crowded").join(name)).unwrap();
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

/// Labels of very many sets in one file: the time is as long as the file, and what is not read is told of.
#[test]
fn a_file_of_very_many_small_volumes_takes_little_and_is_not_called_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (state, file) = (folder.path().join("state"), folder.path().join("all.ivv"));
    let write = |volumes: u128| {
        let mut bytes = Vec::new();
        for number in 1..=volumes {
            let label = LabelRecord { set_id: number.to_le_bytes(), chain: number.to_le_bytes(), ..sample_label(3) };
            let identity = BlockIdentity { set: SetId(label.set_id), volume: 1, section: 0, block: 0 };
            bytes.extend(encode_block(BlockKind::Label, identity, &encode_record(&label).unwrap()).unwrap());
        }
        std::fs::write(&file, bytes).unwrap();
    };
    let place = file.display().to_string();
    let beyond = format!("more than {PARTS_MAX} volumes lie in this file");
    for (volumes, all) in [(PARTS_MAX as u128, true), (if long() { 200_000 } else { 40_000 }, false)] {
        write(volumes);
        for words in [&["check", &place, "--json"][..], &["label", &place]] {
            let Output { status, stdout, stderr } = confined(PROGRAM, words, &state);
            let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
            let end = &said[said.len().saturating_sub(500)..];
            assert!(
                matches!(status.code(), Some(1 | 4 | 5)) || words[0] == "label" && all,
                "{words:?}: {status}: {end}"
            );
            assert_eq!(said.contains(&beyond), !all, "{words:?}: {end}");
        }
    }
}
