//! Whether it is worth to wait for a session where the server opens no more of them, and how long.
//!
//! Commands of ours have the sessions, or the server has not noticed yet that one is over, or it opens none at all. Who
//! waits asks less and less often, and not for ever when nobody is heard to get on.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(500);

/// How long a server may take to notice that a session is over.
const SESSION_ENDS: Duration = Duration::from_secs(1);

/// How long others of whom nothing was heard yet may take until their command begins: they may wait as well.
const OTHERS_BEGIN: Duration = Duration::from_secs(10);

/// The commands that have a session, or want one.
#[derive(Default)]
pub(super) struct Sessions {
    tried: AtomicUsize,
    /// How many have begun and ended, ever.
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Sessions {
    /// A command that wants a session.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        Attempt {
            sessions: self,
            has_begun: Cell::new(false),
        }
    }
}

/// A command that wants a session, until it is over.
pub(super) struct Attempt<'a> {
    sessions: &'a Sessions,
    has_begun: Cell<bool>,
}

impl Attempt<'_> {
    /// It has got one.
    pub(super) fn has_begun(&self) {
        if !self.has_begun.replace(true) {
            self.sessions.begun.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.has_begun.get() {
            self.sessions.ended.fetch_add(1, Ordering::SeqCst);
        }
        self.sessions.tried.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One command's waiting for a session.
pub(super) struct Waiting<'a> {
    sessions: &'a Sessions,
    pause: Duration,
    /// How many had begun when it last looked.
    begun: usize,
    /// How long it waited since somebody got on: while others wanted a session, and while nobody did.
    among_others: Duration,
    alone: Duration,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(sessions: &'a Sessions) -> Self {
        Self {
            sessions,
            pause: FIRST,
            begun: sessions.begun.load(Ordering::SeqCst),
            among_others: Duration::ZERO,
            alone: Duration::ZERO,
        }
    }

    /// How long to wait before it is tried again; `None` when there is nobody left to wait for.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        // In this order none that ends meanwhile seems to run still, and none that has begun is overlooked.
        let others = self.sessions.tried.load(Ordering::SeqCst) > 0;
        let ended = self.sessions.ended.load(Ordering::SeqCst);
        let begun = self.sessions.begun.load(Ordering::SeqCst);
        let get_on = begun > ended || begun != self.begun;
        self.begun = begun;
        let pause = self.pause;
        if get_on {
            self.among_others = Duration::ZERO;
            self.alone = Duration::ZERO;
        } else {
            let (waited, longest) = if others {
                (&mut self.among_others, OTHERS_BEGIN)
            } else {
                (&mut self.alone, SESSION_ENDS)
            };
            if *waited >= longest {
                return None;
            }
            *waited += pause;
        }
        self.pause = (2 * pause).min(LONGEST);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(waiting: &mut Waiting<'_>, most: usize) -> Vec<u128> {
        let pauses = std::iter::from_fn(|| waiting.pause());
        pauses.take(most).map(|pause| pause.as_millis()).collect()
    }

    const FIRST_ONES: [u128; 9] = [5, 10, 20, 40, 80, 160, 320, 500, 500];

    #[test]
    fn while_a_command_runs_it_is_waited_for_with_ever_longer_pauses() {
        let sessions = Sessions::default();
        let runs = sessions.attempt();
        runs.has_begun();
        let mut waiting = Waiting::new(&sessions);
        let many = pauses(&mut waiting, 1000);
        assert_eq!(many[..9], FIRST_ONES);
        assert!(many.len() == 1000 && many[9..].iter().all(|pause| *pause == 500));
        // Then the server has its time to notice that the session is over.
        drop(runs);
        assert_eq!(pauses(&mut waiting, 1000), [500, 500]);
    }

    #[test]
    fn a_server_that_opens_no_session_is_not_asked_for_ever() {
        let sessions = Sessions::default();
        let alone = pauses(&mut Waiting::new(&sessions), 1000);
        assert_eq!(alone, FIRST_ONES[..8]);
        // Two that wait are no reason for each other to go on.
        let _other = sessions.attempt();
        let among_others = pauses(&mut Waiting::new(&sessions), 1000);
        assert_eq!(among_others[..9], FIRST_ONES);
        assert_eq!(among_others.len(), 26);
    }

    #[test]
    fn as_long_as_others_get_on_it_is_waited() {
        let sessions = Sessions::default();
        let mut waiting = Waiting::new(&sessions);
        for _ in 0..1000 {
            // It has come and gone between two looks.
            sessions.attempt().has_begun();
            assert!(waiting.pause().is_some());
        }
        assert_eq!(pauses(&mut waiting, 1000), [500, 500]);
    }
}
