//! Looks at a node, and changes nothing.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::backup::Backup;
use super::content;
use super::effect::{self, Stamp};
use super::errno::{self, OrFault as _};
use super::manifest;
use super::node_folder::NodeFolder;
use super::original;
use super::process::{self, Process};
use super::vault::Vault;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind, Look};
use crate::plan::{Argv, Probe, Reading, ServiceState, Sha256};

/// The exit code of a status command that means that the service is stopped.
const STOPPED: i64 = 3;

/// What a probe finds.
pub(super) fn observe(
    folder: &NodeFolder,
    look: &Look<'_>,
    probe: &Probe,
    vault: &Vault,
) -> Result<Reading, Fault> {
    let mut watch = Watch::unbroken(look.timeout);
    match probe {
        Probe::Path { path } => what_stands_at(path.local()),
        Probe::File { path, masked } if masked.is_empty() => fingerprint(path.local(), &watch),
        Probe::File { path, .. }
        | Probe::FileIs { path, .. }
        | Probe::Property { path, .. }
        | Probe::PropertyIs { path, .. }
        | Probe::XmlIs { path, .. } => in_content(path.local(), probe, vault),
        Probe::Tree { path } => manifest::digest(path.local(), &watch).map(digest),
        Probe::Backup { backup } => Backup::of(folder, look.run, backup)
            .digest(&watch)
            .map(digest),
        Probe::AsKept { path, backup } => {
            let kept = Backup::of(folder, look.run, backup);
            kept.is_at(path.local(), &watch).map(compared)
        }
        Probe::Service { service } => {
            exit_code(&service.status, &mut watch, vault).map(service_reading)
        }
        Probe::Command { argv } => exit_code(argv, &mut watch, vault).map(Reading::Number),
        Probe::Port { host, port } => listens(host, *port, &watch),
        Probe::FreeSpace { path } => free_space(path.local()),
        Probe::Stamp { step } => effect::stamp(folder, look.run, step).map(Stamp::reading),
        // The first two are looked at by commands, on this machine as on every other: see `Nodes`.
        Probe::Contents { .. }
        | Probe::Staged { .. }
        | Probe::Rest { .. }
        | Probe::Balancer { .. }
        | Probe::Product { .. } => Err(Fault::new(
            FaultKind::Failed,
            format!("{probe} can't be looked at on this machine"),
        )),
    }
}

fn digest(found: Option<Sha256>) -> Reading {
    found.map_or(Reading::Absent, Reading::Digest)
}

fn compared(found: Option<bool>) -> Reading {
    match found {
        None => Reading::Absent,
        Some(true) => Reading::Same,
        Some(false) => Reading::Different,
    }
}

fn what_stands_at(path: &Path) -> Result<Reading, Fault> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if errno::is_absent(&error) => return Ok(Reading::Absent),
        found => found.or_fault("read", path)?.file_type(),
    };
    Ok(Reading::Text(if kind.is_symlink() {
        let target = fs::read_link(path).or_fault("read", path)?;
        format!("link {}", target.display())
    } else if kind.is_dir() {
        "folder".to_owned()
    } else if kind.is_file() {
        "file".to_owned()
    } else {
        "other".to_owned()
    }))
}

fn fingerprint(path: &Path, watch: &Watch<'_>) -> Result<Reading, Fault> {
    match original::open(path)? {
        None => Ok(Reading::Absent),
        Some((mut file, _)) => manifest::file_digest(&mut file, path, watch).map(Reading::Digest),
    }
}

fn in_content(path: &Path, probe: &Probe, vault: &Vault) -> Result<Reading, Fault> {
    if let Probe::FileIs { content, .. } = probe {
        let wanted = vault.joined(content)?.len() as u64;
        let found = original::open(path)?;
        if found.is_some_and(|(_, stat)| u64::try_from(stat.st_size) != Ok(wanted)) {
            return Ok(Reading::Different);
        }
    }
    match original::read_file_bounded(path)? {
        None => Ok(Reading::Absent),
        Some(found) => content::look(&found, probe, vault),
    }
}

/// What the exit code of a status command says of the service.
pub(super) fn service_reading(code: i64) -> Reading {
    match code {
        0 => Reading::Service(ServiceState::Running),
        STOPPED => Reading::Service(ServiceState::Stopped),
        code => Reading::Text(format!("exit code {code}")),
    }
}

/// The exit code of a command that changes nothing.
fn exit_code(argv: &Argv, watch: &mut Watch<'_>, vault: &Vault) -> Result<i64, Fault> {
    let shown = argv.posix();
    let failed = |why: String| {
        let what = format!("`{shown}` can't be started: {why}");
        Fault::new(FaultKind::Failed, what)
    };
    let Some((program, arguments)) = argv.words().split_first() else {
        return Err(failed("it has no words".to_owned()));
    };
    // `setsid` would report a missing program as an exit code like any other.
    let known = if program.contains('/') {
        Path::new(program).exists()
    } else {
        crate::remote::environment::find(program).is_some()
    };
    if !known {
        return Err(failed("there is no such program".to_owned()));
    }
    let mut command = process::command(program, vault);
    command.args(arguments);
    Process::start(command, &[])
        .map_err(|error| failed(error.to_string()))?
        .wait(watch, &format!("`{shown}`"))
}

fn listens(host: &str, port: u16, watch: &Watch<'_>) -> Result<Reading, Fault> {
    let open = addresses(host, port, watch.left())?
        .iter()
        // No time at all would be an error of its own.
        .map(|address| (address, watch.left().max(Duration::from_millis(1))))
        .any(|(address, patience)| TcpStream::connect_timeout(address, patience).is_ok());
    Ok(Reading::text(if open { "open" } else { "closed" }))
}

/// The addresses of a host. A name service that does not answer is given up, and left to its own time-out.
fn addresses(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (send, receive) = mpsc::channel();
    let name = host.to_owned();
    std::thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        let _ = send.send(found.map(Iterator::collect::<Vec<_>>));
    });
    match receive.recv_timeout(patience) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Fault::new(
            FaultKind::Failed,
            format!("the address of {host} is not known: {error}"),
        )),
        Err(_) => Err(Fault::new(
            FaultKind::TimedOut,
            format!("the address of {host} could not be found in time"),
        )),
    }
}

/// Free space under a path or, where it is not there yet, under the folder that it will be in.
fn free_space(path: &Path) -> Result<Reading, Fault> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let system = rustix::fs::statvfs(there).or_fault("read", there)?;
    let bytes = system.f_bavail.saturating_mul(system.f_frsize);
    Ok(Reading::Number(i64::try_from(bytes).unwrap_or(i64::MAX)))
}
