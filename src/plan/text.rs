//! A plan for a terminal: what `--plan` and `show` print.
//!
//! The head says in a few lines what will change where, and what is grave. Then
//! come the steps. What a step really does is written from its action; title
//! and preview are what the maker of the plan says about it. Nothing that comes
//! from the plan reaches the terminal unescaped.

mod paint;
mod wrap;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use self::paint::{Ink, Paint};
use self::wrap::wrap;
use super::printable::{count, line, lines, list, short};
use super::{
    Action, Class, Millis, OnFailure, Plan, Probe, Proof, Stage, Step, StepId, Undo, Value,
};
use crate::config::NodeName;

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How many columns there are; diffs may be wider.
    pub width: usize,
    /// Whether colours may be used.
    pub colour: bool,
    /// How much is said.
    pub verbosity: Verbosity,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 100,
            colour: false,
            verbosity: Verbosity::Normal,
        }
    }
}

/// How much is said about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// The head, and the titles of the steps.
    Terse,
    /// What each step changes, and what is grave about it.
    Normal,
    /// Also why, the guards, the proof, the way back and the time-out of each step.
    Verbose,
}

/// Values longer than this are cut where they only repeat what a diff shows.
const LONGEST_VALUE: usize = 72;
/// Of a new file without a preview, so many lines are shown.
const MOST_LINES: usize = 12;

/// The plan as text, for a terminal or a file.
pub fn render(plan: &Plan, style: &Style) -> String {
    let mut page = Page {
        plan,
        style,
        paint: Paint(style.colour),
        numbers: numbers(plan),
        out: String::new(),
    };
    page.head();
    if !plan.is_empty() {
        page.stages();
        page.tail();
    }
    page.out
}

/// The preview of a step alone, such as the diff of a file.
pub fn preview(preview: &str, colour: bool) -> String {
    indented(preview, "", Paint(colour))
}

fn indented(preview: &str, pad: &str, paint: Paint) -> String {
    let mut out = String::new();
    for row in lines(preview) {
        let ink = match row.as_bytes().first() {
            Some(b'+') => Ink::Green,
            Some(b'-') => Ink::Removed,
            Some(b'@') => Ink::Cyan,
            _ => Ink::Dim,
        };
        let _ = writeln!(out, "{pad}{}", paint.ink(ink, &row));
    }
    out
}

/// The number of each step, as both renderings count.
pub(super) fn numbers(plan: &Plan) -> BTreeMap<&StepId, usize> {
    plan.steps()
        .enumerate()
        .map(|(at, (_, step))| (&step.id, at + 1))
        .collect()
}

/// Whether the step can't be taken back.
pub(super) fn for_good(step: &Step) -> bool {
    step.class == Class::Irreversible || matches!(step.undo, Undo::Impossible { .. })
}

/// What the head counts.
pub(super) fn in_one_line(plan: &Plan) -> String {
    let steps = || plan.steps().map(|(_, step)| step);
    let noticed = steps().filter(|s| s.class == Class::Disrupt).count();
    let for_good = steps().filter(|s| for_good(s)).count();
    let or_none = |number: usize| match number {
        0 => "none".to_owned(),
        some => count(some, "step"),
    };
    format!(
        "{}, {}, {}; users may notice: {}; can't be taken back: {}",
        count(plan.touched().len(), "node"),
        count(steps().count(), "step"),
        count(plan.stages.len(), "stage"),
        or_none(noticed),
        or_none(for_good),
    )
}

/// How the lanes of a stage go, and what becomes of a failure.
pub(super) fn policy(stage: &Stage) -> String {
    let mut says = Vec::new();
    if stage.lanes.len() > 1 {
        says.push(match stage.width {
            0 | 1 => "one node after the other".to_owned(),
            width => format!("at most {width} nodes side by side"),
        });
    }
    says.push(match stage.max_failures {
        0 => "stops when a step fails".to_owned(),
        most => format!("stops when more than {} failed", count_u32(most, "node")),
    });
    match stage.on_failure {
        OnFailure::Stop => {}
        OnFailure::ReturnLane => {
            says.push("a failed node's steps of this stage are taken back".to_owned());
        }
        OnFailure::GiveBack => says.push(
            "a failed node's steps of this stage are taken back, and what was changed for a time is given back"
                .to_owned(),
        ),
    }
    if stage.bake != Millis(0) {
        says.push(format!("waits {} at its end", stage.bake));
    }
    says.join("; ")
}

