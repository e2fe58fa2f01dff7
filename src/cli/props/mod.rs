//! `props`: read and edit Java `.properties` files without touching anything else in them.

mod check;
mod diff;
mod get;
mod nodes;
mod parity_view;
mod place;
mod set;
mod unset;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;
use crate::exit::Exit;
pub(super) use parity_view::schema as parity_schema;

/// Read and edit Java .properties files without touching anything else in them.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Props {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Get(get::Get),
    Set(set::Set),
    Unset(unset::Unset),
    Diff(diff::Diff),
    Check(check::Check),
}

impl Props {
    /// Whether this verb may change something.
    pub(super) fn changes(&self) -> bool {
        matches!(self.verb, Verb::Set(_) | Verb::Unset(_))
    }
}

pub(super) fn run(args: Props, context: &mut Context) -> Result<Exit> {
    match args.verb {
        Verb::Get(args) => get::run(&args, context),
        Verb::Set(args) => set::run(&args, context),
        Verb::Unset(args) => unset::run(&args, context),
        Verb::Diff(args) => diff::run(&args, context),
        Verb::Check(args) => check::run(&args, context),
    }
}
