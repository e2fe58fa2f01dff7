//! `runs fetch`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::cli::context::{Context, target};
use crate::cli::reach::Reach;
use crate::cli::refusal::Refusal;
use crate::config::{NodeName, Selection};
use crate::engine::{Entry, Record, World as _, decode, union};
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{Plan, RunId, Sha256};
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};
use crate::world::Nodes;

/// On how many nodes at once.
const WIDTH: usize = 32;

/// Fetch a run of another machine from the nodes that it worked on.
///
/// The nodes keep a copy of the journal, and some of them the plan. With these,
/// this machine can resume, undo or abandon the run when the one that began it
/// is gone for good.
#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// The run, by its whole name, as `lock status` shows it.
    #[arg(value_name = "RUN")]
    run: RunId,

    /// The nodes of the cluster file that it worked on: names, @tags, patterns; all without it.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,
}

/// What a node has of the run.
struct Kept {
    node: NodeName,
    records: Result<Vec<Record>>,
}

pub(super) fn run(args: &Fetch, context: &Context) -> Result<Exit> {
    let store = context.runs()?;
    let run = &args.run;
    if store.list()?.contains(run) {
        return Err(Refusal::usage(format!("run {run} is there already"))
            .hint(format!("clusterctl runs show {run}"))
            .into());
    }
    let kept = ask(args, context)?;
    let journals = kept.iter().filter_map(|kept| kept.records.as_ref().ok());
    let records = union(journals.cloned());
    if !context.global.json {
        context
            .io
            .out
            .print(&table(&kept).render(context.out_look()));
    }
    let (digest, undoes) = started(&records).ok_or_else(|| {
        Refusal::usage(format!("none of these nodes knows of run {run}"))
            .hint("clusterctl lock status   (shows which runs hold nodes)")
            .hint("--on NODES   (asks others)")
    })?;
    let plan = planned(&records)?.ok_or_else(|| {
        Refusal::new(
            Exit::Forbidden,
            format!("the journal of run {run} is there, but none of these nodes has its plan"),
        )
        .hint("--on NODES   (asks others: the first three nodes of a run, by name, have it)")
    })?;
    if plan.digest() != digest {
        return Err(Refusal::new(
            Exit::Forbidden,
            format!("the plan that was found is not the one of run {run}: its digest is another"),
        )
        .into());
    }
    drop(store.create(run, &plan.to_json(), undoes.as_ref())?);
    if context.global.json {
        context.print_json(&serde_json::json!({
            "format": 1,
            "run": run,
            "records": records.len(),
        }));
    } else {
        context.io.err.print(&format!(
            "Run {run} is fetched: {}.\n\
             hint: clusterctl runs show {run}   (how far it has come)\n\
             hint: clusterctl resume {run}   (to go on)\n\
             hint: clusterctl undo {run}   (to take everything back)\n",
            plan.title
        ));
    }
    Ok(Exit::Done)
}

fn ask(args: &Fetch, context: &Context) -> Result<Vec<Kept>> {
    let cluster = context.cluster()?;
    let chosen: Vec<_> = match &args.on {
        Some(selection) => cluster.select(selection)?,
        None => cluster.nodes().collect(),
    };
    let targets = chosen
        .iter()
        .map(|node| Ok((node.name.clone(), target(&cluster, node)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let secrets = Arc::new(cluster.secret_store().with_terminal());
    let reach = Reach::to(&cluster, targets.clone(), Arc::clone(&secrets));
    reach.fetch()?;
    let nodes = reach.nodes();
    let world = Nodes::new(&targets, secrets, Arc::new(reach));
    let records = each(&nodes, WIDTH, |node| {
        let bytes = world.kept(node, &args.run)?;
        let decoded = decode(&bytes).context("its copy of the journal can't be used")?;
        Ok(decoded.records)
    });
    let kept = nodes.into_iter().zip(records);
    Ok(kept.map(|(node, records)| Kept { node, records }).collect())
}

/// The digest of the run's plan, and the run that it takes back.
fn started(records: &[Record]) -> Option<(Sha256, Option<RunId>)> {
    records.iter().find_map(|record| match &record.entry {
        Entry::Started { digest, undoes, .. } => Some((digest.clone(), undoes.clone())),
        _ => None,
    })
}

fn planned(records: &[Record]) -> Result<Option<Plan>> {
    let plan = records.iter().find_map(|record| match &record.entry {
        Entry::Planned { plan } => Some(plan.as_str()),
        _ => None,
    });
    plan.map(|plan| {
        Plan::from_json(plan.as_bytes()).context("the plan that was found can't be used")
    })
    .transpose()
}

fn table(kept: &[Kept]) -> Table {
    let mut table = Table::new([
        Column::new("node").whole(),
        Column::new("records").right(),
        Column::new("plan"),
    ]);
    for Kept { node, records } in kept {
        let (count, plan) = match records {
            Err(error) => (
                Cell::new(""),
                Cell::new(format!("{error:#}")).tone(Tone::Bad),
            ),
            Ok(records) => {
                let has = records
                    .iter()
                    .any(|r| matches!(r.entry, Entry::Planned { .. }));
                (
                    Cell::new(records.len().to_string()),
                    Cell::new(if has { "yes" } else { "" }),
                )
            }
        };
        table.row([Cell::new(node.as_str()), count, plan]);
    }
    table
}
