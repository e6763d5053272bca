//! Floats as decimal text.

/// The shortest text that stands for the float. An exponent keeps it short far from zero and near to it.
pub(crate) fn shortest(value: impl std::fmt::Display + std::fmt::LowerExp, size: f64) -> String {
    if size == 0.0 || (1e-5..1e17).contains(&size) { format!("{value}") } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_short() {
        assert_eq!(shortest(0.1_f32, 0.1), "0.1");
        assert_eq!(shortest(0.1_f64 + 0.2, 0.3), "0.30000000000000004");
        assert_eq!(shortest(1.5e30, 1.5e30), "1.5e30");
        assert_eq!(shortest(-2.5e-9, 2.5e-9), "-2.5e-9");
    }
}
