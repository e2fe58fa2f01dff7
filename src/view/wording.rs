//! The sentences that all views for people share.

use std::time::Duration;

use super::brief::brief;
use super::{Board, Running, Tone, Waiting};
use crate::engine::{Direction, Fault, FaultKind};
use crate::plan::printable::count;
use crate::plan::{Condition, Expect, Reading, Sha256};

/// What was found, and what is wanted when that is something else.
pub(super) fn reading(until: &Condition, found: &Reading) -> String {
    let Condition { probe, expect } = until;
    let found_there = format!("{probe} {} {found}", probe.verb());
    match expect {
        _ if expect.admits(found) => found_there,
        Expect::IsNot(_) => format!("{found_there}, wanted anything else"),
        _ => format!("{found_there}, wanted {expect}"),
    }
}

/// What a step waits for: `2 of 3 good answers; port 8080 of ucd1 is …`.
pub(super) fn waiting(waiting: &Waiting) -> String {
    match waiting.good {
        Some((good, wanted)) => format!("{good} of {wanted} good answers; {}", waiting.reason),
        None => waiting.reason.clone(),
    }
}

/// The lines of a text in one.
pub(super) fn in_one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

/// The text as a sentence of its own, in one line.
pub(super) fn sentence(text: &str) -> String {
    let text = in_one_line(text);
    if text.is_empty() || text.ends_with(['.', '!', '?', ':']) {
        text
    } else {
        format!("{text}.")
    }
}

/// The same with a capital letter, where the first word is one of plain language.
pub(super) fn with_capital(sentence: &str) -> String {
    let word = sentence.split(' ').next().unwrap_or_default();
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) if word.chars().all(|c| c.is_ascii_lowercase()) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// What a failed step means for its node.
pub(super) fn aftermath(step: &Running, fault: &Fault, unchanged: bool) -> String {
    let node = &step.node;
    match (unchanged, step.direction) {
        (true, Direction::Do) => return format!("{node} is as it was before this step."),
        (true, Direction::Undo) => return format!("On {node} nothing was taken back."),
        (false, _) => {}
    }
    match fault.kind {
        FaultKind::TimedOut => format!("What was begun on {node} may still be going on."),
        FaultKind::LostOutcome | FaultKind::Unreachable | FaultKind::RunnerGone => {
            format!("Whether it took effect on {node} is not known; `resume` looks first.")
        }
        FaultKind::Fenced => {
            format!("Another run may hold {node} now; nothing more is done there.")
        }
        FaultKind::Failed
        | FaultKind::Denied
        | FaultKind::DiskFull
        | FaultKind::Stale
        | FaultKind::Cancelled
        | FaultKind::Secret => format!("{node} may be changed in part."),
    }
}

/// What an interrupt does, for a person with a keyboard or for a log.
pub(super) fn interrupted(times: u32, keyboard: bool) -> &'static str {
    match (times, keyboard) {
        (0 | 1, true) => {
            "Stopping after the steps in flight; press Ctrl-C again to cancel them and give temporary changes back."
        }
        (0 | 1, false) => {
            "Stopping after the steps in flight; a second interrupt cancels them and gives temporary changes back."
        }
        (2, true) => {
            "Cancelling the steps in flight and giving temporary changes back; press Ctrl-C again to leave at once."
        }
        (2, false) => {
            "Cancelling the steps in flight and giving temporary changes back; a third interrupt leaves at once."
        }
        _ => "Leaving at once; the journal is intact, and `resume` goes on from it.",
    }
}

/// How a run ended, by its exit code.
pub(super) fn outcome(exit: u8) -> &'static str {
    match exit {
        0 => "Done",
        20 => "Not begun, because another run is in the way",
        21 => "Stopped, because the plan no longer fits what is there",
        30 => "Not begun, because preflight found something that forbids it",
        40 => "Stopped in a safe state",
        41 => "Failed, and what was done is undone",
        42 => "Failed, and the state needs a person",
        50 => "Not begun, because a node could not be reached",
        130 => "Interrupted in a safe state",
        _ => "Failed",
    }
}

/// How grave an end is.
pub(super) fn gravity(exit: u8) -> Tone {
    match exit {
        0 => Tone::Good,
        40 | 130 => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// How a run ended, in one line.
pub(super) fn headline(exit: u8, board: &Board, took: Duration) -> String {
    let code = match exit {
        0 => String::new(),
        _ => format!(" (exit code {exit})"),
    };
    let steps = count(board.steps, "step");
    let (done, took) = (board.done, brief(took));
    format!("{}{code}: {done} of {steps} done, {took}.", outcome(exit))
}

/// What a run is, in a few words: `restart, 8 steps, 1 done before, plan 64879f7d6b96`.
pub(super) fn facts(verb: &str, steps: usize, done: usize, plan: &Sha256) -> String {
    let before = match done {
        0 => String::new(),
        done => format!(", {done} done before"),
    };
    format!(
        "{verb}, {}{before}, plan {}",
        count(steps, "step"),
        plan.short()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Probe;

    #[test]
    fn a_reading_says_what_is_wanted_only_when_it_is_something_else() {
        let port = Probe::Port {
            host: "ucd1".to_owned(),
            port: 8080,
        };
        let open = Condition::is(port.clone(), Reading::text("open"));
        let busy = Condition::is_not(port, Reading::text("open"));
        assert_eq!(
            reading(&open, &Reading::text("closed")),
            "port 8080 of ucd1 is `closed`, wanted `open`"
        );
        assert_eq!(
            reading(&open, &Reading::text("open")),
            "port 8080 of ucd1 is `open`"
        );
        assert_eq!(
            reading(&busy, &Reading::text("open")),
            "port 8080 of ucd1 is `open`, wanted anything else"
        );
    }

    #[test]
    fn a_sentence_ends_once() {
        assert_eq!(sentence("The unit is gone"), "The unit is gone.");
        assert_eq!(sentence("The unit\n is gone.\n"), "The unit is gone.");
        assert_eq!(sentence(""), "");
    }
}
