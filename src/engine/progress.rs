//! How far a run has come, as its journal tells.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::journal::{Ending, Entry, Record, StepResult};
use super::{Direction, Fault, Runner};
use crate::config::NodeName;
use crate::plan::{Action, Outputs, Plan, RunId, Sha256, Step, StepId};

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the last record.
    pub last_seq: u64,
    /// How it began.
    pub start: Option<Start>,
    /// When the last record was written.
    pub last_at: Option<Timestamp>,
    /// Steps that are not untouched.
    steps: BTreeMap<StepId, Standing>,
    /// What steps gave when they were done.
    gave: BTreeMap<StepId, Outputs>,
    /// Temporary changes that must still be given back, oldest first, with the end of their lease.
    owed: Vec<(StepId, Timestamp)>,
    /// Temporary changes that were announced and have not begun.
    announced: BTreeMap<StepId, Timestamp>,
    /// What persons said of steps as they stand now; a later attempt makes it void.
    pub answers: BTreeMap<StepId, String>,
    /// What went wrong with a step the last time it was tried.
    pub faults: BTreeMap<StepId, Fault>,
    /// How the run stopped last, if it is unfinished: exit code, state, reason.
    pub stopped: Option<(u8, String, String)>,
    /// How it ended, and the state then, if it is over.
    pub ended: Option<(Ending, String)>,
    /// Whether a step that changes something was ever done, or may have been.
    ever_changed: bool,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// The plan's digest.
    pub digest: Sha256,
    /// Who ran it, or resumed it last.
    pub runner: Runner,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// The run that it takes back.
    pub undoes: Option<RunId>,
}

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not done, or not any more.
    Pending,
    /// It was begun, or begun to be taken back, and nothing tells what came of it.
    InDoubt(Direction),
    /// It is done.
    Done,
}

impl Progress {
    /// What these records of one run tell; `plan` is that run's.
    pub fn of(records: &[Record], plan: &Plan) -> Self {
        let mut progress = Self::default();
        for record in records {
            progress.take(record, plan);
        }
        progress
    }

    /// Takes note of one more record.
    pub fn take(&mut self, record: &Record, plan: &Plan) {
        self.last_seq = record.seq;
        self.last_at = Some(record.at);
        match &record.entry {
            Entry::Started {
                run,
                digest,
                runner,
                approved_by,
                undoes,
                ..
            } => {
                self.start = Some(Start {
                    run: run.clone(),
                    at: record.at,
                    digest: digest.clone(),
                    runner: runner.clone(),
                    approved_by: approved_by.clone(),
                    undoes: undoes.clone(),
                });
            }
            Entry::Resumed { runner, .. } => {
                self.stopped = None;
                if let Some(start) = &mut self.start {
                    start.runner = runner.clone();
                }
            }
            Entry::Planned { .. } | Entry::Claimed { .. } => {}
            Entry::Owed { step, until } => {
                if self.standing(step) == Standing::Pending {
                    self.announced.insert(step.clone(), *until);
                } else {
                    self.owe(step, *until);
                }
            }
            Entry::Intent { step, direction } => {
                let announced = self.announced.remove(step);
                if let (Some(until), Direction::Do) = (announced, direction) {
                    self.owe(step, until);
                }
                self.answers.remove(step);
                if *direction == Direction::Do {
                    self.gave.remove(step);
                    self.all_before_are_done(step, plan);
                }
                self.steps
                    .insert(step.clone(), Standing::InDoubt(*direction));
            }
            Entry::Outcome {
                step,
                direction,
                result,
            } => {
                self.outcome(step, *direction, result, record.at, plan);
            }
            Entry::Answered { step, evidence, .. } => {
                self.answers.insert(step.clone(), evidence.clone());
            }
            Entry::Stopped {
                exit,
                state,
                because,
            } => {
                self.stopped = Some((*exit, state.clone(), because.clone()));
            }
            Entry::Ended { ending, state } => self.ended = Some((ending.clone(), state.clone())),
        }
    }

