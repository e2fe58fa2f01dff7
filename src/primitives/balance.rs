//! `lb drain` and `lb enable`: take a server out of the pools of its balancers, or put it back.
//!
//! A server is taken out in two moves. Drained, it gets no new users, and keeps those whom it has, until it has had no
//! request for a while. Out, it gets no requests at all: users whose requests it used to get go to other servers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{NodeName, PoolName, RuntimeSocket};
use crate::plan::{
    Action, Class, Condition, Expect, FORMAT, Hooks, Lane, Millis, OnFailure, OnTimeout, Plan,
    PoolFact, PoolState, Probe, Proof, Reading, Stage, Step, StepId, Target, Temporary, Undo, Why,
};

/// How long HAProxy may take to do what it is told.
const TIMEOUT: Millis = Millis::secs(60);
/// How often is looked whether requests are left, or whether a server answers.
const EVERY: Millis = Millis::secs(1);
/// How often in a row a server must be seen to answer once it is back.
const GOOD: u32 = 2;

/// How long what must not stay may last.
const LEASE: Millis = Millis::secs(4 * 3600);
/// What the step that drains a server is called.
const DRAIN: &str = "drain";

/// What is wanted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It gets no requests.
    Out(Drain),
    /// It gets requests, and answers them.
    Enabled {
        /// How long until it is seen to answer.
        within: Duration,
    },
}

impl Wish {
    fn verb(self) -> &'static str {
        match self {
            Self::Out(_) => "lb-drain",
            Self::Enabled { .. } => "lb-enable",
        }
    }
}

/// How a server is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// For how long it must have had no request before it is out.
    pub grace: Duration,
    /// How long that may take.
    pub within: Duration,
    /// Whether it is taken out all the same when the time is up, with requests that are lost then.
    pub accepts_loss: bool,
    /// How many servers must serve in each pool meanwhile.
    pub others: u32,
}

/// A server in a pool, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The pool.
    pub pool: PoolName,
    /// The server.
    pub server: PoolName,
    /// What it is to be now.
    pub state: PoolState,
    /// Whether new users come to it now.
    pub serves: bool,
    /// How many other servers of the pool serve.
    pub others: u64,
}

/// A balancer: where it is, and what it has of the servers that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The node on which it runs.
    pub node: NodeName,
    /// Where that is reached.
    pub target: Target,
    /// Where its runtime interface listens there.
    pub socket: RuntimeSocket,
    /// The servers that are meant, in each of its pools.
    pub found: Vec<Found>,
}

/// Everything else that the plan needs.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The program and its version.
    pub made_by: String,
    /// The time.
    pub made_at: Timestamp,
    /// Commands around the steps.
    pub hooks: Hooks,
}

/// A pool in which too few servers would serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{node}: without {server}, {others} of the servers in pool {pool} would serve; at least {wanted} must"
)]
pub struct TooFew {
    /// The balancer's node.
    pub node: NodeName,
    /// The pool.
    pub pool: PoolName,
    /// The server that is meant.
    pub server: PoolName,
    /// How many others serve.
    pub others: u64,
    /// How many must.
    pub wanted: u32,
}

/// The plan that fulfils the wish at all balancers side by side, server after server. It is empty where nothing is
/// left to wish for.
pub fn plan(
    servers: &[PoolName],
    at: &[At],
    wish: Wish,
    given: &Circumstances,
) -> Result<Plan, TooFew> {
    let mut stages = Vec::new();
    for (at_server, server) in servers.iter().enumerate() {
        let mut lanes = Vec::new();
        for one in at {
            let found: Vec<&Found> = one.found.iter().filter(|it| it.server == *server).collect();
            let moves = Moves {
                verb: wish.verb(),
                at: one,
                temporary: false,
                on_timeout: OnTimeout::Fail,
            };
            let steps = match wish {
                Wish::Out(drain) => {
                    moves.refuse_too_few(&found, &servers[..at_server], drain.others)?;
                    moves.out(&found, drain)
                }
                Wish::Enabled { within } => moves.back(&found, within),
            };
            if !steps.is_empty() {
                let node = one.node.clone();
                lanes.push(Lane { node, steps });
            }
        }
        if !lanes.is_empty() {
            let name = match wish {
                Wish::Out(_) => format!("take {server} out"),
                Wish::Enabled { .. } => format!("put {server} back"),
            };
            stages.push(Stage {
                width: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
                on_failure: OnFailure::ReturnLane,
                ..Stage::in_turn(name, lanes)
            });
        }
    }
    let names: Vec<&str> = servers.iter().map(PoolName::as_str).collect();
    let names = names.join(", ");
    Ok(Plan {
        format: FORMAT,
        verb: wish.verb().to_owned(),
        title: match wish {
            Wish::Out(_) => format!("Take {names} out of the balancer's pools"),
            Wish::Enabled { .. } => format!("Put {names} back into the balancer's pools"),
        },
        made_by: given.made_by.clone(),
        made_at: given.made_at,
        starts_as: match (wish, stages.is_empty()) {
            (Wish::Out(_), true) => format!("{names}: out of all pools already"),
            (Wish::Enabled { .. }, true) => format!("{names}: enabled in all pools already"),
            (_, false) => "the pools are unchanged".to_owned(),
        },
        nodes: at
            .iter()
            .map(|one| (one.node.clone(), one.target.clone()))
            .collect(),
        hooks: given.hooks.clone(),
        stages,
    })
}

