//! An agent: it holds a line to one server of its list, and goes to the next when that is gone.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::files::{make, write};
use super::guest::{Guest, Servers, dial, dial_by, hold};
use super::layout::{random, read, value};
use super::script::script;
use super::server::Wire;

/// Its properties.
const PROPERTIES: &str = "conf/agent/installed.properties";

/// What an agent's process is known by.
pub(crate) const MAIN: &str = "com.urbancode.air.agent.AgentWorker";

/// How long to wait before the next server is tried.
const AGAIN: Duration = Duration::from_millis(300);

/// How an agent is to be.
pub(crate) struct Wishes {
    pub(crate) home: PathBuf,
    pub(crate) name: String,
    pub(crate) version: String,
    /// By what it speaks with its servers.
    pub(crate) wire: Wire,
    /// The servers that it knows, or the relays, when it speaks by JMS.
    pub(crate) servers: Vec<(String, u16)>,
    /// The relay by which it comes, its HTTP proxy.
    pub(crate) relay: Option<(String, u16)>,
}

/// Installs an agent, with the list that its installer was told.
pub(crate) fn install(wishes: &Wishes) -> Result<(), String> {
    let home = &wishes.home;
    for folder in ["bin", "conf/agent", "var/log"] {
        make(&home.join(folder))?;
    }
    let list = |scheme: &str| {
        let all = wishes.servers.iter();
        let all: Vec<_> = all
            .map(|(host, port)| format!("{scheme}\\://{host}\\:{port}"))
            .collect();
        all.join(",")
    };
    let mut text = format!(
        "#Mon Jan 05 09:12:44 UTC 2026\n\
         IBM\\ UrbanCode\\ Deploy/java.home=/usr/lib/jvm/default-java\n\
         locked/agent.name={}\n\
         locked/agent.id={}\n\
         agent.installed.version={}\n",
        wishes.name,
        random()?,
        wishes.version
    );
    match wishes.wire {
        Wire::Jms => {
            let (proxy, port) = wishes.relay.clone().unwrap_or_default();
            let port = if port == 0 {
                String::new()
            } else {
                port.to_string()
            };
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "locked/agent.brokerUrl=failover\\:({})\nlocked/agent.http.proxy.host={proxy}\n\
                 locked/agent.http.proxy.port={port}\nagent.HttpFailoverHandler.disabled=null\n",
                list("ah3")
            );
        }
        Wire::WebSocket => {
            let _ = write!(
                text,
                "agentcomm.enabled=true\nagentcomm.server.uri=random\\:({})\n",
                list("wss")
            );
            if let Some((host, port)) = &wishes.relay {
                let _ = writeln!(
                    text,
                    "agentcomm.proxy.uri=random\\:(http\\://{host}\\:{port})"
                );
            }
        }
    }
    write(&home.join(PROPERTIES), &text, 0o600)?;
    let text = script(home, "agent", MAIN, "var/agent.pid")?;
    write(&home.join("bin/agent"), &text, 0o755)
}

/// Runs an agent until it is told to end.
pub(crate) fn run(home: &Path) -> ExitCode {
    let Err(why) = serve(home);
    crate::complain(&why);
    ExitCode::FAILURE
}

fn serve(home: &Path) -> Result<std::convert::Infallible, String> {
    let file = read(&home.join(PROPERTIES))?;
    let text = |key: &str| value(&file, key).unwrap_or_default();
    let is_web = text("agentcomm.enabled") == "true";
    let list = if is_web {
        "agentcomm.server.uri"
    } else {
        "locked/agent.brokerUrl"
    };
    let servers = Servers::read(&text(list)).map_err(|why| format!("{list}: {why}"))?;
    let proxies = Servers::read(&text("agentcomm.proxy.uri"))?;
    let who = Guest::Agent {
        id: text("locked/agent.id"),
        name: text("locked/agent.name"),
        version: text("agent.installed.version"),
        life: random()?,
    };
    if servers.addresses.is_empty() {
        return Err(format!("{list} names no server"));
    }
    fs::write(home.join("var/agent.pid"), std::process::id().to_string())
        .map_err(|error| error.to_string())?;
    let log = |level: &str, what: &str| log(home, level, what);
    log(
        "INFO",
        &format!("Agent version: {}", text("agent.installed.version")),
    );
    let (mut server, mut proxy) = (servers.first()?, proxies.first()?);
    loop {
        let address = &servers.addresses[server % servers.addresses.len()];
        let stream = match proxies
            .addresses
            .get(proxy % proxies.addresses.len().max(1))
        {
            Some(by) => dial_by(by, address),
            None => dial(&address.0, address.1),
        };
        let held = stream.and_then(|stream| {
            hold(stream, &address.0, servers.wire, &who, |_| {
                log("INFO", "Agent started");
            })
        });
        let why = held.map_or_else(|error| error.to_string(), |()| "it is gone".to_owned());
        log("WARN", &format!("{}:{}: {why}", address.0, address.1));
        (server, proxy) = (server + 1, proxy + 1);
        thread::sleep(AGAIN);
    }
}

fn log(home: &Path, level: &str, what: &str) {
    let now = jiff::Timestamp::now();
    let line = format!("{now} UTC {level:<5} AgentWorkerThread {MAIN} - {what}\n");
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(home.join("var/log/agent.out"));
    // Without a log it still works.
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}
