use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::BoxFuture;

use super::*;

/// A clock that sleeping moves, and no randomness.
#[derive(Debug, Default)]
struct Time {
    micros: AtomicI64,
    slept: Mutex<Vec<Duration>>,
    stands_still: bool,
}

impl Clock for Time {
    fn now_micros(&self) -> i64 {
        self.micros.load(Ordering::SeqCst)
    }
}

impl Pace for Time {
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.slept.lock().unwrap().push(duration);
        if !self.stands_still {
            self.micros.fetch_add(micros(duration), Ordering::SeqCst);
        }
        Box::pin(std::future::ready(()))
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}

impl Time {
    fn throttle(self, requests_per_minute: u32) -> (Arc<Self>, Throttle) {
        let time = Arc::new(self);
        let clock: Arc<dyn Clock> = Arc::<Self>::clone(&time);
        let pace: Arc<dyn Pace> = Arc::<Self>::clone(&time);
        (time, Throttle::new(clock, pace, requests_per_minute))
    }

    fn take_slept(&self) -> Vec<u64> {
        self.slept
            .lock()
            .unwrap()
            .drain(..)
            .map(|slept| slept.as_secs())
            .collect()
    }
}

#[tokio::test]
async fn t8_pauses_grow_have_an_end_and_are_kept_by_all() {
    let (time, throttle) = Time::default().throttle(60_000);
    for seconds in [10, 20, 40, 60, 60] {
        let pass = throttle.pass().await.unwrap();
        let late = throttle.pass().await.unwrap();
        assert_eq!(throttle.throttled(pass, None).as_secs(), seconds);
        assert_eq!(
            throttle.throttled(late, None).as_secs(),
            seconds,
            "the same storm, not another"
        );
        time.take_slept();
        throttle.pass().await.unwrap();
        throttle.pass().await.unwrap();
        assert_eq!(
            time.take_slept(),
            [seconds],
            "who comes after the pause does not wait"
        );
    }
    let pass = throttle.pass().await.unwrap();
    throttle.succeeded(pass);
    assert_eq!(
        throttle.throttled(pass, None).as_secs(),
        10,
        "success forgets"
    );
}

#[tokio::test]
async fn retry_after_counts_where_it_is_longer_and_long_pauses_are_the_callers() {
    let (time, throttle) = Time::default().throttle(60_000);
    let pass = throttle.pass().await.unwrap();
    assert_eq!(
        throttle
            .throttled(pass, Some(Duration::from_secs(30)))
            .as_secs(),
        30
    );
    let pass = throttle.pass().await.unwrap();
    assert_eq!(
        throttle
            .throttled(pass, Some(Duration::from_secs(600)))
            .as_secs(),
        600
    );
    let closed = throttle.pass().await.unwrap_err();
    assert_eq!(closed.wait.as_secs(), 600);
    assert_eq!(time.take_slept(), [30]);
    time.micros.fetch_add(600_000_000, Ordering::SeqCst);
    throttle.pass().await.unwrap();
}

#[tokio::test]
async fn the_budget_is_kept_after_a_burst() {
    let (time, throttle) = Time::default().throttle(600);
    for _ in 0..1200 {
        throttle.pass().await.unwrap();
    }
    let took = time.now_micros();
    assert!((113_900_000..=114_100_000).contains(&took), "{took}");
}

#[tokio::test]
async fn a_clock_that_stands_or_goes_back_stops_nobody() {
    let (time, throttle) = Time {
        stands_still: true,
        ..Time::default()
    }
    .throttle(60);
    let pass = throttle.pass().await.unwrap();
    throttle.throttled(pass, None);
    time.micros.store(-3_600_000_000, Ordering::SeqCst);
    for _ in 0..200 {
        throttle.pass().await.unwrap();
    }
    let longest = time.take_slept().into_iter().max();
    assert!(longest <= Some(65), "{longest:?}");
}