fn count_u32(number: u32, thing: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

/// The references of all secrets, each with the numbers of the steps that need it.
pub(super) fn secrets(plan: &Plan) -> BTreeMap<String, Vec<usize>> {
    let mut needed: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (_, step)) in plan.steps().enumerate() {
        let (undo, undo_proof) = match &step.undo {
            Undo::By { action, proof } => (Some(action.as_ref()), proof.conditions()),
            Undo::Nothing { .. } | Undo::Impossible { .. } => (None, &[][..]),
        };
        let probes = [&step.guards, step.proof.conditions(), undo_proof]
            .into_iter()
            .flatten()
            .chain(
                std::iter::once(&step.action)
                    .chain(undo)
                    .flat_map(Action::looks),
            )
            .map(|condition| &condition.probe)
            .chain(step.outputs.values())
            .flat_map(Probe::secrets);
        let actions = std::iter::once(&step.action)
            .chain(undo)
            .flat_map(Action::secrets);
        for reference in actions.chain(probes) {
            let steps = needed.entry(reference.to_string()).or_default();
            if steps.last() != Some(&(at + 1)) {
                steps.push(at + 1);
            }
        }
    }
    needed
}

/// `step 3`, `steps 3 and 7`.
pub(super) fn steps_in_words(steps: &[usize]) -> String {
    let word = if steps.len() == 1 { "step" } else { "steps" };
    format!("{word} {}", list(steps))
}

struct Page<'a> {
    plan: &'a Plan,
    style: &'a Style,
    paint: Paint,
    numbers: BTreeMap<&'a StepId, usize>,
    out: String,
}

