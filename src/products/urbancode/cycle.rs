//! A server out of service and back: the steps that every verb shares.
//!
//! Nothing that users have begun is lost on the way. The cluster is kept from beginning new work where the version can
//! do that; the server gets no requests any more; what runs comes to its end, for the product does not tell which server
//! runs it; that is looked at again right before the server is stopped. It is back when another process than before
//! answers, of the version that is installed, and lets an administrator in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::{Server, Servers};
use super::facts::{self, Found};
use super::vendor;
use crate::config::NodeName;
use crate::plan::{
    Action, Class, Condition, Merge, Method, Millis, OnTimeout, Probe, Proof, Reading,
    ServiceState, Step, StepId, Temporary, Undo, Why,
};

/// How often is looked.
const EVERY: Millis = Millis::secs(1);
/// How many good answers in a row are enough.
const GOOD: u32 = 3;
/// How long a call may take.
const CALL: Millis = Millis::secs(60);
/// How long what must not stay may last.
const LEASE: Millis = Millis::secs(4 * 3600);

/// How patient the steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long work that runs may take to end.
    pub work: Duration,
    /// Whether a server is stopped all the same then.
    pub accepts_loss: bool,
    /// How long a server may take to stop.
    pub stop: Duration,
    /// How long a server may take until it answers.
    pub start: Duration,
}

/// What makes steps for a verb.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'a> {
    /// The verb.
    pub verb: &'static str,
    /// The product's part of the cluster file.
    pub cluster: &'a Servers,
    /// How patient the steps are.
    pub patience: Patience,
}

/// The slug of the step that keeps new work from beginning.
const HOLD_WORK: &str = "hold-new-work";
/// The slug of the step that stops a server.
const STOP: &str = "stop";

