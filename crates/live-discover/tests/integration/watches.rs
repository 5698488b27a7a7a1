//! Watches: late records are seen, none twice, whatever crashes and whoever else advances.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};
use audit_lake::{Clock, Compaction, Lake, LakeOptions, MaintenancePolicy, TableName};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, ManualClock, Operation};
use live_discover::{
    Advance, AdvanceOutcome, Engine, Error, Library, Limits, Lookup, NewWatch, ResultId, Session,
    TenantScope, Watches,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use proptest::prelude::*;
use url::Url;

use crate::fixture::{
    CONTOSO, DAY_MICROS, FABRIKAM, HOUR_MICROS, Record, START_MICROS, ask, commit, empty_lake,
    sign_in, tenant, text,
};

const MINUTE: i64 = HOUR_MICROS / 60;

const RULES: &str = "SELECT id FROM m365_audit WHERE operation = 'New-InboxRule'";

/// Guessed passwords: a failure, and a success of the same user in the ten minutes after it.
const GUESSED: &str = "SELECT f.id AS failure, s.id AS success FROM m365_signins f JOIN m365_signins s \
     ON f.user_id = s.user_id AND s.creation_time >= f.creation_time \
     AND s.creation_time <= f.creation_time + interval '10 minutes' \
     WHERE f.operation = 'UserLoginFailed' AND s.operation = 'UserLoggedIn'";
const TEN_MINUTES: Duration = Duration::from_secs(600);

fn rule(id: &str, micros: i64) -> Record {
    Record {
        id: id.to_owned(),
        micros,
        record_type: 1,
        operation: "New-InboxRule",
        user_id: Some("bob@contoso.com".to_owned()),
        ..Record::default()
    }
}

fn login(id: &str, minute: i64, user: &str, succeeds: bool) -> Record {
    Record {
        id: id.to_owned(),
        micros: START_MICROS + minute * MINUTE,
        operation: if succeeds {
            "UserLoggedIn"
        } else {
            "UserLoginFailed"
        },
        user_id: Some(user.to_owned()),
        ..sign_in(0, 0)
    }
}

fn session(lake: &Lake) -> Session {
    of_tenant(&Engine::new(lake.clone()).unwrap(), CONTOSO)
}

fn of_tenant(engine: &Engine, id: &str) -> Session {
    let scope = TenantScope::Only(BTreeSet::from([tenant(id)]));
    engine.session(scope, Limits::default())
}

fn watches(lake: &Lake) -> Watches {
    Watches::new(session(lake)).unwrap()
}

/// The results of an advance, a line each.
fn lines(advance: &Advance) -> Vec<String> {
    let batches: Vec<RecordBatch> = advance.results.iter().cloned().collect();
    let text = text(&batches);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), advance.ids.len());
    lines
}

/// Advances once and acknowledges: the outcome and the results.
async fn step(watches: &Watches, name: &str) -> (AdvanceOutcome, Vec<String>) {
    let advance = watches.advance(name).await.unwrap();
    watches.acknowledge(&advance).await.unwrap();
    (advance.outcome, lines(&advance))
}

/// Advances until there is nothing more. The results in order: without an ORDER BY they have none.
async fn catch_up(watches: &Watches, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let advance = watches.advance(name).await.unwrap();
        watches.acknowledge(&advance).await.unwrap();
        all.extend(lines(&advance));
        if !advance.has_more {
            all.sort_unstable();
            return all;
        }
    }
}

