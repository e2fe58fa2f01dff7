//! `stop`.

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::global::Changing;
use super::servers::{Waiting, turn};
use crate::config::Selection;
use crate::exit::Exit;
use crate::products::urbancode::restart::Wish;

/// Take servers out of the balancer's pools, and stop them.
///
/// One after the other; each is stopped once it has no requests and nothing
/// runs in the cluster. `start` brings them back.
#[derive(Debug, Args)]
pub(super) struct Stop {
    /// The servers: names, @tags, patterns.
    #[arg(long, value_name = "NODES")]
    on: Selection,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Stop, context: &Context) -> Result<Exit> {
    let on = Some(&args.on);
    turn(Wish::Stop, on, &args.waiting, &args.changing, context)
}
