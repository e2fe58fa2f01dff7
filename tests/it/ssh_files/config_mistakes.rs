//! What a person sees whose configuration of SSH is wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clusterctl::remote::{KnownHosts, RemoteError, SshConfig};
use rustix::fs::{CWD, Mode, mkfifoat};

use super::surroundings;

fn error(folder: &Path, text: &str) -> String {
    let path = folder.join("config");
    fs::write(&path, text).unwrap();
    let config = SshConfig::only(&path, surroundings());
    let result = config.and_then(|config| config.resolve("web1", None, None));
    let shown = match result {
        Ok(_) => "(nothing)".to_owned(),
        Err(error) => error.to_string(),
    };
    shown.replace(&folder.display().to_string(), "~/.ssh")
}

#[test]
fn one_mistake_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = String::new();
    for text in [
        "Hostname",
        "HostNmae web1.example.com",
        "UseKeychain yes",
        "Port ssh",
        "Port 70000",
        "Port 22 2222",
        "Port \"22",
        "StrictHostKeyChecking maybe",
        "ConnectTimeout 10 s",
        "ConnectTimeout ten",
        "ServerAliveCountMax -1",
        "IdentityFile \"\"",
        "IdentityFile %x/key",
        "IdentityFile ${NOT_THERE}/key",
        "IdentityFile ~nobody-of-this-name/key",
        "IdentityAgent ${NOT_THERE}",
        "HostName %p.example.com",
        "UserKnownHostsFile none /x",
        "ProxyJump a:b:c",
        "SendEnv A=B",
        "SetEnv A",
        "Host web1 \"\"",
        "Match",
        "Match host",
        "Match hots web1",
        "Match all host web1",
        "Match host web1 \"\" web2",
        "Include ''",
        "ConnectionAttempts 0",
        "Host other\n  Bogus yes",
        "Host other\n  Port x",
        "IgnoreUnknown Bog*\nBogus yes",
    ] {
        let _ = writeln!(
            shown,
            "{}\n{}\n",
            text.replace('\n', " / "),
            error(folder.path(), &format!("{text}\n"))
        );
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn several_mistakes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part");
    fs::write(&part, "Port x\n\nUser\n").unwrap();
    let text = format!("Port 0\nInclude {}\nBatchMode perhaps\n", part.display());
    insta::assert_snapshot!(error(folder.path(), &text));
}

#[test]
fn nobody_waits_for_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let text = format!("Include {}\nPort 5\n", pipe.display());
    let said = error(folder.path(), &text);
    assert!(said.contains("pipe: this is a pipe or a device"), "{said}");
    let lists = KnownHosts::read([&pipe]);
    assert_eq!(lists.unreadable().len(), 1);
}

#[test]
fn as_the_error_of_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, "Port 0\nPort x\nPort y\n").unwrap();
    let error = SshConfig::only(&path, surroundings()).unwrap_err();
    let error = RemoteError::from(error).to_string();
    insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "~/.ssh"));
}