#[tokio::test]
async fn late_records_are_seen_and_none_twice() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    // Before the tenant has any data.
    watches.add(NewWatch::sql("rules", RULES)).await.unwrap();
    assert_eq!(
        step(&watches, "rules").await,
        (AdvanceOutcome::CaughtUp, vec![])
    );

    let arrivals = [
        (vec![rule("a", START_MICROS), sign_in(0, 1)], vec!["a"]),
        // A month late, and with the time of what is known already.
        (vec![rule("b", START_MICROS - 30 * DAY_MICROS)], vec!["b"]),
        (vec![rule("c", START_MICROS)], vec!["c"]),
        (vec![sign_in(0, 2)], vec![]),
    ];
    for (records, expected) in arrivals {
        commit(&lake, CONTOSO, &records).await;
        let (outcome, found) = step(&watches, "rules").await;
        assert_eq!(outcome, AdvanceOutcome::Advanced);
        assert_eq!(found, expected);
        assert_eq!(
            step(&watches, "rules").await,
            (AdvanceOutcome::CaughtUp, vec![])
        );
    }
    // Another tenant's records are none of it.
    commit(&lake, FABRIKAM, &[rule("f", START_MICROS)]).await;
    assert_eq!(
        step(&watches, "rules").await,
        (AdvanceOutcome::CaughtUp, vec![])
    );
}

/// Compaction writes records anew: they are no newer for that, and what arrived beside it is not lost.
#[tokio::test]
async fn what_is_compacted_is_not_new() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    watches.add(NewWatch::sql("rules", RULES)).await.unwrap();
    let policy = MaintenancePolicy {
        compaction: Some(Compaction {
            files_min: NonZeroUsize::MIN.saturating_add(1),
            ..Compaction::default()
        }),
        ..MaintenancePolicy::default()
    };
    let files = || async {
        let snapshot = lake.snapshot(&tenant(CONTOSO), TableName::Audit).await;
        snapshot.unwrap().unwrap().files().len()
    };
    for round in 0..3 {
        let mut expected = Vec::new();
        for number in 0..4 {
            let id = format!("{round}-{number}");
            commit(&lake, CONTOSO, &[rule(&id, START_MICROS), sign_in(0, 1)]).await;
            // Of a round some are seen before they are compacted, and some after.
            match number {
                0 | 1 => assert_eq!(catch_up(&watches, "rules").await, [id]),
                _ => expected.push(id),
            }
        }
        let before = files().await;
        let maintained = lake.maintain(tenant(CONTOSO), &policy, |_| {}).await;
        maintained.unwrap();
        assert!(files().await < before, "round {round}");
        assert_eq!(catch_up(&watches, "rules").await, expected);
        assert!(catch_up(&watches, "rules").await.is_empty());
    }
}

#[tokio::test]
async fn a_watch_begins_now_or_at_the_start() {
    let lake = empty_lake().await;
    commit(&lake, CONTOSO, &[rule("old", START_MICROS)]).await;
    let watches = watches(&lake);
    watches.add(NewWatch::sql("new", RULES)).await.unwrap();
    let all = NewWatch::sql("all", RULES).from_start();
    watches.add(all).await.unwrap();
    commit(&lake, CONTOSO, &[rule("new", START_MICROS)]).await;
    assert_eq!(catch_up(&watches, "new").await, ["new"]);
    assert_eq!(catch_up(&watches, "all").await, ["new", "old"]);
}

#[tokio::test]
async fn a_pause_is_made_up_for_in_steps() {
    let lake = empty_lake().await;
    let watches = watches(&lake).with_records_per_advance(2);
    watches.add(NewWatch::sql("rules", RULES)).await.unwrap();
    for ids in [vec!["a"], vec!["b"], vec!["c", "d", "e"], vec!["f"]] {
        let records: Vec<Record> = ids.iter().map(|id| rule(id, START_MICROS)).collect();
        commit(&lake, CONTOSO, &records).await;
    }
    let mut steps = Vec::new();
    loop {
        let advance = watches.advance("rules").await.unwrap();
        watches.acknowledge(&advance).await.unwrap();
        let window = advance.window.unwrap();
        let mut found = lines(&advance);
        found.sort_unstable();
        steps.push((window.after, window.to, found.join("")));
        if !advance.has_more {
            break;
        }
    }
    // A commit is never parted.
    let expected = [(-1, 2, "ab"), (2, 3, "cde"), (3, 4, "f")];
    let expected = expected.map(|(after, to, found)| (after, to, found.to_owned()));
    assert_eq!(steps, expected);
}

