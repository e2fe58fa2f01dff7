//! Agreeing with the server on how to speak.
//!
//! What is fast comes first among what is strong. The order of ciphers is that of libssh2, in which AES-GCM is the
//! slowest, other than elsewhere. The key exchange is curve25519: the post-quantum ones cost a client of a thousand
//! hosts more than everything else together.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use ssh2::MethodType;

use super::Way;
use super::link::{KeepAlive, Link, Stop, number};
use super::offer::{self, Offer};
use super::wire;
use crate::remote::{Patience, RemoteError, RemoteErrorKind};

const KEY_EXCHANGES: [&str; 9] = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
];
/// Strong enough, but only where a file asks for them.
const FURTHER_KEY_EXCHANGES: [&str; 2] = [
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
];
const CIPHERS: [&str; 6] = [
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
    "aes192-ctr",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
];
const MACS: [&str; 4] = [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
];
const HOST_KEYS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// How long connecting once more may take, to ask a server what it offers.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);

/// How often the server is asked whether it lives if nobody says.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A session in which both sides have agreed on how to speak.
pub(super) fn shake_hands(
    socket: TcpStream,
    way: &Way,
    limit: Duration,
    patience: &Patience<'_>,
) -> Result<Link, RemoteError> {
    let config = &way.config;
    let interval = match config.server_alive_interval {
        Duration::ZERO => KEEP_ALIVE,
        interval => interval,
    };
    let keep_alive = KeepAlive {
        interval,
        count: config.server_alive_count_max.max(1),
    };
    let peer = socket.peer_addr();
    let mut link = Link::new(socket, keep_alive).map_err(|error| here(&error))?;
    offer(&link, way)?;
    let deadline = Some(Instant::now() + limit.min(patience.left()));
    match link.drive(deadline, "connecting", patience, ssh2::Session::handshake) {
        Ok(()) => Ok(link),
        Err(Stop::Broken(error)) if error.kind == RemoteErrorKind::Cancelled => Err(error),
        Err(Stop::Broken(_) | Stop::Late) => {
            let peer = peer.map_or_else(|_| "the server".to_owned(), |peer| peer.to_string());
            let what = format!("{peer} fell silent while both sides agreed on how to speak");
            Err(RemoteError::new(RemoteErrorKind::Silent, what)
                .hint("a longer `ConnectTimeout` in ssh_config gives the host more time"))
        }
        Err(Stop::Told(error)) => Err(trouble(&error, link, way, patience)),
    }
}

/// Says what this side would use, best first.
fn offer(link: &Link, way: &Way) -> Result<(), RemoteError> {
    for ((method, option), names) in CHOICES.into_iter().zip(choices(way)) {
        let set = link.session.method_pref(method, &names.join(","));
        set.map_err(|_| {
            let what = format!("nothing of what `{option}` in ssh_config asks for is known here");
            RemoteError::new(RemoteErrorKind::Unsupported, what)
                .hint("`back_end = \"system\"` uses the system's own ssh, which may know more")
        })?;
    }
    Ok(())
}

/// What both sides choose one of, in the order in which a server lists it, with the option that limits it.
const CHOICES: [(MethodType, &str); 6] = [
    (MethodType::Kex, "KexAlgorithms"),
    (MethodType::HostKey, "HostKeyAlgorithms"),
    (MethodType::CryptCs, "Ciphers"),
    (MethodType::CryptSc, "Ciphers"),
    (MethodType::MacCs, "MACs"),
    (MethodType::MacSc, "MACs"),
];

