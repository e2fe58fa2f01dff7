//! `connect`: the cluster connections are made what they should be, one for each server.
//!
//! The steps are those of the manual's page "Creating cluster connections". They are made through one server, for all have
//! one database; that one uses them at once, and the others when they are restarted. Afterwards the mesh is measured from
//! every server, and agents are asked through each.

use std::collections::BTreeMap;

use super::cluster::Server;
use super::connections::{Connection, Facts};
use super::cycle::{step, why};
use super::facts::Found;
use super::restart::{self, Options, used};
use super::turn::{Turn, one};
use super::vendor;
use crate::plan::{
    Action, Class, Condition, FORMAT, Item, Lane, Method, OnFailure, Plan, Probe, Proof, Reading,
    Stage, Step, Undo, Value, as_part,
};

/// The verb.
pub const VERB: &str = "connect";

/// The name of what a step that makes a connection gives.
const ID: &str = "id";

/// Plans it. The plan is empty where each server has its connection.
pub fn plan(facts: &Facts, prune: bool, options: &Options) -> Result<Plan, restart::Refused> {
    let connect = Connect { facts, options };
    let (stages, nothing) = match &facts.connections {
        None => (
            Vec::new(),
            "servers of this version connect by themselves, by web sockets",
        ),
        Some(_) if facts.common.cluster.all.len() == 1 => {
            (Vec::new(), "a single server needs no connection")
        }
        Some(_) => (
            connect.stages(prune)?,
            "each server has its connection already; one that was not restarted since may not use all of them",
        ),
    };
    let names = facts.common.cluster.all.iter();
    let names: Vec<_> = names.map(|it| it.node.as_str()).collect();
    let names = names.join(", ");
    Ok(Plan {
        format: FORMAT,
        verb: VERB.to_owned(),
        title: format!("Connect the UrbanCode Deploy servers {names}"),
        made_by: options.made_by.clone(),
        made_at: options.made_at,
        starts_as: if stages.is_empty() {
            format!("{names}: {nothing}")
        } else {
            "serving".to_owned()
        },
        nodes: used(&facts.common, options, &stages),
        hooks: options.hooks.clone(),
        stages,
    })
}

struct Connect<'a> {
    facts: &'a Facts,
    options: &'a Options,
}

/// What a connection leads to.
#[derive(Clone, Copy)]
struct To<'a> {
    name: &'a str,
    host: &'a str,
    port: u16,
    active: bool,
}

impl<'a> To<'a> {
    fn of(connection: &'a Connection) -> Self {
        Self {
            name: &connection.name,
            host: &connection.host,
            port: connection.port,
            active: connection.active,
        }
    }
}

