//! `runs list`.

use anyhow::Result;
use clap::Args;

use super::summary::{Summary, Undone};
use crate::cli::context::Context;
use crate::exit::Exit;
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};

/// List the runs of this machine, the latest last.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only runs that can be resumed.
    #[arg(long)]
    open: bool,
}

pub(super) fn run(args: &List, context: &Context) -> Result<Exit> {
    let store = context.runs()?;
    let mut table = Table::new([
        Column::new("run").whole(),
        Column::new("verb").goes(2),
        Column::new("what").goes(1),
        Column::new("steps").right().goes(3),
        Column::new("fate").whole(),
    ]);
    let undone = Undone::of(&store)?;
    for run in store.list()? {
        let summary = match Summary::of(&store, &run, &undone) {
            Ok(summary) => summary,
            Err(error) => {
                context.io.err.print(&format!("{run}: {error:#}\n"));
                continue;
            }
        };
        if args.open && !summary.fate.is_open() {
            continue;
        }
        if context.global.json {
            context.print_json(&summary.json());
            continue;
        }
        let fate = Cell::new(summary.fate.word());
        table.row([
            Cell::new(run.as_str()),
            Cell::new(&summary.plan.verb),
            Cell::new(&summary.plan.title),
            Cell::new(format!(
                "{}/{}",
                summary.progress.done().len(),
                summary.plan.steps().count()
            )),
            if summary.fate.is_open() {
                fate.tone(Tone::Bad)
            } else {
                fate
            },
        ]);
    }
    if context.global.json {
        return Ok(Exit::Done);
    }
    if table.is_empty() {
        context
            .io
            .err
            .print(&format!("No runs in {}.\n", store.path().display()));
    } else {
        context.io.out.print(&table.render(context.out_look()));
    }
    Ok(Exit::Done)
}
