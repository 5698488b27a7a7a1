//! Pages that link to each other in a circle.

use url::Url;

/// Sees that a link was followed before, by Brent's method: one link is kept, and replaced by the newest after 1, 2, 4, …
/// links. A circle is seen after some three times as many pages as it and the way to it have, whatever their number.
#[derive(Debug)]
pub(crate) struct Circle {
    kept: Url,
    since: u64,
    keep_for: u64,
}

impl Circle {
    /// Pages that begin at `first`.
    pub(crate) fn new(first: &Url) -> Self {
        Self {
            kept: first.clone(),
            since: 0,
            keep_for: 1,
        }
    }

    /// Whether the link closes a circle.
    pub(crate) fn closes(&mut self, link: &Url) -> bool {
        if self.kept == *link {
            return true;
        }
        self.since += 1;
        if self.since == self.keep_for {
            self.kept = link.clone();
            self.since = 0;
            self.keep_for = self.keep_for.saturating_mul(2);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_any_length_is_seen_soon_and_what_ends_is_none() {
        let page = |number: usize| Url::parse(&format!("https://h/?nextPage={number}")).unwrap();
        for (way, length) in [(0, 1), (0, 2), (1, 1), (3, 2), (7, 100), (100, 7)] {
            let mut circle = Circle::new(&page(0));
            let links = (1..).map(|number: usize| match number < way {
                true => page(number),
                false => page(way + (number - way) % length),
            });
            let seen = links.take(1_000).position(|link| circle.closes(&link));
            let seen = seen.unwrap_or_else(|| panic!("{way}, {length}: not seen"));
            assert!(seen <= 3 * (way + length), "{way}, {length}: {seen}");
        }
        let mut circle = Circle::new(&page(0));
        assert!((1..5_000).all(|number| !circle.closes(&page(number))));
    }
}
