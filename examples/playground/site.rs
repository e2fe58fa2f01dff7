//! The practice cluster: servers that share a database and a folder, a balancer before them, agents and a relay behind,
//! each on a node that one logs in to by SSH, and the cluster file that names all of it.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::crowd::get;
use crate::processes::{end_all_of, run, wait_until};
use crate::ucd::database::{Connection, Database, State};
use crate::ucd::files::{make, write};
use crate::ucd::server::{Wire, is_at_least};
use crate::ucd::{agent, install, relay};
use crate::{haproxy, needs, sshd};

/// What says that a folder is a practice cluster, which may be removed.
const MARK: &str = "practice-cluster";

/// The version of the servers.
const VERSION: &str = "7.0.3.0.1020";

/// How many servers there are.
pub(crate) const SERVERS: usize = 3;

/// No more would be practice.
const MOST_SERVERS: usize = 9;

/// How many hosts have agents, and how many agents each has.
const AGENT_HOSTS: usize = 2;
const AGENTS_A_HOST: usize = 5;

/// The ports of a server, and of a relay.
const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;
const JMS: u16 = 7918;
const WEB_SOCKETS: u16 = 7919;
const RELAY_JMS: u16 = 7916;
const RELAY_HTTP: u16 = 20080;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster that runs.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    /// The first parts of all its addresses.
    network: String,
    servers: Vec<String>,
}

/// So many names of a kind.
fn names(kind: &str, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("{kind}{number}"))
        .collect()
}

impl Site {
    /// Makes a cluster of so many servers anew, and starts it.
    pub(crate) fn up(folder: &Path, servers: usize) -> Result<Self, String> {
        if !(1..=MOST_SERVERS).contains(&servers) {
            return Err(format!(
                "a practice cluster has 1 to {MOST_SERVERS} servers"
            ));
        }
        let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
        needs::plain(&folder)?;
        needs::provide()?;
        down(&folder)?;
        let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(problem)?;
        fs::write(folder.join(MARK), "").map_err(problem)?;
        let site = Self {
            network: network(&folder)?,
            servers: names("ucd", servers),
            folder,
        };
        match site.make() {
            Ok(()) => Ok(site),
            Err(why) => match down(&site.folder) {
                Ok(_) => Err(why),
                Err(left) => Err(format!("{why}; and {left}")),
            },
        }
    }

    fn make(&self) -> Result<(), String> {
        self.log_in_everywhere()?;
        self.install()?;
        self.database()?;
        for name in &self.servers {
            run(&self.home(name).join("bin/server"), &["start"])?;
        }
        for name in &self.servers {
            let address = (self.address(name), HTTP);
            wait_until(&format!("{name} starts"), PATIENCE, || {
                get(&address, "/connTest.txt").is_ok_and(|answer| answer.status == 200)
            })
            .map_err(|why| format!("{why}\n{}", self.last_words(name)))?;
        }
        let members: Vec<_> = self.servers.iter().map(|name| self.address(name)).collect();
        let members: Vec<_> = self
            .servers
            .iter()
            .zip(&members)
            .map(|(name, address)| haproxy::Member {
                name,
                address,
                http: HTTP,
                https: HTTPS,
            })
            .collect();
        haproxy::start(&self.at("lb1"), &self.address("lb1"), &members)?;
        self.agents()?;
        let file = |name: &str| self.folder.join(name);
        write(&file("admin"), "admin:admin\n", 0o600)?;
        write(&file("cluster.toml"), &self.cluster_file(), 0o644)?;
        let front = self.front();
        wait_until("the balancer serves", PATIENCE, || {
            get(&front, "/connTest.txt").is_ok_and(|answer| answer.status == 200)
        })
    }

    /// Where the files of a node are.
    fn at(&self, node: &str) -> PathBuf {
        self.folder.join("nodes").join(node)
    }

    /// Where a server is installed.
    fn home(&self, server: &str) -> PathBuf {
        self.at(server).join("opt/ucd/server")
    }

    /// The names of all nodes.
    fn nodes(&self) -> Vec<String> {
        let mut all = self.servers.clone();
        all.extend(names("agents", AGENT_HOSTS));
        all.extend(["lb1", "relay1"].map(str::to_owned));
        all
    }

    /// The address of a node, which nothing else has.
    fn address(&self, node: &str) -> String {
        let kind = node.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: usize = node[kind.len()..].parse().unwrap_or(0);
        let base = match kind {
            "ucd" => 10,
            "agents" => 20,
            "relay" => 30,
            _ => 1,
        };
        format!("{}.{}", self.network, base + number)
    }

