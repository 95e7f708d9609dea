//! Numbers in words, few of them however many there are.

/// Runs of at least so many numbers are told by their ends.
const RUN: usize = 4;
/// Most runs that are told.
const RUNS: usize = 100;

/// Ascending numbers for people: `2, 3, 7 to 11`. After a hundred runs only that there are more.
#[must_use]
pub fn told(numbers: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for run in numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
        if parts.len() >= RUNS {
            parts.push("and more".to_owned());
            break;
        }
        match (run, run.len() < RUN) {
            ([first, .., last], false) => parts.push(format!("{first} to {last}")),
            (few, _) => parts.extend(few.iter().map(u32::to_string)),
        }
    }
    parts.join(", ")
}

/// Says that volumes of these numbers, `of` something, are not here.
#[must_use]
pub fn not_here(volumes: &[u32], of: &str) -> String {
    let (noun, verb) = if volumes.len() == 1 { ("volume", "is") } else { ("volumes", "are") };
    format!("{noun} {}{of} {verb} not here", told(volumes))
}

#[cfg(test)]
mod tests {
    use super::{not_here, told};

    #[test]
    fn one_volume_is_and_several_are_not_here() {
        assert_eq!(not_here(&[2], ""), "volume 2 is not here");
        assert_eq!(not_here(&[1, 3], " of set x"), "volumes 1, 3 of set x are not here");
    }

    #[test]
    fn runs_are_told_by_their_ends() {
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[2, 3, 4, 7, 8, 9, 10, 12]), "2, 3, 4, 7 to 10, 12");
        assert_eq!(told(&(1..1_000_000).collect::<Vec<_>>()), "1 to 999999");
        assert_eq!(told(&[u32::MAX - 1, u32::MAX]), "4294967294, 4294967295");
        let odd: Vec<u32> = (0..1_000_000).map(|number| number * 2).collect();
        assert!(told(&odd).len() < 600 && told(&odd).ends_with(", and more"));
    }
}
