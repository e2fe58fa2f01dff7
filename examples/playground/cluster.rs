//! The practice cluster: its folders, its cluster file, its plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clusterctl::config::NodeName;
use clusterctl::plan::{
    Action, Argv, Class, Condition, FORMAT, Hooks, Lane, Millis, OnTimeout, Plan, Probe, Proof,
    Reading, RemotePath, Service, ServiceState, Stage, Step, StepId, Target, Temporary, Undo, Why,
};
use clusterctl::primitives::edit_properties::{Circumstances, Found, Wish, plan as edit_plan};
use clusterctl::properties::{Properties, Which};

use crate::server;

/// How many servers there are.
const SERVERS: usize = 3;
/// The line that makes a server a node of a cluster.
const MULTISERVER: &str = "com.urbancode.ds.UDeployServer.multiserver";
/// The page that the plan follows.
const PAGE: &str = "Converting a stand-alone server to high availability";

pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    servers: Vec<PracticeServer>,
}

struct PracticeServer {
    name: NodeName,
    home: PathBuf,
    port: u16,
}

/// Makes the practice cluster anew and starts its servers.
pub(crate) fn up(folder: &Path) -> Result<Cluster, String> {
    down(folder)?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let mut servers = Vec::new();
    for number in 1..=SERVERS {
        let name: NodeName = format!("ucd{number}")
            .parse()
            .map_err(|error| format!("{error}"))?;
        let home = folder.join(name.as_str());
        let port = free_port()?;
        make(&home, port).map_err(|error| format!("{}: {error}", home.display()))?;
        servers.push(PracticeServer { name, home, port });
    }
    let cluster = Cluster { folder, servers };
    fs::write(cluster.folder.join("cluster.toml"), cluster.file()).map_err(|e| e.to_string())?;
    let all = cluster.plan(
        "Convert three stand-alone servers to nodes of a cluster",
        SERVERS,
    )?;
    let first = cluster.plan(
        "Convert a stand-alone server to the first node of a cluster",
        1,
    )?;
    for (name, plan) in [("convert.json", all), ("convert-first.json", first)] {
        fs::write(cluster.folder.join(name), plan.to_json()).map_err(|error| error.to_string())?;
    }
    for server in &cluster.servers {
        if server::run("start", &server.home) != std::process::ExitCode::SUCCESS {
            return Err(format!("{} did not start", server.name));
        }
    }
    Ok(cluster)
}

