//! A chart of bars, in block characters.

use std::fmt::Write;

use crate::units;

/// Lines of the bars.
const HEIGHT: usize = 8;
/// A bar in eighths of a line.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Bars are not drawn wider than this.
const BAR_WIDTH_MAX: usize = 4;

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: u64,
}

/// Upright bars side by side, the scale at the left, the labels of the first and the last bar below. Where there are
/// more bars than room, neighbours are drawn as one.
pub(crate) fn chart(bars: &[Bar], width: usize) -> String {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return String::new();
    };
    let scale = bars
        .iter()
        .map(|bar| units::count(bar.value).len())
        .max()
        .unwrap_or_default()
        + 1;
    let room = width.saturating_sub(scale + 3).max(1);
    let neighbours = bars.len().div_ceil(room);
    let values: Vec<u64> = bars
        .chunks(neighbours)
        .map(|bars| bars.iter().map(|bar| bar.value).sum())
        .collect();
    let highest = values.iter().copied().max().unwrap_or_default().max(1);
    let bar_width = (room / values.len()).clamp(1, BAR_WIDTH_MAX);
    // A gap between bars where there is room for one.
    let gap = usize::from(bar_width > 1);

    let mut text = String::new();
    for line in (0..HEIGHT).rev() {
        let mark = match line {
            _ if line == HEIGHT - 1 => units::count(highest),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{mark:>scale$} │");
        for value in &values {
            let block = BLOCKS[eighths(*value, highest).saturating_sub(line * 8).min(8)];
            text.extend(std::iter::repeat_n(block, bar_width - gap));
            text.extend(std::iter::repeat_n(' ', gap));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    let drawn = values.len() * bar_width - gap;
    let _ = writeln!(text, "{:>scale$} └{}", "", "─".repeat(drawn));
    let between = drawn.saturating_sub(first.label.chars().count() + last.label.chars().count());
    if bars.len() == 1 || between == 0 {
        let _ = writeln!(text, "{:>scale$}  {}", "", first.label);
    } else {
        let _ = writeln!(
            text,
            "{:>scale$}  {}{}{}",
            "",
            first.label,
            " ".repeat(between),
            last.label
        );
    }
    text
}

/// The height of a bar in eighths of a line; what is not zero can be seen.
fn eighths(value: u64, highest: u64) -> usize {
    let share = value as f64 / highest as f64;
    let height = (share * (HEIGHT * 8) as f64).round() as usize;
    height.max(usize::from(value > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[u64]) -> Vec<Bar> {
        let bar = |(at, value): (usize, &u64)| Bar {
            label: format!("day {}", at + 1),
            value: *value,
        };
        values.iter().enumerate().map(bar).collect()
    }

    #[test]
    fn bars_rise_with_their_values() {
        let text = chart(&bars(&[8, 0, 1, 4]), 60);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 8 │███");
        assert_eq!(lines[3], "   │███");
        assert_eq!(lines[4], "   │███         ███");
        assert_eq!(lines[7], " 0 │███     ███ ███");
        assert_eq!(lines[8], "   └───────────────");
        assert_eq!(lines[9], "    day 1     day 4");
    }

    #[test]
    fn it_fits_and_never_divides_by_nothing() {
        assert_eq!(chart(&[], 60), "");
        for values in [
            vec![0],
            vec![0; 5],
            vec![1; 1_000],
            vec![u64::MAX / 1_000; 500],
        ] {
            for width in [20, 60, 200] {
                let text = chart(&bars(&values), width);
                let widest = text.lines().map(|line| line.chars().count()).max();
                // The scale may be wider than the room.
                assert!(
                    widest.is_some_and(|widest| widest <= width.max(40)),
                    "{width}: {text}"
                );
            }
        }
    }
}
