//! One lane: its steps in order, each guarded, journalled, performed and proved.

use std::time::Instant;

use super::desk::Answer;
use super::event::{Happening, How};
use super::fault::FaultKind;
use super::halt::{Halt, is_seen};
use super::journal::{Entry, StepResult};
use super::judge::{Verdict, may_be_half_done};
use super::progress::Standing;
use super::session::Session;
use super::world::{Call, Direction, Teller};
use super::{Cancel, Fault};
use crate::config::NodeName;
use crate::plan::{
    Action, Condition, Lane, Millis, OnTimeout, Outputs, Proof, Reading, Stage, Step, StepId, Undo,
    Value,
};

/// How a lane ended.
#[derive(Debug)]
pub(super) enum LaneEnd {
    /// Every step is done.
    Finished,
    /// It stopped where it is.
    Halted(Halt),
    /// It failed, and its steps of this stage are undone.
    Returned(Halt),
}

impl Session<'_> {
    /// Goes through a lane.
    pub(super) fn walk(&self, stage: &Stage, lane: &Lane) -> LaneEnd {
        let end = self.go_through(stage, lane);
        // What comes next may take long; at the end of the run it is its last record, which takes the others along.
        let last = self.engine.plan.stages.last();
        let ends_here =
            last.is_some_and(|last| std::ptr::eq(last, stage)) && stage.lanes.len() == 1;
        if ends_here {
            return end;
        }
        match (self.catch_up(&lane.node), end) {
            (Err(halt), LaneEnd::Finished) => LaneEnd::Halted(halt),
            (_, end) => end,
        }
    }

    fn go_through(&self, stage: &Stage, lane: &Lane) -> LaneEnd {
        for step in &lane.steps {
            match self.forward(&lane.node, step) {
                Ok(()) => {}
                Err(halt) if halt.is_failure() && stage.on_failure.returns() => {
                    return match self.return_lane(lane) {
                        Ok(()) => LaneEnd::Returned(halt),
                        Err(halt) => LaneEnd::Halted(halt),
                    };
                }
                Err(halt) => return LaneEnd::Halted(halt),
            }
        }
        LaneEnd::Finished
    }

    fn return_lane(&self, lane: &Lane) -> Result<(), Halt> {
        for step in lane.steps.iter().rev() {
            if self.book.ask(|progress| progress.is_done(&step.id)) {
                self.backward(&lane.node, step)?;
            }
        }
        Ok(())
    }

    /// Does a step, unless it is done.
    fn forward(&self, node: &NodeName, step: &Step) -> Result<(), Halt> {
        let began = Instant::now();
        if self.settle(node, step)? {
            return Ok(());
        }
        if self.engine.interrupt.times() > 0 {
            return Err(Halt::Interrupted);
        }
        self.before_step(node, step)?;
        self.engine.reporter.say(Happening::StepStarted {
            step: step.id.clone(),
            node: node.clone(),
            title: step.title.clone(),
            direction: Direction::Do,
        });
        self.check_guards(node, step)
            .inspect_err(|halt| self.tell_stale(node, step, halt))?;
        let answered = self.book.ask(|p| p.answers.contains_key(&step.id));
        if answered && matches!(step.action, Action::AskOperator { .. }) {
            return self.done(node, step, Direction::Do, How::Answered, began);
        }
        if step.temporary.is_some() {
            self.owe(node, step)?;
        }
        self.intend(node, step, Direction::Do)?;
        match self.act(node, step) {
            Ok(how) => self.done(node, step, Direction::Do, how, began),
            Err(Trouble::Halt(halt)) => Err(halt),
            Err(Trouble::Fault(fault)) => self.failed(node, step, Direction::Do, fault, began),
        }
    }

    /// Whether a step is done; if it is in doubt, the world and the journal say so from now on.
    pub(super) fn settle(&self, node: &NodeName, step: &Step) -> Result<bool, Halt> {
        let began = Instant::now();
        let direction = match self.book.ask(|progress| progress.standing(&step.id)) {
            Standing::Done => {
                if self.book.ask(|p| p.gave_what_is_not_known(step)) {
                    self.done(node, step, Direction::Do, How::FoundDone, began)?;
                }
                return Ok(true);
            }
            Standing::Pending => return Ok(false),
            Standing::InDoubt(direction) => direction,
        };
        let there = self.clear_doubt(node, step, direction)?;
        if there {
            self.done(node, step, Direction::Do, How::FoundDone, began)?;
        } else {
            self.settle_as_pending(node, step, direction)?;
        }
        Ok(there)
    }

    /// Takes a step back, unless its effect is gone.
    pub(super) fn backward(&self, node: &NodeName, step: &Step) -> Result<(), Halt> {
        let began = Instant::now();
        // What was never begun, or had no effect, must not be taken back.
        if !self.settle(node, step)? {
            return self.done(node, step, Direction::Undo, How::FoundDone, began);
        }
        let Undo::By { action, proof } = &step.undo else {
            return match &step.undo {
                Undo::Impossible { because } => {
                    let fault = Fault::new(
                        FaultKind::Failed,
                        format!("it can't be taken back: {because}"),
                    );
                    Err(Halt::Stuck(step.id.clone(), fault))
                }
                Undo::By { .. } | Undo::Nothing { .. } => {
                    self.done(node, step, Direction::Undo, How::FoundDone, began)
                }
            };
        };
        self.engine.reporter.say(Happening::StepStarted {
            step: step.id.clone(),
            node: node.clone(),
            title: format!("Take back: {}", step.title),
            direction: Direction::Undo,
        });
        self.intend(node, step, Direction::Undo)?;
        // What gives things back is not broken off by the Ctrl-C that asked for it.
        let never = Cancel::default();
        let effect = self
            .resolved(action.as_ref().clone(), Action::values_mut)
            .and_then(|action| self.perform(node, step, Direction::Undo, proof, &action, &never));
        // Whoever does not show in time is judged below like everybody else.
        let effect =
            effect.and_then(|()| self.shown(node, step, action, proof, &never).map(|_| ()));
        let shown = effect.and_then(|()| match self.judge(node, step, Direction::Undo, None) {
            Verdict::Done => Ok(()),
            Verdict::Unchanged => Err(unproved("its effect is still there")),
            Verdict::Neither(text) => Err(unproved(&text)),
            Verdict::Unknown(fault) => Err(fault),
        });
        match shown {
            Ok(()) => self.done(node, step, Direction::Undo, How::Performed, began),
            Err(fault) => self.failed(node, step, Direction::Undo, fault, began),
        }
    }

    /// Performs the step's action and shows that it worked.
    fn act(&self, node: &NodeName, step: &Step) -> Result<How, Trouble> {
        match &step.action {
            Action::Check { that } => {
                if let Some((condition, found)) = self.failing(node, that)? {
                    let what = format!("{condition} was expected, and {found} was found");
                    return Err(Fault::new(FaultKind::Failed, what).into());
                }
                Ok(How::Performed)
            }
            Action::WaitUntil {
                until,
                every,
                good,
                within,
                on_timeout,
            } => {
                self.wait(node, step, until, *every, *good, *within, *on_timeout)?;
                Ok(How::Performed)
            }
            Action::AskOperator { request, evidence } => self.ask(node, step, request, evidence),
            action => {
                let action = self.resolved(action.clone(), Action::values_mut)?;
                let cancel = self.engine.interrupt.cancel();
                self.perform(node, step, Direction::Do, &step.proof, &action, cancel)?;
                if let Some((condition, found)) =
                    self.shown(node, step, &action, &step.proof, cancel)?
                {
                    let what = format!(
                        "it ran, but its effect can't be seen: {condition} was expected, and {found} was found"
                    );
                    return Err(Fault::new(FaultKind::LostOutcome, what).into());
                }
                Ok(How::Performed)
            }
        }
    }

    /// The condition of a proof that does not hold after the effect, if one does not.
    ///
    /// A service that was told to start or stop may return before it has: it gets
    /// the time of its step to be seen.
    fn shown(
        &self,
        node: &NodeName,
        step: &Step,
        action: &Action,
        proof: &Proof,
        cancel: &Cancel,
    ) -> Result<Option<(Condition, Reading)>, Fault> {
        const LOOK: Millis = Millis(100);
        // What a server was asked for may take it a while.
        let patient = matches!(action, Action::Service { .. } | Action::Rest { .. });
        let looks = if patient { step.timeout.0 / LOOK.0 } else { 0 };
        let began = Instant::now();
        for _ in 0..looks {
            if self.failing(node, proof.conditions())?.is_none() {
                return Ok(None);
            }
            if began.elapsed() >= step.timeout.duration() {
                break;
            }
            if !self.engine.world.pause(LOOK.duration(), cancel) {
                let what = "it was broken off before its effect was seen";
                return Err(Fault::new(FaultKind::Cancelled, what));
            }
        }
        self.failing(node, proof.conditions())
    }

    fn perform(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
        proof: &Proof,
        action: &Action,
        cancel: &Cancel,
    ) -> Result<(), Fault> {
        let proof = self.resolved(proof.clone(), Proof::values_mut)?;
        let tell = |moved, of| {
            let step = step.id.clone();
            self.engine
                .reporter
                .say(Happening::StepMoved { step, moved, of });
        };
        let call = Call {
            teller: Teller(&tell),
            ..self.call(node, step, direction, &proof, cancel)
        };
        self.engine.world.perform(&call, action)
    }

    fn call<'c>(
        &'c self,
        node: &'c NodeName,
        step: &'c Step,
        direction: Direction,
        proof: &'c Proof,
        cancel: &'c Cancel,
    ) -> Call<'c> {
        let epoch = self
            .holds
            .on(node)
            .map(|holding| holding.epoch)
            .unwrap_or_default();
        let (run, timeout) = (&self.engine.run, step.timeout);
        Call {
            node,
            run,
            step: &step.id,
            direction,
            epoch,
            proof,
            timeout,
            cancel,
            teller: Teller::NOBODY,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one action")]
    fn wait(
        &self,
        node: &NodeName,
        step: &Step,
        until: &Condition,
        every: Millis,
        wanted: u32,
        within: Millis,
        on_timeout: OnTimeout,
    ) -> Result<(), Fault> {
        let began = Instant::now();
        let until = self.resolved(until.clone(), |c| c.probe.values_mut())?;
        let looks = within.0 / every.0.max(1) + 1;
        let (mut good, mut told) = (0, None);
        for look in 1.. {
            let found = match self.observe(node, &until.probe) {
                Ok(found) => found,
                Err(fault) if fault.kind == FaultKind::RunnerGone => return Err(fault),
                // Not to be reached is a common stage on the way up.
                Err(fault) => Reading::text(fault.what),
            };
            good = if until.expect.admits(&found) {
                good + 1
            } else {
                0
            };
            if good >= wanted {
                return Ok(());
            }
            if look > looks || began.elapsed() >= within.duration() {
                let what = format!("after {within}, {until} was not seen: found {found}");
                if on_timeout == OnTimeout::GoOn {
                    self.engine
                        .reporter
                        .warn(format!("{}: {what}. The plan goes on.", step.id));
                    return Ok(());
                }
                return Err(Fault::new(FaultKind::TimedOut, what));
            }
            if told.as_ref() != Some(&(found.clone(), good)) {
                self.engine.reporter.say(Happening::StepWaiting {
                    step: step.id.clone(),
                    until: until.clone(),
                    found: found.clone(),
                    good,
                    wanted,
                });
                told = Some((found, good));
            }
            if !self
                .engine
                .world
                .pause(every.duration(), self.engine.interrupt.cancel())
            {
                return Err(Fault::new(FaultKind::Cancelled, "the wait was cancelled"));
            }
        }
        Ok(())
    }

    fn ask(
        &self,
        node: &NodeName,
        step: &Step,
        request: &str,
        evidence: &str,
    ) -> Result<How, Trouble> {
        let id = step.id.clone();
        self.engine.reporter.say(Happening::OperatorAsked {
            step: id.clone(),
            request: request.to_owned(),
        });
        match self.engine.desk.ask(step, request, evidence) {
            Answer::Done { evidence } => {
                let by = self.engine.settings.runner.owner.clone();
                self.note(
                    node,
                    Entry::Answered {
                        step: id,
                        evidence,
                        by,
                    },
                )?;
                Ok(How::Answered)
            }
            Answer::No => {
                self.put_off(node, step, Direction::Do, "it was declined")?;
                Err(Halt::Declined(id).into())
            }
            Answer::Nobody => {
                self.put_off(node, step, Direction::Do, "there is no terminal to ask on")?;
                Err(Halt::Operator(id, request.to_owned()).into())
            }
        }
    }

    /// The step was not begun after all, or not begun to be taken back.
    fn put_off(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
        why: &str,
    ) -> Result<(), Halt> {
        let fault = Fault::new(FaultKind::Failed, why);
        let result = StepResult::Failed { fault };
        self.note(
            node,
            Entry::Outcome {
                step: step.id.clone(),
                direction,
                result,
            },
        )
    }

    /// What came of a step that was begun and whose outcome is not in the journal.
    ///
    /// Whether its effect is there; if not, things are as before it.
    pub(super) fn clear_doubt(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
    ) -> Result<bool, Halt> {
        // A person who says that it is done means its effect, whichever way it was going.
        if self
            .book
            .ask(|progress| progress.answers.contains_key(&step.id))
        {
            return Ok(true);
        }
        let proof = match (&step.undo, direction) {
            (Undo::By { proof, .. }, Direction::Undo) => proof,
            _ => &step.proof,
        };
        let cancel = Cancel::default();
        let call = self.call(node, step, direction, proof, &cancel);
        let settled = match self.engine.world.settle(&call) {
            Ok(settled) => settled,
            Err(fault) => return Err(halt_of(node, &step.id, fault, Halt::Unknown)),
        };
        let reported = settled.as_ref().and_then(|outcome| outcome.as_ref().err());
        let verdict = self.judge(node, step, direction, reported);
        let there = match verdict {
            Verdict::Done => direction == Direction::Do,
            Verdict::Unchanged => direction == Direction::Undo,
            Verdict::Neither(text) => {
                let fault = Fault::new(FaultKind::LostOutcome, text);
                return Err(Halt::Unclear(step.id.clone(), fault));
            }
            Verdict::Unknown(fault) => return Err(halt_of(node, &step.id, fault, Halt::Unknown)),
        };
        Ok(there)
    }

    /// Says in the journal that a step in doubt turned out not to be done.
    fn settle_as_pending(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
    ) -> Result<(), Halt> {
        let result = match direction {
            Direction::Undo => StepResult::Done {
                how: How::FoundDone,
                outputs: Outputs::new(),
            },
            Direction::Do => {
                let what = "the run was cut short before it took effect";
                StepResult::Failed {
                    fault: Fault::new(FaultKind::LostOutcome, what),
                }
            }
        };
        self.note(
            node,
            Entry::Outcome {
                step: step.id.clone(),
                direction,
                result,
            },
        )
    }

    fn done(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
        how: How,
        began: Instant,
    ) -> Result<(), Halt> {
        let outputs = match direction {
            Direction::Do => self.learn(node, step)?,
            Direction::Undo => Outputs::new(),
        };
        let outcome = Entry::Outcome {
            step: step.id.clone(),
            direction,
            result: StepResult::Done { how, outputs },
        };
        if self.engine.plan.hooks.after_step.is_some() {
            self.note(node, outcome)?;
        } else {
            self.note_late(node, outcome)?;
        }
        let leaves = match direction {
            Direction::Do => step.leaves.clone(),
            Direction::Undo => format!("as before {}", step.id),
        };
        self.engine.reporter.say(Happening::StepDone {
            step: step.id.clone(),
            direction,
            how,
            took: Millis::from(began.elapsed()),
            leaves,
        });
        self.after_step(node, step, None);
        Ok(())
    }

    /// Reads what later steps need to know of a step that is done.
    pub(super) fn learn(&self, node: &NodeName, step: &Step) -> Result<Outputs, Halt> {
        let mut outputs = Outputs::new();
        for (name, probe) in &step.outputs {
            match self.observe(node, probe) {
                Ok(Reading::Text(text)) => outputs.insert(name.clone(), text),
                Ok(Reading::Number(number)) => outputs.insert(name.clone(), number.to_string()),
                Ok(other) => {
                    let what =
                        format!("it is done, but {probe} is {other}, and `{name}` is needed");
                    let fault = Fault::new(FaultKind::LostOutcome, what);
                    return Err(Halt::Unknown(step.id.clone(), fault));
                }
                Err(fault) => return Err(halt_of(node, &step.id, fault, Halt::Unknown)),
            };
        }
        Ok(outputs)
    }

    /// Looks what a failed effect left, and says so.
    fn failed(
        &self,
        node: &NodeName,
        step: &Step,
        direction: Direction,
        fault: Fault,
        began: Instant,
    ) -> Result<(), Halt> {
        match fault.kind {
            FaultKind::RunnerGone => return Err(Halt::Gone),
            FaultKind::Fenced => return Err(Halt::Fenced(node.clone(), fault)),
            _ => {}
        }
        let id = step.id.clone();
        let (result, halt) = match self.judge(node, step, direction, Some(&fault)) {
            Verdict::Done => {
                self.engine.reporter.warn(format!(
                    "{id} reported a failure, but its effect is there: {fault}"
                ));
                return self.done(node, step, direction, How::Performed, began);
            }
            Verdict::Unchanged => {
                // What a server has begun may still come.
                let may_come =
                    matches!(step.action, Action::Rest { .. }) && may_be_half_done(fault.kind);
                let halt = match (direction, fault.kind) {
                    (_, FaultKind::Cancelled) => Halt::Interrupted,
                    (Direction::Do, _) if may_come => Halt::Unknown(id.clone(), fault.clone()),
                    (Direction::Do, _) => Halt::Failed(id.clone(), fault.clone()),
                    // What can't be taken back leaves the node between two states.
                    (Direction::Undo, _) => Halt::Stuck(id.clone(), fault.clone()),
                };
                // What may be done in part stays in doubt, until somebody goes on with it.
                let result = StepResult::Failed {
                    fault: fault.clone(),
                };
                let whole =
                    direction == Direction::Undo || (self.is_untouched(node, step) && !may_come);
                (whole.then_some(result), halt)
            }
            Verdict::Neither(text) => {
                let fault = Fault {
                    what: format!("{fault}. {text}"),
                    ..fault.clone()
                };
                (
                    Some(StepResult::Unclear {
                        fault: fault.clone(),
                    }),
                    Halt::Unclear(id.clone(), fault),
                )
            }
            // Resuming looks again: the journal keeps the intent without an outcome.
            Verdict::Unknown(_) if fault.kind != FaultKind::Failed => {
                (None, Halt::Unknown(id.clone(), fault.clone()))
            }
            Verdict::Unknown(other) => (None, halt_of(node, &id, other, Halt::Unknown)),
        };
        if halt == Halt::Gone {
            return Err(halt);
        }
        let unchanged = matches!(result, Some(StepResult::Failed { .. }))
            && (direction == Direction::Undo || is_seen(step) || step.action.goes_on());
        if let Some(result) = result {
            self.note(
                node,
                Entry::Outcome {
                    step: id.clone(),
                    direction,
                    result,
                },
            )?;
        }
        self.engine.reporter.say(Happening::StepFailed {
            step: id,
            direction,
            fault: fault.clone(),
            unchanged,
        });
        self.after_step(node, step, Some(&fault));
        Err(halt)
    }

    /// Writes out what earlier steps gave.
    pub(super) fn resolved<T>(
        &self,
        mut thing: T,
        values: impl FnOnce(&mut T) -> Vec<&mut Value>,
    ) -> Result<T, Fault> {
        for value in values(&mut thing) {
            if let Value::FromStep { step, output } = value {
                let given = self
                    .book
                    .ask(|progress| progress.output(step, output).map(str::to_owned));
                let Some(text) = given else {
                    let what = format!("it needs `{output}` of {step}, which did not give it");
                    return Err(Fault::new(FaultKind::Failed, what));
                };
                *value = Value::Text(text);
            }
        }
        Ok(thing)
    }

    fn owe(&self, node: &NodeName, step: &Step) -> Result<(), Halt> {
        let lease = step
            .temporary
            .as_ref()
            .map_or(Millis(0), |temporary| temporary.lease);
        let until = jiff::Timestamp::now()
            .checked_add(jiff::SignedDuration::from_millis(
                i64::try_from(lease.0).unwrap_or(i64::MAX),
            ))
            .unwrap_or(jiff::Timestamp::MAX);
        self.note_before(
            node,
            step,
            Entry::Owed {
                step: step.id.clone(),
                until,
            },
            Direction::Do,
        )
    }

    fn intend(&self, node: &NodeName, step: &Step, direction: Direction) -> Result<(), Halt> {
        self.note_before(
            node,
            step,
            Entry::Intent {
                step: step.id.clone(),
                direction,
            },
            direction,
        )
    }

    /// A record that must be on both disks before the effect.
    fn note_before(
        &self,
        node: &NodeName,
        step: &Step,
        entry: Entry,
        direction: Direction,
    ) -> Result<(), Halt> {
        match self.write(node, entry)? {
            Ok(()) => Ok(()),
            Err(fault) => {
                let what = format!("the node's copy of the journal could not be written: {fault}");
                let fault = Fault { what, ..fault };
                self.put_off(node, step, direction, &fault.what)?;
                self.engine.reporter.say(Happening::StepFailed {
                    step: step.id.clone(),
                    direction,
                    fault: fault.clone(),
                    unchanged: true,
                });
                self.after_step(node, step, Some(&fault));
                let id = step.id.clone();
                Err(match direction {
                    Direction::Do => Halt::Failed(id, fault),
                    Direction::Undo => Halt::Stuck(id, fault),
                })
            }
        }
    }

    /// A record of what has happened already.
    pub(super) fn note(&self, node: &NodeName, entry: Entry) -> Result<(), Halt> {
        if let Err(fault) = self.write(node, entry)? {
            self.engine.warn_of_copy(node, &fault);
        }
        Ok(())
    }

    /// The same of what the node itself can tell: its copy gets it with what is written there next.
    fn note_late(&self, node: &NodeName, entry: Entry) -> Result<(), Halt> {
        match self.holds.on(node) {
            Some(_) => self.book.write_late(node, entry),
            None => self.book.write(entry).map(|_| ()),
        }
    }

    /// Has everything in the node's copy of the journal before something that may take long.
    pub(super) fn catch_up(&self, node: &NodeName) -> Result<(), Halt> {
        let Some(holding) = self.holds.on(node) else {
            return Ok(());
        };
        if let Err(fault) = self.book.catch_up(self.engine.world, node, holding)? {
            self.engine.warn_of_copy(node, &fault);
        }
        Ok(())
    }

    fn write(&self, node: &NodeName, entry: Entry) -> Result<Result<(), Fault>, Halt> {
        match self.holds.on(node) {
            Some(holding) => self
                .book
                .write_both(self.engine.world, node, holding, entry),
            None => self.book.write(entry).map(|_| Ok(())),
        }
    }

    fn tell_stale(&self, node: &NodeName, step: &Step, halt: &Halt) {
        let fault = match halt {
            Halt::Stale(_, guard) => Fault::new(
                FaultKind::Stale,
                format!("it was not begun: the plan {guard}"),
            ),
            Halt::Failed(_, fault) => fault.clone(),
            _ => return,
        };
        self.engine.reporter.say(Happening::StepFailed {
            step: step.id.clone(),
            direction: Direction::Do,
            fault: fault.clone(),
            unchanged: true,
        });
        self.after_step(node, step, Some(&fault));
    }
}

/// What keeps an action from being done: a fault to be judged, or a reason to halt at once.
enum Trouble {
    Fault(Fault),
    Halt(Halt),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

fn unproved(text: &str) -> Fault {
    Fault::new(FaultKind::LostOutcome, format!("it ran, but {text}"))
}

/// The halt that a fault of this node comes to.
pub(super) fn halt_of(
    node: &NodeName,
    step: &StepId,
    fault: Fault,
    otherwise: impl FnOnce(StepId, Fault) -> Halt,
) -> Halt {
    match fault.kind {
        FaultKind::RunnerGone => Halt::Gone,
        FaultKind::Fenced => Halt::Fenced(node.clone(), fault),
        _ => otherwise(step.clone(), fault),
    }
}
