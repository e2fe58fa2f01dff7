//! The user's file and the machine's, what they include, who may write them, and what is beyond a session of our own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clusterctl::remote::{HostConfig, IdentityAgent, SshConfig, SshConfigError, Surroundings};
use tempfile::TempDir;

use super::surroundings;

/// A home with `.ssh`, and a folder in the place of `/etc/ssh`.
struct Lab {
    folder: TempDir,
    here: Surroundings,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home/.ssh")).unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let mut here = surroundings();
        here.home = folder.path().join("home");
        Self { folder, here }
    }

    fn ssh(&self, name: &str) -> PathBuf {
        self.here.home.join(".ssh").join(name)
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.folder.path().join("etc").join(name)
    }

    #[must_use]
    fn with(self, path: &Path, text: &str) -> Self {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    #[must_use]
    fn user(self, text: &str) -> Self {
        let path = self.ssh("config");
        self.with(&path, text)
    }

    #[must_use]
    fn system(self, text: &str) -> Self {
        let path = self.etc("ssh_config");
        self.with(&path, text)
    }

    fn read(&self) -> Result<SshConfig, SshConfigError> {
        let etc = self.folder.path().join("etc");
        SshConfig::read(Some(&self.ssh("config")), &etc, self.here.clone())
    }

    fn resolve(&self, host: &str) -> HostConfig {
        self.read().unwrap().resolve(host, None, None).unwrap()
    }

    /// The error without the names of the folders.
    fn error(&self) -> String {
        let error = match self.read() {
            Err(error) => error,
            Ok(config) => config.resolve("web1", None, None).unwrap_err(),
        };
        error
            .to_string()
            .replace(&self.folder.path().display().to_string(), "")
    }

    fn beyond(&self, host: &str) -> Option<String> {
        let reason = self.resolve(host).beyond_ssh2();
        reason.map(|reason| reason.replace(&self.folder.path().display().to_string(), ""))
    }
}

#[test]
fn nothing_is_said_where_there_are_no_files() {
    let lab = Lab::new();
    let host = lab.resolve("web1");
    assert_eq!((host.host_name.as_str(), host.port), ("web1", 22));
    assert_eq!(host.user, lab.here.user);
    assert_eq!(host.identity_agent, IdentityAgent::Environment);
    assert_eq!(host.user_known_hosts[0], lab.ssh("known_hosts"));
    assert_eq!(host.global_known_hosts[0], lab.etc("ssh_known_hosts"));
    assert_eq!(host.identity_files[0].path, lab.ssh("id_rsa"));
    assert_eq!(host.beyond_ssh2(), None);
}

#[test]
fn the_users_file_counts_before_the_machines() {
    let lab = Lab::new()
        .user("Host web1\n  Port 1\n")
        .system("Port 2\nUser machine\nIdentityFile /from/system\n");
    let host = lab.resolve("web1");
    assert_eq!((host.port, host.user.as_str()), (1, "machine"));
    assert_eq!(lab.resolve("web2").port, 2);
    let config = SshConfig::only(&lab.ssh("config"), lab.here.clone()).unwrap();
    assert_eq!(config.resolve("web2", None, None).unwrap().port, 22);
    let nothing = SshConfig::only(Path::new("none"), lab.here.clone()).unwrap();
    assert_eq!(nothing.resolve("web1", None, None).unwrap().port, 22);
    let absent = SshConfig::only(&lab.ssh("absent"), lab.here.clone());
    assert!(absent.unwrap_err().to_string().contains("can't be read"));
}

#[test]
fn what_is_asked_for_counts_before_every_file() {
    let lab = Lab::new().user("User file\nPort 1\nMatch user asked\n  HostKeyAlias found\n");
    let config = lab.read().unwrap();
    let host = config.resolve("web1", Some("asked"), Some(7)).unwrap();
    assert_eq!((host.user.as_str(), host.port), ("asked", 7));
    assert_eq!(host.known_as(), ("found", 22));
    assert_eq!(
        config.resolve("web1", None, None).unwrap().known_as(),
        ("web1", 1)
    );
}

#[test]
fn files_are_included_from_the_folder_of_whose_file_it_is() {
    let lab = Lab::new()
        .user("Include parts/*.conf ~/.ssh/more\nPort 4\n")
        .system("Include parts/*.conf\n");
    let (first, second, hidden, more, etc) = (
        lab.ssh("parts/1.conf"),
        lab.ssh("parts/2.conf"),
        lab.ssh("parts/.3.conf"),
        lab.ssh("more"),
        lab.etc("parts/1.conf"),
    );
    let lab = lab
        .with(&second, "Port 2\nUser second\n")
        .with(&first, "Port 1\n")
        .with(&hidden, "BindAddress hidden\n")
        .with(&more, "HostKeyAlias more\n")
        .with(&etc, "User etc\nServerAliveInterval 9\n");
    let host = lab.resolve("web1");
    assert_eq!((host.port, host.user.as_str()), (1, "second"));
    assert_eq!(host.host_key_alias.as_deref(), Some("more"));
    assert_eq!(host.bind_address, None);
    assert_eq!(host.server_alive_interval, Duration::from_secs(9));
}

