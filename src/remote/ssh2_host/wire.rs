//! A connection to one of a host's addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily as Family, SocketFlags, SocketType, sockopt};

use crate::remote::{AddressFamily, HostConfig, Patience, RemoteError, RemoteErrorKind};

/// How often whoever waits looks whether it was broken off.
const GLANCE: Duration = Duration::from_millis(50);

/// After how long without any answer the system gives a connection up, where it can.
const DEAD_AFTER: u32 = 120_000;

/// Connects to the first of the host's addresses that answers.
pub(super) fn connect(
    config: &HostConfig,
    limit: Duration,
    patience: &Patience<'_>,
) -> Result<TcpStream, RemoteError> {
    let deadline = Instant::now() + limit.min(patience.left());
    let addresses = addresses(config, deadline, patience)?;
    let mut last = RemoteError::new(RemoteErrorKind::NoSuchHost, no_address(config));
    for address in addresses {
        match connect_to(address, config, deadline, patience) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind == RemoteErrorKind::Cancelled => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn no_address(config: &HostConfig) -> String {
    format!(
        "no address is known for `{}`",
        config.host_name.escape_debug()
    )
}

/// The addresses of the host, in the order in which the system gives them.
fn addresses(
    config: &HostConfig,
    deadline: Instant,
    patience: &Patience<'_>,
) -> Result<Vec<SocketAddr>, RemoteError> {
    let fits = |address: &SocketAddr| match config.address_family {
        AddressFamily::Any => true,
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
    };
    let found = match config.host_name.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, config.port)],
        Err(_) => look_up(config, deadline, patience)?,
    };
    let found: Vec<_> = found.into_iter().filter(fits).collect();
    if found.is_empty() {
        return Err(
            RemoteError::new(RemoteErrorKind::NoSuchHost, no_address(config))
                .hint("the name has addresses, but none of the kind that `AddressFamily` asks for"),
        );
    }
    Ok(found)
}

/// Asks the system in a thread of its own, for it may take long and can't be broken off.
fn look_up(
    config: &HostConfig,
    deadline: Instant,
    patience: &Patience<'_>,
) -> Result<Vec<SocketAddr>, RemoteError> {
    let (tell, hear) = mpsc::channel();
    let asked = (config.host_name.clone(), config.port);
    let name = "names".to_owned();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let found = asked.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = tell.send(found);
    });
    thread.map_err(|error| here(&format!("a thread can't be started: {error}")))?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match hear.recv_timeout(left.min(GLANCE)) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => {
                let what = format!("{}: {error}", no_address(config));
                return Err(RemoteError::new(RemoteErrorKind::NoSuchHost, what).hint(
                    "correct the node's address, or make the name known in the DNS or in /etc/hosts",
                ));
            }
            Err(_) if left.is_zero() => {
                let what = format!(
                    "nobody said in time which address `{}` has",
                    config.host_name.escape_debug()
                );
                return Err(RemoteError::new(RemoteErrorKind::Silent, what)
                    .hint("see whether the name server in /etc/resolv.conf answers"));
            }
            Err(_) => not_cancelled(patience)?,
        }
    }
}

fn connect_to(
    address: SocketAddr,
    config: &HostConfig,
    deadline: Instant,
    patience: &Patience<'_>,
) -> Result<TcpStream, RemoteError> {
    let trouble = |error: Errno| refused(address, &error.into());
    let family = match address {
        SocketAddr::V4(_) => Family::INET,
        SocketAddr::V6(_) => Family::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
    let socket = socket.map_err(|error| here(&format!("no socket can be made: {error}")))?;
    if let Some(from) = config
        .bind_address
        .as_ref()
        .and_then(|from| from.parse().ok())
    {
        let bound = rustix::net::bind(&socket, &SocketAddr::new(from, 0));
        bound.map_err(|error| here(&format!("{from} is no address to connect from: {error}")))?;
    }
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => await_answer(&socket, address, deadline, patience)?,
        Err(error) => return Err(trouble(error)),
    }
    // None of these is needed for being right.
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    let _ = sockopt::set_socket_keepalive(&socket, config.tcp_keep_alive);
    let _ = sockopt::set_tcp_user_timeout(&socket, DEAD_AFTER);
    Ok(TcpStream::from(socket))
}

fn await_answer(
    socket: &OwnedFd,
    address: SocketAddr,
    deadline: Instant,
    patience: &Patience<'_>,
) -> Result<(), RemoteError> {
    loop {
        not_cancelled(patience)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let what = format!("{address} did not answer in time");
            return Err(RemoteError::new(RemoteErrorKind::Silent, what).hint(
                "see whether the host is up, and whether a firewall drops what goes to this port",
            ));
        }
        let wait = Timespec::try_from(left.min(GLANCE)).unwrap_or_default();
        let mut fds = [PollFd::new(socket, PollFlags::OUT)];
        match poll(&mut fds, Some(&wait)) {
            Ok(0) | Err(_) => {}
            Ok(_) => {
                return match sockopt::socket_error(socket) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) | Err(error) => Err(refused(address, &error.into())),
                };
            }
        }
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> RemoteError {
    let (kind, what, hint) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            RemoteErrorKind::Refused,
            format!("nobody listens at {address}"),
            "see whether sshd runs there, and at this port",
        ),
        io::ErrorKind::TimedOut => (
            RemoteErrorKind::Silent,
            format!("{address} did not answer in time"),
            "see whether the host is up, and whether a firewall drops what goes to this port",
        ),
        _ => (
            RemoteErrorKind::Refused,
            format!("{address} can't be connected to: {error}"),
            "see whether this machine has a way to the host's network",
        ),
    };
    RemoteError::new(kind, what).hint(hint)
}

fn here(what: &str) -> RemoteError {
    RemoteError::new(RemoteErrorKind::Here, what)
}

/// That the time is up is told by whoever knows what it was needed for.
pub(super) fn not_cancelled(patience: &Patience<'_>) -> Result<(), RemoteError> {
    match patience.check("connecting") {
        Err(error) if error.kind == RemoteErrorKind::Cancelled => Err(error),
        _ => Ok(()),
    }
}
