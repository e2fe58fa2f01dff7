//! One server: it reads its properties as the product does, refuses to start for the product's reasons, listens, shares
//! its database with the others, and runs what is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::database::{Database, Member, ProcessState, State, now};
use super::faults::Faults;
use super::http;
use super::keystore;
use super::layout::{Layout, hex};
use super::mesh;
use super::rest;

/// So long after its last sign of life a server counts as gone, if it is.
const GONE: u64 = 3_000;

/// How often a server looks into the database, unless its properties say otherwise.
const POLL: u64 = 200;

/// A server that runs.
pub(crate) struct Server {
    pub(crate) layout: Layout,
    /// The version, such as `7.0.2.1.1003`.
    pub(crate) version: String,
    /// By what the others know it.
    pub(crate) id: String,
    pub(crate) database: Database,
    pub(crate) faults: Faults,
    /// The servers that its connections lead to: by JMS, and by web sockets.
    pub(crate) peers: [Mutex<BTreeSet<String>>; 2],
    /// What it has to itself for as long as it lives, by which the others see that it does.
    _sign_of_life: fs::File,
    /// Cluster connections that were made through this server since it started, and wait to be used.
    pub(crate) made: Mutex<Vec<(String, u16)>>,
    pub(crate) ends: Arc<AtomicBool>,
}

/// By what servers speak with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Jms,
    WebSocket,
}

/// Why a server does not run any more, and with which exit code.
pub(crate) struct Refused(pub(crate) u8, pub(crate) String);

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self(1, why)
    }
}

/// Whether a version is at least another one, part by part.
pub(crate) fn is_at_least(version: &str, least: &[u32]) -> bool {
    let parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let parts: Vec<u32> = parts.collect();
    let padded = (0..least.len()).map(|at| parts.get(at).copied().unwrap_or(0));
    padded.cmp(least.iter().copied()) != std::cmp::Ordering::Less
}

/// Runs a server until it is told to end, and says why when it does not.
pub(crate) fn run(home: &Path) -> ExitCode {
    match serve(home) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused(code, why)) => {
            crate::complain(&why);
            ExitCode::from(code)
        }
    }
}

fn serve(home: &Path) -> Result<(), Refused> {
    let layout = Layout::read(home)?;
    let faults = Faults::of(home);
    faults.pause("slow-start-ms");
    if let Some(why) = faults.text("refuse-start") {
        return Err(why.into());
    }
    let version = layout.version()?;
    check(&layout, &version)?;
    let database = database(&layout, &version)?;
    let ends = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&ends))
            .map_err(|error| error.to_string())?;
    }
    let id = layout.identity()?;
    let server = Arc::new(Server {
        _sign_of_life: sign_of_life(&layout, &id)?,
        id,
        version,
        database,
        faults,
        peers: Default::default(),
        made: Mutex::default(),
        ends,
        layout,
    });
    server.listen()?;
    server.join()?;
    fs::write(server.layout.pid_file(), std::process::id().to_string())
        .map_err(|error| error.to_string())?;
    mesh::connect(&server);
    server.log(
        "INFO",
        &format!(
            "main com.urbancode.ds.UDeployServer - IBM UrbanCode Deploy server version {} started",
            server.version
        ),
    );
    let poll = server.layout.number("practice.poll.ms").unwrap_or(POLL);
    while !server.ends.load(Ordering::SeqCst) {
        mesh::use_new(&server);
        if let Err(problem) = server.poll() {
            server.log("ERROR", &problem);
        }
        thread::sleep(Duration::from_millis(poll));
    }
    server.faults.pause("slow-stop-ms");
    if !server.faults.has("stale-pid") {
        // Who took it away meanwhile did the same.
        let _ = fs::remove_file(server.layout.pid_file());
    }
    server.log("INFO", "main com.urbancode.ds.UDeployServer - stopped");
    Ok(())
}