#[test]
fn a_block_holds_for_what_is_included_in_it_and_not_the_other_way_round() {
    let lab = Lab::new().user("Host web1\n  Include part\n  User after\nHost *\n  Port 3\n");
    let part = lab.ssh("part");
    let lab = lab.with(
        &part,
        "Port 1\nHost db1\n  HostKeyAlias never\nMatch all\n  BindAddress always\n",
    );
    let host = lab.resolve("web1");
    assert_eq!((host.port, host.user.as_str()), (1, "after"));
    assert_eq!(host.bind_address.as_deref(), Some("always"));
    let other = lab.resolve("db1");
    assert_eq!(
        (other.port, other.host_key_alias, other.bind_address),
        (3, None, None)
    );
}

#[test]
fn odd_things_that_are_included() {
    let lab = Lab::new().user("Include *\nPort 5\n");
    fs::remove_file(lab.ssh("config")).unwrap();
    let root = lab.folder.path().join("root");
    let lab = lab.with(&root, "Include *\nPort 5\n");
    fs::create_dir(lab.ssh("folder")).unwrap();
    let config = SshConfig::only(&root, lab.here.clone()).unwrap();
    assert_eq!(config.resolve("x", None, None).unwrap().port, 5);
    symlink("/nowhere", lab.ssh("dangling")).unwrap();
    let error = SshConfig::only(&root, lab.here.clone())
        .unwrap_err()
        .to_string();
    assert!(error.contains("dangling can't be read"), "{error}");
}

