//! `schema`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use schemars::schema_for;

use super::context::Context;
use crate::exit::Exit;

/// Print the JSON Schema of a file or stream, for editors and other programs.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Of what.
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    /// cluster.toml.
    Config,
    /// A saved plan.
    Plan,
    /// A line of what --json prints while a run goes on.
    Events,
    /// A record of a run's journal.
    Journal,
    /// A line of what exec --json prints.
    Exec,
    /// A line of what check --reach --json prints.
    Reach,
    /// What props diff --on NODES --json prints.
    Parity,
    /// A line of what status --json prints.
    Status,
    /// A line of what lb check --json prints.
    Pools,
}

pub(super) fn run(args: &Schema, context: &Context) -> Result<Exit> {
    let schema = match args.of {
        Of::Config => crate::config::schema(),
        Of::Plan => schema_for!(crate::plan::Plan),
        Of::Events => schema_for!(crate::engine::Event),
        Of::Journal => schema_for!(crate::engine::Record),
        Of::Exec => crate::view::errand_schema(),
        Of::Reach => super::check::schema(),
        Of::Parity => super::props::parity_schema(),
        Of::Status => super::status::schema(),
        Of::Pools => super::lb::schema(),
    };
    context
        .io
        .out
        .print(&format!("{}\n", serde_json::to_string_pretty(&schema)?));
    Ok(Exit::Done)
}
