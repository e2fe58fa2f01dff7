//! A run as plain lines: for logs, pipes and terminals that can do no more.

use std::io::{self, Write};
use std::time::Duration;

use super::brief::{brief, growing};
use super::{Board, Line, Painter, Quiet, Running, Tone, moved, wording};
use crate::config::NodeName;
use crate::engine::{Direction, Event, Fault, Happening, How};
use crate::plan::printable::count;

/// One line an event, the node first; and a sign of life when nothing was said for a while.
pub(super) struct Plain<W: Write> {
    out: Quiet<W>,
    board: Board,
    colour: bool,
    /// Whether each line begins with the time of its event.
    stamped: bool,
    /// How long it may be silent.
    heartbeat: Duration,
    /// When it said something last.
    spoke: Duration,
    /// When it said last how far things have come.
    told: Option<Duration>,
}

impl<W: Write> Plain<W> {
    /// How many steps a sign of life names one by one.
    const NAMED: usize = 8;
    /// How often it says how far things have come.
    const PROGRESS: Duration = Duration::from_secs(5);

    pub(super) fn new(out: W, colour: bool, stamped: bool, heartbeat: Duration) -> Self {
        Self {
            out: Quiet::new(out),
            board: Board::default(),
            colour,
            stamped,
            heartbeat,
            spoke: Duration::ZERO,
            told: None,
        }
    }

    fn say(&mut self, line: &Line) {
        let _ = writeln!(self.out, "{}", line.row(self.colour));
    }

    fn lines(&mut self, event: &Event, now: Duration) -> Vec<Line> {
        let about = self.board.note(event, now);
        match (&event.what, about) {
            (
                Happening::RunStarted {
                    verb,
                    title,
                    digest,
                    steps,
                    done,
                },
                _,
            ) => {
                let facts = wording::facts(verb, *steps, *done, digest);
                vec![Line::new().say(format!("{}: {title} ({facts})", event.run))]
            }
            (Happening::StageStarted { stage, nodes }, _) => {
                let nodes: Vec<_> = nodes.iter().map(NodeName::as_str).collect();
                vec![Line::new().say(format!("stage {stage}: {}", nodes.join(", ")))]
            }
            (Happening::StepStarted { .. }, Some(step)) => {
                let word = match step.direction {
                    Direction::Do => "begun",
                    Direction::Undo => "taking back",
                };
                vec![said(&step.node, Tone::Usual, word, &step.title)]
            }
            (Happening::StepWaiting { .. }, Some(before)) => self.waits(&before),
            (Happening::StepMoved { .. }, _) => self.moves(now),
            (
                Happening::StepDone {
                    how, took, leaves, ..
                },
                Some(step),
            ) => {
                let tail = done(*how, brief(took.duration()));
                let now_is = match leaves.as_str() {
                    "" => String::new(),
                    leaves => format!("; now {leaves}"),
                };
                let word = match step.direction {
                    Direction::Do => "done",
                    Direction::Undo => "taken back",
                };
                vec![said(
                    &step.node,
                    Tone::Good,
                    word,
                    &format!("{} ({tail}){now_is}", step.title),
                )]
            }
            (
                Happening::StepFailed {
                    fault, unchanged, ..
                },
                Some(step),
            ) => failed(&step, fault, *unchanged),
            (Happening::OperatorAsked { step, request }, _) => {
                vec![said(
                    step.node(),
                    Tone::Warn,
                    "please",
                    &wording::in_one_line(request),
                )]
            }
            (Happening::HookRan { hook, problem }, _) => vec![match problem {
                None => said("hook", Tone::Usual, hook, "ran"),
                Some(problem) => said("hook", Tone::Warn, hook, problem),
            }],
            (Happening::Interrupted { times }, _) => {
                vec![Line::new().and(Tone::Warn, wording::interrupted(*times, false))]
            }
            (Happening::Warning { text }, _) => {
                vec![
                    Line::new()
                        .and(Tone::Warn, "warning")
                        .say(format!(": {}", wording::sentence(text))),
                ]
            }
            (Happening::RunEnded { .. }, _) => self.summary(event),
            (
                Happening::StepStarted { .. }
                | Happening::StepWaiting { .. }
                | Happening::StepDone { .. }
                | Happening::StepFailed { .. },
                None,
            ) => Vec::new(),
        }
    }

    /// A wait is told when what it found or wants is new; the count of good answers is left to the signs of life.
    fn waits(&self, before: &Running) -> Vec<Line> {
        let now = self.board.running.iter().find(|r| r.step == before.step);
        let Some(now) = now.and_then(|running| running.waiting.as_ref()) else {
            return Vec::new();
        };
        if before
            .waiting
            .as_ref()
            .is_some_and(|w| w.reason == now.reason)
        {
            return Vec::new();
        }
        let what = wording::waiting(now);
        vec![said(&before.node, Tone::Usual, "waiting", &what)]
    }