    /// Where users come in.
    pub(crate) fn front(&self) -> (String, u16) {
        (self.address("lb1"), HTTP)
    }

    fn url(&self) -> String {
        let (host, port) = self.front();
        format!("http://{host}:{port}")
    }

    /// An `sshd` on each node, and a configuration of SSH that knows them all.
    fn log_in_everywhere(&self) -> Result<(), String> {
        let keys = self.folder.join("ssh");
        let keep = |name: &str, text: &str| write(&keys.join(name), text, 0o600);
        make(&keys)?;
        sshd::key(&keys)?;
        let mut known = String::new();
        for node in self.nodes() {
            known += &sshd::start(&self.at(&node).join("sshd"), &keys, &self.address(&node))?;
        }
        keep("known_hosts", &known)?;
        let config = format!(
            "Host *\n  Port {}\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n",
            sshd::PORT,
            folder = keys.display()
        );
        keep("config", &config)
    }

    /// Installs the servers. What they share is made by the first; the others can be installed side by side.
    fn install(&self) -> Result<(), String> {
        let install = |name: &String| {
            install::install(&install::Wishes {
                home: self.home(name),
                appdata: Some(self.folder.join("share/appdata")),
                version: VERSION.to_owned(),
                address: self.address(name),
                http: HTTP,
                https: HTTPS,
                jms: JMS,
                web_sockets: WEB_SOCKETS,
                database: self.folder.join("share/database"),
                multiserver: self.servers.len() > 1,
                keystores: None,
            })
        };
        let Some((first, others)) = self.servers.split_first() else {
            return Ok(());
        };
        install(first)?;
        thread::scope(|scope| {
            let all: Vec<_> = others
                .iter()
                .map(|name| scope.spawn(move || install(name)))
                .collect();
            all.into_iter()
                .try_for_each(|it| it.join().map_err(|_| "an installer panicked".to_owned())?)
        })
    }

    /// What the servers find in their database: the connections between them, and where users and agents reach them.
    fn database(&self) -> Result<(), String> {
        let has_connections = !is_at_least(VERSION, &[7, 2]);
        let mut state = State::new(VERSION, has_connections, is_at_least(VERSION, &[7, 0, 3]));
        if self.servers.len() == 1 {
            // A stand-alone server, as its installer leaves it.
            return Database::at(self.folder.join("share/database")).make(&state);
        }
        for name in self.servers.iter().filter(|_| has_connections) {
            let id = state.new_id();
            if let Some(all) = &mut state.connections {
                all.push(Connection {
                    id,
                    name: name.clone(),
                    active: true,
                    host: self.address(name),
                    port: JMS,
                });
            }
        }
        for key in ["externalURL", "externalUserURL"] {
            state.settings.insert(key.to_owned(), self.url().into());
        }
        Database::at(self.folder.join("share/database")).make(&state)
    }

    /// Agents that speak JMS and such that speak by web sockets, on two hosts; one in five comes by the relay.
    fn agents(&self) -> Result<(), String> {
        let servers = |port: u16| -> Vec<_> {
            let all = self.servers.iter();
            all.map(|name| (self.address(name), port)).collect()
        };
        let at = self.address("relay1");
        let home = self.at("relay1").join("opt/ucd/agentrelay");
        relay::install(&relay::Wishes {
            home: home.clone(),
            name: "relay1".to_owned(),
            version: VERSION.to_owned(),
            address: at.clone(),
            jms: RELAY_JMS,
            http: RELAY_HTTP,
            servers: servers(JMS),
            url: self.url(),
        })?;
        run(&home.join("bin/agentrelay"), &["start"])?;
        for host in names("agents", AGENT_HOSTS) {
            for number in 1..=AGENTS_A_HOST {
                let name = format!("{host}-{number}");
                let home = self.at(&host).join("opt/agents").join(&name);
                let by_relay = number == AGENTS_A_HOST;
                let is_web = number % 2 == 0;
                let (wire, servers) = match (is_web, by_relay) {
                    (true, _) => (Wire::WebSocket, servers(WEB_SOCKETS)),
                    (false, false) => (Wire::Jms, servers(JMS)),
                    (false, true) => (Wire::Jms, vec![(at.clone(), RELAY_JMS)]),
                };
                agent::install(&agent::Wishes {
                    home: home.clone(),
                    name,
                    version: VERSION.to_owned(),
                    wire,
                    servers,
                    relay: by_relay.then(|| (at.clone(), RELAY_HTTP)),
                })?;
                run(&home.join("bin/agent"), &["start"])?;
            }
        }
        Ok(())
    }

