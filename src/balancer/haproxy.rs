//! The runtime interface of HAProxy.
//!
//! ```
//! use clusterctl::balancer::haproxy::{self, Admin};
//!
//! assert_eq!(haproxy::order("web", "ucd1", Admin::Drained), "set server web/ucd1 state drain");
//! ```

use std::collections::BTreeMap;
use std::fmt;

/// What its administrator wants a server to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admin {
    /// It gets requests.
    Enabled,
    /// It gets requests of users whom it has already, and no others.
    Drained,
    /// It gets no requests: its users go to other servers.
    Out,
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Drained => "drained",
            Self::Out => "out",
        })
    }
}

/// What the balancer's own checks find of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It answers, as often as it takes.
    Up,
    /// It is taken for one that answers, and has not answered as often as it takes: it was only just enabled, or a check
    /// has failed.
    Settling,
    /// It does not.
    Down,
    /// Nobody looks: the configuration has no `check` for it, or its administrator has it out.
    Unchecked,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Settling => "settling",
            Self::Down => "down",
            Self::Unchecked => "unchecked",
        })
    }
}

/// A server in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it is to be.
    pub admin: Admin,
    /// What checks find.
    pub health: Health,
    /// How many requests it works on or has waiting now.
    pub requests: u64,
    /// Where the balancer finds it, as far as it tells.
    pub address: String,
    /// Whether it counts among those that serve: it has a weight, is no mere backup, and is not on its way out.
    pub counts: bool,
}

impl Server {
    /// Whether new users may come to it.
    pub fn serves(&self) -> bool {
        self.admin == Admin::Enabled && self.health != Health::Down && self.counts
    }
}

/// A pool: HAProxy's `backend` or `listen`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// Its servers, by name.
    pub servers: BTreeMap<String, Server>,
    /// What makes a user's requests go to one server, if anything that is seen here does.
    pub persistence: Option<String>,
}

impl Pool {
    /// How many servers but this one new users may come to.
    pub fn others_that_serve(&self, server: &str) -> u64 {
        let others = self.servers.iter().filter(|(name, _)| *name != server);
        others.filter(|(_, server)| server.serves()).count() as u64
    }
}

/// Why an answer tells nothing of the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// There is none of this name.
    #[error("there is no pool of this name")]
    NoSuchPool,
    /// The socket has not the rights for it.
    #[error(
        "the socket may not be asked that: `level admin` is missing where it stands in the configuration"
    )]
    NoRight,
    /// It is no answer of HAProxy's.
    #[error("it is no answer of HAProxy's: {0}")]
    Nonsense(String),
}

/// How much of an odd answer is repeated.
const EXCERPT: usize = 200;

/// Bits of `srv_admin_state`: out by the runtime interface, by inheritance, for want of an address. That the configuration
/// says so (0x04) stays to be seen when a server was enabled since, and counts for nothing.
const OUT: u32 = 0x01 | 0x02 | 0x20;
/// Drained, by the runtime interface or by inheritance.
const DRAINED: u32 = 0x08 | 0x10;
/// `srv_op_state` of a server that is down, and of one that is on its way there and gets no new users.
const STOPPED: &str = "0";
const STOPPING: &str = "3";
/// A pool as a whole among its servers, in statistics.
const WHOLE: &str = "BACKEND";
/// What statistics say of a server that is not checked.
const NO_CHECK: &str = "no check";

/// The line that asks for all that [`read`] needs of a pool.
pub fn question(pool: &str) -> String {
    // Servers (4) and the pool as a whole (2).
    format!("show servers state {pool}; show stat -1 6 -1; show table")
}

/// The line that makes a server what it is to be. The answer is empty when that was done.
pub fn order(pool: &str, server: &str, to: Admin) -> String {
    let state = match to {
        Admin::Enabled => "ready",
        Admin::Drained => "drain",
        Admin::Out => "maint",
    };
    format!("set server {pool}/{server} state {state}")
}

