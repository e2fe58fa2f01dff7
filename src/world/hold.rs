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

use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::durable;
use super::errno::{self, OrFault as _};
use super::lock_file::LockFile;
use super::node_folder::NodeFolder;
use super::runner::{is_dead, this_boot};
use super::watch::Watch;
use crate::engine::{
    Claim, ClaimError, Epoch, Fault, FaultKind, Holder, Holding, NodeRecord, Release,
};
use crate::plan::{Millis, RunId};

/// The version of `lock.json`.
const FORMAT: u32 = 1;

/// How long the record may be locked by somebody else before that is a fault: whoever locks it only reads and writes a
/// line, but may be stopped while it does.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

/// What `lock.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    /// How often the node was taken.
    epoch: Epoch,
    /// The boot of the node at the last claim: a runner of this machine does not survive a new one.
    boot: String,
    holder: Option<Holder>,
    /// Whose unfinished hold the holder took over, to be given back if the holder changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Holder>,
}

impl Record {
    fn read(folder: &NodeFolder) -> Result<Self, Fault> {
        let path = folder.lock_record();
        let bytes = match fs::read(&path) {
            Err(error) if errno::is_absent(&error) => {
                return Ok(Self {
                    format: FORMAT,
                    epoch: Epoch::default(),
                    boot: String::new(),
                    holder: None,
                    before: None,
                });
            }
            bytes => bytes.or_fault("read", &path)?,
        };
        let unusable = |why: String| {
            Fault::new(
                FaultKind::Failed,
                format!("{} can't be used: {why}", path.display()),
            )
        };
        let record: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if record.format > FORMAT {
            return Err(unusable(format!(
                "it has format {}, and this program reads formats up to {FORMAT}",
                record.format
            ))
            .hint("use the newer clusterctl that wrote it"));
        }
        Ok(record)
    }

    /// Writes the line for shells first: an interrupted change then fences the old holder off and lets nobody else in.
    fn write(&self, folder: &NodeFolder) -> Result<(), Fault> {
        let line = folder.lock_line();
        durable::replace(&line, self.line().as_bytes()).or_fault("written", &line)?;
        let path = folder.lock_record();
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        durable::replace(&path, &json).or_fault("written", &path)
    }

    /// Epoch, run, and when the lease is over, in milliseconds of the node's clock.
    fn line(&self) -> String {
        let run = self.holder.as_ref().map_or("-", |h| h.run.as_str());
        let until = self.holder.as_ref().and_then(|holder| holder.until);
        let until = until.map_or(0, Timestamp::as_millisecond);
        format!("{} {run} {until}\n", self.epoch.0)
    }

    /// Whether this claim may take the node, if no effect runs there.
    fn admits(&self, claim: &Claim) -> bool {
        let Some(holder) = &self.holder else {
            return true;
        };
        let same = holder.run == claim.run || claim.instead_of.as_ref() == Some(&holder.run);
        same && (is_over(holder) || self.runner_is_dead(holder))
    }

    fn runner_is_dead(&self, holder: &Holder) -> bool {
        let rebooted = holder.runner.boot == self.boot && self.boot != this_boot();
        rebooted || is_dead(&holder.runner)
    }
}

fn is_over(holder: &Holder) -> bool {
    holder.until.is_none_or(|until| until <= Timestamp::now())
}

fn end_of_lease(from: Timestamp, lease: Millis) -> Timestamp {
    let length = SignedDuration::from_millis(i64::try_from(lease.0).unwrap_or(i64::MAX));
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// Takes the node for a run.
pub(super) fn claim(folder: &NodeFolder, claim: &Claim) -> Result<Epoch, ClaimError> {
    folder.make().map_err(ClaimError::Fault)?;
    let mut watch = Watch::unbroken(claim.wait);
    loop {
        match try_claim(folder, claim) {
            Err(ClaimError::Held(_) | ClaimError::EffectRuns(_)) if !watch.left().is_zero() => {
                watch.pause();
            }
            other => return other,
        }
    }
}

fn try_claim(folder: &NodeFolder, claim: &Claim) -> Result<Epoch, ClaimError> {
    // A lease counts from here: whoever is put to sleep while it takes the node may find that over when it wakes.
    let now = Timestamp::now();
    let turn = record_lock(folder);
    let record = Record::read(folder).map_err(ClaimError::Fault)?;
    if !record.admits(claim)
        && let Some(holder) = record.holder
    {
        // So it is also when the holder's runner was put to sleep while it had the record locked.
        return Err(ClaimError::Held(Box::new(holder)));
    }
    let _turn = turn.map_err(ClaimError::Fault)?;
    let lock = folder.effect_lock();
    let Some(_no_effect) = LockFile::take(&lock).map_err(ClaimError::Fault)? else {
        let how = format!("`fuser -v {}` shows it", lock.display());
        return Err(ClaimError::EffectRuns(how));
    };
    take(folder, &record, claim, now).map_err(ClaimError::Fault)
}

fn take(
    folder: &NodeFolder,
    record: &Record,
    claim: &Claim,
    now: Timestamp,
) -> Result<Epoch, Fault> {
    if let Some(former) = &record.holder {
        History::read(folder)?.with(&former.run).write(folder)?;
    }
    let epoch = Epoch(record.epoch.0 + 1);
    Record {
        format: FORMAT,
        epoch,
        boot: this_boot(),
        holder: Some(Holder {
            run: claim.run.clone(),
            verb: claim.verb.clone(),
            runner: claim.runner.clone(),
            reason: claim.reason.clone(),
            epoch,
            until: Some(end_of_lease(now, claim.lease)),
        }),
        before: match &record.holder {
            Some(former) if former.run != claim.run => Some(former.clone()),
            _ => record.before.clone(),
        },
    }
    .write(folder)?;
    // The node is taken. Should this fail, whoever gives the node up or takes it over makes up for it.
    let _ = History::read(folder).and_then(|history| history.with(&claim.run).write(folder));
    Ok(epoch)
}

/// Prolongs the lease of whoever still holds the node.
pub(super) fn renew(folder: &NodeFolder, holding: &Holding) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    let mut record = Record::read(folder)?;
    let holder = held_by(&mut record, &holding.run, holding.epoch)?;
    // One look at the clock: whoever is put to sleep after it does not prolong what has run out meanwhile.
    let now = Timestamp::now();
    in_lease(holder, now)?;
    holder.until = Some(end_of_lease(now, holding.lease));
    record.write(folder)
}

