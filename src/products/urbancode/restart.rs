//! `restart`, `start`, `stop`: servers one after the other, so that the cluster serves meanwhile.

use jiff::Timestamp;

use super::cluster::Server;
use super::cycle::{Cycle, Patience};
use super::facts::{Facts, Found, Maintenance, Work};
use crate::config::{NodeName, PoolName};
use crate::plan::{
    FORMAT, Hooks, Lane, OnFailure, OnTimeout, Plan, PoolState, ServiceState, Stage, Step, Target,
};
use crate::primitives::balance::{self, Moves};

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
    let cycle = Cycle {
        verb: wish.verb(),
        cluster: &facts.cluster,
        patience: options.patience,
    };
    let wanted: Vec<&Found> = facts
        .servers
        .iter()
        .filter(|it| is_left(it, wish))
        .collect();
    if wish == Wish::Restart
        && let Some(stopped) = wanted.iter().find(|it| it.process.is_none())
    {
        return Err(Refused::NotRunning(stopped.server.node.clone()));
    }
    let takes_out = wish != Wish::Start;
    if takes_out
        && !options.patience.accepts_loss
        && !wanted.is_empty()
        && let Work::Unknown(why) = &facts.work
    {
        return Err(Refused::Silent(why.clone()));
    }
    if wish == Wish::Restart {
        refuse_drained(facts, &wanted)?;
    }
    let mut stages = Vec::new();
    // It is given back in the end by a server that runs by then.
    let holds = takes_out
        && !wanted.is_empty()
        && facts.maintenance == Maintenance::Off
        && (wish == Wish::Restart || facts.others_answer);
    let holder = holder(facts, &wanted).filter(|_| holds);
    if let Some(node) = holder {
        let steps = vec![cycle.hold_work(node)];
        stages.push(one("hold new work", node, steps, OnFailure::ReturnLane));
    }
    for (at, found) in wanted.iter().enumerate() {
        // What a plan takes_out, it does not count on for what it takes_out later.
        let before: Vec<PoolName> = if wish == Wish::Stop {
            let earlier = wanted[..at].iter();
            earlier
                .filter_map(|it| it.server.pool_name.clone())
                .collect()
        } else {
            Vec::new()
        };
        let node = &found.server.node;
        let teller = teller(facts, &wanted, found);
        if takes_out {
            if let Some(teller) = teller {
                let steps = vec![cycle.wait_for_work(&found.server, teller, false)];
                let name = format!("wait for work before {node}");
                stages.push(one(&name, node, steps, OnFailure::Stop));
            }
            out(facts, options, found, &before, &mut stages)?;
        }
        let on_failure = if wish == Wish::Restart {
            OnFailure::Stop
        } else {
            OnFailure::ReturnLane
        };
        stages.push(one(
            &format!("{} {node}", wish.verb()),
            node,
            at_server(&cycle, found, teller, wish),
            on_failure,
        ));
        if wish != Wish::Stop {
            back(facts, options, found, &mut stages);
        }
    }
    if let Some(node) = holder {
        let steps = vec![cycle.release_work(node)];
        stages.push(one("let new work begin", node, steps, OnFailure::Stop));
    }
    Ok(whole(facts, options, &wanted, stages))
}

