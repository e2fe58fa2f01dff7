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

use super::host::{LINGER, signal_name};
use super::pipes::Pipes;
use super::{Exit, Input, Patience, RemoteError, RemoteErrorKind, Streams, environment};
use crate::config::SecretStore;

/// How long a process may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

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
        self,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        self.run_until(&|| false, streams, patience)
    }

    /// The same for a process that serves something elsewhere: when that `is_over`, the process has a short while to end by
    /// itself, and is ended.
    pub(super) fn run_until(
        mut self,
        is_over: &dyn Fn() -> bool,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let mut pipes = Pipes::new(&mut self.child, streams).map_err(|error| {
            let what = format!("a pipe can't be set up on this machine: {error}");
            RemoteError::new(RemoteErrorKind::Here, what)
        })?;
        let mut over_since = None;
        while !self.has_ended() {
            if over_since.is_none() && is_over() {
                over_since = Some(Instant::now());
            }
            let go_on = patience.check(&self.what);
            if let Some(since) = over_since
                && (go_on.is_err() || since.elapsed() >= LINGER)
            {
                return self.stop(pipes).map_err(|error| self.not_known(&error));
            }
            let over = over_since.is_some();
            let go_on = if over { Ok(()) } else { go_on };
            if let Err(error) = go_on.and_then(|()| pipes.serve(self.end.as_ref())) {
                let _ = self.stop(pipes);
                return Err(error);
            }
        }
        let deadline = over_since.unwrap_or_else(Instant::now) + LINGER;
        let mut served = Ok(());
        while !pipes.are_silent() && Instant::now() < deadline {
            served = served.and(pipes.serve(None));
        }
        let exit = self.bury().map_err(|error| self.not_known(&error))?;
        served.map(|()| exit)
    }

    fn not_known(&self, error: &io::Error) -> RemoteError {
        let what = format!("how {} ended is not known: {error}", self.what);
        RemoteError::new(RemoteErrorKind::Lost, what)
    }

    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(
            rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), options),
            Ok(None) | Err(Errno::INTR)
        )
    }

    /// Asks the group to end, and makes it end.
    fn stop(&mut self, mut pipes: Pipes<'_>) -> io::Result<Exit> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < deadline {
            // Its last words are still taken, where there is somebody to take them.
            let _ = pipes.serve(self.end.as_ref());
        }
        self.signal(Signal::KILL);
        self.bury()
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
