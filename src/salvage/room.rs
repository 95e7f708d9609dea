//! Memory for what is told of all sets: an account lasts until everything was looked through, so that what it lists is bounded
//! over all of them. What does not fit is counted.

/// Bytes of the names of tables, without which nothing can be told of a section.
const NAMES_BYTES_MAX: usize = 12 << 20;

/// Bytes of what is listed: ACDs, gaps, paths, contradictions.
const LISTS_BYTES_MAX: usize = 12 << 20;

/// The room that is left.
pub(super) struct Room {
    names: usize,
    lists: usize,
}

impl Room {
    pub(super) const fn new() -> Room {
        Room { names: NAMES_BYTES_MAX, lists: LISTS_BYTES_MAX }
    }

    /// Whether there is room for a name, which has it then.
    pub(super) const fn name(&mut self, name: &str) -> bool {
        take(&mut self.names, name.len())
    }

    /// Whether there is room for so many bytes of a list, which has it then.
    pub(super) const fn list(&mut self, bytes: usize) -> bool {
        take(&mut self.lists, bytes)
    }

    /// As many items from the front as there is room for, and at most `most`; how many are left out.
    pub(super) fn cut<T>(&mut self, items: &mut Vec<T>, most: usize, bytes: impl Fn(&T) -> usize) -> u64 {
        let fits = items.iter().take(most).take_while(|item| self.list(bytes(item))).count();
        let more = items.len().saturating_sub(fits) as u64;
        items.truncate(fits);
        items.shrink_to_fit();
        more
    }
}

const fn take(left: &mut usize, bytes: usize) -> bool {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_names_have_room_of_their_own() {
        let mut room = Room::new();
        let mut items = vec![0u8; 10];
        assert_eq!((room.cut(&mut items, 7, |_| LISTS_BYTES_MAX / 5), items.len()), (5, 5));
        assert_eq!((room.cut(&mut items, 2, |_| 0), items.len()), (3, 2));
        assert!(!room.list(LISTS_BYTES_MAX) && room.name("table"));
        assert!((0..NAMES_BYTES_MAX).any(|_| !room.name(&"x".repeat(1 << 10))));
    }
}
