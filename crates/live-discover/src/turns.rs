//! How many threads work for a query at a time.
//!
//! The partitions of a plan do not bound it: each arm of a UNION is a task of its own, and so are the two sides of a
//! repartitioning. So a task takes a turn for as long as it is at work, whatever step of the plan it is in.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

thread_local! {
    /// Whether the thread is in a turn: a step asks the steps below it, which are at work in the same turn.
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// The turns of one query.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(crate) fn new(threads: NonZeroUsize) -> Self {
        let threads = threads.get().min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(threads)))
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue {
            turns: self.clone(),
            waiting: None,
        }
    }
}

type Permit = Result<OwnedSemaphorePermit, AcquireError>;

/// Where one stream waits for its turns.
pub(crate) struct Queue {
    turns: Turns,
    waiting: Option<Pin<Box<dyn Future<Output = Permit> + Send>>>,
}

impl Queue {
    /// Ready when the stream may go to work.
    pub(crate) fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        if IS_AT_WORK.get() {
            // A place in the queue that nobody asks for again would keep a turn from the others.
            self.waiting = None;
            return Poll::Ready(Turn { permit: None });
        }
        let turns = &self.turns.0;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(Arc::clone(turns).acquire_owned()));
        let permit = ready!(waiting.poll_unpin(context));
        self.waiting = None;
        IS_AT_WORK.set(true);
        // The semaphore is never closed.
        Poll::Ready(Turn {
            permit: Some(permit),
        })
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Queue").field(&self.turns).finish()
    }
}

/// Being at work. Dropped on the thread that it was given on.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` within the turn of a step above.
    permit: Option<Permit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.permit.is_some() {
            IS_AT_WORK.set(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{join_all, poll_fn};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn no_more_threads_are_at_work_than_may_be() {
        let turns = Turns::new(NonZeroUsize::new(2).unwrap());
        let at_work = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let work = |_| {
            let (mut queue, mut below) = (turns.queue(), turns.queue());
            let (at_work, most) = (Arc::clone(&at_work), Arc::clone(&most));
            let mut left = 100;
            tokio::spawn(poll_fn(move |context| {
                let _turn = ready!(queue.poll_turn(context));
                // A step below is in the same turn, also when no other is left.
                assert!(below.poll_turn(context).is_ready());
                let now = at_work.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                at_work.fetch_sub(1, Ordering::SeqCst);
                left -= 1;
                if left == 0 {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            }))
        };
        for task in join_all((0..16).map(work)).await {
            task.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_stream_that_is_asked_within_a_turn_leaves_the_queue() {
        let turns = Turns::new(NonZeroUsize::MIN);
        let (mut first, mut second) = (turns.queue(), turns.queue());
        let turn = poll_fn(|context| first.poll_turn(context)).await;
        IS_AT_WORK.set(false);
        let is_waiting = futures::poll!(poll_fn(|context| second.poll_turn(context))).is_pending();
        IS_AT_WORK.set(true);
        assert!(is_waiting);
        drop(poll_fn(|context| second.poll_turn(context)).await);
        drop(turn);
        drop(poll_fn(|context| first.poll_turn(context)).await);
        assert_eq!(turns.0.available_permits(), 1);
    }
}