    /// How far things have come, from time to time: in one line, however many nodes there are.
    fn moves(&mut self, now: Duration) -> Vec<Line> {
        if self.told.is_some_and(|at| now < at + Self::PROGRESS) {
            return Vec::new();
        }
        let running = self.board.running.iter();
        let moved = || running.clone().filter_map(|step| step.moved.as_ref());
        let line = match (
            moved::together(moved()),
            self.board.running.iter().find(|r| r.moved.is_some()),
        ) {
            (Some(all), _) => Line::new().say(all),
            (
                None,
                Some(Running {
                    node,
                    moved: Some(moved),
                    ..
                }),
            ) => said(
                node,
                Tone::Usual,
                &format!("{} %", moved.part()),
                &moved.in_words(),
            ),
            (None, _) => return Vec::new(),
        };
        self.told = Some(now);
        vec![line]
    }

    fn summary(&self, event: &Event) -> Vec<Line> {
        let Happening::RunEnded {
            exit,
            state,
            because,
            next,
            took,
            ..
        } = &event.what
        else {
            return Vec::new();
        };
        let head = wording::headline(*exit, &self.board, took.duration());
        let head = format!("{}: {head}", event.run);
        let mut lines = vec![Line::new().and(wording::gravity(*exit), head)];
        if let Some(because) = because {
            lines.push(Line::new().say("why: ").say(wording::sentence(because)));
        }
        if !state.is_empty() {
            lines.push(Line::new().say("state: ").say(wording::sentence(state)));
        }
        for command in next {
            lines.push(Line::new().say("hint: ").say(command));
        }
        lines
    }

    fn sign_of_life(&self, now: Duration) -> Vec<Line> {
        let since = |start: Duration| growing(now.saturating_sub(start));
        let running = &self.board.running;
        if running.is_empty() {
            let past = since(self.board.began);
            return vec![
                Line::new().say(format!("still going on after {past}: no step is running")),
            ];
        }
        let mut lines: Vec<_> = running
            .iter()
            .take(Self::NAMED)
            .map(|step| {
                let why = step.waiting.as_ref().map(wording::waiting);
                let why = why.or_else(|| step.moved.map(|moved| moved.in_words()));
                let why = why.map(|why| format!("; {why}")).unwrap_or_default();
                let word = format!("running for {}", since(step.since));
                said(
                    &step.node,
                    Tone::Usual,
                    &word,
                    &format!("{}{why}", step.title),
                )
            })
            .collect();
        if let Some(more @ 1..) = running.len().checked_sub(Self::NAMED) {
            lines.push(Line::new().say(format!("and {} more in flight", count(more, "step"))));
        }
        lines
    }
}

impl<W: Write> Painter for Plain<W> {
    fn show(&mut self, event: &Event, now: Duration) {
        let lines = self.lines(event, now);
        for line in &lines {
            if self.stamped {
                let _ = write!(self.out, "{} ", event.at.strftime("%Y-%m-%dT%H:%M:%SZ"));
            }
            self.say(line);
        }
        if !lines.is_empty() {
            self.spoke = now;
            let _ = self.out.flush();
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.board.under_way && now.saturating_sub(self.spoke) >= self.heartbeat {
            for line in self.sign_of_life(now) {
                self.say(&line);
            }
            self.spoke = now;
            let _ = self.out.flush();
        }
    }

    fn break_line(&mut self) {
        let _ = writeln!(self.out);
    }

    fn hide(&mut self) {}

    fn end(&mut self) -> io::Result<()> {
        self.out.finish()
    }
}

/// `ucd1: done: Stop the server`.
fn said(node: &str, tone: Tone, word: &str, what: &str) -> Line {
    Line::new()
        .and(Tone::Strong, node)
        .say(": ")
        .and(tone, word)
        .say(": ")
        .say(what)
}

/// How a step came to be done, in the few words behind its title.
pub(super) fn done(how: How, took: String) -> String {
    match how {
        How::Performed => took,
        How::FoundDone => "found done already".to_owned(),
        How::Answered => "a person says so".to_owned(),
    }
}

fn failed(step: &Running, fault: &Fault, unchanged: bool) -> Vec<Line> {
    let word = match step.direction {
        Direction::Do => "failed",
        Direction::Undo => "could not be taken back",
    };
    let what = format!(
        "{}: {} {}",
        step.title,
        wording::sentence(&fault.what),
        wording::aftermath(step, fault, unchanged)
    );
    let hint = fault.hint.iter();
    std::iter::once(said(&step.node, Tone::Bad, word, &what))
        .chain(hint.map(|hint| said(&step.node, Tone::Usual, "hint", &wording::in_one_line(hint))))
        .collect()
}
