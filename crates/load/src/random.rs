//! Seeded randomness: the same seed gives the same load.

/// Steele, Lea and Flood's `SplitMix64`: small, fast, and good enough to shuffle and to draw arrivals from.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly from 0, included, to 1, excluded.
    pub(crate) fn unit(&mut self) -> f64 {
        crate::number::float(self.next() >> 11) / crate::number::float(1 << 53)
    }

    /// Evenly from 0 to `bound`, excluded; `bound` is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next()) * u128::from(crate::number::count(bound));
        crate::number::index(u64::try_from(wide >> 64).unwrap_or(0))
    }
}

/// Spreads the bits of a number; different numbers stay different.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// `chosen` of `total` places, each as likely as any other.
pub(crate) fn choose(chosen: usize, total: usize, seed: u64) -> Vec<bool> {
    let mut random = Random::new(seed);
    let mut places: Vec<bool> = (0..total).map(|place| place < chosen).collect();
    if chosen == 0 || chosen >= total {
        // All are alike; a million would take some 10 ms in each process.
        return places;
    }
    for place in (1..total).rev() {
        places.swap(place, random.below(place + 1));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_number_is_chosen_and_the_seed_decides_which() {
        let places = choose(100, 10_000, 7);
        assert_eq!(places.iter().filter(|chosen| **chosen).count(), 100);
        assert_eq!(places, choose(100, 10_000, 7));
        assert_ne!(places, choose(100, 10_000, 8));
        assert!(choose(3, 3, 1).iter().all(|chosen| *chosen));
    }

    #[test]
    fn the_chosen_are_spread_over_all() {
        let places = choose(1_000, 10_000, 1);
        for quarter in places.chunks(2_500) {
            let chosen = quarter.iter().filter(|chosen| **chosen).count();
            assert!((200..300).contains(&chosen), "{chosen} of 2500");
        }
    }
}
