//! Whether all connections got their share.

use super::float;

/// Jain's fairness index of the answers that each connection got: 1 when all got the same, 1/n when one got everything.
///
/// `None` where nobody got anything, since nothing was shared.
#[must_use]
pub fn jain(counts: impl IntoIterator<Item = u64>) -> Option<f64> {
    let (mut connections, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for count in counts.into_iter().map(float) {
        connections += 1.0;
        sum += count;
        squares += count * count;
    }
    (squares > 0.0).then(|| sum * sum / (connections * squares))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::jain;

    #[test]
    fn equal_shares_are_perfectly_fair() {
        assert_eq!(jain([7, 7, 7, 7]), Some(1.0));
    }

    #[test]
    fn one_of_four_served_is_a_quarter_fair() {
        assert_eq!(jain([9, 0, 0, 0]), Some(0.25));
    }

    #[test]
    fn nothing_shared_has_no_index() {
        assert_eq!(jain([]), None);
        assert_eq!(jain([0, 0]), None);
    }

    proptest! {
        #[test]
        fn the_index_lies_between_one_over_n_and_one(counts in prop::collection::vec(any::<u64>(), 1..100)) {
            if let Some(index) = jain(counts.iter().copied()) {
                let least = 1.0 / super::float(u64::try_from(counts.len()).unwrap());
                prop_assert!(index >= least - 1e-9 && index <= 1.0 + 1e-9, "{index}");
            }
        }
    }
}
