//! Volumes that cannot be used, beside the sets that can: whether one of them may be newer than what would be restored. Only
//! their names tell. Pure.

use crate::format::block::SetId;
use crate::schema::grain::DataType;
use crate::schema::label_text::LabelText;
use crate::volume::chain::Chain;
use crate::volume::name::{label_by_name, short_id};
use crate::volume::set::SetReader;

/// Whether a volume that cannot be used is, by its name, of a set that was taken after the newest one of a chain and may have
/// data of these kinds (bits of [`data_types`](crate::format::label::data_types)): a label of the same system with a later day,
/// or a greater number of the same day. Of a set that is among `sets` that one tells what is missing. A name that no backup gives
/// says nothing.
#[must_use]
pub fn may_be_newer(name: &str, chain: &Chain<'_>, sets: &[SetReader<'_>], data_types: u32) -> bool {
    let Some(newest) = chain.members().first() else { return false };
    let known: Vec<SetId> = sets.iter().map(SetReader::set_id).collect();
    is_newer(name, &newest.label().label, &known, data_types)
}

fn is_newer(name: &str, newest: &str, known: &[SetId], data_types: u32) -> bool {
    let Some((label, short)) = label_by_name(name) else { return false };
    let (Ok(label), Ok(newest)) = (label.parse::<LabelText>(), newest.parse::<LabelText>()) else { return false };
    let has = label.data.iter().map(|kind: &DataType| kind.bit()).fold(0, |bits, bit| bits | bit);
    // A set of tables named one by one says no kinds.
    let of_kind = has == 0 || has & data_types != 0;
    let others = label.acd.is_some() && newest.acd.is_some() && label.acd != newest.acd;
    let later = (label.day, label.number) > (newest.day, newest.number);
    label.system == newest.system && later && of_kind && !others && known.iter().all(|set| short_id(*set) != short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::label::data_types::{ALL, HISTORICAL};

    #[test]
    fn a_later_day_or_number_of_the_same_system_is_newer() {
        let newest = "CMS-031201-02-LSAX-00-I-01";
        let id = SetId([7; 16]);
        for (name, newer) in [
            ("CMS-031201-03-LSAX-00-I-01.0123abcd.ivv", true),
            ("CMS-031202-01-LSAX-00-F-04.0123abcd.ivv", true),
            ("/backup/a/CMS-031202-01-XXXX-00-F-01.0123abcd.ivv", true),
            ("CMS-031202-01-XXHX-03-I-01.0123abcd.ivv", true),
            ("CMS-031201-02-LSAX-00-I-02.0123abcd.ivv", false),
            ("CMS-031201-01-LSAX-00-F-01.0123abcd.ivv", false),
            ("CMS-031130-09-LSAX-00-F-01.0123abcd.ivv", false),
            ("CMS-031202-01-LXMX-00-F-01.0123abcd.ivv", false),
            ("UNDO-031202-01-LSAX-00-F-01.0123abcd.ivv", false),
            ("CMS-031202-01-LSAX-00-I-02.07070707.ivv", false),
            ("CMS-031202-01-LSAX-00-I-01.ivv", false),
            ("spare-01.0123abcd.ivv", false),
            ("notes.ivv", false),
        ] {
            assert_eq!(is_newer(name, newest, &[id], HISTORICAL), newer, "{name}");
        }
        assert!(is_newer("CMS-031202-01-LXMX-00-F-01.0123abcd.ivv", newest, &[], ALL));
        assert!(!is_newer("CMS-031202-01-LSAX-04-I-01.0123abcd.ivv", "CMS-031201-01-LSAX-03-F-01", &[], ALL));
        assert!(!is_newer("CMS-031202-01-LSAX-00-I-01.0123abcd.ivv", "spare", &[], ALL));
    }
}
