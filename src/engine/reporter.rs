//! Telling the watchers.

use std::sync::mpsc::SyncSender;

use super::event::{EVENT_FORMAT, Event, Happening};
use crate::plan::RunId;

/// Where a run's events go.
///
/// A watcher that is slow slows the run; one that has gone is forgotten.
#[derive(Debug, Clone)]
pub struct Reporter {
    run: RunId,
    to: SyncSender<Event>,
}

impl Reporter {
    /// The events of this run go there.
    pub fn new(run: RunId, to: SyncSender<Event>) -> Self {
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
