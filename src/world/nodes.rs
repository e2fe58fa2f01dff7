//! The nodes of a run, this machine and others, behind one [`World`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::calls::{At, Calls};
use super::connections::{Connect, Connections};
use super::effect::{self, Effect};
use super::effect_record::Stamp;
use super::hold::{self, LastSeen};
use super::job::Job;
use super::leftovers::{self, Leftovers};
use super::node::Node;
use super::node_folder::NodeFolder;
use super::pools;
use super::probes;
use super::refusal;
use super::trees::{self, Trees};
use super::turns::Turns;
use super::vault::Vault;
use super::watch::Watch;
use super::{file_jobs, file_probes};
use crate::balancer::haproxy::Pool;
use crate::config::{NodeName, PoolName, RestTrust, RuntimeSocket, SecretStore};
use crate::engine::{
    Call, Cancel, Claim, ClaimError, Epoch, Fault, FaultKind, Holding, Look, NodeRecord, Release,
    World,
};
use crate::plan::{
    Action, Millis, Probe, Reading, RemotePath, RunId, ServiceState, Target, Tree, TreeSource,
};
use crate::remote::Host;
use crate::transfer::Source;

/// How long a node may take to find or remove what a run left.
const CLEANING: Millis = Millis::secs(3600);

/// The nodes of a run, each with a folder of its own there.
pub struct Nodes {
    places: BTreeMap<NodeName, Place>,
    vault: Vault,
    trees: Trees,
    calls: Calls,
    /// For looks and effects, and for what comes before and after them: taking the node, its journal, letting go. No
    /// two of these happen to a node at once.
    work: Connections,
    /// For the heartbeat: an effect that takes its time does not keep a lease from being renewed. A run that is over
    /// before that is due makes no second connection.
    beats: Connections,
}

/// What is known of a node.
struct Place {
    folder: NodeFolder,
    last_seen: LastSeen,
    turns: Turns,
}

impl Nodes {
    /// A world of these nodes. Connections are made when they are needed.
    pub fn new(
        targets: &BTreeMap<NodeName, Target>,
        secrets: Arc<SecretStore>,
        connector: Arc<dyn Connect>,
    ) -> Self {
        let place = |(name, target): (&NodeName, &Target)| {
            let place = Place {
                folder: NodeFolder::new(target.state_dir.local()),
                last_seen: LastSeen::default(),
                turns: Turns::default(),
            };
            (name.clone(), place)
        };
        Self {
            places: targets.iter().map(place).collect(),
            vault: Vault::new(secrets),
            trees: Trees::new(Arc::clone(&connector), targets),
            calls: Calls::new(RestTrust::default()),
            work: Connections::new(Arc::clone(&connector), targets.keys()),
            beats: Connections::new(connector, targets.keys()),
        }
    }

    /// Reads a tree of this machine that one of these actions brings, unless it was `read` only just now. What the nodes
    /// have is looked at with it in mind then, and takes the less room the more it is like that.
    pub fn read_ahead<'a>(&self, actions: impl Iterator<Item = &'a Action>, read: Option<Source>) {
        let mut trees = actions.filter_map(|action| match action {
            Action::StageTree { tree, .. } | Action::ReplaceFiles { tree, .. } => Some(tree),
            _ => None,
        });
        let is_here = |tree: &&Tree| matches!(tree.from, TreeSource::Runner { .. });
        if let Some(tree) = trees.find(is_here) {
            if let Some(read) = read.filter(Source::is_fresh) {
                self.trees.know(tree, read);
            }
            self.trees.read_ahead(tree);
        }
    }

    /// The same, with what the cluster file says of whom to trust.
    #[must_use]
    pub fn trusting(self, trust: RestTrust) -> Self {
        Self {
            calls: Calls::new(trust),
            ..self
        }
    }

    /// The same, with connections to nodes that were made already.
    #[must_use]
    pub fn with_connections(self, made: BTreeMap<NodeName, Arc<dyn Host>>) -> Self {
        for (node, host) in made {
            self.work.take_over(&node, host);
        }
        self
    }

    /// What a run left on a node for its undo.
    pub fn leftovers(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        leftovers::leftovers(&self.at_work(node)?, run, &Watch::unbroken(CLEANING))
    }

    /// Removes what a run left on a node. The run can't be taken back after that.
    pub fn clear(&self, node: &NodeName, run: &RunId) -> Result<Leftovers, Fault> {
        leftovers::clear(&self.at_work(node)?, run, &Watch::unbroken(CLEANING))
    }

    /// The content of a file that is not too large to be edited; `None` where there is nothing.
    pub fn read_file(
        &self,
        node: &NodeName,
        path: &RemotePath,
        timeout: Millis,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let watch = Watch::unbroken(timeout);
        file_probes::read(&self.at_work(node)?, path.local(), &watch)
    }

    /// What HAProxy on a node tells of a pool; `None` where it has none of this name.
    pub fn haproxy_pool(
        &self,
        node: &NodeName,
        socket: &RuntimeSocket,
        pool: &PoolName,
        timeout: Millis,
    ) -> Result<Option<Pool>, Fault> {
        pools::pool(
            &self.at_work(node)?,
            socket,
            pool,
            &Watch::unbroken(timeout),
        )
    }

    fn node<'w>(
        &'w self,
        name: &'w NodeName,
        connections: &'w Connections,
    ) -> Result<(Node<'w>, &'w Place), Fault> {
        let Some(place) = self.places.get(name) else {
            let what = "the plan does not say where the node is";
            return Err(Fault::new(FaultKind::Unreachable, what));
        };
        let node = Node {
            name,
            folder: &place.folder,
            vault: &self.vault,
            connections,
        };
        Ok((node, place))
    }

    fn at_work<'w>(&'w self, name: &'w NodeName) -> Result<Node<'w>, Fault> {
        self.node(name, &self.work).map(|(node, _)| node)
    }

    fn job(
        &self,
        node: &Node<'_>,
        call: &Call<'_>,
        action: &Action,
        watch: &Watch<'_>,
    ) -> Result<Job, Fault> {
        match action {
            Action::Service { service, to } => {
                let argv = match to {
                    ServiceState::Running => &service.start,
                    ServiceState::Stopped => &service.stop,
                };
                let nothing = Zeroizing::default();
                Ok(Job::command(argv, None, nothing, &[0], Vec::new()))
            }
            Action::Run {
                argv,
                dir,
                stdin,
                success,
            } => Ok(Job::command(
                argv,
                dir.as_ref(),
                self.vault.joined(stdin)?,
                success,
                action.secrets(),
            )),
            Action::Balancer { .. } => pools::job(action).ok_or_else(|| no_work(action)),
            Action::StageTree { .. }
            | Action::ReplaceFiles { .. }
            | Action::SwapTree { .. }
            | Action::SwapBack { .. } => {
                trees::job(node, call, action, &self.trees, watch)?.ok_or_else(|| no_work(action))
            }
            _ => file_jobs::job(node, call, action, watch)?.ok_or_else(|| no_work(action)),
        }
    }
}

