//! What to stick on a volume, so that whoever finds it on a shelf knows what it is and which one to insert next: plain text
//! of short lines.

use super::text::escape;
use crate::base::time::Instant;
use crate::format::label::{LabelRecord, data_types};
use crate::schema::grain::DataType;
use crate::volume::name::{label_of_volume, short_id};
use crate::volume::set::SetReader;
use serde_json::{Value, json};

/// Most tables of a set of specific tables that are named.
const TABLES_MAX: usize = 6;

/// What stands on one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticker {
    /// The label.
    pub label: String,
    /// Number of the volume, from 1.
    pub volume: u32,
    /// How many there are; none if nobody knows, since the last one is not here or was never written.
    pub volumes: Option<u32>,
    /// The label of the volume to insert next; none on the last.
    pub next: Option<String>,
    /// When the set was begun, in the civil time of its source.
    pub written: String,
    /// The server and the database.
    pub source: String,
    /// The kinds of data, or the tables, and the ACDs.
    pub contents: String,
    /// `full`, or the number in its chain and the set that it builds on.
    pub mode: String,
    /// The first digits of the set's id.
    pub set: String,
    /// The day until which it is to be kept.
    pub keep_until: Option<String>,
}

/// The stickers of the volumes of a set that are here.
#[must_use]
pub fn of(set: &SetReader<'_>) -> Vec<Sticker> {
    let label = set.label();
    let total = set.total_volumes();
    let here = set.volumes().iter().filter(|volume| volume.name.is_some()).map(|volume| volume.number);
    let sticker = |number: u32| Sticker {
        label: label_of_volume(&label.label, number),
        volume: number,
        volumes: total,
        next: (total != Some(number)).then(|| label_of_volume(&label.label, number.saturating_add(1))),
        written: Instant(label.created_civil).to_string(),
        source: format!("{}, {}", label.source_server, label.source_database),
        contents: contents(set),
        mode: mode(label),
        set: short_id(set.set_id()),
        keep_until: label.retain_until.map(day),
    };
    here.map(sticker).collect()
}

fn contents(set: &SetReader<'_>) -> String {
    let label = set.label();
    let what = if label.data_types == data_types::SPECIFIC {
        let tables: Vec<&str> = set.sections().iter().map(|section| section.header.table.as_str()).collect();
        let named = tables.get(..TABLES_MAX.min(tables.len())).unwrap_or_default().join(", ");
        match tables.len().saturating_sub(TABLES_MAX) {
            0 => format!("tables {named}"),
            more => format!("tables {named} and {more} more"),
        }
    } else {
        let has = |data: &DataType| label.data_types & data.bit() != 0;
        DataType::ALL.iter().filter(|data| has(data)).map(|data| data.name()).collect::<Vec<_>>().join(", ")
    };
    match label.acd {
        None => format!("{what}; all ACDs"),
        Some(acd) => format!("{what}; ACD {acd}"),
    }
}

fn mode(label: &LabelRecord) -> String {
    match (label.is_undo(), label.parent_set) {
        (true, _) => "undo set of a restore".to_owned(),
        (false, None) => "full".to_owned(),
        (false, Some(parent)) => {
            let parent = short_id(crate::format::block::SetId(parent));
            format!("incremental, number {} in its chain, on set {parent}", label.sequence)
        }
    }
}

