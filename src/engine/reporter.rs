//! Telling the watchers.

use std::sync::mpsc::Sender;

use super::event::{EVENT_FORMAT, Event, Happening};
use crate::plan::RunId;

/// Where a run's events go.
///
/// A run never waits for its watchers: a terminal that is halted with Ctrl-S must not
/// halt a run, whose leases would run out. A watcher that has gone is forgotten.
#[derive(Debug, Clone)]
pub struct Reporter {
    run: RunId,
    to: Sender<Event>,
}

impl Reporter {
    /// The events of this run go there.
    pub fn new(run: RunId, to: Sender<Event>) -> Self {
        Self { run, to }
    }

    /// Something happened.
    pub fn say(&self, what: Happening) {
        let at = jiff::Timestamp::now();
        // Nobody watches any more: the run goes on all the same.
        let _ = self.to.send(Event {
            format: EVENT_FORMAT,
            at,
            run: self.run.clone(),
            what,
        });
    }

    /// Something that a person should know.
    pub fn warn(&self, text: impl Into<String>) {
        self.say(Happening::Warning { text: text.into() });
    }
}
