//! Deterministic random numbers and mutations of byte strings: the same seed gives the same bytes on every machine.

/// A small generator (SplitMix64): not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator; equal seeds give equal sequences.
    #[must_use]
    pub const fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }
}

/// Values that parsers stumble over, as little-endian bytes.
const EDGES: [u64; 10] = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 32, i64::MAX as u64, u64::MAX];

/// Changes some bytes: flips a bit, sets a byte, writes an edge value of 1 to 8 bytes, cuts, grows, repeats a part.
pub fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (rng.next() & 7)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.next() as u8),
            2 => {
                let edge = EDGES.get(rng.below(EDGES.len())).copied().unwrap_or_default().to_le_bytes();
                let width = 1usize << rng.below(4);
                bytes.iter_mut().skip(at).zip(edge.iter().take(width)).for_each(|(byte, new)| *byte = *new);
            }
            3 => bytes.truncate(at),
            4 => {
                let more = rng.below(16);
                bytes.extend((0..more).map(|_| rng.next() as u8));
            }
            _ => {
                let part: Vec<u8> = bytes.iter().skip(at).take(rng.below(24)).copied().collect();
                bytes.extend(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_mutations_and_others_do_not() {
        let run = |seed| {
            let (mut rng, mut bytes) = (Rng::new(seed), vec![7; 40]);
            (0..50).for_each(|_| mutate(&mut bytes, &mut rng));
            bytes
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
