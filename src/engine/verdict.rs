//! What the end of an invocation means: its exit code, its reason, and every way on.

use super::Holder;
use super::book::Book;
use super::fault::FaultKind;
use super::halt::Halt;
use super::hold::HoldError;
use super::journal::Ending;
use super::run::{End, Engine};
use super::session::StagesEnd;
use crate::config::NodeName;
use crate::exit::Exit;
use crate::plan::RunId;

/// How an invocation ended, before it is told.
pub(super) struct Verdict {
    pub(super) exit: Exit,
    pub(super) because: Option<String>,
    pub(super) next: Vec<String>,
    pub(super) over: Option<Ending>,
}

/// The runner is going down: nothing more may be written or let go.
#[derive(Debug)]
pub(super) struct Gone;

impl Engine<'_> {
    /// What the end of the stages means.
    pub(super) fn verdict(&self, book: &Book<'_>, end: &StagesEnd) -> Result<Verdict, Gone> {
        let halts: Vec<&Halt> = end
            .halted
            .iter()
            .chain(&end.returned)
            .map(|(_, halt)| halt)
            .collect();
        if halts.iter().any(|halt| **halt == Halt::Gone) {
            return Err(Gone);
        }
        let Some(worst) = halts.iter().copied().max_by_key(|halt| gravity(halt)) else {
            if end.cut_short {
                return Ok(self.stopped(book, Exit::Interrupted, &halts));
            }
            let can_go_back = self.plan.verb != "undo" && self.plan.can_be_taken_back();
            let back = format!("clusterctl undo {}   (to take it back)", self.run);
            return Ok(Verdict {
                exit: Exit::Done,
                because: None,
                next: can_go_back.then_some(back).into_iter().collect(),
                over: Some(Ending::Done),
            });
        };
        let changed = book.ask(|progress| progress.changed_anything(self.plan));
        let ever = book.ask(|progress| progress.ever_changed_anything(self.plan));
        let rest_is_done = end.halted.is_empty()
            && !end.cut_short
            && book.ask(|progress| !progress.done().is_empty());
        let exit = match worst {
            halt if is_unsafe(halt) => Exit::Unsafe,
            Halt::Interrupted => Exit::Interrupted,
            Halt::Failed(..) | Halt::Stale(..) if rest_is_done => Exit::Differs,
            Halt::Stale(..) if !ever => Exit::Stale,
            Halt::Failed(_, fault) if !ever && fault.kind == FaultKind::Unreachable => {
                Exit::Unreachable
            }
            Halt::Failed(..) | Halt::Stale(..) | Halt::Vetoed(..) | Halt::Declined(..)
                if !changed =>
            {
                Exit::Undone
            }
            _ => Exit::Stopped,
        };
        let over = match exit {
            Exit::Differs => Some(Ending::DoneWithFailures),
            Exit::Stale | Exit::Undone | Exit::Unreachable => Some(Ending::Undone { by: None }),
            Exit::Interrupted if !changed => Some(Ending::Undone { by: None }),
            _ => None,
        };
        let mut verdict = self.stopped(book, exit, &halts);
        if over.is_some() {
            verdict.next.clear();
        }
        verdict.over = over;
        Ok(verdict)
    }

    /// An unfinished end, with every way on.
    pub(super) fn stopped(&self, book: &Book<'_>, exit: Exit, halts: &[&Halt]) -> Verdict {
        let mut next = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        for halt in halts {
            let text = halt.because(self.plan);
            if !texts.contains(&text) {
                texts.push(text);
            }
            let (Halt::Operator(step, _) | Halt::Declined(step) | Halt::Unclear(step, _)) = halt
            else {
                continue;
            };
            let when = if matches!(halt, Halt::Unclear(..)) {
                let node = self
                    .plan
                    .step(step)
                    .map_or("its node", |(node, _)| node.as_str());
                next.push(format!(
                    "see what {step} left on {node}, and put it right by hand"
                ));
                "when its effect is there"
            } else {
                "when it is done"
            };
            next.push(format!(
                "clusterctl resume {} --answer {step} --evidence TEXT   ({when})",
                self.run
            ));
        }
        next.extend(self.ways_on(book));
        Verdict {
            exit,
            because: Some(if texts.is_empty() {
                Halt::Interrupted.because(self.plan)
            } else {
                texts.join(". ")
            }),
            next,
            over: None,
        }
    }

    /// What can be typed to go on from here.
    pub(super) fn ways_on(&self, book: &Book<'_>) -> Vec<String> {
        let run = &self.run;
        let mut ways = vec![format!("clusterctl resume {run}   (to go on)")];
        if book.ask(|progress| !progress.owed().is_empty()) {
            ways.push(format!(
                "clusterctl runs release {run}   (to give back temporary changes)"
            ));
        }
        if self.plan.verb != "undo" {
            ways.push(format!("clusterctl undo {run}   (to take everything back)"));
        }
        ways
    }

    pub(super) fn ending(&self, book: &Book<'_>, verdict: Verdict, began: bool) -> End {
        let state = book.ask(|progress| progress.state(self.plan));
        let Verdict {
            exit,
            because,
            next,
            over,
        } = verdict;
        End {
            exit,
            state,
            because,
            next,
            over: over.is_some(),
            began,
        }
    }
}

