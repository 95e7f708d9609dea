//! `intervault export` of sets that are not all here: nobody takes a part for the whole.

use super::site::{Site, volumes};
use super::support::only_set;
use intervault::base::monitor::Silent;
use intervault::device::memory::MemoryDevice;
use intervault::export::{Export, Format, Options, Plan};
use intervault::format::block::BlockKind;
use intervault::testing::damage::{Damage, places};
use intervault::testing::fixtures::small;
use intervault::volume::set::{SetReader, list_sets};
use std::collections::BTreeMap;
use std::path::Path;

const CSV: Format = Format::Csv { spreadsheet: false };

fn options(tables: &[&str]) -> Options {
    let tables = tables.iter().map(|table| (*table).to_owned()).collect();
    Options { tables, acd: None, window: None, partial: true, jobs: 1 }
}

/// What is written of each table, with all that can be read.
fn written(set: &SetReader<'_>) -> (Plan, BTreeMap<String, Vec<u8>>) {
    let export = Export::new(set, options(&[]), &Silent);
    let plan = export.plan().unwrap();
    let mut tables = BTreeMap::new();
    for table in &plan.tables {
        let mut csv = Vec::new();
        let report = export.table(table, CSV, &mut csv).unwrap();
        if report.lost.is_empty() && table.is_known {
            tables.insert(table.name().to_owned(), csv);
        }
    }
    (plan, tables)
}

/// At every border of blocks, and within blocks: where a table is not written as it was, that is known before.
#[test]
fn a_volume_that_ends_early_anywhere_is_never_exported_as_if_it_were_whole() {
    let fixture = small(None);
    let (plan, whole) = written(&only_set(&fixture.device()));
    assert!(plan.unknown.is_empty() && plan.short.is_empty() && whole.len() > 4);
    let (name, bytes) = &fixture.volumes[0];
    let ends: Vec<usize> = places(bytes).iter().flat_map(|place| [place.at + 100, place.end()]).collect();
    let (mut cuts, mut fewer) = (0, 0);
    for len in ends.into_iter().filter(|len| *len < bytes.len()) {
        let device = MemoryDevice::new();
        device.insert(name, Damage::Cut { len }.of(bytes));
        let sets = list_sets(&device).unwrap().sets;
        let Some(set) = sets.first() else { continue };
        let (plan, tables) = written(set);
        // The end of the volume tells where the catalog is: without that it is found by a scan, if it is whole.
        let unknown = plan.unknown.iter().any(|unknown| unknown.what.contains("more tables"));
        assert!(unknown || tables == whole, "cut to {len} bytes");
        assert!(tables.iter().all(|(table, csv)| whole.get(table) == Some(csv)), "cut to {len} bytes");
        cuts += 1;
        fewer += u32::from(tables.len() < whole.len());
        if let Err(error) = Export::new(set, options(&["no_such_table"]), &Silent).plan() {
            assert_eq!(error.to_string().contains("nobody knows"), unknown, "cut to {len} bytes: {error}");
        }
    }
    assert!(cuts > 20 && fewer > 10, "{cuts} {fewer}");
}

/// A header and the catalog, one bit of each: the table cannot be seen any more, and that is said.
#[test]
fn a_table_that_cannot_be_seen_any_more_is_not_passed_over() {
    let fixture = small(None);
    let (name, bytes) = &fixture.volumes[0];
    let of = |kind: BlockKind| places(bytes).into_iter().filter(move |place| place.header.kind == kind);
    let catalog = of(BlockKind::Catalog).next().unwrap().at + 70;
    let mut tried = 0;
    for header in of(BlockKind::SectionHeader) {
        let mut hurt = bytes.clone();
        Damage::Flip { at: catalog, mask: 1 }.apply(&mut hurt);
        Damage::Flip { at: header.at + 70, mask: 1 }.apply(&mut hurt);
        let device = MemoryDevice::new();
        device.insert(name, hurt);
        let plan = Export::new(&only_set(&device), options(&[]), &Silent).plan().unwrap();
        assert!(plan.unknown.iter().any(|unknown| unknown.damaged), "{:?}", plan.unknown);
        tried += 1;
    }
    assert!(tried > 4);
}