#[test]
fn files_that_include_each_other_end_in_an_error() {
    let lab = Lab::new().user("Include config\n");
    assert!(lab.error().contains("deep"), "{}", lab.error());

    // Each of sixteen files includes the next one ten times.
    let mut lab = Lab::new().user("Include 0\n");
    for number in 0..16 {
        let path = lab.ssh(&number.to_string());
        lab = lab.with(&path, &format!("Include {}\n", number + 1).repeat(10));
    }
    let start = Instant::now();
    assert!(lab.error().contains("too large"), "{}", lab.error());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn sixteen_files_deep_is_deep_enough() {
    let mut lab = Lab::new().user("Include 1\n");
    for number in 1..16 {
        let path = lab.ssh(&number.to_string());
        lab = lab.with(&path, &format!("Include {}\n", number + 1));
    }
    let last = lab.ssh("16");
    let lab = lab.with(&last, "Port 16\n");
    assert_eq!(lab.resolve("web1").port, 16);
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let lab = Lab::new().user("Port 1\n");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(&lab.ssh("config"), 0o666).unwrap();
    assert!(
        lab.error()
            .starts_with("/home/.ssh/config: anybody may write"),
        "{}",
        lab.error()
    );
    // With `-F` it is as the user wants it, but not what it includes.
    assert!(SshConfig::only(&lab.ssh("config"), lab.here.clone()).is_ok());
    mode(&lab.ssh("config"), 0o600).unwrap();
    let part = lab.ssh("part");
    let lab = lab.user("Include part\n").with(&part, "Port 2\n");
    mode(&part, 0o602).unwrap();
    assert!(
        lab.error()
            .starts_with("/home/.ssh/part: anybody may write"),
        "{}",
        lab.error()
    );
}

#[test]
fn kerberos_that_only_the_distribution_asks_for_counts_where_it_is_set_up() {
    let mut lab = Lab::new().system("Host *\n  GSSAPIAuthentication yes\n");
    assert_eq!(lab.beyond("web1"), None);
    lab.here.kerberos = true;
    let reason = "`GSSAPIAuthentication yes` (/etc/ssh_config:2) asks for Kerberos";
    assert_eq!(lab.beyond("web1").as_deref(), Some(reason));
    lab.here.kerberos = false;
    let lab = lab.user("GSSAPIAuthentication yes\n");
    assert!(
        lab.beyond("web1")
            .is_some_and(|reason| reason.contains("/home/.ssh/config:1"))
    );
}

#[test]
fn what_only_openssh_can_do_is_named() {
    let mut shown = String::new();
    for line in [
        "ProxyJump bastion",
        "ProxyJump none",
        "ProxyCommand nc %h %p",
        "ProxyCommand none",
        "PKCS11Provider /usr/lib/card.so",
        "SecurityKeyProvider /usr/lib/token.so",
        "SecurityKeyProvider internal",
        "GSSAPIAuthentication yes",
        "GSSAPIKeyExchange yes",
        "CertificateFile ~/.ssh/me-cert.pub",
        "KnownHostsCommand /usr/bin/hosts %H",
        "VerifyHostKeyDNS ask",
        "VerifyHostKeyDNS no",
        "CanonicalizeHostname always",
        "CanonicalizePermittedCNAMEs *.a:*.b",
        "HostbasedAuthentication yes",
        "CheckHostIP yes",
        "RevokedHostKeys /etc/ssh/revoked",
        "RevokedHostKeys none",
        "BindInterface eth1",
        "BindAddress 10.0.0.1",
        "RequiredRSASize 3072",
        "RequiredRSASize 1024",
        "RefuseConnection \"not from here\"",
        "Match exec \"test -e /x\"",
        "Match exec \"test -e /x\" host db*",
        "Match originalhost web1 final",
        "Match canonical",
        "Match tagged fast",
        "Match localnetwork 10.0.0.0/8 host web*",
        "Match host web1 user nobody localuser * originalhost web1",
        "Host db1\n  ProxyJump bastion",
        "StrictHostKeyChecking accept-new",
    ] {
        let reason = Lab::new().user(&format!("{line}\n")).beyond("web1");
        let reason = reason.unwrap_or_else(|| "-".to_owned());
        let _ = writeln!(shown, "{}\n    {reason}", line.replace('\n', " / "));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn keys_that_only_openssh_can_use_are_named() {
    let lab = Lab::new().user("Host cert\n IdentityFile ~/.ssh/a\nHost token\n IdentityFile ~/.ssh/b\nHost whole\n IdentityFile ~/.ssh/c\nHost plain\n IdentityFile ~/.ssh/d\n");
    let (a, b, c, d) = (
        lab.ssh("a-cert.pub"),
        lab.ssh("b.pub"),
        lab.ssh("c"),
        lab.ssh("d.pub"),
    );
    // The beginning of a private key whose public half is on a token.
    let token = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
        b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAASgAAABpzay1zc2gtZWQy\n\
        NTUxOUBvcGVuc3NoLmNvbQAAACAAAAAAAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let lab = lab
        .with(&a, "ssh-ed25519-cert-v01@openssh.com AAAA\n")
        .with(&b, "sk-ssh-ed25519@openssh.com AAAA\n")
        .with(&c, token)
        .with(&d, "ssh-ed25519 AAAA\n");
    let shown =
        ["cert", "token", "whole", "plain"].map(|host| format!("{host}: {:?}", lab.beyond(host)));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_line_that_is_not_utf_8_is_left_to_ssh() {
    let lab = Lab::new();
    fs::write(
        lab.ssh("config"),
        b"# caf\xe9\nHost web1\n  HostKeyAlias caf\xe9\n",
    )
    .unwrap();
    let reason = lab.beyond("web1").unwrap();
    assert!(
        reason.contains("not UTF-8") && reason.contains("config:3"),
        "{reason}"
    );
    assert_eq!(lab.beyond("web2"), None);
}

/// Each of a thousand hosts has a block of its own, as generated files have them.
#[test]
fn a_thousand_hosts_are_read_once() {
    let mut text = String::new();
    for number in 0..1000 {
        let _ = writeln!(
            text,
            "Host web{number}\n  HostName 10.0.0.{}\n  User u{number}\n  Port 22",
            number % 256
        );
    }
    text.push_str("Host *\n  ServerAliveInterval 30\n  IdentityFile ~/.ssh/id_ed25519\n");
    let lab = Lab::new().user(&text);
    let start = Instant::now();
    let config = lab.read().unwrap();
    let read = start.elapsed();
    let start = Instant::now();
    for number in 0..1000 {
        let host = config.resolve(&format!("web{number}"), None, None).unwrap();
        assert_eq!(host.user, format!("u{number}"));
    }
    println!(
        "read in {read:.1?}, a thousand hosts in {:.1?}",
        start.elapsed()
    );
    // Far more than it takes, even without optimisation on a busy machine, and far less than a second reading for each.
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn names_that_could_be_options_or_commands_are_refused() {
    let config = Lab::new().read().unwrap();
    for host in ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\nb", "a,b"] {
        assert!(config.resolve(host, None, None).is_err(), "{host:?}");
    }
    for user in ["", "-x", "a;b", "a -b", "a\\"] {
        assert!(
            config.resolve("web1", Some(user), None).is_err(),
            "{user:?}"
        );
    }
}
