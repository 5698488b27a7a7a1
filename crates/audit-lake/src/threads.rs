//! Work for each of some items, on some threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `work` makes of each item, in their order. Items are begun in that order, so the longest should go first.
pub(crate) fn each<I: Sync, T: Send>(
    items: &[I],
    threads: NonZeroUsize,
    work: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    if threads.get() == 1 {
        return items.iter().map(work).collect();
    }
    let results: Vec<Mutex<Option<T>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(item), Some(result)) = (items.get(at), results.get(at)) else {
                return;
            };
            let done = work(item);
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    };
    // A panic of one thread is one of the caller.
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let take =
        |result: Mutex<Option<T>>| result.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().filter_map(take).collect()
}
