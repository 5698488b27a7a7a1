//! What is known of one content type's past: which stretches of time were listed, which are settled for good, and what
//! has to be listed next.
//!
//! Times are the server's, in microseconds since 1970, and are those at which content became available. A window is a
//! day (UTC), the longest that the feed lists at once. It is settled when it was listed to its end after late content
//! can no longer come and nothing in it is waiting, or when it can no longer be listed and is called partial or lost.
//! Pure: it is made from the ledger's rows and says which rows are to be added.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use audit_lake::{DAY_MICROS, micros};

const SECOND_MICROS: i64 = 1_000_000;
const HOUR_MICROS: i64 = 3_600 * SECOND_MICROS;

/// Microsoft lists content for seven days from when it became available.
const LISTED_FOR_MICROS: i64 = 7 * DAY_MICROS;
/// Less a margin: exactly seven days are refused (quirk T10).
const MARGIN_MICROS: i64 = 600 * SECOND_MICROS;
/// The part of the margin in which a window may still be listed that began at it: between what is called missed and the
/// listing of the rest, time goes on.
const SLACK_MICROS: i64 = 300 * SECOND_MICROS;
/// How far behind the end of the last listing the next one begins: content appears a little out of order.
const OVERLAP_MICROS: i64 = HOUR_MICROS;

/// When windows are listed again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// How long after its end a window may still get content.
    pub(crate) late: Duration,
    /// How often windows that may get late content are listed from their beginning.
    pub(crate) again: Duration,
}

/// Which windows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    /// Those in which there may be something new by now.
    Due,
    /// Also those that may get late content and were listed a short while ago.
    All,
}

/// How a stretch of time ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Everything in it is stored or accounted for.
    Complete,
    /// Listed, but not until late content could no longer come.
    Partial,
    /// Never listed.
    Lost,
}

/// A stretch of time that is over, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) window: Range<i64>,
    pub(crate) settled: Settled,
    /// When it was listed last; for what is partial.
    pub(crate) listed_at: Option<i64>,
}

/// One content type's past.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    /// Where it begins; nothing before it was ever wanted.
    begin: Option<i64>,
    /// Days that were listed or settled at least in part, by their number.
    days: BTreeMap<i64, Day>,
}

#[derive(Debug, Clone, Copy)]
struct Day {
    /// What is before this is settled or was never wanted.
    from: i64,
    /// From `from` to here it was listed without a hole.
    listed_to: i64,
    /// When it was listed last from `from` on.
    listed_at: Option<i64>,
}

impl Timeline {
    /// Takes in that a window was listed to its end at a time.
    pub(crate) fn listed(&mut self, window: Range<i64>, at: i64) {
        self.begins(window.start);
        self.each_day(&window, |day, part| {
            if part.start <= day.listed_to {
                day.listed_to = day.listed_to.max(part.end);
            }
            if part.start <= day.from {
                day.listed_at = day.listed_at.max(Some(at));
            }
        });
    }

    /// Takes in that a window is over.
    pub(crate) fn settled(&mut self, window: Range<i64>) {
        self.begins(window.start);
        self.each_day(&window, |day, part| {
            if part.start <= day.from {
                day.from = day.from.max(part.end);
                day.listed_to = day.listed_to.max(day.from);
            }
        });
    }

    /// What can no longer be listed and is not settled.
    pub(crate) fn missed(&self, now: i64, rules: Rules) -> Vec<Closing> {
        let limit = limit(now);
        let mut missed: Vec<Closing> = Vec::new();
        let mut miss = |window: Range<i64>, settled, listed_at| {
            if window.is_empty() {
                return;
            }
            match missed.last_mut() {
                Some(last)
                    if (last.settled, last.window.end) == (settled, window.start)
                        && last.listed_at == listed_at =>
                {
                    last.window.end = window.end;
                }
                _ => missed.push(Closing {
                    window,
                    settled,
                    listed_at,
                }),
            }
        };
        for (day, end) in self.open_days(now) {
            if !day.is_listed_for_good(end, rules) && day.from < limit - SLACK_MICROS {
                let gone = end.min(limit);
                let listed = day.listed_to.clamp(day.from, gone);
                miss(day.from..listed, Settled::Partial, day.listed_at);
                miss(listed..gone, Settled::Lost, None);
            }
        }
        missed
    }