fn copied(site: &Site, from: &str, to: &str) -> Vec<std::path::PathBuf> {
    std::fs::create_dir_all(site.path(to)).unwrap();
    for volume in volumes(&site.path(from)) {
        std::fs::copy(&volume, site.path(to).join(volume.file_name().unwrap())).unwrap();
    }
    volumes(&site.path(to))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn what_is_missing_of_a_set_is_said_and_is_in_the_status() {
    let site = Site::new();
    let volume = copied(&site, "volumes", "cut").remove(0);
    let bytes = std::fs::read(&volume).unwrap();
    let blocks = places(&bytes);
    let end = blocks.iter().filter(|place| place.header.kind == BlockKind::SectionEnd).nth(1).unwrap().end();
    std::fs::write(&volume, &bytes[..end]).unwrap();
    let (cut, to) = (site.text("cut"), site.text("out"));
    let (_, err) = site.run(&["export", &cut, "--to", &to], 5);
    assert!(err.contains("has more tables") && err.contains("--partial") && is_empty(&site.path("out")), "{err}");
    let (out, err) = site.run(&["export", &cut, "--to", &to, "--partial"], 5);
    assert!(err.contains("has more tables") && out.contains("From ") && !is_empty(&site.path("out")), "{out}{err}");
    let answer = site.json(&["export", &cut, "--to", &to, "--partial", "--overwrite"], 5);
    assert_eq!((answer["tables"].as_array().unwrap().len(), &answer["unknown"][0]["damaged"]), (2, &false.into()));
    let (_, err) = site.run(&["export", &cut, "--to", &to, "--tables", "weird"], 5);
    assert!(err.contains("nobody knows whether table weird"), "{err}");
    // A table that is there from its header to its end mark is whole, whatever else is missing.
    let whole = answer["tables"][0]["table"].as_str().unwrap();
    site.run(&["export", &cut, "--to", &to, "--tables", whole, "--overwrite"], 0);
    let mut hurt = bytes.clone();
    for kind in [BlockKind::Catalog, BlockKind::SectionHeader] {
        let place = blocks.iter().find(|place| place.header.kind == kind).unwrap();
        Damage::Flip { at: place.at + 70, mask: 1 }.apply(&mut hurt);
    }
    std::fs::write(&volume, &hurt).unwrap();
    site.run(&["export", &cut, "--to", &site.text("none")], 4);
    site.run(&["export", &cut, "--to", &to, "--partial", "--overwrite"], 4);
    assert!(is_empty(&site.path("none")));
}

#[test]
fn what_a_salvaged_set_lacks_is_said() {
    let site = Site::new();
    let volume = copied(&site, "volumes", "hurt").remove(0);
    let mut bytes = std::fs::read(&volume).unwrap();
    let chunk = places(&bytes).into_iter().find(|place| place.header.kind == BlockKind::Chunk).unwrap();
    Damage::Zero { at: chunk.at, len: chunk.len }.apply(&mut bytes);
    std::fs::write(&volume, &bytes).unwrap();
    let (hurt, saved, to) = (site.text("hurt"), site.text("saved"), site.text("out"));
    site.run(&["salvage", &hurt, "--to", &saved], 4);
    let (_, err) = site.run(&["export", &saved, "--to", &to], 3);
    assert!(err.contains("was salvaged") && err.contains("some of its rows were lost"), "{err}");
    let answer = site.json(&["export", &saved, "--to", &to, "--overwrite"], 3);
    assert_eq!(answer["lacks"].as_array().unwrap().len(), 1, "{answer}");
}

/// Of the newer of two sets one volume is missing: the older one is taken, and that is said.
#[test]
fn an_older_set_is_never_taken_without_a_word() {
    let site = Site::new();
    let older = site.case.backup["set"].as_str().unwrap().to_owned();
    let (from, to, url) = (site.case.device(), site.text("out"), site.case.url());
    site.case.centre.run("UPDATE hsplit SET logid = hex(rowid * 7919), acdcalls = rowid * 7919 % 99991");
    site.backup("small", &["--data", "historical,acd", "--volume-size", "8KiB"], 0);
    let small = volumes(&site.path("small"));
    assert!(small.len() > 1);
    for volume in &small {
        std::fs::copy(volume, Path::new(&from).join(volume.file_name().unwrap())).unwrap();
    }
    site.run(&["export", &from, "--to", &to], 9);
    for volume in &small {
        let place = Path::new(&from).join(volume.file_name().unwrap());
        std::fs::remove_file(&place).unwrap();
        let (out, err) = site.run(&["export", &from, "--to", &to, "--overwrite"], 5);
        assert!(err.contains("is passed over") && out.contains(&older[..8]), "{out}{err}");
        let answer = site.json(&["export", &from, "--to", &to, "--overwrite"], 5);
        assert_eq!(answer["set"], *older);
        assert_eq!(answer["passed_over"].as_array().unwrap().len(), 1, "{answer}");
        let (_, err) = site.run(&["check", &from, "--against", &url, "--tables", "synonyms"], 5);
        assert!(err.contains("is passed over"), "{err}");
        site.run(&["export", &from, "--to", &to, "--overwrite", "--set", &older], 0);
        std::fs::copy(volume, &place).unwrap();
    }
}
