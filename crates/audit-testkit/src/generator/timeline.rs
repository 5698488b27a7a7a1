//! When things happen: office hours, quiet nights and weekends. In integers, so that every machine
//! computes the same.

const HOURS_PER_DAY: i64 = 24;
const SECONDS_PER_HOUR: u128 = 3600;
/// 1970-01-01 was a Thursday; days are counted from Monday.
const WEEKDAY_OF_EPOCH: i64 = 3;

/// Activity by hour of the day (UTC) of an organisation in Central Europe.
const ACTIVITY: [u64; 24] = [
    16, 16, 16, 16, 24, 60, 200, 560, 950, 1000, 960, 800, 620, 900, 940, 860, 700, 400, 220, 150,
    110, 80, 48, 24,
];
/// What a weekend has of a weekday's activity.
const WEEKEND_DIVISOR: u64 = 8;

/// Spreads a number of events over days.
#[derive(Debug)]
pub(super) struct Timeline {
    start_seconds: i64,
    events: u64,
    /// Activity before each hour, and in all at the end.
    before_hour: Vec<u64>,
}

impl Timeline {
    pub(super) fn new(start_seconds: i64, days: u32, events: u64) -> Self {
        let first_hour = start_seconds.div_euclid(3600);
        let mut before_hour = vec![0];
        let mut total = 0;
        for hour in first_hour..first_hour + i64::from(days) * HOURS_PER_DAY {
            let weekday = (hour.div_euclid(HOURS_PER_DAY) + WEEKDAY_OF_EPOCH).rem_euclid(7);
            let activity = ACTIVITY[hour.rem_euclid(HOURS_PER_DAY) as usize];
            total += if weekday < 5 {
                activity
            } else {
                activity / WEEKEND_DIVISOR
            };
            before_hour.push(total);
        }
        Self {
            start_seconds,
            events: events.max(1),
            before_hour,
        }
    }

    /// Time of event `index`, in seconds since 1970; later events are not earlier.
    pub(super) fn at(&self, index: u64) -> i64 {
        let total = self.before_hour.last().copied().unwrap_or_default();
        // In activity times seconds, so that nothing is rounded before the end.
        let position =
            u128::from(index) * u128::from(total) * SECONDS_PER_HOUR / u128::from(self.events);
        let next = self
            .before_hour
            .partition_point(|before| u128::from(*before) * SECONDS_PER_HOUR <= position);
        let hour = next.saturating_sub(1);
        let (Some(before), Some(after)) =
            (self.before_hour.get(hour), self.before_hour.get(hour + 1))
        else {
            return self.end();
        };
        let inside = (position - u128::from(*before) * SECONDS_PER_HOUR)
            / u128::from((after - before).max(1));
        self.start_seconds + hour as i64 * 3600 + inside as i64
    }

    /// The end of the last day.
    pub(super) fn end(&self) -> i64 {
        self.start_seconds + (self.before_hour.len() as i64 - 1) * 3600
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_their_order_and_meet_office_hours() {
        // Thursday 2026-10-01 to Wednesday.
        let timeline = Timeline::new(1_790_812_800, 7, 70_000);
        let times: Vec<i64> = (0..70_000).map(|index| timeline.at(index)).collect();
        assert!(times.is_sorted());
        assert!(
            times
                .iter()
                .all(|time| (1_790_812_800..timeline.end()).contains(time))
        );
        let of_day = |day: i64| {
            times
                .iter()
                .filter(|time| (**time - 1_790_812_800) / 86_400 == day)
                .count()
        };
        assert!(
            of_day(1) > 5 * of_day(2),
            "Friday {}, Saturday {}",
            of_day(1),
            of_day(2)
        );
        let at_nine = times.iter().filter(|time| **time / 3600 % 24 == 9).count();
        let at_three = times.iter().filter(|time| **time / 3600 % 24 == 3).count();
        assert!(at_nine > 20 * at_three);
    }
}
