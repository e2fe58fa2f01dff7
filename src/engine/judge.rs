//! Looking at the world to tell what an effect left: done, as before, or neither.

use super::Fault;
use super::fault::FaultKind;
use super::halt::Halt;
use super::session::Session;
use super::worker::halt_of;
use super::world::{Direction, Look};
use crate::config::NodeName;
use crate::plan::{Condition, Millis, Probe, Proof, Reading, Step, StepId, Undo};

/// What the world says of a step of which nobody knows what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The effect is there.
    Done,
    /// Things are as before it.
    Unchanged,
    /// Neither; the text says both readings.
    Neither(String),
    /// The node can't be asked now.
    Unknown(Fault),
}

/// Whether all of some conditions hold, and if not, which one does not.
enum Holding {
    All,
    Not(Condition, Reading),
    Unknown(Fault),
}

/// How often an unreachable node is asked again before it counts as unreachable.
const RETRIES: u32 = 2;

impl Session<'_> {
    /// Looks at a node, patiently where that can help.
    pub(super) fn observe(&self, node: &NodeName, probe: &Probe) -> Result<Reading, Fault> {
        let look = Look {
            node,
            run: &self.engine.run,
            timeout: self.engine.settings.look,
        };
        let mut pause = Millis(200);
        for _ in 0..RETRIES {
            match self.engine.world.observe(&look, probe) {
                Err(fault) if fault.kind.retryable() => {
                    if !self
                        .engine
                        .world
                        .pause(pause.duration(), self.engine.interrupt.cancel())
                    {
                        return Err(fault);
                    }
                    pause = Millis(pause.0 * 4);
                }
                other => return other,
            }
        }
        self.engine.world.observe(&look, probe)
    }

    fn all_hold(&self, node: &NodeName, conditions: &[Condition]) -> Holding {
        for condition in conditions {
            let condition = match self.resolved(condition.clone(), |c| c.probe.values_mut()) {
                Ok(condition) => condition,
                Err(fault) => return Holding::Unknown(fault),
            };
            match self.observe(node, &condition.probe) {
                Ok(found) if condition.expect.admits(&found) => {}
                Ok(found) => return Holding::Not(condition, found),
                Err(fault) => return Holding::Unknown(fault),
            }
        }
        Holding::All
    }

    /// The first condition that does not hold, with what was found.
    pub(super) fn failing(
        &self,
        node: &NodeName,
        conditions: &[Condition],
    ) -> Result<Option<(Condition, Reading)>, Fault> {
        match self.all_hold(node, conditions) {
            Holding::All => Ok(None),
            Holding::Not(condition, found) => Ok(Some((condition, found))),
            Holding::Unknown(fault) => Err(fault),
        }
    }

    /// What the world says of a step after an effect that did not plainly succeed.
    ///
    /// `reported` is what the effect itself said: with a plain failure, a mere
    /// stamp that it began does not make things unclear.
    pub(super) fn judge(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
        reported: Option<&Fault>,
    ) -> Verdict {
        match direction {
            Direction::Do => self.judge_forward(node, step, reported),
            Direction::Undo => self.judge_backward(node, step, reported),
        }
    }

    fn judge_forward(&self, node: &NodeName, step: &Step, reported: Option<&Fault>) -> Verdict {
        if !step.action.changes() {
            return Verdict::Unchanged;
        }
        let missing = match &step.proof {
            Proof::Holds(conditions) => match self.all_hold(node, conditions) {
                Holding::All => return Verdict::Done,
                Holding::Not(condition, found) => wanted(&condition, &found),
                Holding::Unknown(fault) => return Verdict::Unknown(fault),
            },
            Proof::Stamp => match self.stamp(node, &step.id) {
                Ok(Reading::Text(text)) if text == "done" => return Verdict::Done,
                Ok(Reading::Absent) => "the node has no stamp of it".to_owned(),
                Ok(_) if reported.is_some_and(|fault| fault.kind == FaultKind::Failed) => {
                    "it was begun and failed".to_owned()
                }
                Ok(_) => {
                    return Verdict::Neither(
                        "it was begun, and nothing tells whether it was completed".to_owned(),
                    );
                }
                Err(fault) => return Verdict::Unknown(fault),
            },
            Proof::Answer => return Verdict::Unchanged,
        };
        // What else a guard looks at may change by itself, whatever became of the step.
        let subjects = step.action.subjects();
        let (own, others): (Vec<_>, Vec<_>) = step
            .guards
            .iter()
            .cloned()
            .partition(|guard| subjects.contains(&guard.probe.subject()));
        let telling = if own.is_empty() { others } else { own };
        match self.all_hold(node, &telling) {
            Holding::All => Verdict::Unchanged,
            Holding::Not(guard, found) => {
                Verdict::Neither(format!("{missing}; {}", wanted(&guard, &found)))
            }
            Holding::Unknown(fault) => Verdict::Unknown(fault),
        }
    }

    fn judge_backward(&self, node: &NodeName, step: &Step, reported: Option<&Fault>) -> Verdict {
        let Undo::By { proof, .. } = &step.undo else {
            return Verdict::Done;
        };
        let missing = match proof {
            Proof::Holds(conditions) => match self.all_hold(node, conditions) {
                Holding::All => return Verdict::Done,
                Holding::Not(condition, found) => wanted(&condition, &found),
                Holding::Unknown(fault) => return Verdict::Unknown(fault),
            },
            // Taking a step back takes its stamp away.
            Proof::Stamp => match self.stamp(node, &step.id) {
                Ok(Reading::Absent) => return Verdict::Done,
                Ok(_) if reported.is_some_and(|fault| may_be_half_done(fault.kind)) => {
                    return Verdict::Neither(
                        "it was begun to be taken back, and nothing tells whether that was completed"
                            .to_owned(),
                    );
                }
                Ok(_) => "the node still has the stamp of it".to_owned(),
                Err(fault) => return Verdict::Unknown(fault),
            },
            Proof::Answer => return Verdict::Unchanged,
        };
        match self.all_hold(node, step.proof.conditions()) {
            Holding::All => Verdict::Unchanged,
            Holding::Not(condition, found) => {
                Verdict::Neither(format!("{missing}; {}", wanted(&condition, &found)))
            }
            Holding::Unknown(fault) => Verdict::Unknown(fault),
        }
    }

    fn stamp(&self, node: &NodeName, step: &StepId) -> Result<Reading, Fault> {
        self.observe(node, &Probe::Stamp { step: step.clone() })
    }

    /// Whether nothing of a step is there that failed, where its guards hold even when it is done in part.
    pub(super) fn is_untouched(&self, node: &NodeName, step: &Step) -> bool {
        !step.action.goes_on() || self.stamp(node, &step.id) == Ok(Reading::Absent)
    }

    /// Fails unless every guard of the step holds.
    pub(super) fn check_guards(&self, node: &NodeName, step: &Step) -> Result<(), Halt> {
        match self.failing(node, &step.guards) {
            Ok(None) => Ok(()),
            Ok(Some((guard, found))) => {
                let text = format!("expects that {guard}, and found {found}");
                Err(Halt::Stale(step.id.clone(), text))
            }
            Err(fault) => Err(halt_of(node, &step.id, fault, Halt::Failed)),
        }
    }
}

/// Whether an effect that reports this may have been broken off in its midst.
pub(super) fn may_be_half_done(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::TimedOut | FaultKind::Cancelled | FaultKind::LostOutcome
    )
}

/// What was found, and what was wanted.
fn wanted(condition: &Condition, found: &Reading) -> String {
    format!(
        "{} is {found} (expected: {})",
        condition.probe, condition.expect
    )
}