/// What keeps a server from starting.
fn check(layout: &Layout, version: &str) -> Result<(), Refused> {
    let multi = layout.text("com.urbancode.ds.UDeployServer.multiserver") == "true";
    let kind = layout.text("database.type");
    if multi && let Some(why) = Faults::of(&layout.home).text("refuse-cluster") {
        return Err(why.into());
    }
    if kind == "derby" && multi {
        return Err("Embedded database is already running".to_owned().into());
    }
    if !matches!(
        &*kind,
        "derby" | "mysql" | "oracle" | "sqlserver" | "db2" | "db2zos"
    ) {
        return Err(format!("{kind} is not a supported database type.").into());
    }
    let has_driver = fs::read_dir(layout.home.join("lib/ext")).is_ok_and(|all| {
        all.flatten()
            .any(|it| it.path().extension() == Some("jar".as_ref()))
    });
    if kind != "derby" && !has_driver {
        return Err("Error: The JDBC driver was not located in lib/ext."
            .to_owned()
            .into());
    }
    if is_at_least(version, &[7, 0]) && layout.text("agentcomm.uri").is_empty() {
        return Err("Please provide a property for 'agentcomm.uri'"
            .to_owned()
            .into());
    }
    for (key, password) in [
        ("encryption.keystore", "encryption.keystore.password"),
        ("server.keystore", "server.keystore.password"),
    ] {
        let path = layout.path(key);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let password = layout.secret(password);
        if !keystore::opens(&bytes, &password) {
            let what = "Keystore was tampered with, or password was incorrect";
            return Err(format!("java.io.IOException: {what} ({})", path.display()).into());
        }
    }
    let probe = format!("var/.practice-write-probe-{}", std::process::id());
    let probe = layout.appdata.join(probe);
    fs::create_dir_all(layout.appdata.join("var"))
        .and_then(|()| fs::write(&probe, b""))
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| format!("{}: {error}", layout.appdata.display()))?;
    Ok(())
}

/// The database that the properties name; a fresh one where there is none.
fn database(layout: &Layout, version: &str) -> Result<Database, Refused> {
    let url = layout.text("hibernate.connection.url");
    let Some(path) = url.split_once(":practice:").map(|(_, path)| path) else {
        let what = format!("Could not start database: no suitable driver found for {url}");
        return Err(what.into());
    };
    let database = Database::at(path);
    let has_connections = !is_at_least(version, &[7, 2]);
    let has_maintenance = is_at_least(version, &[7, 0, 3]);
    database.make(&State::new(version, has_connections, has_maintenance))?;
    let stamp = database.with(|state| state.version.clone())?;
    if stamp == version {
        return Ok(database);
    }
    let own = version
        .split('.')
        .map(|part| part.parse::<u64>().unwrap_or(0));
    let theirs = stamp
        .split('.')
        .map(|part| part.parse::<u64>().unwrap_or(0));
    if theirs.gt(own) {
        let what = "DB version is newer than UCD server version, exiting!";
        return Err(Refused(2, what.to_owned()));
    }
    let what = format!("the database of version {stamp} needs an upgrade to {version}");
    Err(Refused(1, what))
}

impl Server {
    fn listen(self: &Arc<Self>) -> Result<(), Refused> {
        let at = self.layout.text("install.server.web.ip");
        let at = if at.is_empty() { "0.0.0.0" } else { &at };
        let tls = self.layout.tls()?;
        let own = Arc::clone(self);
        let handler: http::Handler = Arc::new(move |request| {
            if own.faults.has("hung-http") {
                thread::sleep(Duration::from_hours(1));
            }
            rest::answer(&own, request)
        });
        if let Some(port) = self.layout.number("install.server.web.port") {
            http::serve(listener(at, port)?, None, Arc::clone(&handler));
        }
        if let Some(port) = self.layout.number("install.server.web.https.port") {
            http::serve(listener(at, port)?, Some(tls.clone()), handler);
        }
        let jms = self.layout.number("server.jms.port").unwrap_or(7918);
        mesh::listen(self, listener(at, jms)?, Wire::Jms);
        if is_at_least(&self.version, &[7, 0]) {
            let (_, port) = self.layout.agent_address()?;
            mesh::listen(self, listener(at, port.into())?, Wire::WebSocket);
        }
        Ok(())
    }

    /// Says in the database that it is there.
    fn join(&self) -> Result<(), Refused> {
        let (host, port) = if is_at_least(&self.version, &[7, 0]) {
            self.layout.agent_address()?
        } else {
            return Ok(());
        };
        let fingerprint = |name: &str| {
            let bytes = fs::read(name).unwrap_or_default();
            hex(&openssl::sha::sha256(&bytes))
        };
        let shared = fingerprint(&self.layout.path("server.keystore").to_string_lossy());
        let own = fingerprint(&self.layout.path("agentcomm.keystore").to_string_lossy());
        let id = self.id.clone();
        self.database.with(|state| {
            let created = state
                .members
                .get(&id)
                .map_or_else(now, |it| it.created_date);
            let member = Member {
                created_date: created,
                modified_date: now(),
                host,
                port,
                server_public_key_fingerprint: shared,
                client_public_key_fingerprint: own,
            };
            state.members.insert(id, member);
        })?;
        Ok(())
    }

