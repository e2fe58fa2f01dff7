//! One real `sshd`, with a folder, a configuration and keys of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::account::Account;
use super::wires::listener;
use crate::real::processes::{Fifo, PATIENCE, end_all_of, ended, gone, signal};

const SSHD: &str = "/usr/sbin/sshd";

/// What a server shall be like.
#[derive(Default)]
pub(crate) struct Wishes {
    lines: Vec<String>,
    keys: Vec<String>,
    environment: Vec<(String, String)>,
    home: Vec<(String, String)>,
    shell: Option<(String, Option<String>)>,
    pam: bool,
    instead: Option<(&'static [u8], &'static [u8])>,
}

impl Wishes {
    /// A line of `sshd_config`. It wins over what the server would say otherwise.
    pub(crate) fn option(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A server that is built wrong: in a copy of it the second bytes stand wherever the first do.
    pub(crate) fn built_with(mut self, instead: &'static [u8], of: &'static [u8]) -> Self {
        assert_eq!(instead.len(), of.len());
        self.instead = Some((of, instead));
        self
    }

    /// A further kind of host key: `ed25519` is the one there is when nothing is wished.
    pub(crate) fn host_key(mut self, kind: &str) -> Self {
        self.keys.push(kind.to_owned());
        self
    }

    /// A variable that commands find in their environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in the user's home, such as `.bashrc`.
    pub(crate) fn home_file(mut self, name: &str, content: &str) -> Self {
        self.home.push((name.to_owned(), content.to_owned()));
        self
    }

    /// A throw-away user with this login shell, to log in as. Without root there is none: see [`Server::user`].
    pub(crate) fn login_shell(mut self, path: &str) -> Self {
        self.shell = Some((path.to_owned(), None));
        self
    }

    /// A throw-away user who has this password.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.shell = Some(("/bin/bash".to_owned(), Some(password.to_owned())));
        self.option("PasswordAuthentication yes")
    }

    /// A throw-away user who has this password, which only keyboard-interactive asks for.
    pub(crate) fn asked_for(mut self, password: &str) -> Self {
        self.pam = true;
        self.shell = Some(("/bin/bash".to_owned(), Some(password.to_owned())));
        self.option("KbdInteractiveAuthentication yes")
            .option("PasswordAuthentication no")
    }
}

/// A server that runs until this is dropped, with everything that was started through it.
pub(crate) struct Server {
    folder: PathBuf,
    address: SocketAddr,
    keys: Vec<String>,
    child: Child,
    /// What a server that was stopped left running.
    left: Vec<(u32, OwnedFd)>,
    account: Option<Account>,
    wanted_account: bool,
}

impl Server {
    /// Starts a server in an empty folder that lets in whoever has one of the keys in the file `authorized`.
    pub(crate) fn start(folder: PathBuf, authorized: &Path, wishes: &Wishes) -> Self {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing: .ci/install installs openssh-server"
        );
        let home = folder.join("home");
        fs::create_dir_all(&home).unwrap();
        for (name, content) in &wishes.home {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let shell = wishes.shell.as_ref();
        let account =
            shell.and_then(|(shell, password)| Account::new(shell, password.as_deref(), &home));
        let keys = match &wishes.keys[..] {
            [] => vec!["ed25519".to_owned()],
            keys => keys.to_vec(),
        };
        for kind in &keys {
            make_key(&folder.join(format!("host_{kind}")), kind, "");
        }
        let socket = listener();
        let address = socket.local_addr().unwrap();
        drop(socket);
        let config = config(&folder, address, authorized, &keys, wishes);
        fs::write(folder.join("sshd_config"), config).unwrap();
        if let Some((of, instead)) = wishes.instead {
            build(&folder, of, instead);
        }
        let mut pid_file = Fifo::new(folder.join("pid"));
        let child = launch(&folder, &mut pid_file);
        Self {
            folder,
            address,
            keys,
            child,
            left: Vec::new(),
            account,
            wanted_account: shell.is_some(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whom to log in as; `None` when a throw-away user was wished for and could not be made.
    pub(crate) fn user(&self) -> Option<String> {
        match &self.account {
            Some(account) => Some(account.name().to_owned()),
            None if self.wanted_account => None,
            None => Some(me()),
        }
    }

    /// Where commands find their home.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The public half of a host key, as `TYPE BASE64`.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        let text = fs::read_to_string(self.folder.join(format!("host_{kind}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The public halves of all host keys.
    pub(crate) fn host_keys(&self) -> Vec<String> {
        self.keys.iter().map(|kind| self.host_key(kind)).collect()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills the processes that serve connections, as the kernel does when memory is short; commands may go on.
    pub(crate) fn kill_connections(&self) {
        let serves = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.starts_with("sshd")
        };
        let killed: Vec<u32> = self.below().into_iter().filter(serves).collect();
        killed.iter().copied().for_each(kill);
        for (pid, handle) in self.left.iter().filter(|(pid, _)| serves(pid)) {
            let _ = pidfd_send_signal(handle, Signal::KILL);
            gone(*pid, PATIENCE);
        }
        for pid in killed {
            gone(pid, PATIENCE);
        }
    }

    /// Ends the server as a shutdown does: no new connection is taken; those that there are go on.
    pub(crate) fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let left = self.below().into_iter().filter_map(|pid| {
                let known = Pid::from_raw(pid.cast_signed())?;
                Some((pid, pidfd_open(known, PidfdFlags::empty()).ok()?))
            });
            let left: Vec<_> = left.collect();
            self.left.extend(left);
            signal(&self.child, Signal::TERM);
            ended(&mut self.child, PATIENCE).expect("sshd ends when it is asked to");
        }
    }

    /// Starts it again at the same address, with the same keys.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        let _ = fs::remove_file(self.folder.join("pid"));
        let mut pid_file = Fifo::new(self.folder.join("pid"));
        self.child = launch(&self.folder, &mut pid_file);
    }

