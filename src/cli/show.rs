//! `show`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::context::Context;
use crate::exit::Exit;

/// Print a saved plan: as text, as JSON, or as a runbook that a person can follow by hand.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The plan's file; - is standard input.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// What it is printed as.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading and approving.
    Text,
    /// The plan's own format.
    Json,
    /// A runbook in Markdown, to be followed by hand.
    Md,
}

pub(super) fn run(args: &Show, context: &mut Context) -> Result<Exit> {
    let plan = context.read_plan(&args.plan)?;
    match args.format {
        Format::Text => context.print_plan(&plan),
        Format::Json => context.io.out.print(&plan.to_json()),
        Format::Md => context.io.out.print(&crate::plan::runbook::render(&plan)),
    }
    Ok(Exit::Done)
}
