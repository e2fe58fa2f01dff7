//! Planners of products, case by case: what was found and what is wanted stand in a file, and beside it what is planned.
//!
//! Run the tests with `UPDATE_EXPECTED=1` to write the expectations anew, and read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clusterctl::config::{Cluster, NodeName, PoolName};
use clusterctl::plan::text::{Style, Verbosity, render};
use clusterctl::plan::{Hooks, Plan, PoolState, RemotePath, ServiceState, Target};
use clusterctl::primitives::balance::{self, At};
use clusterctl::products::urbancode::cluster::Servers;
use clusterctl::products::urbancode::cycle::Patience;
use clusterctl::products::urbancode::facts::{Facts, Found, Maintenance, Work};
use clusterctl::products::urbancode::restart::{self, Options, Wish};
use clusterctl::products::urbancode::{connect, connections, convert};
use clusterctl::properties::Properties;
use serde::Deserialize;

/// A case, as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is wanted: `restart`, `start`, `stop`, `convert` or `connect`.
    verb: String,
    /// Of which servers; all without it.
    #[serde(default)]
    on: Vec<String>,
    /// The cluster file.
    cluster: String,
    /// What was found of each server.
    found: BTreeMap<String, FoundServer>,
    /// How many processes run in the cluster; none where no server answers.
    work: Option<i64>,
    /// Whether the cluster is kept from new work: `off`, `on`, or nothing where the version can't.
    maintenance: Option<String>,
    /// What each balancer has, by node, pool and server: `enabled`, `drained`, `out`, or `down` for one that is enabled
    /// and does not answer.
    #[serde(default)]
    pools: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// Whether what is left when the time is up may be lost.
    #[serde(default)]
    accept_loss: bool,
    /// The properties of the server, for `convert`.
    #[serde(default)]
    properties: String,
    /// The settings that were read.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// What is particular about pools.
    #[serde(default)]
    pool: BTreeMap<String, PoolLook>,
    /// Whether the version has cluster connections.
    #[serde(default = "yes")]
    has_connections: bool,
    /// The cluster connections that there are.
    #[serde(default)]
    connections: Vec<Connection>,
    /// Whether those that lead to no server are removed.
    #[serde(default)]
    prune: bool,
    /// Agents that are there.
    #[serde(default)]
    agents: Vec<String>,
}

/// A cluster connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connection {
    id: String,
    name: String,
    #[serde(default = "yes")]
    active: bool,
    host: String,
    #[serde(default = "jms")]
    port: u16,
}

fn jms() -> u16 {
    7918
}

/// What a pool is like, beyond the states of its servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolLook {
    #[serde(default = "yes")]
    keeps_sessions: bool,
    /// Where it finds its servers.
    #[serde(default)]
    addresses: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoundServer {
    version: String,
    /// Its process; without one it is stopped.
    process: Option<String>,
    #[serde(default = "yes")]
    answers: bool,
}

fn yes() -> bool {
    true
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plans/urbancode");
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    all.sort();
    all
}

fn target(node: &NodeName) -> Target {
    let state_dir = RemotePath::new("/var/lib/clusterctl");
    Target::at(node.to_string(), state_dir)
}

/// What the balancer of a node has of the servers that are meant.
fn at(
    node: &str,
    pools: &BTreeMap<String, BTreeMap<String, String>>,
    meant: &[PoolName],
    cluster: &Cluster,
) -> At {
    let node: NodeName = node.parse().unwrap();
    let mut found = Vec::new();
    for server in meant {
        for (pool, servers) in pools {
            let Some(state) = servers.get(server.as_str()) else {
                continue;
            };
            let others = servers
                .iter()
                .filter(|(name, state)| *name != server.as_str() && *state == "enabled");
            found.push(balance::Found {
                pool: pool.parse().unwrap(),
                server: server.clone(),
                state: match state.as_str() {
                    "enabled" | "down" => PoolState::Enabled,
                    "drained" => PoolState::Drained,
                    "out" => PoolState::Out,
                    other => panic!("{other}"),
                },
                serves: state == "enabled",
                others: others.count() as u64,
            });
        }
    }
    At {
        target: target(&node),
        node,
        socket: cluster.balancer().unwrap().socket.clone(),
        found,
    }
}

/// How it is done.
fn options(case: &Case, cluster: &Cluster, all: &[String]) -> Options {
    let balancer = cluster.balancer();
    Options {
        wish: match case.verb.as_str() {
            "restart" | convert::VERB | connect::VERB => Wish::Restart,
            "start" => Wish::Start,
            "stop" => Wish::Stop,
            other => panic!("{other}"),
        },
        patience: Patience {
            work: Duration::from_mins(30),
            accepts_loss: case.accept_loss,
            stop: Duration::from_mins(5),
            start: Duration::from_mins(10),
        },
        drain: balance::Drain {
            grace: Duration::from_secs(10),
            within: Duration::from_mins(5),
            accepts_loss: case.accept_loss,
            others: balancer
                .filter(|_| case.verb != convert::VERB)
                .map_or(0, |it| it.min_in_service),
        },
        made_by: "clusterctl test".to_owned(),
        made_at: jiff::Timestamp::UNIX_EPOCH,
        hooks: Hooks::default(),
        targets: all
            .iter()
            .map(|name| {
                let node: NodeName = name.parse().unwrap();
                let target = target(&node);
                (node, target)
            })
            .collect(),
    }
}