    /// The steps of a lane are done in order: what is about to be done shows that those before it are, though a node's
    /// copy of the journal lacks what came of them.
    fn all_before_are_done(&mut self, id: &StepId, plan: &Plan) {
        let mut lanes = plan.stages.iter().flat_map(|stage| &stage.lanes);
        let before = lanes.find_map(|lane| {
            let at = lane.steps.iter().position(|step| step.id == *id)?;
            lane.steps.get(..at)
        });
        for step in before.unwrap_or_default() {
            if self.is_done(&step.id) {
                continue;
            }
            self.ever_changed |= is_deed(&step.action);
            self.owed
                .retain(|(owed, _)| Some(owed) != step.ends.as_ref());
            self.faults.remove(&step.id);
            self.steps.insert(step.id.clone(), Standing::Done);
        }
    }

    fn outcome(
        &mut self,
        id: &StepId,
        direction: Direction,
        result: &StepResult,
        at: Timestamp,
        plan: &Plan,
    ) {
        let step = plan.step(id).map(|(_, step)| step);
        let ends = step.and_then(|step| step.ends.as_ref());
        if direction == Direction::Do && !matches!(result, StepResult::Failed { .. }) {
            self.ever_changed |= step.is_some_and(|step| is_deed(&step.action));
        }
        let standing = match (direction, result) {
            (Direction::Do, StepResult::Done { outputs, .. }) => {
                self.owed.retain(|(owed, _)| Some(owed) != ends);
                self.gave.insert(id.clone(), outputs.clone());
                Standing::Done
            }
            (Direction::Undo, StepResult::Done { .. }) => {
                self.owed.retain(|(owed, _)| owed != id);
                self.answers.remove(id);
                if step.is_some_and(|step| step.temporary.is_some()) {
                    self.fall_with(id, plan);
                }
                // What this step had ended is open again.
                if let Some(begun) = ends.filter(|begun| self.is_done(begun)) {
                    self.owe(begun, at);
                }
                Standing::Pending
            }
            (Direction::Do, StepResult::Failed { .. }) => {
                self.owed.retain(|(owed, _)| owed != id);
                Standing::Pending
            }
            // It could not be taken back and nothing changed, so it is as done as it was.
            (Direction::Undo, StepResult::Failed { .. }) => Standing::Done,
            (direction, StepResult::Unclear { .. }) => Standing::InDoubt(direction),
        };
        match result {
            StepResult::Failed { fault } | StepResult::Unclear { fault } => {
                self.faults.insert(id.clone(), fault.clone())
            }
            StepResult::Done { .. } => self.faults.remove(id),
        };
        self.steps.insert(id.clone(), standing);
    }

    /// What was changed for a time is given back: what was done to the same thing after it is gone as well, and what the
    /// steps of its lane have seen counts no more.
    fn fall_with(&mut self, id: &StepId, plan: &Plan) {
        let mut lanes = plan.stages.iter().flat_map(|stage| &stage.lanes);
        let found = lanes.find_map(|lane| {
            let at = lane.steps.iter().position(|step| step.id == *id)?;
            Some((lane, at))
        });
        let Some((lane, begun)) = found else { return };
        let subjects = lane.steps[begun].action.subjects();
        for (at, step) in lane.steps.iter().enumerate() {
            let own = step.action.subjects();
            let falls = if is_deed(&step.action) {
                at > begun && !own.is_empty() && own.iter().all(|it| subjects.contains(it))
            } else {
                true
            };
            if falls && self.is_done(&step.id) {
                self.steps.insert(step.id.clone(), Standing::Pending);
            }
        }
    }

    fn owe(&mut self, step: &StepId, until: Timestamp) {
        self.owed.retain(|(id, _)| id != step);
        self.owed.push((step.clone(), until));
    }

    /// What is known of this step.
    pub fn standing(&self, id: &StepId) -> Standing {
        self.steps.get(id).copied().unwrap_or(Standing::Pending)
    }

    /// Whether this step is done.
    pub fn is_done(&self, id: &StepId) -> bool {
        self.standing(id) == Standing::Done
    }

    /// The steps that are done, with what they gave.
    pub fn done(&self) -> BTreeMap<StepId, Outputs> {
        self.steps
            .iter()
            .filter(|(_, standing)| **standing == Standing::Done)
            .map(|(id, _)| (id.clone(), self.gave.get(id).cloned().unwrap_or_default()))
            .collect()
    }

