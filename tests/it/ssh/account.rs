//! A throw-away user of this machine, for login shells and passwords. Only root can make one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

/// What every name begins with, so that those that a killed test left behind are found.
const PREFIX: &str = "cctl-";

/// A user who goes away with this value.
pub(crate) struct Account {
    name: String,
}

impl Account {
    /// Makes a user with this login shell and home. `None`, said loudly, when this is not root.
    pub(crate) fn new(shell: &str, password: Option<&str>, home: &Path) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            println!("NOT TESTED: only root can make a user whose login shell is {shell}");
            return None;
        }
        assert!(
            Path::new(shell).exists(),
            "{shell} is missing: .ci/install installs it"
        );
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", std::process::id());
        let _turn = turn();
        end_orphans();
        run(Command::new("useradd")
            .args(["--no-create-home", "--no-user-group", "--shell", shell])
            .args(["--password", "*", "--home-dir"])
            .arg(home)
            .arg(&name));
        let account = Self { name };
        if let Some(password) = password {
            account.set_password(password);
        }
        let owner = format!("{}:", account.name);
        run(Command::new("chown").args(["-R", &owner]).arg(home));
        Some(account)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn set_password(&self, password: &str) {
        let mut child = Command::new("chpasswd")
            .args(["-c", "SHA512", "-s", "1000"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let line = format!("{}:{password}\n", self.name);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success(), "chpasswd failed");
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _turn = turn();
        delete(&self.name);
    }
}

/// One at a time: the programs that edit the list of users refuse when another one does.
fn turn() -> File {
    let path = std::env::temp_dir().join("clusterctl-test-accounts.lock");
    let file = File::create(path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file
}

/// Users whose test was killed.
fn end_orphans() {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    for name in users.lines().filter_map(|line| line.split(':').next()) {
        let pid = name.strip_prefix(PREFIX).and_then(|n| n.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            delete(name);
        }
    }
}

fn delete(name: &str) {
    let ended = Command::new("userdel")
        .args(["--force", name])
        .output()
        .unwrap();
    if !ended.status.success() {
        println!("{name}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

fn run(command: &mut Command) {
    let ended = command.output().unwrap();
    assert!(
        ended.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
}
