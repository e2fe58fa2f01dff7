//! A user with keys, `ssh_config` and `known_hosts`, and the servers that let the user in.
//!
//! ```ignore
//! let lab = Lab::new()
//!     .sshd("a", |s| s)
//!     .sshd("b", |s| s.option("MaxSessions 1").home_file(".bashrc", "echo hello"));
//! lab.ssh("a", &["true"]);
//! lab.server("b").kill_connections();
//! ```

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::server::{Server, Wishes, make_key};

/// One test's user and servers. Everything ends with it.
pub(crate) struct Lab {
    servers: Vec<(String, Server)>,
    folder: TempDir,
}

impl Lab {
    /// A user with a key of kind ed25519 without passphrase, and no server.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Throw-away users come through here to their homes.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lab = Self {
            servers: Vec::new(),
            folder,
        };
        make_key(&lab.key(), "ed25519", "");
        lab.authorize(&lab.key());
        fs::write(lab.known_hosts(), "").unwrap();
        lab.write_ssh_config("");
        lab
    }

    /// With a further server; the user knows its keys.
    pub(crate) fn sshd(mut self, name: &str, wishes: impl FnOnce(Wishes) -> Wishes) -> Self {
        self.add(name, wishes);
        self
    }

    /// Starts a further server; the user knows its keys.
    pub(crate) fn add(&mut self, name: &str, wishes: impl FnOnce(Wishes) -> Wishes) -> &mut Server {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        let wishes = wishes(Wishes::default());
        let server = Server::start(folder, &self.path("authorized_keys"), &wishes);
        let keys = server.host_keys();
        for key in keys {
            self.know(server.address(), &key);
        }
        self.servers.push((name.to_owned(), server));
        self.write_ssh_config("");
        &mut self.servers.last_mut().unwrap().1
    }

    pub(crate) fn server(&self, name: &str) -> &Server {
        let found = self.servers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no server {name}")).1
    }

    pub(crate) fn server_mut(&mut self, name: &str) -> &mut Server {
        let found = self.servers.iter_mut().find(|(known, _)| known == name);
        &mut found.unwrap_or_else(|| panic!("no server {name}")).1
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The user's own configuration: every server by its name.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.path("ssh_config")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// The user's private key; beside it `.pub`.
    pub(crate) fn key(&self) -> PathBuf {
        self.path("id_ed25519")
    }

    /// Lets a further key in.
    pub(crate) fn authorize(&self, key: &Path) {
        let public = fs::read_to_string(format!("{}.pub", key.display())).unwrap();
        let path = self.path("authorized_keys");
        let all = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, all + &public).unwrap();
    }

    /// Writes a host key, as `TYPE BASE64`, into `known_hosts`.
    pub(crate) fn know(&self, address: SocketAddr, key: &str) {
        let all = fs::read_to_string(self.known_hosts()).unwrap_or_default();
        let line = format!("[{}]:{} {key}\n", address.ip(), address.port());
        fs::write(self.known_hosts(), all + &line).unwrap();
    }

    /// Writes `ssh_config` anew, with these lines before all others.
    pub(crate) fn write_ssh_config(&self, first: &str) {
        let mut text = format!("{first}\n");
        for (name, server) in &self.servers {
            let address = server.address();
            let user = server.user().unwrap_or_else(super::server::me);
            let _ = writeln!(
                text,
                "Host {name}\n  HostName {}\n  Port {}\n  User {user}",
                address.ip(),
                address.port()
            );
        }
        let _ = writeln!(
            text,
            "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  IdentityFile {}\n  IdentityAgent none",
            self.known_hosts().display(),
            self.key().display()
        );
        fs::write(self.ssh_config(), text).unwrap();
    }

    /// What the user's own `ssh` makes of a command, as the judge of the lab itself.
    pub(crate) fn ssh(&self, name: &str, words: &[&str]) -> Output {
        Command::new("ssh")
            .arg("-F")
            .arg(self.ssh_config())
            .args(["-o", "BatchMode=yes", name])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("ssh is missing: .ci/install installs openssh-client")
    }
}
