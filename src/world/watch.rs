//! How long something may take, and whether it was broken off.

use std::time::{Duration, Instant};

use crate::engine::{Cancel, Fault, FaultKind};
use crate::plan::Millis;
use crate::remote::Patience;

/// The longest pause between two looks at something that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A deadline together with a flag that breaks off.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    deadline: Instant,
    length: Millis,
    cancel: Option<&'a Cancel>,
    pause: Duration,
}

impl<'a> Watch<'a> {
    /// So long from now, or until it is broken off.
    pub(super) fn new(length: Millis, cancel: &'a Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            ..Self::unbroken(length)
        }
    }

    /// So long from now.
    pub(super) fn unbroken(length: Millis) -> Self {
        let now = Instant::now();
        let year = Duration::from_hours(366 * 24);
        Self {
            deadline: now + length.duration().min(year),
            length,
            cancel: None,
            pause: Duration::from_millis(1),
        }
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same, and so much longer.
    pub(super) fn longer(&self, more: Duration) -> Self {
        Self {
            deadline: self.deadline + more,
            ..*self
        }
    }

    /// What is left of it and so much more, which nobody breaks off.
    pub(super) fn unbroken_rest(&self, more: Duration) -> Watch<'static> {
        Watch {
            deadline: self.deadline.max(Instant::now()) + more,
            length: self.length,
            cancel: None,
            pause: self.pause,
        }
    }

    /// The same for what is asked of a machine.
    pub(super) fn patience<'p>(&self, broken_off: &'p (dyn Fn() -> bool + Sync)) -> Patience<'p> {
        Patience::new(self.left(), broken_off)
    }

    /// Whether somebody broke it off.
    pub(super) fn is_broken_off(&self) -> bool {
        self.cancel.is_some_and(Cancel::is_cancelled)
    }

    /// A fault when the time is up or somebody broke it off; `what` was going on.
    pub(super) fn check(&self, what: &str) -> Result<(), Fault> {
        if self.is_broken_off() {
            return Err(Self::cancelled(what));
        }
        if self.left().is_zero() {
            return Err(self.timed_out(what));
        }
        Ok(())
    }

    /// The fault that somebody broke it off.
    pub(super) fn cancelled(what: &str) -> Fault {
        Fault::new(FaultKind::Cancelled, format!("{what} was broken off"))
    }

    /// The fault that the time was up.
    pub(super) fn timed_out(&self, what: &str) -> Fault {
        let what = format!("{what} did not end within {}", self.length);
        Fault::new(FaultKind::TimedOut, what)
    }

    /// A short pause before the next look; each is a little longer than the one before.
    pub(super) fn pause(&mut self) {
        let length = self.pause.min(self.left());
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        match self.cancel {
            Some(cancel) => {
                cancel.wait(length);
            }
            None => std::thread::sleep(length),
        }
    }
}
