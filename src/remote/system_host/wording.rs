//! What `ssh` says, and what it means.

use std::io;

use super::SystemWay;
use super::askpass::Asked;
use crate::remote::RemoteErrorKind as K;
use crate::remote::{Exit, RemoteError};

/// Makes a client without a master fail instead of connecting by itself.
pub(super) const NO_MASTER: &str = "ProxyCommand=false";

/// How long a part of what it said may be.
const SHOWN: usize = 300;

/// The exit code of the command, if the master told it.
pub(super) fn exit_of_command(log: &str) -> Option<i64> {
    let told = |line: &str| {
        let (_, code) = line.split_once("Received exit status from master ")?;
        code.trim().parse().ok()
    };
    log.lines().rev().find_map(told)
}

/// Why a client of the master ended without the command's exit code.
pub(super) fn no_exit(log: &str, exit: &Exit, begun: bool, lives: bool) -> RemoteError {
    if begun {
        if lives {
            return RemoteError::untold();
        }
        return RemoteError::new(K::Lost, "the connection broke while the command ran")
            .hint("see on the host whether the command still runs or what it has done");
    }
    if log.contains("Session open refused by peer") {
        let what = "the server opens no more sessions on this connection";
        return RemoteError::new(K::NoSession, what)
            .hint("a larger `MaxSessions` in sshd_config there allows more at once");
    }
    let may_have_begun = ["master session id", "read from master failed"];
    if !may_have_begun.iter().any(|words| log.contains(words)) {
        return RemoteError::new(
            K::Busy,
            "the connection was closed before the command began",
        )
        .hint("try again: a new connection is made");
    }
    let what = match meaningful(log).last() {
        Some(line) => format!(
            "the connection broke before anything was heard of the command: ssh says `{line}`"
        ),
        None => format!("ssh ended with {exit} before anything was heard of the command"),
    };
    RemoteError::new(K::Lost, what)
        .hint("see on the host whether the command runs or what it has done")
}

/// `ssh` itself does not run.
pub(super) fn not_started(error: &io::Error) -> RemoteError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            RemoteError::new(K::Here, "there is no program `ssh` on this machine")
                .hint("install OpenSSH's client, such as the package openssh-client")
        }
        io::ErrorKind::ArgumentListTooLong => RemoteError::too_long(128),
        _ => RemoteError::new(K::Here, format!("ssh can't be started: {error}")),
    }
}

/// Nobody let us in while there was time.
pub(super) fn too_slow(log: &str) -> RemoteError {
    let what = match meaningful(log).last() {
        Some(line) => format!("connecting did not end in time; the last that ssh said is `{line}`"),
        None => "connecting did not end in time".to_owned(),
    };
    RemoteError::new(K::Silent, what)
        .hint("see whether the host is up, and whether a firewall drops what is sent to it")
}

/// Why nobody let us in.
pub(super) fn not_connected(way: &SystemWay, log: &str, exit: &Exit, asked: &Asked) -> RemoteError {
    let said: Vec<&str> = meaningful(log).collect();
    let found = MEANINGS.iter().find_map(|(words, kind, what, hint)| {
        let line = said.iter().rev().find(|line| contains(line, words))?;
        Some((*kind, *what, *hint, *line))
    });
    let host = way.host();
    if let Some((_, words)) = log.split_once("kex_exchange_identification: banner line 0: ")
        && !log.contains("Remote protocol version")
    {
        let words = shown(words.lines().next().unwrap_or_default());
        let what = format!("what answers does not speak SSH: it says `{words}`");
        return RemoteError::new(K::Garbage, what)
            .hint("see whether the address and the port are those of the SSH server");
    }
    let Some((kind, what, hint, line)) = found else {
        let said = said.last().map_or_else(
            || format!("it ended with {exit}"),
            |line| format!("it says `{}`", shown(line)),
        );
        let what = format!("ssh did not connect: {said}");
        return RemoteError::new(K::Here, what).hint(format!("`ssh -v {host} true` shows more"));
    };
    let hint = hint.replace("HOST", host);
    match kind {
        K::Denied => denied(log, line, &hint, asked),
        _ => RemoteError::new(kind, format!("{what}: ssh says `{}`", shown(line))).hint(hint),
    }
}

