//! The hold on a node of this machine, and its history.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;

use super::durable;
use super::errno::{self, OrFault as _};
use super::hold::{Change, Edit, Moment, Record};
use super::lock_file::LockFile;
use super::node_folder::NodeFolder;
use super::runner::this_boot;
use super::watch::Watch;
use crate::engine::{Claim, ClaimError, Epoch, Fault, Holding, NodeRecord, Release};
use crate::plan::{Millis, RunId};

/// How long the record may be locked by somebody else before that is a fault: whoever locks it only reads and writes a
/// line, but may be stopped while it does.
pub(super) const RECORD_PATIENCE: Duration = Duration::from_secs(10);

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
    let moment = Moment {
        now: Timestamp::now(),
        boot: this_boot(),
    };
    let turn = record_lock(folder);
    let record = read(folder).map_err(ClaimError::Fault)?;
    // So it is also when the holder's runner was put to sleep while it had the record locked.
    record.admits(claim, &moment)?;
    let _turn = turn.map_err(ClaimError::Fault)?;
    let lock = folder.effect_lock();
    let Some(_no_effect) = LockFile::take(&lock).map_err(ClaimError::Fault)? else {
        return Err(ClaimError::EffectRuns(folder.how_to_see_effects()));
    };
    let change = record.taken(claim, moment);
    let epoch = change.record.epoch;
    write(folder, &change).map_err(ClaimError::Fault)?;
    Ok(epoch)
}

/// Prolongs the lease of whoever still holds the node.
pub(super) fn renew(folder: &NodeFolder, holding: &Holding) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    let record = read(folder)?;
    // One look at the clock: whoever is put to sleep after it does not prolong what has run out meanwhile.
    write(folder, &record.renewed(holding, Timestamp::now())?)
}

/// Gives the node up.
pub(super) fn release(
    folder: &NodeFolder,
    holding: &Holding,
    release: &Release,
) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    let record = read(folder)?;
    write(folder, &record.released(holding, release)?)
}

/// Who holds the node, and which runs changed it.
pub(super) fn holder(folder: &NodeFolder) -> Result<NodeRecord, Fault> {
    Ok(NodeRecord {
        holder: read(folder)?.holder,
        history: History::read(folder)?.0,
    })
}

/// Adds a line to the node's copy of the journal, unless another runner has the node.
pub(super) fn keep(folder: &NodeFolder, holding: &Holding, line: &[u8]) -> Result<(), Fault> {
    let _turn = record_lock(folder)?;
    read(folder)?.held_by(&holding.run, holding.epoch)?;
    let path = folder.journal(&holding.run);
    let parent = path.parent().unwrap_or(&path);
    durable::make_folder(parent).or_fault("made", parent)?;
    durable::append_line(&path, line).or_fault("written", &path)
}

/// Refuses whoever does not hold the node now. Only under the effect lock does the answer stay true.
pub(super) fn guard(folder: &NodeFolder, run: &RunId, epoch: Epoch) -> Result<(), Fault> {
    read(folder)?.guard(run, epoch, Timestamp::now())
}

fn read(folder: &NodeFolder) -> Result<Record, Fault> {
    let path = folder.lock_record();
    match fs::read(&path) {
        Err(error) if errno::is_absent(&error) => Ok(Record::default()),
        bytes => Record::parse(&bytes.or_fault("read", &path)?, &path),
    }
}

/// Writes the line for shells first: an interrupted change then fences the old holder off and lets nobody else in.
fn write(folder: &NodeFolder, change: &Change) -> Result<(), Fault> {
    if !change.first.is_empty() {
        History::read(folder)?.edited(&change.first).write(folder)?;
    }
    let line = folder.lock_line();
    durable::replace(&line, change.record.line().as_bytes()).or_fault("written", &line)?;
    let path = folder.lock_record();
    durable::replace(&path, &change.record.bytes()).or_fault("written", &path)?;
    if !change.then.is_empty() {
        // Should this fail, whoever gives the node up or takes it over makes up for it.
        let _ =
            History::read(folder).and_then(|history| history.edited(&change.then).write(folder));
    }
    Ok(())
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

    fn edited(mut self, edits: &[Edit]) -> Self {
        for edit in edits {
            match edit {
                Edit::With(run) if self.0.contains(run) => {}
                Edit::With(run) => self.0.push(run.clone()),
                Edit::Without(run) => self.0.retain(|known| known != run),
            }
        }
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