impl Cycle<'_> {
    /// Keeps the cluster from beginning new work. Whoever makes the call does it for a node that is held.
    pub fn hold_work(&self, node: &NodeName) -> Step {
        let on = self.maintenance_is(true);
        Step {
            title: "Keep the cluster from beginning new work".to_owned(),
            why: why(
                "What has not begun can't die with a server. Maintenance mode lets what runs come to its end.",
                vendor::PROCESSES_PAGE,
            ),
            class: Class::Disrupt,
            guards: vec![self.maintenance_is(false)],
            proof: Proof::Holds(vec![on]),
            undo: Undo::By {
                action: Box::new(self.set_maintenance(false)),
                proof: Proof::Holds(vec![self.maintenance_is(false)]),
            },
            temporary: Some(Temporary { lease: LEASE }),
            leaves: "the cluster begins no new work".to_owned(),
            ..self.step(node, HOLD_WORK, self.set_maintenance(true))
        }
    }

    /// Lets the cluster begin new work again.
    pub fn release_work(&self, node: &NodeName) -> Step {
        let off = self.maintenance_is(false);
        Step {
            title: "Let the cluster begin new work again".to_owned(),
            why: why(
                "Maintenance mode does not end by itself.",
                vendor::PROCESSES_PAGE,
            ),
            class: Class::Disrupt,
            proof: Proof::Holds(vec![off]),
            undo: Undo::Nothing {
                because: "It was so before.".to_owned(),
            },
            ends: Some(StepId::new(self.verb, node, HOLD_WORK)),
            leaves: "the cluster begins new work".to_owned(),
            ..self.step(node, "release-new-work", self.set_maintenance(false))
        }
    }

    /// Waits until nothing runs in the cluster, as one of the servers tells. It is waited twice: before a server is taken
    /// from its users, and right before it is stopped.
    pub fn wait_for_work(&self, server: &Server, teller: &Server, again: bool) -> Step {
        let none = self.no_work(teller);
        let within = millis(self.patience.work);
        Step {
            title: if again {
                "See that no process runs in the cluster".to_owned()
            } else {
                "Wait until no process runs in the cluster".to_owned()
            },
            why: why(
                "A process dies with the server that runs it, and nothing tells which server that is.",
                vendor::PROCESSES_PAGE,
            ),
            proof: Proof::Holds(vec![none.clone()]),
            timeout: Millis(within.0.saturating_add(CALL.0)),
            leaves: "nothing runs in the cluster".to_owned(),
            ..self.step(
                &server.node,
                if again {
                    "see-no-work"
                } else {
                    "wait-for-work"
                },
                Action::WaitUntil {
                    until: none,
                    every: EVERY,
                    good: GOOD,
                    within,
                    on_timeout: if self.patience.accepts_loss {
                        OnTimeout::GoOn
                    } else {
                        OnTimeout::GiveBack
                    },
                },
            )
        }
    }

    /// The step that stops a server.
    pub fn stop_id(&self, server: &Server) -> StepId {
        StepId::new(self.verb, &server.node, STOP)
    }

    /// Stops a server. `stays` says that it is not to be started by the same plan.
    pub fn stop(&self, found: &Found, teller: Option<&Server>, stays: bool) -> Step {
        let server = &found.server;
        let mut guards = vec![service_is(server, ServiceState::Running)];
        if let Some(teller) = teller.filter(|_| !self.patience.accepts_loss) {
            guards.push(self.no_work(teller));
        }
        let mut back = vec![service_is(server, ServiceState::Running)];
        if found.answers {
            back.push(Condition::is(server.answers(), Reading::Number(200)));
        }
        Step {
            title: "Stop the server".to_owned(),
            why: why(
                "Stopped means that its service says so, and that its process is gone.",
                vendor::RUN_PAGE,
            ),
            class: Class::Disrupt,
            guards,
            proof: Proof::Holds(vec![
                service_is(server, ServiceState::Stopped),
                Condition::is(server.process(), Reading::Absent),
            ]),
            undo: Undo::By {
                action: Box::new(turn(server, ServiceState::Running)),
                proof: Proof::Holds(back),
            },
            // What takes it back starts the server.
            timeout: millis(self.patience.stop.max(self.patience.start)),
            temporary: (!stays).then_some(Temporary { lease: LEASE }),
            leaves: format!("{} stopped", server.node),
            ..self.step(&server.node, STOP, turn(server, ServiceState::Stopped))
        }
    }

    /// Starts a server. `ends` says that the same plan has stopped it.
    pub fn start(&self, server: &Server, before: Option<&str>, ends: bool) -> Step {
        let mut proof = vec![
            service_is(server, ServiceState::Running),
            Condition::is_not(server.process(), Reading::Absent),
        ];
        proof.extend(
            before.map(|process| Condition::is_not(server.process(), Reading::text(process))),
        );
        let undo = if ends {
            Undo::Nothing {
                because: "It ran before.".to_owned(),
            }
        } else {
            Undo::By {
                action: Box::new(turn(server, ServiceState::Stopped)),
                proof: Proof::Holds(vec![
                    service_is(server, ServiceState::Stopped),
                    Condition::is(server.process(), Reading::Absent),
                ]),
            }
        };
        Step {
            title: "Start the server".to_owned(),
            why: why(
                "Started means that a process runs which did not before.",
                vendor::RUN_PAGE,
            ),
            class: Class::Disrupt,
            guards: vec![
                service_is(server, ServiceState::Stopped),
                Condition::is(server.process(), Reading::Absent),
            ],
            proof: Proof::Holds(proof),
            undo,
            timeout: millis(self.patience.start),
            ends: ends.then(|| self.stop_id(server)),
            leaves: format!("{} started, not yet seen to answer", server.node),
            ..self.step(&server.node, "start", turn(server, ServiceState::Running))
        }
    }

    /// Waits until a server answers, and sees that it is the right one.
    pub fn prove(&self, found: &Found) -> Vec<Step> {
        let server = &found.server;
        let answers = Condition::is(server.answers(), Reading::Number(200));
        let lets_in = Condition::is(
            server.lets_in(&self.cluster.credentials),
            Reading::Number(200),
        );
        let within = millis(self.patience.start);
        let wait = |slug: &str, title: &str, says: &str, until: &Condition, leaves: &str| Step {
            title: title.to_owned(),
            why: why(says, vendor::RUN_PAGE),
            proof: Proof::Holds(vec![until.clone()]),
            timeout: Millis(within.0.saturating_add(CALL.0)),
            leaves: format!("{} {leaves}", server.node),
            ..self.step(
                &server.node,
                slug,
                Action::WaitUntil {
                    until: until.clone(),
                    every: EVERY,
                    good: GOOD,
                    within,
                    on_timeout: OnTimeout::Fail,
                },
            )
        };
        let first = wait(
            "answers",
            "Wait until the server answers",
            "Agents and users come back when it does.",
            &answers,
            "answers",
        );
        let second = wait(
            "lets-in",
            "Wait until the server lets an administrator in",
            "A page that answers proves the web server; settings that are read prove the database.",
            &lets_in,
            "answers, and has its database",
        );
        let that = vec![
            answers,
            Condition::is(server.version(), Reading::text(&found.version)),
        ];
        let check = Step {
            title: format!("See that it is version {}", found.version),
            why: why(
                "All servers of a cluster must be of one version.",
                vendor::CONVERT_PAGE,
            ),
            proof: Proof::Holds(that.clone()),
            leaves: format!("{} serving version {}", server.node, found.version),
            ..self.step(&server.node, "prove", Action::Check { that })
        };
        vec![first, second, check]
    }

    fn step(&self, node: &NodeName, slug: &str, action: Action) -> Step {
        step(self.verb, node, slug, action)
    }

    fn no_work(&self, server: &Server) -> Condition {
        Condition::is(facts::activity(self.cluster, server), Reading::Number(0))
    }

    fn maintenance_is(&self, on: bool) -> Condition {
        Condition::is(
            facts::maintenance(self.cluster, &self.cluster.url),
            Reading::text(on.to_string()),
        )
    }

    fn set_maintenance(&self, on: bool) -> Action {
        Action::Rest {
            under: None,
            method: Method::Put,
            url: self.cluster.url.at(vendor::SETTINGS_OF_PAGES),
            credentials: Some(self.cluster.credentials.clone()),
            body: Some(serde_json::json!({ vendor::MAINTENANCE: on })),
            // All settings are written at once there; a password that is read as a mask must not be among them.
            merge: Some(Merge {
                from: self.cluster.url.at(vendor::SETTINGS),
                without: vendor::MASKED_SETTINGS.map(str::to_owned).to_vec(),
            }),
            success: vec![200, 204],
        }
    }
}

/// A step that looks, until more is said of it.
pub(super) fn step(verb: &str, node: &NodeName, slug: &str, action: Action) -> Step {
    Step {
        id: StepId::new(verb, node, slug),
        title: String::new(),
        why: why("", ""),
        class: Class::Read,
        action,
        guards: Vec::new(),
        proof: Proof::Stamp,
        outputs: BTreeMap::new(),
        undo: Undo::Nothing {
            because: "It only looks.".to_owned(),
        },
        timeout: CALL,
        leaves: String::new(),
        temporary: None,
        ends: None,
        preview: None,
    }
}

fn turn(server: &Server, to: ServiceState) -> Action {
    Action::Service {
        service: server.service.clone(),
        to,
    }
}

fn service_is(server: &Server, state: ServiceState) -> Condition {
    let probe = Probe::Service {
        service: server.service.clone(),
    };
    Condition::is(probe, Reading::Service(state))
}

pub(super) fn why(says: &str, page: &str) -> Why {
    Why {
        says: says.to_owned(),
        page: Some(page.to_owned()).filter(|page| !page.is_empty()),
    }
}

fn millis(length: Duration) -> Millis {
    Millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}
