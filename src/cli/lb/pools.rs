//! What the balancer tells of its pools, on all of its nodes.

use std::sync::Arc;

use anyhow::Result;

use crate::balancer::haproxy::{Admin, Health, Pool};
use crate::cli::context::{Context, TOOL, hooks, target};
use crate::cli::reach::Reach;
use crate::cli::refusal::Refusal;
use crate::config::{Balancer, Cluster, NodeName, PoolName, Selection, nearest};
use crate::engine::Fault;
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{Millis, PoolState};
use crate::primitives::balance::{At, Circumstances, Found, TooFew};
use crate::world::Nodes;

/// How long a look at a balancer may take.
const LOOK: Millis = Millis::secs(30);

/// On how many nodes at once.
const WIDTH: usize = 32;

/// The balancer of the cluster file, and the way to it.
pub(in crate::cli) struct Pools<'a> {
    cluster: &'a Cluster,
    pub(super) balancer: &'a Balancer,
    pub(super) reach: Arc<Reach>,
    world: Nodes,
}

/// What a node's balancer tells of each pool; nothing of one that it does not have.
pub(in crate::cli) struct Told {
    pub(in crate::cli) node: NodeName,
    pub(in crate::cli) pools: Result<Vec<(PoolName, Option<Pool>)>, Fault>,
}

impl<'a> Pools<'a> {
    pub(in crate::cli) fn of(cluster: &'a Cluster, context: &Context) -> Result<Self> {
        let Some(balancer) = cluster.balancer() else {
            return Err(Refusal::usage("the cluster file names no balancer")
                .hint("give it a table [balancer]: kind = \"haproxy\", nodes = [...], pools = [...]; templates/cluster.toml tells of it")
                .into());
        };
        let nodes: Vec<_> = balancer
            .nodes
            .iter()
            .filter_map(|it| cluster.node(it))
            .collect();
        let reach = Arc::new(Reach::new(cluster, &nodes)?);
        reach.fetch()?;
        reach.explain(context);
        let targets = nodes
            .iter()
            .map(|node| Ok((node.name.clone(), target(cluster, node)?)))
            .collect::<Result<_>>()?;
        let secrets = Arc::new(cluster.secret_store().with_terminal());
        let world = Nodes::new(&targets, secrets, Arc::clone(&reach) as Arc<_>);
        Ok(Self {
            cluster,
            balancer,
            reach,
            world,
        })
    }

    /// Asks the balancers on all nodes.
    pub(in crate::cli) fn ask(&self) -> Vec<Told> {
        each(&self.reach.nodes(), WIDTH, |node| Told {
            node: node.clone(),
            pools: self
                .balancer
                .pools
                .iter()
                .map(|pool| {
                    let socket = &self.balancer.socket;
                    let found = self.world.haproxy_pool(node, socket, pool, LOOK)?;
                    Ok((pool.clone(), found))
                })
                .collect(),
        })
    }

    /// The names that the servers of nodes have in the pools.
    pub(super) fn servers(&self, on: &Selection) -> Result<Vec<PoolName>> {
        let nodes = self.cluster.select(on)?;
        let mut names = Vec::new();
        for node in nodes {
            if self.balancer.nodes.contains(&node.name) {
                let what = format!("{}: the balancer itself runs there", node.name);
                return Err(Refusal::usage(what)
                    .hint("name the nodes whose servers stand in its pools")
                    .into());
            }
            let Some(name) = &node.pool_name else {
                let what = format!("{}: its name can't be one in a pool", node.name);
                return Err(Refusal::usage(what).hint("give it a pool_name").into());
            };
            names.push(name.clone());
        }
        Ok(names)
    }

    /// What all balancers have of these servers. Each must know each, in at least one pool.
    pub(in crate::cli) fn find(&self, servers: &[PoolName]) -> Result<Vec<At>> {
        self.find_in(self.ask(), servers)
    }

    /// What all balancers have of those of these servers that they know: one that is in no pool gets no requests.
    pub(in crate::cli) fn find_known(&self, servers: &[PoolName]) -> Result<Vec<At>> {
        let told = self.ask();
        let is_known = |server: &&PoolName| {
            let pools = told.iter().flat_map(|told| told.pools.iter().flatten());
            let mut pools = pools.filter_map(|(_, pool)| pool.as_ref());
            pools.any(|pool| pool.servers.contains_key(server.as_str()))
        };
        let known: Vec<PoolName> = servers.iter().filter(is_known).cloned().collect();
        self.find_in(told, &known)
    }

    /// The same, of what was told already.
    pub(in crate::cli) fn find_in(&self, told: Vec<Told>, servers: &[PoolName]) -> Result<Vec<At>> {
        let mut all = Vec::new();
        for Told { node, pools } in told {
            let pools = pools.map_err(|fault| {
                anyhow::Error::from(fault)
                    .context(format!("{node}: the balancer could not be asked"))
            })?;
            if let Some((missing, _)) = pools.iter().find(|(_, pool)| pool.is_none()) {
                let what = format!("{node}: HAProxy has no backend `{missing}`");
                return Err(Refusal::new(Exit::Forbidden, what)
                    .hint("correct `pools` in the table [balancer] of the cluster file")
                    .into());
            }
            let found = |server: &PoolName| {
                let in_pool = |(name, pool): &(PoolName, Option<Pool>)| {
                    let pool = pool.as_ref()?;
                    let it = pool.servers.get(server.as_str())?;
                    Some(Found {
                        pool: name.clone(),
                        server: server.clone(),
                        state: match it.admin {
                            Admin::Enabled => PoolState::Enabled,
                            Admin::Drained => PoolState::Drained,
                            Admin::Out => PoolState::Out,
                        },
                        serves: it.admin == Admin::Enabled && it.health != Health::Down,
                        others: pool.others_that_serve(server.as_str()),
                    })
                };
                pools.iter().filter_map(in_pool).collect::<Vec<_>>()
            };
            let mut here = Vec::new();
            for server in servers {
                let found = found(server);
                if found.is_empty() {
                    return Err(unknown(&node, server, &pools));
                }
                here.extend(found);
            }
            let Some(target) = self.reach.target(&node) else {
                continue;
            };
            all.push(At {
                target: target.clone(),
                node,
                socket: self.balancer.socket.clone(),
                found: here,
            });
        }
        Ok(all)
    }

    /// Everything else that a plan needs.
    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            made_by: TOOL.to_owned(),
            made_at: jiff::Timestamp::now(),
            hooks: hooks(self.cluster),
        }
    }
}

/// How it is told that too few servers would serve.
pub(in crate::cli) fn too_few(few: &TooFew) -> anyhow::Error {
    Refusal::new(Exit::Forbidden, few.to_string())
        .hint("clusterctl lb check   (shows what serves)")
        .hint(format!(
            "--min-in-service {}   (takes it out all the same)",
            few.others
        ))
        .into()
}

fn unknown(
    node: &NodeName,
    server: &PoolName,
    pools: &[(PoolName, Option<Pool>)],
) -> anyhow::Error {
    let known = || {
        let pools = pools.iter().filter_map(|(_, pool)| pool.as_ref());
        pools.flat_map(|pool| pool.servers.keys().map(String::as_str))
    };
    let what = format!("{node}: HAProxy has no server `{server}` in any of the pools");
    let near = nearest(server.as_str(), known()).map_or_else(
        || {
            "write the name that it has behind `server` in haproxy.cfg as pool_name of its node"
                .to_owned()
        },
        |near| format!("pool_name = \"{near}\"   (in the table of its node, if that is the one)"),
    );
    Refusal::new(Exit::Forbidden, what).hint(near).into()
}
