//! `runs abandon`.

use anyhow::Result;
use clap::Args;

use super::refuse_if_over;
use crate::cli::conduct::{Conductor, Further};
use crate::cli::context::Context;
use crate::cli::global::Running;
use crate::cli::refusal::Refusal;
use crate::config::GivenSecrets;
use crate::exit::Exit;

/// Give up a run that stopped, and leave things as they are.
///
/// Its nodes are free for other runs then. It can't be resumed any more; what it
/// did can still be taken back with `undo`.
#[derive(Debug, Args)]
pub(super) struct Abandon {
    /// The run: its name, the beginning or end of it, or `latest`.
    #[arg(value_name = "RUN")]
    run: String,

    /// Why; it is written into the journal.
    #[arg(long, value_name = "TEXT", default_value = "no reason was given")]
    reason: String,

    /// Leave temporary changes as they are, too: what is drained, stopped or in maintenance.
    #[arg(long)]
    leave_temporary: bool,

    #[command(flatten)]
    running: Running,
}

pub(super) fn run(args: &Abandon, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let conductor = Conductor::new(context, &cluster, &args.running)?;
    let existing = conductor.open(context.find_run(&args.run)?)?;
    refuse_if_over(&existing, &context.runs()?)?;
    let owed: Vec<_> = existing
        .progress
        .owed()
        .iter()
        .map(|(step, _)| step.to_string())
        .collect();
    if !owed.is_empty() && !args.leave_temporary {
        let run = &existing.run;
        return Err(Refusal::new(
            Exit::Forbidden,
            format!(
                "run {run} has temporary changes that were not given back: {}",
                owed.join(", ")
            ),
        )
        .state(existing.progress.state(&existing.plan))
        .hint(format!("clusterctl runs release {run}   (gives them back)"))
        .hint(format!(
            "clusterctl runs abandon {run} --leave-temporary   (leaves them)"
        ))
        .into());
    }
    conductor.go_on(
        existing,
        GivenSecrets::new(),
        &Further::Abandon(args.reason.clone()),
    )
}
