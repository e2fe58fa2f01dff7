//! The cluster connections: what is asked about them, what was found, and whose each is.

use std::collections::BTreeMap;

use super::cluster::{Server, Servers, below};
use super::facts::{self, Unclear};
use super::vendor;
use crate::config::NodeName;
use crate::plan::{Probe, Reading};
use crate::products::{Answers, Questions};

/// How many agents are asked through each server.
const AGENTS: usize = 3;

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

    pub(super) fn address(&self, server: &Server) -> (String, u16) {
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

    pub(super) fn leads_to(&self, connection: &Connection, server: &Server) -> bool {
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
    pub(super) fn connection_of(&self, server: &Server) -> Option<&Connection> {
        let all = self.connections.iter().flatten();
        let own = all.filter(|it| {
            let of = self.server_of(it);
            of.is_some_and(|of| of.node == server.node)
        });
        own.max_by_key(|it| (self.leads_to(it, server), it.active))
    }

    /// A name for the connection of a server that has none: its node's, or one like it that nothing has.
    pub(super) fn free_name(&self, server: &Server) -> String {
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
