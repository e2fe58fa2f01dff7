//! Runs: begun, resumed, given back, abandoned; and how each ends.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use super::book::Book;
use super::desk::Desk;
use super::event::Happening;
use super::fault::FaultKind;
use super::halt::Halt;
use super::hold::{HoldError, Holds};
use super::interrupt::Interrupt;
use super::journal::{Ending, Entry, JOURNAL_FORMAT, Log, Record, decode};
use super::progress::Standing;
use super::reporter::Reporter;
use super::session::{Session, StagesEnd};
use super::verdict::{Gone, Verdict, is_unsafe, refused};
use super::world::{Claim, Holding, Release, Runner, World};
use super::{Cancel, Fault, PlanText, Progress};
use crate::config::NodeName;
use crate::exit::Exit;
use crate::plan::{
    Action, Millis, OnFailure, OnTimeout, Outputs, Plan, RunId, Sha256, Step, StepId,
};

/// How long an effect may take to end once its time is up.
const ENDING: Millis = Millis::secs(15);

/// What a run is made of.
pub struct Engine<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The plan's digest.
    pub digest: Sha256,
    /// The run's name.
    pub run: RunId,
    /// The nodes.
    pub world: &'a dyn World,
    /// The runner's own side.
    pub desk: &'a dyn Desk,
    /// Whether the run is asked to stop.
    pub interrupt: &'a Interrupt,
    /// Where events go.
    pub reporter: Reporter,
    /// How the run is to be done.
    pub settings: Settings,
}

/// On how many nodes the plan is kept beside the journal.
const PLAN_COPIES: usize = 3;

/// How a run is to be done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who runs it.
    pub runner: Runner,
    /// The program and its version.
    pub tool: String,
    /// How long a hold on a node lasts unless it is renewed.
    pub lease: Millis,
    /// How often holds are renewed.
    pub heartbeat: Millis,
    /// How long to wait for nodes that another run holds.
    pub lock_wait: Millis,
    /// How long a look at a node may take.
    pub look: Millis,
    /// Whether plans that need a person are refused.
    pub no_operator: bool,
    /// Who approved the plan.
    pub approved_by: Option<String>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub exit: Exit,
    /// The state that things are in, in words.
    pub state: String,
    /// Why it ended, when it is not simply done.
    pub because: Option<String>,
    /// What to type next.
    pub next: Vec<String>,
    /// Whether the run is over, so that nothing is left to resume.
    pub over: bool,
    /// Whether the run has left any trace: one that was refused has not.
    pub began: bool,
}

/// What an invocation is to do with a run.
enum Task<'t> {
    /// Everything that is not done yet; a person says of some steps that they are done.
    Go {
        answers: &'t BTreeMap<StepId, String>,
    },
    /// Only giving back temporary changes.
    GiveBack,
    /// Only letting go.
    Abandon { reason: &'t str },
}

