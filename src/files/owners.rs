//! Names of users and groups, as the files of the system give them. Name services beyond those files are not asked: such
//! owners keep their number only.

use std::collections::HashMap;
use std::path::Path;

/// Users and groups of a system, by number and by name.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    users: Names,
    groups: Names,
}

#[derive(Debug, Clone, Default)]
struct Names {
    by_number: HashMap<u32, Vec<u8>>,
    by_name: HashMap<Vec<u8>, u32>,
}

impl Owners {
    /// Those of this system. What cannot be read gives no names.
    #[must_use]
    pub fn of_this_system() -> Owners {
        let read = |path: &str| std::fs::read(Path::new(path)).unwrap_or_default();
        Owners::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// From the text of a passwd and a group file.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Owners {
        Owners { users: Names::parse(passwd), groups: Names::parse(group) }
    }

    /// Name of a user; empty if not known.
    #[must_use]
    pub fn user(&self, number: u32) -> &[u8] {
        self.users.by_number.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Name of a group; empty if not known.
    #[must_use]
    pub fn group(&self, number: u32) -> &[u8] {
        self.groups.by_number.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The user of this name here; without one the number that was given.
    #[must_use]
    pub fn user_here(&self, name: &[u8], number: u32) -> u32 {
        self.users.by_name.get(name).copied().unwrap_or(number)
    }

    /// The group of this name here; without one the number that was given.
    #[must_use]
    pub fn group_here(&self, name: &[u8], number: u32) -> u32 {
        self.groups.by_name.get(name).copied().unwrap_or(number)
    }
}

impl Names {
    /// Lines of `name:password:number:`; the first of several with one number or name counts.
    fn parse(text: &[u8]) -> Names {
        let mut names = Names::default();
        for line in text.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            let (name, number) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u32>().ok());
            if let Some(number) = number.filter(|_| !name.is_empty()) {
                names.by_number.entry(number).or_insert_with(|| name.to_vec());
                names.by_name.entry(name.to_vec()).or_insert(number);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_both_ways() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n# comment\ncms:x:100:\ntoor:x:0:0:\nbad:x:many:\n:x:7:\n";
        let owners = Owners::parse(passwd, b"sys:x:3:\n");
        assert_eq!((owners.user(0), owners.user(100), owners.user(7)), (&b"root"[..], &b"cms"[..], &b""[..]));
        assert_eq!(
            (owners.user_here(b"toor", 5), owners.user_here(b"cms", 5), owners.user_here(b"nobody", 5)),
            (0, 100, 5)
        );
        assert_eq!((owners.group(3), owners.group_here(b"sys", 9), owners.group_here(b"", 9)), (&b"sys"[..], 3, 9));
    }
}
