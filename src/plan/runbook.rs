//! A plan as a runbook in Markdown: what a person types who has no tool at all.
//!
//! The page stands alone. It says what must be true before the first step, gives
//! each step its commands, how to see that it worked and how to take it back, and ends
//! with the whole way back. The instructions of actions and probes come from
//! `by_hand`; this file arranges them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::by_hand::{Part, Place, copy_of, instructions, tools};
use super::look_by_hand::{find, look};
use super::markdown::{block, code, text};
use super::printable::list;
use super::text::{for_good, in_one_line, numbers, policy, secrets, steps_in_words};
use super::{Action, Class, Hooks, Lane, Plan, Proof, Stage, Step, StepId, Undo};
use crate::config::NodeName;

/// The plan as a Markdown page that can be followed by hand.
pub fn render(plan: &Plan) -> String {
    let numbers = numbers(plan);
    let new = || Page {
        plan,
        numbers: &numbers,
        out: String::new(),
    };
    let mut page = new();
    page.heading(1, &text(&plan.title));
    if plan.is_empty() {
        page.say(&format!("Nothing to do: {}.", text(&plan.starts_as)));
        return page.out;
    }
    let mut steps = new();
    for (at, stage) in plan.stages.iter().enumerate() {
        steps.stage(at + 1, stage);
    }
    steps.way_back();
    page.before_you_begin(&tools(&steps.out));
    page.out.push('\n');
    page.out.push_str(&steps.out);
    page.signed_off();
    page.out
}

struct Page<'a> {
    plan: &'a Plan,
    numbers: &'a BTreeMap<&'a StepId, usize>,
    out: String,
}

impl<'a> Page<'a> {
    fn heading(&mut self, level: usize, title: &str) {
        self.say(&format!("{} {title}", "#".repeat(level)));
    }

    /// A paragraph.
    fn say(&mut self, paragraph: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let _ = writeln!(self.out, "{paragraph}");
    }

