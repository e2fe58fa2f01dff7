//! Stand-in servers that share a database, for one test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::real::processes::{PATIENCE, end_all_of, ended, signal};
use crate::ssh::wires::listener;
use crate::world::bench::wait_until;

/// The version of servers of which no other is wished.
pub(crate) const VERSION: &str = "7.0.2.1.1003";

/// Servers that share a database and an application data folder. Whatever still runs at the end is ended.
pub(crate) struct Farm {
    folder: TempDir,
    servers: BTreeMap<String, Address>,
    running: Mutex<BTreeMap<String, Child>>,
}

/// Where a server is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) ip: Ipv4Addr,
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) jms: u16,
    web_sockets: u16,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }
}

/// The practice cluster, which is built beside the program.
pub(crate) fn playground() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_clusterctl"));
    let playground = program.with_file_name("examples").join("playground");
    assert!(
        playground.exists(),
        "{} is not there: `cargo build --example playground` makes it",
        playground.display()
    );
    playground
}

impl Farm {
    /// Servers of these names, installed and not started.
    pub(crate) fn of(names: &[&str]) -> Self {
        Self::of_version(VERSION, names)
    }

    pub(crate) fn of_version(version: &str, names: &[&str]) -> Self {
        Self::made(version, names, true)
    }

    /// A server that knows of no other.
    pub(crate) fn stand_alone(version: &str, name: &str) -> Self {
        Self::made(version, &[name], false)
    }

    fn made(version: &str, names: &[&str], multiserver: bool) -> Self {
        let mut farm = Self {
            folder: tempfile::tempdir().unwrap(),
            servers: BTreeMap::new(),
            running: Mutex::default(),
        };
        for name in names {
            farm.install(name, version, multiserver);
        }
        farm
    }