    /// Looks into the database, which it has to itself for that: what its processes came to, what servers that are gone
    /// left behind, and what nobody has begun yet.
    fn poll(&self) -> Result<(), String> {
        let heard = signs(&self.layout);
        let beat = heard.join(&self.id);
        fs::create_dir_all(&heard)
            .and_then(|()| fs::write(&beat, now().to_string()))
            .map_err(|error| format!("{}: {error}", beat.display()))?;
        self.database.with(|state| {
            let now = now();
            // A step has come to its end where its agent tells so: the one that began it, and not one that was started since.
            let reached = state.agents.iter().filter(|agent| {
                let at = agent.server.as_ref();
                at.is_some_and(|at| self.reaches(at))
            });
            let lives: BTreeMap<String, String> = reached
                .map(|agent| (agent.name.clone(), agent.life.clone().unwrap_or_default()))
                .collect();
            let is_gone = |id: &str| {
                let beat = fs::read_to_string(heard.join(id)).ok();
                let beat = beat.and_then(|it| it.trim().parse::<u64>().ok());
                beat.is_none_or(|beat| beat + GONE < now) && !is_alive(&heard.join(id))
            };
            for it in &mut state.requests {
                match (it.state, &it.server) {
                    (ProcessState::Pending, _) => {
                        it.state = ProcessState::Executing;
                        it.server = Some(self.id.clone());
                        it.ends_at = now + it.takes;
                    }
                    (ProcessState::Executing, Some(by)) if *by == self.id => {
                        let life = it.agent.as_ref().map(|agent| lives.get(agent));
                        match (life, &it.life) {
                            (Some(Some(life)), None) => {
                                it.life = Some(life.clone());
                                it.ends_at = now + it.takes;
                            }
                            (Some(Some(life)), Some(began)) if life != began => {}
                            (None | Some(Some(_)), _) if it.ends_at <= now => {
                                it.state = ProcessState::Closed;
                            }
                            _ => {}
                        }
                    }
                    (ProcessState::Executing, Some(by)) if *by != self.id && is_gone(by) => {
                        it.state = ProcessState::Faulted;
                    }
                    _ => {}
                }
            }
            for agent in &mut state.agents {
                if agent.server.as_deref().is_some_and(is_gone) {
                    agent.server = None;
                }
            }
            for relay in &mut state.relays {
                if relay.server.as_deref().is_some_and(is_gone) {
                    relay.server = None;
                }
            }
        })
    }

    /// Whether what this server wants to tell an agent reaches it, where the agent is connected to that server.
    pub(crate) fn reaches(&self, server: &str) -> bool {
        let knows = |peers: &Mutex<BTreeSet<String>>| {
            let peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
            peers.contains(server)
        };
        server == self.id || self.peers.iter().any(knows)
    }

    /// Writes a line of the log, as the product does.
    pub(crate) fn log(&self, level: &str, what: &str) {
        let line = format!("{} UTC {level:<5} {what}\n", jiff::Timestamp::now());
        let path = self.layout.log_file();
        let file = fs::File::options().create(true).append(true).open(path);
        // Without a log it still serves.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}

/// Where the signs of life of all servers are.
fn signs(layout: &Layout) -> std::path::PathBuf {
    layout.appdata.join("var").join("servers")
}

/// Whether the server whose sign of life this is lives: a machine that is busy makes none slow.
fn is_alive(sign: &Path) -> bool {
    fs::File::open(sign)
        .is_ok_and(|sign| flock(&sign, FlockOperation::NonBlockingLockShared).is_err())
}

/// A server's own, which it has to itself from now on.
fn sign_of_life(layout: &Layout, id: &str) -> Result<fs::File, String> {
    let folder = signs(layout);
    let path = folder.join(id);
    let problem = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&folder).map_err(problem)?;
    let sign = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(problem)?;
    // A copied folder has the identity of its original, and nobody's sign is its own then.
    let _ = flock(&sign, FlockOperation::NonBlockingLockExclusive);
    Ok(sign)
}

fn listener(at: &str, port: u64) -> Result<TcpListener, String> {
    let port = u16::try_from(port).map_err(|_| format!("{port} is no port"))?;
    let mut addresses = (at, port)
        .to_socket_addrs()
        .map_err(|error| format!("{at}:{port}: {error}"))?;
    let address = addresses.next().ok_or_else(|| format!("{at} is nowhere"))?;
    TcpListener::bind(address).map_err(|error| format!("java.net.BindException: {error} {address}"))
}