/// Reads the answer to [`question`].
pub fn read(pool: &str, answer: &str) -> Result<Pool, Unclear> {
    let says = |what: &str| answer.lines().any(|line| line.trim_end() == what);
    if says("Permission denied") {
        return Err(Unclear::NoRight);
    }
    if says("Can't find backend.") {
        return Err(Unclear::NoSuchPool);
    }
    let nonsense = || Unclear::Nonsense(excerpt(answer));
    let states = Rows::of(answer, "# be_id ", ' ').ok_or_else(nonsense)?;
    let counts = Rows::of(answer, "# pxname,", ',').ok_or_else(nonsense)?;
    let mut found = Pool::default();
    // It comes last: with it, all others have come whole.
    let mut is_whole = false;
    let mut admins = BTreeMap::new();
    for row in states.of_pool("be_name", pool) {
        let name = row("srv_name").ok_or_else(nonsense)?;
        let bits: u32 = row("srv_admin_state")
            .and_then(|bits| bits.parse().ok())
            .ok_or_else(nonsense)?;
        let admin = match bits {
            bits if bits & OUT != 0 => Admin::Out,
            bits if bits & DRAINED != 0 => Admin::Drained,
            _ => Admin::Enabled,
        };
        let state = row("srv_op_state").ok_or_else(nonsense)?;
        admins.insert(name.to_owned(), (admin, state));
    }
    for row in counts.of_pool("pxname", pool) {
        let name = row("svname").ok_or_else(nonsense)?;
        if name == WHOLE {
            is_whole = true;
            found.persistence = persistence(row("cookie"), row("algo"), pool, answer);
            continue;
        }
        let Some(&(admin, state)) = admins.get(name) else {
            continue;
        };
        let count = |column| {
            let text: &str = row(column).unwrap_or_default();
            text.parse::<u64>().ok()
        };
        let requests = count("scur").ok_or_else(nonsense)? + count("qcur").ok_or_else(nonsense)?;
        let health = match row("status") {
            _ if admin == Admin::Out => Health::Unchecked,
            _ if state == STOPPED => Health::Down,
            Some(NO_CHECK) => Health::Unchecked,
            _ if row("check_status").is_none_or(str::is_empty)
                && row("tracked").is_none_or(str::is_empty)
                && row("agent_status").is_none_or(str::is_empty) =>
            {
                Health::Unchecked
            }
            _ if has_checks_left(
                count("check_health"),
                count("check_rise"),
                count("check_fall"),
            ) =>
            {
                Health::Settling
            }
            _ => Health::Up,
        };
        let address = row("addr").unwrap_or_default().to_owned();
        let server = Server {
            admin,
            health,
            requests,
            address,
            counts: state != STOPPING && count("weight") != Some(0) && count("bck") != Some(1),
        };
        found.servers.insert(name.to_owned(), server);
    }
    if is_whole && found.servers.len() == admins.len() {
        Ok(found)
    } else {
        Err(nonsense())
    }
}

/// Whether a server has yet to answer, until it is as healthy as it can be.
fn has_checks_left(health: Option<u64>, rise: Option<u64>, fall: Option<u64>) -> bool {
    let (Some(health), Some(rise), Some(fall)) = (health, rise, fall) else {
        return false;
    };
    health + 1 < rise + fall
}

/// What makes a user's requests go to one server: a cookie, a table of its own, or a choice that depends on who asks.
fn persistence(
    cookie: Option<&str>,
    choice: Option<&str>,
    pool: &str,
    answer: &str,
) -> Option<String> {
    if let Some(name) = cookie.filter(|name| !name.is_empty()) {
        return Some(format!("cookie {name}"));
    }
    let table = format!("# table: {pool},");
    if answer.lines().any(|line| line.starts_with(&table)) {
        return Some("stick-table".to_owned());
    }
    choice
        .filter(|choice| *choice == "source")
        .map(|choice| format!("balance {choice}"))
}

/// A table in an answer: a line that names the columns, and the lines below it up to an empty one.
struct Rows<'a> {
    columns: Vec<&'a str>,
    lines: Vec<Vec<&'a str>>,
}

impl<'a> Rows<'a> {
    fn of(answer: &'a str, head: &str, between: char) -> Option<Self> {
        let mut lines = answer
            .lines()
            .skip_while(|line| !line.starts_with(head))
            .take_while(|line| !line.trim().is_empty());
        let columns = lines.next()?.trim_start_matches("# ");
        let cells = |line: &'a str| line.split(between).collect::<Vec<_>>();
        Some(Self {
            columns: columns.split(between).collect(),
            lines: lines.map(cells).collect(),
        })
    }

    /// The rows of a pool, each as a way to its cells.
    fn of_pool<'r>(
        &'r self,
        column: &'r str,
        pool: &'r str,
    ) -> impl Iterator<Item = impl Fn(&str) -> Option<&'a str> + 'r> + 'r {
        self.lines
            .iter()
            .map(move |cells| {
                move |name: &str| {
                    let at = self.columns.iter().position(|column| *column == name)?;
                    cells.get(at).copied()
                }
            })
            .filter(move |row| row(column) == Some(pool))
    }
}

