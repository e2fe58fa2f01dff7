//! All nodes of a run, this machine and others, behind one [`World`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Connect, Leftovers, LocalWorld, NodeWorld, read_file_bounded};
use crate::config::{NodeName, SecretStore};
use crate::engine::{
    Call, Cancel, Claim, ClaimError, Epoch, Fault, Holding, Look, NodeRecord, Release, World,
};
use crate::plan::{Action, Millis, Probe, Reading, RemotePath, RunId, Target};

/// The nodes of a run. Those of this machine are worked on by this process, others through connections.
pub struct Nodes {
    here: LocalWorld,
    elsewhere: NodeWorld,
    targets: BTreeMap<NodeName, Target>,
}

impl Nodes {
    /// A world of these nodes. Connections are made when they are needed.
    pub fn new(
        targets: &BTreeMap<NodeName, Target>,
        secrets: Arc<SecretStore>,
        connector: Arc<dyn Connect>,
    ) -> Self {
        Self {
            here: LocalWorld::new(targets, Arc::clone(&secrets)),
            elsewhere: NodeWorld::new(targets, secrets, connector),
            targets: targets.clone(),
        }
    }

    fn is_here(&self, node: &NodeName) -> bool {
        // Of one that nobody knows, this machine's world says so.
        self.targets.get(node).is_none_or(|target| {
            // With another user's rights, it is as another machine.
            target.is_local() && target.sudo.is_none()
        })
    }

    fn of(&self, node: &NodeName) -> &dyn World {
        if self.is_here(node) {
            &self.here
        } else {
            &self.elsewhere
        }
    }

    /// The content of a file that is not too large to be edited; `None` where there is nothing.
    pub fn read_file(
        &self,
        node: &NodeName,
        path: &RemotePath,
        timeout: Millis,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        if self.is_here(node) {
            read_file_bounded(path.local())
        } else {
            self.elsewhere.read_file(node, path, timeout)
        }
    }

    /// What a run left on a node for its undo.
    pub fn leftovers(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        if self.is_here(node) {
            self.here.leftovers(node, run)
        } else {
            self.elsewhere.leftovers(node, run)
        }
    }

    /// Removes what a run left on a node. The run can't be taken back after that.
    pub fn clear(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        if self.is_here(node) {
            self.here.clear(node, run)
        } else {
            self.elsewhere.clear(node, run)
        }
    }
}

impl World for Nodes {
    fn refuses(&self, node: &NodeName, action: &Action) -> Option<String> {
        self.of(node).refuses(node, action)
    }

    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault> {
        match probe {
            Probe::Contents { .. } | Probe::Staged { .. } => self.elsewhere.observe(look, probe),
            _ => self.of(look.node).observe(look, probe),
        }
    }

    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault> {
        match action {
            Action::StageTree { .. } | Action::SwapTree { .. } | Action::SwapBack { .. } => {
                self.elsewhere.perform(call, action)
            }
            _ => self.of(call.node).perform(call, action),
        }
    }

    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault> {
        self.of(call.node).settle(call)
    }

    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError> {
        self.of(node).claim(node, claim)
    }

    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        self.of(node).renew(node, holding)
    }

    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault> {
        self.of(node).release(node, holding, release)
    }

    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault> {
        self.of(node).holder(node)
    }

    fn keep(&self, node: &NodeName, holding: &Holding, line: &[u8]) -> Result<(), Fault> {
        self.of(node).keep(node, holding, line)
    }

    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault> {
        self.of(node).kept(node, run)
    }

    fn pause(&self, length: Duration, cancel: &Cancel) -> bool {
        cancel.wait(length)
    }
}
