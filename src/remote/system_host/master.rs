//! The `ssh` that connects, logs in and stays: the master of a connection.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::askpass::Askpass;
use super::folder::Folder;
use super::mux::Mux;
use super::{SystemWay, read_and_remove, wording};
use crate::remote::bulk;
use crate::remote::process::Process;
use crate::remote::{Exit, Input, Output, Patience, RemoteError, RemoteErrorKind, Streams};

/// For how many seconds it stays when nobody uses it: as long as a process of ours that was killed may leave it behind.
const IDLE: u32 = 120;

/// How long connecting may take if nobody says, in seconds.
const CONNECT: u64 = 10;

/// After how many seconds of silence the server is asked whether it lives, if nobody says.
const ALIVE: u32 = 15;

/// What comes first of what `ssh` offers anyway, where a large stream is to be brought over.
const FAST_CIPHERS: &str = "Ciphers=^aes128-gcm@openssh.com";
const FAST_KEY_EXCHANGES: &str = "KexAlgorithms=^curve25519-sha256";

/// How long it has to end once it was asked to.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to which clients can come.
pub(super) struct Master {
    socket: PathBuf,
    _folder: Arc<Folder>,
}

impl Master {
    /// Connects and logs in.
    pub(super) fn start(
        way: &SystemWay,
        folder: &Arc<Folder>,
        patience: &Patience<'_>,
    ) -> Result<Self, RemoteError> {
        let master = Self {
            socket: folder.path("m"),
            _folder: Arc::clone(folder),
        };
        let log = folder.path("l");
        let here = |error: &io::Error| {
            let what = format!("ssh can't be set up on this machine: {error}");
            RemoteError::new(RemoteErrorKind::Here, what)
        };
        let said = File::create_new(&log).map_err(|error| here(&error))?;
        let askpass = Askpass::new(way, folder.path("a")).map_err(|error| here(&error))?;
        let begin = Instant::now();
        let silent = || {
            let said = || std::fs::read(&log).unwrap_or_default();
            begin.elapsed() > longest(way)
                && !wording::has_agreed(&String::from_utf8_lossy(&said()))
        };
        // How long both sides may take to agree on how to speak is no affair of ssh's.
        let ended = {
            let broken = || patience.check("connecting").is_err() || silent();
            let patience = Patience::new(patience.left(), &broken);
            master.log_in(way, said, askpass.as_ref(), &patience)
        };
        let asked = askpass.map(Askpass::end).unwrap_or_default();
        let log = read_and_remove(&log);
        match ended {
            Ok(Exit::Code(0)) => Ok(master),
            Ok(exit) => Err(wording::not_connected(way, &log, &exit, &asked)),
            Err(error) if error.kind == RemoteErrorKind::Cancelled => {
                match patience.check("connecting") {
                    Ok(()) => Err(wording::fell_silent(way)),
                    Err(error) if error.kind == RemoteErrorKind::TimedOut => {
                        Err(wording::too_slow(&log))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) if error.kind == RemoteErrorKind::TimedOut => Err(wording::too_slow(&log)),
            Err(error) => Err(error),
        }
    }

    /// Goes on in the background once it has logged in.
    fn log_in(
        &self,
        way: &SystemWay,
        log: File,
        askpass: Option<&Askpass>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let mut ssh = way.ssh(&self.socket);
        ssh.args(["-M", "-N"]);
        if way.config.proxy_jump.is_some() || way.config.proxy_command.is_some() {
            // Else what is said on the way to the host would be thrown away.
            ssh.arg("-v");
        } else {
            ssh.args(["-o", "LogLevel=DEBUG1"]);
        }
        ssh.args(["-o", &format!("ControlPersist={IDLE}")]);
        let host_keys = match way.destination.takes_new_keys(&way.config) {
            Some(_) => "accept-new",
            None => "yes",
        };
        ssh.args(["-o", &format!("StrictHostKeyChecking={host_keys}")]);
        match askpass {
            Some(askpass) => askpass.announce(&mut ssh),
            None => {
                ssh.args(["-o", "BatchMode=yes"]);
            }
        }
        let asked_for = way.destination.connect_timeout;
        let usual = way.config.connect_timeout.is_none().then_some(CONNECT);
        if let Some(limit) = asked_for.map(|limit| limit.as_secs().max(1)).or(usual) {
            ssh.args(["-o", &format!("ConnectTimeout={limit}")]);
        }
        if way.fast && way.config.ciphers.as_written().is_none() && bulk::knows_aes() {
            ssh.args(["-o", FAST_CIPHERS]);
        }
        if way.fast && way.config.kex_algorithms.as_written().is_none() {
            ssh.args(["-o", FAST_KEY_EXCHANGES]);
        }
        if way.config.server_alive_interval.is_zero() {
            ssh.args(["-o", &format!("ServerAliveInterval={ALIVE}")]);
        }
        ssh.args(["--", way.host()]);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Process::start_as_it_is(ssh, "connecting".to_owned())
            .map_err(|error| wording::not_started(&error))?;
        let (mut out, mut err) = (Output::at_most(0), Output::at_most(0));
        let streams = Streams {
            input: Input::Nothing,
            out: &mut out,
            err: &mut err,
        };
        process.run(streams, patience)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether clients can still come.
    pub(super) fn lives(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    /// Ends it, and with it the connection: as it wants to be asked, and if it does not hear, as a process.
    fn end(&self) -> io::Result<()> {
        let mut mux = Mux::with(&self.socket)?;
        let handle = pidfd_open(mux.pid()?, PidfdFlags::empty())?;
        let _ = mux.end();
        let longest = Timespec::try_from(FAREWELL).ok();
        for signal in [Signal::TERM, Signal::KILL] {
            if poll(&mut [PollFd::new(&handle, PollFlags::IN)], longest.as_ref())? > 0 {
                return Ok(());
            }
            pidfd_send_signal(&handle, signal)?;
        }
        Ok(())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // One that is gone already can't be ended.
        let _ = self.end();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// How long it may take until both sides have agreed on how to speak: as long as connecting, as often as that is tried,
/// and as long again.
fn longest(way: &SystemWay) -> Duration {
    let asked_for = way.destination.connect_timeout;
    let limit = asked_for.or(way.config.connect_timeout);
    let tries = way.config.connection_attempts.saturating_add(1);
    limit
        .unwrap_or(Duration::from_secs(CONNECT))
        .saturating_mul(tries)
}