fn no_work(action: &Action) -> Fault {
    let kind = action.kind();
    let what = format!("a step of the kind `{kind}` is nothing that a node does");
    Fault::new(FaultKind::Failed, what)
}

fn no_look(probe: &Probe) -> Fault {
    let what = format!("{probe} can't be looked at on a node");
    Fault::new(FaultKind::Failed, what)
}

impl World for Nodes {
    fn refuses(&self, node: &NodeName, action: &Action) -> Option<String> {
        if let Err(fault) = self.at_work(node) {
            return Some(fault.what);
        }
        match action {
            Action::StageTree { tree, .. } | Action::ReplaceFiles { tree, .. } => {
                self.trees.refuses(tree)
            }
            _ => refusal::of(action),
        }
    }

    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault> {
        let node = self.at_work(look.node)?;
        let watch = Watch::unbroken(look.timeout);
        match probe {
            Probe::Service { service } => probes::service(&node, service, &watch),
            Probe::Command { argv } => probes::exit_code(&node, argv, &watch).map(Reading::Number),
            Probe::Port { host, port } => probes::listens(&node, host, *port, &watch),
            Probe::FreeSpace { path } => probes::free_space(&node, path, &watch),
            Probe::Stamp { step } => {
                effect::stamp(node, look.run, step, &watch).map(Stamp::reading)
            }
            Probe::Rest { .. } => {
                let found = self.calls.observe(&self.vault, probe, &watch)?;
                found.ok_or_else(|| no_look(probe))
            }
            Probe::Process { words } => probes::process(&node, words, &watch),
            Probe::Balancer { .. } => {
                pools::observe(&node, probe, &watch)?.ok_or_else(|| no_look(probe))
            }
            Probe::Contents { .. } | Probe::Staged { .. } => {
                trees::observe(&node, look, probe, &self.trees, &watch)?
                    .ok_or_else(|| no_look(probe))
            }
            _ => file_probes::observe(&node, look, probe, &watch)?.ok_or_else(|| no_look(probe)),
        }
    }

    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault> {
        let (node, place) = self.node(call.node, &self.work)?;
        let mut watch = Watch::new(call.timeout, call.cancel);
        let _turn = place.turns.take(&mut watch)?;
        if let Action::Rest { .. } = action {
            let (beside, _) = self.node(call.node, &self.beats)?;
            let at = At { node, beside, call };
            return self.calls.perform(&at, action, &watch);
        }
        let job = self.job(&node, call, action, &watch)?;
        Effect::of(node, call).perform(&job, &watch).map(|_| ())
    }

    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault> {
        let node = self.at_work(call.node)?;
        let watch = Watch::new(call.timeout, call.cancel);
        let outcome = Effect::of(node, call).settle(&watch)?;
        Ok(outcome.map(|outcome| outcome.map(|_| ())))
    }

    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError> {
        let (node, place) = self.node(node, &self.work).map_err(ClaimError::Fault)?;
        hold::claim(&node, &place.last_seen, claim)
    }

    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        let (node, place) = self.node(node, &self.beats)?;
        hold::renew(&node, &place.last_seen, holding)
    }

    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault> {
        let (node, place) = self.node(node, &self.work)?;
        hold::release(&node, &place.last_seen, holding, release)
    }

    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault> {
        hold::holder(&self.at_work(node)?)
    }

    fn keep(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
        hold::keep(&self.node(node, &self.work)?.0, holding, lines)
    }

    fn keep_anew(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
        hold::keep_anew(&self.node(node, &self.beats)?.0, holding, lines)
    }

    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault> {
        hold::kept(&self.at_work(node)?, run)
    }

    fn pause(&self, length: Duration, cancel: &Cancel) -> bool {
        cancel.wait(length)
    }
}