fn day(day: i32) -> String {
    let text = Instant::of_day(day).to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The stickers one below the other, an empty line between them.
#[must_use]
pub fn text(stickers: &[Sticker]) -> String {
    stickers.iter().map(lines).collect::<Vec<_>>().join("\n")
}

fn lines(sticker: &Sticker) -> String {
    let number = match sticker.volumes {
        Some(volumes) => format!("{} of {volumes}", sticker.volume),
        None => format!("{} of a set whose last volume is not known", sticker.volume),
    };
    let next = match &sticker.next {
        Some(next) if sticker.volumes.is_some() => format!("then {next}"),
        Some(next) => format!("then {next}, if there is one"),
        None => "the last one".to_owned(),
    };
    let keep = sticker.keep_until.as_deref().map_or("no day is set", |day| day);
    let lines = [
        sticker.label.as_str(),
        &format!("  volume   {number}, {next}"),
        &format!("  written  {}", sticker.written),
        &format!("  from     {}", sticker.source),
        &format!("  holds    {}", sticker.contents),
        &format!("  mode     {}", sticker.mode),
        &format!("  set      {}", sticker.set),
        &format!("  keep     until: {keep}"),
    ];
    lines.iter().map(|line| format!("{}\n", escape(line))).collect()
}

/// The body of `intervault/stickers`.
#[must_use]
pub fn json(stickers: &[Sticker]) -> Value {
    let one = |sticker: &Sticker| {
        json!({
            "label": sticker.label,
            "volume": sticker.volume,
            "volumes": sticker.volumes,
            "next": sticker.next,
            "written": sticker.written,
            "source": sticker.source,
            "contents": sticker.contents,
            "mode": sticker.mode,
            "set": sticker.set,
            "keep_until": sticker.keep_until,
        })
    };
    json!({ "stickers": stickers.iter().map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;
    use crate::device::traits::Device;
    use crate::testing::sets::{Sample, sample_header, sample_label, write_sample};
    use crate::volume::set::list_sets;
    use crate::volume::set_writer::{SetOptions, SetWriter};

    #[test]
    fn each_volume_says_which_one_follows() {
        let device = MemoryDevice::new();
        write_sample(&device, &Sample::default(), Some(4_000)).unwrap();
        let sets = list_sets(&device).unwrap().sets;
        let stickers = of(&sets[0]);
        let last = stickers.len() as u32;
        assert!(last > 1 && stickers.iter().all(|sticker| sticker.volumes == Some(last)));
        let shown = text(&stickers);
        assert!(
            shown.starts_with(&format!(
                "CMS-260104-01-XXAX-00-F-01\n  volume   1 of {last}, then CMS-260104-01-XXAX-00-F-02\n  written  2026-01-04 "
            )),
            "{shown}"
        );
        assert!(
            shown.contains("  from     server-1, cms\n  holds    historical; all ACDs\n  mode     full\n"),
            "{shown}"
        );
        assert!(shown.ends_with("  keep     until: no day is set\n"), "{shown}");
        assert!(shown.contains(&format!("volume   {last} of {last}, the last one\n")), "{shown}");
        // Without the last volume nobody knows how many there are.
        let name = device.list().unwrap().pop().unwrap();
        Device::remove(&device, &name).unwrap();
        let sets = list_sets(&device).unwrap().sets;
        let shown = text(&of(&sets[0]));
        assert!(shown.contains("1 of a set whose last volume is not known, then "), "{shown}");
        assert!(shown.contains("-02, if there is one\n"), "{shown}");
    }

    #[test]
    fn incremental_specific_and_retained_sets_say_so() {
        let device = MemoryDevice::new();
        let write = |label: LabelRecord, tables: &[&str]| {
            let mut set = SetWriter::create(&device, label, &SetOptions { volume_size: None }).unwrap();
            for table in tables {
                set.begin_section(sample_header(table)).unwrap();
                set.end_section(Vec::new()).unwrap();
            }
            set.finish(Vec::new(), Vec::new()).unwrap();
        };
        let specific = LabelRecord {
            label: "CMS-260104-07-XXXX-00-F-01".to_owned(),
            data_types: data_types::SPECIFIC,
            acd: Some(3),
            retain_until: Some(20_500),
            source_server: "evil\u{1b}[2J".to_owned(),
            ..sample_label(1)
        };
        write(specific, &["a", "b", "c", "d", "e", "f", "g"]);
        let parent = [0xAB; 16];
        let incremental =
            LabelRecord { incremental: true, parent_set: Some(parent), chain: parent, sequence: 4, ..sample_label(2) };
        write(incremental, &["a"]);
        let sets = list_sets(&device).unwrap().sets;
        let shown: String = sets.iter().map(|set| text(&of(set))).collect();
        assert!(shown.contains("  holds    tables a, b, c, d, e, f and 1 more; ACD 3\n"), "{shown}");
        assert!(shown.contains("  keep     until: 2026-02-16\n") && shown.contains("evil\\u{1b}[2J"), "{shown}");
        assert!(shown.contains("  mode     incremental, number 4 in its chain, on set abababab\n"), "{shown}");
    }
}