fn excerpt(answer: &str) -> String {
    let plain = answer.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = plain.take(EXCERPT).collect();
    let text = text.trim().to_owned();
    if text.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("`{text}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a HAProxy 2.6 answered, with fewer columns.
    const ANSWER: &str = "1\n\
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n\
        3 web 1 ucd1 127.0.0.9 2 8 1\n\
        3 web 2 ucd2 127.0.0.9 0 5 1\n\
        3 web 3 ucd3 127.0.0.9 2 0 1\n\
        3 web 4 ucd4 127.0.0.9 0 0 1\n\
        3 web 5 ucd5 127.0.0.9 2 16 1\n\
        3 web 6 ucd6 127.0.0.9 2 0 1\n\
        3 web 7 ucd7 127.0.0.9 0 32 1\n\
        \n\
        # pxname,svname,qcur,scur,status,check_status,check_rise,check_fall,check_health,agent_status,tracked,addr,cookie,algo,\n\
        web,ucd1,1,2,DRAIN,L4OK,2,3,4,,,127.0.0.9:1,ucd1,,\n\
        web,ucd2,0,0,MAINT,,2,3,0,,,127.0.0.9:2,ucd2,,\n\
        web,ucd3,0,7,no check,,,,,,,127.0.0.9:3,ucd3,,\n\
        web,ucd4,0,0,DOWN,L4CON,2,3,0,,,127.0.0.9:4,ucd4,,\n\
        web,ucd5,0,0,DRAIN,,,,,,web/ucd1,127.0.0.9:5,,,\n\
        web,ucd6,0,0,UP 1/3,L7OK,2,3,3,,,,ucd6,,\n\
        web,ucd7,0,0,MAINT (resolution),,2,3,0,,,,ucd7,,\n\
        web,BACKEND,0,9,UP,,,,,,,,SRV,roundrobin,\n\
        \n\
        # table: other, type: ip, size:1024, used:0\n\n";

    #[test]
    fn an_answer_is_read() {
        let pool = read("web", ANSWER).unwrap();
        let found: Vec<_> = pool
            .servers
            .iter()
            .map(|(name, it)| (name.as_str(), it.admin, it.health, it.requests))
            .collect();
        let expected = [
            ("ucd1", Admin::Drained, Health::Up, 3),
            ("ucd2", Admin::Out, Health::Unchecked, 0),
            ("ucd3", Admin::Enabled, Health::Unchecked, 7),
            ("ucd4", Admin::Enabled, Health::Down, 0),
            ("ucd5", Admin::Drained, Health::Up, 0),
            ("ucd6", Admin::Enabled, Health::Settling, 0),
            ("ucd7", Admin::Out, Health::Unchecked, 0),
        ];
        assert_eq!(found, expected);
        assert_eq!(pool.persistence.as_deref(), Some("cookie SRV"));
        assert_eq!(pool.servers["ucd1"].address, "127.0.0.9:1");
        // ucd6; and ucd3 but for itself.
        assert_eq!(pool.others_that_serve("ucd1"), 2);
        assert_eq!(pool.others_that_serve("ucd3"), 1);
    }

    #[test]
    fn persistence_may_be_a_table_or_the_choice_of_the_server() {
        let without = ANSWER.replace(",SRV,", ",,");
        let persistence = |answer: &str| read("web", answer).unwrap().persistence;
        assert_eq!(persistence(&without), None);
        let table = without.replace("# table: other,", "# table: web,");
        assert_eq!(persistence(&table).as_deref(), Some("stick-table"));
        let source = without.replace(",roundrobin,", ",source,");
        assert_eq!(persistence(&source).as_deref(), Some("balance source"));
    }

    #[test]
    fn what_tells_nothing_is_no_pool() {
        assert_eq!(
            read("web", "Can't find backend.\n\nNo such proxy.\n\n"),
            Err(Unclear::NoSuchPool)
        );
        assert_eq!(read("web", "Permission denied\n\n"), Err(Unclear::NoRight));
        for odd in [
            "",
            "\n\n",
            "HTTP/1.1 400 Bad request\r\n\r\n",
            "# be_id \n",
            "\u{0}\u{1}",
        ] {
            assert!(
                matches!(read("web", odd), Err(Unclear::Nonsense(_))),
                "{odd:?}"
            );
        }
        // Cut off anywhere, it is never a smaller pool.
        for end in 0..ANSWER.find("web,BACKEND").unwrap() {
            assert!(read("web", &ANSWER[..end]).is_err(), "{end}");
        }
        let odd = ANSWER.replace("127.0.0.9 2 8 1", "127.0.0.9 2 x 1");
        assert!(read("web", &odd).is_err());
    }
}
