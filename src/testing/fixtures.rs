//! The sets that damage is tried on: every kind of table and a file tree, through the real encoder and writer. The same bytes
//! on every machine.

use super::golden::contents_v1;
use super::sets::sample_label;
use super::tables::{Content, Row, blob, int, write_set};
use crate::device::memory::MemoryDevice;
use crate::files::rows::table;
use crate::format::label::{LabelRecord, data_types};
use crate::schema::grain::DataType;
use crate::section::pieces::Cutoffs;

/// A set whose bytes are at hand.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Name and bytes of each volume, in order.
    pub volumes: Vec<(String, Vec<u8>)>,
    /// What was written.
    pub contents: Vec<Content>,
}

impl Fixture {
    /// A device that holds the volumes.
    #[must_use]
    pub fn device(&self) -> MemoryDevice {
        let device = MemoryDevice::new();
        self.volumes.iter().for_each(|(name, bytes)| device.insert(name, bytes.clone()));
        device
    }
}

/// A folder with a file of two pieces, an empty one, and a link.
fn tree() -> Content {
    let row =
        |path: &[u8], kind: i64, piece: i64, last: i64, size: i64, link: &[u8], offset: i64, data: &[u8]| -> Row {
            let (who, when) = ([int(1_000), int(100), blob(b"cms"), blob(b"users")], [int(1_709_164_800), int(5)]);
            let mode = if kind == 2 { 0o755 } else { 0o640 };
            let front = [blob(path), int(kind), int(piece), int(last), int(0), int(mode)];
            let back = [int(size), blob(link), int(offset), blob(data)];
            [front.as_slice(), &who, &when, &back].concat()
        };
    let totals = {
        let mut row = row(b"", 0, 2, 1, 40, b"", 0, b"");
        row.splice(5..12, [int(0), int(0), int(0), blob(b""), blob(b""), int(0), int(0)]);
        row
    };
    let rows = vec![
        row(b"", 2, 0, 1, 0, b"/cms/pbx/acd1", 0, b""),
        row(b"dict", 1, 0, 0, 40, b"", 0, b"vdn 4711 Sales\n"),
        row(b"dict", 1, 1, 1, 40, b"", 20, b"vdn 4712 Service\n\n\n\n"),
        row(b"none", 1, 0, 1, 0, b"", 0, b""),
        row(b"other", 3, 0, 1, 0, b"dict", 0, b""),
        totals,
    ];
    let table = table("/cms/pbx/acd1", DataType::Custom);
    Content { table, ordered: false, cutoffs: Cutoffs::default(), chunks: vec![rows] }
}

/// A set of every kind of table and a file tree on volumes of this size, or on one.
///
/// # Panics
/// If the writer refuses it, which would be a fault of the project.
#[must_use]
pub fn small(volume_size: Option<u64>) -> Fixture {
    other(0x51, volume_size)
}

/// The same contents under another set's id, which is made of `number`.
///
/// # Panics
/// As [`small`].
#[must_use]
#[expect(clippy::expect_used, reason = "a fixture that cannot be written ends the test")]
pub fn other(number: u8, volume_size: Option<u64>) -> Fixture {
    let mut contents = contents_v1();
    contents.push(tree());
    let set_id = [number; 16];
    let all = data_types::ALL & !data_types::SPECIFIC;
    let label = LabelRecord { set_id, chain: set_id, data_types: all, ..sample_label(u64::from(number)) };
    let device = MemoryDevice::new();
    let set = write_set(&device, label, volume_size, &contents, vec!["agroups".to_owned()], Vec::new())
        .expect("the fixture is written");
    let bytes = |name: &String| (name.clone(), device.bytes(name).unwrap_or_default());
    Fixture { volumes: set.volumes.iter().map(|volume| bytes(&volume.name)).collect(), contents }
}
