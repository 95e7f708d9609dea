//! How a command ends: every exit status, and which one is given where several apply.

use crate::device::error::DeviceErrorKind;
use crate::error::Class;
use crate::store::error::StoreErrorKind;

/// The exit status of a command. Any status that is not listed here means failure too.
///
/// Where several apply, the first in [`Exit::PRECEDENCE`] is given: what threatens data comes before what only stops work.
///
/// ```
/// use intervault::cli::exit::Exit;
/// assert_eq!(Exit::Warnings.worst(Exit::Damage), Exit::Damage);
/// assert_eq!(Exit::Damage.code(), 4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exit {
    /// 0: done. For a backup: written, synced, read back, digests equal.
    #[default]
    Done,
    /// 1: failed, for a reason that has no status of its own.
    Failed,
    /// 2: the command line is wrong; nothing was begun.
    Usage,
    /// 3: done, but something was left out or should be looked at; the warnings say what.
    Warnings,
    /// 4: damage or a difference was found, on the volumes or in the database.
    Damage,
    /// 5: a volume is wrong or missing, or a further one is wanted.
    Volume,
    /// 6: the database or the device is in use by another process.
    Busy,
    /// 7: not permitted.
    NotPermitted,
    /// 8: the device, the database or its disk is full.
    Full,
    /// 9: cannot be restored as asked: the plan was refused, or the target does not fit the volumes.
    NotRestorable,
    /// 10: there is nothing there: no such database, device, set or table.
    Nothing,
}

impl Exit {
    /// All of them, by code.
    pub const ALL: [Exit; 11] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Warnings,
        Exit::Damage,
        Exit::Volume,
        Exit::Busy,
        Exit::NotPermitted,
        Exit::Full,
        Exit::NotRestorable,
        Exit::Nothing,
    ];

    /// Which one is given where several apply: the first of these. A wrong command line comes before all of them, since
    /// nothing else can happen then.
    pub const PRECEDENCE: [Exit; 11] = [
        Exit::Usage,
        Exit::Damage,
        Exit::Full,
        Exit::NotPermitted,
        Exit::Volume,
        Exit::Busy,
        Exit::NotRestorable,
        Exit::Nothing,
        Exit::Failed,
        Exit::Warnings,
        Exit::Done,
    ];

    /// What it says of a volume that it could not be read, for a reason of this kind. What a device fails to give, and says no
    /// more of, is as good as damaged.
    #[must_use]
    pub fn of_unread(class: Class) -> Exit {
        match Exit::from(class) {
            Exit::Failed => Exit::Damage,
            // It was there when the others were listed.
            Exit::Nothing => Exit::Volume,
            exit => exit,
        }
    }

    /// The number that the process ends with, 0 to 10.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Warnings => 3,
            Exit::Damage => 4,
            Exit::Volume => 5,
            Exit::Busy => 6,
            Exit::NotPermitted => 7,
            Exit::Full => 8,
            Exit::NotRestorable => 9,
            Exit::Nothing => 10,
        }
    }

    /// The word for it in `--json` output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::Warnings => "warnings",
            Exit::Damage => "damage",
            Exit::Volume => "volume",
            Exit::Busy => "busy",
            Exit::NotPermitted => "not-permitted",
            Exit::Full => "full",
            Exit::NotRestorable => "not-restorable",
            Exit::Nothing => "nothing",
        }
    }

    /// What it means, for help pages.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "the command line is wrong",
            Exit::Warnings => "done, with warnings",
            Exit::Damage => "damage or a difference was found",
            Exit::Volume => "a volume is wrong or missing, or a further one is wanted",
            Exit::Busy => "somebody else is using it",
            Exit::NotPermitted => "not permitted",
            Exit::Full => "the device or the database is full",
            Exit::NotRestorable => "cannot be restored as asked",
            Exit::Nothing => "there is nothing there",
        }
    }

    /// The one of the two that comes first in [`Exit::PRECEDENCE`].
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        Exit::PRECEDENCE.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit.code())
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Exit {
        match class {
            Class::Damage => Exit::Damage,
            Class::Full => Exit::Full,
            Class::NotPermitted => Exit::NotPermitted,
            Class::Volume => Exit::Volume,
            Class::Busy => Exit::Busy,
            Class::NotRestorable => Exit::NotRestorable,
            Class::Nothing => Exit::Nothing,
            Class::Usage => Exit::Usage,
            Class::Failed => Exit::Failed,
        }
    }
}

