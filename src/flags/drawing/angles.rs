//! Sines without floating point, whose last digits differ between machines.

/// What [`sine`] and [`cosine`] call one.
pub(super) const ONE: i32 = 4096;

/// The sine of an angle in degrees, in units of 1/[`ONE`], off by less than 0.2 % of it.
///
/// The approximation is that of Bhāskara I (7th century):
/// sin x° ≈ 4x(180 − x) / (40500 − x(180 − x)).
pub(super) fn sine(degrees: i32) -> i32 {
    let degrees = degrees.rem_euclid(360);
    if degrees >= 180 {
        return -sine(degrees - 180);
    }
    let product = degrees * (180 - degrees);
    4 * product * ONE / (40_500 - product)
}

/// The cosine of an angle in degrees, like [`sine`].
pub(super) fn cosine(degrees: i32) -> i32 {
    sine(degrees + 90)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_near_the_real_one() {
        for degrees in -360..=720 {
            let real = f64::from(degrees).to_radians().sin() * f64::from(ONE);
            assert!((f64::from(sine(degrees)) - real).abs() <= 0.002 * f64::from(ONE), "{degrees}°");
        }
    }

    #[test]
    fn the_cosine_is_the_sine_a_quarter_turn_ahead() {
        assert_eq!((cosine(0), cosine(90), cosine(180), cosine(270)), (ONE, 0, -ONE, 0));
    }
}
