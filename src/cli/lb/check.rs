//! `lb check`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::pools::{Pools, Told};
use crate::balancer::haproxy::{Admin, Health, Pool};
use crate::cli::context::Context;
use crate::config::{Balancer, Cluster, NodeName, PoolName};
use crate::engine::FaultKind;
use crate::exit::Exit;
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};

/// Show what serves in the balancer's pools, and what is wrong there.
///
/// Exits with 3 when the balancers differ, a pool has no server that serves, or
/// something else is not as it should be, and with 50 when none could be asked.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check;

/// What programs get to know of a server in a pool, or of what is wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Line<'a> {
    /// A server.
    Server {
        /// The version of the lines.
        format: u32,
        /// The node on which the balancer runs.
        balancer: &'a NodeName,
        pool: &'a PoolName,
        server: &'a str,
        /// The node whose server it is, if the cluster file has it.
        node: Option<&'a NodeName>,
        /// `enabled`, `drained` or `out`.
        state: String,
        /// `up`, `settling`, `down` or `unchecked`.
        health: String,
        /// How many requests it works on or has waiting.
        requests: u64,
        /// Where the balancer finds it.
        address: &'a str,
    },
    /// Something that is not as it should be.
    Problem {
        /// The version of the lines.
        format: u32,
        /// The node on which the balancer runs.
        balancer: &'a NodeName,
        what: &'a str,
        hint: &'a str,
    },
}

/// The JSON Schema of the lines that programs get.
pub(in crate::cli) fn schema() -> schemars::Schema {
    schemars::schema_for!(Line<'static>)
}

/// Something that is not as it should be.
struct Problem {
    node: NodeName,
    what: String,
    hint: String,
}

pub(super) fn run(_: &Check, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let pools = Pools::of(&cluster, context)?;
    let told = pools.ask();
    let names = names(&cluster, pools.balancer);
    let problems = problems(&told, pools.balancer, &names);
    if context.global.json {
        print_lines(context, &told, &names, &problems);
    } else {
        let table = table(&told, &names);
        if !table.is_empty() {
            context.io.out.print(&table.render(context.out_look()));
        }
        for Problem { node, what, hint } in &problems {
            context
                .io
                .err
                .print(&format!("{node}: {what}.\n  hint: {hint}\n"));
        }
    }
    let unreached = |told: &&Told| {
        let fault = told.pools.as_ref().err();
        fault.is_some_and(|fault| fault.kind == FaultKind::Unreachable)
    };
    Ok(if told.iter().filter(unreached).count() == told.len() {
        Exit::Unreachable
    } else if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Differs
    })
}

/// The nodes by the names of their servers in the pools.
fn names<'a>(cluster: &'a Cluster, balancer: &Balancer) -> BTreeMap<&'a str, &'a NodeName> {
    cluster
        .nodes()
        .filter(|node| !balancer.nodes.contains(&node.name))
        .filter_map(|node| Some((node.pool_name.as_ref()?.as_str(), &node.name)))
        .collect()
}

fn servers(told: &[Told]) -> impl Iterator<Item = (&NodeName, &PoolName, &Pool)> {
    told.iter().flat_map(|told| {
        let pools = told.pools.iter().flatten();
        pools.filter_map(|(name, pool)| Some((&told.node, name, pool.as_ref()?)))
    })
}

fn table(told: &[Told], names: &BTreeMap<&str, &NodeName>) -> Table {
    let mut table = Table::new([
        Column::new("balancer").whole().goes(3),
        Column::new("pool").whole(),
        Column::new("server").whole(),
        Column::new("node").goes(2),
        Column::new("address").goes(1),
        Column::new("state").whole(),
        Column::new("health").whole(),
        Column::new("requests").right(),
    ]);
    for (node, name, pool) in servers(told) {
        for (server, it) in &pool.servers {
            let state = match it.admin {
                Admin::Enabled => Tone::Good,
                Admin::Drained | Admin::Out => Tone::Warn,
            };
            let health = match it.health {
                Health::Up => Tone::Good,
                Health::Down => Tone::Bad,
                Health::Settling | Health::Unchecked => Tone::Warn,
            };
            table.row([
                Cell::new(node.as_str()),
                Cell::new(name.as_str()),
                Cell::new(server),
                Cell::new(names.get(server.as_str()).map_or("-", |it| it.as_str())),
                Cell::new(&it.address),
                Cell::new(it.admin.to_string()).tone(state),
                Cell::new(it.health.to_string()).tone(health),
                Cell::new(it.requests.to_string()),
            ]);
        }
    }
    table
}

