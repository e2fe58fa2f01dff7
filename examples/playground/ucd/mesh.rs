//! How servers speak with each other: connections that are held, by JMS where cluster connections say so, and by web sockets
//! between all members of the cluster.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use super::database::{Agent, Relay, now};
use super::guest::{Guest, dial, secured};
use super::layout::random;
use super::server::{Server, Wire, is_at_least};

/// How long to wait before one that did not answer is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Tells whoever comes who this is, and holds the line.
pub(crate) fn listen(server: &Arc<Server>, listener: TcpListener, wire: Wire) {
    let server = Arc::clone(server);
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let server = Arc::clone(&server);
            thread::spawn(move || {
                let _ = match wire {
                    Wire::Jms => hold(visitor, &server),
                    Wire::WebSocket => server
                        .layout
                        .tls()
                        .map_err(io::Error::other)
                        .and_then(|tls| tls.accept(visitor).map_err(io::Error::other))
                        .and_then(|visitor| hold(visitor, &server)),
                };
            });
        }
    });
}

/// No line of a visitor is longer.
const LONGEST: u64 = 4096;

fn hold(visitor: impl Read + Write, server: &Server) -> io::Result<()> {
    let mut visitor = BufReader::new(visitor);
    writeln!(visitor.get_mut(), "{}", server.id)?;
    visitor.get_mut().flush()?;
    let mut held = Held {
        server,
        line: random().map_err(io::Error::other)?,
        relay: None,
    };
    // Until the other one goes. Servers say nothing; agents and relays say who they are.
    let mut said = String::new();
    while (&mut visitor).take(LONGEST).read_line(&mut said)? > 0 {
        match serde_json::from_str(&said) {
            Ok(guest) => held.welcome(guest),
            Err(_) => break,
        }
        said.clear();
    }
    Ok(())
}

/// A connection that an agent or a relay holds.
struct Held<'a> {
    server: &'a Server,
    line: String,
    /// The relay by which it comes.
    relay: Option<String>,
}

impl Held<'_> {
    fn welcome(&mut self, guest: Guest) {
        let (server, line) = (Some(self.server.id.clone()), Some(self.line.clone()));
        let done = match guest {
            Guest::Via { relay } => {
                self.relay = Some(relay);
                Ok(())
            }
            Guest::Agent {
                id,
                name,
                version,
                life,
            } => self.server.database.with(|state| {
                state.agents.retain(|it| it.id != id);
                state.agents.push(Agent {
                    id,
                    name,
                    version,
                    server,
                    relay: self.relay.clone(),
                    line,
                    life: Some(life),
                    last_contact: now(),
                });
                state.agents.sort_by(|a, b| a.name.cmp(&b.name));
            }),
            Guest::Relay {
                id,
                name,
                version,
                host,
                port,
            } => self.server.database.with(|state| {
                state.relays.retain(|it| it.id != id);
                state.relays.push(Relay {
                    id,
                    name,
                    version,
                    host,
                    port,
                    server,
                    line,
                    last_contact: now(),
                });
            }),
        };
        if let Err(problem) = done {
            self.server.log("ERROR", &problem);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Who has come by another line meanwhile is there.
        let own = Some(&self.line);
        let gone = self.server.database.with(|state| {
            for agent in &mut state.agents {
                if agent.line.as_ref() == own {
                    (agent.server, agent.line) = (None, None);
                }
            }
            for relay in &mut state.relays {
                if relay.line.as_ref() == own {
                    (relay.server, relay.line) = (None, None);
                }
            }
        });
        if let Err(problem) = gone {
            self.server.log("ERROR", &problem);
        }
    }
}

/// Connects to the others: to those of cluster connections that were there when this server started, and to all members
/// that there are or come.
pub(crate) fn connect(server: &Arc<Server>) {
    let connections = server.database.with(|state| state.connections.clone());
    let connections = connections.ok().flatten().unwrap_or_default();
    for it in connections.into_iter().filter(|it| it.active) {
        keep(server, it.host, it.port, Wire::Jms);
    }
    if is_at_least(&server.version, &[7, 0]) {
        let server = Arc::clone(server);
        thread::spawn(move || {
            let mut known = Vec::new();
            while !server.ends.load(Ordering::SeqCst) {
                let members = server.database.with(|state| state.members.clone());
                for (_, member) in members.unwrap_or_default() {
                    let address = (member.host, member.port);
                    if !known.contains(&address) {
                        known.push(address.clone());
                        keep(&server, address.0, address.1, Wire::WebSocket);
                    }
                }
                thread::sleep(AGAIN);
            }
        });
    }
}

/// Uses the cluster connections that were made through this server; the others learn of them when they start.
pub(crate) fn use_new(server: &Arc<Server>) {
    let made = std::mem::take(&mut *server.made.lock().unwrap_or_else(PoisonError::into_inner));
    for (host, port) in made {
        keep(server, host, port, Wire::Jms);
    }
}

/// Holds a connection to another server, and tries again for as long as this one runs.
fn keep(server: &Arc<Server>, host: String, port: u16, wire: Wire) {
    let server = Arc::clone(server);
    thread::spawn(move || {
        while !server.ends.load(Ordering::SeqCst) {
            if let Err(error) = speak(&server, &host, port, wire) {
                let what =
                    format!("mesh com.urbancode - Could not connect to {host}:{port}: {error}");
                server.log("ERROR", &what);
            }
            thread::sleep(AGAIN);
        }
    });
}

fn speak(server: &Server, host: &str, port: u16, wire: Wire) -> io::Result<()> {
    let stream = dial(host, port)?;
    match wire {
        Wire::Jms => listen_to(server, stream, wire),
        Wire::WebSocket => listen_to(server, secured(stream, host)?, wire),
    }
}

/// Hears who the other one is, and holds the line until it goes.
fn listen_to(server: &Server, stream: impl Read, wire: Wire) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut who = String::new();
    stream.read_line(&mut who)?;
    let who = who.trim().to_owned();
    if who.is_empty() {
        return Err(io::Error::other("it says nothing"));
    }
    let peers = &server.peers[usize::from(wire == Wire::WebSocket)];
    let lock = || peers.lock().unwrap_or_else(PoisonError::into_inner);
    lock().insert(who.clone());
    let ended = io::copy(&mut stream, &mut io::sink());
    lock().remove(&who);
    ended.map(|_| ())
}
