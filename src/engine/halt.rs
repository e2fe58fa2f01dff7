//! Why a lane does not go on.

use super::Fault;
use crate::plan::StepId;

/// Why a lane does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// The step failed, and things are as they were before it.
    Failed(StepId, Fault),
    /// The step failed, and neither its proof nor its guards hold.
    Unclear(StepId, Fault),
    /// The step may have happened, and the node can't be asked now.
    Unknown(StepId, Fault),
    /// A guard does not hold, as the text says, and the step was not begun.
    Stale(StepId, String),
    /// A person must do something, and nobody is there to be asked.
    Operator(StepId, String),
    /// The person said no.
    Declined(StepId),
    /// A hook forbade the step.
    Vetoed(StepId, String),
    /// The run was asked to stop.
    Interrupted,
    /// The journal can't be written.
    Journal(String),
    /// The node is no longer held by this runner.
    Fenced(Fault),
    /// The runner itself goes down.
    Gone,
}

impl Halt {
    /// Whether this is the lane's own failure, after which its steps may be undone.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(..) | Self::Stale(..))
    }

    /// Whether the whole run must stop, whatever failures the stage allows.
    pub(super) fn stops_the_run(&self) -> bool {
        !self.is_failure()
    }

    /// What to tell the person.
    pub(super) fn because(&self) -> String {
        match self {
            Self::Failed(step, fault) => {
                format!("{step} failed: {fault}. Its node is as it was before this step")
            }
            Self::Unclear(step, fault) => {
                format!("{step} failed, and its node is neither as before nor as after it: {fault}")
            }
            Self::Unknown(step, fault) => {
                format!("whether {step} happened can't be told now: {fault}. Resuming looks again")
            }
            Self::Stale(step, guard) => {
                format!("{step} was not begun, because the plan no longer fits: it {guard}")
            }
            Self::Operator(step, request) => format!("{step} needs a person: {request}"),
            Self::Declined(step) => format!("{step} was declined"),
            Self::Vetoed(step, problem) => {
                format!("the before_step hook did not let {step} begin: {problem}")
            }
            Self::Interrupted => "it was asked to stop".to_owned(),
            Self::Journal(problem) => {
                format!("the journal could not be written: {problem}. Nothing was begun after that")
            }
            Self::Fenced(fault) => fault.to_string(),
            Self::Gone => "the runner is gone".to_owned(),
        }
    }
}
