//! Running text in lines that fit.

use console::measure_text_width;

/// The words of a text in lines of at most `width` characters; a longer word has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut line_width = 0;
    for word in text.split_whitespace() {
        let word_width = measure_text_width(word);
        if line_width > 0 {
            let goes_on = line_width + 1 + word_width <= width;
            wrapped.push(if goes_on { ' ' } else { '\n' });
            line_width = if goes_on { line_width + 1 } else { 0 };
        }
        wrapped.push_str(word);
        line_width += word_width;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn words_stay_whole() {
        assert_eq!(wrap("one two  three", 8), "one two\nthree");
        assert_eq!(
            wrap("incomprehensibilities are long", 9),
            "incomprehensibilities\nare long"
        );
        assert_eq!(wrap("", 9), "");
    }
}