/// The plan that connects the servers.
fn connected(case: &Case, common: Facts, options: &Options) -> Result<Plan, String> {
    let connection = |it: &Connection| connections::Connection {
        id: it.id.clone(),
        name: it.name.clone(),
        active: it.active,
        host: it.host.clone(),
        port: it.port,
    };
    let all = case.connections.iter().map(connection).collect();
    let mut answering = common.servers.iter().filter(|it| it.answers);
    let facts = connections::Facts {
        through: answering.next().unwrap().server.clone(),
        connections: case.has_connections.then_some(all),
        ports: BTreeMap::new(),
        agents: case.agents.clone(),
        common,
    };
    let plan = connect::plan(&facts, case.prune, options);
    plan.map_err(|refused| refused.to_string())
}

/// The plan that converts the only server.
fn converted(case: &Case, common: Facts, options: &Options) -> Result<Plan, String> {
    let setting = |key: &str| case.settings.get(key).cloned();
    let found = common.servers[0].clone();
    let mut pools = Vec::new();
    for (node, of_node) in &case.pools {
        for (name, servers) in of_node {
            let look = case.pool.get(name);
            let address = |server: &String| {
                let given = look.and_then(|it| it.addresses.get(server));
                let address = given.cloned().unwrap_or_else(|| format!("{server}:8443"));
                (server.clone(), address)
            };
            pools.push(convert::Pool {
                node: node.parse().unwrap(),
                name: name.parse().unwrap(),
                keeps_sessions: look.is_none_or(|it| it.keeps_sessions),
                servers: servers.keys().map(address).collect(),
            });
        }
    }
    let facts = convert::Facts {
        common,
        properties: Properties::parse(case.properties.as_bytes()),
        settings: convert::Settings {
            agents: setting("externalURL"),
            users: setting("externalUserURL"),
            licenses: setting("licenseServerUrl"),
        },
        pools,
    };
    convert::plan(&facts, &found, options).map_err(|refused| match refused {
        convert::Refused::Broken(broken) => format!("{broken}\nhint: {}", broken.hint),
        other => other.to_string(),
    })
}

/// The plan of a case, or why there is none.
fn planned(case: &Case) -> String {
    let cluster = match Cluster::parse(&case.cluster, "cluster.toml") {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}"),
    };
    let servers = match Servers::of(&cluster) {
        Ok(servers) => servers,
        Err(missing) => return format!("refused: {missing}\nhint: {}\n", missing.hint),
    };
    let found = |name: &str| {
        let it = &case.found[name];
        let server = servers.get(&name.parse().unwrap()).unwrap().clone();
        Found {
            server,
            version: it.version.clone(),
            service: if it.process.is_some() {
                ServiceState::Running
            } else {
                ServiceState::Stopped
            },
            process: it.process.clone(),
            answers: it.process.is_some() && it.answers,
        }
    };
    let all: Vec<String> = servers.all.iter().map(|it| it.node.to_string()).collect();
    let on = if case.on.is_empty() { &all } else { &case.on };
    let meant: Vec<Found> = on.iter().map(|name| found(name)).collect();
    let names: Vec<PoolName> = meant
        .iter()
        .filter_map(|it| it.server.pool_name.clone())
        .collect();
    let facts = Facts {
        balancers: case
            .pools
            .iter()
            .map(|(node, pools)| at(node, pools, &names, &cluster))
            .collect(),
        servers: meant,
        others_answer: all
            .iter()
            .any(|name| !on.contains(name) && found(name).answers),
        work: match (
            case.work,
            all.iter().map(|name| found(name)).find(|it| it.answers),
        ) {
            (Some(count), Some(teller)) => Work::Runs(count, Box::new(teller.server)),
            _ if all.iter().all(|name| found(name).process.is_none()) => Work::NoServer,
            _ => Work::Unknown("no server answers".to_owned()),
        },
        maintenance: match case.maintenance.as_deref() {
            Some("off") => Maintenance::Off,
            Some("on") => Maintenance::On,
            None => Maintenance::Unsupported,
            Some(other) => panic!("{other}"),
        },
        cluster: servers,
    };
    let options = options(case, &cluster, &all);
    let plan = match case.verb.as_str() {
        convert::VERB => converted(case, facts, &options),
        connect::VERB => connected(case, facts, &options),
        _ => restart::plan(&facts, &options).map_err(|refused| refused.to_string()),
    };
    match plan {
        Err(refused) => format!("refused: {refused}\n"),
        Ok(plan) => {
            assert_eq!(plan.problems(), []);
            let style = Style {
                width: 120,
                colour: false,
                verbosity: Verbosity::Verbose,
            };
            render(&plan, &style)
        }
    }
}

#[test]
fn each_case_is_planned_as_it_stands_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let cases = cases();
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for path in cases {
        let text = fs::read_to_string(&path).unwrap();
        let case: Case =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let planned = planned(&case);
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &planned).unwrap();
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&planned) {
            wrong.push(format!("{}:\n{planned}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
