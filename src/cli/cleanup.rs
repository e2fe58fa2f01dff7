//! `cleanup`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::conduct::Conductor;
use super::context::Context;
use super::global::Running;
use super::refusal::Refusal;
use super::runs::{Fate, Summary, Undone};
use crate::config::{GivenSecrets, HumanDuration};
use crate::exit::Exit;
use crate::plan::RunId;
use crate::store::RunStore;
use crate::view::table::{Cell, Column, Table};
use crate::world::Nodes;

/// Remove what old runs left for their undo: backups, what they put aside, their journals.
///
/// Only runs that are over and older than --older-than go, and can't be taken
/// back then. Without --yes it only shows what would go.
#[derive(Debug, Args)]
pub(super) struct Cleanup {
    /// Only these runs; all without one.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// How old a run must be.
    #[arg(long, value_name = "TIME", default_value = "720h")]
    older_than: HumanDuration,

    /// Remove, and don't only show.
    #[arg(short, long)]
    yes: bool,
}

/// A run that may go, and the world of its nodes.
struct Old {
    summary: Summary,
    world: Nodes,
}

pub(super) fn run(args: &Cleanup, context: &Context) -> Result<Exit> {
    let store = context.runs()?;
    let cluster = context.cluster()?;
    let running = Running {
        yes: true,
        lock_wait: std::time::Duration::ZERO,
        no_operator: false,
        value_file: Vec::new(),
    };
    let conductor = Conductor::new(context, &cluster, &running)?;
    let old = old_runs(args, context, &store, &conductor)?;
    if args.yes {
        store.remove_unsaved()?;
    }
    let mut table = Table::new([
        Column::new("run").whole(),
        Column::new("fate").goes(1),
        Column::new("size").right(),
        Column::new("what goes"),
    ]);
    for Old { summary, world } in &old {
        let mut paths = Vec::new();
        let mut bytes = 0;
        for node in summary.plan.changed() {
            let left = if args.yes {
                world.clear(node, &summary.run)?
            } else {
                world.leftovers(node, &summary.run)?
            };
            paths.extend(left.paths);
            bytes += left.bytes;
        }
        paths.push(store.folder_of(&summary.run));
        if args.yes {
            store.remove(&summary.run)?;
        }
        let paths: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        if context.global.json {
            context.print_json(&json!({
                "format": 1,
                "run": summary.run,
                "removed": args.yes,
                "bytes": bytes,
                "paths": paths,
            }));
        }
        table.row([
            Cell::new(summary.run.as_str()),
            Cell::new(summary.fate.word()),
            Cell::new(size(bytes)),
            Cell::new(paths.join(", ")),
        ]);
    }
    if context.global.json {
        return Ok(Exit::Done);
    }
    if table.is_empty() {
        context.io.out.print(&format!(
            "Nothing to remove: no run that is over is older than {}.\n",
            args.older_than
        ));
        return Ok(Exit::Done);
    }
    context.io.out.print(&table.render(context.out_look()));
    if !args.yes {
        let older = args.older_than;
        let words =
            std::iter::once("clusterctl cleanup").chain(args.runs.iter().map(String::as_str));
        let command = words.collect::<Vec<_>>().join(" ");
        context.io.err.print(&format!(
            "Nothing was removed. To remove it: {command} --older-than {older} --yes\n"
        ));
    }
    Ok(Exit::Done)
}

/// The runs that may go.
fn old_runs(
    args: &Cleanup,
    context: &Context,
    store: &RunStore,
    conductor: &Conductor<'_>,
) -> Result<Vec<Old>> {
    let wanted: Vec<RunId> = if args.runs.is_empty() {
        store.list()?
    } else {
        args.runs
            .iter()
            .map(|run| context.find_run(run))
            .collect::<Result<_, _>>()?
    };
    let mut old = Vec::new();
    let undone = Undone::of(store)?;
    for run in &wanted {
        let summary = Summary::of(store, run, &undone)?;
        let over = matches!(summary.fate, Fate::Over(_) | Fate::NeverBegan);
        if !over && !args.runs.is_empty() {
            return Err(Refusal::new(
                Exit::Forbidden,
                format!(
                    "run {run} is not over ({}), and what it left is needed",
                    summary.fate.word()
                ),
            )
            .state("Nothing was removed.")
            .hint(format!("clusterctl runs show {run}"))
            .into());
        }
        let aged = summary.progress.last_at.is_none_or(|at| {
            let age = jiff::Timestamp::now().duration_since(at);
            u128::try_from(age.as_millis())
                .is_ok_and(|age| age >= args.older_than.get().as_millis())
        });
        if over && aged {
            let (world, _) = conductor.world(&summary.plan, GivenSecrets::new());
            old.push(Old { summary, world });
        }
    }
    Ok(old)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