impl Engine<'_> {
    /// Begins the run.
    ///
    /// `undoes` names the run that the plan takes back, if it was made by
    /// [`reverse`](crate::plan::reverse).
    pub fn start(&self, log: Box<dyn Log>, undoes: Option<&RunId>) -> End {
        self.invoke(
            log,
            &[],
            &self.started(undoes),
            undoes,
            &Task::Go {
                answers: &BTreeMap::new(),
            },
        )
    }

    /// Goes on with an unfinished run, of which these are the records.
    ///
    /// `answers` are what a person says of steps: done, with this evidence.
    pub fn resume(
        &self,
        log: Box<dyn Log>,
        records: &[Record],
        answers: &BTreeMap<StepId, String>,
    ) -> End {
        self.invoke_again(log, records, &Task::Go { answers })
    }

    /// Gives back the temporary changes of an unfinished run, and leaves it unfinished.
    pub fn give_back(&self, log: Box<dyn Log>, records: &[Record]) -> End {
        self.invoke_again(log, records, &Task::GiveBack)
    }

    /// Gives up an unfinished run as it is.
    pub fn abandon(&self, log: Box<dyn Log>, records: &[Record], reason: &str) -> End {
        self.invoke_again(log, records, &Task::Abandon { reason })
    }

    /// The steps of a run that are done, with what they gave, once every doubt is cleared by looking.
    ///
    /// Nothing is changed and nothing is held. The error names the steps of which
    /// even looking does not tell whether they are done, and why.
    pub fn effects(
        &self,
        records: &[Record],
    ) -> Result<BTreeMap<StepId, Outputs>, Vec<(StepId, String)>> {
        let book = Book::new(self.plan, Box::new(Unwritten), records);
        let session = Session {
            engine: self,
            book: &book,
            holds: &Holds::default(),
        };
        let mut done = book.ask(Progress::done);
        let mut doubts = Vec::new();
        let lacking = |(_, step): &(_, &Step)| book.ask(|p| p.gave_what_is_not_known(step));
        for (node, step) in self.plan.steps().filter(lacking) {
            match session.learn(node, step) {
                Ok(outputs) => {
                    done.insert(step.id.clone(), outputs);
                }
                Err(halt) => doubts.push((step.id.clone(), halt.because(self.plan))),
            }
        }
        for id in book.ask(Progress::in_doubt) {
            let Some((node, step)) = self.plan.step(&id) else {
                continue;
            };
            let Standing::InDoubt(direction) = book.ask(|p| p.standing(&id)) else {
                continue;
            };
            match session.clear_doubt(node, step, direction) {
                Ok(false) => {}
                Ok(true) => match session.learn(node, step) {
                    Ok(outputs) => {
                        done.insert(id, outputs);
                    }
                    Err(halt) => doubts.push((id, halt.because(self.plan))),
                },
                Err(halt) => doubts.push((id, halt.because(self.plan))),
            }
        }
        if doubts.is_empty() {
            Ok(done)
        } else {
            Err(doubts)
        }
    }

    fn started(&self, undoes: Option<&RunId>) -> Entry {
        Entry::Started {
            format: JOURNAL_FORMAT,
            tool: self.settings.tool.clone(),
            run: self.run.clone(),
            digest: self.digest.clone(),
            runner: self.settings.runner.clone(),
            approved_by: self.settings.approved_by.clone(),
            undoes: undoes.cloned(),
        }
    }

    fn invoke_again(&self, log: Box<dyn Log>, records: &[Record], task: &Task<'_>) -> End {
        let progress = Progress::of(records, self.plan);
        if let Some(problem) = self.cannot_go_on(&progress, records) {
            return self.without_a_run(&progress, Exit::Forbidden, Some(problem));
        }
        if let Some((ending, _)) = &progress.ended {
            return self.let_go(&progress, ending, records);
        }
        let undoes = progress.start.and_then(|start| start.undoes);
        // A run whose first invocation died before it wrote a word has yet to begin.
        let first = if records.is_empty() {
            self.started(None)
        } else {
            Entry::Resumed {
                tool: self.settings.tool.clone(),
                runner: self.settings.runner.clone(),
            }
        };
        self.invoke(log, records, &first, undoes.as_ref(), task)
    }

    /// Why these records are not those of a run of this plan, if so.
    fn cannot_go_on(&self, progress: &Progress, records: &[Record]) -> Option<String> {
        let run = &self.run;
        match &progress.start {
            None if records.is_empty() => None,
            None => Some(format!(
                "the journal of run {run} does not say how the run began"
            )),
            Some(start) if start.run == *run && start.digest == self.digest => None,
            Some(_) => Some(format!(
                "what is kept as the journal of run {run} is the journal of another run or of another plan"
            )),
        }
    }

    /// Lets go of the nodes that a run which is over still holds, because its runner died or could not reach them.
    fn let_go(&self, progress: &Progress, ending: &Ending, records: &[Record]) -> End {
        let undoes = progress
            .start
            .as_ref()
            .and_then(|start| start.undoes.as_ref());
        let claim = self.claim(undoes);
        let changed = progress.changed_anything(self.plan);
        let release = release_of(Some(ending), undoes, changed);
        let mut problems = Vec::new();
        for (at, node) in self.plan.changed().into_iter().enumerate() {
            let ours = match self.world.holder(node) {
                Ok(record) => record.holder.is_some_and(|holder| holder.run == self.run),
                Err(fault) => {
                    problems.push(HoldError::Fault(node.clone(), fault));
                    continue;
                }
            };
            if !ours {
                continue;
            }
            let taken = Holds::take(
                self.world,
                [node],
                &claim,
                &release,
                Millis(0),
                self.interrupt,
            );
            match taken {
                Ok(holds) => {
                    self.complete(at, &holds, records);
                    problems.extend(
                        holds
                            .give_up(self.world, &release)
                            .into_iter()
                            .map(|(node, fault)| HoldError::Fault(node, fault)),
                    );
                }
                Err(error) => problems.push(error),
            }
        }
        let Some(problem) = problems.into_iter().next() else {
            return self.without_a_run(progress, Exit::Done, None);
        };
        let verdict = refused(&self.run, problem);
        self.without_a_run(progress, verdict.exit, verdict.because)
    }

    /// The end of an invocation that had no run to go on with.
    fn without_a_run(&self, progress: &Progress, exit: Exit, because: Option<String>) -> End {
        let end = End {
            exit,
            state: progress.state(self.plan),
            over: progress.ended.is_some() && because.is_none(),
            because,
            next: Vec::new(),
            began: true,
        };
        self.told(&end, 0, Instant::now());
        end
    }

    fn claim(&self, undoes: Option<&RunId>) -> Claim {
        Claim {
            run: self.run.clone(),
            instead_of: undoes.cloned(),
            by_force: false,
            verb: self.plan.verb.clone(),
            runner: self.settings.runner.clone(),
            reason: self.plan.title.clone(),
            lease: self.settings.lease,
            wait: self.settings.lock_wait,
        }
    }

    fn invoke(
        &self,
        log: Box<dyn Log>,
        records: &[Record],
        first: &Entry,
        undoes: Option<&RunId>,
        task: &Task<'_>,
    ) -> End {
        let began = Instant::now();
        let book = Book::new(self.plan, log, records);
        let fresh = records.is_empty();
        let done = book.ask(|progress| progress.done().len());
        self.reporter.say(Happening::RunStarted {
            verb: self.plan.verb.clone(),
            title: self.plan.title.clone(),
            digest: self.digest.clone(),
            steps: self.plan.steps().count(),
            done,
        });
        let end = match self.hold(&book, first, undoes, records) {
            Err(mut verdict) => {
                // A run that could not go on is as unfinished as it was.
                verdict.over = verdict.over.filter(|_| fresh);
                self.ending(&book, verdict, !fresh)
            }
            Ok(holds) => {
                let session = Session {
                    engine: self,
                    book: &book,
                    holds: &holds,
                };
                self.while_held(&session, undoes, fresh, task)
            }
        };
        self.tell(&book, &end, done, began);
        end
    }

    /// Makes sure that the run may begin or go on, and holds its nodes.
    fn hold(
        &self,
        book: &Book<'_>,
        first: &Entry,
        undoes: Option<&RunId>,
        records: &[Record],
    ) -> Result<Holds, Verdict> {
        let fresh = records.is_empty();
        if fresh && let Some(problem) = self.forbidden() {
            return Err(Verdict::nothing_changed(Exit::Forbidden, problem));
        }
        let claim = self.claim(undoes);
        let otherwise = if fresh {
            Release::Unused
        } else {
            Release::Unfinished
        };
        // No effect lasts longer than its step may, and the time that it is given to end.
        let longest = self
            .plan
            .steps()
            .map(|(_, step)| Millis(step.timeout.0.saturating_add(ENDING.0)))
            .max()
            .unwrap_or_default();
        let nodes = self.plan.changed();
        let holds = Holds::take(
            self.world,
            nodes,
            &claim,
            &otherwise,
            longest,
            self.interrupt,
        )
        .map_err(|error| refused(&self.run, error))?;
        // Only who holds the nodes writes: a run that is refused stays as its journal left it.
        let first = book.write(first.clone()).map_err(|halt| {
            holds.give_up(self.world, &otherwise);
            Verdict::nothing_changed(Exit::Forbidden, halt.because(self.plan))
        })?;
        let planned = fresh
            .then(|| {
                let plan = PlanText::of(self.plan);
                book.write(Entry::Planned { plan })
            })
            .transpose()
            .map_err(|halt| {
                holds.give_up(self.world, &otherwise);
                Verdict::nothing_changed(Exit::Forbidden, halt.because(self.plan))
            })?;
        for (at, (node, holding)) in holds.each().enumerate() {
            let claimed = Entry::Claimed {
                node: node.clone(),
                epoch: holding.epoch,
            };
            let planned = planned.iter().filter(|_| at < PLAN_COPIES);
            let kept = match book.write(claimed) {
                Ok(claimed) => self.missing(at, node, records).and_then(|mut missing| {
                    let new = std::iter::once(&first).chain(planned).chain([&claimed]);
                    missing.lines.extend(new.flat_map(Record::line));
                    missing.keep(self, node, holding)
                }),
                Err(halt) => Err(Fault::new(FaultKind::Failed, halt.because(self.plan))),
            };
            if let Err(fault) = kept {
                holds.give_up(self.world, &otherwise);
                return Err(refused(&self.run, HoldError::Fault(node.clone(), fault)));
            }
        }
        Ok(holds)
    }

    /// Has the copy of the journal on a node, the `at`th of the plan, say how the run ended.
    fn complete(&self, at: usize, holds: &Holds, records: &[Record]) {
        for (node, holding) in holds.each() {
            let kept = self.missing(at, node, records).and_then(|missing| {
                if missing.lines.is_empty() {
                    return Ok(());
                }
                missing.keep(self, node, holding)
            });
            if let Err(fault) = kept {
                self.warn_of_copy(node, &fault);
            }
        }
    }

    /// What the copy of the journal on a node, the `at`th of the plan, lacks at its end: a runner that is killed may have
    /// written more on its own disk, and without it the copy would keep a gap for good. A copy that is damaged lacks
    /// everything: nobody reads past the damage, whatever comes after it.
    fn missing(&self, at: usize, node: &NodeName, records: &[Record]) -> Result<Missing, Fault> {
        if records.is_empty() {
            return Ok(Missing::default());
        }
        let (last, damage) = match decode(&self.world.kept(node, &self.run)?) {
            Ok(copy) => (copy.records.last().map_or(0, |record| record.seq), None),
            Err(error) => (0, Some(error.to_string())),
        };
        let lacks = |record: &&Record| {
            record.seq > last
                && match &record.entry {
                    Entry::Planned { .. } => at < PLAN_COPIES,
                    entry => self.is_about(entry, node),
                }
        };
        let lines = records.iter().filter(lacks).flat_map(Record::line);
        Ok(Missing {
            lines: lines.collect(),
            damage,
        })
    }

    /// Whether a record belongs in the node's copy of the journal.
    fn is_about(&self, entry: &Entry, node: &NodeName) -> bool {
        match entry {
            Entry::Owed { step, .. }
            | Entry::Intent { step, .. }
            | Entry::Outcome { step, .. }
            | Entry::Answered { step, .. } => {
                self.plan.step(step).is_some_and(|(of, _)| of == node)
            }
            Entry::Claimed { node: of, .. } => of == node,
            Entry::Started { .. }
            | Entry::Planned { .. }
            | Entry::Resumed { .. }
            | Entry::Stopped { .. }
            | Entry::Ended { .. } => true,
        }
    }

    /// Does the task while the holds are renewed, and lets go.
    fn while_held(
        &self,
        session: &Session<'_>,
        undoes: Option<&RunId>,
        fresh: bool,
        task: &Task<'_>,
    ) -> End {
        let no_more = Cancel::default();
        let verdict = thread::scope(|scope| {
            scope.spawn(|| {
                let every = self.settings.heartbeat;
                session
                    .holds
                    .beat(self.world, every, &no_more, &self.reporter);
            });
            let verdict = match task {
                Task::Go { answers } => self.go(session, fresh, answers),
                Task::GiveBack => self.only_give_back(session),
                Task::Abandon { reason } => Ok(Verdict {
                    exit: Exit::Done,
                    because: None,
                    next: Vec::new(),
                    over: Some(Ending::Abandoned {
                        by: self.settings.runner.owner.clone(),
                        reason: (*reason).to_owned(),
                    }),
                }),
            };
            no_more.cancel();
            verdict
        });
        let changed = session
            .book
            .ask(|progress| progress.changed_anything(self.plan));
        let ever = session
            .book
            .ask(|progress| progress.ever_changed_anything(self.plan));
        let Ok(verdict) = verdict else {
            // Whatever would be written or let go now, a dead runner could not have done.
            let verdict = Verdict {
                exit: Exit::Unexpected,
                because: Some(Halt::Gone.because(self.plan)),
                next: self.ways_on(session.book),
                over: None,
            };
            return self.ending(session.book, verdict, true);
        };
        let state = session.book.ask(|progress| progress.state(self.plan));
        let release = release_of(verdict.over.as_ref(), undoes, changed);
        let last = match &verdict.over {
            Some(ending) => Entry::Ended {
                ending: ending.clone(),
                state,
            },
            None => Entry::Stopped {
                exit: verdict.exit.code(),
                state,
                because: verdict.because.clone().unwrap_or_default(),
            },
        };
        let still_held = self.close(session, last, &release);
        let began = ever || !fresh || verdict.over.is_none() || verdict.exit == Exit::Done;
        let mut end = self.ending(session.book, verdict, began || !still_held.is_empty());
        if end.over && !still_held.is_empty() {
            end.over = false;
            end.next.push(self.way_to_let_go(&still_held));
        }
        end
    }

    fn way_to_let_go(&self, still_held: &[NodeName]) -> String {
        let nodes: Vec<_> = still_held.iter().map(NodeName::as_str).collect();
        let nodes = nodes.join(", ");
        format!("clusterctl resume {}   (to let go of {nodes})", self.run)
    }

    /// Writes the last record everywhere and lets go of the nodes; gives those that it could not let go.
    fn close(&self, session: &Session<'_>, last: Entry, release: &Release) -> Vec<NodeName> {
        let book = session.book;
        let last = book.write(last);
        for (node, holding) in session.holds.each() {
            if let Ok(record) = &last {
                book.add_late(node, record);
            }
            if let Ok(Err(fault)) = book.catch_up(self.world, node, holding) {
                self.warn_of_copy(node, &fault);
            }
        }
        if let Err(halt) = last {
            self.reporter.warn(halt.because(self.plan));
        }
        let mut still_held = Vec::new();
        for (node, fault) in session.holds.give_up(self.world, release) {
            if fault.kind != FaultKind::Fenced {
                self.reporter
                    .warn(format!("{node}: the hold could not be given up: {fault}"));
                still_held.push(node);
            }
        }
        still_held
    }

    /// Says that the node's copy of the journal has a gap.
    pub(super) fn warn_of_copy(&self, node: &NodeName, fault: &Fault) {
        self.reporter.warn(format!(
            "{node}: the node's copy of the journal may lack what was written last: {fault}"
        ));
    }

    fn go(
        &self,
        session: &Session<'_>,
        fresh: bool,
        answers: &BTreeMap<StepId, String>,
    ) -> Result<Verdict, Gone> {
        if fresh {
            if let Some(verdict) = self.preflight(session)? {
                return Ok(verdict);
            }
        } else {
            self.warn_of_leases(session);
        }
        let mut halts = Vec::new();
        for (step, evidence) in answers {
            let Some((node, _)) = self.plan.step(step) else {
                continue;
            };
            if !self.can_be_answered(session, step) {
                self.reporter.warn(format!(
                    "the answer for {step} is not needed: nothing is in doubt about it and it asks nobody"
                ));
                continue;
            }
            let (step, evidence) = (step.clone(), evidence.clone());
            let by = self.settings.runner.owner.clone();
            if let Err(halt) = session.note(node, Entry::Answered { step, evidence, by }) {
                halts.push((node.clone(), halt));
            }
        }
        let mut end = if halts.is_empty() {
            session.stages()
        } else {
            StagesEnd::default()
        };
        end.cut_short |= !halts.is_empty();
        end.halted.extend(halts);
        if self.interrupt.times() >= 2 || self.gives_back(&end) {
            end.halted.extend(session.give_back());
        }
        self.verdict(session.book, &end)
    }

    /// Whether a wait was in vain on which all that was changed for a time depends, or a stage has failed and was undone
    /// whose failure means that.
    fn gives_back(&self, end: &StagesEnd) -> bool {
        if end.cut_short && end.returned.iter().any(|(_, halt)| self.fails_all(halt)) {
            return true;
        }
        end.halted.iter().chain(&end.returned).any(|(_, halt)| {
            let Halt::Failed(id, _) = halt else {
                return false;
            };
            let step = self.plan.step(id).map(|(_, step)| step);
            matches!(
                step.map(|step| &step.action),
                Some(Action::WaitUntil {
                    on_timeout: OnTimeout::GiveBack,
                    ..
                })
            )
        })
    }

    /// Whether it is a step of a stage whose failure means that what was changed for a time is given back.
    fn fails_all(&self, halt: &Halt) -> bool {
        let (Halt::Failed(id, _) | Halt::Stale(id, _)) = halt else {
            return false;
        };
        let mut stages = self.plan.stages.iter();
        stages.any(|stage| {
            let mut steps = stage.lanes.iter().flat_map(|lane| &lane.steps);
            stage.on_failure == OnFailure::GiveBack && steps.any(|step| step.id == *id)
        })
    }

    /// Whether a person's word settles this step: it asks for one, or nothing else tells whether it is done.
    fn can_be_answered(&self, session: &Session<'_>, id: &StepId) -> bool {
        let asks = self
            .plan
            .step(id)
            .is_some_and(|(_, step)| matches!(step.action, Action::AskOperator { .. }));
        match session.book.ask(|progress| progress.standing(id)) {
            Standing::InDoubt(_) => true,
            Standing::Pending => asks,
            Standing::Done => false,
        }
    }

    fn only_give_back(&self, session: &Session<'_>) -> Result<Verdict, Gone> {
        let left = session.give_back();
        let halts: Vec<&Halt> = left.iter().map(|(_, halt)| halt).collect();
        if halts.contains(&&Halt::Gone) {
            return Err(Gone);
        }
        if halts.is_empty() {
            return Ok(Verdict {
                exit: Exit::Done,
                because: None,
                next: self.ways_on(session.book),
                over: None,
            });
        }
        let exit = if halts.iter().any(|halt| is_unsafe(halt)) {
            Exit::Unsafe
        } else {
            Exit::Stopped
        };
        Ok(self.stopped(session.book, exit, &halts))
    }

    fn warn_of_leases(&self, session: &Session<'_>) {
        let now = jiff::Timestamp::now();
        for (step, until) in session.book.ask(|progress| progress.owed().to_vec()) {
            if until < now {
                let since = until.strftime("%Y-%m-%d %H:%M:%SZ");
                self.reporter.warn(format!(
                    "what {step} changed for a time was to end by {since}"
                ));
            }
        }
    }

    fn tell(&self, book: &Book<'_>, end: &End, done_before: usize, began: Instant) {
        if let Some(hook) = &self.plan.hooks.on_end
            && end.began
        {
            let session = Session {
                engine: self,
                book,
                holds: &Holds::default(),
            };
            let more = [
                ("CLUSTERCTL_EXIT", end.exit.code().to_string()),
                ("CLUSTERCTL_STATE", end.state.clone()),
                ("CLUSTERCTL_ERROR", end.because.clone().unwrap_or_default()),
            ];
            // A failure of this hook is told, and changes nothing.
            let _ = session.run_hook("on_end", hook, None, &more);
        }
        let done = book.ask(|progress| progress.done().len());
        self.told(end, done.saturating_sub(done_before), began);
    }

    fn told(&self, end: &End, done: usize, began: Instant) {
        self.reporter.say(Happening::RunEnded {
            exit: end.exit.code(),
            state: end.state.clone(),
            because: end.because.clone(),
            next: end.next.clone(),
            done,
            took: Millis::from(began.elapsed()),
        });
    }
}

/// What a node's copy of the journal lacks.
#[derive(Default)]
struct Missing {
    lines: Vec<u8>,
    /// What is wrong with the copy as it is, if it can't be added to.
    damage: Option<String>,
}

impl Missing {
    fn keep(&self, engine: &Engine<'_>, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        let Some(damage) = &self.damage else {
            return engine.world.keep(node, holding, &self.lines);
        };
        engine.world.keep_anew(node, holding, &self.lines)?;
        engine.reporter.warn(format!(
            "{node}: the node's copy of the journal was damaged and is written anew; what it said is kept beside it: {damage}"
        ));
        Ok(())
    }
}

/// For looking at a run without writing to its journal.
struct Unwritten;

impl Log for Unwritten {
    fn append(&mut self, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// How nodes are given up at such an end.
fn release_of(over: Option<&Ending>, undoes: Option<&RunId>, changed: bool) -> Release {
    match (over, undoes) {
        (None, _) => Release::Unfinished,
        (Some(Ending::Done), Some(undone)) => Release::Undid(undone.clone()),
        (Some(Ending::Undone { .. }), _) if !changed => Release::Unused,
        (Some(_), _) => Release::Free,
    }
}