/// What takes servers of one balancer out of its pools and puts them back, for a verb.
#[derive(Debug, Clone, Copy)]
pub struct Moves<'a> {
    /// The verb.
    pub verb: &'static str,
    /// The balancer.
    pub at: &'a At,
    /// Whether the same plan puts back what it takes out.
    pub temporary: bool,
    /// What it means when requests are left when the time is up, unless their loss is accepted.
    pub on_timeout: OnTimeout,
}

/// A server of a balancer in one of its pools.
struct In<'a> {
    moves: Moves<'a>,
    it: &'a Found,
}

impl<'a> Moves<'a> {
    /// Refuses where too few others would serve. Those that are taken out `before` it serve no more then.
    pub fn refuse_too_few(
        &self,
        found: &[&Found],
        before: &[PoolName],
        wanted: u32,
    ) -> Result<(), TooFew> {
        for it in found.iter().filter(|it| it.state == PoolState::Enabled) {
            let gone =
                |one: &&Found| one.pool == it.pool && one.serves && before.contains(&one.server);
            let gone = self.at.found.iter().filter(gone).count() as u64;
            let others = it.others.saturating_sub(gone);
            if others < u64::from(wanted) {
                return Err(TooFew {
                    node: self.at.node.clone(),
                    pool: it.pool.clone(),
                    server: it.server.clone(),
                    others,
                    wanted,
                });
            }
        }
        Ok(())
    }