/// The names for each of them.
fn choices(way: &Way) -> [Vec<String>; 6] {
    let config = &way.config;
    let all_exchanges = [&KEY_EXCHANGES[..], &FURTHER_KEY_EXCHANGES].concat();
    let exchanges = config.kex_algorithms.choose(&KEY_EXCHANGES, &all_exchanges);
    let kinds = config.host_key_algorithms.choose(&HOST_KEYS, &HOST_KEYS);
    let ciphers = config.ciphers.choose(&CIPHERS, &CIPHERS);
    let macs = config.macs.choose(&MACS, &MACS);
    [
        exchanges,
        known_first(kinds, way),
        ciphers.clone(),
        ciphers,
        macs.clone(),
        macs,
    ]
}

/// The kinds by which the host is known come first: a server with several keys then shows one that can be compared.
fn known_first(kinds: Vec<String>, way: &Way) -> Vec<String> {
    let (name, port) = way.config.known_as();
    let known = way.known_hosts.kinds(name, port);
    let is_known = |kind: &String| {
        let kind = match kind.as_str() {
            "rsa-sha2-512" | "rsa-sha2-256" => "ssh-rsa",
            kind => kind,
        };
        known.iter().any(|known| known == kind)
    };
    let (mut first, others): (Vec<_>, Vec<_>) = kinds.into_iter().partition(is_known);
    first.extend(others);
    first
}

fn trouble(error: &ssh2::Error, link: Link, way: &Way, patience: &Patience<'_>) -> RemoteError {
    // The end may have been read in the same call as what came before it.
    let was_cut = link.was_cut() || link.has_ended();
    match number(error) {
        // The socket was closed or failed.
        -1 | -2 | -7 | -13 | -43 | -45 => return hung_up(),
        -5 | -8 | -10 | -17 | -33 => {}
        _ if was_cut => return hung_up(),
        _ => return unlike_ssh(error.message()),
    }
    let ours = offered(&link, way);
    // Some servers take one connection at a time.
    drop(link);
    let connection = wire::connect(&way.config, CONNECT_AGAIN, patience);
    match offer::ask(connection, patience) {
        Err(cancelled) => cancelled,
        Ok(Offer::Garbage) => unlike_ssh("what comes after its greeting is no packet"),
        Ok(Offer::Nothing) => hung_up(),
        Ok(Offer::Lists(theirs)) => match offer::missing(&ours, &theirs) {
            Some((choice, names)) => nothing_in_common(choice, &names, &ours[choice]),
            // Something else was in the way, and may be again.
            None if was_cut => hung_up(),
            None => unlike_ssh(error.message()),
        },
    }
}

/// What of these libssh2 really offers.
fn offered(link: &Link, way: &Way) -> Vec<Vec<String>> {
    let methods = CHOICES.into_iter().zip(choices(way));
    let known = methods.map(|((method, _), mut names)| {
        let known = link.session.supported_algs(method).unwrap_or_default();
        names.retain(|name| known.contains(&name.as_str()));
        names
    });
    known.collect()
}

fn nothing_in_common(choice: usize, theirs: &[&str], ours: &[String]) -> RemoteError {
    let (_, option) = CHOICES[choice];
    let what = format!(
        "the server offers no {} that is known here: it offers {}",
        offer::NAMES[choice],
        theirs.join(", ").escape_debug(),
    );
    RemoteError::new(RemoteErrorKind::NothingInCommon, what).hint(format!(
        "see `{option}` in sshd_config there and in ssh_config here; offered here are {}",
        ours.join(", ")
    ))
}

fn unlike_ssh(why: &str) -> RemoteError {
    let what = format!("the server does not speak SSH as it should: {why}");
    RemoteError::new(RemoteErrorKind::Garbage, what)
        .hint("see whether the address and the port are those of the SSH server")
}

fn hung_up() -> RemoteError {
    RemoteError::new(
        RemoteErrorKind::Busy,
        "the server closed the connection before anybody could log in",
    )
    .hint("see what sshd logged there; a `MaxStartups` that is too small does this, too")
}

fn here(error: &ssh2::Error) -> RemoteError {
    let what = format!("no SSH session can be made: {}", error.message());
    RemoteError::new(RemoteErrorKind::Here, what)
}
