//! `connect`: the cluster connections are made what they should be, one for each server.
//!
//! The steps are those of the manual's page "Creating cluster connections". They are made through one server, for all have
//! one database; that one uses them at once, and the others when they are restarted. Afterwards the mesh is measured from
//! every server, and agents are asked through each.

use std::collections::BTreeMap;

use super::cluster::{Server, Servers, below};
use super::cycle::{step, why};
use super::facts::{self, Found, Unclear};
use super::restart::{self, Options, used};
use super::turn::{Turn, one};
use super::vendor;
use crate::config::NodeName;
use crate::plan::{
    Action, Class, Condition, FORMAT, Item, Lane, Method, OnFailure, Plan, Probe, Proof, Reading,
    Stage, Step, Undo, Value, as_part,
};
use crate::products::{Answers, Questions};

/// The verb.
pub const VERB: &str = "connect";

/// How many agents are asked through each server.
const AGENTS: usize = 3;

/// The name of what a step that makes a connection gives.
const ID: &str = "id";

/// A cluster connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// By what the product knows it.
    pub id: String,
    /// Its name, which no other has.
    pub name: String,
    /// Whether it is used.
    pub active: bool,
    /// The host that it leads to.
    pub host: String,
    /// The port that it leads to.
    pub port: u16,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The servers, what runs on them, and what the balancers have of them.
    pub common: facts::Facts,
    /// Through which server the connections are made.
    pub through: Server,
    /// The connections that there are; none where the version has no such thing.
    pub connections: Option<Vec<Connection>>,
    /// The ports of JMS.
    pub ports: BTreeMap<NodeName, u16>,
    /// Agents that are there.
    pub agents: Vec<String>,
}

/// A connection that leads to no server of the cluster file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// It.
    pub connection: Connection,
    /// Where it leads instead.
    pub leads: &'static str,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// No server tells which connections there are.
    #[error("{0}")]
    Silent(String),
    /// A server told something odd.
    #[error("{url} tells of cluster connections that are no such thing: {what}")]
    Odd {
        /// Where it was asked.
        url: String,
        /// What is odd.
        what: String,
    },
    /// An answer is missing.
    #[error(transparent)]
    Unclear(#[from] Unclear),
}

/// What has to be asked besides what every verb asks.
pub fn questions(common: &Servers) -> Questions {
    let mut asked = facts::questions(common);
    for server in &common.all {
        asked.ask(&server.node, list(common, server, vendor::CONNECTIONS));
        asked.ask(&server.node, list(common, server, vendor::AGENTS));
        asked.ask(&server.node, port(server));
    }
    asked
}

/// The probe that reads a whole list.
fn list(common: &Servers, server: &Server, path: &str) -> Probe {
    Probe::Rest {
        url: server.url.at(path),
        credentials: Some(common.credentials.clone()),
        item: None,
        pointer: Some(String::new()),
        counts: false,
    }
}

fn port(server: &Server) -> Probe {
    Probe::Property {
        path: below(&server.home, vendor::PROPERTIES),
        key: vendor::JMS.to_owned(),
    }
}

/// Reads the answers: through a server that is named, or the first that tells.
pub fn read(
    common: facts::Facts,
    through: Option<&NodeName>,
    answers: &Answers,
) -> Result<Facts, Unread> {
    let mut ports = BTreeMap::new();
    for server in &common.cluster.all {
        let told = answers.of(&server.node, &port(server));
        let told = told.map_err(|silent| Unclear::Unanswered {
            node: server.node.clone(),
            what: silent.what,
            hint: silent.hint,
        })?;
        // Several may stand there, and the first is its own.
        let own = match told {
            Reading::Text(text) => text.split(',').next().and_then(|it| it.trim().parse().ok()),
            _ => None,
        };
        ports.insert(server.node.clone(), own.unwrap_or(vendor::JMS_PORT));
    }
    let meant = |server: &&Server| through.is_none_or(|node| *node == server.node);
    let mut silent = "no server runs that could be asked for cluster connections".to_owned();
    for server in common.cluster.all.iter().filter(meant) {
        let url = server.url.at(vendor::CONNECTIONS);
        let answer = answers.of(
            &server.node,
            &list(&common.cluster, server, vendor::CONNECTIONS),
        );
        let connections = match answer {
            Ok(Reading::Absent) if answers_at_all(&common, server) => None,
            Ok(Reading::Absent) => {
                silent = format!("{}: its server does not run", server.node);
                continue;
            }
            Ok(Reading::Text(text)) => {
                let all = connections(text).map_err(|what| Unread::Odd {
                    url: url.clone(),
                    what,
                })?;
                Some(all)
            }
            Ok(other) => {
                let what = other.to_string();
                return Err(Unread::Odd { url, what });
            }
            Err(why) => {
                silent = format!("{}: {}", server.node, why.what);
                continue;
            }
        };
        let agents = answers.of(&server.node, &list(&common.cluster, server, vendor::AGENTS));
        let agents = match agents {
            Ok(Reading::Text(text)) => agents_online(text),
            _ => Vec::new(),
        };
        return Ok(Facts {
            through: server.clone(),
            connections,
            ports,
            agents,
            common,
        });
    }
    Err(Unread::Silent(silent))
}

fn answers_at_all(common: &facts::Facts, server: &Server) -> bool {
    let mut all = common.servers.iter();
    all.any(|it| it.server.node == server.node && it.answers)
}