    /// Drained in all pools, without requests in all, out of all.
    pub fn out(&self, found: &[&'a Found], drain: Drain) -> Vec<Step> {
        let left = self.those(found, |state| state != PoolState::Out);
        let enabled = left.iter().filter(|it| it.it.state == PoolState::Enabled);
        let drains = enabled.map(|it| it.drain(drain.others));
        let waits = left.iter().map(|it| it.wait(drain));
        let outs = left.iter().map(|it| it.take_out(drain.accepts_loss));
        drains.chain(waits).chain(outs).collect()
    }

    /// Enabled in all pools, and seen to answer in all.
    pub fn back(&self, found: &[&'a Found], within: Duration) -> Vec<Step> {
        let left = self.those(found, |state| state != PoolState::Enabled);
        let answers = left.iter().map(|it| it.answers(within));
        left.iter().map(In::enable).chain(answers).collect()
    }

    /// Sees that a server is out of all of these pools still: somebody, or a HAProxy that was started anew, may have put it
    /// back.
    pub fn still_out(&self, found: &[&'a Found]) -> Option<Step> {
        let all = self.those(found, |_| true);
        let first = all.first()?;
        let that: Vec<Condition> = all.iter().map(|it| it.is(PoolState::Out)).collect();
        let server = &first.it.server;
        Some(Step {
            id: StepId::new(self.verb, &self.at.node, &format!("still-out-{server}")),
            title: format!("See that {server} is out of its pools still"),
            why: says("A balancer that was started anew may send requests again."),
            proof: Proof::Holds(that.clone()),
            leaves: format!("{server} out of its pools"),
            ..first.step("still-out", Action::Check { that })
        })
    }

    fn those(&self, found: &[&'a Found], fits: impl Fn(PoolState) -> bool) -> Vec<In<'a>> {
        let found = found.iter().copied().filter(|it| fits(it.state));
        found.map(|it| In { moves: *self, it }).collect()
    }
}

impl In<'_> {
    fn drain(&self, others: u32) -> Step {
        let Found { pool, server, .. } = self.it;
        let mut guards = vec![self.is(PoolState::Enabled)];
        if others > 0 {
            guards.push(Condition {
                probe: self.look(PoolFact::OthersInService),
                expect: Expect::AtLeast(others.into()),
            });
        }
        Step {
            title: format!("Drain {server} in pool {pool}"),
            why: says("New users shall come to other servers."),
            guards,
            undo: self.back_to(PoolState::Enabled),
            temporary: self.moves.temporary.then_some(Temporary { lease: LEASE }),
            leaves: format!("{server} drained in pool {pool}"),
            ..self.turn(DRAIN, PoolState::Drained)
        }
    }

    fn wait(&self, drain: Drain) -> Step {
        let Found { pool, server, .. } = self.it;
        let Drain {
            grace,
            within,
            accepts_loss,
            ..
        } = drain;
        let none = self.no_requests();
        // It may begin with a request that lasts as long as all may take.
        let good = u32::try_from(grace.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let within = millis(within);
        Step {
            title: format!("Wait until {server} has no request from pool {pool}"),
            why: says("What a user has begun shall end well."),
            class: Class::Read,
            proof: Proof::Holds(vec![none.clone()]),
            undo: looked_only(),
            timeout: Millis(within.0.saturating_add(TIMEOUT.0)),
            leaves: format!("{server} without requests from pool {pool}"),
            ..self.step(
                "idle",
                Action::WaitUntil {
                    until: none,
                    every: EVERY,
                    good,
                    within,
                    on_timeout: if accepts_loss {
                        OnTimeout::GoOn
                    } else {
                        self.moves.on_timeout
                    },
                },
            )
        }
    }

    fn take_out(&self, accepts_loss: bool) -> Step {
        let Found { pool, server, .. } = self.it;
        let mut guards = vec![self.is(PoolState::Drained)];
        if !accepts_loss {
            guards.push(self.no_requests());
        }
        Step {
            title: format!("Take {server} out of pool {pool}"),
            why: says("Users whose requests it used to get shall go to other servers."),
            guards,
            undo: self.back_to(PoolState::Drained),
            leaves: format!("{server} out of pool {pool}"),
            ..self.turn("take-out", PoolState::Out)
        }
    }

    fn enable(&self) -> Step {
        let Found {
            pool,
            server,
            state,
            ..
        } = self.it;
        Step {
            title: format!("Enable {server} in pool {pool}"),
            why: says("It shall get requests again."),
            // Who has put it back meanwhile has done the same.
            guards: if self.moves.temporary {
                Vec::new()
            } else {
                vec![self.is(*state)]
            },
            undo: if self.moves.temporary {
                Undo::Nothing {
                    because: "It was so before.".to_owned(),
                }
            } else {
                self.back_to(*state)
            },
            ends: self.moves.temporary.then(|| self.id(DRAIN)),
            leaves: format!("{server} enabled in pool {pool}"),
            ..self.turn("enable", PoolState::Enabled)
        }
    }

    fn answers(&self, within: Duration) -> Step {
        let Found { pool, server, .. } = self.it;
        // One that nobody checks is believed to be up.
        let up = Condition {
            probe: self.look(PoolFact::Health),
            expect: Expect::OneOf(vec![Reading::text("up"), Reading::text("unchecked")]),
        };
        let within = millis(within);
        Step {
            title: format!("Wait until {server} is up in pool {pool}"),
            why: says("A server that is enabled need not be one that answers."),
            class: Class::Read,
            proof: Proof::Holds(vec![up.clone()]),
            undo: looked_only(),
            timeout: Millis(within.0.saturating_add(TIMEOUT.0)),
            leaves: format!("{server} serving in pool {pool}"),
            ..self.step(
                "answers",
                Action::WaitUntil {
                    until: up,
                    every: EVERY,
                    good: GOOD,
                    within,
                    on_timeout: OnTimeout::Fail,
                },
            )
        }
    }

    /// A step that makes the server what it is to be.
    fn turn(&self, what: &str, to: PoolState) -> Step {
        Step {
            class: Class::Disrupt,
            proof: Proof::Holds(vec![self.is(to)]),
            ..self.step(what, self.make(to))
        }
    }

    fn step(&self, what: &str, action: Action) -> Step {
        Step {
            id: self.id(what),
            title: String::new(),
            why: says(""),
            class: Class::Read,
            action,
            guards: Vec::new(),
            proof: Proof::Stamp,
            outputs: BTreeMap::new(),
            undo: looked_only(),
            timeout: TIMEOUT,
            leaves: String::new(),
            temporary: None,
            ends: None,
            preview: None,
        }
    }

    fn id(&self, what: &str) -> StepId {
        let Found { pool, server, .. } = self.it;
        let slug = format!("{what}-{server}-in-{pool}");
        StepId::new(self.moves.verb, &self.moves.at.node, &slug)
    }

    fn make(&self, to: PoolState) -> Action {
        Action::Balancer {
            socket: self.moves.at.socket.clone(),
            pool: self.it.pool.clone(),
            server: self.it.server.clone(),
            to,
        }
    }

    fn back_to(&self, state: PoolState) -> Undo {
        Undo::By {
            action: Box::new(self.make(state)),
            proof: Proof::Holds(vec![self.is(state)]),
        }
    }

    fn look(&self, of: PoolFact) -> Probe {
        Probe::Balancer {
            socket: self.moves.at.socket.clone(),
            pool: self.it.pool.clone(),
            server: self.it.server.clone(),
            of,
        }
    }

    fn is(&self, state: PoolState) -> Condition {
        let reading = Reading::text(state.to_string());
        Condition::is(self.look(PoolFact::State), reading)
    }

    fn no_requests(&self) -> Condition {
        Condition::is(self.look(PoolFact::Requests), Reading::Number(0))
    }
}

fn says(what: &str) -> Why {
    Why {
        says: what.to_owned(),
        page: None,
    }
}

fn looked_only() -> Undo {
    Undo::Nothing {
        because: "It only looks.".to_owned(),
    }
}

fn millis(length: Duration) -> Millis {
    Millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}
