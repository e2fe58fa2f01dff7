//! What a run tells whoever watches it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Amount, Direction, Fault};
use crate::config::NodeName;
use crate::plan::{Condition, Millis, Reading, RunId, Sha256, StepId};

/// The version of the event format.
pub const EVENT_FORMAT: u32 = 2;

/// Something happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The version of this format.
    pub format: u32,
    /// When.
    #[schemars(with = "String")]
    pub at: jiff::Timestamp,
    /// In which run.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// The run begins or goes on.
    RunStarted {
        /// The plan's verb.
        verb: String,
        /// The plan's title.
        title: String,
        /// The plan's digest.
        digest: Sha256,
        /// How many steps the plan has.
        steps: usize,
        /// How many of them are done already, because the run is resumed.
        done: usize,
    },
    /// A stage begins.
    StageStarted {
        /// Its name.
        stage: String,
        /// The nodes in it that have something to do.
        nodes: Vec<NodeName>,
    },
    /// A step begins.
    StepStarted {
        /// The step.
        step: StepId,
        /// Its node.
        node: NodeName,
        /// What it does.
        title: String,
        /// Whether it is done or taken back.
        direction: Direction,
    },
    /// A wait looked and is not content yet, or not often enough.
    StepWaiting {
        /// The step.
        step: StepId,
        /// What is waited for.
        until: Condition,
        /// What was found.
        found: Reading,
        /// How many good answers in a row so far.
        good: u32,
        /// How many are wanted.
        wanted: u32,
    },
    /// What a step brings to its node has come so far. Told from time to time.
    StepMoved {
        /// The step.
        step: StepId,
        /// So much is on its way or there.
        moved: Amount,
        /// Of so much.
        of: Amount,
    },
    /// A step is done, or taken back.
    StepDone {
        /// The step.
        step: StepId,
        /// Whether it was done or taken back.
        direction: Direction,
        /// How it came to be done.
        how: How,
        /// How long it took.
        took: Millis,
        /// The state that its node is in now.
        leaves: String,
    },
    /// A step failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// Whether it was to be done or taken back.
        direction: Direction,
        /// What went wrong.
        fault: Fault,
        /// Whether the node is as it was before the step.
        unchanged: bool,
    },
    /// A person is asked to do something.
    OperatorAsked {
        /// The step.
        step: StepId,
        /// What is to be done.
        request: String,
    },
    /// A hook ran.
    HookRan {
        /// Its name, such as `after_step`.
        hook: String,
        /// What went wrong, if something did.
        problem: Option<String>,
    },
    /// The run was asked to stop: once, or twice and more firmly.
    Interrupted {
        /// How often.
        times: u32,
    },
    /// Something that a person should know.
    Warning {
        /// In a sentence.
        text: String,
    },
    /// The run ends, for now or for good.
    RunEnded {
        /// The exit code.
        exit: u8,
        /// The state that things are in, in words.
        state: String,
        /// Why it ended, when it is not simply done.
        because: Option<String>,
        /// What to type next.
        next: Vec<String>,
        /// How many steps were done by this invocation.
        done: usize,
        /// How long it took.
        took: Millis,
    },
}

/// How a step came to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was performed and proved.
    Performed,
    /// It had been performed before the run was cut short; its proof holds.
    FoundDone,
    /// A person said so.
    Answered,
}
