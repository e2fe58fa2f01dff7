//! Why a lane does not go on.

use super::Fault;
use crate::config::NodeName;
use crate::plan::{Plan, Step, StepId};

/// Why a lane does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// The step failed, and things are as they were before it.
    Failed(StepId, Fault),
    /// The step failed, and neither its proof nor its guards hold.
    Unclear(StepId, Fault),
    /// The step could not be taken back; it is as done as it was.
    Stuck(StepId, Fault),
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
    Fenced(NodeName, Fault),
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

    /// What to tell the person: sentences, the last one without its full stop.
    pub(super) fn because(&self, plan: &Plan) -> String {
        let node = |id: &StepId| {
            plan.step(id)
                .map_or_else(|| "its node".to_owned(), |(node, _)| node.to_string())
        };
        let text = match self {
            Self::Failed(id, fault) => {
                let node = node(id);
                let step = plan.step(id).map(|(_, step)| step);
                let left = if step.is_some_and(is_seen) {
                    format!("{node} is as it was before this step")
                } else if step.is_some_and(|step| step.action.goes_on()) {
                    format!(
                        "What it may have done by then stays on {node}; doing it again goes on from there"
                    )
                } else {
                    format!("Nothing that can be seen shows whether it left anything on {node}")
                };
                format!("{id} failed: {}. {left}", clause(&fault.what))
            }
            Self::Unclear(id, fault) => format!(
                "{id} failed, and {} is neither as before nor as after it: {fault}",
                node(id)
            ),
            Self::Stuck(id, fault) => format!(
                "{id} could not be taken back, and its effect is still there on {}: {fault}",
                node(id)
            ),
            Self::Unknown(id, fault) => format!(
                "whether {id} happened on {} can't be told now: {}. Resuming looks again",
                node(id),
                clause(&fault.what)
            ),
            Self::Stale(id, guard) => format!(
                "{id} was not begun on {}, because the plan no longer fits: it {guard}",
                node(id)
            ),
            Self::Operator(id, request) => format!("{id} needs a person: {request}"),
            Self::Declined(id) => format!("{id} was declined and not done"),
            Self::Vetoed(id, problem) => {
                format!("the before_step hook did not let {id} begin: {problem}")
            }
            Self::Interrupted => "the run was asked to stop".to_owned(),
            Self::Journal(problem) => format!(
                "the journal could not be written: {}. Nothing was begun after that",
                clause(problem)
            ),
            Self::Fenced(node, fault) => {
                format!(
                    "{node}: {}. Nothing was begun there after that",
                    clause(&fault.what)
                )
            }
            Self::Gone => "the runner is gone".to_owned(),
        };
        clause(&text).to_owned()
    }
}

/// Whether looking can show that a step which failed left nothing.
pub(super) fn is_seen(step: &Step) -> bool {
    !step.action.changes() || !(step.guards.is_empty() || step.action.goes_on())
}

/// A sentence without its full stop, to be gone on after.
fn clause(text: &str) -> &str {
    text.trim_end().trim_end_matches('.')
}
