//! Comparing what somebody sent with what only they should know.

/// Whether two texts are equal, in a time that tells nothing but their lengths.
pub(crate) fn is_same(left: &[u8], right: &[u8]) -> bool {
    let mut difference = u8::from(left.len() != right.len());
    for (left, right) in left.iter().zip(right) {
        // Or else the compiler may stop at the first difference.
        difference = std::hint::black_box(difference | (left ^ right));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_or_not() {
        for (left, right, expected) in [
            ("", "", true),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("abc", "bbc", false),
            ("abc", "ab", false),
            ("", "a", false),
        ] {
            assert_eq!(is_same(left.as_bytes(), right.as_bytes()), expected);
        }
    }
}
