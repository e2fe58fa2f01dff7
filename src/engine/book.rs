//! The run's journal while the run goes on: the one place that numbers and writes records.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fault;
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
    /// Lines that come to a node's copy with the next one that must be there.
    late: BTreeMap<NodeName, Vec<u8>>,
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
                late: BTreeMap::new(),
            }),
        }
    }

    /// Has a record on the runner's disk.
    ///
    /// After a failure nothing more is written: a gap would hide what was acknowledged.
    pub(super) fn write(&self, entry: Entry) -> Result<Record, Halt> {
        let mut inner = self.inner();
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
    ) -> Result<Result<(), Fault>, Halt> {
        self.write_late(node, entry)?;
        self.catch_up(world, node, holding)
    }

    /// Has a record on the runner's disk. The node's copy gets it with the next one that must be there. Should the runner
    /// be lost before, the copy ends with an intent, and looking at the node tells what came of it; should it go on, the
    /// copy gets the record before anything else happens to the node.
    pub(super) fn write_late(&self, node: &NodeName, entry: Entry) -> Result<(), Halt> {
        let record = self.write(entry)?;
        self.add_late(node, &record);
        Ok(())
    }

    /// Has a record that is on the runner's disk in the node's copy as well, with the next one that must be there.
    pub(super) fn add_late(&self, node: &NodeName, record: &Record) {
        let mut inner = self.inner();
        let late = inner.late.entry(node.clone()).or_default();
        late.extend_from_slice(&record.line());
    }

    /// Has everything in the node's copy that is late.
    pub(super) fn catch_up(
        &self,
        world: &dyn World,
        node: &NodeName,
        holding: &Holding,
    ) -> Result<Result<(), Fault>, Halt> {
        let Some(lines) = self.inner().late.remove(node) else {
            return Ok(Ok(()));
        };
        let kept = world.keep(node, holding, &lines);
        if kept.is_err() {
            // A later line must not come without these; those that did arrive are not added twice.
            let mut inner = self.inner();
            let late = inner.late.entry(node.clone()).or_default();
            late.splice(0..0, lines);
        }
        match kept {
            Err(fault) if fault.kind == FaultKind::RunnerGone => Err(Halt::Gone),
            Err(fault) if fault.kind == FaultKind::Fenced => Err(Halt::Fenced(node.clone(), fault)),
            other => Ok(other),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks how far the run has come.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Progress) -> T) -> T {
        question(&self.inner().progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Epoch, decode};
    use std::io;
    use std::sync::Arc;

    /// A disk that fails at some lines.
    #[derive(Clone, Default)]
    struct Disk {
        bytes: Arc<Mutex<Vec<u8>>>,
        fails_at: usize,
        calls: Arc<Mutex<usize>>,
    }

    impl Log for Disk {
        fn append(&mut self, line: &[u8]) -> io::Result<()> {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            if *calls == self.fails_at {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.lock().unwrap().extend_from_slice(line);
            Ok(())
        }
    }

    fn plan() -> Plan {
        Plan {
            format: crate::plan::FORMAT,
            verb: "v".to_owned(),
            title: "t".to_owned(),
            made_by: "m".to_owned(),
            made_at: jiff::Timestamp::UNIX_EPOCH,
            starts_as: "untouched".to_owned(),
            nodes: std::collections::BTreeMap::new(),
            hooks: crate::plan::Hooks::default(),
            stages: Vec::new(),
        }
    }

    fn entry(epoch: u64) -> Entry {
        Entry::Claimed {
            node: "n1".parse().unwrap(),
            epoch: Epoch(epoch),
        }
    }

    #[test]
    fn records_are_numbered_from_where_the_journal_ends() {
        let (plan, disk) = (plan(), Disk::default());
        let old = Record {
            seq: 41,
            at: jiff::Timestamp::UNIX_EPOCH,
            entry: entry(1),
        };
        let book = Book::new(&plan, Box::new(disk.clone()), &[old]);
        assert_eq!(book.write(entry(2)).unwrap().seq, 42);
        assert_eq!(book.write(entry(3)).unwrap().seq, 43);
        let decoded = decode(&disk.bytes.lock().unwrap()).unwrap();
        let seqs: Vec<_> = decoded.records.iter().map(|record| record.seq).collect();
        assert_eq!(seqs, [42, 43]);
    }

    #[test]
    fn after_a_failure_nothing_more_is_written_even_if_the_disk_recovers() {
        let plan = plan();
        let disk = Disk {
            fails_at: 2,
            ..Disk::default()
        };
        let book = Book::new(&plan, Box::new(disk.clone()), &[]);
        book.write(entry(1)).unwrap();
        for _ in 0..3 {
            assert!(matches!(book.write(entry(2)), Err(Halt::Journal(_))));
        }
        assert_eq!(*disk.calls.lock().unwrap(), 2, "the disk was asked again");
        assert_eq!(
            decode(&disk.bytes.lock().unwrap()).unwrap().records.len(),
            1
        );
        assert_eq!(book.ask(|progress| progress.last_seq), 1);
    }

    #[test]
    fn numbers_do_not_run_over() {
        let (plan, disk) = (plan(), Disk::default());
        let last = Record {
            seq: u64::MAX,
            at: jiff::Timestamp::UNIX_EPOCH,
            entry: entry(1),
        };
        let book = Book::new(&plan, Box::new(disk), &[last]);
        assert!(matches!(book.write(entry(2)), Err(Halt::Journal(_))));
    }
}