impl Verdict {
    pub(super) fn nothing_changed(exit: Exit, because: String) -> Self {
        let over = Some(Ending::Undone { by: None });
        Self {
            exit,
            because: Some(because),
            next: Vec::new(),
            over,
        }
    }
}

/// Which halt decides the exit code when there are several.
fn gravity(halt: &Halt) -> u8 {
    match halt {
        Halt::Gone => 10,
        halt if is_unsafe(halt) => 9,
        Halt::Journal(_) => 8,
        Halt::Fenced(..) => 7,
        Halt::Unknown(..) | Halt::Unclear(..) | Halt::Stuck(..) => 6,
        Halt::Interrupted => 5,
        Halt::Failed(..) => 4,
        Halt::Stale(..) => 3,
        Halt::Vetoed(..) => 2,
        Halt::Operator(..) | Halt::Declined(_) => 1,
    }
}

/// Whether a person must look before anybody goes on.
pub(super) fn is_unsafe(halt: &Halt) -> bool {
    match halt {
        Halt::Unclear(..) => true,
        // A node that can't be reached is as its last step left it.
        Halt::Stuck(_, fault) => fault.kind != FaultKind::Unreachable,
        _ => false,
    }
}

pub(super) fn refused(run: &RunId, error: HoldError) -> Verdict {
    match error {
        HoldError::Held(node, holder) if holder.run == *run => {
            let because = format!(
                "{node}: run {run} goes on already: {} (process {}) has it",
                holder.runner.owner, holder.runner.pid
            );
            let mut verdict = Verdict::nothing_changed(Exit::Held, because);
            verdict.next.push(
                "wait until it has ended or its runner is dead, and type the same again".to_owned(),
            );
            verdict
        }
        HoldError::Held(node, holder) => held(&node, &holder),
        HoldError::EffectRuns(node, how) => {
            let because =
                format!("{node}: a command that a run began and did not see end still runs");
            let mut verdict = Verdict::nothing_changed(Exit::Held, because);
            verdict.next.push(how);
            verdict
                .next
                .push("wait until it has ended, and type the same again".to_owned());
            verdict
        }
        HoldError::Fault(node, fault) => {
            let exit = match fault.kind {
                FaultKind::Unreachable => Exit::Unreachable,
                FaultKind::RunnerGone => Exit::Unexpected,
                _ => Exit::Forbidden,
            };
            let hint = fault.hint.clone();
            let mut verdict = Verdict::nothing_changed(exit, format!("{node}: {fault}"));
            verdict.next.extend(hint);
            verdict
        }
    }
}

fn held(node: &NodeName, holder: &Holder) -> Verdict {
    let Holder {
        run,
        verb,
        runner,
        reason,
        ..
    } = holder;
    let (because, next) = if holder.until.is_some() {
        let because = format!(
            "{node} is held by run {run} ({verb}: {reason}), which {} began (process {})",
            runner.owner, runner.pid
        );
        (
            because,
            vec![
                "wait until it has ended, or give --lock-wait".to_owned(),
                format!("clusterctl resume {run}   (when its runner is dead)"),
            ],
        )
    } else {
        let because = format!(
            "run {run} ({verb}: {reason}), which {} began, is unfinished on {node}",
            runner.owner
        );
        (
            because,
            vec![
                format!("clusterctl resume {run}   (to go on with it)"),
                format!("clusterctl undo {run}   (to take it back)"),
                format!("clusterctl runs abandon {run}   (to leave things as they are)"),
            ],
        )
    };
    let mut verdict = Verdict::nothing_changed(Exit::Held, because);
    verdict.next = next;
    verdict
}
