//! `lock`: who holds the nodes.

use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::context::{Context, target};
use super::global::length;
use super::reach::Reach;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, Selection};
use crate::engine::{Claim, ClaimError, Fault, Holder, Holding, NodeRecord, Release, World as _};
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{Millis, RunId};
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};
use crate::world::{Nodes, this_runner};

/// On how many nodes at once.
const WIDTH: usize = 32;

/// Who holds the nodes, and how to break a hold that nobody will give up.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Lock {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Status(Status),
    Break(Break),
}

/// Show which run holds which node.
///
/// Exits with 3 when some node could not be asked, and with 50 when none could.
#[derive(Debug, Args)]
struct Status {
    /// On these nodes of the cluster file: names, @tags, patterns; all without it.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,
}

/// Take nodes away from a run that will never give them up.
///
/// Its runner, should it still live, does nothing more on them. What the run had
/// done there stays as it is; the run can still be resumed or undone. Refused as
/// long as one of its commands runs on the node.
#[derive(Debug, Args)]
struct Break {
    /// The nodes of the cluster file: names, @tags, patterns.
    #[arg(long, value_name = "NODES")]
    on: Selection,

    /// The run that holds them, by its whole name, as `lock status` shows it.
    #[arg(long, value_name = "RUN")]
    run: RunId,

    /// Wait this long for commands of the run that still go on.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = length)]
    lock_wait: std::time::Duration,
}

impl Lock {
    /// Whether this verb may change something.
    pub(super) fn changes(&self) -> bool {
        matches!(self.verb, Verb::Break(_))
    }
}

pub(super) fn run(args: &Lock, context: &Context) -> Result<Exit> {
    match &args.verb {
        Verb::Status(args) => status(args, context),
        Verb::Break(args) => break_hold(args, context),
    }
}

/// The nodes of a selection, all without one, and their world.
fn nodes(cluster: &Cluster, on: Option<&Selection>) -> Result<(Vec<NodeName>, Nodes)> {
    let chosen: Vec<_> = match on {
        Some(selection) => cluster.select(selection)?,
        None => cluster.nodes().collect(),
    };
    let targets = chosen
        .iter()
        .map(|node| Ok((node.name.clone(), target(cluster, node)?)))
        .collect::<Result<std::collections::BTreeMap<_, _>>>()?;
    let secrets = Arc::new(cluster.secret_store().with_terminal());
    let reach = Reach::to(cluster, targets.clone(), Arc::clone(&secrets));
    reach.fetch()?;
    let names = targets.keys().cloned().collect();
    Ok((names, Nodes::new(&targets, secrets, Arc::new(reach))))
}

fn status(args: &Status, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let (names, world) = nodes(&cluster, args.on.as_ref())?;
    let records = each(&names, WIDTH, |node| world.holder(node));
    let mut table = Table::new([
        Column::new("node").whole(),
        Column::new("run").whole(),
        Column::new("verb").goes(2),
        Column::new("by").goes(1),
        Column::new("what").goes(3),
        Column::new("state"),
    ]);
    let mut failed = Vec::new();
    for (node, record) in names.iter().zip(&records) {
        if context.global.json {
            context.print_json(&told(node, record));
        }
        match record {
            Ok(record) => {
                table.row(row(node, record));
            }
            Err(fault) => {
                table.row([
                    Cell::new(node.as_str()),
                    Cell::new(""),
                    Cell::new(""),
                    Cell::new(""),
                    Cell::new(""),
                    Cell::new("not known").tone(Tone::Bad),
                ]);
                failed.push((node, fault));
            }
        }
    }
    if !context.global.json {
        context.io.out.print(&table.render(context.out_look()));
        for (node, fault) in &failed {
            let hint = fault
                .hint
                .as_deref()
                .map(|hint| format!("  hint: {hint}\n"));
            let hint = hint.unwrap_or_default();
            context.io.err.print(&format!("{node}: {fault}.\n{hint}"));
        }
    }
    Ok(match failed.len() {
        0 => Exit::Done,
        all if all == names.len() => Exit::Unreachable,
        _ => Exit::Differs,
    })
}

