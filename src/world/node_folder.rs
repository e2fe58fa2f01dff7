//! The folder on a node that holds its lock and its records of runs.

use std::path::{Path, PathBuf};

use crate::engine::{Direction, Fault, FaultKind};
use crate::plan::{RunId, StepId};

/// Where everything is in a node's folder.
#[derive(Debug, Clone)]
pub(super) struct NodeFolder {
    path: PathBuf,
}

impl NodeFolder {
    /// The folder at this path, which need not be there yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who holds the node.
    pub(super) fn lock_record(&self) -> PathBuf {
        self.path.join("lock.json")
    }

    /// Locked while the record of who holds the node is read and changed.
    pub(super) fn claim_lock(&self) -> PathBuf {
        self.path.join("claim.lock")
    }

    /// Locked while an effect runs.
    pub(super) fn effect_lock(&self) -> PathBuf {
        self.path.join("effect.lock")
    }

    /// How a person sees who has that lock.
    pub(super) fn how_to_see_effects(&self) -> String {
        format!("`fuser -v {}` shows it", self.effect_lock().display())
    }

    /// Everything that a run left here.
    pub(super) fn run(&self, run: &RunId) -> PathBuf {
        self.path.join("runs").join(run.as_str())
    }

    /// The node's copy of a run's journal.
    pub(super) fn journal(&self, run: &RunId) -> PathBuf {
        self.run(run).join("journal.jsonl")
    }

    /// Where the effects of a run leave their outcomes.
    pub(super) fn effects(&self, run: &RunId) -> PathBuf {
        self.run(run).join("effects")
    }

    /// The record of one effect; its other files have the same name and another ending.
    pub(super) fn effect(&self, run: &RunId, step: &StepId, direction: Direction) -> PathBuf {
        let direction = match direction {
            Direction::Do => "do",
            Direction::Undo => "undo",
        };
        self.effects(run)
            .join(format!("{}.{direction}.json", step.file_name()))
    }

    /// What a step of a run kept.
    pub(super) fn backup(&self, run: &RunId, step: &StepId) -> PathBuf {
        self.run(run).join("backups").join(step.file_name())
    }
}

/// The same fault with what to do about it.
pub(super) fn not_made(fault: Fault, path: &Path) -> Fault {
    fault.hint(format!(
        "{} is the node's folder for its lock and backups; set `state_dir` to one that this user may make",
        path.display()
    ))
}

/// Why a folder of this owner and mode is not safe for the user `me`, if so: others could change it.
pub(super) fn unsafe_folder(path: &Path, owner: u32, mode: u32, me: u32) -> Option<Fault> {
    let stranger = owner != me && owner != 0;
    if mode & 0o022 == 0 && !stranger {
        return None;
    }
    let what = format!(
        "the node's folder {} can be changed by other users (owner {owner}, mode {mode:04o})",
        path.display(),
    );
    let hint = format!("chmod 700 {0} and chown it to user {me}", path.display());
    Some(Fault::new(FaultKind::Denied, what).hint(hint))
}
