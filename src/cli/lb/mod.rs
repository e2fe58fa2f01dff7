//! `lb`: the balancer in front of the servers.

mod check;
mod drain;
mod enable;
mod pools;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::context::Context;
use crate::exit::Exit;

pub(super) use check::schema;
pub(super) use pools::{Pools, Told, too_few};

/// Look at the balancer in front of the servers, take servers out of it, and put them back.
///
/// The balancer is what the table `balancer` of the cluster file says. Where it
/// runs on several nodes, all of them are looked at and changed alike.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Lb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Check),
    Drain(drain::Drain),
    Enable(enable::Enable),
}

impl Lb {
    /// Whether this verb may change something.
    pub(super) fn changes(&self) -> bool {
        !matches!(self.verb, Verb::Check(_))
    }
}

pub(super) fn run(args: &Lb, context: &Context) -> Result<Exit> {
    match &args.verb {
        Verb::Check(args) => check::run(args, context),
        Verb::Drain(args) => drain::run(args, context),
        Verb::Enable(args) => enable::run(args, context),
    }
}