fn row(node: &NodeName, record: &NodeRecord) -> [Cell; 6] {
    let Some(holder) = &record.holder else {
        let free = Cell::new("free").tone(Tone::Good);
        let empty = || Cell::new("");
        return [
            Cell::new(node.as_str()),
            empty(),
            empty(),
            empty(),
            empty(),
            free,
        ];
    };
    [
        Cell::new(node.as_str()),
        Cell::new(holder.run.as_str()),
        Cell::new(&holder.verb),
        Cell::new(&holder.runner.owner),
        Cell::new(&holder.reason),
        Cell::new(state(holder)).tone(Tone::Warn),
    ]
}

/// What a hold means for others.
fn state(holder: &Holder) -> String {
    match holder.until {
        Some(until) => format!(
            "held until {}",
            until.round(jiff::Unit::Second).unwrap_or(until)
        ),
        None => "stopped, unfinished".to_owned(),
    }
}

fn told(node: &NodeName, record: &Result<NodeRecord, Fault>) -> serde_json::Value {
    match record {
        Ok(record) => json!({
            "format": 1,
            "node": node,
            "holder": record.holder,
            "history": record.history,
        }),
        Err(fault) => json!({ "format": 1, "node": node, "fault": fault }),
    }
}

fn break_hold(args: &Break, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let (names, world) = nodes(&cluster, Some(&args.on))?;
    for node in &names {
        let holder = world
            .holder(node)
            .map_err(|fault| anyhow::Error::from(fault).context(node.to_string()))?
            .holder;
        let refusal = match holder {
            None => Refusal::usage(format!("nobody holds {node}")),
            Some(holder) if holder.run != args.run => Refusal::new(
                Exit::Held,
                format!(
                    "{node} is held by run {}, and not by {}",
                    holder.run, args.run
                ),
            ),
            Some(_) => continue,
        };
        return Err(refusal
            .hint(format!(
                "clusterctl lock status --on {node}   (shows who holds it)"
            ))
            .into());
    }
    for node in &names {
        take_away(&world, node, args, &cluster)?;
        context.io.out.print(&format!("{node} is free.\n"));
    }
    let run = &args.run;
    context.io.err.print(&format!(
        "What run {run} had done there stays as it is.\n\
         hint: clusterctl resume {run}   (to go on with it)\n\
         hint: clusterctl undo {run}   (to take it back)\n"
    ));
    Ok(Exit::Done)
}

fn take_away(world: &Nodes, node: &NodeName, args: &Break, cluster: &Cluster) -> Result<()> {
    let claim = Claim {
        run: args.run.clone(),
        instead_of: None,
        by_force: true,
        verb: "lock-break".to_owned(),
        runner: this_runner(),
        reason: format!("taken away from run {}", args.run),
        lease: Millis::from(cluster.run().lease.get()),
        wait: Millis::from(args.lock_wait),
    };
    let epoch = world.claim(node, &claim).map_err(|error| match error {
        ClaimError::Held(holder) => anyhow::Error::from(Refusal::new(
            Exit::Held,
            format!("{node} was taken by run {} just now", holder.run),
        )),
        ClaimError::EffectRuns(how) => Refusal::new(
            Exit::Held,
            format!("a command of run {} still runs on {node}, and nobody may take the node before it ends", args.run),
        )
        .hint(how)
        .hint("--lock-wait 10m   (waits for its end)")
        .into(),
        ClaimError::Fault(fault) => anyhow::Error::from(fault).context(node.to_string()),
    })?;
    let holding = Holding {
        run: args.run.clone(),
        epoch,
        lease: claim.lease,
    };
    world
        .release(node, &holding, &Release::Free)
        .map_err(|fault| anyhow::Error::from(fault).context(node.to_string()))
}
