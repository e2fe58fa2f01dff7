//! `status`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::global::length;
use super::lb::{Pools, Told};
use super::servers::{Look, servers};
use super::signals::Listening;
use crate::balancer::haproxy::{Admin, Health, Pool};
use crate::config::{NodeName, PoolName};
use crate::engine::Interrupt;
use crate::exit::Exit;
use crate::plan::ServiceState;
use crate::products::urbancode::cluster::Servers;
use crate::products::urbancode::status::{self, Problem, State, Status as Found};
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};

/// Show the servers of the cluster on one screen: versions, services, pools, running work.
///
/// Exits with 3 when something is not as it should be, and with 50 when no node
/// could be reached.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Look again this often, until Ctrl-C.
    #[arg(long, value_name = "TIME", value_parser = length, num_args = 0..=1, default_missing_value = "5s")]
    watch: Option<Duration>,
}

/// What programs get to know.
#[derive(Debug, Serialize, JsonSchema)]
struct Line<'a> {
    /// The version of the lines.
    format: u32,
    servers: Vec<Server<'a>>,
    /// How many processes run or wait in the cluster.
    work: Option<i64>,
    /// Whether the cluster is kept from beginning new work.
    maintenance: Option<bool>,
    /// How many agents there are in each state.
    agents: &'a std::collections::BTreeMap<String, u64>,
    problems: Vec<Wrong<'a>>,
}

/// A server.
#[derive(Debug, Serialize, JsonSchema)]
struct Server<'a> {
    node: &'a NodeName,
    version: Option<&'a str>,
    /// `running` or `stopped`.
    service: Option<String>,
    /// The number of the process, and when it began, as the system counts.
    process: Option<&'a str>,
    answers: Option<bool>,
    /// What it is in each pool: the node of the balancer, the pool, the state and the health.
    pools: Vec<[String; 4]>,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Serialize, JsonSchema)]
struct Wrong<'a> {
    node: Option<&'a NodeName>,
    what: &'a str,
    hint: &'a str,
}

/// The JSON Schema of the lines that programs get.
pub(super) fn schema() -> schemars::Schema {
    schemars::schema_for!(Line<'static>)
}

pub(super) fn run(args: &Status, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let servers = servers(&cluster)?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let look = Look::new(&cluster, &servers, &store, context)?;
    let pools = cluster
        .balancer()
        .map(|_| Pools::of(&cluster, context))
        .transpose()?;
    let interrupt = Arc::new(Interrupt::default());
    let _listening = Listening::begin(Arc::clone(&interrupt), |_| {});
    loop {
        let asked = look.ask(&status::questions(&servers))?;
        let found = status::read(&servers, &asked.answers);
        let told = pools.as_ref().map(Pools::ask).unwrap_or_default();
        if args.watch.is_some() && matches!(context.out_look(), crate::view::Look::Terminal { .. })
        {
            // The screen is cleared, and the cursor goes to its beginning.
            context.io.out.print("\u{1b}[H\u{1b}[2J");
        }
        show(context, &servers, &found, &told);
        let again = args.watch.filter(|_| interrupt.times() == 0);
        let Some(pause) = again else {
            return Ok(if interrupt.times() > 0 {
                Exit::Interrupted
            } else if asked.away() == servers.all.len() {
                Exit::Unreachable
            } else if found.problems.is_empty() && problems(&told).is_empty() {
                Exit::Done
            } else {
                Exit::Differs
            });
        };
        // Whoever watches and has seen enough has not broken anything off.
        if !interrupt.asked().wait(pause) {
            return Ok(Exit::Done);
        }
    }
}

/// What the balancers have of a server, in each of their pools.
fn in_pools<'t>(
    told: &'t [Told],
    name: Option<&'t PoolName>,
) -> impl Iterator<Item = (&'t NodeName, &'t PoolName, Admin, Health)> {
    told.iter()
        .flat_map(|told| {
            let pools = told.pools.iter().flatten();
            pools.filter_map(|(pool, found)| Some((&told.node, pool, found.as_ref()?)))
        })
        .filter_map(move |(node, pool, found): (_, _, &Pool)| {
            let it = found.servers.get(name?.as_str())?;
            Some((node, pool, it.admin, it.health))
        })
}

/// The balancers that could not be asked.
fn problems(told: &[Told]) -> Vec<Problem> {
    let silent = told.iter().filter_map(|told| {
        let fault = told.pools.as_ref().err()?;
        Some(Problem {
            node: Some(told.node.clone()),
            what: fault.what.trim_end_matches('.').to_owned(),
            hint: fault
                .hint
                .clone()
                .unwrap_or_else(|| "clusterctl lb check".to_owned()),
        })
    });
    silent.collect()
}