    /// The windows to list now, the oldest first.
    pub(crate) fn due(&self, now: i64, rules: Rules, windows: Windows) -> Vec<Range<i64>> {
        let limit = limit(now);
        let mut due = Vec::new();
        for (day, end) in self.open_days(now) {
            let (from, to) = (day.from.max(limit - SLACK_MICROS), end.min(now));
            if from >= to || day.is_listed_for_good(end, rules) {
                continue;
            }
            let is_stale = day.listed_at.is_none_or(|at| {
                now >= at.saturating_add(micros(rules.again)) || now >= end + micros(rules.late)
            });
            if windows == Windows::All || is_stale {
                due.push(from..to);
            } else if day.listed_to < to {
                due.push(from.max(day.listed_to - OVERLAP_MICROS)..to);
            }
        }
        due
    }

    /// The windows that are complete and not called so yet. `waiting` tells whether content of a window is.
    pub(crate) fn completed(
        &self,
        now: i64,
        rules: Rules,
        waiting: impl Fn(&Range<i64>) -> bool,
    ) -> Vec<Closing> {
        let complete = self.open_days(now).filter_map(|(day, end)| {
            let window = day.from..end;
            let is_complete = day.is_listed_for_good(end, rules) && !waiting(&window);
            is_complete.then_some(Closing {
                window,
                settled: Settled::Complete,
                listed_at: day.listed_at,
            })
        });
        complete.collect()
    }

    /// Where the oldest open window begins: content before it is of no more interest.
    pub(crate) fn open_from(&self, now: i64) -> Option<i64> {
        self.open_days(now).map(|(day, _)| day.from).next()
    }

    /// Where it begins if nothing is known of it yet.
    pub(crate) fn begins_now(&self, now: i64) -> Option<i64> {
        self.begin.is_none().then(|| limit(now))
    }

    /// Forgets settled days; what is before the first open one stays settled.
    pub(crate) fn forget_settled(&mut self, now: i64) {
        if let Some(from) = self.open_from(now) {
            self.days.retain(|number, _| *number >= day_of(from));
            self.begin = self.begin.max(Some(from));
        }
    }

    fn begins(&mut self, at: i64) {
        self.begin = Some(self.begin.map_or(at, |begin| begin.min(at)));
    }

    fn each_day(&mut self, window: &Range<i64>, mut change: impl FnMut(&mut Day, Range<i64>)) {
        if window.is_empty() {
            return;
        }
        let begin = self.begin.unwrap_or(window.start);
        for number in day_of(window.start)..=day_of(window.end - 1) {
            let (start, end) = (number * DAY_MICROS, (number + 1) * DAY_MICROS);
            let day = self
                .days
                .entry(number)
                .or_insert(Day::new(start.max(begin)));
            change(day, window.start.max(start)..window.end.min(end));
        }
    }

    /// The days that are not settled, and their ends.
    fn open_days(&self, now: i64) -> impl Iterator<Item = (Day, i64)> + '_ {
        let begin = self.begin.unwrap_or(limit(now)).min(now);
        (day_of(begin)..=day_of(now)).filter_map(move |number| {
            let (start, end) = (number * DAY_MICROS, (number + 1) * DAY_MICROS);
            let day = self.days.get(&number).copied();
            let day = day.unwrap_or_else(|| Day::new(start.max(begin)));
            (day.from < end).then_some((day, end))
        })
    }
}

impl Day {
    fn new(from: i64) -> Self {
        Self {
            from,
            listed_to: from,
            listed_at: None,
        }
    }

