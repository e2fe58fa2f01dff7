//! The run's journal while the run goes on: the one place that numbers and writes records.

use std::sync::{Mutex, PoisonError};

use super::fault::FaultKind;
use super::halt::Halt;
use super::journal::{Entry, Log, Record};
use super::progress::Progress;
use super::world::{Holding, World};
use crate::config::NodeName;
use crate::plan::Plan;

/// The journal being written, and what it says so far.
pub(super) struct Book<'a> {
    plan: &'a Plan,
    inner: Mutex<Inner>,
}

struct Inner {
    log: Box<dyn Log>,
    progress: Progress,
    lost: Option<String>,
}

impl<'a> Book<'a> {
    pub(super) fn new(plan: &'a Plan, log: Box<dyn Log>, records: &[Record]) -> Self {
        let progress = Progress::of(records, plan);
        Self {
            plan,
            inner: Mutex::new(Inner {
                log,
                progress,
                lost: None,
            }),
        }
    }

    /// Has a record on the runner's disk.
    ///
    /// After a failure nothing more is written: a gap would hide what was acknowledged.
    pub(super) fn write(&self, entry: Entry) -> Result<Record, Halt> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = &inner.lost {
            return Err(Halt::Journal(problem.clone()));
        }
        let Some(seq) = inner.progress.last_seq.checked_add(1) else {
            let problem = "its last record has the highest number that there is";
            inner.lost = Some(problem.to_owned());
            return Err(Halt::Journal(problem.to_owned()));
        };
        let record = Record {
            seq,
            at: jiff::Timestamp::now(),
            entry,
        };
        if let Err(error) = inner.log.append(&record.line()) {
            let problem = error.to_string();
            inner.lost = Some(problem.clone());
            return Err(Halt::Journal(problem));
        }
        inner.progress.take(&record, self.plan);
        Ok(record)
    }

    /// Has a record on the runner's disk, and then in the node's copy.
    pub(super) fn write_both(
        &self,
        world: &dyn World,
        node: &NodeName,
        holding: &Holding,
        entry: Entry,
    ) -> Result<Result<(), super::Fault>, Halt> {
        let record = self.write(entry)?;
        match world.keep(node, holding, &record.line()) {
            Err(fault) if fault.kind == FaultKind::RunnerGone => Err(Halt::Gone),
            Err(fault) if fault.kind == FaultKind::Fenced => Err(Halt::Fenced(node.clone(), fault)),
            other => Ok(other),
        }
    }

    /// Asks how far the run has come.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Progress) -> T) -> T {
        question(
            &self
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .progress,
        )
    }
}
