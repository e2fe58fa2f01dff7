//! Who holds a node: claims, leases, and what a runner that lost the node may still do, which is nothing.
//!
//! The record, `lock.json`, is read and changed under `claim.lock`. A claim that
//! takes the node over also has `effect.lock` while it writes the new epoch, and
//! every effect looks at the epoch under that same lock: so an effect of the old
//! holder either ends before the node changes hands, or finds that it has and
//! does nothing.
//!
//! Leases are judged by the node's wall clock, because shells and other machines
//! must be able to read them. A clock that is set forward makes a runner lose
//! its lease early: it stops, and nothing worse happens. A clock that is set back
//! makes others wait longer. Neither lets two runs change one node, for the
//! epoch decides that.
//!
//! Here are the rules alone: what a record says, and what it says after a change.
//! Reading and writing it on the node is done by others.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::runner::is_dead;
use crate::engine::{Claim, ClaimError, Epoch, Fault, FaultKind, Holder, Holding, Release};
use crate::plan::{Millis, RunId};

/// The version of `lock.json`.
const FORMAT: u32 = 1;

/// What `lock.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// How often the node was taken.
    pub(super) epoch: Epoch,
    /// The boot of the node at the last claim: a runner of this machine does not survive a new one.
    boot: String,
    pub(super) holder: Option<Holder>,
    /// Whose unfinished hold the holder took over, to be given back if the holder changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Holder>,
}

/// What a node says of itself when its record is read.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// Its clock.
    pub(super) now: Timestamp,
    /// Its identity for as long as it is up, as [`this_boot`](super::runner::this_boot) gives it.
    pub(super) boot: String,
}

/// A new record, and what changes in the node's history with it.
#[derive(Debug)]
pub(super) struct Change {
    /// Before the record is written.
    pub(super) first: Vec<Edit>,
    pub(super) record: Record,
    /// After that. Should it fail, whoever gives the node up or takes it over makes up for it.
    pub(super) then: Vec<Edit>,
}

/// A change of the list of runs that changed a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// The run is in it, as the newest if it was not in it before.
    With(RunId),
    /// The run is not in it.
    Without(RunId),
}

impl Default for Record {
    /// The record of a node that was never taken.
    fn default() -> Self {
        Self {
            format: FORMAT,
            epoch: Epoch::default(),
            boot: String::new(),
            holder: None,
            before: None,
        }
    }
}

