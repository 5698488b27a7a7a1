use audit_lake::LakeOptions;
use audit_testkit::ManualClock;

use super::*;

const SECOND: i64 = 1_000_000;
const DURATION: Duration = Duration::from_secs(60);
/// An hour in 2026.
const START: i64 = 1_790_000_000 * SECOND;

#[derive(Debug)]
struct TestClock(ManualClock);

impl Clock for TestClock {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

fn clock(micros: i64) -> Arc<TestClock> {
    Arc::new(TestClock(ManualClock::new(micros)))
}

fn tenant() -> TenantId {
    "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7".parse().unwrap()
}

async fn lake() -> Lake {
    Lake::create_or_open("memory://leases", LakeOptions::default())
        .await
        .unwrap()
}

fn lease(lake: &Lake, id: u32, clock: &Arc<TestClock>) -> Lease {
    let holder = HolderInfo {
        id: Uuid::from_u128(id.into()),
        host: "host".to_owned(),
        pid: id,
    };
    let clock = Arc::clone(clock);
    Lease::new(lake, tenant(), holder, clock, DURATION)
}

/// The process that leads as the lease sees it; 0 for itself.
fn leader(state: &LeaseState) -> u32 {
    match state {
        LeaseState::Held { .. } => 0,
        LeaseState::HeldByOther { holder, .. } => holder.pid,
    }
}

#[tokio::test]
async fn one_leads_and_the_other_waits_as_long_as_it_renews() {
    let (lake, clock) = (lake().await, clock(START));
    let (mut first, mut second) = (lease(&lake, 1, &clock), lease(&lake, 2, &clock));
    assert!(!first.is_held());
    for _ in 0..20 {
        assert_eq!(leader(&first.acquire().await.unwrap()), 0);
        assert_eq!(leader(&second.acquire().await.unwrap()), 1);
        assert!(first.is_held() && !second.is_held());
        clock.0.advance(20 * SECOND);
    }
}

#[tokio::test]
async fn a_release_frees_at_once() {
    let (lake, clock) = (lake().await, clock(START));
    let (mut first, mut second) = (lease(&lake, 1, &clock), lease(&lake, 2, &clock));
    first.acquire().await.unwrap();
    assert_eq!(leader(&second.acquire().await.unwrap()), 1);
    first.release().await.unwrap();
    assert!(!first.is_held());
    assert_eq!(leader(&second.acquire().await.unwrap()), 0);
    assert_eq!(leader(&first.acquire().await.unwrap()), 2);
    // Releasing what is not held takes nothing from anybody.
    first.release().await.unwrap();
    assert_eq!(leader(&second.renew().await.unwrap()), 0);
}

#[tokio::test]
async fn of_two_that_race_one_leads() {
    for _ in 0..20 {
        let (lake, clock) = (lake().await, clock(START));
        let mut leases: Vec<Lease> = (1..=4).map(|id| lease(&lake, id, &clock)).collect();
        let acquiring = leases.iter_mut().map(Lease::acquire);
        let states = futures::future::join_all(acquiring).await;
        let leaders: Vec<u32> = states
            .iter()
            .map(|state| leader(state.as_ref().unwrap()))
            .collect();
        assert_eq!(leaders.iter().filter(|leader| **leader == 0).count(), 1);
        assert_eq!(leases.iter().filter(|lease| lease.is_held()).count(), 1);
    }
}

#[tokio::test]
async fn a_crashed_one_is_waited_for_a_whole_duration_and_no_longer() {
    let (lake, clock) = (lake().await, clock(START));
    let (mut first, mut second) = (lease(&lake, 1, &clock), lease(&lake, 2, &clock));
    first.acquire().await.unwrap();
    drop(first);
    clock.0.advance(50 * SECOND);
    let LeaseState::HeldByOther { until_micros, .. } = second.acquire().await.unwrap() else {
        panic!("it is held");
    };
    // Seen for the first time 50 seconds after it was renewed.
    assert_eq!(until_micros, START + 110 * SECOND);
    clock.0.set(until_micros - 1);
    assert_eq!(leader(&second.acquire().await.unwrap()), 1);
    clock.0.set(until_micros);
    assert_eq!(leader(&second.acquire().await.unwrap()), 0);
}

#[tokio::test]
async fn one_that_crashed_long_ago_is_not_waited_for() {
    let (lake, clock) = (lake().await, clock(START));
    lease(&lake, 1, &clock).acquire().await.unwrap();
    clock.0.advance(60 * SECOND + 300 * SECOND);
    assert_eq!(leader(&lease(&lake, 2, &clock).acquire().await.unwrap()), 1);
    clock.0.advance(1);
    assert_eq!(leader(&lease(&lake, 3, &clock).acquire().await.unwrap()), 0);
}

#[tokio::test]
async fn one_that_starts_again_under_its_id_has_its_lease_at_once() {
    let (lake, clock) = (lake().await, clock(START));
    let mut before = lease(&lake, 1, &clock);
    before.acquire().await.unwrap();
    let mut after = lease(&lake, 1, &clock);
    assert_eq!(leader(&after.acquire().await.unwrap()), 0);
    assert_eq!(leader(&after.renew().await.unwrap()), 0);
}

#[tokio::test]
async fn a_slow_one_finds_itself_overtaken_and_stops() {
    let (lake, clock) = (lake().await, clock(START));
    let (mut slow, mut second) = (lease(&lake, 1, &clock), lease(&lake, 2, &clock));
    slow.acquire().await.unwrap();
    second.acquire().await.unwrap();
    clock.0.advance(60 * SECOND);
    // It knows by itself, before it asks.
    assert!(!slow.is_held());
    assert_eq!(leader(&second.acquire().await.unwrap()), 0);
    for _ in 0..3 {
        // Old versions are deleted meanwhile.
        second.renew().await.unwrap();
    }
    assert_eq!(leader(&slow.renew().await.unwrap()), 2);
    slow.release().await.unwrap();
    assert_eq!(leader(&second.renew().await.unwrap()), 0);
}

#[tokio::test]
async fn a_slow_one_that_nobody_waited_for_goes_on() {
    let (lake, clock) = (lake().await, clock(START));
    let mut slow = lease(&lake, 1, &clock);
    slow.acquire().await.unwrap();
    clock.0.advance(7_200 * SECOND);
    assert!(!slow.is_held());
    assert_eq!(leader(&slow.renew().await.unwrap()), 0);
    assert!(slow.is_held());
}

/// Minutes of difference: neither takes over while the other renews, nor waits longer than a duration when it does not.
#[tokio::test]
async fn clocks_that_differ_change_nothing() {
    for skew in [-290 * SECOND, -100 * SECOND, 0, 100 * SECOND, 290 * SECOND] {
        let lake = lake().await;
        let (here, there) = (clock(START), clock(START + skew));
        let (mut first, mut second) = (lease(&lake, 1, &here), lease(&lake, 2, &there));
        let pass = |seconds: i64| {
            here.0.advance(seconds * SECOND);
            there.0.advance(seconds * SECOND);
        };
        for _ in 0..9 {
            assert_eq!(leader(&first.acquire().await.unwrap()), 0, "{skew}");
            assert_eq!(leader(&second.acquire().await.unwrap()), 1, "{skew}");
            pass(20);
        }
        // The first one crashes.
        assert_eq!(leader(&second.acquire().await.unwrap()), 1, "{skew}");
        pass(40);
        assert_eq!(leader(&second.acquire().await.unwrap()), 0, "{skew}");
        assert!(!first.is_held());
        assert_eq!(leader(&first.renew().await.unwrap()), 2, "{skew}");
    }
}

/// Beyond what clocks are taken to differ by, the one whose clock is ahead leads, and stays so.
#[tokio::test]
async fn clocks_that_differ_by_hours_make_one_lead_all_the_same() {
    let lake = lake().await;
    let (behind, ahead) = (clock(START), clock(START + 3_600 * SECOND));
    let (mut first, mut second) = (lease(&lake, 1, &behind), lease(&lake, 2, &ahead));
    assert_eq!(leader(&first.acquire().await.unwrap()), 0);
    for _ in 0..9 {
        assert_eq!(leader(&second.acquire().await.unwrap()), 0);
        assert_eq!(leader(&first.acquire().await.unwrap()), 2);
        behind.0.advance(20 * SECOND);
        ahead.0.advance(20 * SECOND);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_only_waits_longer() {
    let (lake, clock) = (lake().await, clock(START));
    let (mut first, mut second) = (lease(&lake, 1, &clock), lease(&lake, 2, &clock));
    first.acquire().await.unwrap();
    second.acquire().await.unwrap();
    clock.0.advance(-600 * SECOND);
    assert_eq!(leader(&second.acquire().await.unwrap()), 1);
    clock.0.advance(59 * SECOND);
    assert_eq!(leader(&second.acquire().await.unwrap()), 1);
    clock.0.advance(SECOND);
    assert_eq!(leader(&second.acquire().await.unwrap()), 0);
}
