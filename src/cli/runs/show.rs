//! `runs show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::summary::{Fate, Summary, Undone};
use crate::cli::context::{Context, UNDO};
use crate::engine::{Direction, Standing};
use crate::exit::Exit;
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};

/// Show a run: how far it has come, in which state things are, and what to type next.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run: its name, the beginning or end of it, or `latest`.
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
}

pub(super) fn run(args: &Show, context: &Context) -> Result<Exit> {
    let store = context.runs()?;
    let summary = Summary::of(&store, &context.find_run(&args.run)?, &Undone::of(&store)?)?;
    if context.global.json {
        let steps: Vec<_> = summary
            .plan
            .steps()
            .map(|(node, step)| {
                json!({
                    "step": step.id,
                    "node": node,
                    "title": step.title,
                    "standing": standing(&summary, &step.id).0,
                    "fault": summary.progress.faults.get(&step.id),
                    "evidence": summary.progress.answers.get(&step.id),
                })
            })
            .collect();
        let mut value = summary.json();
        if let Some(map) = value.as_object_mut() {
            map.insert("step_list".to_owned(), json!(steps));
            map.insert("next".to_owned(), json!(next(&summary)));
        }
        context.print_json(&value);
        return Ok(Exit::Done);
    }
    context.io.out.print(&head(&summary));
    let mut table = Table::new([
        Column::new("step").whole(),
        Column::new("what").goes(1),
        Column::new("standing").whole(),
    ]);
    for (_, step) in summary.plan.steps() {
        let (word, tone) = standing(&summary, &step.id);
        table.row([
            Cell::new(step.id.as_str()),
            Cell::new(&step.title),
            Cell::new(word).tone(tone),
        ]);
    }
    context.io.out.print(&table.render(context.out_look()));
    for (step, fault) in &summary.progress.faults {
        context
            .io
            .out
            .print(&format!("{step}: {}\n", fault.what.escape_debug()));
    }
    for hint in next(&summary) {
        context.io.out.print(&format!("hint: {hint}\n"));
    }
    Ok(Exit::Done)
}

fn head(summary: &Summary) -> String {
    let mut lines = vec![
        format!("Run {}: {}", summary.run, shown(&summary.plan.title)),
        format!("Fate: {}", summary.fate.word()),
    ];
    if let Some(start) = &summary.progress.start {
        let began = start.at.strftime("%Y-%m-%d %H:%M:%SZ");
        lines.push(format!("Began: {began}, by {}", shown(&start.runner.owner)));
        if let Some(by) = &start.approved_by {
            lines.push(format!("Approved by: {}", shown(by)));
        }
        if let Some(undoes) = &start.undoes {
            lines.push(format!("Takes back: {undoes}"));
        }
    }
    lines.push(format!("Digest: {}", summary.plan.digest()));
    lines.push(format!(
        "State: {}",
        shown(&summary.progress.state(&summary.plan))
    ));
    if let (Fate::Stopped(_), Some((exit, _, because))) = (&summary.fate, &summary.progress.stopped)
    {
        lines.push(format!("Stopped with {exit}: {}", shown(because)));
    }
    for (step, until) in summary.progress.owed() {
        let late = if *until < jiff::Timestamp::now() {
            ", which is over"
        } else {
            ""
        };
        lines.push(format!(
            "To be given back: what {step} changed, by {}{late}",
            until.strftime("%Y-%m-%d %H:%M:%SZ")
        ));
    }
    lines.push(String::new());
    lines.join("\n") + "\n"
}

fn shown(text: &str) -> String {
    crate::plan::printable::line(text)
}

fn standing(summary: &Summary, step: &crate::plan::StepId) -> (&'static str, Tone) {
    match summary.progress.standing(step) {
        Standing::Done => ("done", Tone::Good),
        Standing::InDoubt(Direction::Do) => ("begun", Tone::Bad),
        Standing::InDoubt(Direction::Undo) => ("being taken back", Tone::Bad),
        Standing::Pending if summary.progress.faults.contains_key(step) => ("failed", Tone::Bad),
        Standing::Pending => ("to do", Tone::Faint),
    }
}

/// What can be typed now.
fn next(summary: &Summary) -> Vec<String> {
    let run = &summary.run;
    match &summary.fate {
        Fate::Running => vec!["it goes on; this shows it again: clusterctl runs show".to_owned()],
        Fate::Stopped(_) | Fate::Died => {
            let mut ways = vec![format!("clusterctl resume {run}   (to go on)")];
            if !summary.progress.owed().is_empty() {
                ways.push(format!(
                    "clusterctl runs release {run}   (to give back temporary changes)"
                ));
            }
            if summary.plan.verb != UNDO {
                ways.push(format!("clusterctl undo {run}   (to take everything back)"));
            }
            ways.push(format!(
                "clusterctl runs abandon {run}   (to leave things as they are)"
            ));
            ways
        }
        Fate::Over(crate::engine::Ending::Done)
            if summary.plan.verb != UNDO && summary.plan.can_be_taken_back() =>
        {
            vec![format!("clusterctl undo {run}   (to take it back)")]
        }
        Fate::Over(_) | Fate::NeverBegan => Vec::new(),
    }
}
