//! `runs`: the history, and what to do with a run that stopped.

mod abandon;
mod fetch;
mod list;
mod log;
mod release;
mod show;
mod summary;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(super) use summary::{
    Fate, Summary, Undone, refuse_if_over, refuse_undo_of_undo, refuse_undone,
};

use super::context::Context;
use crate::exit::Exit;

/// The history of runs, and what to do with one that stopped.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Runs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::List),
    Show(show::Show),
    Log(log::Log),
    Fetch(fetch::Fetch),
    Release(release::Release),
    Abandon(abandon::Abandon),
}

impl Runs {
    /// Whether this verb may change something.
    pub(super) fn changes(&self) -> bool {
        matches!(self.verb, Verb::Release(_) | Verb::Abandon(_))
    }
}

pub(super) fn run(args: Runs, context: &mut Context) -> Result<Exit> {
    match args.verb {
        Verb::List(args) => list::run(&args, context),
        Verb::Show(args) => show::run(&args, context),
        Verb::Log(args) => log::run(&args, context),
        Verb::Fetch(args) => fetch::run(&args, context),
        Verb::Release(args) => release::run(&args, context),
        Verb::Abandon(args) => abandon::run(&args, context),
    }
}
