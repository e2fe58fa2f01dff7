//! The saved simulated world: what every probe would find, and what the nodes remember.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::NodeName;
use crate::engine::{Direction, Holder};
use crate::plan::{Action, Condition, Expect, Plan, Probe, Proof, Reading, RunId, StepId};

/// What the simulated nodes are like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimState {
    /// Each node.
    pub nodes: BTreeMap<NodeName, SimNode>,
}

/// One simulated node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimNode {
    /// What each probe, written as JSON, finds.
    pub readings: BTreeMap<String, Reading>,
    /// The stamps of steps: `begun` or `done`.
    pub stamps: BTreeMap<String, String>,
    /// Every effect that ever happened on the node, in order.
    pub effects: Vec<(RunId, StepId, Direction)>,
    /// Effects that ran under the node's wrapper, which remembers that they succeeded.
    pub outcomes: BTreeSet<String>,
    /// Who holds the node.
    pub holder: Option<Holder>,
    /// Whom the holder took the node from.
    pub before: Option<Box<Holder>>,
    /// How often the node was taken.
    pub epoch: u64,
    /// The runs that changed the node.
    pub history: Vec<RunId>,
    /// The node's copies of journals.
    pub journals: BTreeMap<RunId, Vec<u8>>,
}

impl SimState {
    /// A world in which the plan fits: what its steps expect to find and do not bring about themselves is there.
    pub fn fitting(plan: &Plan) -> Self {
        let mut state = Self::default();
        for node in plan.nodes.keys() {
            state.nodes.entry(node.clone()).or_default();
        }
        let mut brought: Vec<(&NodeName, &Probe)> = Vec::new();
        for (node, step) in plan.steps() {
            let looked_for: &[Condition] = match &step.action {
                Action::Check { that } => that,
                Action::WaitUntil { until, .. } => std::slice::from_ref(until),
                _ => &[],
            };
            for condition in step.guards.iter().chain(looked_for) {
                if !brought.contains(&(node, &condition.probe)) {
                    let node = state.nodes.entry(node.clone()).or_default();
                    node.readings
                        .entry(key(&condition.probe))
                        .or_insert_with(|| example(condition));
                }
            }
            brought.extend(step.proof.conditions().iter().map(|c| (node, &c.probe)));
            for (name, probe) in &step.outputs {
                let node = state.nodes.entry(node.clone()).or_default();
                let given = Reading::text(format!("simulated {name}"));
                node.readings.entry(key(probe)).or_insert(given);
            }
        }
        state
    }

    /// The same without what differs between any two runs: who holds and held nodes, and the journals.
    #[must_use]
    pub fn essence(&self) -> BTreeMap<NodeName, BTreeMap<String, Reading>> {
        self.nodes
            .iter()
            .map(|(name, node)| (name.clone(), node.readings.clone()))
            .collect()
    }
}

impl SimNode {
    /// Makes a proof true.
    pub(super) fn bring_about(&mut self, proof: &Proof) {
        for condition in proof.conditions() {
            self.readings
                .insert(key(&condition.probe), example(condition));
        }
    }
}

/// A probe as the key of what it finds.
pub(super) fn key(probe: &Probe) -> String {
    // Probes are made of strings, numbers and lists, which always become JSON.
    serde_json::to_string(probe).unwrap_or_default()
}

/// A reading that the condition admits.
fn example(condition: &Condition) -> Reading {
    match &condition.expect {
        Expect::Is(reading) => reading.clone(),
        Expect::IsNot(Reading::Absent) => Reading::text("there"),
        Expect::IsNot(_) => Reading::Absent,
        Expect::AtLeast(least) => Reading::Number(*least),
        Expect::OneOf(readings) => readings.first().cloned().unwrap_or(Reading::Absent),
    }
}