fn denied(log: &str, line: &str, hint: &str, asked: &Asked) -> RemoteError {
    let offered = asked.answered || log.contains("Offering public key:");
    let kind = if offered { K::Denied } else { K::NoCredentials };
    let mut what = format!("the server let nobody in: ssh says `{}`", shown(line));
    if asked.answered {
        what.push_str("; the secret that it was given is not the right one");
    }
    if let Some(question) = asked.unanswered.last() {
        what.push_str("; nobody here can answer `");
        what.push_str(&shown(question.trim()));
        what.push('`');
    }
    RemoteError::new(kind, what).hint(hint)
}

fn contains(line: &str, words: &[&str]) -> bool {
    let line = line.to_lowercase();
    words.iter().any(|word| line.contains(word))
}

/// What is for people.
fn meaningful(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.lines().map(str::trim).filter(|line| {
        let chatter = line.starts_with("debug")
            || line.starts_with("@@@")
            || line.starts_with("Authenticated to ");
        !line.is_empty() && !chatter
    })
}

fn shown(line: &str) -> String {
    let plain = |c: &char| !c.is_control();
    line.chars().filter(plain).take(SHOWN).collect()
}

type Meaning = (&'static [&'static str], K, &'static str, &'static str);

/// What words mean; the first that is found counts.
const MEANINGS: [Meaning; 14] = [
    (
        &["remote host identification has changed"],
        K::ChangedKey,
        "the host's key is not the one that is known; another machine may answer in its place",
        "if the host was installed anew, forget its old key with `ssh-keygen -R HOST`, and compare the new one with the key on the host before you trust it",
    ),
    (
        &["revoked"],
        K::RevokedKey,
        "the host's key is revoked",
        "ask whoever revoked it; the host needs a new key",
    ),
    (
        &["host key is known for", "host key verification failed"],
        K::UnknownKey,
        "the host's key is not known",
        "compare the key with the one on the host (`ssh-keygen -lf` there), then type `ssh HOST` once and say yes; or set `host_keys = \"accept-new\"` in the cluster file to take keys of new hosts without asking",
    ),
    (
        &["could not resolve hostname"],
        K::NoSuchHost,
        "no address is known for the host's name",
        "see whether the name is spelt right, or give an `address` in the cluster file",
    ),
    (
        &[
            "bad configuration option",
            "bad owner or permissions on",
            "keyword",
            "terminating, ",
            "unsupported option",
            "invalid argument",
            "no argument after",
            "missing argument",
        ],
        K::Configuration,
        "the configuration of SSH can't be used",
        "`ssh -G HOST` shows what is wrong with it",
    ),
    (
        &["unable to negotiate", "no matching "],
        K::NothingInCommon,
        "the server and ssh know no cipher, key exchange or kind of key in common",
        "update the server there; or name what it offers in ssh_config, such as `HostKeyAlgorithms +ssh-rsa`",
    ),
    (
        &["permission denied (", "too many authentication failures"],
        K::Denied,
        "",
        "`ssh -v HOST true` shows which keys it offers; see the log of sshd there, too",
    ),
    (
        &[
            "banner line contains invalid",
            "protocol major versions differ",
            "bad remote protocol version",
            "banner line too long",
            "invalid ssh identification",
            "bad packet length",
            "could not read protocol version",
        ],
        K::Garbage,
        "what answers does not speak SSH",
        "see whether the address and the port are those of the SSH server",
    ),
    (
        &[
            "connection refused",
            "administratively prohibited",
            "connect failed",
        ],
        K::Refused,
        "nobody listens there",
        "see whether sshd runs on the host, and listens at that port",
    ),
    (
        &["no route to host", "network is unreachable", "host is down"],
        K::Refused,
        "there is no way to the host",
        "see whether this machine has a way to the host's network",
    ),
    (
        &["timed out", "timeout"],
        K::Silent,
        "the host did not answer in time",
        "see whether the host is up, and whether a firewall drops what is sent to it; a longer `ConnectTimeout` in ssh_config gives it more time",
    ),
    (
        &[
            "kex_exchange_identification",
            "connection closed by",
            "connection reset",
            "closed by remote host",
            "broken pipe",
        ],
        K::Busy,
        "the server closed the connection before anybody could log in",
        "fewer connections at once, or a larger `MaxStartups` in sshd_config there, help if many log in at the same time; else see what sshd logged",
    ),
    (
        &[
            "command not found",
            ": not found",
            "no such file or directory",
        ],
        K::Configuration,
        "a program or a file that the configuration of SSH names is missing",
        "`ssh -G HOST` shows what it names",
    ),
    (
        &[
            "unix_listener",
            "too long for unix domain socket",
            "controlpath",
        ],
        K::Here,
        "ssh has no place for its socket",
        "set XDG_RUNTIME_DIR to a folder of yours with a short path",
    ),
];