#[tokio::test]
async fn what_belongs_together_is_found_in_whatever_order_it_arrives() {
    let records = [
        login("f", 0, "ada", false),
        login("s", 9, "ada", true),
        login("t", 11, "ada", true),
        login("u", 5, "bob", true),
    ];
    let orders = [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0], [2, 0, 3, 1]];
    for order in orders {
        let lake = empty_lake().await;
        let watches = watches(&lake);
        let watch = NewWatch::sql("guessed", GUESSED).with_look_back(TEN_MINUTES);
        watches.add(watch).await.unwrap();
        let mut found = Vec::new();
        for index in order {
            commit(&lake, CONTOSO, &[records[index].clone()]).await;
            found.extend(catch_up(&watches, "guessed").await);
        }
        assert_eq!(found, ["f\ts"], "{order:?}");
    }
}

#[tokio::test]
async fn what_was_there_before_is_not_new() {
    let lake = empty_lake().await;
    let pair = [login("f", 0, "ada", false), login("s", 3, "ada", true)];
    commit(&lake, CONTOSO, &pair).await;
    let watches = watches(&lake);
    let watch = NewWatch::sql("guessed", GUESSED).with_look_back(TEN_MINUTES);
    watches.add(watch.clone()).await.unwrap();
    // The look-back reaches the pair, but nothing new is in it.
    commit(&lake, CONTOSO, &[login("x", 4, "bob", true)]).await;
    assert_eq!(catch_up(&watches, "guessed").await, [""; 0]);
    commit(&lake, CONTOSO, &[login("t", 5, "ada", true)]).await;
    assert_eq!(catch_up(&watches, "guessed").await, ["f\tt"]);

    // Without any memory of what was reported.
    watches.remove("guessed").await.unwrap();
    watches.add(watch).await.unwrap();
    commit(&lake, CONTOSO, &[login("u", 6, "ada", true)]).await;
    assert_eq!(catch_up(&watches, "guessed").await, ["f\tu"]);
}

#[tokio::test]
async fn the_key_says_what_is_the_same_result() {
    let many = "SELECT user_id, count(*) AS failures FROM m365_signins \
                WHERE operation = 'UserLoginFailed' GROUP BY user_id HAVING count(*) >= 2";
    let lake = empty_lake().await;
    let watches = watches(&lake);
    let keyed = NewWatch::sql("keyed", many).with_key(["UserId"]);
    let keyed = watches.add(keyed).await.unwrap();
    assert_eq!(keyed.key, ["user_id"]);
    // It groups: a day is looked back.
    assert_eq!(keyed.look_back, Duration::from_secs(86_400));
    watches.add(NewWatch::sql("counts", many)).await.unwrap();

    let mut found = BTreeMap::from([("keyed", Vec::new()), ("counts", Vec::new())]);
    for minute in 0..3 {
        let failure = login(&minute.to_string(), minute, "ada", false);
        commit(&lake, CONTOSO, &[failure]).await;
        for (name, found) in &mut found {
            found.extend(catch_up(&watches, name).await);
        }
    }
    // Two days later it is beyond the look-back; the identity is remembered.
    for minute in [3000, 3001] {
        let failure = login(&minute.to_string(), minute, "ada", false);
        commit(&lake, CONTOSO, &[failure]).await;
        for (name, found) in &mut found {
            found.extend(catch_up(&watches, name).await);
        }
    }
    assert_eq!(found["keyed"], ["ada\t2"]);
    assert_eq!(found["counts"], ["ada\t2", "ada\t3"]);
}