impl Record {
    /// What the file at this path says.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Fault> {
        let unusable = |why: String| {
            Fault::new(
                FaultKind::Failed,
                format!("{} can't be used: {why}", path.display()),
            )
        };
        let record: Self =
            serde_json::from_slice(bytes).map_err(|error| unusable(error.to_string()))?;
        if record.format > FORMAT {
            return Err(unusable(format!(
                "it has format {}, and this program reads formats up to {FORMAT}",
                record.format
            ))
            .hint("use the newer clusterctl that wrote it"));
        }
        Ok(record)
    }

    /// What the file says.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Epoch, run, and when the lease is over, in milliseconds of the node's clock.
    pub(super) fn line(&self) -> String {
        let run = self.holder.as_ref().map_or("-", |h| h.run.as_str());
        let until = self.holder.as_ref().and_then(|holder| holder.until);
        let until = until.map_or(0, Timestamp::as_millisecond);
        format!("{} {run} {until}\n", self.epoch.0)
    }

    /// Whether this claim may take the node, if no effect runs there.
    pub(super) fn admits(&self, claim: &Claim, moment: &Moment) -> Result<(), ClaimError> {
        let Some(holder) = &self.holder else {
            return Ok(());
        };
        let same = holder.run == claim.run || claim.instead_of.as_ref() == Some(&holder.run);
        let is_over = holder.until.is_none_or(|until| until <= moment.now);
        if same && (is_over || claim.by_force || self.runner_is_dead(holder, &moment.boot)) {
            return Ok(());
        }
        Err(ClaimError::Held(Box::new(holder.clone())))
    }

    /// The holder whose runner is gone: its lease is over, or its process.
    pub(super) fn left_alone(&self, moment: &Moment) -> Option<&Holder> {
        let holder = self.holder.as_ref()?;
        let is_over = holder.until.is_none_or(|until| until <= moment.now);
        (is_over || self.runner_is_dead(holder, &moment.boot)).then_some(holder)
    }

    /// Nobody holds the node any more; who did.
    pub(super) fn vacate(&mut self) -> Option<RunId> {
        self.before = None;
        self.holder.take().map(|holder| holder.run)
    }

    fn runner_is_dead(&self, holder: &Holder, boot: &str) -> bool {
        let ran_there = holder.runner.boot == self.boot;
        let rebooted = ran_there && self.boot != boot && !boot.trim().is_empty();
        rebooted || is_dead(&holder.runner)
    }

    /// The identity of the node's boot, if this is what a process there says that is not the runner's own.
    ///
    /// It may see other processes than the runner that wrote the record: that alone is no new boot.
    pub(super) fn boot_seen(&self, said: &str) -> String {
        let machine = |boot: &str| boot.split(' ').next().map(str::to_owned);
        if machine(said) == machine(&self.boot) {
            self.boot.clone()
        } else {
            said.to_owned()
        }
    }

    /// The node taken. The lease counts from the moment at which the node was looked at.
    pub(super) fn taken(&self, claim: &Claim, moment: Moment) -> Change {
        let epoch = Epoch(self.epoch.0 + 1);
        let record = Self {
            format: FORMAT,
            epoch,
            boot: moment.boot,
            holder: Some(Holder {
                run: claim.run.clone(),
                verb: claim.verb.clone(),
                runner: claim.runner.clone(),
                reason: claim.reason.clone(),
                epoch,
                until: Some(end_of_lease(moment.now, claim.lease)),
            }),
            before: match &self.holder {
                Some(former) if former.run != claim.run => Some(former.clone()),
                _ => self.before.clone(),
            },
        };
        let former = self.holder.as_ref().map(|former| former.run.clone());
        Change {
            first: former.map(Edit::With).into_iter().collect(),
            record,
            then: vec![Edit::With(claim.run.clone())],
        }
    }

    /// The lease prolonged, by who still holds the node.
    pub(super) fn renewed(mut self, holding: &Holding, now: Timestamp) -> Result<Change, Fault> {
        self.guard(&holding.run, holding.epoch, now)?;
        if let Some(holder) = &mut self.holder {
            holder.until = Some(end_of_lease(now, holding.lease));
        }
        Ok(Change {
            first: Vec::new(),
            record: self,
            then: Vec::new(),
        })
    }

    /// The node given up.
    pub(super) fn released(
        mut self,
        holding: &Holding,
        release: &Release,
    ) -> Result<Change, Fault> {
        self.held_by(&holding.run, holding.epoch)?;
        let own = holding.run.clone();
        let edits = match release {
            Release::Unfinished => {
                if let Some(holder) = &mut self.holder {
                    holder.until = None;
                }
                vec![Edit::With(own)]
            }
            Release::Free => {
                self.holder = None;
                vec![Edit::With(own)]
            }
            Release::Unused => {
                self.holder = self.before.take().map(|former| Holder {
                    until: None,
                    ..former
                });
                vec![Edit::Without(own)]
            }
            Release::Undid(undone) => {
                self.holder = None;
                vec![Edit::Without(own), Edit::Without(undone.clone())]
            }
        };
        if self.holder.is_none() {
            self.before = None;
        }
        Ok(Change {
            first: edits,
            record: self,
            then: Vec::new(),
        })
    }

    /// Refuses whoever does not hold the node at this moment.
    pub(super) fn guard(&self, run: &RunId, epoch: Epoch, now: Timestamp) -> Result<(), Fault> {
        in_lease(self.held_by(run, epoch)?, now)
    }

    /// Refuses whoever does not hold the node, or has lost it to another; the lease may be over.
    pub(super) fn held_by(&self, run: &RunId, epoch: Epoch) -> Result<&Holder, Fault> {
        let now = match &self.holder {
            Some(holder) if holder.run == *run && holder.epoch == epoch => return Ok(holder),
            None => "nobody holds it".to_owned(),
            Some(holder) if holder.run == *run => {
                format!("{} took it again", holder.runner.owner)
            }
            Some(holder) => format!("run {} of {} holds it", holder.run, holder.runner.owner),
        };
        Err(Fault::new(
            FaultKind::Fenced,
            format!("run {run} no longer holds the node: {now}"),
        ))
    }
}

fn end_of_lease(from: Timestamp, lease: Millis) -> Timestamp {
    let length = SignedDuration::from_millis(i64::try_from(lease.0).unwrap_or(i64::MAX));
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

fn in_lease(holder: &Holder, now: Timestamp) -> Result<(), Fault> {
    let run = &holder.run;
    match holder.until {
        Some(until) if until > now => Ok(()),
        Some(until) => Err(Fault::new(
            FaultKind::Fenced,
            format!("the lease of run {run} on the node ended at {until}"),
        )),
        None => Err(Fault::new(
            FaultKind::Fenced,
            format!("run {run} has given the node up"),
        )),
    }
}
