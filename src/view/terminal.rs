//! A run on a terminal: finished steps stay, and below them is what goes on now.

use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::brief::{brief, growing};
use super::line::padded;
use super::{Board, Line, Marks, Moved, Painter, Running, Screen, Tone, moved, plain, wording};
use crate::config::NodeName;
use crate::engine::{Direction, Event, Fault, Happening};
use crate::plan::printable::count;

/// Lines that stay, and bars for what goes on.
pub(super) struct Terminal {
    screen: Screen,
    board: Board,
    marks: Marks,
    colour: bool,
    /// Whether what goes on is drawn; a replay has nothing that goes on.
    live: bool,
    bars: Option<ProgressBar>,
    drawn: Option<Duration>,
}

impl Terminal {
    /// Bars are drawn no more often than this, however many events arrive.
    const REST: Duration = Duration::from_millis(50);
    /// The most steps in flight that get a bar of their own.
    const MOST_BARS: usize = 12;
    /// How many columns the bar of the whole run has.
    const BAR: usize = 20;

    pub(super) fn new(screen: Screen, colour: bool, unicode: bool, live: bool) -> Self {
        Self {
            screen,
            board: Board::default(),
            marks: Marks::new(unicode),
            colour,
            live,
            bars: None,
            drawn: None,
        }
    }

