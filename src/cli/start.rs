//! `start`.

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::global::Changing;
use super::servers::{Waiting, turn};
use crate::config::Selection;
use crate::exit::Exit;
use crate::products::urbancode::restart::Wish;

/// Start servers that are stopped, and put them into the balancer's pools.
///
/// One after the other; each must answer, with the version that is installed,
/// before it gets requests.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The servers: names, @tags, patterns; all without it.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Start, context: &Context) -> Result<Exit> {
    let on = args.on.as_ref();
    turn(Wish::Start, on, &args.waiting, &args.changing, context)
}
