//! `runs release`.

use anyhow::Result;
use clap::Args;

use super::refuse_if_over;
use crate::cli::conduct::{Conductor, Further};
use crate::cli::context::Context;
use crate::cli::given::given_again;
use crate::cli::global::Running;
use crate::exit::Exit;

/// Give back the temporary changes of a run that stopped: what is drained, stopped or in maintenance.
///
/// The run stays unfinished, and can be resumed or undone.
#[derive(Debug, Args)]
pub(super) struct Release {
    /// The run: its name, the beginning or end of it, or `latest`.
    #[arg(value_name = "RUN")]
    run: String,

    #[command(flatten)]
    running: Running,
}

pub(super) fn run(args: &Release, context: &mut Context) -> Result<Exit> {
    let given = given_again(context, &args.running.value_file, false)?;
    let cluster = context.cluster()?;
    let conductor = Conductor::new(context, &cluster, &args.running)?;
    let existing = conductor.open(context.find_run(&args.run)?)?;
    refuse_if_over(&existing, &context.runs()?)?;
    if existing.progress.owed().is_empty() {
        context.io.out.print(&format!(
            "Nothing to do: run {} has no temporary changes to give back.\n",
            existing.run
        ));
        return Ok(Exit::Done);
    }
    conductor.go_on(existing, given, &Further::GiveBack)
}