fn print_lines(
    context: &Context,
    told: &[Told],
    names: &BTreeMap<&str, &NodeName>,
    problems: &[Problem],
) {
    for (balancer, name, pool) in servers(told) {
        for (server, it) in &pool.servers {
            context.print_json(&Line::Server {
                format: 1,
                balancer,
                pool: name,
                server,
                node: names.get(server.as_str()).copied(),
                state: it.admin.to_string(),
                health: it.health.to_string(),
                requests: it.requests,
                address: &it.address,
            });
        }
    }
    for Problem { node, what, hint } in problems {
        context.print_json(&Line::Problem {
            format: 1,
            balancer: node,
            what,
            hint,
        });
    }
}

fn problems(told: &[Told], balancer: &Balancer, names: &BTreeMap<&str, &NodeName>) -> Vec<Problem> {
    let mut found = Vec::new();
    for one in told {
        let mut say = |what: String, hint: String| {
            found.push(Problem {
                node: one.node.clone(),
                what,
                hint,
            });
        };
        match &one.pools {
            Err(fault) => {
                let what = fault.what.trim_end_matches('.').to_owned();
                let hint = fault
                    .hint
                    .clone()
                    .unwrap_or_else(|| format!("clusterctl check --reach --on {}", one.node));
                say(what, hint);
            }
            Ok(pools) => {
                for (name, pool) in pools {
                    judge(name, pool.as_ref(), balancer, names, &mut say);
                }
            }
        }
    }
    differences(told, &mut found);
    found
}

fn judge(
    name: &PoolName,
    pool: Option<&Pool>,
    balancer: &Balancer,
    names: &BTreeMap<&str, &NodeName>,
    say: &mut dyn FnMut(String, String),
) {
    let Some(pool) = pool else {
        let what = format!("HAProxy has no backend `{name}`");
        let hint = "correct `pools` in the table [balancer] of the cluster file, or haproxy.cfg";
        return say(what, hint.to_owned());
    };
    for (server, it) in &pool.servers {
        if it.admin == Admin::Enabled && it.health == Health::Down {
            let what = format!("{server} in pool {name} does not answer HAProxy's checks");
            let hint = format!(
                "see whether its service runs, and listens at {}",
                it.address
            );
            say(what, hint);
        }
        if it.admin != Admin::Enabled
            && let Some(node) = names.get(server.as_str())
        {
            let what = format!("{server} in pool {name} is {}", it.admin);
            say(
                what,
                format!("clusterctl lb enable {node}   (puts it back)"),
            );
        }
    }
    let serving = pool.servers.values().filter(|it| it.serves()).count();
    if serving < usize::try_from(balancer.min_in_service).unwrap_or(usize::MAX) {
        let what = format!(
            "{serving} servers serve in pool {name}; at least {} must",
            balancer.min_in_service
        );
        say(
            what,
            "start more of them, or put them back with lb enable".to_owned(),
        );
    }
    if pool.servers.len() > 1 && pool.persistence.is_none() {
        let what = format!("pool {name} has no session persistence that can be seen");
        let hint = format!(
            "in haproxy.cfg, under `backend {name}`: cookie SERVERID insert indirect nocache, and cookie NAME on each server"
        );
        say(what, hint);
    }
}

/// Balancers that stand in for each other must have the same servers in the same states.
fn differences(told: &[Told], found: &mut Vec<Problem>) {
    let known: Vec<_> = told
        .iter()
        .filter_map(|told| Some((&told.node, told.pools.as_ref().ok()?)))
        .collect();
    let Some(((first, reference), others)) = known.split_first() else {
        return;
    };
    let state = |pools: &[(PoolName, Option<Pool>)], name: &PoolName, server: &str| {
        let pool = pools.iter().find(|(it, _)| it == name)?.1.as_ref()?;
        pool.servers.get(server).map(|it| it.admin)
    };
    for (node, pools) in others {
        for (name, _) in *reference {
            let servers: BTreeSet<&str> = [reference, pools]
                .iter()
                .flat_map(|pools| pools.iter())
                .filter(|(it, _)| it == name)
                .filter_map(|(_, pool)| pool.as_ref())
                .flat_map(|pool| pool.servers.keys().map(String::as_str))
                .collect();
            for server in servers {
                let (here, there) = (state(pools, name, server), state(reference, name, server));
                if here != there {
                    let word = |it: Option<Admin>| {
                        it.map_or_else(|| "not there".to_owned(), |it| it.to_string())
                    };
                    found.push(Problem {
                        node: (*node).clone(),
                        what: format!(
                            "{server} in pool {name} is {} here and {} on {first}",
                            word(here),
                            word(there)
                        ),
                        hint: "make them alike with lb drain or lb enable, or by one haproxy.cfg for both".to_owned(),
                    });
                }
            }
        }
    }
}
