//! The only source of randomness of the kit: seeded, portable, the same on every machine.

/// One step of SplitMix64, which turns any seed into well-mixed bits
/// (<https://prng.di.unimi.it/splitmix64.c>).
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// xoshiro256++ seeded through SplitMix64 (<https://prng.di.unimi.it/xoshiro256plusplus.c>):
/// fast and with no dependency. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seed = seed;
        Self {
            state: [(); 4].map(|()| split_mix(&mut seed)),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, which is above zero (Lemire's multiplication; its bias of
    /// `bound / 2^64` doesn't matter here).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `parts` of `whole` cases.
    pub(crate) fn chance(&mut self, parts: u64, whole: u64) -> bool {
        self.below(whole) < parts
    }

    /// A small count: `low` in half of the cases, one more in half of the rest, up to `high`.
    pub(crate) fn few(&mut self, low: u64, high: u64) -> u64 {
        (low + u64::from(self.next().trailing_zeros())).min(high)
    }

    /// One of `items`, each as likely as the others; `items` is not empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// A choice by integer weights in constant time: a table of slots, filled in proportion.
#[derive(Debug, Clone)]
pub(crate) struct Weighted {
    slots: Vec<u16>,
}

impl Weighted {
    /// Item `i` comes up in about `weights[i]` of the sum of the weights; at least in one slot, so
    /// that the rare ones come up at all (a weight of zero never does).
    pub(crate) fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let weights: Vec<u64> = weights.into_iter().collect();
        let total: u64 = weights.iter().sum::<u64>().max(1);
        let size = (weights.len() as u64 * 8).clamp(4096, 65_536);
        let mut slots = Vec::new();
        for (item, weight) in weights.iter().enumerate() {
            let share = (weight * size / total).max(u64::from(*weight > 0));
            slots.extend(std::iter::repeat_n(item as u16, share as usize));
        }
        Self { slots }
    }

    /// Item 0 most often, item `k` about `1 / (k + 4)` as often as it: few are busy, most are not
    /// (Zipf's law with the head flattened).
    pub(crate) fn skewed(items: usize) -> Self {
        Self::new((0..items as u64).map(|rank| 1_000_000 / (rank + 4)))
    }

    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        usize::from(*random.pick(&self.slots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // First outputs of the reference C code for state 1, 2, 3, 4.
        let mut random = Random {
            state: [1, 2, 3, 4],
        };
        assert_eq!([random.next(), random.next()], [41_943_041, 58_720_359]);
        // First output of splitmix64.c for state 0.
        assert_eq!(split_mix(&mut 0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn weights_are_kept_roughly_and_zero_never_comes_up() {
        let weighted = Weighted::new([3, 0, 1]);
        let mut random = Random::new(7);
        let mut seen = [0; 3];
        for _ in 0..10_000 {
            seen[weighted.pick(&mut random)] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((2_200..2_800).contains(&seen[2]), "{seen:?}");
    }
}
