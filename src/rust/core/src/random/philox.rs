//! Philox 4x32 with ten rounds, a counter-based generator: its output is a function of a counter
//! and a key, so that streams have no state and no order.
//!
//! Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The block of 128 random bits for a counter and a key; the first word of each pair is the low
/// half of a number.
#[inline]
pub(super) fn philox(counter: [u64; 2], key: u64) -> [u64; 2] {
    let [a, b] = counter.map(halves);
    let mut words = [a[0], a[1], b[0], b[1]];
    let mut key = halves(key);
    for _ in 0..ROUNDS {
        words = round(words, key);
        key = [
            key[0].wrapping_add(KEY_STEPS[0]),
            key[1].wrapping_add(KEY_STEPS[1]),
        ];
    }
    let whole = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [whole(words[0], words[1]), whole(words[2], words[3])]
}

#[inline]
fn round(words: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [low0, high0] = halves(u64::from(MULTIPLIERS[0]) * u64::from(words[0]));
    let [low1, high1] = halves(u64::from(MULTIPLIERS[1]) * u64::from(words[2]));
    [
        high1 ^ words[1] ^ key[0],
        low1,
        high0 ^ words[3] ^ key[1],
        low0,
    ]
}

#[inline]
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    // The known-answer tests that the authors publish with their library Random123.
    #[test]
    fn known_answers() {
        let words = |block: [u64; 2]| block.map(halves).concat();
        let whole = |low: u64, high: u64| low | high << 32;
        assert_eq!(
            words(philox([0, 0], 0)),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            words(philox([u64::MAX, u64::MAX], u64::MAX)),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        let counter = [
            whole(0x243f_6a88, 0x85a3_08d3),
            whole(0x1319_8a2e, 0x0370_7344),
        ];
        assert_eq!(
            words(philox(counter, whole(0xa409_3822, 0x299f_31d0))),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