impl Page<'_> {
    /// A paragraph: `lead` once, then the text, all later lines indented as far as the lead.
    fn say(&mut self, lead: &str, ink: Ink, text: &str) {
        let indent = lead.chars().count();
        let width = self.style.width.saturating_sub(indent);
        for (at, row) in wrap(text, width).iter().enumerate() {
            let before = if at == 0 {
                self.paint.ink(Ink::Dim, lead)
            } else {
                " ".repeat(indent)
            };
            let row = self.paint.ink(ink, row);
            let _ = writeln!(self.out, "{}", format!("{before}{row}").trim_end());
        }
    }

    fn gap(&mut self) {
        self.out.push('\n');
    }

    fn head(&mut self) {
        let plan = self.plan;
        self.say("", Ink::Bold, &line(&plan.title));
        if plan.is_empty() {
            let why = line(&plan.starts_as);
            self.say("", Ink::Plain, &format!("Nothing to do: {why}."));
            return;
        }
        self.say("", self.gravity(), &in_one_line(plan));
        self.gap();
        self.nodes();
        self.say("Begins    ", Ink::Plain, &line(&plan.starts_as));
        let operator: Vec<usize> = plan
            .steps()
            .enumerate()
            .filter(|(_, (_, step))| matches!(step.action, Action::AskOperator { .. }))
            .map(|(at, _)| at + 1)
            .collect();
        if !operator.is_empty() {
            let text = format!("{} wait for a person", steps_in_words(&operator));
            let text = if operator.len() == 1 {
                text.replace(" wait ", " waits ")
            } else {
                text
            };
            self.say("Operator  ", Ink::Magenta, &text);
        }
        for (at, (reference, steps)) in secrets(plan).iter().enumerate() {
            let lead = if at == 0 { "Secrets   " } else { "          " };
            let text = format!("{} ({})", line(reference), steps_in_words(steps));
            self.say(lead, Ink::Plain, &text);
        }
        for (at, (name, hook)) in plan.hooks.each().enumerate() {
            let lead = if at == 0 { "Hooks     " } else { "          " };
            let text = format!(
                "{name} runs `{}` on this machine, for at most {}",
                line(&hook.command.posix()),
                hook.deadline
            );
            self.say(lead, Ink::Plain, &text);
        }
        self.say("Digest    ", Ink::Plain, plan.digest().as_str());
        if self.style.verbosity == Verbosity::Verbose {
            let made = format!("{} by {}", plan.made_at, line(&plan.made_by));
            self.say("Made      ", Ink::Plain, &made);
        }
    }

    fn gravity(&self) -> Ink {
        if self.plan.steps().any(|(_, step)| for_good(step)) {
            Ink::Red
        } else if self.plan.class() >= Class::Disrupt {
            Ink::Yellow
        } else {
            Ink::Plain
        }
    }

    fn nodes(&mut self) {
        let plan = self.plan;
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let named: Vec<_> = plan
            .nodes
            .iter()
            .map(|(node, target)| (node, line(node.as_str()), line(&target.to_string())))
            .collect();
        let name = widest(&mut named.iter().map(|(_, name, _)| name.chars().count()));
        let address = widest(&mut named.iter().map(|(_, _, a)| a.chars().count())).min(40);
        for (at, (node, shown, reached)) in named.iter().enumerate() {
            let steps = || plan.steps().filter(|(n, _)| n == node).map(|(_, s)| s);
            let noticed = steps().filter(|s| s.class == Class::Disrupt).count();
            let for_good = steps().filter(|s| for_good(s)).count();
            let mut says = match steps().count() {
                0 => "nothing".to_owned(),
                some => count(some, "step"),
            };
            if noticed > 0 {
                let _ = write!(says, ", users may notice {noticed}");
            }
            if for_good > 0 {
                let _ = write!(says, ", {for_good} can't be taken back");
            }
            let lead = if at == 0 { "Nodes     " } else { "          " };
            let text = format!("{shown:name$}  {reached:address$}  {says}");
            self.say(lead, Ink::Plain, &text);
        }
    }

    fn stages(&mut self) {
        let (plan, all) = (self.plan, self.plan.stages.len());
        for (at, stage) in plan.stages.iter().enumerate() {
            self.gap();
            let title = format!("Stage {} of {all}: {}", at + 1, line(&stage.name));
            self.say("", Ink::Bold, &title);
            self.say("  ", Ink::Dim, &policy(stage));
            for (at, lane) in stage.lanes.iter().enumerate() {
                if at > 0 || self.style.verbosity > Verbosity::Terse {
                    self.gap();
                }
                for step in &lane.steps {
                    self.step(&lane.node, step);
                }
            }
        }
    }

    /// How far the details of a step are indented: as far as its title.
    fn indent(&self) -> usize {
        self.numbers.len().to_string().len() + 4
    }

    fn step(&mut self, node: &NodeName, step: &Step) {
        let indent = self.indent();
        let number = self.numbers.get(&step.id).copied().unwrap_or(0);
        let lead = format!("{number:>width$}. ", width = indent - 2);
        let title = format!("{}: {}", line(node.as_str()), line(&step.title));
        self.say(&lead, Ink::Bold, &title);
        let pad = " ".repeat(indent);
        self.marks(&pad, step);
        if self.style.verbosity == Verbosity::Terse {
            return;
        }
        self.change(&pad, step);
        if let Undo::Impossible { because } = &step.undo {
            let text = format!("Can't be taken back: {}", line(because));
            self.say(&pad, Ink::Red, &text);
        }
        if self.style.verbosity == Verbosity::Verbose {
            self.details(&pad, step);
        }
    }

    /// What makes a step stand out: on the line of its title, or below it where there is no room.
    fn marks(&mut self, pad: &str, step: &Step) {
        let marks = self.marks_of(step);
        if marks.is_empty() {
            return;
        }
        let long: usize = marks.iter().map(|(_, text)| text.chars().count() + 3).sum();
        let row = self.out.trim_end_matches('\n').rsplit('\n').next();
        let taken = row.map_or(0, |row| self.paint.length(row));
        let lead = if taken + 1 + long <= self.style.width {
            self.out.truncate(self.out.trim_end_matches('\n').len());
            "  "
        } else {
            pad
        };
        let marks: Vec<_> = marks
            .iter()
            .map(|(ink, text)| self.paint.ink(*ink, &format!("[{text}]")))
            .collect();
        let _ = writeln!(self.out, "{lead}{}", marks.join(" "));
    }

    fn marks_of(&self, step: &Step) -> Vec<(Ink, String)> {
        let mut marks = Vec::new();
        if matches!(step.action, Action::AskOperator { .. }) {
            marks.push((Ink::Magenta, "a person does this".to_owned()));
        }
        match step.class {
            Class::Read => marks.push((Ink::Dim, "only looks".to_owned())),
            Class::Disrupt => marks.push((Ink::Yellow, "users may notice".to_owned())),
            Class::Stage | Class::Irreversible => {}
        }
        if for_good(step) {
            marks.push((Ink::Red, "can't be taken back".to_owned()));
        }
        if let Some(temporary) = &step.temporary {
            let text = format!("temporary, at most {}", temporary.lease);
            marks.push((Ink::Cyan, text));
        }
        if let Some(begun) = &step.ends {
            let text = match self.numbers.get(begun) {
                Some(number) => format!("ends step {number}"),
                None => format!("ends {}", line(begun.as_str())),
            };
            marks.push((Ink::Dim, text));
        }
        marks
    }

    /// What the action does, and what it looks like.
    fn change(&mut self, pad: &str, step: &Step) {
        match &step.action {
            Action::AskOperator { request, evidence } => {
                for row in lines(request) {
                    self.say(&format!("{pad}| "), Ink::Magenta, &row);
                }
                let text = format!("Asked for as evidence: {}", line(evidence));
                self.say(&format!("{pad}| "), Ink::Magenta, &text);
            }
            action => {
                let told = self.told(action, step.preview.is_some());
                self.say(pad, Ink::Plain, &told);
            }
        }
        if let Some(preview) = &step.preview {
            self.preview(pad, preview);
        } else if let Action::WriteFile { content, .. } = &step.action {
            self.content(pad, content);
        }
    }

    /// The action in one line; long values of edits are cut when a preview shows them.
    fn told(&self, action: &Action, previewed: bool) -> String {
        let edits = matches!(
            action,
            Action::EditProperties { .. } | Action::EditXml { .. }
        );
        let mut action = action.clone();
        if edits && previewed && self.style.verbosity < Verbosity::Verbose {
            for value in action.values_mut() {
                if let Value::Text(text) = value {
                    *text = short(text, LONGEST_VALUE);
                }
            }
        }
        line(&action.to_string())
    }

    fn preview(&mut self, pad: &str, preview: &str) {
        self.out
            .push_str(&indented(preview, &format!("{pad}  "), self.paint));
    }

    fn content(&mut self, pad: &str, content: &[Value]) {
        let whole: String = content.iter().map(ToString::to_string).collect();
        let rows: Vec<_> = lines(&whole).collect();
        let most = match self.style.verbosity {
            Verbosity::Verbose => rows.len(),
            Verbosity::Terse | Verbosity::Normal => MOST_LINES,
        };
        for row in rows.iter().take(most) {
            let row = self.paint.ink(Ink::Green, &format!("+{row}"));
            let _ = writeln!(self.out, "{pad}  {row}");
        }
        if rows.len() > most {
            let more = count(rows.len() - most, "more line");
            self.say(&format!("{pad}  "), Ink::Dim, &format!("… {more}"));
        }
    }

    fn details(&mut self, pad: &str, step: &Step) {
        let page = match &step.why.page {
            Some(page) => format!(" ({})", line(page)),
            None => String::new(),
        };
        let why = format!("{}{page}", line(&step.why.says));
        self.detail(pad, "why", &why);
        for guard in &step.guards {
            self.detail(pad, "only if", &line(&guard.to_string()));
        }
        for row in proof_in_words(&step.proof) {
            self.detail(pad, "shown by", &row);
        }
        for (name, probe) in &step.outputs {
            let text = format!("{} from {}", line(name), line(&probe.to_string()));
            self.detail(pad, "gives", &text);
        }
        match &step.undo {
            Undo::By { action, proof } => {
                self.detail(pad, "taken back by", &line(&action.to_string()));
                for row in proof_in_words(proof) {
                    self.detail(pad, "shown by", &row);
                }
            }
            Undo::Nothing { because } => {
                let text = format!("nothing to take back: {}", line(because));
                self.detail(pad, "way back", &text);
            }
            Undo::Impossible { .. } => {}
        }
        self.detail(pad, "time-out", &step.timeout.to_string());
        self.detail(pad, "after it", &line(&step.leaves));
        self.detail(pad, "name", step.id.as_str());
    }

    fn detail(&mut self, pad: &str, name: &str, text: &str) {
        self.say(&format!("{pad}{name:13} "), Ink::Dim, text);
    }

    /// The state that each node is in when all is done.
    fn tail(&mut self) {
        let mut last: BTreeMap<&NodeName, &Step> = BTreeMap::new();
        for (node, step) in self.plan.steps() {
            last.insert(node, step);
        }
        self.gap();
        let name = last.keys().map(|n| line(n.as_str()).chars().count()).max();
        let name = name.unwrap_or(0);
        for (at, (node, step)) in last.into_iter().enumerate() {
            let lead = if at == 0 { "Then      " } else { "          " };
            let node = line(node.as_str());
            let text = format!("{node:name$}  {}", line(&step.leaves));
            self.say(lead, Ink::Plain, &text);
        }
    }
}

/// How it is seen that an effect is there, a line each.
fn proof_in_words(proof: &Proof) -> Vec<String> {
    match proof {
        Proof::Holds(conditions) => conditions.iter().map(|c| line(&c.to_string())).collect(),
        Proof::Stamp => vec!["a stamp that the node keeps".to_owned()],
        Proof::Answer => vec!["a person's answer".to_owned()],
    }
}
