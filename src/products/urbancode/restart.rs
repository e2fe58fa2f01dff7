//! `restart`, `start`, `stop`: servers one after the other, so that the cluster serves meanwhile.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::cycle::Patience;
use super::facts::{Facts, Found};
use super::turn::Turn;
use crate::config::{NodeName, PoolName};
use crate::plan::{FORMAT, Hooks, Plan, ServiceState, Stage, Target};
use crate::primitives::balance;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Stopped and started again.
    Restart,
    /// Started.
    Start,
    /// Stopped.
    Stop,
}

impl Wish {
    /// The verb.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// How it is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is wanted.
    pub wish: Wish,
    /// How patient the steps at the servers are.
    pub patience: Patience,
    /// How patient those at the balancers are, and how many servers must serve meanwhile.
    pub drain: balance::Drain,
    /// The program and its version.
    pub made_by: String,
    /// The time.
    pub made_at: Timestamp,
    /// Commands around the steps.
    pub hooks: Hooks,
    /// Where the nodes of servers are reached.
    pub targets: Vec<(NodeName, Target)>,
}

/// Why no plan was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too few servers would serve.
    #[error(transparent)]
    TooFew(#[from] balance::TooFew),
    /// A server that shall be restarted does not run.
    #[error("{0}: the server does not run, so it can't be restarted")]
    NotRunning(NodeName),
    /// Servers run, and none tells what runs in the cluster.
    #[error("no server tells whether work is left in the cluster: {0}")]
    Silent(String),
    /// Somebody is about to take the server out of a pool.
    #[error("{node}: {server} is drained in pool {pool}, so somebody is about to take it out")]
    Drained {
        /// The balancer's node.
        node: NodeName,
        /// The server.
        server: PoolName,
        /// The pool.
        pool: PoolName,
    },
}

/// Plans it. The plan is empty where nothing is left to wish for.
pub fn plan(facts: &Facts, options: &Options) -> Result<Plan, Refused> {
    let wish = options.wish;
    let wanted: Vec<&Found> = facts
        .servers
        .iter()
        .filter(|it| is_left(it, wish))
        .collect();
    let turn = Turn {
        verb: wish.verb(),
        facts,
        options,
    };
    let stages = turn.stages(&wanted)?;
    Ok(whole(facts, options, &wanted, stages))
}

/// Whether anything is left to do for a server.
fn is_left(found: &Found, wish: Wish) -> bool {
    match wish {
        Wish::Restart => true,
        Wish::Start => found.service == ServiceState::Stopped,
        Wish::Stop => found.service == ServiceState::Running,
    }
}

fn whole(facts: &Facts, options: &Options, wanted: &[&Found], stages: Vec<Stage>) -> Plan {
    let all: Vec<String> = facts
        .servers
        .iter()
        .map(|it| it.server.node.to_string())
        .collect();
    let names = if wanted.is_empty() {
        all.join(", ")
    } else {
        let left: Vec<String> = wanted.iter().map(|it| it.server.node.to_string()).collect();
        left.join(", ")
    };
    let what = match options.wish {
        Wish::Restart => "Restart",
        Wish::Start => "Start",
        Wish::Stop => "Stop",
    };
    Plan {
        format: FORMAT,
        verb: options.wish.verb().to_owned(),
        title: format!("{what} the UrbanCode Deploy server on {names}"),
        made_by: options.made_by.clone(),
        made_at: options.made_at,
        starts_as: match (options.wish, stages.is_empty()) {
            (Wish::Start, true) => format!("{names}: runs already"),
            (Wish::Stop, true) => format!("{names}: stopped already"),
            (Wish::Restart | Wish::Stop, _) => "serving".to_owned(),
            (Wish::Start, false) => "stopped".to_owned(),
        },
        nodes: used(facts, options, &stages),
        hooks: options.hooks.clone(),
        stages,
    }
}

/// The nodes of all lanes, and where they are reached; all nodes where there is none.
pub(super) fn used(
    facts: &Facts,
    options: &Options,
    stages: &[Stage],
) -> BTreeMap<NodeName, Target> {
    let balancers = facts.balancers.iter();
    let balancers = balancers.map(|at| (at.node.clone(), at.target.clone()));
    let is_used = |node: &NodeName| {
        let mut lanes = stages.iter().flat_map(|stage| &stage.lanes);
        stages.is_empty() || lanes.any(|lane| lane.node == *node)
    };
    let all = options.targets.iter().cloned().chain(balancers);
    all.filter(|(node, _)| is_used(node)).collect()
}
