//! `lb drain`.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::pools::{Pools, too_few};
use crate::cli::context::Context;
use crate::cli::decide::{Known, decide};
use crate::cli::draining::Draining;
use crate::cli::global::Changing;
use crate::config::Selection;
use crate::exit::Exit;
use crate::primitives::balance::{Wish, plan};

/// Take servers out of the balancer's pools, so that nobody loses a request.
///
/// Each is drained first: it gets no new users. Once it has had no request for
/// `drain_grace`, it is taken out: users who used to come to it go to other
/// servers. Fails, and puts it back, when requests are left after `drain_timeout`.
/// Refused when fewer servers than `min_in_service` would serve in a pool then.
///
/// The server itself is neither stopped nor looked at.
#[derive(Debug, Args)]
pub(in crate::cli) struct Drain {
    /// The nodes whose servers are taken out: names, @tags, patterns.
    #[arg(value_name = "NODES")]
    nodes: Selection,

    #[command(flatten)]
    draining: Draining,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Drain, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let pools = Pools::of(&cluster, context)?;
    args.draining.check(Some(pools.balancer))?;
    let servers = pools.servers(&args.nodes)?;
    let at = pools.find(&servers)?;
    let wish = Wish::Out(args.draining.at(Some(pools.balancer)));
    let plan = plan(&servers, &at, wish, &pools.circumstances()).map_err(|few| too_few(&few))?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let known = Known::secrets(store, Vec::new());
    decide(context, &cluster, &args.changing, &plan, known, None)
}
