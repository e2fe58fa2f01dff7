//! Servers one after the other: what each goes through, at itself and at its balancers.

use super::cluster::Server;
use super::cycle::Cycle;
use super::facts::{Facts, Found, Maintenance, Work};
use super::restart::{Options, Refused, Wish};
use crate::config::{NodeName, PoolName};
use crate::plan::{Lane, OnFailure, OnTimeout, PoolState, Stage, Step};
use crate::primitives::balance::{self, Moves};

/// Servers that are restarted, stopped or started for a verb.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    /// The verb.
    pub(super) verb: &'static str,
    /// What was found.
    pub(super) facts: &'a Facts,
    /// What is wanted, and how it is done.
    pub(super) options: &'a Options,
}

impl<'a> Turn<'a> {
    pub(super) fn cycle(&self) -> Cycle<'a> {
        Cycle {
            verb: self.verb,
            cluster: &self.facts.cluster,
            patience: self.options.patience,
        }
    }

    /// The stages that do it for these servers.
    pub(super) fn stages(&self, wanted: &[&'a Found]) -> Result<Vec<Stage>, Refused> {
        let (facts, options) = (self.facts, self.options);
        let wish = options.wish;
        let cycle = self.cycle();
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
            self.refuse_drained(wanted)?;
        }
        let mut stages = Vec::new();
        // It is given back in the end by a server that runs by then.
        let holds = takes_out
            && !wanted.is_empty()
            && facts.maintenance == Maintenance::Off
            && (wish == Wish::Restart || facts.others_answer);
        let holder = self.holder(wanted).filter(|_| holds);
        if let Some(node) = holder {
            let steps = vec![cycle.hold_work(node)];
            stages.push(one("hold new work", node, steps, OnFailure::ReturnLane));
        }
        for (at, found) in wanted.iter().enumerate() {
            // What a plan takes out, it does not count on for what it takes out later.
            let before: Vec<PoolName> = if wish == Wish::Stop {
                let earlier = wanted[..at].iter();
                earlier
                    .filter_map(|it| it.server.pool_name.clone())
                    .collect()
            } else {
                Vec::new()
            };
            let node = &found.server.node;
            let teller = self.teller(wanted, found);
            if takes_out {
                if let Some(teller) = teller {
                    let steps = vec![cycle.wait_for_work(&found.server, teller, false)];
                    let name = format!("wait for work before {node}");
                    stages.push(one(&name, node, steps, OnFailure::Stop));
                }
                stages.extend(self.out(found, &before)?);
                // What was so before it was drained need not be so now.
                if let Some(teller) = teller {
                    let steps = vec![cycle.wait_for_work(&found.server, teller, true)];
                    let name = format!("look for work again before {node}");
                    stages.push(one(&name, node, steps, OnFailure::Stop));
                }
                stages.extend(self.still_out(found));
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
                stages.extend(self.back(found));
            }
        }
        if let Some(node) = holder {
            let steps = vec![cycle.release_work(node)];
            stages.push(one("let new work begin", node, steps, OnFailure::Stop));
        }
        Ok(stages)
    }

    /// For which node new work is held: a balancer's, which is not stopped, or else the first server's.
    pub(super) fn holder(&self, wanted: &[&'a Found]) -> Option<&'a NodeName> {
        let balancer = self.facts.balancers.first().map(|at| &at.node);
        balancer.or_else(|| wanted.first().map(|it| &it.server.node))
    }

    /// By which server the cluster's work is told while another is taken out and stopped: by that one itself, or by one
    /// that runs until then.
    pub(super) fn teller(&self, wanted: &[&Found], found: &'a Found) -> Option<&'a Server> {
        let Work::Runs(_, teller) = &self.facts.work else {
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
    pub(super) fn refuse_drained(&self, wanted: &[&Found]) -> Result<(), Refused> {
        for at in &self.facts.balancers {
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

    /// Takes a server out of the pools in which it serves, at all balancers side by side.
    pub(super) fn out(&self, found: &Found, before: &[PoolName]) -> Result<Option<Stage>, Refused> {
        let Some(name) = &found.server.pool_name else {
            return Ok(None);
        };
        let mut lanes = Vec::new();
        for at in &self.facts.balancers {
            let moves = self.moves(at);
            let enabled: Vec<_> = at
                .found
                .iter()
                .filter(|it| it.server == *name && it.state != PoolState::Out)
                .collect();
            moves.refuse_too_few(&enabled, before, self.options.drain.others)?;
            lanes.push((at, moves.out(&enabled, self.options.drain)));
        }
        Ok(self.side_by_side(&format!("take {name} out"), lanes))
    }

    /// Sees, right before it is stopped, that a server is out of the pools still.
    pub(super) fn still_out(&self, found: &Found) -> Option<Stage> {
        let name = found.server.pool_name.as_ref()?;
        let mut lanes = Vec::new();
        for at in &self.facts.balancers {
            let own: Vec<_> = at.found.iter().filter(|it| it.server == *name).collect();
            let steps = self.moves(at).still_out(&own).into_iter().collect();
            lanes.push((at, steps));
        }
        let stage = self.side_by_side(&format!("see that {name} is out"), lanes)?;
        Some(Stage {
            on_failure: OnFailure::GiveBack,
            ..stage
        })
    }

    /// Puts a server back into the pools in which it served, or, when it was stopped before, into all.
    pub(super) fn back(&self, found: &Found) -> Option<Stage> {
        let name = found.server.pool_name.as_ref()?;
        let restarts = self.options.wish == Wish::Restart;
        let mut lanes = Vec::new();
        for at in &self.facts.balancers {
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
            let all: Vec<_> = served.iter().collect();
            let start = self.options.patience.start;
            lanes.push((at, self.moves(at).back(&all, start)));
        }
        self.side_by_side(&format!("put {name} back"), lanes)
    }

    fn moves(&self, at: &'a balance::At) -> Moves<'a> {
        Moves {
            verb: self.verb,
            at,
            temporary: self.options.wish == Wish::Restart,
            on_timeout: OnTimeout::GiveBack,
        }
    }

    /// What was changed for a time is given back by itself, or goes on from where it is: a lane that is returned would
    /// not know what a later step has put back.
    fn side_by_side(&self, name: &str, lanes: Vec<(&balance::At, Vec<Step>)>) -> Option<Stage> {
        let lanes: Vec<Lane> = lanes
            .into_iter()
            .filter(|(_, steps)| !steps.is_empty())
            .map(|(at, steps)| Lane {
                node: at.node.clone(),
                steps,
            })
            .collect();
        (!lanes.is_empty()).then(|| Stage {
            width: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
            on_failure: if self.options.wish == Wish::Restart {
                OnFailure::Stop
            } else {
                OnFailure::ReturnLane
            },
            ..Stage::in_turn(name, lanes)
        })
    }
}

/// What is done at the server itself.
fn at_server(cycle: &Cycle<'_>, found: &Found, teller: Option<&Server>, wish: Wish) -> Vec<Step> {
    let server = &found.server;
    let mut steps = Vec::new();
    if wish != Wish::Start {
        steps.push(cycle.stop(found, teller, wish == Wish::Stop));
    }
    if wish != Wish::Stop {
        let ends = wish == Wish::Restart;
        steps.push(cycle.start(server, found.process.as_deref(), ends));
        steps.extend(cycle.prove(found));
    }
    steps
}

/// A stage of one node.
pub(super) fn one(name: &str, node: &NodeName, steps: Vec<Step>, on_failure: OnFailure) -> Stage {
    let lane = Lane {
        node: node.clone(),
        steps,
    };
    Stage {
        on_failure,
        ..Stage::in_turn(name, vec![lane])
    }
}