impl Connect<'_> {
    fn stages(&self, prune: bool) -> Result<Vec<Stage>, restart::Refused> {
        let Facts {
            common, through, ..
        } = self.facts;
        let servers = common.cluster.all.iter();
        let mut steps: Vec<Step> = servers.filter_map(|it| self.connect(it)).collect();
        let any_is_made = !steps.is_empty();
        if prune {
            let strays = self.facts.strays();
            steps.extend(strays.iter().map(|it| self.remove(&it.connection)));
        }
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let node = &through.node;
        let name = format!("make the connections through {node}");
        let mut stages = vec![one(&name, node, steps, OnFailure::ReturnLane)];
        stages.push(one(
            "read them back",
            node,
            vec![self.read_back()],
            OnFailure::Stop,
        ));
        // A server learns of connections when it starts, of those to others as of its own. Those that do not run do so
        // then.
        let wanted: Vec<&Found> = common
            .servers
            .iter()
            .filter(|it| any_is_made && it.process.is_some() && it.server.node != *node)
            .collect();
        let turn = Turn {
            verb: VERB,
            facts: common,
            options: self.options,
        };
        stages.extend(turn.stages(&wanted)?);
        stages.push(self.mesh());
        if !self.facts.agents.is_empty() {
            let steps = common.servers.iter().filter(|it| it.process.is_some());
            let steps = steps.flat_map(|it| self.ask_agents(&it.server)).collect();
            // An agent may be on its way back, or gone for reasons of its own.
            let name = "ask agents through each server";
            stages.push(Stage {
                max_failures: 1,
                ..one(name, node, steps, OnFailure::ReturnLane)
            });
        }
        Ok(stages)
    }

    /// The step that makes a server's connection what it should be; none where it is.
    fn connect(&self, server: &Server) -> Option<Step> {
        let (host, port) = self.facts.address(server);
        let own = self.facts.connection_of(server);
        let name = own.map_or_else(|| self.facts.free_name(server), |it| it.name.clone());
        let to = To {
            name: &name,
            host: &host,
            port,
            active: true,
        };
        let is_right = |it: &Connection| it.active && self.facts.leads_to(it, server);
        let says = "A request for an agent goes to the server that the agent is connected to, by these connections. They \
                    lead through no firewall that would not let JMS pass.";
        let leaves = format!("{} has its connection", server.node);
        let slug = format!("connect-{}", server.node);
        match own {
            Some(it) if is_right(it) => None,
            Some(it) => Some(Step {
                title: format!("Correct the connection to {}", server.node),
                why: why(says, vendor::CONNECTIONS_PAGE),
                class: Class::Disrupt,
                guards: self.is(&by("id", &it.id), To::of(it)),
                proof: Proof::Holds(self.is(&by("id", &it.id), to)),
                undo: Undo::By {
                    action: Box::new(self.put(To::of(it), Some(&it.id))),
                    proof: Proof::Holds(self.is(&by("id", &it.id), To::of(it))),
                },
                leaves,
                ..self.step(&slug, self.put(to, Some(&it.id)))
            }),
            None => {
                let by_name = by("name", to.name);
                let made = self.step(&slug, self.put(to, None));
                let id = Value::FromStep {
                    step: made.id.clone(),
                    output: ID.to_owned(),
                };
                Some(Step {
                    title: format!("Make a connection to {}", server.node),
                    why: why(says, vendor::CONNECTIONS_PAGE),
                    class: Class::Disrupt,
                    guards: self.absent(&by_name),
                    proof: Proof::Holds(self.is(&by_name, to)),
                    outputs: BTreeMap::from([(
                        ID.to_owned(),
                        self.look(&self.facts.through, &by_name, "/id"),
                    )]),
                    undo: Undo::By {
                        action: Box::new(self.delete(id)),
                        proof: Proof::Holds(self.absent(&by_name)),
                    },
                    leaves,
                    ..made
                })
            }
        }
    }

    /// Removes a connection that leads to no server.
    fn remove(&self, connection: &Connection) -> Step {
        let to = To::of(connection);
        let by_name = by("name", to.name);
        Step {
            title: format!("Remove the connection `{}`", to.name),
            why: why(
                "It leads to no server, and the servers try it for ever.",
                vendor::CONNECTIONS_PAGE,
            ),
            class: Class::Disrupt,
            guards: self.is(&by_name, to),
            proof: Proof::Holds(self.absent(&by_name)),
            undo: Undo::By {
                action: Box::new(self.put(to, None)),
                proof: Proof::Holds(self.is(&by_name, to)),
            },
            leaves: format!("no connection `{}`", to.name),
            ..self.step(
                &format!("remove-{}", slug_of(&connection.id)),
                self.delete(Value::Text(connection.id.clone())),
            )
        }
    }

    /// Sees that every server tells of all connections.
    fn read_back(&self) -> Step {
        let common = &self.facts.common;
        let running = common.servers.iter().filter(|it| it.answers);
        let that: Vec<Condition> = running
            .flat_map(|it| {
                common.cluster.all.iter().map(|server| {
                    let own = self.facts.connection_of(server);
                    let name =
                        own.map_or_else(|| self.facts.free_name(server), |it| it.name.clone());
                    let stays = own.filter(|it| it.active && self.facts.leads_to(it, server));
                    let host =
                        stays.map_or_else(|| self.facts.address(server).0, |it| it.host.clone());
                    let probe = self.look(&it.server, &by("name", &name), "/host");
                    Condition::is(probe, Reading::text(host))
                })
            })
            .collect();
        Step {
            title: "See that every server tells of them".to_owned(),
            why: why(
                "Servers that share a database have the same connections.",
                vendor::CONNECTIONS_PAGE,
            ),
            proof: Proof::Holds(that.clone()),
            leaves: "all servers tell of the connections".to_owned(),
            ..self.step("read-back", Action::Check { that })
        }
    }

    /// Measures, from each server that runs, whether it reaches the others by JMS.
    fn mesh(&self) -> Stage {
        let running: Vec<&Server> = self
            .facts
            .common
            .servers
            .iter()
            .filter(|it| it.process.is_some())
            .map(|it| &it.server)
            .collect();
        let lanes: Vec<Lane> = running
            .iter()
            .map(|from| {
                let others = running.iter().filter(|it| it.node != from.node);
                let that: Vec<Condition> = others
                    .map(|to| {
                        let (host, port) = self.facts.address(to);
                        Condition::is(Probe::Port { host, port }, Reading::text("open"))
                    })
                    .collect();
                let reaches = Step {
                    title: "See that it reaches the other servers by JMS".to_owned(),
                    why: why(
                        "A connection that is set up need not be one that a firewall lets through.",
                        vendor::CONNECTIONS_PAGE,
                    ),
                    proof: Proof::Holds(that.clone()),
                    leaves: format!("{} reaches the other servers", from.node),
                    ..step(VERB, &from.node, "mesh", Action::Check { that })
                };
                Lane {
                    node: from.node.clone(),
                    steps: vec![reaches],
                }
            })
            .filter(|_| running.len() > 1)
            .collect();
        Stage {
            width: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
            ..Stage::in_turn("measure the mesh", lanes)
        }
    }

    /// Asks agents through a server.
    fn ask_agents<'s>(&'s self, through: &'s Server) -> impl Iterator<Item = Step> + 's {
        let node = &through.node;
        let agents = self.facts.agents.iter().enumerate();
        agents.map(move |(number, agent)| {
            let action = Action::Rest {
                method: Method::Put,
                url: format!(
                    "{}?agent={}",
                    through.url.at(vendor::TEST_AGENT),
                    as_part(agent)
                ),
                under: None,
                credentials: Some(self.facts.common.cluster.credentials.clone()),
                body: None,
                merge: None,
                success: vec![200, 204],
            };
            Step {
                title: format!("Ask agent {agent} through {node}"),
                why: why(
                    "It answers when the servers pass on what is meant for each other's agents.",
                    vendor::CONNECTIONS_PAGE,
                ),
                class: Class::Stage,
                undo: Undo::Nothing {
                    because: "It only asks.".to_owned(),
                },
                leaves: format!("agent {agent} answers through {node}"),
                ..self.step(&format!("ask-{}-through-{node}", number + 1), action)
            }
        })
    }

    fn put(&self, to: To<'_>, existing: Option<&str>) -> Action {
        let mut body = serde_json::json!({
            "name": to.name, "host": to.host, "port": to.port, "active": to.active,
        });
        if let Some(id) = existing {
            body["existingId"] = id.into();
        }
        Action::Rest {
            method: Method::Put,
            url: self.url(),
            under: None,
            credentials: Some(self.facts.common.cluster.credentials.clone()),
            body: Some(body),
            merge: None,
            success: vec![200, 201, 204],
        }
    }

    fn delete(&self, id: Value) -> Action {
        Action::Rest {
            method: Method::Delete,
            url: self.url(),
            under: Some(id),
            credentials: Some(self.facts.common.cluster.credentials.clone()),
            body: None,
            merge: None,
            success: vec![200, 204],
        }
    }

    fn url(&self) -> String {
        self.facts.through.url.at(vendor::CONNECTIONS)
    }

    fn look(&self, at: &Server, item: &Item, pointer: &str) -> Probe {
        Probe::Rest {
            url: at.url.at(vendor::CONNECTIONS),
            credentials: Some(self.facts.common.cluster.credentials.clone()),
            item: Some(item.clone()),
            pointer: Some(pointer.to_owned()),
            counts: false,
        }
    }

    /// That there is no such connection, as a server tells that answers.
    fn absent(&self, item: &Item) -> Vec<Condition> {
        let through = &self.facts.through;
        vec![
            Condition::is(through.answers(), Reading::Number(200)),
            Condition::is(self.look(through, item, "/id"), Reading::Absent),
        ]
    }

    /// That a connection leads there.
    fn is(&self, item: &Item, to: To<'_>) -> Vec<Condition> {
        let is = |pointer: &str, value: String| {
            let probe = self.look(&self.facts.through, item, pointer);
            Condition::is(probe, Reading::text(value))
        };
        vec![
            is("/host", to.host.to_owned()),
            is("/port", to.port.to_string()),
            is("/active", to.active.to_string()),
        ]
    }

    fn step(&self, slug: &str, action: Action) -> Step {
        step(VERB, &self.facts.through.node, slug, action)
    }
}

fn by(member: &str, is: &str) -> Item {
    Item {
        member: member.to_owned(),
        is: is.to_owned(),
    }
}

/// An identity as part of a step's name.
fn slug_of(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    id.chars().map(plain).collect()
}