impl From<&DeviceErrorKind> for Exit {
    fn from(kind: &DeviceErrorKind) -> Exit {
        match kind {
            DeviceErrorKind::Full => Exit::Full,
            DeviceErrorKind::NotFound | DeviceErrorKind::NoDrive => Exit::Nothing,
            DeviceErrorKind::NotPermitted | DeviceErrorKind::WriteProtected => Exit::NotPermitted,
            DeviceErrorKind::Wanted { .. } | DeviceErrorKind::WrongMedium(_) | DeviceErrorKind::NoVolume(_) => {
                Exit::Volume
            }
            DeviceErrorKind::Busy(_) => Exit::Busy,
            DeviceErrorKind::Short { .. } => Exit::Damage,
            DeviceErrorKind::Exists
            | DeviceErrorKind::TooLong { .. }
            | DeviceErrorKind::Beyond { .. }
            | DeviceErrorKind::NoReader
            | DeviceErrorKind::Io(_) => Exit::Failed,
        }
    }
}

impl From<&StoreErrorKind> for Exit {
    fn from(kind: &StoreErrorKind) -> Exit {
        match kind {
            StoreErrorKind::NotFound
            | StoreErrorKind::NoSchema(_)
            | StoreErrorKind::NoTable(_)
            | StoreErrorKind::Unreachable(_) => Exit::Nothing,
            StoreErrorKind::Busy
            | StoreErrorKind::Rewritten
            | StoreErrorKind::Crowded(_)
            | StoreErrorKind::Deadlock(_)
            | StoreErrorKind::InUse(_) => Exit::Busy,
            StoreErrorKind::NotPermitted(_) => Exit::NotPermitted,
            StoreErrorKind::Full => Exit::Full,
            StoreErrorKind::Damaged(_) => Exit::Damage,
            StoreErrorKind::Refused(_) | StoreErrorKind::Unsupported(_) => Exit::NotRestorable,
            StoreErrorKind::NotADatabase(_)
            | StoreErrorKind::Lost(_)
            | StoreErrorKind::Stopped
            | StoreErrorKind::Other { .. } => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_4_8_7_5_6_9_10_1_3() {
        let codes = Exit::PRECEDENCE.map(Exit::code);
        assert_eq!(codes, [2, 4, 8, 7, 5, 6, 9, 10, 1, 3, 0]);
        for (rank, first) in Exit::PRECEDENCE.into_iter().enumerate() {
            for second in Exit::PRECEDENCE.into_iter().skip(rank) {
                assert_eq!((first.worst(second), second.worst(first)), (first, first));
            }
        }
    }

    #[test]
    fn what_may_not_be_read_or_is_not_there_is_no_damage() {
        let told =
            [Class::NotPermitted, Class::Volume, Class::Nothing, Class::Damage, Class::Failed].map(Exit::of_unread);
        assert_eq!(told, [Exit::NotPermitted, Exit::Volume, Exit::Volume, Exit::Damage, Exit::Damage]);
    }

    #[test]
    fn codes_names_and_the_table_in_the_readme_agree() {
        let readme = include_str!("../../README.md");
        for (code, exit) in (0..).zip(Exit::ALL) {
            assert_eq!(exit.code(), code);
            let line = format!("| {code} | {} |", exit.meaning());
            assert!(readme.contains(&line), "README lacks: {line}");
        }
    }
}
