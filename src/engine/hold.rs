//! Holding the nodes: claims in the order of names, a heartbeat while the run goes on, and letting go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::world::{Claim, ClaimError, Holder, Holding, Release, World};
use super::{Cancel, Fault, FaultKind, Interrupt, Reporter};
use crate::config::NodeName;
use crate::plan::Millis;

/// The nodes that this runner holds.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<NodeName, Holding>);

/// Why the nodes could not be held. None is held then.
pub(super) enum HoldError {
    Held(NodeName, Box<Holder>),
    EffectRuns(NodeName, String),
    Fault(NodeName, Fault),
}

/// How often to look whether an effect that outlived its runner has ended.
const LOOK: Duration = Duration::from_millis(200);

impl Holds {
    /// Takes all nodes, or none.
    ///
    /// An effect that outlived its runner is waited for, `patience` long.
    pub(super) fn take<'n>(
        world: &dyn World,
        nodes: impl IntoIterator<Item = &'n NodeName>,
        claim: &Claim,
        otherwise: &Release,
        patience: Millis,
        asked: &Interrupt,
    ) -> Result<Self, HoldError> {
        let mut holds = Self::default();
        for node in nodes {
            let began = Instant::now();
            let claimed = loop {
                match world.claim(node, claim) {
                    Err(ClaimError::EffectRuns(_))
                        if began.elapsed() < patience.duration()
                            && asked.times() == 0
                            && world.pause(LOOK, asked.cancel()) => {}
                    other => break other,
                }
            };
            match claimed {
                Ok(epoch) => {
                    let holding = Holding {
                        run: claim.run.clone(),
                        epoch,
                        lease: claim.lease,
                    };
                    holds.0.insert(node.clone(), holding);
                }
                Err(error) => {
                    holds.give_up(world, otherwise);
                    return Err(match error {
                        ClaimError::Held(holder) => HoldError::Held(node.clone(), holder),
                        ClaimError::EffectRuns(how) => HoldError::EffectRuns(node.clone(), how),
                        ClaimError::Fault(fault) => HoldError::Fault(node.clone(), fault),
                    });
                }
            }
        }
        Ok(holds)
    }

    /// The hold on this node, if it is one that the run changes.
    pub(super) fn on(&self, node: &NodeName) -> Option<&Holding> {
        self.0.get(node)
    }

    /// Every hold.
    pub(super) fn each(&self) -> impl Iterator<Item = (&NodeName, &Holding)> {
        self.0.iter()
    }

    /// Prolongs every lease again and again, until `end` is cancelled or a lease is lost.
    pub(super) fn beat(&self, world: &dyn World, every: Millis, end: &Cancel, reporter: &Reporter) {
        let mut lost = std::collections::BTreeSet::new();
        while end.wait(every.duration()) && lost.len() < self.0.len() {
            for (node, holding) in &self.0 {
                if lost.contains(node) {
                    continue;
                }
                match world.renew(node, holding) {
                    Ok(()) => {}
                    Err(fault)
                        if matches!(fault.kind, FaultKind::Fenced | FaultKind::RunnerGone) =>
                    {
                        reporter.warn(format!("{node}: {fault}"));
                        lost.insert(node.clone());
                    }
                    Err(fault) => {
                        reporter.warn(format!("{node}: the hold could not be renewed: {fault}"));
                    }
                }
            }
        }
    }

    /// Lets go of every node; gives what went wrong.
    pub(super) fn give_up(&self, world: &dyn World, release: &Release) -> Vec<(NodeName, Fault)> {
        self.0
            .iter()
            .filter_map(|(node, holding)| {
                let fault = world.release(node, holding, release).err()?;
                Some((node.clone(), fault))
            })
            .collect()
    }
}