    fn install(&mut self, name: &str, version: &str, multiserver: bool) {
        // A listener has an address that nothing else uses, and so all of its ports.
        let taken = listener();
        let SocketAddr::V4(at) = taken.local_addr().unwrap() else {
            panic!("{taken:?}");
        };
        let address = Address {
            ip: *at.ip(),
            http: 8080,
            https: 8443,
            jms: 7918,
            web_sockets: 7919,
        };
        let wishes = json!({
            "home": self.home(name), "appdata": self.path("appdata"), "version": version, "address": address.ip,
            "http": address.http, "https": address.https, "jms": address.jms, "web_sockets": address.web_sockets,
            "database": self.path("database"), "multiserver": multiserver,
            // Real ones, made by the first test that needs them.
            "keystores": concat!(env!("CARGO_TARGET_TMPDIR"), "/practice-keystores"),
        });
        let file = self.path(&format!("{name}.json"));
        fs::write(&file, wishes.to_string()).unwrap();
        let made = Command::new(playground())
            .args(["ucd", "install"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        self.servers.insert(name.to_owned(), address);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where a server is installed.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    pub(crate) fn address(&self, name: &str) -> Address {
        self.servers[name]
    }

    /// Switches a fault of a server on.
    pub(crate) fn fault(&self, name: &str, fault: &str) {
        fs::write(self.home(name).join("faults"), format!("{fault}\n")).unwrap();
    }

    /// Changes a line of a server's properties.
    pub(crate) fn set(&self, name: &str, file: &str, key: &str, value: &str) {
        let path = self.home(name).join("conf/server").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let start = format!("{key}=");
        let mut lines: Vec<_> = text.lines().filter(|it| !it.starts_with(&start)).collect();
        let line = format!("{start}{value}");
        if !value.is_empty() {
            lines.push(&line);
        }
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }

    fn spawn(&self, name: &str) -> Child {
        let log = File::create(self.path(&format!("{name}.log"))).unwrap();
        Command::new(playground())
            .args(["ucd", "run"])
            .arg(self.home(name))
            .arg("com.urbancode.ds.UDeployServer")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Starts an agent that speaks JMS with one of these servers, the first of which is tried first, and waits until it is
    /// there.
    pub(crate) fn agent(&self, name: &str, servers: &[&str]) {
        let all: Vec<_> = servers
            .iter()
            .map(|server| {
                let Address { ip, jms, .. } = self.address(server);
                format!("ah3\\://{ip}\\:{jms}")
            })
            .collect();
        let text = format!(
            "locked/agent.name={name}\nlocked/agent.id=id-{name}\nagent.installed.version={VERSION}\n\
             locked/agent.brokerUrl=failover\\:({})?randomize=false\n",
            all.join(",")
        );
        let home = self.path(name);
        for folder in ["conf/agent", "var/log"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        fs::write(home.join("conf/agent/installed.properties"), text).unwrap();
        let child = Command::new(playground())
            .args(["ucd", "agent"])
            .arg(&home)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.running.lock().unwrap().insert(name.to_owned(), child);
        wait_until("the agent is there", || self.server_of(name) != Value::Null);
    }

    /// The identity of the server that an agent is connected to.
    pub(crate) fn server_of(&self, agent: &str) -> Value {
        let database = self.database();
        let all = database["agents"].as_array().unwrap();
        let it = all.iter().find(|it| it["name"] == agent);
        it.map_or(Value::Null, |it| it["server"].clone())
    }

    /// By what the others know a server.
    pub(crate) fn identity(&self, name: &str) -> String {
        fs::read_to_string(self.home(name).join("conf/server/endpoint-id")).unwrap()
    }

    /// What a server wrote since it was started.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// Starts a server, and waits until it says that it has started.
    pub(crate) fn start(&self, name: &str) {
        let child = self.spawn(name);
        self.running.lock().unwrap().insert(name.to_owned(), child);
        wait_until("the server starts", || self.log(name).contains(" started"));
    }

    /// Starts a server by its own script, and waits until it says that it has started.
    pub(crate) fn start_by_script(&self, name: &str) {
        let script = self.home(name).join("bin/server");
        let started = Command::new(script).arg("start").status().unwrap();
        assert!(started.success());
        let log = self.home(name).join("var/log/deployserver.out");
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait_until("the server starts", || said().contains(" started"));
    }

    /// Starts a server that refuses to: its exit code and what it said.
    pub(crate) fn refused(&self, name: &str) -> (i32, String) {
        let mut child = self.spawn(name);
        let status = ended(&mut child, PATIENCE).expect("it runs");
        (status.code().unwrap(), self.log(name))
    }

    /// Ends a server by a signal, and waits until it is gone.
    pub(crate) fn end(&self, name: &str, how: Signal) {
        let mut child = self.running.lock().unwrap().remove(name).unwrap();
        signal(&child, how);
        ended(&mut child, PATIENCE).expect("it runs on");
    }

    pub(crate) fn restart(&self, name: &str) {
        self.end(name, Signal::TERM);
        self.start(name);
    }

    /// Asks a server something as its administrator.
    pub(crate) fn ask(&self, name: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_as(name, Some("admin:admin"), method, path, body)
    }

    pub(crate) fn get(&self, name: &str, path: &str) -> Value {
        self.ask(name, "GET", path, None).json()
    }

    pub(crate) fn ask_as(
        &self,
        name: &str,
        who: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let Address { ip, http, .. } = self.address(name);
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if let Some(who) = who {
            let code = base64::engine::general_purpose::STANDARD.encode(who);
            write!(request, "Authorization: Basic {code}\r\n").unwrap();
        }
        let mut stream = TcpStream::connect((ip, http)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        write!(stream, "{request}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let text = text.to_owned();
        Answer { status, text }
    }

    /// Asks for a process that takes so many milliseconds; its identity.
    pub(crate) fn request(&self, name: &str, takes: u64) -> String {
        let body = json!({ "takes": takes, "name": "deploy" });
        let answer = self
            .ask(name, "POST", "/practice/request", Some(&body))
            .json();
        answer["requestId"].as_str().unwrap().to_owned()
    }

    /// What came of a process.
    pub(crate) fn state_of(&self, name: &str, request: &str) -> String {
        let all = self.get(name, "/cli/applicationProcessRequest");
        let all = all.as_array().unwrap();
        let it = all.iter().find(|it| it["id"] == request).unwrap();
        it["state"].as_str().unwrap().to_owned()
    }

    /// What the database has.
    pub(crate) fn database(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("database")).unwrap()).unwrap()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for child in self.running.lock().unwrap().values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        end_all_of(self.folder.path());
    }
}
