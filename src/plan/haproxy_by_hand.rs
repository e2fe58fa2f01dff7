//! How a person speaks to HAProxy's runtime interface, with `socat` and `awk`.

use super::by_hand::Part;
use super::markdown::code;
use super::shell::{command, word};
use super::{Action, Argv, Expect, PoolFact, PoolState, Probe, Reading};
use crate::config::{PoolName, RuntimeSocket};

/// A server in a pool of HAProxy, and where that is spoken to.
#[derive(Debug, Clone, Copy)]
pub(super) struct InPool<'a> {
    pub(super) socket: &'a RuntimeSocket,
    pub(super) pool: &'a PoolName,
    pub(super) server: &'a PoolName,
}

impl<'a> InPool<'a> {
    /// What an action changes, if it is one for HAProxy.
    pub(super) fn of_action(action: &'a Action) -> Option<Self> {
        let Action::Balancer {
            socket,
            pool,
            server,
            ..
        } = action
        else {
            return None;
        };
        Some(Self {
            socket,
            pool,
            server,
        })
    }

    /// What a probe asks about, if HAProxy is asked.
    pub(super) fn of_probe(probe: &'a Probe) -> Option<Self> {
        let Probe::Balancer {
            socket,
            pool,
            server,
            ..
        } = probe
        else {
            return None;
        };
        Some(Self {
            socket,
            pool,
            server,
        })
    }

    /// Makes the server what it is to be.
    pub(super) fn order(&self, to: PoolState) -> Vec<Part> {
        let Self { pool, server, .. } = self;
        let (wanted, state) = match to {
            PoolState::Enabled => ("enabled: it gets requests again", "ready"),
            PoolState::Drained => (
                "drained: it keeps the users it has and gets no new ones",
                "drain",
            ),
            PoolState::Out => ("out: its users go to other servers", "maint"),
        };
        let order = format!("set server {pool}/{server} state {state}");
        vec![
            Part::Say(format!(
                "In HAProxy's pool {}, make the server {} {wanted}. It answers with an empty line when that is done.",
                code(pool.as_str()),
                code(server.as_str())
            )),
            Part::Type(self.say(&order)),
        ]
    }

    /// Shows what there is to see of the servers of the pool.
    pub(super) fn see(&self) -> Vec<Part> {
        let Self { pool, server, .. } = self;
        vec![
            Part::Say(format!(
                "See what HAProxy tells of {} and the other servers of the pool {}.",
                code(server.as_str()),
                code(pool.as_str())
            )),
            Part::Type(self.say(&format!("show stat {pool} 4 -1"))),
        ]
    }

    /// A test that succeeds when this is found; nothing where a shell can't tell.
    pub(super) fn test(&self, of: PoolFact, expect: &Expect) -> Option<String> {
        let Self { pool, server, .. } = self;
        let statistics = |awk: &str| {
            let asked = self.say(&format!("show stat {pool} 4 -1"));
            format!("$({asked} | awk -F , {})", word(awk))
        };
        match (of, expect) {
            (PoolFact::State, Expect::Is(Reading::Text(wanted))) => {
                // Bits of `srv_admin_state`: 35 are all that take a server out, 24 all that drain it.
                let asked = self.say(&format!("show servers state {pool}"));
                let awk = word(&format!("$4 == \"{server}\" {{ print $7 }}"));
                let test = match wanted.as_str() {
                    "enabled" => "test $((bits & 59)) -eq 0",
                    "drained" => "test $((bits & 35)) -eq 0 && test $((bits & 24)) -ne 0",
                    "out" => "test $((bits & 35)) -ne 0",
                    _ => return None,
                };
                Some(format!(
                    "bits=$({asked} | awk {awk}) && test -n \"$bits\" && {test}"
                ))
            }
            (PoolFact::Requests, Expect::Is(Reading::Number(wanted))) => {
                let count = statistics(&format!("$2 == \"{server}\" {{ print $3 + $5 }}"));
                Some(format!("test \"{count}\" -eq {wanted}"))
            }
            (PoolFact::OthersInService, Expect::AtLeast(least)) => {
                let count = statistics(&format!(
                    "$1 == \"{pool}\" && $2 != \"{server}\" && $18 ~ /^(UP|no check)/ {{ n++ }} END {{ print n + 0 }}"
                ));
                Some(format!("test \"{count}\" -ge {least}"))
            }
            _ => None,
        }
    }

    /// A command that says a line there.
    fn say(&self, line: &str) -> String {
        let place = if self.socket.as_str().starts_with('/') {
            // What `socat` would take for a part of its own language is quoted for it.
            let path = self.socket.as_str().chars();
            let quoted = path.fold(String::new(), |mut text, c| {
                if ",:!\\'\"([{".contains(c) {
                    text.push('\\');
                }
                text.push(c);
                text
            });
            format!("UNIX-CONNECT:{quoted}")
        } else {
            format!("TCP:{}", self.socket)
        };
        let argv = Argv::new(["socat", "-t", "10", "-", &place]);
        format!("echo {} | {}", word(line), command(&argv))
    }
}
