//! An agent relay: it holds a line to one server of its list, leads agents there that come by JMS, and lets those that
//! come by web sockets through its HTTP proxy.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::files::{make, write};
use super::guest::{Guest, Servers, addresses, dial, hold};
use super::layout::{random, read, value};
use super::script::script;
use super::server::Wire;

/// Its properties.
const PROPERTIES: &str = "conf/agentrelay.properties";

/// What a relay's process is known by.
pub(crate) const MAIN: &str = "com.urbancode.air.agentrelay.AgentRelay";

/// How long to wait before the next server is tried.
const AGAIN: Duration = Duration::from_millis(300);

/// No head of a request is longer.
const LONGEST: usize = 4096;

/// How a relay is to be.
pub(crate) struct Wishes {
    pub(crate) home: PathBuf,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it listens.
    pub(crate) address: String,
    pub(crate) jms: u16,
    pub(crate) http: u16,
    /// The servers that it knows, where they speak JMS.
    pub(crate) servers: Vec<(String, u16)>,
    /// Where the balancer is.
    pub(crate) url: String,
}

/// Installs a relay, with the list that its installer was told.
pub(crate) fn install(wishes: &Wishes) -> Result<(), String> {
    let home = &wishes.home;
    for folder in ["bin", "conf", "var/log"] {
        make(&home.join(folder))?;
    }
    let servers = wishes.servers.iter();
    let servers: Vec<_> = servers
        .map(|(host, port)| format!("{host}\\:{port}"))
        .collect();
    let text = format!(
        "#Mon Jan 05 09:12:44 UTC 2026\n\
         agentrelay.home={home}\n\
         agentrelay.version={version}\n\
         agentrelay.jms_proxy.name={name}\n\
         agentrelay.jms_proxy.id={id}\n\
         agentrelay.jms_proxy.servers={servers}\n\
         agentrelay.jms_proxy.relay_host={address}\n\
         agentrelay.jms_proxy.relay_port={jms}\n\
         agentrelay.http_proxy.host={address}\n\
         agentrelay.http_proxy.port={http}\n\
         agentrelay.codestation.server_url={url}\n",
        home = home.display(),
        version = wishes.version,
        name = wishes.name,
        id = random()?,
        servers = servers.join(","),
        address = wishes.address,
        jms = wishes.jms,
        http = wishes.http,
        url = wishes.url.replace(':', r"\:"),
    );
    write(&home.join(PROPERTIES), &text, 0o600)?;
    let text = script(home, "relay", MAIN, "var/agentrelay.pid")?;
    write(&home.join("bin/agentrelay"), &text, 0o755)
}

/// Runs a relay until it is told to end.
pub(crate) fn run(home: &Path) -> ExitCode {
    let Err(why) = serve(home);
    crate::complain(&why);
    ExitCode::FAILURE
}

/// Where a relay leads agents now.
type Upstream = Arc<Mutex<Option<(String, u16)>>>;

fn serve(home: &Path) -> Result<std::convert::Infallible, String> {
    let file = read(&home.join(PROPERTIES))?;
    let text = |key: &str| value(&file, key).unwrap_or_default();
    let listen = |host: &str, port: &str| -> Result<(TcpListener, String, u16), String> {
        let (host, port) = (text(host), text(port));
        let number = port.parse().map_err(|_| format!("{port} is no port"))?;
        let listener = TcpListener::bind((host.as_str(), number))
            .map_err(|error| format!("java.net.BindException: {error} {host}:{port}"))?;
        Ok((listener, host, number))
    };
    let (jms, host, port) = listen(
        "agentrelay.jms_proxy.relay_host",
        "agentrelay.jms_proxy.relay_port",
    )?;
    let (http, ..) = listen("agentrelay.http_proxy.host", "agentrelay.http_proxy.port")?;
    let servers = match text("agentcomm.enabled").as_str() {
        "true" => Servers::read(&text("agentcomm.server.uri"))?,
        _ => Servers {
            wire: Wire::Jms,
            addresses: addresses(&text("agentrelay.jms_proxy.servers"))?,
            by_lot: false,
        },
    };
    if servers.addresses.is_empty() {
        return Err("agentrelay.jms_proxy.servers names no server".to_owned());
    }
    let name = text("agentrelay.jms_proxy.name");
    let who = Guest::Relay {
        id: text("agentrelay.jms_proxy.id"),
        name: name.clone(),
        version: text("agentrelay.version"),
        host,
        port,
    };
    fs::write(
        home.join("var/agentrelay.pid"),
        std::process::id().to_string(),
    )
    .map_err(|error| error.to_string())?;
    let upstream = Upstream::default();
    let leads = Arc::clone(&upstream);
    thread::spawn(move || forward(&jms, &leads, &name));
    thread::spawn(move || proxy(&http));
    let log = |level: &str, what: &str| log(home, level, what);
    let set = |to: Option<(String, u16)>| {
        *upstream.lock().unwrap_or_else(PoisonError::into_inner) = to;
    };
    let mut at = servers.first()?;
    loop {
        let address = &servers.addresses[at % servers.addresses.len()];
        let held = dial(&address.0, address.1).and_then(|stream| {
            hold(stream, &address.0, servers.wire, &who, |_| {
                set(Some(address.clone()));
                log("INFO", &format!("connected to {}:{}", address.0, address.1));
            })
        });
        set(None);
        let why = held.map_or_else(|error| error.to_string(), |()| "it is gone".to_owned());
        log("WARN", &format!("{}:{}: {why}", address.0, address.1));
        at += 1;
        thread::sleep(AGAIN);
    }
}

/// Leads agents to the server that this relay has a line to.
fn forward(listener: &TcpListener, upstream: &Upstream, name: &str) {
    for visitor in listener.incoming().flatten() {
        let to = upstream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let name = name.to_owned();
        thread::spawn(move || {
            let (host, port) = to.ok_or_else(|| io::Error::other("there is no server"))?;
            let mut server = dial(&host, port)?;
            let via = Guest::Via { relay: name };
            writeln!(server, "{}", serde_json::to_string(&via)?)?;
            pipe(visitor, server)
        });
    }
}

/// Lets visitors through to where they ask to be let.
fn proxy(listener: &TcpListener) {
    for mut visitor in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST {
                visitor.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head);
            let target = head
                .strip_prefix("CONNECT ")
                .and_then(|rest| rest.split(' ').next());
            let to = target.and_then(|it| addresses(it).ok()?.into_iter().next());
            let server = to.map(|(host, port)| dial(&host, port));
            match server {
                Some(Ok(server)) => {
                    visitor.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                    pipe(visitor, server)
                }
                _ => visitor.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            }
        });
    }
}

fn pipe(visitor: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (visitor.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let done = io::copy(&mut from, &mut to);
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Both);
        done
    });
    let (mut from, mut to) = (server, visitor);
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Both)
}

fn log(home: &Path, level: &str, what: &str) {
    let line = format!("{} UTC {level:<5} {what}\n", jiff::Timestamp::now());
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(home.join("var/log/agentrelay.out"));
    // Without a log it still works.
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}