    /// Whether this step is done, and the journal does not tell what it gave.
    pub fn gave_what_is_not_known(&self, step: &Step) -> bool {
        self.is_done(&step.id) && !step.outputs.is_empty() && !self.gave.contains_key(&step.id)
    }

    /// What a step that is done gave under this name.
    pub fn output(&self, step: &StepId, name: &str) -> Option<&str> {
        let gave = self.gave.get(step).filter(|_| self.is_done(step))?;
        gave.get(name).map(String::as_str)
    }

    /// The steps of which nobody knows whether they are done.
    pub fn in_doubt(&self) -> Vec<StepId> {
        let doubtful = |s: &Standing| matches!(s, Standing::InDoubt(_));
        self.steps
            .iter()
            .filter(|(_, s)| doubtful(s))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Temporary changes that must still be given back, oldest first, with the end of their lease.
    pub fn owed(&self) -> &[(StepId, Timestamp)] {
        &self.owed
    }

    /// Whether a step that changes something is done or may be.
    pub fn changed_anything(&self, plan: &Plan) -> bool {
        plan.steps().any(|(_, step)| {
            is_deed(&step.action)
                && match self.standing(&step.id) {
                    Standing::Pending => false,
                    // Nobody was told that a person did anything.
                    Standing::InDoubt(_) => step.action.changes(),
                    Standing::Done => true,
                }
        })
    }

    /// Whether a step that changes something was ever done, even if nothing of it remains.
    pub fn ever_changed_anything(&self, plan: &Plan) -> bool {
        self.ever_changed || self.changed_anything(plan)
    }

    /// Whether the run is neither over nor untouched.
    pub fn is_unfinished(&self) -> bool {
        self.ended.is_none()
    }

    /// The state that every node of the plan is in, in words.
    ///
    /// That is what the last step that is done leaves, and what differs from it:
    /// earlier temporary changes that were given back, and steps in doubt.
    pub fn state(&self, plan: &Plan) -> String {
        let mut last: BTreeMap<_, &Step> = BTreeMap::new();
        let mut given_back: BTreeMap<_, Vec<&Step>> = BTreeMap::new();
        let mut differs: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (node, step) in plan.steps() {
            match self.standing(&step.id) {
                Standing::Done => {
                    last.insert(node, step);
                    let back = given_back.entry(node).or_default();
                    back.retain(|begun| step.ends.as_ref() != Some(&begun.id));
                    let words = back.drain(..).map(|begun| {
                        format!("but what {} changed for a time was given back", begun.id)
                    });
                    differs.entry(node).or_default().extend(words);
                }
                Standing::Pending if step.temporary.is_some() => {
                    given_back.entry(node).or_default().push(step);
                }
                Standing::Pending => {}
                Standing::InDoubt(direction) => {
                    let done = match direction {
                        Direction::Do => "was done",
                        Direction::Undo => "was taken back",
                    };
                    let words = if step.action.goes_on() {
                        format!("and some of what {} does may be there", step.id)
                    } else {
                        format!("whether {} {done} is not known", step.id)
                    };
                    differs.entry(node).or_default().push(words);
                }
            }
        }
        for (node, step) in self.still_owed(plan, &last) {
            let words = format!("and still {}", step.leaves);
            differs.entry(node).or_default().push(words);
        }
        let words: Vec<_> = plan
            .touched()
            .into_iter()
            .map(|node| {
                let leaves = last
                    .get(node)
                    .map_or(plan.starts_as.as_str(), |step| &step.leaves);
                let parts = std::iter::once(leaves)
                    .chain(differs.get(node).into_iter().flatten().map(String::as_str));
                format!("{node}: {}", parts.collect::<Vec<_>>().join(", "))
            })
            .collect();
        words.join("; ")
    }
}

impl Progress {
    /// What was changed for a time and has not ended, where the state of the node does not say so by itself.
    fn still_owed<'p>(
        &self,
        plan: &'p Plan,
        last: &BTreeMap<&'p NodeName, &'p Step>,
    ) -> Vec<(&'p NodeName, &'p Step)> {
        let all: Vec<_> = plan.steps().collect();
        let is_owed = |step: &Step| self.owed.iter().any(|(id, _)| *id == step.id);
        let mut still = Vec::new();
        for (at, (node, step)) in all.iter().enumerate() {
            let is_last = last.get(node).is_some_and(|it| it.id == step.id);
            if !is_owed(step) || !self.is_done(&step.id) || is_last {
                continue;
            }
            let subjects = step.action.subjects();
            let changed_since = all[at + 1..].iter().any(|(on, later)| {
                let own = later.action.subjects();
                on == node
                    && self.is_done(&later.id)
                    && own.iter().any(|subject| subjects.contains(subject))
            });
            if !changed_since {
                still.push((*node, *step));
            }
        }
        still
    }
}

