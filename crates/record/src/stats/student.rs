//! Student's t: how far chance carries a mean whose spread is estimated from the same few values.

use super::float;

/// The t that |T| stays below with that coverage, T having `freedom` degrees of freedom.
pub(crate) fn quantile(coverage: f64, freedom: u64) -> f64 {
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    // Each round halves the bracket: 60 leave less than a float can tell apart.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if chance_within(middle, freedom) < coverage { low = middle } else { high = middle }
    }
    float(freedom).sqrt() * low.tan()
}

/// P(|T| >= |t|): how often chance alone carries as far as `t`.
pub(crate) fn two_sided(t: f64, freedom: u64) -> f64 {
    let angle = (t.abs() / float(freedom).sqrt()).atan();
    (1.0 - chance_within(angle, freedom)).clamp(0.0, 1.0)
}

/// P(T < t).
pub(crate) fn below(t: f64, freedom: u64) -> f64 {
    let beyond = two_sided(t, freedom) / 2.0;
    if t > 0.0 { 1.0 - beyond } else { beyond }
}

/// P(|T| < sqrt(freedom) tan(angle)): the finite sums of Abramowitz and Stegun, 26.7.3 for odd, 26.7.4 for even degrees.
fn chance_within(angle: f64, freedom: u64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let odd = !freedom.is_multiple_of(2);
    let (mut term, mut factor) = if odd { (cos, 2.0) } else { (1.0, 1.0) };
    let mut sum = 0.0;
    for _ in 0..freedom / 2 {
        sum += term;
        term *= factor / (factor + 1.0) * cos * cos;
        factor += 2.0;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sin * sum) } else { sin * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (degrees of freedom, t) of the printed tables, at 95 %.
    const TABLE: [(u64, f64); 6] = [
        (1, 12.706_205),
        (2, 4.302_653),
        (3, 3.182_446),
        (5, 2.570_582),
        (10, 2.228_139),
        (30, 2.042_272),
    ];

    #[test]
    fn t_is_the_one_of_the_printed_tables() {
        for (freedom, t) in TABLE {
            let found = quantile(0.95, freedom);
            assert!((found - t).abs() <= 1e-6 * t, "{freedom}: {found}");
        }
    }

    #[test]
    fn the_chance_of_going_as_far_is_what_the_quantile_leaves() {
        for (freedom, t) in TABLE {
            assert!((two_sided(t, freedom) - 0.05).abs() < 1e-6, "{freedom}");
            assert!((two_sided(-t, freedom) - 0.05).abs() < 1e-6, "{freedom}");
        }
        assert!(
            (below(3.182_446, 3) - 0.975).abs() < 1e-6
                && (below(-3.182_446, 3) - 0.025).abs() < 1e-6
        );
        assert!((two_sided(0.0, 3) - 1.0).abs() < 1e-12);
        assert!(two_sided(f64::INFINITY, 3) < 1e-12);
    }
}
