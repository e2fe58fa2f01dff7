//! Pools of HAProxy, by its runtime interface on the node.

use zeroize::Zeroizing;

use super::job::{Ends, Job};
use super::node::{Node, nonsense};
use super::scripts;
use super::watch::Watch;
use crate::balancer::haproxy::{self, Admin, Pool, Unclear};
use crate::config::{PoolName, RuntimeSocket};
use crate::engine::{Fault, FaultKind};
use crate::plan::{Action, PoolFact, PoolState, Probe, Reading};

/// How long HAProxy may take to answer, in seconds. It works on requests meanwhile.
const PATIENCE: &str = "10";

/// The longest answer that is read: room for thousands of servers.
const LONGEST: usize = 4 << 20;

/// What a probe finds; `None` where it asks no balancer.
pub(super) fn observe(
    node: &Node<'_>,
    probe: &Probe,
    watch: &Watch<'_>,
) -> Result<Option<Reading>, Fault> {
    let Probe::Balancer {
        socket,
        pool: name,
        server,
        of,
    } = probe
    else {
        return Ok(None);
    };
    let Some(pool) = pool(node, socket, name, watch)? else {
        return Ok(Some(Reading::Absent));
    };
    let Some(found) = pool.servers.get(server.as_str()) else {
        return Ok(Some(Reading::Absent));
    };
    let number = |count: u64| Reading::Number(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(Some(match of {
        PoolFact::State => Reading::text(found.admin.to_string()),
        PoolFact::Health => Reading::text(found.health.to_string()),
        PoolFact::Requests => number(found.requests),
        PoolFact::OthersInService => number(pool.others_that_serve(server.as_str())),
    }))
}

/// What HAProxy tells of a pool; `None` where it has none of this name.
pub(super) fn pool(
    node: &Node<'_>,
    socket: &RuntimeSocket,
    name: &PoolName,
    watch: &Watch<'_>,
) -> Result<Option<Pool>, Fault> {
    let script = scripts::pool_ask();
    let arguments = [
        "ask",
        PATIENCE,
        socket.as_str(),
        &haproxy::question(name.as_str()),
    ];
    let arguments = arguments.map(str::to_owned);
    let answer = node.look(script, &arguments, &[], LONGEST, watch)?;
    match answer.code {
        0 => {}
        66 => return Err(silent(socket, &answer.err)),
        69 => {
            let what = "nothing on the node can speak to HAProxy's runtime interface";
            return Err(Fault::new(FaultKind::Failed, what)
                .hint("install perl, python3, socat or nc there"));
        }
        _ => return Err(nonsense(script, &answer)),
    }
    match haproxy::read(name.as_str(), &String::from_utf8_lossy(&answer.out)) {
        Ok(pool) => Ok(Some(pool)),
        Err(Unclear::NoSuchPool) => Ok(None),
        Err(unclear) => {
            let what = format!("HAProxy at {socket} does not tell of pool {name}: {unclear}");
            Err(Fault::new(FaultKind::Failed, what)
                .hint("in haproxy.cfg, under `global`: stats socket PATH mode 660 level admin"))
        }
    }
}

/// The job that makes a server what it is to be; `None` where the action is none for a balancer.
pub(super) fn job(action: &Action) -> Option<Job> {
    let Action::Balancer {
        socket,
        pool,
        server,
        to,
    } = action
    else {
        return None;
    };
    let to = match to {
        PoolState::Enabled => Admin::Enabled,
        PoolState::Drained => Admin::Drained,
        PoolState::Out => Admin::Out,
    };
    let order = haproxy::order(pool.as_str(), server.as_str(), to);
    let script = scripts::pool_ask();
    let words = [
        "/bin/sh",
        "-c",
        script.text,
        script.name,
        "order",
        PATIENCE,
        socket.as_str(),
        &order,
    ];
    Some(Job {
        shown: order.clone(),
        words: words.map(str::to_owned).to_vec(),
        dir: None,
        input: Zeroizing::default(),
        ends: Ends::Command(vec![0]),
        secrets: Vec::new(),
        beside: None,
    })
}

fn silent(socket: &RuntimeSocket, why: &str) -> Fault {
    let why = why.trim();
    let what = if why.is_empty() {
        format!("HAProxy's runtime interface at {socket} does not answer")
    } else {
        format!("HAProxy's runtime interface at {socket} does not answer: {why}")
    };
    let hint = if why.contains("ermission denied") {
        "the user needs rights on the socket: `mode 660 group ...` where it stands in haproxy.cfg, or sudo.use = true in the cluster file"
    } else {
        "see whether HAProxy runs there, and where `stats socket` in its haproxy.cfg is"
    };
    Fault::new(FaultKind::Failed, what).hint(hint)
}