/// Ends the servers and removes everything.
pub(crate) fn down(folder: &Path) -> Result<(), String> {
    for number in 1..=SERVERS {
        let home = folder.join(format!("ucd{number}"));
        if home.exists() && server::run("stop", &home) != std::process::ExitCode::SUCCESS {
            return Err(format!("{} was not stopped", home.display()));
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn make(home: &Path, port: u16) -> std::io::Result<()> {
    fs::create_dir_all(home.join("conf/server"))?;
    fs::create_dir_all(home.join("var"))?;
    let text = format!(
        "#Mon Jan 05 09:12:44 UTC 2026\n\
         install.server.web.host=ucd.example.com\n\
         install.server.web.port={port}\n\
         server.external.web.url=https\\://ucd.example.com\\:8443\n\
         database.type=mysql\n\
         hibernate.connection.url=jdbc\\:mysql\\://db.example.com\\:3306/ucd\n\
         hibernate.connection.password=not-for-your-eyes\n"
    );
    fs::write(server::properties(home), text)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

impl Cluster {
    /// What a person can type now.
    pub(crate) fn welcome(&self) -> String {
        let folder = self.folder.display();
        format!(
            "{SERVERS} practice servers run in {folder}. In that folder, try:\n\n  \
             clusterctl show convert.json\n  \
             clusterctl rehearse convert.json --fault timeout@ucd2:start\n  \
             clusterctl apply convert.json\n  \
             clusterctl runs show\n  \
             clusterctl undo latest\n"
        )
    }

    fn file(&self) -> String {
        let own = own();
        let mut text =
            "name = \"practice\"\n\n[run]\nlease = \"10s\"\nheartbeat = \"3s\"\n".to_owned();
        for server in &self.servers {
            let home = server.home.display();
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "\n[nodes.{name}]\naddress = \"local\"\nstate_dir = \"{home}/clusterctl\"\n\
                 install_dir = \"{home}\"\n\
                 service.start = [\"{own}\", \"server\", \"start\", \"{home}\"]\n\
                 service.stop = [\"{own}\", \"server\", \"stop\", \"{home}\"]\n\
                 service.status = [\"{own}\", \"server\", \"status\", \"{home}\"]\n",
                name = server.name,
            );
        }
        text
    }

    /// The plan: server after server, stop, edit, start, wait.
    fn plan(&self, title: &str, servers: usize) -> Result<Plan, String> {
        let servers = self.servers.iter().take(servers);
        let stages = servers
            .clone()
            .map(PracticeServer::stage)
            .collect::<Result<_, _>>()?;
        let nodes = servers.map(|server| (server.name.clone(), server.target()));
        Ok(Plan {
            format: FORMAT,
            verb: "convert".to_owned(),
            title: title.to_owned(),
            made_by: concat!("playground ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: jiff::Timestamp::now(),
            starts_as: "running alone".to_owned(),
            nodes: nodes.collect(),
            hooks: Hooks::default(),
            stages,
        })
    }
}

fn own() -> String {
    std::env::current_exe()
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

impl PracticeServer {
    fn target(&self) -> Target {
        let state_dir = RemotePath::new(self.home.join("clusterctl").display().to_string());
        Target::at(Target::LOCAL, state_dir)
    }

    fn stage(&self) -> Result<Stage, String> {
        let mut edit = self.edit()?;
        edit.why.page = Some(PAGE.to_owned());
        edit.why.says = String::from("The server must know that it is one of several.");
        edit.leaves = String::from("stopped, to be a node of a cluster");
        let lane = Lane {
            node: self.name.clone(),
            steps: vec![self.stop(), edit, self.start(), self.answers()],
        };
        Ok(Stage::in_turn(format!("convert {}", self.name), vec![lane]))
    }

    fn service(&self) -> Service {
        let home = self.home.display().to_string();
        let call =
            |verb: &str| Argv::new([own(), "server".to_owned(), verb.to_owned(), home.clone()]);
        Service {
            name: "practice server".to_owned(),
            start: call("start"),
            stop: call("stop"),
            status: call("status"),
        }
    }

    /// A step that turns the service from one state into the other.
    fn turn(&self, slug: &str, to: ServiceState, back: ServiceState) -> Step {
        let action = |to| Action::Service {
            service: self.service(),
            to,
        };
        let is = |state| {
            Condition::is(
                Probe::Service {
                    service: self.service(),
                },
                Reading::Service(state),
            )
        };
        Step {
            id: StepId::new("convert", &self.name, slug),
            title: String::new(),
            why: Why {
                says: String::new(),
                page: Some(PAGE.to_owned()),
            },
            class: Class::Disrupt,
            action: action(to),
            guards: vec![is(back)],
            proof: Proof::Holds(vec![is(to)]),
            outputs: BTreeMap::new(),
            undo: Undo::By {
                action: Box::new(action(back)),
                proof: Proof::Holds(vec![is(back)]),
            },
            timeout: Millis::secs(60),
            leaves: String::new(),
            temporary: None,
            ends: None,
            preview: None,
        }
    }

    fn stop(&self) -> Step {
        let mut step = self.turn("stop", ServiceState::Stopped, ServiceState::Running);
        step.title = String::from("Stop the server");
        step.why.says = String::from("It reads its properties only when it starts.");
        step.leaves = String::from("stopped");
        step.temporary = Some(Temporary {
            lease: Millis::secs(600),
        });
        step
    }

    fn start(&self) -> Step {
        let mut step = self.turn("start", ServiceState::Running, ServiceState::Stopped);
        step.title = String::from("Start the server");
        step.why.says = String::from("It comes back as a node of the cluster.");
        step.leaves = String::from("started, not yet seen to answer");
        step.ends = Some(StepId::new("convert", &self.name, "stop"));
        step
    }

    fn answers(&self) -> Step {
        let probe = Probe::Port {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        };
        let until = Condition::is(probe, Reading::text("open"));
        let mut step = self.turn("answers", ServiceState::Running, ServiceState::Stopped);
        step.title = String::from("Wait until the server answers");
        step.why.says = String::from("A server that was started need not be one that works.");
        step.class = Class::Read;
        step.guards = Vec::new();
        step.proof = Proof::Holds(vec![until.clone()]);
        step.undo = Undo::Nothing {
            because: "It only looks.".to_owned(),
        };
        step.action = Action::WaitUntil {
            until,
            every: Millis(300),
            good: 3,
            within: Millis::secs(60),
            on_timeout: OnTimeout::Fail,
        };
        step.leaves = String::from("running as a node of a cluster");
        step
    }

    fn edit(&self) -> Result<Step, String> {
        let path = server::properties(&self.home);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let found = Found {
            node: self.name.clone(),
            target: self.target(),
            path: RemotePath::new(path.display().to_string()),
            file: Properties::parse(&bytes),
            wishes: vec![Wish::set(MULTISERVER, "true", Which::Only)],
        };
        let circumstances = Circumstances {
            verb: "convert",
            made_by: String::new(),
            made_at: jiff::Timestamp::now(),
            hooks: Hooks::default(),
        };
        let plan = edit_plan(&[found], &circumstances).map_err(|error| error.to_string())?;
        let step = plan.steps().next().map(|(_, step)| step.clone());
        step.ok_or_else(|| "the practice server is converted already".to_owned())
    }
}