    /// Everything that came from the server, and still runs.
    fn below(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let processes = parents();
        let mut at = 0;
        while let Some(parent) = found.get(at).copied() {
            let children = processes.iter().filter(|(_, p)| *p == parent);
            found.extend(children.map(|(pid, _)| *pid));
            at += 1;
        }
        found.remove(0);
        found
    }

    /// Every process of a session, even one that left its parents, by what it has in its environment.
    fn marked(&self) -> Vec<u32> {
        let mark = format!("LAB_FOLDER={}\0", self.folder.display());
        let processes = parents().into_iter().map(|(pid, _)| pid);
        let marked = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        };
        processes.filter(marked).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of {} ---\n{}", self.address, self.log());
        }
        let mut all = self.below();
        for (_, handle) in &self.left {
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        all.extend(self.marked());
        for pid in &all {
            kill(*pid);
        }
        end_all_of(&self.folder);
        for pid in all {
            gone(pid, PATIENCE);
        }
    }
}

/// The user who runs the tests.
pub(crate) fn me() -> String {
    let found = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// A pair of keys: `path` and `path.pub`.
pub(crate) fn make_key(path: &Path, kind: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "lab", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("ssh-keygen is missing: .ci/install installs openssh-client");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn config(
    folder: &Path,
    address: SocketAddr,
    authorized: &Path,
    keys: &[String],
    wishes: &Wishes,
) -> String {
    let mut lines = wishes.lines.clone();
    for kind in keys {
        lines.push(format!("HostKey {}/host_{kind}", folder.display()));
    }
    let mut environment = vec![
        ("LAB_FOLDER".to_owned(), folder.display().to_string()),
        ("HOME".to_owned(), folder.join("home").display().to_string()),
    ];
    environment.extend(wishes.environment.iter().cloned());
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| format!("\"{name}={value}\""))
        .collect();
    lines.push(format!("SetEnv {}", environment.join(" ")));
    lines.push(format!("ListenAddress {}", address.ip()));
    lines.push(format!("Port {}", address.port()));
    lines.push(format!("PidFile {}/pid", folder.display()));
    lines.push(format!("AuthorizedKeysFile {}", authorized.display()));
    lines.push(format!("UsePAM {}", if wishes.pam { "yes" } else { "no" }));
    let fixed = [
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "PrintMotd no",
        "UseDNS no",
        "LogLevel VERBOSE",
        "MaxStartups 200",
    ];
    lines.extend(fixed.map(str::to_owned));
    lines.join("\n") + "\n"
}

/// Makes the copy of the server that [`launch`] then starts.
fn build(folder: &Path, of: &[u8], instead: &[u8]) {
    let mut program = fs::read(SSHD).unwrap();
    let places: Vec<_> = memchr::memmem::find_iter(&program, of).collect();
    assert!(!places.is_empty(), "{SSHD} has no `{}`", of.escape_ascii());
    for at in places {
        program[at..at + of.len()].copy_from_slice(instead);
    }
    fs::write(folder.join("sshd"), program).unwrap();
    fs::set_permissions(folder.join("sshd"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts the server and waits until it listens: then it writes its number where `pid_file` hears it.
fn launch(folder: &Path, pid_file: &mut Fifo) -> Child {
    if rustix::process::geteuid().is_root() {
        // Where the part without rights is locked in.
        fs::create_dir_all("/run/sshd").unwrap();
        fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755)).unwrap();
    }
    let own = folder.join("sshd");
    let program = if own.exists() {
        own
    } else {
        PathBuf::from(SSHD)
    };
    // It ends when the test does, however that does.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "TERM"])
        .arg(program)
        .args(["-D", "-f"])
        .arg(folder.join("sshd_config"))
        .arg("-E")
        .arg(folder.join("log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setpriv is missing: .ci/install installs util-linux");
    let deadline = Instant::now() + PATIENCE;
    while pid_file.hear_within(Duration::from_millis(200)).is_none() {
        if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let told = child.wait_with_output().unwrap().stderr;
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let config = fs::read_to_string(folder.join("sshd_config")).unwrap();
            let told = String::from_utf8_lossy(&told).into_owned();
            panic!("sshd did not start: {told}{log}\n--- its configuration ---\n{config}");
        }
    }
    child
}

/// Every process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = stat.rsplit_once(')')?.1;
        let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    };
    pids.filter_map(parent).collect()
}

fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed())
        && let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
    {
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
}
