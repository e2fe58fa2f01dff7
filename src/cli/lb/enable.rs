//! `lb enable`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::pools::Pools;
use crate::cli::context::Context;
use crate::cli::decide::{Known, decide};
use crate::cli::global::{Changing, length};
use crate::config::Selection;
use crate::exit::Exit;
use crate::primitives::balance::{Wish, plan};

/// Put servers back into the balancer's pools.
///
/// Each is enabled, and must then be up by the balancer's own checks within the
/// time given; else it goes back to what it was. One that the balancer does not
/// check is believed to be up.
#[derive(Debug, Args)]
pub(in crate::cli) struct Enable {
    /// The nodes whose servers are put back: names, @tags, patterns.
    #[arg(value_name = "NODES")]
    nodes: Selection,

    /// How long a server may take to be up.
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "60s")]
    within: Duration,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Enable, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let pools = Pools::of(&cluster, context)?;
    let servers = pools.servers(&args.nodes)?;
    let at = pools.find(&servers)?;
    let wish = Wish::Enabled {
        within: args.within,
    };
    // Only taking out can leave too few.
    let plan = plan(&servers, &at, wish, &pools.circumstances())?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let known = Known::secrets(store, Vec::new());
    decide(context, &cluster, &args.changing, &plan, known, None)
}
