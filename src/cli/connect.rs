//! `connect`.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::decide::{Known, decide};
use super::global::Changing;
use super::lb::Pools;
use super::refusal::Refusal;
use super::servers::{Look, Waiting, refused, servers, unclear};
use crate::config::{NodeName, PoolName};
use crate::exit::Exit;
use crate::products::urbancode::connect;
use crate::products::urbancode::connections::{self, Stray, Unread};
use crate::products::urbancode::facts;
use crate::products::urbancode::restart::Wish;

/// Give each server of the cluster its cluster connection.
///
/// They are made through one server, which uses them at once; the others are
/// restarted, one after the other, while the rest serve. Then it is measured
/// that each reaches the others by JMS, and agents are asked through each.
/// Versions whose servers connect by themselves need none.
#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The server through which they are made; without it, the first that answers.
    #[arg(long, value_name = "NODE")]
    through: Option<NodeName>,

    /// Also remove connections that lead to no server of the cluster file.
    #[arg(long)]
    prune: bool,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Connect, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let common = servers(&cluster)?;
    let through = args.through.as_ref();
    if let Some(node) = through
        && common.get(node).is_none()
    {
        let what = format!("{node}: the cluster file does not say that it is a server");
        return Err(Refusal::usage(what)
            .hint("role = \"server\"   (in the table of the node)")
            .into());
    }
    args.waiting.check(&cluster)?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let options = args.waiting.options(Wish::Restart, &cluster, &common)?;
    let asked =
        Look::new(&cluster, &common, &store, context)?.ask(&connections::questions(&common))?;
    let all: Vec<NodeName> = common.all.iter().map(|it| it.node.clone()).collect();
    asked.refuse_lost(&all)?;
    let names = common.all.iter().filter_map(|it| it.pool_name.clone());
    let names: Vec<PoolName> = names.collect();
    // A server is connected before it is put into pools.
    let balancers = match cluster.balancer() {
        Some(_) => Pools::of(&cluster, context)?.find_known(&names)?,
        None => Vec::new(),
    };
    let common = facts::read(common, &all, &asked.answers, balancers).map_err(unclear)?;
    let facts = connections::read(common, through, &asked.answers).map_err(unread)?;
    if !args.prune {
        for stray in facts.strays() {
            let Stray { connection, leads } = stray;
            context.io.err.print(&format!(
                "The connection `{}` to {}:{} leads to {leads}.\n  hint: clusterctl connect --prune   (removes it)\n",
                connection.name, connection.host, connection.port
            ));
        }
    }
    let plan = connect::plan(&facts, args.prune, &options).map_err(|why| refused(&why))?;
    let known = Known::secrets(store, Vec::new());
    decide(context, &cluster, &args.changing, &plan, known, None)
}

fn unread(why: Unread) -> anyhow::Error {
    match why {
        Unread::Unclear(why) => unclear(why),
        Unread::Silent(_) => Refusal::new(Exit::Forbidden, why.to_string())
            .hint("clusterctl status   (shows which servers answer)")
            .hint("--through NODE   (asks another one)")
            .into(),
        Unread::Odd { .. } => Refusal::new(Exit::Forbidden, why.to_string())
            .hint("see whether `url` of the node in the cluster file is the server's own")
            .into(),
    }
}
