//! How large a backup will be, said before it: against what it was.

use super::support::*;
use intervault::backup::{self, Backup, Estimate, FileTree};
use intervault::device::memory::MemoryDevice;
use intervault::schema::catalogue::Catalogue;

/// What is said before, and the bytes and volumes that it was.
fn estimated(centre: &Centre, options: &backup::Options) -> (Estimate, u64, u64) {
    let (store, catalogue, device) = (centre.store(), Catalogue::builtin(), MemoryDevice::new());
    let backup = Backup::new(&store, &catalogue, &device, options.clone());
    let plan = backup.plan().unwrap();
    let report = backup.run().unwrap();
    for (planned, done) in plan.tables.iter().zip(&report.tables).filter(|(_, done)| done.stored_bytes > 100_000) {
        close(planned.stored_about.unwrap(), done.stored_bytes, &done.table);
    }
    (plan.estimate.unwrap(), report.set.bytes, report.set.volumes.len() as u64)
}

fn close(about: u64, was: u64, what: &str) {
    assert!(about.abs_diff(was) * 10 <= was, "{what}: {about} said, it was {was}");
}

fn centre() -> Centre {
    let centre = Centre::new(&[HSPLIT, DSPLIT, WSPLIT, SYNONYMS]);
    centre.run(
        "INSERT INTO hsplit WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) \
         SELECT date('2024-01-01', '+' || (i / 1000) || ' days'), i % 48 / 2 * 100 + i % 2 * 30, 30, 1 + i % 2, i % 5, \
         abs(random()) % (10 + i / 100), hex(randomblob(1 + i % 5)) FROM n;
         INSERT INTO dsplit WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) \
         SELECT date('2020-01-01', '+' || (i * 7919 % 1500) || ' days'), 1, i % 7, random() FROM n;
         INSERT INTO synonyms VALUES (1, 'split', 'Sales', '1', '')",
    );
    centre
}

#[test]
fn bytes_and_volumes_are_said_within_a_tenth() {
    let centre = centre();
    for volume_size in [Some(48 << 10), Some(256 << 10), None] {
        let options = backup::Options { volume_size, ..backup_options(1) };
        let (estimate, bytes, volumes) = estimated(&centre, &options);
        close(estimate.bytes, bytes, &format!("bytes on volumes of {volume_size:?}"));
        let off = estimate.volumes.abs_diff(volumes);
        assert!(off * 10 <= volumes.max(5), "{} volumes said, they were {volumes}: {volume_size:?}", estimate.volumes);
        assert!(estimate.sampled_rows > 0);
    }
    // Row numbers with holes count the rows that are there.
    centre.run("DELETE FROM hsplit WHERE rowid % 3 = 0");
    let (estimate, bytes, _) =
        estimated(&centre, &backup::Options { volume_size: Some(48 << 10), ..backup_options(1) });
    close(estimate.bytes, bytes, "bytes of a table with holes");
    // One ACD is half of it.
    let one = backup::Options { acd: Some(1), volume_size: Some(48 << 10), ..backup_options(1) };
    let (estimate, bytes, _) = estimated(&centre, &one);
    close(estimate.bytes, bytes, "bytes of one ACD");
}

/// Files belong to what is estimated, whatever they hold: what compresses well, what does not, holes, very many small ones.
#[test]
fn bytes_and_volumes_of_file_trees_are_said_within_a_tenth() {
    let centre = centre();
    let folder = tempfile::tempdir().unwrap();
    let mut random = 1u64;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let mut step = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        };
        (0..bytes).map(|_| step()).collect()
    };
    for at in 0..8 {
        std::fs::write(folder.path().join(format!("noise{at}")), noise(700_000)).unwrap();
        std::fs::write(folder.path().join(format!("text{at}")), "queued, answered, released\n".repeat(40_000)).unwrap();
        std::fs::File::create(folder.path().join(format!("holes{at}"))).unwrap().set_len(1 << 30).unwrap();
    }
    for at in 0..3_000 {
        std::fs::write(folder.path().join(format!("small{at}")), noise(at % 200)).unwrap();
    }
    let trees = vec![FileTree::new(folder.path().to_str().unwrap()).unwrap()];
    for volume_size in [Some(1 << 20), None] {
        let options = backup::Options { volume_size, trees: trees.clone(), ..backup_options(1) };
        let (estimate, bytes, volumes) = estimated(&centre, &options);
        close(estimate.bytes, bytes, &format!("bytes on volumes of {volume_size:?}"));
        assert!(estimate.volumes.abs_diff(volumes) <= 1, "{} volumes said, they were {volumes}", estimate.volumes);
    }
}

#[test]
fn what_changed_is_not_estimated_but_counted() {
    let centre = centre();
    let device = backup(&centre);
    let (store, catalogue) = (centre.store(), Catalogue::builtin());
    let plan = Backup::new(&store, &catalogue, &device, incremental_options(2)).plan().unwrap();
    assert_eq!(plan.estimate, None);
    assert!(plan.tables.iter().all(|planned| planned.stored_about.is_none()));
}