/// Gives the node up.
pub(super) fn release(
    folder: &NodeFolder,
    holding: &Holding,
    release: &Release,
) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    let mut record = Record::read(folder)?;
    let holder = held_by(&mut record, &holding.run, holding.epoch)?;
    let history = History::read(folder)?;
    match release {
        Release::Unfinished => {
            holder.until = None;
            history.with(&holding.run).write(folder)?;
        }
        Release::Free => {
            record.holder = None;
            history.with(&holding.run).write(folder)?;
        }
        Release::Unused => {
            record.holder = record.before.take().map(|former| Holder {
                until: None,
                ..former
            });
            history.without(&holding.run).write(folder)?;
        }
        Release::Undid(undone) => {
            record.holder = None;
            history
                .without(&holding.run)
                .without(undone)
                .write(folder)?;
        }
    }
    if record.holder.is_none() {
        record.before = None;
    }
    record.write(folder)
}

/// Who holds the node, and which runs changed it.
pub(super) fn holder(folder: &NodeFolder) -> Result<NodeRecord, Fault> {
    Ok(NodeRecord {
        holder: Record::read(folder)?.holder,
        history: History::read(folder)?.0,
    })
}

/// Adds a line to the node's copy of the journal, unless another runner has the node.
pub(super) fn keep(folder: &NodeFolder, holding: &Holding, line: &[u8]) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    held_by(&mut Record::read(folder)?, &holding.run, holding.epoch)?;
    let path = folder.journal(&holding.run);
    let parent = path.parent().unwrap_or(&path);
    durable::make_folder(parent).or_fault("made", parent)?;
    durable::append_line(&path, line).or_fault("written", &path)
}

/// Refuses whoever does not hold the node now. Only under the effect lock does the answer stay true.
pub(super) fn guard(folder: &NodeFolder, run: &RunId, epoch: Epoch) -> Result<(), Fault> {
    let mut record = Record::read(folder)?;
    in_lease(held_by(&mut record, run, epoch)?, Timestamp::now())
}

fn held_by<'r>(record: &'r mut Record, run: &RunId, epoch: Epoch) -> Result<&'r mut Holder, Fault> {
    let now = match &record.holder {
        None => "nobody holds it".to_owned(),
        Some(holder) if holder.run == *run => {
            format!("{} took it again", holder.runner.owner)
        }
        Some(holder) => format!("run {} of {} holds it", holder.run, holder.runner.owner),
    };
    match &mut record.holder {
        Some(holder) if holder.run == *run && holder.epoch == epoch => Ok(holder),
        _ => Err(Fault::new(
            FaultKind::Fenced,
            format!("run {run} no longer holds the node: {now}"),
        )),
    }
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

fn record_lock(folder: &NodeFolder) -> Result<LockFile, Fault> {
    let path = folder.claim_lock();
    let mut watch = Watch::unbroken(Millis::from(RECORD_PATIENCE));
    let what = format!(
        "waiting for {}, which another clusterctl has locked,",
        path.display()
    );
    LockFile::wait(&path, &mut watch, &what)
}

/// The runs that changed the node, oldest first.
struct History(Vec<RunId>);

impl History {
    fn read(folder: &NodeFolder) -> Result<Self, Fault> {
        let path = folder.history();
        match fs::read_to_string(&path) {
            Err(error) if errno::is_absent(&error) => Ok(Self(Vec::new())),
            text => {
                let text = text.or_fault("read", &path)?;
                Ok(Self(
                    text.lines().filter_map(|run| run.parse().ok()).collect(),
                ))
            }
        }
    }

    fn with(mut self, run: &RunId) -> Self {
        if !self.0.contains(run) {
            self.0.push(run.clone());
        }
        self
    }

    fn without(mut self, run: &RunId) -> Self {
        self.0.retain(|known| known != run);
        self
    }

    fn write(&self, folder: &NodeFolder) -> Result<(), Fault> {
        let path = folder.history();
        let runs = self.0.iter().map(RunId::as_str);
        let text: String = runs.flat_map(|run| [run, "\n"]).collect();
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        durable::replace(&path, text.as_bytes()).or_fault("written", &path)
    }
}
