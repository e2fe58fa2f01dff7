//! A run while it goes on: stage after stage, lanes side by side.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

use super::Fault;
use super::book::Book;
use super::event::Happening;
use super::halt::Halt;
use super::hold::Holds;
use super::run::Engine;
use super::worker::LaneEnd;
use crate::config::NodeName;
use crate::plan::{Hook, Lane, Stage, Step, StepId};

/// Everything that the lanes of a run share.
pub(super) struct Session<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) book: &'a Book<'a>,
    pub(super) holds: &'a Holds,
}

/// How the stages ended: each lane that did not finish, and why.
#[derive(Debug, Default)]
pub(super) struct StagesEnd {
    /// Lanes that stopped where they are.
    pub(super) halted: Vec<(NodeName, Halt)>,
    /// Lanes that failed and were undone.
    pub(super) returned: Vec<(NodeName, Halt)>,
    /// Whether some stage was not begun or not completed because of them.
    pub(super) cut_short: bool,
}

impl StagesEnd {
    /// The run was asked to stop before this node's lane began.
    fn interrupt(&mut self, node: Option<&NodeName>) {
        self.halted
            .extend(node.map(|node| (node.clone(), Halt::Interrupted)));
        self.cut_short = true;
    }
}

impl Session<'_> {
    /// Goes through all stages.
    pub(super) fn stages(&self) -> StagesEnd {
        let mut end = StagesEnd::default();
        let mut out = BTreeSet::new();
        for stage in &self.engine.plan.stages {
            let open = |lane: &&Lane| {
                !out.contains(&lane.node)
                    && lane
                        .steps
                        .iter()
                        .any(|s| !self.book.ask(|p| p.is_done(&s.id)))
            };
            let lanes: Vec<&Lane> = stage.lanes.iter().filter(open).collect();
            if lanes.is_empty() {
                continue;
            }
            if self.engine.interrupt.times() > 0 {
                end.interrupt(lanes.first().map(|lane| &lane.node));
                break;
            }
            self.engine.reporter.say(Happening::StageStarted {
                stage: stage.name.clone(),
                nodes: lanes.iter().map(|lane| lane.node.clone()).collect(),
            });
            if self.stage(stage, &lanes, &mut end) {
                end.cut_short = true;
                break;
            }
            out.extend(
                end.halted
                    .iter()
                    .chain(&end.returned)
                    .map(|(node, _)| node.clone()),
            );
            if stage.bake.0 > 0 {
                // Whoever asks the run to stop need not wait for this; what comes next sees it.
                self.engine
                    .world
                    .pause(stage.bake.duration(), self.engine.interrupt.asked());
            }
        }
        end
    }

    /// Goes through one stage; `true` when the run must not go on after it.
    ///
    /// A lane that has begun goes on to its end when another fails: a node is
    /// safer in service than half way. Lanes that have not begun don't begin.
    fn stage(&self, stage: &Stage, lanes: &[&Lane], end: &mut StagesEnd) -> bool {
        let width = usize::try_from(stage.width).unwrap_or(usize::MAX).max(1);
        let (mut failures, mut stop) = (0, false);
        thread::scope(|scope| {
            let (tell, hear) = mpsc::channel();
            let mut waiting = lanes.iter().copied();
            let mut going = 0_usize;
            loop {
                while going < width && !stop && self.engine.interrupt.times() == 0 {
                    let Some(lane) = waiting.next() else { break };
                    let tell = tell.clone();
                    going += 1;
                    scope.spawn(move || {
                        // The dispatcher hears out every lane before it leaves.
                        let _ = tell.send((lane, self.walk(stage, lane)));
                    });
                }
                if going == 0 {
                    break;
                }
                let Ok((lane, how)) = hear.recv() else { break };
                going -= 1;
                let halt = match &how {
                    LaneEnd::Finished => continue,
                    LaneEnd::Halted(halt) | LaneEnd::Returned(halt) => halt.clone(),
                };
                failures += 1;
                stop |= halt.stops_the_run() || failures > stage.max_failures;
                match how {
                    LaneEnd::Returned(_) => end.returned.push((lane.node.clone(), halt)),
                    _ => end.halted.push((lane.node.clone(), halt)),
                }
            }
            if !stop && let Some(lane) = waiting.next() {
                end.interrupt(Some(&lane.node));
                stop = true;
            }
        });
        stop
    }

    /// Gives back every temporary change that is still open, the newest first.
    ///
    /// A node on which some step is unclear is left alone: starting what may be half
    /// changed would make things worse.
    pub(super) fn give_back(&self) -> Vec<(NodeName, Halt)> {
        let mut left: Vec<(NodeName, Halt)> = Vec::new();
        let owing = |id: &StepId| self.engine.plan.step(id).map(|(node, _)| node);
        let nodes: BTreeSet<_> = self.book.ask(|progress| {
            let owed = progress.owed().iter();
            owed.filter_map(|(id, _)| owing(id)).collect()
        });
        for node in nodes {
            if let Err(halt) = self.clear_doubts(node) {
                left.push((node.clone(), halt));
            }
        }
        // What turned out to be done may have ended some of them.
        let owed: Vec<_> = self.book.ask(|progress| progress.owed().to_vec());
        // What was changed before something that could not be given back stays: that was built on it.
        let mut first_left = left
            .iter()
            .filter_map(|(node, _)| self.stage_of_last(node))
            .max();
        for (id, _) in owed.iter().rev() {
            let Some((node, step)) = self.engine.plan.step(id) else {
                continue;
            };
            let stage = self.stage_of(id);
            if left.iter().any(|(other, _)| other == node) || stage < first_left {
                continue;
            }
            if let Err(halt) = self.backward(node, step) {
                left.push((node.clone(), halt));
                first_left = first_left.max(stage);
            }
        }
        left
    }

    /// In which stage a step stands.
    fn stage_of(&self, id: &StepId) -> Option<usize> {
        let mut stages = self.engine.plan.stages.iter();
        stages.position(|stage| {
            let mut steps = stage.lanes.iter().flat_map(|lane| &lane.steps);
            steps.any(|step| step.id == *id)
        })
    }

    /// The last stage in which something was begun on a node.
    fn stage_of_last(&self, node: &NodeName) -> Option<usize> {
        let stages = &self.engine.plan.stages;
        stages.iter().rposition(|stage| {
            let lanes = stage.lanes.iter().filter(|lane| lane.node == *node);
            let mut steps = lanes.flat_map(|lane| &lane.steps);
            steps.any(|step| {
                self.book.ask(|p| p.standing(&step.id)) != super::progress::Standing::Pending
            })
        })
    }

    /// Looks what came of every step of this node that was begun and whose outcome nobody knows.
    fn clear_doubts(&self, node: &NodeName) -> Result<(), Halt> {
        for id in self.book.ask(super::Progress::in_doubt) {
            if let Some((on, step)) = self.engine.plan.step(&id)
                && on == node
            {
                self.settle(node, step)?;
            }
        }
        Ok(())
    }

    pub(super) fn before_step(&self, node: &NodeName, step: &Step) -> Result<(), Halt> {
        let Some(hook) = &self.engine.plan.hooks.before_step else {
            return Ok(());
        };
        self.catch_up(node)?;
        match self.run_hook("before_step", hook, Some((node, step)), &[]) {
            Ok(()) => Ok(()),
            Err(problem) => Err(Halt::Vetoed(step.id.clone(), problem)),
        }
    }

    pub(super) fn after_step(&self, node: &NodeName, step: &Step, fault: Option<&Fault>) {
        let hooks = &self.engine.plan.hooks;
        let outcome = if fault.is_some() { "failed" } else { "done" };
        let mut more = vec![("CLUSTERCTL_OUTCOME", outcome.to_owned())];
        more.extend(fault.map(|fault| ("CLUSTERCTL_ERROR", fault.to_string())));
        if let (Some(hook), None) = (&hooks.after_step, fault) {
            // A failure of this hook is told, and changes nothing.
            let _ = self.run_hook("after_step", hook, Some((node, step)), &more);
        }
        if let (Some(hook), Some(_)) = (&hooks.on_failure, fault) {
            let _ = self.run_hook("on_failure", hook, Some((node, step)), &more);
        }
    }

    /// Runs a hook and tells how it went.
    pub(super) fn run_hook(
        &self,
        name: &str,
        hook: &Hook,
        about: Option<(&NodeName, &Step)>,
        more: &[(&'static str, String)],
    ) -> Result<(), String> {
        let plan = self.engine.plan;
        let mut environment = vec![
            ("CLUSTERCTL_HOOK", name.to_owned()),
            ("CLUSTERCTL_RUN", self.engine.run.to_string()),
            ("CLUSTERCTL_VERB", plan.verb.clone()),
            ("CLUSTERCTL_DIGEST", self.engine.digest.to_string()),
        ];
        if let Some((node, step)) = about {
            environment.push(("CLUSTERCTL_NODE", node.to_string()));
            environment.push(("CLUSTERCTL_STEP", step.id.to_string()));
            environment.push(("CLUSTERCTL_TITLE", step.title.clone()));
        }
        environment.extend(more.iter().cloned());
        let result = self.engine.desk.hook(hook, &environment);
        let problem = result.clone().err();
        self.engine.reporter.say(Happening::HookRan {
            hook: name.to_owned(),
            problem,
        });
        result
    }
}
