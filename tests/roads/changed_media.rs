//! Media that are changed while a backup is written: each is read back before it is gone, in one pass, and that proves as much
//! as a check does that has all of them.

use super::devices::large;
use super::support::backup_options;
use intervault::backup::{Backup, ChangedMedia, Options};
use intervault::base::monitor::Silent;
use intervault::device::error::{DeviceError, DeviceErrorKind};
use intervault::device::media::{Choice, MediaDevice, Supplier};
use intervault::device::memory::MemoryDevice;
use intervault::device::traits::{Device, NewVolume, VolumeSink, VolumeSource};
use intervault::error::Class;
use intervault::schema::catalogue::Catalogue;
use intervault::verify::finding::Level;
use intervault::verify::proof::{SetProof, SetProved};
use intervault::verify::set::verify_set;
use intervault::volume::reader::Volume;
use intervault::volume::set::list_sets;
use std::sync::{Arc, Mutex};

/// Takes two volumes, and gives them back with a byte changed if it is told to.
struct Small(MemoryDevice, Option<u64>);

struct Bent(Box<dyn VolumeSource>, u64);

impl VolumeSource for Bent {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read_at(at, buffer)?;
        let byte = self.1.checked_sub(at).and_then(|byte| buffer.get_mut(byte as usize));
        byte.into_iter().for_each(|byte| *byte ^= 1);
        Ok(())
    }
}

impl Device for Small {
    fn describe(&self) -> String {
        "the drive".to_owned()
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.0.list()
    }

    fn open(&self, name: &str) -> Result<Box<dyn VolumeSource>, DeviceError> {
        let source = self.0.open(name)?;
        Ok(match self.1 {
            Some(byte) => Box::new(Bent(source, byte)),
            None => source,
        })
    }

    fn create(&self, name: &str) -> Result<Box<dyn VolumeSink>, DeviceError> {
        if self.list()?.len() >= 2 {
            let kind = DeviceErrorKind::Full;
            return Err(DeviceError { op: "write to", place: name.into(), kind });
        }
        self.0.create(name)
    }
}

/// Changes the medium each time; how many there were.
struct Changes(Mutex<usize>, Option<(usize, u64)>);

impl Changes {
    fn medium(&self) -> Arc<dyn Device> {
        let mut number = self.0.lock().unwrap();
        *number += 1;
        let bent = self.1.filter(|(of, _)| of == &*number).map(|(_, byte)| byte);
        Arc::new(Small(MemoryDevice::new(), bent))
    }
}

impl Supplier for Changes {
    fn next(
        &self,
        _volume: &NewVolume<'_>,
        _reason: &str,
        leave: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Choice, DeviceError> {
        leave()?;
        Ok(Choice::Changed)
    }

    fn again(&self, _volume: &NewVolume<'_>) -> Result<Arc<dyn Device>, DeviceError> {
        Ok(self.medium())
    }
}

fn options() -> Options {
    Options { volume_size: Some(64 << 10), ..backup_options(1) }
}

/// Bytes that a medium lost are met before it is gone, and the backup ends there.
#[test]
fn a_backup_does_not_leave_a_medium_that_cannot_be_read_back() {
    let centre = large();
    let run = |bent: Option<(usize, u64)>| {
        let (changes, changed) = (Changes(Mutex::new(0), bent), ChangedMedia::new(options().set, &Silent));
        let device = MediaDevice::new(changes.medium(), &changes).leaving(&changed);
        let (store, catalogue) = (centre.store(), Catalogue::builtin());
        let done = Backup::new(&store, &catalogue, &device, options()).read_back_by(&changed).run();
        let media = *changes.0.lock().unwrap();
        (done, media)
    };
    let (done, media) = run(None);
    assert!(done.unwrap().verified && media > 2, "{media} media");
    for number in 1..=media {
        let (done, reached) = run(Some((number, 30_000)));
        let error = done.unwrap_err();
        assert_eq!(error.class(), Class::Damage, "medium {number}: {error}");
        assert!(error.to_string().contains("reading back found: "), "{error}");
        assert_eq!(reached, number, "nothing is written behind a medium that cannot be read back");
    }
}

/// The volumes of a device, proved in one pass each, the last one first.
fn in_turn(device: &MemoryDevice) -> SetProved {
    let mut proof = SetProof::default();
    for name in device.list().unwrap().iter().rev() {
        // A volume without a sound label is none for one pass.
        if let Ok(volume) = Volume::open(device.open(name).unwrap(), name) {
            proof.volume(volume.blocks(), 2, &Silent);
        }
    }
    proof.finish()
}

#[test]
fn one_pass_over_each_volume_proves_what_a_check_proves() {
    let (centre, device) = (large(), MemoryDevice::new());
    Backup::new(&centre.store(), &Catalogue::builtin(), &device, options()).run().unwrap();
    let set = list_sets(&device).unwrap().sets.remove(0);
    let (whole, proved) = (verify_set(&set, 2, &Silent), in_turn(&device));
    let counts =
        |of: &intervault::verify::set::Verified| (of.sections, of.chunks, of.rows, of.buckets, of.bytes(), of.blocks());
    assert_eq!((counts(&whole), whole.volumes.clone()), (counts(&proved.verified), proved.verified.volumes.clone()));
    assert_eq!((proved.last, proved.verified.findings), (Some(set.volumes().len() as u32), Vec::new()));
    assert_eq!(proved.tables, [("hsplit".to_owned(), 40_001)]);
    drop(set);
    let mut costly = 0;
    for name in device.list().unwrap() {
        let sound = device.bytes(&name).unwrap();
        for at in (1_000..sound.len()).step_by(4_999) {
            let mut bent = sound.clone();
            bent[at] ^= 0x10;
            device.insert(&name, bent);
            let found = in_turn(&device).verified;
            assert_eq!(found.worst(), Some(Level::Damage), "byte {at} of {name}");
            costly += usize::from(
                found.findings.iter().any(|finding| finding.costs.iter().any(|cost| cost.table == "hsplit")),
            );
        }
        device.insert(&name, sound);
    }
    assert!(costly > 10, "what damage costs is said: {costly}");
}

#[test]
fn volumes_of_two_sets_of_one_label_do_not_follow_each_other() {
    let centre = large();
    let devices: Vec<MemoryDevice> = (0..2)
        .map(|_| {
            let device = MemoryDevice::new();
            Backup::new(&centre.store(), &Catalogue::builtin(), &device, options()).run().unwrap();
            centre.run("UPDATE hsplit SET acdcalls = acdcalls + 1 WHERE row_date < '2024-01-20'");
            device
        })
        .collect();
    let name = devices[0].list().unwrap().remove(1);
    devices[0].insert(&name, devices[1].bytes(&name).unwrap());
    let found = in_turn(&devices[0]).verified.findings;
    assert!(found.iter().any(|finding| finding.what.contains("end of the volume before it")), "{found:?}");
}
