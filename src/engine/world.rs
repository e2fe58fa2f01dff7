//! The one door between the engine and the nodes.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cancel, Fault};
use crate::config::NodeName;
use crate::plan::{Action, Millis, Probe, Proof, Reading, RunId, StepId};

/// How the engine reaches the nodes.
///
/// There is the real world, which turns calls into work on machines, and the
/// simulated one of rehearsals and tests. Every call is for one node, may come
/// from any thread, and returns within the time that it is given.
///
/// A world promises that [`perform`](World::perform) happens under the node's
/// lock file: it does nothing unless the node is still held with `call.epoch`
/// and within the lease, no two effects overlap on a node, and an effect that
/// outlives its runner keeps the lock until it ends and leaves its outcome on
/// the node, where [`settle`](World::settle) finds it.
pub trait World: Send + Sync {
    /// Why this world cannot do this action on this node at all, if so. Looks at nothing.
    fn refuses(&self, node: &NodeName, action: &Action) -> Option<String>;

    /// Looks, and changes nothing.
    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault>;

    /// Does what the action says.
    ///
    /// For an effect that nothing can observe afterwards (`call.proof` is
    /// [`Proof::Stamp`]) the node is stamped `begun` before and `done` after it.
    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault>;

    /// Waits until no old effect of this step runs on the node any more, and tells its outcome if the node knows it.
    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault>;

    /// Takes the node for a run.
    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError>;

    /// Prolongs the lease; refused with [`FaultKind::Fenced`](super::FaultKind::Fenced) once it has run out or another holds the node.
    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault>;

    /// Gives up the node: for good, or so that only the run's own `resume` or `undo` can take it.
    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault>;

    /// Who holds the node, and which runs changed it before, oldest first.
    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault>;

    /// Adds lines to the node's copy of the run's journal, and has them on disk before it returns.
    ///
    /// Refused with [`FaultKind::Fenced`](super::FaultKind::Fenced) when another runner has taken the node since.
    fn keep(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault>;

    /// Has the node's copy of the run's journal say these lines and nothing else, and keeps beside it what it said.
    ///
    /// Refused as [`keep`](World::keep) is.
    fn keep_anew(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault>;

    /// The node's copy of the run's journal; empty where there is none.
    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault>;

    /// Lets time pass, or less of it when `cancel` is given. Returns early and `false` when cancelled.
    fn pause(&self, length: Duration, cancel: &Cancel) -> bool;
}

/// Where and how patiently to look.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// The run that looks, for what a node remembers of a run.
    pub run: &'a RunId,
    /// How long it may take.
    pub timeout: Millis,
}

/// One effect: for whom, with which right, and how it will be proved.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// The run.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepId,
    /// Whether the step is done or taken back.
    pub direction: Direction,
    /// The epoch with which the run holds the node.
    pub epoch: Epoch,
    /// What will show that the effect is there.
    pub proof: &'a Proof,
    /// How long it may take.
    pub timeout: Millis,
    /// Set when the effect is to be broken off.
    pub cancel: &'a Cancel,
    /// Who is told how far it has come.
    pub teller: Teller<'a>,
}

/// So much of what an effect brings to its node.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Amount {
    /// In bytes.
    pub bytes: u64,
    /// In files.
    pub files: u64,
}

/// Whoever is told how much of how much an effect has brought to its node.
#[derive(Clone, Copy)]
pub struct Teller<'a>(pub &'a (dyn Fn(Amount, Amount) + Sync));

impl Teller<'static> {
    /// Nobody.
    pub const NOBODY: Self = Teller(&|_, _| {});
}

impl Teller<'_> {
    /// Tells how much of how much there is.
    pub fn tell(&self, moved: Amount, of: Amount) {
        (self.0)(moved, of);
    }
}

impl fmt::Debug for Teller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

/// Whether a step is done or taken back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It is done.
    Do,
    /// It is taken back.
    Undo,
}

/// How often a node was taken; it grows with every claim.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Who wants a node, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The run whose unfinished hold may be taken over, because this run undoes it.
    pub instead_of: Option<RunId>,
    /// Whether the run's hold is taken even while its runner may live, because a person says so.
    pub by_force: bool,
    /// The verb, such as `props-set`.
    pub verb: String,
    /// The runner: one process on one machine.
    pub runner: Runner,
    /// Why, in words.
    pub reason: String,
    /// How long the hold lasts unless it is renewed.
    pub lease: Millis,
    /// How long to wait for another to let go.
    pub wait: Millis,
}

/// A process that runs plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// The person, as `user@host`.
    pub owner: String,
    /// The machine's identity for as long as it is up.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// When the process began, as the system counts, so that a pid used again is not mistaken for it.
    pub started: u64,
}

/// The right to change a node, once claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The run.
    pub run: RunId,
    /// With which epoch.
    pub epoch: Epoch,
    /// How long each renewal lasts.
    pub lease: Millis,
}

/// How a node is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The run is over: anybody may take the node.
    Free,
    /// The run changed nothing: anybody may take the node, and its history does not mention the run.
    Unused,
    /// The run is unfinished: only its own `resume` or `undo` may.
    Unfinished,
    /// The run took back another: anybody may take the node, and its history mentions neither.
    Undid(RunId),
}

/// Who holds a node, as the node itself says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// Its verb.
    pub verb: String,
    /// The runner that took the node.
    pub runner: Runner,
    /// Why.
    pub reason: String,
    /// With which epoch.
    pub epoch: Epoch,
    /// Until when, by the node's clock; `None` when its runner has stopped and the run is unfinished.
    #[schemars(with = "Option<String>")]
    pub until: Option<jiff::Timestamp>,
}

/// What a node knows of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Who holds it.
    pub holder: Option<Holder>,
    /// The runs that changed it, oldest first.
    pub history: Vec<RunId>,
}

/// Why a node could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimError {
    /// Another run holds it, is unfinished, or the same run goes on elsewhere.
    Held(Box<Holder>),
    /// The node could be taken, but an effect of a runner that is gone still runs on it; the text says how to see it.
    EffectRuns(String),
    /// The node could not be asked.
    Fault(Fault),
}