#[tokio::test]
async fn the_look_back_fits_the_query() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    let library = Library::new();
    let day = Duration::from_secs(86_400);
    for (number, (sql, expected)) in [
        (RULES, Duration::ZERO),
        (
            "SELECT id FROM (SELECT * FROM m365_signins) s ORDER BY id LIMIT 10",
            Duration::ZERO,
        ),
        ("SELECT id FROM (SELECT * FROM m365_audit LIMIT 1) s", day),
        ("SELECT DISTINCT user_id FROM m365_audit", day),
        ("SELECT max(id) FROM m365_audit", day),
        (GUESSED, day),
        (
            "SELECT id FROM m365_audit WHERE user_id IN (SELECT user_id FROM m365_signins)",
            day,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let watch = NewWatch::sql(format!("w{number}"), sql);
        assert_eq!(
            watches.add(watch).await.unwrap().look_back,
            expected,
            "{sql}"
        );
    }
    let rules = NewWatch::of("rules", library.require("inbox_rules").unwrap());
    watches.add(rules).await.unwrap();
    let listed = watches.list().await.unwrap();
    assert_eq!(listed.len(), 8);
    assert_eq!(listed[0].watch.name, "rules");
}

#[tokio::test]
async fn a_limit_does_not_hide_results() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    let one = format!("{RULES} ORDER BY id DESC LIMIT 1");
    watches.add(NewWatch::sql("rules", one)).await.unwrap();
    let rules = ["a", "b", "c"].map(|id| rule(id, START_MICROS));
    commit(&lake, CONTOSO, &rules).await;
    assert_eq!(catch_up(&watches, "rules").await, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    for (watch, expected) in [
        (
            NewWatch::sql("w", "SELECT userid2 FROM m365_audit"),
            "no column `userid2`; did you mean `user_id`? (line 1, column 8)",
        ),
        (
            NewWatch::sql("w", "EXPLAIN SELECT id FROM m365_audit"),
            "a watch asks a query, not for its plan",
        ),
        (
            NewWatch::sql("w", "SELECT count(*) FROM m365_content"),
            "a watch looks at the records that arrive: its query has to read m365_audit or a view of it",
        ),
        (
            NewWatch::sql("w", RULES).with_key(["user_id"]),
            "the result has no column `user_id`",
        ),
        (
            NewWatch::sql("w", "SELECT id FROM m365_audit WHERE user_id = $$user$$"),
            "the variable `user` has no value (line 1, column 43)",
        ),
        (
            NewWatch::sql("../w", RULES),
            "`../w` is no name: lower-case letters, digits, `_` and `-`, at most 64",
        ),
    ] {
        let error = watches.add(watch).await.unwrap_err();
        assert!(matches!(error, Error::InvalidQuery { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
    watches.add(NewWatch::sql("w", RULES)).await.unwrap();
    assert_eq!(
        watches
            .add(NewWatch::sql("w", RULES))
            .await
            .unwrap_err()
            .to_string(),
        "there is a watch `w` already: remove it first, or take another name"
    );
    for name in ["v", "../w", ""] {
        let error = watches.advance(name).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("there is no watch `{name}`"));
    }
    let all = Engine::new(lake).unwrap();
    let error = Watches::new(all.session(TenantScope::All, Limits::default())).unwrap_err();
    assert!(matches!(error, Error::InvalidQuery { .. }), "{error:?}");
}

#[tokio::test]
async fn a_removed_watch_is_gone_and_can_be_added_again() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    watches.add(NewWatch::sql("rules", RULES)).await.unwrap();
    commit(&lake, CONTOSO, &[rule("a", START_MICROS)]).await;
    let unacknowledged = watches.advance("rules").await.unwrap();
    assert_eq!(watches.get("rules").await.unwrap().unacknowledged, 1);
    watches.remove("rules").await.unwrap();
    assert!(watches.list().await.unwrap().is_empty());
    assert!(watches.advance("rules").await.is_err());
    assert!(watches.remove("rules").await.is_err());
    watches.acknowledge(&unacknowledged).await.unwrap();

    let again = NewWatch::sql("rules", RULES).from_start();
    watches.add(again).await.unwrap();
    let advance = watches.advance("rules").await.unwrap();
    assert_eq!(advance.ids, unacknowledged.ids);
}

#[tokio::test]
async fn an_error_leaves_the_watch_where_it_is() {
    let lake = empty_lake().await;
    let users = StringArray::from(vec!["bob@contoso.com"]);
    let users = RecordBatch::try_from_iter([("who", Arc::new(users) as _)]).unwrap();
    let lookup = Lookup::from_batches(&users.schema(), vec![users]).unwrap();
    let with = session(&lake).with_lookup("vips", lookup).unwrap();
    let with = Watches::new(with).unwrap();
    let sql = "SELECT id FROM m365_audit JOIN vips ON user_id = who";
    with.add(NewWatch::sql("vips", sql)).await.unwrap();
    commit(&lake, CONTOSO, &[rule("a", START_MICROS)]).await;

    let before = with.get("vips").await.unwrap();
    let error = watches(&lake).advance("vips").await.unwrap_err();
    assert!(error.to_string().starts_with("no table `vips`"), "{error}");
    assert_eq!(with.get("vips").await.unwrap(), before);
    assert_eq!(catch_up(&with, "vips").await, ["a"]);
}

#[tokio::test]
async fn results_are_bounded() {
    let lake = empty_lake().await;
    let watches = watches(&lake);
    let ids = NewWatch::sql("ids", "SELECT id FROM m365_audit");
    watches.add(ids).await.unwrap();
    let records = |from: usize, count: usize| -> Vec<Record> {
        (from..from + count)
            .map(|id| rule(&id.to_string(), START_MICROS))
            .collect()
    };
    // Together too many for one advance, each of them not.
    commit(&lake, CONTOSO, &records(0, 6_000)).await;
    commit(&lake, CONTOSO, &records(6_000, 6_000)).await;
    assert_eq!(catch_up(&watches, "ids").await.len(), 12_000);
    commit(&lake, CONTOSO, &records(12_000, 10_001)).await;
    let error = watches.advance("ids").await.unwrap_err();
    assert!(
        matches!(error, Error::ResourcesExhausted { .. }),
        "{error:?}"
    );
    assert_eq!(watches.get("ids").await.unwrap().evaluated_to, 2);
}

/// A clock that all hosts of a test share.
#[derive(Debug)]
struct Hands(ManualClock);

impl Clock for Hands {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

#[tokio::test]
async fn results_stay_until_they_are_acknowledged() {
    let lake = empty_lake().await;
    let clock = Arc::new(Hands(ManualClock::new(START_MICROS)));
    let host = |name: &str| {
        let engine = Engine::builder()
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build(lake.clone())
            .unwrap();
        Watches::new(of_tenant(&engine, CONTOSO))
            .unwrap()
            .with_host(name)
            .with_lease(Duration::from_secs(60))
    };
    let first = host("first");
    first.add(NewWatch::sql("rules", RULES)).await.unwrap();
    commit(&lake, CONTOSO, &[rule("a", START_MICROS)]).await;
    let taken = first.advance("rules").await.unwrap();
    assert_eq!(taken.outcome, AdvanceOutcome::Advanced);
    commit(&lake, CONTOSO, &[rule("b", START_MICROS)]).await;

    // Another host leaves them to the first, which may be at work; nothing new is evaluated.
    let second = host("second");
    let held = second.advance("rules").await.unwrap();
    let until_micros = START_MICROS + 60_000_000;
    assert_eq!(held.outcome, AdvanceOutcome::HeldElsewhere { until_micros });
    assert!(held.results.is_none() && !held.has_more);
    second.acknowledge(&held).await.unwrap();

    // The first has died and is back.
    let first = host("first");
    let again = first.advance("rules").await.unwrap();
    assert_eq!(again.outcome, AdvanceOutcome::Redelivered);
    assert_eq!(
        (lines(&again), &again.ids),
        (vec!["a".to_owned()], &taken.ids)
    );

    // It died for good: the second takes over, and what the first says then does not count.
    clock.0.set(until_micros);
    let over = second.advance("rules").await.unwrap();
    assert_eq!(over.outcome, AdvanceOutcome::Redelivered);
    assert_eq!(over.ids, taken.ids);
    for late in [&taken, &again] {
        first.acknowledge(late).await.unwrap();
    }
    assert_eq!(second.get("rules").await.unwrap().unacknowledged, 1);
    second.acknowledge(&over).await.unwrap();
    second.acknowledge(&over).await.unwrap();
    assert_eq!(
        step(&first, "rules").await,
        (AdvanceOutcome::Advanced, vec!["b".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_one_has_the_results() {
    let lake = empty_lake().await;
    let hosts = [watches(&lake), watches(&lake)];
    hosts[0].add(NewWatch::sql("rules", RULES)).await.unwrap();
    for round in 0..10 {
        let id = round.to_string();
        commit(&lake, CONTOSO, &[rule(&id, START_MICROS)]).await;
        let [one, two] = &hosts;
        let (one, two) = tokio::join!(one.advance("rules"), two.advance("rules"));
        let advances = [one.unwrap(), two.unwrap()];
        let found: Vec<String> = advances.iter().flat_map(lines).collect();
        assert_eq!(found, [id], "{advances:?}");
        for (host, advance) in hosts.iter().zip(&advances) {
            assert!(
                matches!(
                    advance.outcome,
                    AdvanceOutcome::Advanced
                        | AdvanceOutcome::Superseded
                        | AdvanceOutcome::HeldElsewhere { .. }
                ),
                "{advance:?}"
            );
            host.acknowledge(advance).await.unwrap();
        }
    }
}

/// A clock that lets others act when it is read for the n-th time.
struct Interrupted {
    reads_left: AtomicUsize,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Interrupted")
    }
}

impl Clock for Interrupted {
    fn now_micros(&self) -> i64 {
        if self.reads_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let act = self.act.lock().unwrap().take();
            act.unwrap()();
        }
        START_MICROS
    }
}

/// A host sleeps between evaluating and committing. Meanwhile another one advances so often that the version which the
/// sleeper is about to put is deleted again, and its place is free.
#[tokio::test]
async fn a_host_that_slept_has_no_results() {
    let lake = empty_lake().await;
    let other = watches(&lake);
    other.add(NewWatch::sql("rules", RULES)).await.unwrap();
    commit(&lake, CONTOSO, &[rule("a", START_MICROS)]).await;

    let theirs = Arc::new(Mutex::new(Vec::new()));
    let act = {
        let (lake, other, theirs) = (lake.clone(), other.clone(), Arc::clone(&theirs));
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let acting = std::thread::spawn(move || {
                runtime.block_on(async {
                    for next in ["b", "c", "d"] {
                        let (_, found) = step(&other, "rules").await;
                        theirs.lock().unwrap().extend(found);
                        commit(&lake, CONTOSO, &[rule(next, START_MICROS)]).await;
                    }
                });
            });
            acting.join().unwrap();
        }
    };
    // Read when the advance begins to evaluate, and when it hands out.
    let clock = Interrupted {
        reads_left: AtomicUsize::new(2),
        act: Mutex::new(Some(Box::new(act))),
    };
    let engine = Engine::builder().with_clock(Arc::new(clock));
    let engine = engine.build(lake.clone()).unwrap();
    let sleeper = Watches::new(of_tenant(&engine, CONTOSO)).unwrap();
    let slept = sleeper.advance("rules").await.unwrap();
    assert_eq!(*theirs.lock().unwrap(), ["a", "b", "c"]);
    assert_eq!(slept.outcome, AdvanceOutcome::Superseded);
    assert!(slept.results.is_none());
    sleeper.acknowledge(&slept).await.unwrap();
    assert_eq!(catch_up(&other, "rules").await, ["d"]);
}

async fn on(store: Arc<dyn ObjectStore>) -> Lake {
    let url = Url::parse("memory:///test").unwrap();
    Lake::with_store(store, url, LakeOptions::default())
        .await
        .unwrap()
}

/// Where results go: what came, and how often.
#[derive(Default)]
struct Inbox {
    /// By identity: the result, how often it came, and whether that was acknowledged.
    came: BTreeMap<ResultId, (String, usize)>,
    acknowledged: BTreeSet<ResultId>,
}

impl Inbox {
    /// A result comes again only if it is not known to be acknowledged.
    fn take(&mut self, advance: &Advance) {
        for (id, line) in advance.ids.iter().zip(lines(advance)) {
            assert!(!self.acknowledged.contains(id), "{line} came again");
            let (known, count) = self.came.entry(*id).or_insert((line.clone(), 0));
            assert_eq!(*known, line);
            *count += 1;
        }
    }

    /// Takes and acknowledges; an error is a crash.
    async fn deliver(&mut self, watches: &Watches, name: &str) -> Result<bool, Error> {
        let advance = watches.advance(name).await?;
        self.take(&advance);
        watches.acknowledge(&advance).await?;
        self.acknowledged.extend(&advance.ids);
        Ok(advance.has_more)
    }

    fn results(&self) -> BTreeSet<String> {
        let lines: Vec<String> = (self.came.values()).map(|(line, _)| line.clone()).collect();
        let results: BTreeSet<String> = lines.iter().cloned().collect();
        assert_eq!(results.len(), lines.len(), "two identities of one result");
        results
    }
}

/// What happens to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// Its n-th write and all after it fail: it has crashed.
    Crash,
    /// Its n-th request about watches is done and the answer is lost.
    Lost,
    /// Its n-th request about watches fails without effect.
    Failed,
}

#[tokio::test]
async fn a_crash_at_any_write_loses_and_repeats_nothing() {
    for (blow, at_least) in [(Blow::Crash, 9), (Blow::Lost, 20), (Blow::Failed, 20)] {
        let mut nth = 1;
        while deal(blow, nth).await {
            nth += 1;
        }
        assert!(nth > at_least, "{blow:?} {nth}");
    }
}

/// Deals a blow to a host, and has another one finish. Whether the host lived so long.
async fn deal(blow: Blow, nth: u64) -> bool {
    let context = format!("{blow:?} {nth}");
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let lake = on(Arc::clone(&inner)).await;
    let other = watches(&lake).with_lease(Duration::ZERO);
    let watch = NewWatch::sql("rules", RULES).with_look_back(TEN_MINUTES);
    other.add(watch).await.unwrap();

    let store = FaultyStore::new(Arc::clone(&inner), 1);
    let host = watches(&on(Arc::new(store.clone())).await);
    let kind = match blow {
        Blow::Crash => None,
        Blow::Lost => Some(FaultKind::After),
        Blow::Failed => Some(FaultKind::Before),
    };
    match kind {
        None => store.freeze_after_writes(nth - 1),
        Some(kind) => store.add(Fault {
            operation: None,
            prefix: format!("tenants/{CONTOSO}/watches"),
            trigger: FaultTrigger::Nth(nth),
            kind,
            ..Fault::new(Operation::Put)
        }),
    }
    let mut inbox = Inbox::default();
    let mut has_crashed = false;
    let arrivals = [
        rule("a", START_MICROS),
        sign_in(0, 0),
        rule("b", START_MICROS),
    ];
    for record in arrivals {
        commit(&lake, CONTOSO, &[record]).await;
        if !has_crashed {
            has_crashed = inbox.deliver(&host, "rules").await.is_err();
        }
    }
    if blow != Blow::Crash {
        assert!(!has_crashed, "{context}: a single fault is got over");
    }
    // When the first has not been heard of for long enough.
    while inbox.deliver(&other, "rules").await.unwrap() {}
    let expected = ["a", "b"].map(str::to_owned);
    assert_eq!(inbox.results(), BTreeSet::from(expected), "{context}");
    if !has_crashed {
        let once = inbox.came.values().all(|(_, count)| *count == 1);
        assert!(once, "{context}");
    }
    store.injected() > 0
}

/// What happens in a lake with two hosts.
#[derive(Debug, Clone)]
enum Event {
    /// Records arrive: kind, user and minute of each.
    Arrive(Vec<(u8, u8, i64)>),
    /// A host advances both watches.
    Advance(usize),
    /// A host dies after it has advanced, before it takes the results, and is replaced.
    Die(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let record = (0_u8..4, 0_u8..2, 0_i64..60).prop_map(|(kind, user, minute)| {
        // Around two midnights: late by a day, and in several files.
        (
            kind,
            user,
            1410 + minute + i64::from(kind % 2) * 1440 * (minute % 2),
        )
    });
    prop_oneof![
        3 => prop::collection::vec(record, 1..5).prop_map(Event::Arrive),
        3 => (0_usize..2).prop_map(Event::Advance),
        1 => (0_usize..2).prop_map(Event::Die),
    ]
}

/// All that the watches report is what the queries find over everything at once, whatever arrives when, whoever
/// advances and whatever fails.
#[test]
fn watches_report_what_one_query_over_everything_finds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let events = prop::collection::vec(event(), 1..16);
    proptest!(config, |(events in events, seed in any::<u64>())| {
        runtime.block_on(play(events, seed));
    });
}

async fn play(events: Vec<Event>, seed: u64) {
    const USERS: [&str; 2] = ["ada", "bob"];
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let lake = on(Arc::clone(&inner)).await;
    let guessed = NewWatch::sql("guessed", GUESSED).with_look_back(TEN_MINUTES);
    let sane = watches(&lake);
    sane.add(guessed).await.unwrap();
    sane.add(NewWatch::sql("rules", RULES)).await.unwrap();

    let store = FaultyStore::new(Arc::clone(&inner), seed);
    let faulty = on(Arc::new(store.clone())).await;
    for kind in [FaultKind::Before, FaultKind::After] {
        store.add(Fault {
            operation: None,
            prefix: format!("tenants/{CONTOSO}/watches"),
            trigger: FaultTrigger::PerMille(60),
            kind,
            ..Fault::new(Operation::Put)
        });
    }
    // A lease of nothing: hosts take over from each other all the time.
    let host = || watches(&faulty).with_lease(Duration::ZERO);
    let mut hosts = [host(), host()];
    let mut inboxes = BTreeMap::from([("guessed", Inbox::default()), ("rules", Inbox::default())]);
    let mut count = 0;
    for event in events {
        match event {
            Event::Arrive(records) => {
                let records: Vec<Record> = (records.into_iter())
                    .map(|(kind, user, minute)| {
                        count += 1;
                        let id = count.to_string();
                        match kind {
                            0 => rule(&id, START_MICROS + minute * MINUTE),
                            kind => login(&id, minute, USERS[usize::from(user)], kind == 1),
                        }
                    })
                    .collect();
                commit(&lake, CONTOSO, &records).await;
            }
            Event::Advance(at) => {
                for (name, inbox) in &mut inboxes {
                    // An error is a fault that retries did not get over: somebody will try again.
                    let _ = inbox.deliver(&hosts[at], name).await;
                }
            }
            Event::Die(at) => {
                for name in inboxes.keys() {
                    let _ = hosts[at].advance(name).await;
                }
                hosts[at] = host();
            }
        }
    }
    store.heal();
    let last = host();
    for (name, inbox) in &mut inboxes {
        while inbox.deliver(&last, name).await.unwrap() {}
    }
    let session = session(&lake);
    for (name, sql) in [("guessed", GUESSED), ("rules", RULES)] {
        let expected = ask(&session, sql).await;
        let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
        assert_eq!(inboxes[name].results(), expected, "{name}");
    }
}
