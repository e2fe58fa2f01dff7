//! `convert`.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::context::Context;
use super::decide::{Known, decide};
use super::global::Changing;
use super::lb::Pools;
use super::refusal::Refusal;
use super::servers::{Look, Waiting, refused, servers, unclear};
use crate::config::{Cluster, NodeName, PoolName};
use crate::exit::Exit;
use crate::primitives::balance::At;
use crate::products::urbancode::cluster::{Server, Servers};
use crate::products::urbancode::convert::{self, Facts, Pool, Refused};
use crate::products::urbancode::facts;
use crate::products::urbancode::restart::Wish;

/// Make a stand-alone server the first of a cluster.
///
/// In one outage: the server is stopped once nothing runs on it, told that it
/// is one of several, and started. Then agents and users are given the
/// balancer's address, which is `url` in the cluster file. What a person must
/// do, such as installing a balancer that the cluster file does not name, is
/// asked for.
#[derive(Debug, Args)]
pub(super) struct Convert {
    /// The server; without it, the only one of the cluster file.
    #[arg(long, value_name = "NODE")]
    on: Option<NodeName>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Convert, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let mut common = servers(&cluster)?;
    let server = meant(&common, args.on.as_ref())?;
    // Those that will be added later need not be there yet.
    common.all = vec![server.clone()];
    args.waiting.check(&cluster)?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let mut options = args.waiting.options(Wish::Restart, &cluster, &common)?;
    // It is the only one that serves, and the plan says so.
    options.drain.others = 0;
    let look = Look::new(&cluster, &common, &store, context)?;
    let asked = look.ask(&convert::questions(&common))?;
    let on = [server.node.clone()];
    asked.refuse_lost(&on)?;
    let settings = convert::settings(&common, &server, &asked.answers).map_err(unclear)?;
    let properties = look.properties(&server.node, &convert::properties(&server))?;
    let (balancers, pools) = before(&cluster, &server, context)?;
    let common = facts::read(common, &on, &asked.answers, balancers).map_err(unclear)?;
    let Some(found) = common.servers.first().cloned() else {
        return Ok(Exit::Done);
    };
    let facts = Facts {
        common,
        properties,
        settings,
        pools,
    };
    let plan = convert::plan(&facts, &found, &options).map_err(why)?;
    let known = Known::secrets(store, Vec::new());
    decide(context, &cluster, &args.changing, &plan, known, None)
}

fn meant(common: &Servers, on: Option<&NodeName>) -> Result<Server, Refusal> {
    match (on, common.all.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, all) => {
            let names: Vec<_> = all.iter().map(|it| it.node.as_str()).collect();
            let what = format!(
                "the cluster file has {} servers, and one of them is stand-alone now: {}",
                all.len(),
                names.join(", ")
            );
            let hint = format!(
                "--on {}   (if that is the one)",
                names.first().unwrap_or(&"NODE")
            );
            Err(Refusal::usage(what).hint(hint))
        }
        (Some(node), _) => common.get(node).cloned().ok_or_else(|| {
            let what = format!("{node}: the cluster file does not say that it is a server");
            Refusal::usage(what).hint("role = \"server\"   (in the table of the node)")
        }),
    }
}

/// What is before the server: how the balancers have it, and what their pools are like.
fn before(cluster: &Cluster, server: &Server, context: &Context) -> Result<(Vec<At>, Vec<Pool>)> {
    if cluster.balancer().is_none() {
        return Ok((Vec::new(), Vec::new()));
    }
    let balancer = Pools::of(cluster, context)?;
    let told = balancer.ask();
    let mut pools = Vec::new();
    for one in &told {
        let known = one.pools.iter().flatten();
        pools.extend(known.filter_map(|(name, pool)| {
            let pool = pool.as_ref()?;
            let servers = pool.servers.iter();
            Some(Pool {
                node: one.node.clone(),
                name: name.clone(),
                keeps_sessions: pool.persistence.is_some(),
                servers: servers
                    .map(|(name, it)| (name.clone(), it.address.clone()))
                    .collect(),
            })
        }));
    }
    let names: Vec<PoolName> = server.pool_name.clone().into_iter().collect();
    Ok((balancer.find_in(told, &names)?, pools))
}

fn why(why: Refused) -> anyhow::Error {
    match why {
        Refused::Broken(broken) => {
            let refusal = Refusal::new(Exit::Forbidden, broken.to_string());
            refusal.hint(broken.hint).into()
        }
        Refused::Restart(why) => refused(&why),
        Refused::Edit(why) => {
            let hint = format!(
                "clusterctl props check --on {} --file {}",
                why.node, why.path
            );
            let refusal = Refusal::new(Exit::Forbidden, why.to_string()).hint(hint);
            anyhow::Error::from(why.error).context(refusal)
        }
    }
}
