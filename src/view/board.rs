//! What a watcher knows of a run: the events so far, folded into one picture.

use std::time::Duration;

use super::{Moved, wording};
use crate::config::NodeName;
use crate::engine::{Direction, Event, Happening};
use crate::plan::StepId;

/// A run as its events tell it. Times count from when the watching began.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// When the run began or went on.
    pub(super) began: Duration,
    /// The stage that is under way.
    pub(super) stage: String,
    /// How many steps the plan has.
    pub(super) steps: usize,
    /// How many of them are done.
    pub(super) done: usize,
    /// The steps in flight, oldest first.
    pub(super) running: Vec<Running>,
    /// How often the run was asked to stop.
    pub(super) interrupts: u32,
    /// Whether a run is under way: begun, and not ended.
    pub(super) under_way: bool,
    /// The length of the longest name of a node so far.
    pub(super) widest: usize,
}

/// A step in flight, or one that has just ended.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) step: StepId,
    pub(super) node: String,
    pub(super) title: String,
    pub(super) direction: Direction,
    pub(super) since: Duration,
    /// What it waits for, in words, and how far that is.
    pub(super) waiting: Option<Waiting>,
    /// How far what it brings to its node has come.
    pub(super) moved: Option<Moved>,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// What was found and what is wanted, or who is asked.
    pub(super) reason: String,
    /// How many good answers there are of how many, where several are wanted.
    pub(super) good: Option<(u32, u32)>,
}

impl Running {
    /// A step whose beginning nobody saw, as in a log that starts in its middle.
    fn unseen(step: &StepId, direction: Direction, now: Duration) -> Self {
        Self {
            step: step.clone(),
            node: step.node().to_owned(),
            title: step.slug().replace('-', " "),
            direction,
            since: now,
            waiting: None,
            moved: None,
        }
    }
}

impl Board {
    /// The longest name of a node that still gets a column of its own.
    const WIDEST: usize = 20;

    /// Takes an event in. Gives the step that it is about, as it was before it ended.
    pub(super) fn note(&mut self, event: &Event, now: Duration) -> Option<Running> {
        match &event.what {
            Happening::RunStarted { steps, done, .. } => {
                *self = Self {
                    began: now,
                    steps: *steps,
                    done: *done,
                    under_way: true,
                    ..Self::default()
                };
                None
            }
            Happening::StageStarted { stage, nodes } => {
                self.stage.clone_from(stage);
                for node in nodes {
                    self.widen(node.as_str());
                }
                None
            }
            Happening::StepStarted {
                step,
                node,
                title,
                direction,
            } => Some(self.begin(step, node, title, *direction, now)),
            Happening::StepWaiting {
                step,
                until,
                found,
                good,
                wanted,
            } => self.wait(
                step,
                Waiting {
                    reason: wording::reading(until, found),
                    good: (*wanted > 1).then_some((*good, *wanted)),
                },
            ),
            Happening::OperatorAsked { step, .. } => self.wait(
                step,
                Waiting {
                    reason: "a person is asked, and has not answered yet".to_owned(),
                    good: None,
                },
            ),
            Happening::StepMoved { step, moved, of } => {
                let running = self.running.iter_mut().find(|r| r.step == *step)?;
                running.moved = Some(Moved::new(*moved, *of, running.since, now));
                None
            }
            Happening::StepDone {
                step, direction, ..
            } => {
                self.done = match direction {
                    Direction::Do => self.done.saturating_add(1),
                    Direction::Undo => self.done.saturating_sub(1),
                };
                Some(self.end(step, *direction, now))
            }
            Happening::StepFailed {
                step, direction, ..
            } => Some(self.end(step, *direction, now)),
            Happening::Interrupted { times } => {
                self.interrupts = *times;
                None
            }
            Happening::RunEnded { .. } => {
                self.running.clear();
                self.under_way = false;
                None
            }
            Happening::HookRan { .. } | Happening::Warning { .. } => None,
        }
    }

    fn begin(
        &mut self,
        step: &StepId,
        node: &NodeName,
        title: &str,
        direction: Direction,
        now: Duration,
    ) -> Running {
        self.widen(node.as_str());
        let running = Running {
            step: step.clone(),
            node: node.to_string(),
            title: title.to_owned(),
            direction,
            since: now,
            waiting: None,
            moved: None,
        };
        self.running.retain(|other| other.step != *step);
        self.running.push(running.clone());
        running
    }

    /// Notes what a step waits for, and gives the step as it was before.
    fn wait(&mut self, step: &StepId, waiting: Waiting) -> Option<Running> {
        let running = self.running.iter_mut().find(|r| r.step == *step)?;
        let before = running.clone();
        running.waiting = Some(waiting);
        Some(before)
    }

    fn end(&mut self, step: &StepId, direction: Direction, now: Duration) -> Running {
        if let Some(at) = self.running.iter().position(|r| r.step == *step) {
            return self.running.remove(at);
        }
        self.widen(step.node());
        Running::unseen(step, direction, now)
    }

    fn widen(&mut self, node: &str) {
        self.widest = self.widest.max(node.chars().count().min(Self::WIDEST));
    }
}