    /// The lines that an event leaves behind.
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
                vec![
                    Line::new().and(Tone::Strong, title),
                    Line::new().and(Tone::Faint, format!("{facts}, run {}", event.run)),
                ]
            }
            (Happening::StageStarted { stage, nodes }, _) => {
                let nodes: Vec<_> = nodes.iter().map(NodeName::as_str).collect();
                vec![
                    Line::new()
                        .and(Tone::Faint, format!("{} ", self.marks.stage))
                        .and(Tone::Strong, stage)
                        .and(Tone::Faint, format!(": {}", nodes.join(", ")))
                        .hang(3),
                ]
            }
            (Happening::StepDone { how, took, .. }, Some(step)) => {
                let (mark, title) = match step.direction {
                    Direction::Do => (self.marks.done, step.title.clone()),
                    Direction::Undo => {
                        (self.marks.taken_back, format!("Taken back: {}", step.title))
                    }
                };
                let tail = plain::done(*how, brief(took.duration()));
                vec![
                    self.step(mark, Tone::Good, &step.node)
                        .say(title)
                        .and(Tone::Faint, format!("  {tail}")),
                ]
            }
            (
                Happening::StepFailed {
                    fault, unchanged, ..
                },
                Some(step),
            ) => self.failed(&step, fault, *unchanged, now),
            (Happening::OperatorAsked { step, request }, _) => {
                let mut rows = request.lines();
                let first = rows.next().unwrap_or_default();
                let first = self
                    .step(self.marks.asks, Tone::Warn, step.node())
                    .say(first);
                let rest = rows.map(|row| self.below().say(row));
                std::iter::once(first).chain(rest).collect()
            }
            (
                Happening::HookRan {
                    hook,
                    problem: Some(problem),
                },
                _,
            ) => vec![self.note(
                Tone::Warn,
                &format!("Hook {hook}: {}", wording::sentence(problem)),
            )],
            (Happening::Interrupted { times }, _) => {
                vec![self.note(Tone::Warn, wording::interrupted(*times, self.live))]
            }
            (Happening::Warning { text }, _) => {
                vec![self.note(Tone::Warn, &wording::sentence(text))]
            }
            (Happening::RunEnded { .. }, _) => self.summary(event),
            (
                Happening::StepStarted { .. }
                | Happening::StepWaiting { .. }
                | Happening::StepMoved { .. }
                | Happening::HookRan { problem: None, .. }
                | Happening::StepDone { .. }
                | Happening::StepFailed { .. },
                _,
            ) => Vec::new(),
        }
    }

    /// `✓ ucd1  `, to be followed by what happened there.
    fn step(&self, mark: &str, tone: Tone, node: &str) -> Line {
        Line::new()
            .and(tone, mark)
            .say(" ")
            .and(Tone::Strong, padded(node, self.board.widest))
            .say("  ")
            .hang(self.indent())
    }

    /// A line below one about a step, indented like it.
    fn below(&self) -> Line {
        Line::new()
            .say(" ".repeat(self.indent()))
            .hang(self.indent())
    }

    fn indent(&self) -> usize {
        4 + self.board.widest
    }

    fn note(&self, tone: Tone, text: &str) -> Line {
        Line::new()
            .and(tone, self.marks.warns)
            .say(" ")
            .and(tone, text)
            .hang(2)
    }

    fn failed(&self, step: &Running, fault: &Fault, unchanged: bool, now: Duration) -> Vec<Line> {
        let title = match step.direction {
            Direction::Do => step.title.clone(),
            Direction::Undo => format!("Could not be taken back: {}", step.title),
        };
        let took = brief(now.saturating_sub(step.since));
        let what = wording::with_capital(&wording::sentence(&fault.what));
        let after = wording::aftermath(step, fault, unchanged);
        let mut lines = vec![
            self.step(self.marks.failed, Tone::Bad, &step.node)
                .and(Tone::Bad, title)
                .and(Tone::Faint, format!("  {took}")),
            self.below().say(format!("{what} {after}")),
        ];
        if let Some(hint) = &fault.hint {
            lines.push(
                self.below()
                    .and(Tone::Strong, "hint: ")
                    .say(wording::in_one_line(hint)),
            );
        }
        lines
    }

    /// What a person must know at the end, set apart from what went before.
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
        let tone = wording::gravity(*exit);
        let mark = match tone {
            Tone::Good => self.marks.done,
            Tone::Warn => self.marks.warns,
            _ => self.marks.failed,
        };
        let head = wording::headline(*exit, &self.board, took.duration());
        let mut lines = vec![
            Line::new(),
            Line::new().and(tone, format!("{mark} {head}")).hang(2),
        ];
        let fact = |name: &str, text: &str| {
            Line::new()
                .and(Tone::Faint, format!("  {name:<7}"))
                .say(wording::sentence(text))
                .hang(9)
        };
        if let Some(because) = because {
            lines.push(fact("why", because));
        }
        if !state.is_empty() {
            lines.push(fact("state", state));
        }
        for command in next {
            let label = Line::new().and(Tone::Strong, "  hint:  ");
            lines.push(label.say(command).whole());
        }
        lines
    }

    /// What goes on now, in rows that fit.
    fn going_on(&self, now: Duration) -> Vec<Line> {
        let (width, height) = self.screen.size();
        let (width, height) = (usize::from(width), usize::from(height));
        let running = &self.board.running;
        let all = moved::together(running.iter().filter_map(|step| step.moved.as_ref()));
        let below = if all.is_some() { 4 } else { 3 };
        let rows_each = if running.len() * 2 + below > height {
            1
        } else {
            2
        };
        let most = (height.saturating_sub(below) / rows_each).clamp(1, Self::MOST_BARS);
        let mut lines = Vec::new();
        for step in running.iter().take(most) {
            lines.push(self.bar(step, width, now));
            if let (Some(waiting), 2) = (&step.waiting, rows_each) {
                lines.push(self.below().and(Tone::Faint, wording::waiting(waiting)));
            }
            if let (Some(moved), 2) = (&step.moved, rows_each) {
                lines.push(self.load(moved));
            }
        }
        if let Some(more @ 1..) = running.len().checked_sub(most) {
            lines.push(self.below().and(
                Tone::Faint,
                format!("and {} more in flight", count(more, "step")),
            ));
        }
        if let Some(all) = all {
            lines.push(self.below().and(Tone::Faint, all));
        }
        lines.push(self.whole(now));
        lines
            .iter()
            .map(|line| line.cut(width, self.marks.cut))
            .collect()
    }

    fn bar(&self, step: &Running, width: usize, now: Duration) -> Line {
        let past = now.saturating_sub(step.since);
        let title = match step.direction {
            Direction::Do => step.title.clone(),
            Direction::Undo => format!("Taking back: {}", step.title),
        };
        let time = format!("  {}", growing(past));
        self.step(self.marks.turning(past), Tone::Strong, &step.node)
            .say(title)
            .cut(width.saturating_sub(time.len()), self.marks.cut)
            .and(Tone::Faint, time)
    }

    /// The bar of what a step brings to its node.
    fn load(&self, moved: &Moved) -> Line {
        let part = usize::try_from(moved.part()).unwrap_or(100);
        let full = Self::BAR * part / 100;
        self.below()
            .and(Tone::Good, self.marks.full.repeat(full))
            .and(Tone::Faint, self.marks.empty.repeat(Self::BAR - full))
            .and(Tone::Faint, format!("  {}", moved.in_words()))
    }

    /// The bar of the whole run.
    fn whole(&self, now: Duration) -> Line {
        let Board { done, steps, .. } = self.board;
        let full = (Self::BAR * done.min(steps))
            .checked_div(steps)
            .unwrap_or(Self::BAR);
        let past = growing(now.saturating_sub(self.board.began));
        let line = Line::new()
            .say("  ")
            .and(Tone::Good, self.marks.full.repeat(full))
            .and(Tone::Faint, self.marks.empty.repeat(Self::BAR - full))
            .say(format!("  {done} of {}  {past}", count(steps, "step")));
        match self.board.interrupts {
            0 => line.and(Tone::Faint, format!("  {}", self.board.stage)),
            1 => line.and(Tone::Warn, "  stopping"),
            _ => line.and(Tone::Warn, "  cancelling"),
        }
    }

    fn draw(&mut self, now: Duration) {
        if !self.live || !self.board.under_way {
            return;
        }
        self.drawn = Some(now);
        let rows: Vec<_> = self
            .going_on(now)
            .iter()
            .map(|line| line.row(self.colour))
            .collect();
        self.bars
            .get_or_insert_with(|| bars(&self.screen))
            .set_message(rows.join("\n"));
    }

    /// Puts lines above the bars.
    fn print(&mut self, lines: &[Line]) {
        let width = usize::from(self.screen.size().0);
        let rows: Vec<_> = lines
            .iter()
            .flat_map(|line| line.rows(width, self.colour))
            .collect();
        if rows.is_empty() {
            return;
        }
        match &self.bars {
            // Written in between, and not by the bars themselves: those would fill each row with spaces.
            Some(bars) => bars.suspend(|| self.screen.print(&rows)),
            None => self.screen.print(&rows),
        }
    }
}

impl Painter for Terminal {
    fn show(&mut self, event: &Event, now: Duration) {
        let lines = self.lines(event, now);
        if !self.board.under_way {
            self.hide();
        }
        self.print(&lines);
        let rested = self.drawn.is_none_or(|at| now >= at + Self::REST);
        if rested || !lines.is_empty() {
            self.draw(now);
        }
    }

    fn tick(&mut self, now: Duration) {
        self.draw(now);
    }

    fn break_line(&mut self) {
        self.screen.print(&[String::new()]);
    }

    fn hide(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.finish_and_clear();
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.hide();
        self.screen.finish()
    }
}

/// One bar of as many rows as its message has.
fn bars(screen: &Screen) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let bars = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bars.set_style(style);
    }
    bars
}
