//! `runs log`.

use std::io::BufReader;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::cli::conduct::EVENTS;
use crate::cli::context::Context;
use crate::cli::refusal::Refusal;
use crate::engine::decode;
use crate::exit::Exit;
use crate::view::{Look, Manner, replay};

/// Show again what happened in a run.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// The run: its name, the beginning or end of it, or `latest`.
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,

    /// Print the journal instead, a record a line: what was meant to be done, and what came of it.
    #[arg(long)]
    journal: bool,
}

pub(super) fn run(args: &Log, context: &Context) -> Result<Exit> {
    let store = context.runs()?;
    let run = context.find_run(&args.run)?;
    if args.journal {
        let journal = store.read(&run)?.journal;
        let decoded =
            decode(&journal).with_context(|| format!("the journal of run {run} can't be used"))?;
        for record in &decoded.records {
            context.print_json(record);
        }
        return Ok(Exit::Done);
    }
    let path = store.folder_of(&run).join(EVENTS);
    let file = std::fs::File::open(&path).map_err(|error| {
        Refusal::usage(format!(
            "what happened in run {run} was not recorded: {}: {error}",
            path.display()
        ))
        .hint(format!(
            "clusterctl runs log {run} --journal   (shows its journal)"
        ))
    })?;
    let look = context.out_look();
    let manner = Manner {
        stamped: look != Look::Json,
        ..Manner::new(match look {
            // A log is read line by line, also on a terminal.
            Look::Terminal { colour, .. } => Look::Plain { colour },
            other => other,
        })
    };
    replay(
        BufReader::new(file),
        &manner,
        Box::new(context.io.out.clone()),
    )
    .with_context(|| format!("what happened in run {run} can't be shown"))?;
    Ok(Exit::Done)
}
