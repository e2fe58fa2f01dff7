//! Whether the host is the one that is meant, before anything secret is said to it.

use super::Way;
use super::link::Link;
use crate::remote::{HostKey, KeyStanding, KnownKey, RemoteError, RemoteErrorKind};

/// Compares the host's key with what is known.
pub(super) fn check(link: &Link, way: &Way) -> Result<(), RemoteError> {
    let blob = link.session.host_key().map(|(blob, _)| blob);
    let Some(key) = blob.and_then(HostKey::from_blob) else {
        let what = "the server did not show its key";
        return Err(RemoteError::new(RemoteErrorKind::Garbage, what));
    };
    let (name, port) = way.config.known_as();
    match way.known_hosts.check(name, port, &key) {
        KeyStanding::Known(_) => Ok(()),
        KeyStanding::Unknown if way.destination.takes_new_keys(&way.config).is_some() => {
            remember(way, &key)
        }
        KeyStanding::Unknown => Err(unknown(way, &key)),
        KeyStanding::Changed(known) => Err(changed(way, &key, &known)),
        KeyStanding::Revoked(place) => {
            let what = format!(
                "the host's key is revoked: {place} says that nobody may use {}",
                shown(&key)
            );
            Err(RemoteError::new(RemoteErrorKind::RevokedKey, what)
                .hint("ask whoever revoked it; the host needs a new key"))
        }
    }
}

fn remember(way: &Way, key: &HostKey) -> Result<(), RemoteError> {
    let (name, port) = way.config.known_as();
    let Some(file) = way.config.user_known_hosts.first() else {
        let what = "the host's key is new, and `UserKnownHostsFile` names no file to write it into";
        return Err(RemoteError::new(RemoteErrorKind::UnknownKey, what));
    };
    let hashed = way.config.hash_known_hosts;
    let written = way.known_hosts.remember(file, name, port, key, hashed);
    written.map_err(|error| {
        let what = format!(
            "the host's key is new, and can't be written into {}: {error}",
            file.display()
        );
        RemoteError::new(RemoteErrorKind::UnknownKey, what)
    })
}

fn unknown(way: &Way, key: &HostKey) -> RemoteError {
    let (name, port) = way.config.known_as();
    let what = format!(
        "the host's key is not known: it is {}, and `{name}` with port {port} stands in none of {}",
        shown(key),
        way.config.known_hosts_files()
    );
    let there = match way.config.port {
        22 => String::new(),
        port => format!("-p {port} "),
    };
    RemoteError::new(RemoteErrorKind::UnknownKey, what).hint(format!(
        "compare the key with the one on the host (`ssh-keygen -lf` there), then type `ssh {there}{}` once and say yes; \
         or set `host_keys = \"accept-new\"` in the cluster file to take keys of new hosts without asking",
        way.config.host
    ))
}

fn changed(way: &Way, key: &HostKey, known: &[KnownKey]) -> RemoteError {
    let (name, port) = way.config.known_as();
    let name = match port {
        22 => name.to_owned(),
        port => format!("[{name}]:{port}"),
    };
    let places: Vec<_> = known
        .iter()
        .map(|known| format!("{} ({})", known.place, known.kind))
        .collect();
    let what = format!(
        "the host's key is not the one that is known: it shows {}, and another one is known from {}. \
         Another machine may answer in its place",
        shown(key),
        places.join(", ")
    );
    let file = known.first().map_or("", |known| &known.place.file);
    RemoteError::new(RemoteErrorKind::ChangedKey, what).hint(format!(
        "if the host was installed anew, forget its old key with `ssh-keygen -R '{name}' -f '{file}'`, \
         and compare the new one with the key on the host before you trust it"
    ))
}

fn shown(key: &HostKey) -> String {
    format!("{} {}", key.kind(), key.fingerprint())
}
