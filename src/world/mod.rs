//! The real world, behind [`World`]: [`LocalWorld`] is this machine, the node `local`; [`NodeWorld`] is nodes that
//! only commands reach.
//!
//! A node has a folder of its own (`state_dir`), which holds its lock, the
//! copies of journals, what effects left behind, and backups:
//!
//! ```text
//! lock.json                     who holds the node, and with which epoch
//! lock                          the same in a line that a shell can read
//! claim.lock                    locked while these two are changed
//! effect.lock                   locked while an effect runs
//! history                       the runs that changed the node
//! runs/RUN/journal.jsonl        the node's copy of the journal
//! runs/RUN/effects/STEP.*       how far an effect came, what it wrote, how it ended
//! runs/RUN/backups/STEP/        what a step kept
//! ```
//!
//! On this machine work on files is done by this process, and commands run under
//! a wrapper (`fence.sh`) which outlives it; elsewhere both run under such a
//! wrapper (`node/fence.sh`). Whoever works holds `effect.lock`, and does nothing
//! unless the run holds the node then. The folder has one format: a node can
//! change hands between both worlds.
//!
//! This room knows plans, the engine's contract, and files. It knows no vendor,
//! no network but for the question whether a port is open, and no terminal.

mod attributes;
mod backup;
mod cleanup;
mod command;
mod content;
mod durable;
mod edit;
mod effect;
mod ending;
mod errno;
mod hold;
mod kept;
mod local_hold;
mod lock_file;
mod manifest;
mod node;
mod node_folder;
mod nodes;
mod observe;
mod original;
mod place;
mod process;
mod refusal;
mod replace;
mod runner;
mod tree;
mod vault;
mod watch;
mod xml;

pub use cleanup::Leftovers;
pub use manifest::manifest_digest;
pub use node::{Connect, NodeWorld};
pub use nodes::Nodes;
pub use original::read_file_bounded;
pub use runner::this_runner;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::backup::Backup;
use self::command::Job;
use self::effect::Effect;
use self::errno::OrFault as _;
use self::node_folder::NodeFolder;
use self::vault::Vault;
use self::watch::Watch;
use crate::config::{NodeName, SecretStore};
use crate::engine::{
    Call, Cancel, Claim, ClaimError, Epoch, Fault, FaultKind, Holding, Look, NodeRecord, Release,
    World,
};
use crate::plan::{Action, Outputs, Probe, Reading, RunId, ServiceState, Target};

/// Nodes on this machine, each with a folder of its own.
pub struct LocalWorld {
    nodes: BTreeMap<NodeName, Target>,
    vault: Vault,
}

impl LocalWorld {
    /// A world of these nodes; those that are elsewhere are out of its reach.
    pub fn new(targets: &BTreeMap<NodeName, Target>, secrets: Arc<SecretStore>) -> Self {
        Self {
            nodes: targets.clone(),
            vault: Vault::new(secrets),
        }
    }

    /// What a run left on a node for its undo.
    pub fn leftovers(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        cleanup::leftovers(&self.folder(node)?, run)
    }

    /// Removes what a run left on a node. The run can't be taken back after that.
    pub fn clear(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        cleanup::clear(&self.folder(node)?, run)
    }

    fn folder(&self, node: &NodeName) -> Result<NodeFolder, Fault> {
        match self.nodes.get(node) {
            Some(target) if target.is_local() => Ok(NodeFolder::new(target.state_dir.local())),
            other => Err(Fault::new(
                FaultKind::Unreachable,
                out_of_reach(other.map(|target| target.address.as_str())),
            )),
        }
    }