fn show(context: &Context, servers: &Servers, found: &Found, told: &[Told]) {
    let silent = problems(told);
    let all: Vec<&Problem> = found.problems.iter().chain(&silent).collect();
    if context.global.json {
        let line = Line {
            format: 1,
            servers: lines(servers, found, told),
            work: found.whole.work,
            maintenance: found.whole.maintenance,
            agents: &found.whole.agents,
            problems: all
                .iter()
                .map(|it| Wrong {
                    node: it.node.as_ref(),
                    what: &it.what,
                    hint: &it.hint,
                })
                .collect(),
        };
        return context.print_json(&line);
    }
    let out = &context.io.out;
    out.print(&table(servers, found, told).render(context.out_look()));
    for line in in_words(found) {
        out.print(&format!("{line}\n"));
    }
    for it in all {
        let node = it
            .node
            .as_ref()
            .map_or_else(String::new, |node| format!("{node}: "));
        let text = format!("{node}{}.\n  hint: {}\n", it.what, it.hint);
        context.io.err.print(&text);
    }
}

/// What is known of the cluster as a whole.
fn in_words(found: &Found) -> Vec<String> {
    let whole = &found.whole;
    let mut lines = Vec::new();
    lines.extend(whole.work.map(|work| match work {
        0 => "nothing runs in the cluster".to_owned(),
        1 => "1 process runs or waits in the cluster".to_owned(),
        // The list that is counted has so many at most.
        100 => "100 processes or more run or wait in the cluster".to_owned(),
        many => format!("{many} processes run or wait in the cluster"),
    }));
    if !whole.agents.is_empty() {
        let counts = whole.agents.iter();
        let counts: Vec<String> = counts
            .map(|(state, count)| format!("{count} {}", state.to_lowercase()))
            .collect();
        lines.push(format!("agents: {}", counts.join(", ")));
    }
    lines
}

fn lines<'a>(servers: &'a Servers, found: &'a Found, told: &'a [Told]) -> Vec<Server<'a>> {
    let pairs = servers.all.iter().zip(&found.servers);
    pairs
        .map(|(server, state)| Server {
            node: &state.node,
            version: state.version.as_deref().ok(),
            service: state.service.as_ref().ok().map(ToString::to_string),
            process: state.process.as_ref().ok().and_then(Option::as_deref),
            answers: state.answers.as_ref().ok().copied(),
            pools: in_pools(told, server.pool_name.as_ref())
                .map(|(node, pool, admin, health)| {
                    [
                        node.to_string(),
                        pool.to_string(),
                        admin.to_string(),
                        health.to_string(),
                    ]
                })
                .collect(),
        })
        .collect()
}

fn table(servers: &Servers, found: &Found, told: &[Told]) -> Table {
    let mut table = Table::new([
        Column::new("node").whole(),
        Column::new("version"),
        Column::new("service").whole(),
        Column::new("process").goes(1),
        Column::new("answers").whole(),
        Column::new("pools"),
    ]);
    for (server, state) in servers.all.iter().zip(&found.servers) {
        table.row(row(server.pool_name.as_ref(), state, told));
    }
    table
}

fn row(name: Option<&PoolName>, state: &State, told: &[Told]) -> [Cell; 6] {
    let service = match &state.service {
        Ok(ServiceState::Running) => Cell::new("running").tone(Tone::Good),
        Ok(ServiceState::Stopped) => Cell::new("stopped").tone(Tone::Bad),
        Err(_) => Cell::new("?").tone(Tone::Warn),
    };
    let runs = state.service == Ok(ServiceState::Running);
    let answers = match &state.answers {
        _ if !runs => Cell::new(""),
        Ok(true) => Cell::new("yes").tone(Tone::Good),
        Ok(false) | Err(_) => Cell::new("no").tone(Tone::Bad),
    };
    let process = state.process.as_ref().ok().and_then(Option::as_deref);
    let mut well = true;
    let several = told.len() > 1;
    let pools: Vec<String> = in_pools(told, name)
        .map(|(node, pool, admin, health)| {
            well &= admin == Admin::Enabled && health != Health::Down;
            let place = if several {
                format!("{node}/{pool}")
            } else {
                pool.to_string()
            };
            match (admin, health) {
                (Admin::Enabled, Health::Unchecked) => format!("{place} enabled"),
                (Admin::Enabled, health) => format!("{place} {health}"),
                (admin, _) => format!("{place} {admin}"),
            }
        })
        .collect();
    let tone = if well { Tone::Good } else { Tone::Warn };
    [
        Cell::new(state.node.as_str()),
        Cell::new(state.version.as_deref().unwrap_or("?")),
        service,
        Cell::new(process.and_then(|it| it.split(' ').next()).unwrap_or("")),
        answers,
        Cell::new(pools.join(", ")).tone(tone),
    ]
}