/// Whether somebody changes something by this action: the program, or a person whom it asks to.
fn is_deed(action: &Action) -> bool {
    action.changes() || matches!(action, Action::AskOperator { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuntimeSocket;
    use crate::engine::{Epoch, FaultKind, How};
    use crate::plan::{
        Class, Hooks, Lane, Millis, PoolState, Proof, RemotePath, Stage, Target, Temporary, Undo,
        Why,
    };
    use Direction::{Do, Undo as Back};

    fn id(slug: &str) -> StepId {
        format!("v/n1/{slug}").parse().unwrap()
    }

    fn step(slug: &str, to: PoolState) -> Step {
        Step {
            id: id(slug),
            title: slug.to_owned(),
            why: Why {
                says: "Because.".to_owned(),
                page: None,
            },
            class: Class::Disrupt,
            action: Action::Balancer {
                socket: RuntimeSocket::default(),
                pool: "web".parse().unwrap(),
                server: "n1".parse().unwrap(),
                to,
            },
            guards: Vec::new(),
            proof: Proof::Stamp,
            outputs: BTreeMap::new(),
            undo: Undo::Nothing {
                because: "None.".to_owned(),
            },
            timeout: Millis(1),
            leaves: format!("{slug} is done"),
            temporary: None,
            ends: None,
            preview: None,
        }
    }

    /// `drain` (for a time), `work`, and `enable`, which ends it.
    fn plan() -> Plan {
        let node: NodeName = "n1".parse().unwrap();
        let drain = Step {
            temporary: Some(Temporary { lease: Millis(9) }),
            ..step("drain", PoolState::Drained)
        };
        let enable = Step {
            ends: Some(id("drain")),
            ..step("enable", PoolState::Enabled)
        };
        let work = Step {
            action: Action::BackUp {
                path: RemotePath::new("/x"),
            },
            ..step("work", PoolState::Enabled)
        };
        let steps = vec![drain, work, enable];
        let target = Target::at("a".to_owned(), crate::plan::RemotePath::new("/s"));
        Plan {
            format: crate::plan::FORMAT,
            verb: "v".to_owned(),
            title: "t".to_owned(),
            made_by: "m".to_owned(),
            made_at: Timestamp::UNIX_EPOCH,
            starts_as: "untouched".to_owned(),
            nodes: BTreeMap::from([(node.clone(), target)]),
            hooks: Hooks::default(),
            stages: vec![Stage::in_turn("s", vec![Lane { node, steps }])],
        }
    }

    fn told(entries: Vec<Entry>) -> Progress {
        let records: Vec<_> = (1..)
            .zip(entries)
            .map(|(seq, entry)| Record {
                seq,
                at: Timestamp::UNIX_EPOCH,
                entry,
            })
            .collect();
        Progress::of(&records, &plan())
    }

    fn intent(slug: &str, direction: Direction) -> Entry {
        Entry::Intent {
            step: id(slug),
            direction,
        }
    }

    fn owed(slug: &str) -> Entry {
        Entry::Owed {
            step: id(slug),
            until: Timestamp::MAX,
        }
    }

    fn fault() -> Fault {
        Fault::new(FaultKind::Failed, "it broke")
    }

    fn outcome(slug: &str, direction: Direction, result: StepResult) -> Entry {
        Entry::Outcome {
            step: id(slug),
            direction,
            result,
        }
    }

    fn done(slug: &str, direction: Direction) -> Entry {
        let result = StepResult::Done {
            how: How::Performed,
            outputs: Outputs::from([("id".to_owned(), slug.to_owned())]),
        };
        outcome(slug, direction, result)
    }

    fn failed(slug: &str, direction: Direction) -> Entry {
        outcome(slug, direction, StepResult::Failed { fault: fault() })
    }

    fn unclear(slug: &str, direction: Direction) -> Entry {
        outcome(slug, direction, StepResult::Unclear { fault: fault() })
    }

    fn answered(slug: &str) -> Entry {
        Entry::Answered {
            step: id(slug),
            evidence: "seen".to_owned(),
            by: "me".to_owned(),
        }
    }

    fn runner(owner: &str) -> Runner {
        Runner {
            owner: owner.to_owned(),
            boot: "b".to_owned(),
            pid: 1,
            started: 1,
        }
    }

    fn open(progress: &Progress) -> Vec<&str> {
        progress.owed().iter().map(|(id, _)| id.slug()).collect()
    }

    #[test]
    fn the_beginning_the_stops_and_the_end_are_remembered() {
        let started = Entry::Started {
            format: 1,
            tool: "t".to_owned(),
            run: "r".parse().unwrap(),
            digest: Sha256::of(""),
            runner: runner("first"),
            approved_by: Some("boss".to_owned()),
            undoes: Some("q".parse().unwrap()),
        };
        let claimed = Entry::Claimed {
            node: "n1".parse().unwrap(),
            epoch: Epoch(7),
        };
        let stopped = Entry::Stopped {
            exit: 40,
            state: "half".to_owned(),
            because: "so".to_owned(),
        };
        let resumed = Entry::Resumed {
            tool: "t".to_owned(),
            runner: runner("second"),
        };
        let progress = told(vec![started.clone(), claimed, stopped.clone()]);
        assert_eq!((progress.last_seq, progress.is_unfinished()), (3, true));
        assert_eq!(progress.stopped, Some((40, "half".into(), "so".into())));
        assert!(!progress.ever_changed_anything(&plan()));
        let ended = Entry::Ended {
            ending: Ending::Done,
            state: "whole".to_owned(),
        };
        let progress = told(vec![started, stopped, resumed, ended]);
        let start = progress.start.as_ref().unwrap();
        assert_eq!(start.runner.owner, "second");
        assert_eq!(start.approved_by.as_deref(), Some("boss"));
        assert_eq!(start.undoes, Some("q".parse().unwrap()));
        assert_eq!(progress.stopped, None);
        assert_eq!(progress.ended, Some((Ending::Done, "whole".into())));
        assert!(!progress.is_unfinished());
    }

    #[test]
    fn a_step_is_pending_in_doubt_done_and_pending_again() {
        let stand = |entries| told(entries).standing(&id("work"));
        let (ahead, back) = (intent("work", Do), intent("work", Back));
        assert_eq!(stand(vec![]), Standing::Pending);
        assert_eq!(stand(vec![ahead.clone()]), Standing::InDoubt(Do));
        assert_eq!(
            stand(vec![ahead.clone(), failed("work", Do)]),
            Standing::Pending
        );
        assert_eq!(
            stand(vec![ahead, unclear("work", Do)]),
            Standing::InDoubt(Do)
        );
        assert_eq!(stand(vec![done("work", Do)]), Standing::Done);
        assert_eq!(stand(vec![done("work", Do), back]), Standing::InDoubt(Back));
        assert_eq!(
            stand(vec![done("work", Do), failed("work", Back)]),
            Standing::Done
        );
        assert_eq!(
            stand(vec![done("work", Do), unclear("work", Back)]),
            Standing::InDoubt(Back)
        );
        let gone = told(vec![done("work", Do), done("work", Back)]);
        assert_eq!(gone.standing(&id("work")), Standing::Pending);
        assert!(!gone.changed_anything(&plan()) && gone.ever_changed_anything(&plan()));
        assert_eq!(
            gone.output(&id("work"), "id"),
            None,
            "what is gone gives nothing"
        );
    }

    #[test]
    fn what_a_step_gave_and_why_it_failed_are_kept() {
        let progress = told(vec![failed("work", Do)]);
        assert_eq!(progress.faults[&id("work")], fault());
        let progress = told(vec![failed("work", Do), done("work", Do)]);
        assert!(progress.faults.is_empty());
        assert_eq!(progress.output(&id("work"), "id"), Some("work"));
        assert_eq!(progress.done()[&id("work")]["id"], "work");
    }

    #[test]
    fn a_temporary_change_is_owed_from_its_intent_until_it_is_ended_or_given_back() {
        let begin = || vec![owed("drain"), intent("drain", Do)];
        let with = |more: Vec<Entry>| {
            let progress = told([begin(), more].concat());
            open(&progress)
                .iter()
                .map(|s| (*s).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(
            open(&told(vec![owed("drain")])).is_empty(),
            "announced only"
        );
        assert_eq!(with(vec![]), ["drain"]);
        assert_eq!(with(vec![done("drain", Do)]), ["drain"]);
        assert_eq!(with(vec![unclear("drain", Do)]), ["drain"]);
        assert!(with(vec![failed("drain", Do)]).is_empty());
        let ended = || vec![done("drain", Do), intent("enable", Do), done("enable", Do)];
        assert!(with(ended()).is_empty());
        assert!(with(vec![done("drain", Do), done("drain", Back)]).is_empty());
        let reopened = || [ended(), vec![intent("enable", Back), done("enable", Back)]].concat();
        assert_eq!(
            with(reopened()),
            ["drain"],
            "reopened by taking back what ended it"
        );
        assert!(with([reopened(), vec![done("drain", Back)]].concat()).is_empty());
        let twice = vec![
            done("drain", Do),
            unclear("enable", Do),
            done("enable", Back),
        ];
        assert_eq!(
            with(twice),
            ["drain"],
            "once, however often it was reopened"
        );
    }

    #[test]
    fn what_is_about_to_be_done_shows_that_what_comes_before_it_is_done() {
        let begun = vec![owed("drain"), intent("drain", Do), intent("work", Do)];
        let progress = told(begun.clone());
        assert_eq!(progress.standing(&id("drain")), Standing::Done);
        assert_eq!(progress.standing(&id("work")), Standing::InDoubt(Do));
        assert_eq!(open(&progress), ["drain"], "what it changed is still owed");
        let back = told([begun, vec![intent("drain", Back)]].concat());
        assert_eq!(back.standing(&id("drain")), Standing::InDoubt(Back));
        let mut with_outputs = step("drain", PoolState::Drained);
        let path = crate::plan::RemotePath::new("/a");
        let probe = crate::plan::Probe::Path { path };
        with_outputs.outputs.insert("id".to_owned(), probe);
        assert!(progress.gave_what_is_not_known(&with_outputs));
        assert!(!told(vec![done("drain", Do)]).gave_what_is_not_known(&with_outputs));
    }

    #[test]
    fn an_answer_is_about_the_attempt_before_it() {
        let has = |entries| told(entries).answers.contains_key(&id("work"));
        assert!(has(vec![intent("work", Do), answered("work")]));
        assert!(!has(vec![answered("work"), intent("work", Do)]));
        assert!(!has(vec![
            answered("work"),
            done("work", Do),
            done("work", Back)
        ]));
    }

    #[test]
    fn the_state_says_what_is_done_in_doubt_and_given_back() {
        let state = |entries| told(entries).state(&plan());
        assert_eq!(state(vec![]), "n1: untouched");
        assert_eq!(state(vec![done("drain", Do)]), "n1: drain is done");
        assert_eq!(
            state(vec![done("drain", Do), intent("work", Do)]),
            "n1: drain is done, whether v/n1/work was done is not known"
        );
        assert_eq!(
            state(vec![
                done("drain", Do),
                done("work", Do),
                done("drain", Back)
            ]),
            "n1: work is done, but what v/n1/drain changed for a time was given back"
        );
        assert_eq!(
            state(vec![done("drain", Do), intent("drain", Back)]),
            "n1: untouched, whether v/n1/drain was taken back is not known"
        );
    }
}
