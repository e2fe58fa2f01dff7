//! `restart`.

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::global::Changing;
use super::servers::{Waiting, turn};
use crate::config::Selection;
use crate::exit::Exit;
use crate::products::urbancode::restart::Wish;

/// Restart servers, one after the other, while the others serve.
///
/// The cluster is kept from beginning new work where the product can do that.
/// Each server is taken out of the balancer's pools, stopped once nothing runs
/// in the cluster, started, seen to be another process that answers with the
/// right version, and put back.
#[derive(Debug, Args)]
pub(super) struct Restart {
    /// The servers: names, @tags, patterns; all without it.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Restart, context: &Context) -> Result<Exit> {
    let on = args.on.as_ref();
    turn(Wish::Restart, on, &args.waiting, &args.changing, context)
}
