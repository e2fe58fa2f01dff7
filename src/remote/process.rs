//! A process on this machine, between its streams and ours.
//!
//! One thread serves all streams as they become ready, so that neither side waits for the other. The process has a
//! session of its own: no terminal asks it anything or interrupts it, and it ends as a whole when its time is up.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open};

use super::host::signal_name;
use super::pipes::Pipes;
use super::{Exit, Input, Patience, RemoteError, RemoteErrorKind, Streams, environment};
use crate::config::SecretStore;

/// How long a process may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long those that a process left behind may go on writing to its streams after its end.
const LINGER: Duration = Duration::from_secs(1);

/// A command that waits to be started in a session of its own, or at least in a process group.
pub(super) fn command(program: &str) -> Command {
    let mut command = if let Some(setsid) = environment::find("setsid") {
        let mut command = Command::new(setsid);
        command.arg(program);
        command
    } else {
        let mut command = Command::new(program);
        command.process_group(0);
        command
    };
    environment::give(&mut command);
    command.current_dir("/");
    command
}

/// A program of the user's own: it finds what the user has in the environment, but for the sources of secrets. Nothing
/// but the bare necessities when these are not known.
pub(super) fn command_as_user(program: &str, secrets: Option<&SecretStore>) -> Command {
    const NEEDED: [&str; 2] = ["SSH_AUTH_SOCK", "KRB5CCNAME"];
    let mut command = command(program);
    if let Some(secrets) = secrets {
        command.envs(std::env::vars_os());
        secrets.scrub(&mut command);
    } else {
        let needed = NEEDED.map(|name| (name, std::env::var_os(name)));
        let given = needed.into_iter();
        command.envs(given.filter_map(|(name, value)| Some((name, value?))));
    }
    command
}

/// A process that runs. When it is dropped before its end, it is ended.
pub(super) struct Process {
    child: Child,
    /// Can be read when the process has ended. Where the system has no such thing, we look from time to time.
    end: Option<OwnedFd>,
    what: String,
    buried: bool,
}

impl Process {
    /// Starts the command; `what` is what a person knows it as.
    pub(super) fn start(mut command: Command, what: String, input: &Input<'_>) -> io::Result<Self> {
        command
            .stdin(match input {
                Input::Nothing => Stdio::null(),
                Input::Bytes(_) | Input::Reader(_) => Stdio::piped(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::start_as_it_is(command, what)
    }

    /// Starts a command whose streams are set up already.
    pub(super) fn start_as_it_is(mut command: Command, what: String) -> io::Result<Self> {
        let child = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        Ok(Self {
            child,
            end,
            what,
            buried: false,
        })
    }

    /// Serves its streams until its end. When the time is up, or a stream fails, it and all of its group are ended.
    pub(super) fn run(
        mut self,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let mut pipes = Pipes::new(&mut self.child, streams).map_err(|error| {
            let what = format!("a pipe can't be set up on this machine: {error}");
            RemoteError::new(RemoteErrorKind::Here, what)
        })?;
        while !self.has_ended() {
            let served = patience
                .check(&self.what)
                .and_then(|()| pipes.serve(self.end.as_ref()));
            if let Err(error) = served {
                self.stop(pipes);
                return Err(error);
            }
        }
        let deadline = Instant::now() + LINGER;
        let mut served = Ok(());
        while !pipes.are_silent() && Instant::now() < deadline {
            served = served.and(pipes.serve(None));
        }
        let exit = self.bury().map_err(|error| {
            let what = format!("how {} ended is not known: {error}", self.what);
            RemoteError::new(RemoteErrorKind::Lost, what)
        })?;
        served.map(|()| exit)
    }

    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(
            rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), options),
            Ok(None) | Err(Errno::INTR)
        )
    }

    /// Asks the group to end, and makes it end.
    fn stop(&mut self, mut pipes: Pipes<'_>) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < deadline {
            // Its last words are still taken, where there is somebody to take them.
            let _ = pipes.serve(self.end.as_ref());
        }
        self.signal(Signal::KILL);
        let _ = self.bury();
    }

    /// The leader is buried last, so that its number stays its own.
    fn bury(&mut self) -> io::Result<Exit> {
        self.buried = true;
        self.child.wait().map(exit)
    }

    /// To the group, or to the process alone as long as it has made no group yet.
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        if rustix::process::kill_process_group(pid, signal) == Err(Errno::SRCH) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.buried {
            self.signal(Signal::KILL);
            let _ = self.bury();
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code.into()),
        (None, Some(signal)) => Exit::Signal(signal_name(signal)),
        (None, None) => Exit::Code(-1),
    }
}
