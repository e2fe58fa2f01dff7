//! A folder with a runner's state, the nodes' states, and what the nodes serve; and the program to work on it.

use std::fs::{self, File};
use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clusterctl::plan::Plan;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::ssh;

use super::processes::{PATIENCE, end_all_of, ended, signal};

/// A place of its own for one test. Whatever still runs in it at the end is ended.
pub(crate) struct Lab {
    /// Where the nodes are when they are not this machine: a server for each, by its name.
    servers: Option<ssh::lab::Lab>,
    folder: TempDir,
    count: AtomicU32,
}

/// A run of the program that goes on.
pub(crate) struct Going {
    pub(crate) child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Told {
    /// The exit code; a signal counts from 128.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nodes", "out", "tree", "var"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            servers: None,
            folder,
            count: AtomicU32::new(0),
        }
    }

    /// A place whose nodes are reached over SSH, each by a server of its own.
    pub(crate) fn over_ssh() -> Self {
        Self::over_ssh_with(|wishes| wishes)
    }

    /// The same with servers of which something is wished.
    pub(crate) fn over_ssh_with(
        wishes: impl Fn(ssh::server::Wishes) -> ssh::server::Wishes,
    ) -> Self {
        let servers = ["n1", "n2", "n3"]
            .into_iter()
            .fold(ssh::lab::Lab::new(), |lab, name| lab.sshd(name, &wishes));
        let mut lab = Self::new();
        lab.servers = Some(servers);
        lab
    }

    pub(crate) fn servers(&self) -> &ssh::lab::Lab {
        self.servers.as_ref().expect("the nodes are this machine")
    }

    /// The folder of the servers, where there are some.
    pub(crate) fn servers_if_any(&self) -> Option<&Path> {
        self.servers.as_ref().map(ssh::lab::Lab::folder)
    }

    pub(crate) fn servers_mut(&mut self) -> &mut ssh::lab::Lab {
        self.servers.as_mut().expect("the nodes are this machine")
    }

    /// The plan, with the nodes where they are here.
    fn placed(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        if let Some(servers) = &self.servers {
            for (node, target) in &mut plan.nodes {
                let address = servers.server(node.as_str()).address();
                target.address = address.ip().to_string();
                target.port = NonZeroU16::new(address.port());
            }
        }
        plan
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Saves a plan and gives the file's path.
    pub(crate) fn save(&self, plan: &Plan) -> String {
        let path = self.path(&format!("plan-{}.json", self.next()));
        fs::write(&path, self.placed(plan).to_json()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a script that `sh` can run, and gives its path.
    pub(crate) fn script(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The program, as the runner `runner` calls it.
    pub(crate) fn program(&self, runner: &str) -> Command {
        self.program_by(runner, &[])
    }

    /// The same, called by another program, such as one that changes the user first.
    pub(crate) fn program_by(&self, runner: &str, by: &[&str]) -> Command {
        let mut words = by.iter().copied().chain([env!("CARGO_BIN_EXE_clusterctl")]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .current_dir(self.folder())
            .env_remove("CLUSTERCTL_CLUSTER")
            .env("CLUSTERCTL_NODE_DIR", self.path("nodes/local"))
            .env("CLUSTERCTL_STATE_DIR", self.path(runner))
            .stdin(Stdio::null());
        if let Some(servers) = &self.servers {
            command.env("CLUSTERCTL_SSH_CONFIG", servers.ssh_config());
        }
        command
    }

    /// Starts a command, its output in files.
    pub(crate) fn start_command(&self, mut command: Command) -> Going {
        let count = self.next();
        let (out, err) = (
            self.path(&format!("out/{count}.out")),
            self.path(&format!("out/{count}.err")),
        );
        let child = command
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Going { child, out, err }
    }

    pub(crate) fn start_as(&self, runner: &str, arguments: &[&str]) -> Going {
        let mut command = self.program(runner);
        command.args(arguments);
        self.start_command(command)
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Going {
        self.start_as("runner", arguments)
    }

    pub(crate) fn call_as(&self, runner: &str, arguments: &[&str]) -> Told {
        self.start_as(runner, arguments).end()
    }

    /// Runs the program to its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Told {
        self.call_as("runner", arguments)
    }

    /// Runs the program, which must succeed.
    pub(crate) fn must(&self, arguments: &[&str]) -> Told {
        self.call(arguments).is(0)
    }

    /// What becomes of the latest run: its verb and its fate.
    pub(crate) fn latest(&self) -> Option<(String, String)> {
        let shown = self.call(&["runs", "show", "latest", "--json"]);
        if shown.code != 0 {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        Some((text("verb"), text("fate")))
    }

    fn next(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        end_all_of(self.folder.path());
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("what is left is in {}", self.folder.path().display());
        }
    }
}

impl Going {
    /// Waits for the end.
    pub(crate) fn end(self) -> Told {
        self.end_within(PATIENCE)
    }

    pub(crate) fn end_within(mut self, within: Duration) -> Told {
        let Some(status) = ended(&mut self.child, within) else {
            let told = (self.said(), self.complained());
            panic!("it did not end: {told:#?}");
        };
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        Told {
            code,
            out: self.said(),
            err: self.complained(),
        }
    }

    /// Kills it that long after now; `true` when it had not ended by itself.
    pub(crate) fn kill_after(&mut self, delay: Duration) -> bool {
        if ended(&mut self.child, delay).is_some() {
            return false;
        }
        self.signal(Signal::KILL);
        let status = ended(&mut self.child, PATIENCE).expect("it was killed");
        status.signal() == Some(9)
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn complained(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }
}

impl Told {
    /// The cells of a table that it printed, row by row.
    pub(crate) fn rows(&self) -> Vec<Vec<&str>> {
        let rows = self.out.lines();
        rows.map(|row| row.split('\t').collect()).collect()
    }

    /// Fails unless the exit code is this.
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }
}
