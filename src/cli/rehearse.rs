//! `rehearse`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::context::{Context, typed};
use super::refusal::Refusal;
use crate::engine::{End, Happening};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::rehearse::{Rehearsal, Strike, StrikeKind, rehearse};
use crate::view::table::{Cell, Column, Table};
use crate::view::{Look, Manner};

/// Run a saved plan against a simulated copy of its nodes, and break it at any step.
///
/// No node is touched. Shows where the run would stop, in which state, and
/// whether `resume` and `undo` would lead out of it. Faults: unreachable, crash,
/// crash-after, power-loss, timeout, failed, disk-full, denied, stale,
/// lost-outcome, interrupt.
#[derive(Debug, Args)]
pub(super) struct Rehearse {
    /// The plan's file; - is standard input.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// Let this go wrong; may be given more than once. STEP is a step's name or the last part of it.
    #[arg(long, value_name = "KIND@NODE:STEP")]
    fault: Vec<Strike>,

    /// Rehearse every kind of fault at every step, and print a table of the ends.
    #[arg(long, conflicts_with = "fault")]
    every_fault: bool,
}

pub(super) fn run(args: &Rehearse, context: &mut Context) -> Result<Exit> {
    let plan = context.read_plan(&args.plan)?;
    if plan.is_empty() {
        context.print_plan(&plan);
        return Ok(Exit::Done);
    }
    if args.every_fault {
        return Ok(every(&plan, context));
    }
    let rehearsal = rehearse(&plan, &args.fault).map_err(|what| {
        Refusal::usage(what).hint(format!(
            "clusterctl show {}   (shows nodes and steps)",
            typed(&args.plan)
        ))
    })?;
    let mut lines = Vec::new();
    for mut event in rehearsal.events.iter().cloned() {
        // Nobody can go on with a run that is only rehearsed.
        if let Happening::RunEnded { next, .. } = &mut event.what {
            next.clear();
        }
        lines.extend(serde_json::to_vec(&event)?);
        lines.push(b'\n');
    }
    let look = context.out_look();
    crate::view::replay(
        lines.as_slice(),
        &Manner::new(look),
        Box::new(context.io.out.clone()),
    )?;
    if look == Look::Json {
        context.print_json(&json!({
            "format": 1,
            "rehearsal": told(&rehearsal.end),
            "resume": rehearsal.resumed.as_ref().map(told),
            "undo": match &rehearsal.undone {
                Some(Ok(end)) => told(end),
                Some(Err(why)) => json!({ "refused": why }),
                None => json!(null),
            },
        }));
    } else {
        context.io.out.print(&after(&rehearsal));
    }
    Ok(Exit::Done)
}

fn told(end: &End) -> serde_json::Value {
    json!({
        "exit": end.exit.code(),
        "state": end.state,
        "because": end.because,
        "next": end.next,
        "over": end.over,
    })
}

fn after(rehearsal: &Rehearsal) -> String {
    let mut lines = vec![
        String::new(),
        format!("The run would end with exit code {}.", rehearsal.end.exit),
    ];
    if let Some(end) = &rehearsal.resumed {
        lines.push(format!(
            "`clusterctl resume` would then end with {}: {}.",
            end.exit, end.state
        ));
    }
    match &rehearsal.undone {
        Some(Ok(end)) => {
            let state = if end.state.is_empty() {
                "there is nothing to take back"
            } else {
                &end.state
            };
            lines.push(format!(
                "`clusterctl undo` would then end with {}: {state}.",
                end.exit
            ));
        }
        Some(Err(why)) => lines.push(format!("`clusterctl undo` would be refused: {why}.")),
        None => {}
    }
    lines.join("\n") + "\n"
}

/// Every fault at every step where it can strike.
fn every(plan: &Plan, context: &Context) -> Exit {
    let mut table = Table::new([
        Column::new("fault").whole(),
        Column::new("exit").right(),
        Column::new("resume").right(),
        Column::new("undo").right(),
        Column::new("state").goes(1),
    ]);
    for (node, step) in plan.steps() {
        for kind in StrikeKind::ALL {
            let strike = Strike {
                kind,
                node: node.to_string(),
                step: step.id.to_string(),
            };
            // A fault that can't strike here, such as a stale guard where there is none, is left out.
            let Ok(rehearsal) = rehearse(plan, std::slice::from_ref(&strike)) else {
                continue;
            };
            let code = |end: &End| end.exit.code().to_string();
            let undo = match &rehearsal.undone {
                Some(Ok(end)) => code(end),
                Some(Err(_)) => "refused".to_owned(),
                None => "-".to_owned(),
            };
            if context.global.json {
                context.print_json(&json!({
                    "format": 1,
                    "fault": strike.to_string(),
                    "end": told(&rehearsal.end),
                    "resume": rehearsal.resumed.as_ref().map(|end| end.exit.code()),
                    "undo": undo,
                }));
            }
            table.row([
                Cell::new(format!("{kind}@{node}:{}", step.id.slug())),
                Cell::new(code(&rehearsal.end)),
                Cell::new(rehearsal.resumed.as_ref().map_or("-".to_owned(), code)),
                Cell::new(undo),
                Cell::new(&rehearsal.end.state),
            ]);
        }
    }
    if !context.global.json {
        context.io.out.print(&table.render(context.out_look()));
    }
    Exit::Done
}
