//! Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): 128 random bits from a counter of
//! 128 and a key of 64, by ten rounds of two products of 32 bits. There is no state, so any number can be had on its own.

/// Multipliers and the steps of the key, as in the paper.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: u32 = 10;
/// Counters that are encrypted side by side.
const LANES: usize = 8;
/// Words of one call of [`Philox::group`].
pub(super) const GROUP: usize = 4 * LANES;

/// What numbers are drawn for: each purpose has counters of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    /// What a cell is: cluster, batch, whether it repeats another one.
    Kind = 0,
    /// Where it lies.
    Place = 1,
    /// What all cells share.
    Atlas = 2,
}

/// A generator with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Philox {
    key: [u32; 2],
}

impl Philox {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// Four words: number `block` of those that belong to `number` in a stream.
    pub(super) fn block(self, stream: Stream, number: u64, block: u32) -> [u32; 4] {
        self.encrypt([[number as u32], [(number >> 32) as u32], [block], [stream as u32]]).map(|[word]| word)
    }

    /// The words of eight blocks from `8 · group` on. Their order is of its own: word 0 of all eight, then word 1, and so on.
    pub(super) fn group(self, stream: Stream, number: u64, group: u32, out: &mut [u32; GROUP]) {
        let blocks = std::array::from_fn(|lane| group * LANES as u32 + lane as u32);
        let counter = [[number as u32; LANES], [(number >> 32) as u32; LANES], blocks, [stream as u32; LANES]];
        for (words, found) in out.chunks_exact_mut(LANES).zip(self.encrypt(counter)) {
            words.copy_from_slice(&found);
        }
    }

    fn encrypt<const N: usize>(self, counter: [[u32; N]; 4]) -> [[u32; N]; 4] {
        let [mut c0, mut c1, mut c2, mut c3] = counter;
        let [mut k0, mut k1] = self.key;
        for _ in 0..ROUNDS {
            for lane in 0..N {
                let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0[lane]);
                let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2[lane]);
                c0[lane] = (p1 >> 32) as u32 ^ c1[lane] ^ k0;
                c1[lane] = p1 as u32;
                c2[lane] = (p0 >> 32) as u32 ^ c3[lane] ^ k1;
                c3[lane] = p0 as u32;
            }
            k0 = k0.wrapping_add(KEY_STEPS[0]);
            k1 = k1.wrapping_add(KEY_STEPS[1]);
        }
        [c0, c1, c2, c3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Random123, the authors' own code (`kat_vectors`).
    #[test]
    fn answers_are_those_of_its_authors() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(Philox { key }.encrypt(counter.map(|word| [word])).map(|[word]| word), answer);
        }
    }

    #[test]
    fn a_group_is_eight_blocks() {
        let philox = Philox::new(0x1234_5678_9abc_def0);
        let mut words = [0; GROUP];
        philox.group(Stream::Place, 1 << 40, 3, &mut words);
        for lane in 0..LANES {
            let block = philox.block(Stream::Place, 1 << 40, (3 * LANES + lane) as u32);
            assert_eq!(block, std::array::from_fn(|word| words[word * LANES + lane]));
        }
    }
}