    /// Whether it was listed to its end when late content could no longer come.
    fn is_listed_for_good(&self, end: i64, rules: Rules) -> bool {
        self.listed_to >= end
            && (self.listed_at).is_some_and(|at| at >= end.saturating_add(micros(rules.late)))
    }
}

/// The earliest time that can be listed.
fn limit(now: i64) -> i64 {
    now - LISTED_FOR_MICROS + MARGIN_MICROS
}

pub(crate) fn day_of(micros: i64) -> i64 {
    micros.div_euclid(DAY_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        late: Duration::from_secs(48 * 3600),
        again: Duration::from_secs(3600),
    };
    /// Noon of a day.
    const NOON: i64 = 20_000 * DAY_MICROS + 12 * HOUR_MICROS;

    fn listed_once(at: i64) -> Timeline {
        let mut timeline = Timeline::default();
        for window in timeline.clone().due(at, RULES, Windows::Due) {
            timeline.listed(window, at);
        }
        timeline
    }

    fn close(timeline: &mut Timeline, closings: &[Closing]) {
        for closing in closings {
            timeline.settled(closing.window.clone());
        }
    }

    #[test]
    fn the_first_listing_goes_back_seven_days_less_a_margin_in_windows_of_a_day() {
        let due = Timeline::default().due(NOON, RULES, Windows::Due);
        assert_eq!(due.len(), 8);
        assert_eq!(due[0].start, NOON - 7 * DAY_MICROS + MARGIN_MICROS);
        assert_eq!(due[7], 20_000 * DAY_MICROS..NOON);
        assert!(
            due.iter()
                .all(|window| window.end - window.start <= DAY_MICROS)
        );
        assert!(due.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(Timeline::default().missed(NOON, RULES).is_empty());
    }

    #[test]
    fn windows_are_listed_until_late_content_can_no_longer_come() {
        let timeline = listed_once(NOON);
        // At once: only what is new since.
        let due = timeline.due(NOON + 60 * SECOND_MICROS, RULES, Windows::Due);
        assert_eq!(
            (due.len(), &due[0]),
            (1, &(NOON - HOUR_MICROS..NOON + 60 * SECOND_MICROS))
        );
        // An hour later: today, and the days whose end is less than 48 hours ago, each from its beginning.
        let due = timeline.due(NOON + HOUR_MICROS, RULES, Windows::Due);
        let starts: Vec<i64> = due.iter().map(|window| day_of(window.start)).collect();
        assert_eq!(starts, [19_998, 19_999, 20_000]);
        assert!(due.iter().all(|window| window.start % DAY_MICROS == 0));
        assert_eq!(
            timeline
                .due(NOON + 60 * SECOND_MICROS, RULES, Windows::All)
                .len(),
            3
        );
    }

    #[test]
    fn a_window_is_complete_when_it_was_listed_late_and_nothing_waits() {
        let mut timeline = listed_once(NOON);
        let complete = timeline.completed(NOON, RULES, |window| {
            window.contains(&(NOON - 5 * DAY_MICROS))
        });
        let days: Vec<i64> =
            (complete.iter().map(|closing| day_of(closing.window.start))).collect();
        assert_eq!(days, [19_993, 19_994, 19_996, 19_997]);
        assert_eq!(
            complete[0].window.start,
            NOON - 7 * DAY_MICROS + MARGIN_MICROS
        );
        close(&mut timeline, &complete);
        assert_eq!(timeline.open_from(NOON), Some(19_995 * DAY_MICROS));
        let complete = timeline.completed(NOON, RULES, |_| false);
        assert_eq!(complete.len(), 1);
        close(&mut timeline, &complete);
        timeline.forget_settled(NOON);
        assert_eq!(timeline.open_from(NOON), Some(19_998 * DAY_MICROS));
        assert!(timeline.completed(NOON, RULES, |_| false).is_empty());
        // What waits keeps its window open, even when it can no longer be listed.
        let mut timeline = listed_once(NOON);
        timeline.settled(19_996 * DAY_MICROS..19_998 * DAY_MICROS);
        assert!(timeline.missed(NOON + DAY_MICROS, RULES).is_empty());
        assert_eq!(
            timeline
                .completed(NOON + DAY_MICROS, RULES, |_| false)
                .len(),
            3
        );
    }

    #[test]
    fn an_outage_of_nine_days_is_one_lost_window() {
        let mut timeline = listed_once(NOON);
        close(
            &mut timeline.clone(),
            &timeline.completed(NOON, RULES, |_| false),
        );
        let complete = timeline.completed(NOON, RULES, |_| false);
        close(&mut timeline, &complete);
        let now = NOON + 9 * DAY_MICROS;
        let missed = timeline.missed(now, RULES);
        let limit = now - 7 * DAY_MICROS + MARGIN_MICROS;
        let partial = |window| Closing {
            window,
            settled: Settled::Partial,
            listed_at: Some(NOON),
        };
        assert_eq!(
            missed,
            [
                partial(19_998 * DAY_MICROS..NOON),
                Closing {
                    window: NOON..limit,
                    settled: Settled::Lost,
                    listed_at: None
                }
            ]
        );
        close(&mut timeline, &missed);
        assert!(timeline.missed(now, RULES).is_empty());
        let due = timeline.due(now, RULES, Windows::Due);
        assert_eq!((due[0].start, due.len()), (limit, 8));
        // Time goes on before the rest is listed: it is listed from where the lost window ends.
        let now = now + 60 * SECOND_MICROS;
        assert!(timeline.missed(now, RULES).is_empty());
        let due = timeline.due(now, RULES, Windows::Due);
        assert_eq!(due[0].start, limit);
        for window in due {
            timeline.listed(window, now);
        }
        // Nothing more is lost once it was listed, and the day is complete.
        let later = now + 3_600 * SECOND_MICROS;
        assert!(timeline.missed(later, RULES).is_empty());
        let complete = timeline.completed(later, RULES, |_| false);
        assert_eq!(complete[0].window.start, limit);
    }

    #[test]
    fn a_hole_is_listed_again() {
        let mut timeline = Timeline::default();
        let day = 20_000 * DAY_MICROS;
        timeline.listed(day..day + 2 * HOUR_MICROS, day + 2 * HOUR_MICROS);
        // Not joined to what was listed before.
        timeline.listed(
            day + 5 * HOUR_MICROS..day + 6 * HOUR_MICROS,
            day + 6 * HOUR_MICROS,
        );
        let due = timeline.due(
            day + 2 * HOUR_MICROS + 60 * SECOND_MICROS,
            RULES,
            Windows::Due,
        );
        assert_eq!(
            (due.len(), &due[0]),
            (
                1,
                &(day + HOUR_MICROS..day + 2 * HOUR_MICROS + 60 * SECOND_MICROS)
            )
        );
        // The day that ended is listed to its end, though it was listed a minute before.
        let mut timeline = Timeline::default();
        timeline.listed(
            day..day + DAY_MICROS - SECOND_MICROS,
            day + DAY_MICROS - SECOND_MICROS,
        );
        let due = timeline.due(day + DAY_MICROS + SECOND_MICROS, RULES, Windows::Due);
        assert_eq!(
            due[0],
            day + DAY_MICROS - SECOND_MICROS - OVERLAP_MICROS..day + DAY_MICROS
        );
        assert_eq!(due[1], day + DAY_MICROS..day + DAY_MICROS + SECOND_MICROS);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter_for_where_it_begins() {
        let mut timeline = Timeline::default();
        timeline.settled(19_999 * DAY_MICROS..20_000 * DAY_MICROS);
        timeline.listed(19_998 * DAY_MICROS..19_999 * DAY_MICROS, NOON);
        assert_eq!(timeline.open_from(NOON), Some(19_998 * DAY_MICROS));
    }
}