/// For which node new work is held: a balancer's, which is not stopped, or else the first server's.
fn holder<'f>(facts: &'f Facts, wanted: &[&'f Found]) -> Option<&'f NodeName> {
    let balancer = facts.balancers.first().map(|at| &at.node);
    balancer.or_else(|| wanted.first().map(|it| &it.server.node))
}

/// By which server the cluster's work is told while another is taken out and stopped: by that one itself, or by one that
/// runs until then.
fn teller<'f>(facts: &'f Facts, wanted: &[&Found], found: &'f Found) -> Option<&'f Server> {
    let Work::Runs(_, teller) = &facts.work else {
        return None;
    };
    let stays = wanted
        .iter()
        .all(|it| it.server.node != teller.node || it.server.node == found.server.node);
    if found.answers && !stays {
        return Some(&found.server);
    }
    Some(teller)
}

/// Who drains a server has begun something that a restart would cross.
fn refuse_drained(facts: &Facts, wanted: &[&Found]) -> Result<(), Refused> {
    for at in &facts.balancers {
        let drained = at.found.iter().filter(|it| it.state == PoolState::Drained);
        for it in drained {
            let meant = wanted
                .iter()
                .any(|found| found.server.pool_name.as_ref() == Some(&it.server));
            if meant {
                return Err(Refused::Drained {
                    node: at.node.clone(),
                    server: it.server.clone(),
                    pool: it.pool.clone(),
                });
            }
        }
    }
    Ok(())
}

/// What is done at the server itself.
fn at_server(cycle: &Cycle<'_>, found: &Found, teller: Option<&Server>, wish: Wish) -> Vec<Step> {
    let server = &found.server;
    let mut steps = Vec::new();
    if wish != Wish::Start {
        steps.extend(teller.map(|teller| cycle.wait_for_work(server, teller, true)));
        steps.push(cycle.stop(found, teller, wish == Wish::Stop));
    }
    if wish != Wish::Stop {
        let ends = wish == Wish::Restart;
        steps.push(cycle.start(server, found.process.as_deref(), ends));
        steps.extend(cycle.prove(found));
    }
    steps
}

/// Whether anything is left to do for a server.
fn is_left(found: &Found, wish: Wish) -> bool {
    match wish {
        Wish::Restart => true,
        Wish::Start => found.service == ServiceState::Stopped,
        Wish::Stop => found.service == ServiceState::Running,
    }
}

/// Takes a server out of the pools in which it serves, at all balancers side by side.
fn out(
    facts: &Facts,
    options: &Options,
    found: &Found,
    before: &[PoolName],
    stages: &mut Vec<Stage>,
) -> Result<(), Refused> {
    let Some(name) = &found.server.pool_name else {
        return Ok(());
    };
    let mut lanes = Vec::new();
    for at in &facts.balancers {
        let moves = Moves {
            verb: options.wish.verb(),
            at,
            temporary: options.wish == Wish::Restart,
            on_timeout: OnTimeout::GiveBack,
        };
        let enabled: Vec<_> = at
            .found
            .iter()
            .filter(|it| it.server == *name && it.state != PoolState::Out)
            .collect();
        moves.refuse_too_few(&enabled, before, options.drain.others)?;
        let steps = moves.out(&enabled, options.drain);
        if !steps.is_empty() {
            lanes.push(Lane {
                node: at.node.clone(),
                steps,
            });
        }
    }
    side_by_side(
        &format!("take {name} out"),
        lanes,
        on_failure(options),
        stages,
    );
    Ok(())
}

/// Puts a server back into the pools in which it served, or, when it was stopped before, into all.
fn back(facts: &Facts, options: &Options, found: &Found, stages: &mut Vec<Stage>) {
    let Some(name) = &found.server.pool_name else {
        return;
    };
    let mut lanes = Vec::new();
    for at in &facts.balancers {
        let restarts = options.wish == Wish::Restart;
        let moves = Moves {
            verb: options.wish.verb(),
            at,
            temporary: restarts,
            on_timeout: OnTimeout::GiveBack,
        };
        let served = |it: &&balance::Found| {
            it.server == *name && (it.state == PoolState::Enabled) == restarts
        };
        let served: Vec<balance::Found> = at
            .found
            .iter()
            .filter(served)
            .cloned()
            .map(|mut it| {
                if restarts {
                    it.state = PoolState::Out;
                }
                it
            })
            .collect();
        let steps = moves.back(&served.iter().collect::<Vec<_>>(), options.patience.start);
        if !steps.is_empty() {
            lanes.push(Lane {
                node: at.node.clone(),
                steps,
            });
        }
    }
    side_by_side(
        &format!("put {name} back"),
        lanes,
        on_failure(options),
        stages,
    );
}

/// What was changed for a time is given back by itself, or goes on from where it is: a lane that is returned would not
/// know what a later step has put back.
fn on_failure(options: &Options) -> OnFailure {
    if options.wish == Wish::Restart {
        OnFailure::Stop
    } else {
        OnFailure::ReturnLane
    }
}

fn side_by_side(name: &str, lanes: Vec<Lane>, on_failure: OnFailure, stages: &mut Vec<Stage>) {
    if lanes.is_empty() {
        return;
    }
    stages.push(Stage {
        width: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
        on_failure,
        ..Stage::in_turn(name, lanes)
    });
}

fn one(name: &str, node: &NodeName, steps: Vec<Step>, on_failure: OnFailure) -> Stage {
    let lane = Lane {
        node: node.clone(),
        steps,
    };
    Stage {
        on_failure,
        ..Stage::in_turn(name, vec![lane])
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
    let mut targets: Vec<(NodeName, Target)> = options.targets.clone();
    targets.extend(
        facts
            .balancers
            .iter()
            .map(|at| (at.node.clone(), at.target.clone())),
    );
    let used = |node: &NodeName| {
        let mut lanes = stages.iter().flat_map(|stage| &stage.lanes);
        stages.is_empty() || lanes.any(|lane| lane.node == *node)
    };
    let nodes = targets.into_iter().filter(|(node, _)| used(node)).collect();
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
        nodes,
        hooks: options.hooks.clone(),
        stages,
    }
}