    fn parts(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Say(paragraph) => self.say(&paragraph),
                Part::Type(commands) => self.say(block("sh", &commands).trim_end()),
                Part::Show(language, body) => self.say(block(language, &body).trim_end()),
            }
        }
    }

    fn number(&self, step: &Step) -> usize {
        self.numbers.get(&step.id).copied().unwrap_or(0)
    }

    fn before_you_begin(&mut self, tools: &str) {
        let plan = self.plan;
        self.say(&format!("{}.", in_one_line(plan)));
        self.say(&format!(
            "Made {} by {}. Digest of the plan: {}",
            plan.made_at,
            text(&plan.made_by),
            code(plan.digest().as_str())
        ));
        self.heading(2, "Before you begin");
        self.say(
            "* [ ] Done by ______________________, read along by ______________________\n\
             * [ ] Begun at ______________________ (UTC)",
        );
        self.say(
            "By hand, nothing keeps others out. Make sure that nobody else, and no other run, changes these \
             nodes meanwhile.",
        );
        self.say("| Node | Address | Steps |\n|---|---|---|");
        for (node, target) in &plan.nodes {
            let steps: Vec<_> = plan
                .steps()
                .enumerate()
                .filter(|(_, (n, _))| *n == node)
                .map(|(at, _)| at + 1)
                .collect();
            let address = if target.is_local() {
                "this machine".to_owned()
            } else {
                text(&target.to_string())
            };
            let steps = if steps.is_empty() {
                "none".to_owned()
            } else {
                list(steps)
            };
            let node = text(node.as_str());
            let _ = writeln!(self.out, "| {node} | {address} | {steps} |");
        }
        self.say(&format!(
            "This must be true before the first step: {}.",
            text(&plan.starts_as)
        ));
        self.at_hand(tools);
        self.hooks(&plan.hooks);
    }

    /// Secrets, tools and room for copies.
    fn at_hand(&mut self, tools: &str) {
        let needed: Vec<String> = secrets(self.plan)
            .iter()
            .map(|(reference, steps)| format!("{} ({})", code(reference), steps_in_words(steps)))
            .collect();
        if !needed.is_empty() {
            self.say(&format!("Secrets to have at hand: {}.", list(needed)));
        }
        if !tools.is_empty() {
            self.say(&format!("Besides a shell, the nodes need {tools}."));
        }
        let copies: Vec<String> = self
            .plan
            .steps()
            .filter_map(|(node, step)| {
                let copy = copy_of(step)?;
                let number = self.number(step);
                let node = text(node.as_str());
                Some(format!(
                    "* step {number} on {node} keeps what was there as {}",
                    code(&copy)
                ))
            })
            .collect();
        if !copies.is_empty() {
            self.say("Copies that the steps keep; there must be room for them:");
            self.say(&copies.join("\n"));
        }
    }

    fn hooks(&mut self, hooks: &Hooks) {
        if hooks.is_empty() {
            return;
        }
        self.say("On the machine that you work from, type these yourself, at the times that they are for:");
        for (name, hook) in hooks.each() {
            let when = match name {
                "before_step" => "Before each step; if it fails, stop before the step:",
                "after_step" => "After each step:",
                "on_failure" => "When a step has failed:",
                _ => "At the end, however it ends:",
            };
            self.say(when);
            let command = super::shell::command(&hook.command);
            self.parts(vec![Part::Type(command)]);
        }
    }

    fn stage(&mut self, number: usize, stage: &'a Stage) {
        let all = self.plan.stages.len();
        let title = format!("Stage {number} of {all}: {}", text(&stage.name));
        self.heading(2, &title);
        self.say(&format!("How: {}.", policy(stage)));
        if stage.on_failure.returns() {
            for lane in &stage.lanes {
                let back: Vec<_> = self.returnable(lane);
                if !back.is_empty() {
                    self.say(&format!(
                        "If a step fails on {}, take back what was done of these steps, in this order: {}.",
                        text(lane.node.as_str()),
                        list(back)
                    ));
                }
            }
        }
        for lane in &stage.lanes {
            for step in &lane.steps {
                self.step(&lane.node, step);
            }
        }
        if stage.bake != super::Millis(0) {
            self.say(&format!(
                "Wait {} and watch before the next stage.",
                stage.bake
            ));
        }
    }

    /// The numbers of a lane's steps that can be taken back, the last first.
    fn returnable(&self, lane: &Lane) -> Vec<usize> {
        lane.steps
            .iter()
            .rev()
            .filter(|step| matches!(step.undo, Undo::By { .. }))
            .map(|step| self.number(step))
            .collect()
    }

    fn step(&mut self, node: &NodeName, step: &'a Step) {
        let number = self.number(step);
        let node = text(node.as_str());
        let title = format!("Step {number}, {node}: {}", text(&step.title));
        self.heading(3, &title);
        self.say("* [ ] Done by ______________________ at ______________________");
        self.why(step);
        self.warnings(step);
        let place = self.place(step, false);
        if !step.guards.is_empty() {
            self.say("**Check first.** If anything here is not so, do not do this step.");
            for guard in &step.guards {
                self.parts(look(guard, place).parts());
            }
        }
        self.say("**Do.**");
        self.parts(instructions(&step.action, place));
        if !matches!(step.action, Action::AskOperator { .. }) {
            self.say(&format!(
                "If it takes longer than {}, the step has failed: go no further, and find out what it does.",
                step.timeout
            ));
        }
        self.proof(&step.proof, place);
        for (name, probe) in &step.outputs {
            self.parts(find(name, probe, place));
        }
        match &step.undo {
            Undo::By { action, proof } => {
                self.say("**If it must be taken back.**");
                let place = self.place(step, true);
                self.parts(instructions(action, place));
                self.proof(proof, place);
            }
            Undo::Nothing { because } => {
                self.say(&format!("Nothing to take back. {}", text(because)));
            }
            Undo::Impossible { .. } => {}
        }
        self.say(&format!("After it, {node} is: {}.", text(&step.leaves)));
    }

    fn place(&self, step: &'a Step, undoing: bool) -> Place<'a> {
        Place {
            plan: self.plan,
            numbers: self.numbers,
            step,
            undoing,
        }
    }

    fn why(&mut self, step: &Step) {
        let page = match &step.why.page {
            Some(page) => format!(" (*{}*)", text(page)),
            None => String::new(),
        };
        self.say(&format!("Why: {}{page}", text(&step.why.says)));
    }

    fn warnings(&mut self, step: &Step) {
        if step.class == Class::Disrupt {
            self.say("**Users may notice this step.**");
        }
        if let Undo::Impossible { because } = &step.undo {
            self.say(&format!(
                "**This step can't be taken back.** {}",
                text(because)
            ));
        } else if for_good(step) {
            self.say("**This step can't be taken back.**");
        }
        if let Some(temporary) = &step.temporary {
            let number = self.number(step);
            let end = self
                .plan
                .steps()
                .find(|(_, other)| other.ends.as_ref() == Some(&step.id))
                .map(|(_, other)| self.number(other));
            let ends = match end {
                Some(end) => format!("Step {end} ends it."),
                None => format!("Take step {number} back when the work is done."),
            };
            self.say(&format!(
                "**This must not stay longer than {}.** {ends} If the work stops before that, take step {number} back.",
                temporary.lease
            ));
        }
    }

    fn proof(&mut self, proof: &Proof, place: Place<'_>) {
        let mut parts = Vec::new();
        match proof {
            Proof::Holds(conditions) => {
                parts.push(Part::Say("**See that it worked.**".to_owned()));
                for condition in conditions {
                    parts.extend(look(condition, place).parts());
                }
            }
            Proof::Stamp => parts.push(Part::Say(
                "Nothing shows afterwards that it was done: tick it off at once, so that nobody does it twice."
                    .to_owned(),
            )),
            Proof::Answer => parts.push(Part::Say(
                "It is done when the person who did it says so.".to_owned(),
            )),
        }
        self.parts(parts);
    }

    fn way_back(&mut self) {
        let plan = self.plan;
        self.heading(2, "The whole way back");
        self.say("Take back the steps that were done, and only those, in this order.");
        for stage in plan.stages.iter().rev() {
            for lane in stage.lanes.iter().rev() {
                for step in lane.steps.iter().rev() {
                    self.back(&lane.node, step);
                }
            }
        }
    }

    fn back(&mut self, node: &NodeName, step: &'a Step) {
        let number = self.number(step);
        let node = text(node.as_str());
        let title = text(&step.title);
        match &step.undo {
            Undo::By { action, proof } => {
                self.heading(3, &format!("Take back step {number}, {node}: {title}"));
                self.say("* [ ] Taken back by ______________________ at ______________________");
                let place = self.place(step, true);
                self.parts(instructions(action, place));
                self.proof(proof, place);
            }
            Undo::Nothing { .. } => {}
            Undo::Impossible { because } => {
                self.heading(3, &format!("Step {number}, {node}, stays: {title}"));
                self.say(&format!("It can't be taken back. {}", text(because)));
            }
        }
    }

    fn signed_off(&mut self) {
        self.heading(2, "Signed off");
        self.say("The state that things are in now:");
        let mut last: BTreeMap<&NodeName, &Step> = BTreeMap::new();
        for (node, step) in self.plan.steps() {
            last.insert(node, step);
        }
        let states: Vec<String> = last
            .into_iter()
            .map(|(node, step)| {
                let (node, state) = (text(node.as_str()), text(&step.leaves));
                format!("* [ ] {node}: {state}")
            })
            .collect();
        self.say(&states.join("\n"));
        self.say(
            "* [ ] Ended at ______________________ (UTC)\n\
             * [ ] Signed ______________________ and ______________________",
        );
    }
}