fn connections(text: &str) -> Result<Vec<Connection>, String> {
    let items: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|_| "it is no list".to_owned())?;
    let one = |item: serde_json::Value| {
        let text = |member: &str| match &item[member] {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            serde_json::Value::Bool(is) => Some(is.to_string()),
            _ => None,
        };
        let port = text("port").and_then(|it| it.parse().ok());
        Some(Connection {
            id: text("id")?,
            name: text("name")?,
            active: text("active")? == "true",
            host: text("host")?,
            port: port?,
        })
    };
    let all = items.into_iter().map(one).collect::<Option<Vec<_>>>();
    all.ok_or_else(|| {
        "an item has no id, name, host, port, or does not say whether it is active".to_owned()
    })
}

fn agents_online(text: &str) -> Vec<String> {
    let items: Vec<serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
    let online = items.iter().filter(|it| it["status"] == "ONLINE");
    let names = online.filter_map(|it| Some(it["name"].as_str()?.to_owned()));
    names.take(AGENTS).collect()
}

impl Facts {
    /// The connections that lead to no server.
    pub fn strays(&self) -> Vec<Stray> {
        let (front, _) = self.common.cluster.url.server();
        let all = self.connections.iter().flatten();
        all.filter(|it| self.server_of(it).is_none())
            .map(|it| Stray {
                connection: it.clone(),
                leads: if it.host.eq_ignore_ascii_case(front) {
                    "the balancer, which must not send on JMS"
                } else {
                    "no server of the cluster file; connections are for servers alone, not for agents and relays"
                },
            })
            .collect()
    }

    fn address(&self, server: &Server) -> (String, u16) {
        let (host, _) = server.url.server();
        let port = self.ports.get(&server.node).copied();
        (host.to_owned(), port.unwrap_or(vendor::JMS_PORT))
    }

    /// Whether a connection leads to the host of a server, by whichever of its names.
    fn leads_to_host(&self, connection: &Connection, server: &Server) -> bool {
        let (host, _) = self.address(server);
        [&host, &server.address]
            .iter()
            .any(|known| is_same_host(known, &connection.host))
    }

    fn leads_to(&self, connection: &Connection, server: &Server) -> bool {
        let (_, port) = self.address(server);
        connection.port == port && self.leads_to_host(connection, server)
    }

    /// Whose connection it is: the server's that it leads to; else the one's at whose host it leads elsewhere; else the
    /// one's whose name it has. A server that has a better one is not meant.
    fn server_of(&self, connection: &Connection) -> Option<&Server> {
        let servers = &self.common.cluster.all;
        let all = || self.connections.iter().flatten();
        let leads = |server: &&Server| self.leads_to(connection, server);
        let at_host = |server: &&Server| {
            let better = all().any(|it| self.leads_to(it, server));
            !better && self.leads_to_host(connection, server)
        };
        let named = |server: &&Server| {
            let better = all().any(|it| self.leads_to_host(it, server));
            !better && connection.name.eq_ignore_ascii_case(server.node.as_str())
        };
        let mut of = servers.iter().find(leads);
        of = of.or_else(|| servers.iter().find(at_host));
        of.or_else(|| servers.iter().find(named))
    }

    /// The connection that a server has: the best one where there are several.
    fn connection_of(&self, server: &Server) -> Option<&Connection> {
        let all = self.connections.iter().flatten();
        let own = all.filter(|it| {
            let of = self.server_of(it);
            of.is_some_and(|of| of.node == server.node)
        });
        own.max_by_key(|it| (self.leads_to(it, server), it.active))
    }

    /// A name for the connection of a server that has none: its node's, or one like it that nothing has.
    fn free_name(&self, server: &Server) -> String {
        let is_taken = |name: &str| {
            let mut all = self.connections.iter().flatten();
            all.any(|it| it.name.eq_ignore_ascii_case(name))
        };
        let own = server.node.to_string();
        let others = (2..).map(|number| format!("{own}-{number}"));
        let mut all = std::iter::once(own.clone()).chain(others);
        all.find(|name| !is_taken(name)).unwrap_or(own)
    }
}

/// Whether two names mean one host, as far as the names tell: the first part of a full name is its short form.
fn is_same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| {
        let host = host.trim().trim_matches(['[', ']']).trim_end_matches('.');
        host.to_ascii_lowercase()
    };
    let (one, other) = (plain(one), plain(other));
    let is_number = |host: &str| host.parse::<core::net::IpAddr>().is_ok();
    if one == other || is_number(&one) || is_number(&other) {
        return one == other;
    }
    match (one.split_once('.'), other.split_once('.')) {
        (Some((short, _)), None) => short == other,
        (None, Some((short, _))) => short == one,
        _ => false,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_several_names() {
        for (one, other) in [
            ("ucd1", "UCD1"),
            ("ucd1", "ucd1.example.com"),
            ("ucd1.example.com.", "Ucd1.Example.com"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert!(
                is_same_host(one, other) && is_same_host(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("ucd1", "ucd11"),
            ("ucd1.a.example.com", "ucd1.b.example.com"),
            ("10", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.2"),
        ] {
            assert!(
                !is_same_host(one, other) && !is_same_host(other, one),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn connections_are_read_whatever_their_members_are_written_as() {
        let text = r#"[{"id":"1","name":"a","host":"h","port":"7918","active":"true"},{"id":2,"name":"b","host":"h","port":7919,"active":false}]"#;
        let all = connections(text).unwrap();
        assert_eq!((all[0].port, all[0].active), (7918, true));
        assert_eq!(
            (&*all[1].id, all[1].port, all[1].active),
            ("2", 7919, false)
        );
        for odd in [
            "{}",
            "[{}]",
            "[1]",
            r#"[{"id":"1","name":"a","host":"h","port":"x","active":true}]"#,
            "no",
        ] {
            assert!(connections(odd).is_err(), "{odd}");
        }
    }
}
