//! What `ssh` says, and what it means.

use std::io;

use super::SystemWay;
use super::askpass::Asked;
use super::story::Story;
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
    let story = Story::read(log, way);
    match kind {
        K::Denied => denied(story, line, &hint, way, asked),
        K::ChangedKey => changed(log, &story, host),
        K::UnknownKey => unknown(log, &story, way, &hint),
        _ => RemoteError::new(kind, format!("{what}: ssh says `{}`", shown(line))).hint(hint),
    }
}

fn denied(story: Story<'_>, line: &str, hint: &str, way: &SystemWay, asked: &Asked) -> RemoteError {
    let too_many = line.contains("Too many authentication failures");
    let offered = asked.answered || story.offered || too_many;
    let kind = if offered { K::Denied } else { K::NoCredentials };
    let user = story.user.unwrap_or(&way.config.user).escape_debug();
    let mut what = if too_many {
        format!("the server closed the connection while somebody logged in as `{user}`")
    } else {
        format!("the server let nobody in as `{user}`")
    };
    what.push_str(": ");
    match story.told(way, asked.answered) {
        told if told.is_empty() => what = format!("{what}ssh says `{}`", shown(line)),
        told => what.push_str(&told),
    }
    if let Some(question) = asked.unanswered.last() {
        what.push_str("; nobody here can answer `");
        what.push_str(&shown(question.trim()));
        what.push('`');
    }
    RemoteError::new(kind, what).hint(hint)
}

fn changed(log: &str, story: &Story<'_>, host: &str) -> RemoteError {
    let key = story.host_key.unwrap_or("a key that ssh does not name");
    let place = log.lines().find_map(|line| {
        let (kind, place) = line
            .trim()
            .strip_prefix("Offending ")?
            .split_once(" key in ")?;
        Some((kind, place))
    });
    let known = match place {
        Some((kind, place)) => format!("is known from {} ({})", shown(place), kind.to_lowercase()),
        None => "is known".to_owned(),
    };
    let what = format!(
        "the host's key is not the one that is known: it shows {key}, and another one {known}. \
         Another machine may answer in its place"
    );
    let name = between(log, "Host key for ", " has changed").unwrap_or(host);
    let file = place.and_then(|(_, place)| place.rsplit_once(':'));
    let file = file.map_or_else(String::new, |(file, _)| format!(" -f '{}'", shown(file)));
    RemoteError::new(K::ChangedKey, what).hint(format!(
        "if the host was installed anew, forget its old key with `ssh-keygen -R '{name}'{file}`, \
         and compare the new one with the key on the host before you trust it"
    ))
}

fn unknown(log: &str, story: &Story<'_>, way: &SystemWay, hint: &str) -> RemoteError {
    let key = story.host_key.unwrap_or("one that ssh does not name");
    let name = between(log, "host key is known for ", " and you").unwrap_or(way.host());
    let what = format!(
        "the host's key is not known: it is {key}, and `{}` stands in none of {}",
        shown(name),
        way.config.known_hosts_files()
    );
    RemoteError::new(K::UnknownKey, what).hint(hint)
}

/// The first text between these two.
fn between<'a>(log: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = log.split_once(before)?;
    let (text, _) = rest.lines().next()?.split_once(after)?;
    Some(text)
}

/// The server stopped to speak before anybody could log in.
pub(super) fn fell_silent(way: &SystemWay) -> RemoteError {
    let what = format!(
        "`{}` fell silent while both sides agreed on how to speak",
        way.config.host_name.escape_debug()
    );
    RemoteError::new(K::Silent, what)
        .hint("a longer `ConnectTimeout` in ssh_config gives the host more time")
}

/// Whether both sides have agreed on how to speak; nobody knows of those on the way.
pub(super) fn has_agreed(log: &str) -> bool {
    log.contains("SSH2_MSG_NEWKEYS received")
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
const MEANINGS: [Meaning; 15] = [
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
        &["too many authentication failures"],
        K::Denied,
        "",
        "an agent with many keys makes servers do that: name the right one with `IdentityFile` and `IdentitiesOnly yes` in ssh_config",
    ),
    (
        &["permission denied ("],
        K::Denied,
        "",
        "see with `ssh -v HOST` how you log in there yourself; add your key to the agent with `ssh-add`, or name a `password` or `passphrase` for the node in the cluster file",
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