    /// Does what an action says. Values are resolved first: a question for a password must not hold the node's lock.
    fn act(&self, folder: &NodeFolder, call: &Call<'_>, action: &Action) -> Result<Outputs, Fault> {
        let mut watch = Watch::new(call.timeout, call.cancel);
        let effect = Effect::of(folder, call);
        let backup = Backup::at(folder.backup(call.run, call.step), call.direction);
        let run = call.run;
        let mut files = |work: &mut dyn FnMut(&Watch<'_>) -> Result<(), Fault>| {
            let beside = made_beside(action, run);
            effect.perform(&mut watch, beside, |watch| {
                work(watch).map(|()| Outputs::new())
            })
        };
        match action {
            Action::EditProperties { path, edits, utf8 } => {
                let edits = edit::resolve(edits, &self.vault)?;
                files(&mut |_| edit::properties(path.local(), &edits, *utf8, run, &backup))
            }
            Action::EditXml { path, edits } => {
                let edits = edit::resolve_xml(edits, &self.vault)?;
                files(&mut |_| edit::xml(path.local(), &edits, run, &backup))
            }
            Action::WriteFile {
                path,
                content,
                mode,
            } => {
                let content = self.vault.joined(content)?;
                files(&mut |_| edit::write(path.local(), &content, *mode, run, &backup))
            }
            Action::CopyTree { from, to, source } => {
                files(&mut |watch| place::copy_tree(from.local(), to.local(), source, run, watch))
            }
            Action::MoveTree { from, to } => {
                files(&mut |_| place::move_tree(from.local(), to.local()))
            }
            Action::Link { path, target } => {
                files(&mut |_| place::link(path.local(), target, run, &backup))
            }
            Action::Remove { path } => files(&mut |_| place::remove(path.local(), run, &backup)),
            Action::BackUp { path } => files(&mut |watch| back_up(path.local(), &backup, watch)),
            Action::Restore { path, backup: kept } => {
                let kept = Backup::of(folder, run, kept);
                files(&mut |watch| kept.restore(path.local(), run, &backup, watch))
            }
            Action::Service { service, to } => {
                let argv = match to {
                    ServiceState::Running => &service.start,
                    ServiceState::Stopped => &service.stop,
                };
                let job = Job {
                    argv,
                    dir: None,
                    input: zeroize::Zeroizing::default(),
                    success: &[0],
                    secrets: Vec::new(),
                };
                command::perform(&effect, job, &mut watch, &self.vault)
            }
            Action::Run {
                argv,
                dir,
                stdin,
                success,
            } => {
                let job = Job {
                    argv,
                    dir: dir.as_ref(),
                    input: self.vault.joined(stdin)?,
                    success,
                    secrets: action.secrets(),
                };
                command::perform(&effect, job, &mut watch, &self.vault)
            }
            // Done by commands, on this machine as on every other: see `Nodes`.
            Action::StageTree { .. }
            | Action::SwapTree { .. }
            | Action::SwapBack { .. }
            | Action::Rest { .. }
            | Action::Balancer { .. }
            | Action::WaitUntil { .. }
            | Action::AskOperator { .. }
            | Action::Check { .. } => Err(Fault::new(
                FaultKind::Failed,
                format!(
                    "a step of the kind `{}` is nothing that this machine does",
                    action.kind()
                ),
            )),
        }
    }
}

fn back_up(path: &Path, backup: &Backup, watch: &Watch<'_>) -> Result<(), Fault> {
    match path.metadata() {
        Err(error) if errno::is_absent(&error) => Err(Fault::new(
            FaultKind::Stale,
            format!("there is nothing at {} to keep", path.display()),
        )),
        Err(error) => Err(error).or_fault("read", path),
        Ok(found) if found.is_dir() => backup.keep_tree(path, watch),
        Ok(_) => {
            let found = original::Original::read(path)?;
            backup.keep_file(path, found.as_ref(), None)
        }
    }
}

/// Where an action makes what is then given its name.
fn made_beside(action: &Action, run: &RunId) -> Option<PathBuf> {
    match action {
        Action::EditProperties { path, .. }
        | Action::EditXml { path, .. }
        | Action::WriteFile { path, .. }
        | Action::Restore { path, .. } => {
            let path = path.local();
            let real = path.canonicalize();
            Some(replace::beside(real.as_deref().unwrap_or(path), run, ""))
        }
        Action::CopyTree { to, .. } => Some(replace::beside(to.local(), run, "")),
        Action::Link { path, .. } => Some(replace::beside(path.local(), run, "")),
        _ => None,
    }
}

fn out_of_reach(address: Option<&str>) -> String {
    match address {
        None => "the plan does not say where the node is".to_owned(),
        Some(address) => format!(
            "the node is at {address}, and only nodes with the address `{}` can be reached",
            Target::LOCAL
        ),
    }
}

impl World for LocalWorld {
    fn refuses(&self, node: &NodeName, action: &Action) -> Option<String> {
        if let Err(fault) = self.folder(node) {
            return Some(fault.what);
        }
        refusal::of(action)
    }

    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault> {
        let folder = self.folder(look.node)?;
        observe::observe(&folder, look, probe, &self.vault)
    }

    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault> {
        let folder = self.folder(call.node)?;
        self.act(&folder, call, action).map(|_| ())
    }

    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault> {
        let folder = self.folder(call.node)?;
        let effect = Effect::of(&folder, call);
        let mut watch = Watch::new(call.timeout, call.cancel);
        folder.make()?;
        let _alone = effect.alone(&mut watch)?;
        let Some(record) = effect.last()? else {
            return Ok(None);
        };
        let outcome = if let Some(outcome) = record.outcome() {
            Some(outcome)
        } else {
            // What is left then is in the way of nothing, and goes with the next attempt.
            let _ = Effect::clear(&record);
            command::settled(&effect, &record, &self.vault)?
        };
        Ok(outcome.map(|outcome| outcome.map(|_| ())))
    }

    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError> {
        let folder = self.folder(node).map_err(ClaimError::Fault)?;
        local_hold::claim(&folder, claim)
    }

    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        local_hold::renew(&self.folder(node)?, holding)
    }

    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault> {
        local_hold::release(&self.folder(node)?, holding, release)
    }

    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault> {
        local_hold::holder(&self.folder(node)?)
    }

    fn keep(&self, node: &NodeName, holding: &Holding, line: &[u8]) -> Result<(), Fault> {
        local_hold::keep(&self.folder(node)?, holding, line)
    }

    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault> {
        let path = self.folder(node)?.journal(run);
        match std::fs::read(&path) {
            Err(error) if errno::is_absent(&error) => Ok(Vec::new()),
            bytes => bytes.or_fault("read", &path),
        }
    }

    fn pause(&self, length: Duration, cancel: &Cancel) -> bool {
        cancel.wait(length)
    }
}
