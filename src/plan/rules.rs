//! The rules that a plan keeps, whoever made it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{Action, Class, Plan, Proof, Step, StepId, Undo, Value};
use crate::config::NodeName;

/// A rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanProblem {
    /// Two steps have one name.
    #[error("two steps are called {0}")]
    TwoSteps(StepId),
    /// A step's name speaks of another node than its lane.
    #[error("{step} stands in the lane of {node}")]
    WrongLane {
        /// The step.
        step: StepId,
        /// The lane's node.
        node: NodeName,
    },
    /// A node has no address.
    #[error("{0} has a lane but is not among the plan's nodes")]
    UnknownNode(NodeName),
    /// A node's folder is not an absolute path.
    #[error("the folder `{dir}` of {node} is not an absolute path")]
    RelativeFolder {
        /// The node.
        node: NodeName,
        /// The folder.
        dir: String,
    },
    /// A node has two lanes in one stage.
    #[error("{node} has two lanes in stage `{stage}`")]
    TwoLanes {
        /// The node.
        node: NodeName,
        /// The stage.
        stage: String,
    },
    /// A stage would never go on.
    #[error("stage `{0}` has width 0")]
    NoWidth(String),
    /// A step uses what no earlier step gives.
    #[error("{step} uses an output of {of}, which does not come before it")]
    FromLater {
        /// The step.
        step: StepId,
        /// The step that it needs.
        of: StepId,
    },
    /// A step ends what no earlier step of its node began.
    #[error("{step} ends {begun}, which is not an earlier temporary change of the same node")]
    EndsNothing {
        /// The step.
        step: StepId,
        /// What it would end.
        begun: StepId,
    },
    /// A temporary change that can't be given back.
    #[error("{0} is temporary but has no undo")]
    TemporaryForGood(StepId),
    /// A step that only looks but changes something, or the reverse.
    #[error("{0} is of class `read` but changes something")]
    ReadsAndChanges(StepId),
    /// A step that can never be shown to be done.
    #[error("{0} has a proof without conditions")]
    EmptyProof(StepId),
    /// A file's path that depends on where the program runs.
    #[error("{step} names `{path}`, which is not an absolute path")]
    RelativePath {
        /// The step.
        step: StepId,
        /// The path.
        path: String,
    },
    /// A command without a program.
    #[error("{0} runs a command that has no words")]
    EmptyCommand(StepId),
}

impl Plan {
    /// Every rule that the plan breaks.
    pub fn problems(&self) -> Vec<PlanProblem> {
        let mut found = Vec::new();
        let mut seen: BTreeMap<&StepId, (&NodeName, &Step)> = BTreeMap::new();
        for (node, target) in &self.nodes {
            if !target.state_dir.local().is_absolute() {
                let dir = target.state_dir.to_string();
                found.push(PlanProblem::RelativeFolder {
                    node: node.clone(),
                    dir,
                });
            }
        }
        for stage in &self.stages {
            if stage.width == 0 {
                found.push(PlanProblem::NoWidth(stage.name.clone()));
            }
            let mut lanes = BTreeSet::new();
            let before = seen.clone();
            for lane in &stage.lanes {
                if !lanes.insert(&lane.node) {
                    let (node, stage) = (lane.node.clone(), stage.name.clone());
                    found.push(PlanProblem::TwoLanes { node, stage });
                }
                if !self.nodes.contains_key(&lane.node) {
                    found.push(PlanProblem::UnknownNode(lane.node.clone()));
                }
                let mut known = before.clone();
                for step in &lane.steps {
                    judge(step, &lane.node, &known, &mut found);
                    if seen.insert(&step.id, (&lane.node, step)).is_some() {
                        found.push(PlanProblem::TwoSteps(step.id.clone()));
                    }
                    known.insert(&step.id, (&lane.node, step));
                }
            }
        }
        found
    }
}

fn judge(
    step: &Step,
    node: &NodeName,
    before: &BTreeMap<&StepId, (&NodeName, &Step)>,
    found: &mut Vec<PlanProblem>,
) {
    let id = || step.id.clone();
    if step.id.node() != node.as_str() {
        found.push(PlanProblem::WrongLane {
            step: id(),
            node: node.clone(),
        });
    }
    if matches!(&step.proof, Proof::Holds(conditions) if conditions.is_empty()) {
        found.push(PlanProblem::EmptyProof(id()));
    }
    let undo = match &step.undo {
        Undo::By { action, .. } => Some(action.as_ref()),
        Undo::Nothing { .. } | Undo::Impossible { .. } => None,
    };
    if step.temporary.is_some() && undo.is_none() {
        found.push(PlanProblem::TemporaryForGood(id()));
    }
    if step.class == Class::Read && step.action.changes() {
        found.push(PlanProblem::ReadsAndChanges(id()));
    }
    if let Some(begun) = &step.ends {
        let fits = matches!(before.get(begun), Some((n, s)) if *n == node && s.temporary.is_some());
        if !fits {
            found.push(PlanProblem::EndsNothing {
                step: id(),
                begun: begun.clone(),
            });
        }
    }
    for action in std::iter::once(&step.action).chain(undo) {
        for value in action.values() {
            if let Value::FromStep { step: of, .. } = value {
                let own = undo.is_some_and(|undo| std::ptr::eq(undo, action)) && of == step.id;
                if !own && !before.contains_key(&of) {
                    found.push(PlanProblem::FromLater { step: id(), of });
                }
            }
        }
        for path in action.paths() {
            if !path.local().is_absolute() || path.as_str().contains('\0') {
                let path = path.as_str().escape_debug().to_string();
                found.push(PlanProblem::RelativePath { step: id(), path });
            }
        }
        if action.commands().iter().any(|argv| argv.words().is_empty()) {
            found.push(PlanProblem::EmptyCommand(id()));
        }
    }
}

impl Action {
    /// Whether the action changes anything on the node.
    pub fn changes(&self) -> bool {
        !matches!(
            self,
            Self::WaitUntil { .. } | Self::Check { .. } | Self::AskOperator { .. }
        )
    }

    /// What the action changes, as [`Probe::subject`](super::Probe::subject) names it.
    pub fn subjects(&self) -> Vec<String> {
        match self {
            Self::Service { service, .. } => vec![format!("service {}", service.name)],
            Self::Balancer { pool, server, .. } => vec![format!("{server} in pool {pool}")],
            Self::Rest { url, .. } => vec![url.clone()],
            other => other.paths().into_iter().map(ToString::to_string).collect(),
        }
    }

    fn paths(&self) -> Vec<&super::RemotePath> {
        match self {
            Self::EditProperties { path, .. }
            | Self::EditXml { path, .. }
            | Self::WriteFile { path, .. }
            | Self::Link { path, .. }
            | Self::Remove { path }
            | Self::BackUp { path }
            | Self::Restore { path, .. } => vec![path],
            Self::CopyTree { from, to, .. } | Self::MoveTree { from, to } => vec![from, to],
            Self::Run { dir, .. } => dir.iter().collect(),
            Self::Service { .. }
            | Self::Rest { .. }
            | Self::Balancer { .. }
            | Self::WaitUntil { .. }
            | Self::AskOperator { .. }
            | Self::Check { .. } => Vec::new(),
        }
    }

    fn commands(&self) -> Vec<&super::Argv> {
        match self {
            Self::Run { argv, .. } => vec![argv],
            Self::Service { service, .. } => vec![&service.start, &service.stop, &service.status],
            _ => Vec::new(),
        }
    }
}
