//! Sine and cosine in fixed-point arithmetic. Floating-point results may differ between machines in the last digit.

/// The fixed-point value of 1.
pub(super) const ONE: i32 = 4096;

/// Returns the sine of an angle in degrees, in units of 1/[`ONE`], with an absolute error below 0.002.
///
/// Uses the approximation of Bhāskara I (7th century): sin x° ≈ 4x(180 − x) / (40500 − x(180 − x)).
pub(super) fn sine(degrees: i32) -> i32 {
    let degrees = degrees.rem_euclid(360);
    if degrees >= 180 {
        return -sine(degrees - 180);
    }
    let product = degrees * (180 - degrees);
    4 * product * ONE / (40_500 - product)
}

/// Returns the cosine of an angle in degrees, in units of 1/[`ONE`].
pub(super) fn cosine(degrees: i32) -> i32 {
    sine(degrees + 90)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_the_sine_is_below_0_002() {
        for degrees in -360..=720 {
            let real = f64::from(degrees).to_radians().sin() * f64::from(ONE);
            assert!((f64::from(sine(degrees)) - real).abs() <= 0.002 * f64::from(ONE), "{degrees}°");
        }
    }

    #[test]
    fn the_cosine_of_right_angles_is_exact() {
        assert_eq!((cosine(0), cosine(90), cosine(180), cosine(270)), (ONE, 0, -ONE, 0));
    }
}