    fn cluster_file(&self) -> String {
        let [http, https] = haproxy::POOLS;
        let mut text = format!(
            "# The practice cluster. All of it is on this machine; every node is reached by SSH.\n\
             name = \"practice\"\nproduct = \"urbancode\"\nurl = \"{}\"\ncredentials = \"admin\"\n\n\
             [secrets]\nadmin = {{ file = \"admin\" }}\n\n\
             [ssh]\nconfig = \"ssh/config\"\n\n\
             [balancer]\nkind = \"haproxy\"\nnodes = [\"lb1\"]\npools = [\"{http}\", \"{https}\"]\nsocket = \"{}\"\n\
             drain_grace = \"1s\"\n\n\
             [run]\nlease = \"20s\"\nheartbeat = \"5s\"\n",
            self.url(),
            haproxy::socket(&self.at("lb1")).display(),
        );
        for node in self.nodes() {
            let address = self.address(&node);
            let state = self.at(&node).join("clusterctl");
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "\n[nodes.{node}]\naddress = \"{address}\"\nstate_dir = \"{}\"\n",
                state.display()
            );
            if self.servers.contains(&node) {
                let _ = write!(
                    text,
                    "role = \"server\"\ninstall_dir = \"{}\"\nurl = \"http://{address}:{HTTP}\"\n",
                    self.home(&node).display()
                );
            }
        }
        text
    }

    /// What a person can type now.
    pub(crate) fn welcome(&self) -> String {
        let folder = self.folder.display();
        let (what, verbs) = match self.servers.len() {
            1 => (
                "A stand-alone server".to_owned(),
                "clusterctl convert --plan\n  clusterctl convert",
            ),
            count => (
                format!("{count} servers"),
                "clusterctl restart --plan\n  clusterctl lb drain ucd2\n  clusterctl lb enable ucd2",
            ),
        };
        format!(
            "{what}, a balancer, ten agents and a relay run below {folder}. Try:\n\n  \
             cd {folder}; export CLUSTERCTL_STATE_DIR=$PWD/runs\n  \
             clusterctl status\n  {verbs}\n  clusterctl exec --on 'agents*' -- uptime\n\n\
             Users come in at {}, as admin with the password admin.\n\
             Where clusterctl is not installed: {own} clusterctl status\n\
             To end it: PLAYGROUND={folder} {own} down",
            self.url(),
            own = std::env::current_exe().unwrap_or_default().display(),
        )
    }

    /// What a server said before it ended.
    fn last_words(&self, server: &str) -> String {
        let log = self.home(server).join("var/log/stdout");
        let text = fs::read_to_string(log).unwrap_or_default();
        text.lines().last().unwrap_or_default().to_owned()
    }
}

/// Ends a practice cluster and removes it; whether there was one.
pub(crate) fn down(folder: &Path) -> Result<bool, String> {
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    let is_empty = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(problem)?.next().is_none(),
    };
    if !is_empty && !folder.join(MARK).exists() {
        return Err(format!(
            "{} is no practice cluster, and nothing in it was touched\nhint: PLAYGROUND=DIR names another folder",
            folder.display()
        ));
    }
    end_all_of(&folder)?;
    fs::remove_dir_all(&folder).map_err(problem)?;
    Ok(true)
}

/// A network of the loopback interface in which nobody uses the ports that are needed.
fn network(folder: &Path) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    (folder, std::process::id()).hash(&mut hasher);
    let start = hasher.finish();
    let ports = [
        sshd::PORT,
        HTTP,
        HTTPS,
        JMS,
        WEB_SOCKETS,
        RELAY_JMS,
        RELAY_HTTP,
    ];
    for attempt in 0..50 {
        let number = start.wrapping_add(attempt * 257);
        let [.., second, third] = number.to_be_bytes();
        let network = format!("127.{}.{third}", second.max(2));
        let is_free = (1..=MOST_SERVERS + 10).chain(21..=29).all(|last| {
            ports.iter().all(|port| {
                let address = format!("{network}.{last}:{port}");
                TcpListener::bind(address).is_ok()
            })
        });
        if is_free {
            return Ok(network);
        }
    }
    Err("no network of the loopback interface is free: something listens on all addresses at 8080, 8443, 7916, 7918, 7919, \
         20080 or 2222\nhint: ss -ltnp   (shows what does)"
        .to_owned())
}
