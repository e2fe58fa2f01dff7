//! A machine by way of the user's own `ssh`, for what a session of our own can't do.
//!
//! One `ssh` connects and logs in, and stays as the master of the connection. Each command is a client of it: a process
//! of its own on this machine, and a session of its own on the other. What `ssh` says goes into a log, so that what
//! comes out of a client is the command's.
//!
//! Secrets reach `ssh` through a socket that only this user can open, see [`askpass`].

mod again;
mod askpass;
mod folder;
mod master;
mod mux;
mod sessions;
mod story;
mod wording;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

pub use askpass::answer_ssh;

use super::ahead::Ahead;
use super::approach::Approach;
use super::line::Told;
use super::mark::{self, AfterMark, Mark, not_begun};
use super::process::{Process, command_as_user};
use super::{
    BackEnd, Destination, Exit, Host, HostConfig, Input, Line, Output, Patience, RemoteError,
    RemoteErrorKind, Streams,
};
use crate::config::SecretStore;
use again::Again;
use folder::Folder;
use master::Master;
use sessions::{Attempt, Sessions, Waiting};

/// How long the end of a command that nobody waits for any more may be asked for.
const FAREWELL: Duration = Duration::from_secs(3);

/// How many seconds a command has to end when it was asked to.
const GRACE: u32 = 5;

/// How often whoever waits looks whether it is its turn, or was broken off.
const GLANCE: Duration = Duration::from_millis(10);

/// What a new connection is made of.
pub(super) struct SystemWay {
    pub(super) destination: Destination,
    /// What the user's configuration says, as far as we can read it.
    pub(super) config: HostConfig,
    /// The one file that `ssh` reads instead of the user's and the system's.
    pub(super) file: Option<PathBuf>,
    /// Secrets whose sources `ssh` does not see.
    pub(super) secrets: Option<Arc<SecretStore>>,
    /// The program that answers when `ssh` asks: this one, see [`answer_ssh`].
    pub(super) program: PathBuf,
    pub(super) approach: Approach,
    /// Whether it is for a large stream, and what is fast is asked for where the user's files ask for nothing.
    pub(super) fast: bool,
    /// Whether the user's agent answers on the machine, too.
    pub(super) forwards_agent: bool,
}

impl SystemWay {
    /// `ssh` with what all of its uses have in common.
    fn ssh(&self, socket: &Path) -> Command {
        let mut ssh = command_as_user("ssh", self.secrets.as_deref());
        if let Some(file) = &self.file {
            ssh.arg("-F").arg(file);
        }
        ssh.arg("-S").arg(socket);
        if let Some(port) = self.destination.port {
            ssh.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &self.destination.user {
            ssh.args(["-l", user]);
        }
        if self.forwards_agent {
            ssh.arg("-A");
        }
        ssh.args(["-T", "-x", "-o", "RemoteCommand=none"]);
        ssh.args(["-o", "PermitLocalCommand=no"]);
        ssh.args(["-o", "ClearAllForwardings=yes"]);
        ssh
    }

    fn host(&self) -> &str {
        &self.destination.address
    }

    /// Connects when it is its turn, and again where that helps.
    fn connect(
        &self,
        folder: &Arc<Folder>,
        patience: &Patience<'_>,
    ) -> Result<Master, RemoteError> {
        self.approach
            .make(patience, || Master::start(self, folder, patience))
    }
}

/// A machine by way of the user's own `ssh`.
pub(super) struct SystemHost {
    way: SystemWay,
    folder: Arc<Folder>,
    master: Mutex<Option<Arc<Master>>>,
    sessions: Sessions,
}

impl SystemHost {
    /// Connects and logs in.
    pub(super) fn connect(way: SystemWay, patience: &Patience<'_>) -> Result<Self, RemoteError> {
        let folder = Folder::of_this_process()?;
        let master = way.connect(&folder, patience)?;
        Ok(Self {
            way,
            folder,
            master: Mutex::new(Some(Arc::new(master))),
            sessions: Sessions::default(),
        })
    }

    /// The connection that there is, or a new one.
    fn master(&self, patience: &Patience<'_>) -> Result<Arc<Master>, RemoteError> {
        let mut kept = self.turn(patience)?;
        match &*kept {
            Some(master) if master.lives() => Ok(Arc::clone(master)),
            _ => {
                *kept = None;
                let master = Arc::new(self.way.connect(&self.folder, patience)?);
                *kept = Some(Arc::clone(&master));
                Ok(master)
            }
        }
    }

    fn turn(
        &self,
        patience: &Patience<'_>,
    ) -> Result<MutexGuard<'_, Option<Arc<Master>>>, RemoteError> {
        loop {
            match self.master.try_lock() {
                Ok(mine) => return Ok(mine),
                Err(TryLockError::Poisoned(mine)) => return Ok(mine.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    patience.check("waiting for the connection")?;
                    std::thread::sleep(GLANCE);
                }
            }
        }
    }

    /// A client of the master, and its log. It never connects by itself.
    fn client(&self, master: &Master, line: &str) -> (Command, PathBuf) {
        let log = self.folder.path("l");
        let mut ssh = self.way.ssh(master.socket());
        ssh.args(["-o", "ControlMaster=no", "-o", "BatchMode=yes"]);
        ssh.args(["-o", wording::NO_MASTER]);
        ssh.args(["-o", "LogLevel=DEBUG2", "-E"]).arg(&log);
        ssh.args(["--", self.way.host(), line]);
        (ssh, log)
    }

    fn try_exec(
        &self,
        master: &Master,
        told: &Told,
        mark: &Mark,
        streams: &mut Streams<'_>,
        patience: &Patience<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Exit, RemoteError> {
        let (ssh, log) = self.client(master, &told.text);
        let (mut out, mut err) = (
            AfterMark::up_to_the_end(mark, &mut *streams.out),
            AfterMark::up_to_the_end(mark, &mut *streams.err),
        );
        let (out_heard, err_heard) = (out.heard(), err.heard());
        let told_end = || mark::ended(&out_heard, &err_heard);
        let is_over = || {
            if out_heard.begun() {
                attempt.has_begun();
            }
            told_end().is_some()
        };
        let mut ahead = Ahead::new(&told.ahead, streams.input.lent());
        let filtered = Streams {
            input: if told.ahead.is_empty() {
                ahead.rest()
            } else {
                Input::Reader(&mut ahead)
            },
            out: &mut out,
            err: &mut err,
        };
        let process = Process::start(ssh, "the command".to_owned(), &filtered.input);
        let ended = process
            .map_err(|error| wording::not_started(&error))
            .and_then(|process| process.run_until(&is_over, filtered, patience));
        // Who begins and ends at once is seen here only.
        is_over();
        let log = read_and_remove(&log);
        let finished = out.finish().and(err.finish());
        let ended = ended.and_then(|exit| {
            finished.map_or_else(|error| Err(RemoteError::of_stream(&error)), |()| Ok(exit))
        });
        match (ended, told_end()) {
            // The shell's word comes first: between a master and its client the name of a signal gets lost, and they may
            // still be waiting for those that the command left behind.
            (Ok(_), Some(exit)) => Ok(exit),
            (Err(error), Some(_)) => Err(error),
            (Ok(exit), None) => match wording::exit_of_command(&log) {
                Some(code) if out.seen() => Ok(Exit::Code(code)),
                Some(code) => Err(not_begun(&Exit::Code(code), &out, &err)),
                None => Err(wording::no_exit(&log, &exit, out.seen(), master.lives())),
            },
            (Err(mut error), None) => {
                if let Some(pid) = out.pid() {
                    let heard = self.ask_to_end(master, pid);
                    error.what.push_str(if heard {
                        "; it was asked to end there"
                    } else {
                        "; it may go on there"
                    });
                }
                Err(error)
            }
        }
    }

    /// Asks a command that nobody waits for any more to end; whether somebody there has heard it. A server that opens one
    /// session only hears it on another connection.
    fn ask_to_end(&self, master: &Master, pid: u32) -> bool {
        let patience = Patience::unbroken(FAREWELL);
        self.say(master, &farewell(pid), &patience)
            || Master::start(&self.way, &self.folder, &patience)
                .is_ok_and(|other| self.say(&other, &farewell(pid), &patience))
    }

    /// Runs a short command; whether it ended well.
    fn say(&self, master: &Master, line: &str, patience: &Patience<'_>) -> bool {
        let (ssh, log) = self.client(master, line);
        let (mut out, mut err) = (Output::at_most(1 << 16), Output::at_most(1 << 16));
        let streams = Streams {
            input: Input::Nothing,
            out: &mut out,
            err: &mut err,
        };
        let heard = Process::start(ssh, String::new(), &Input::Nothing)
            .map_err(|error| wording::not_started(&error))
            .and_then(|process| process.run(streams, patience));
        let _ = std::fs::remove_file(log);
        heard.is_ok_and(|exit| exit.is_success())
    }

    /// Tries until a command was begun or can't be: a server that opens few sessions may have others to end first, or may
    /// not have noticed yet that one is over.
    fn exec_in_turn(
        &self,
        told: &Told,
        mark: &Mark,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let Streams { input, out, err } = streams;
        let (mut reader, given) = match input {
            Input::Reader(reader) => (Some(Again::new(reader)), Input::Nothing),
            given => (None, given),
        };
        let (mut waiting, mut broken) = (Waiting::new(&self.sessions), false);
        loop {
            let master = self.master(patience)?;
            let mut streams = Streams {
                input: match (&mut reader, &given) {
                    (Some(reader), _) => Input::Reader(reader),
                    (None, Input::Bytes(bytes)) => Input::Bytes(bytes),
                    (None, _) => Input::Nothing,
                },
                out: &mut *out,
                err: &mut *err,
            };
            let attempt = self.sessions.attempt();
            let ended = self.try_exec(&master, told, mark, &mut streams, patience, &attempt);
            drop(attempt);
            let again = reader.as_mut().is_none_or(Again::rewind);
            match ended {
                // The connection was closed while nobody used it.
                Err(error) if error.kind == RemoteErrorKind::Busy && again && !broken => {
                    broken = true;
                }
                Err(error) if error.kind == RemoteErrorKind::NoSession && again => {
                    drop(master);
                    let Some(pause) = waiting.pause() else {
                        return Err(error);
                    };
                    if pause >= patience.left() {
                        return Err(error);
                    }
                    let until = Instant::now() + pause;
                    loop {
                        match patience.check("waiting for a session") {
                            Err(stopped) if stopped.kind == RemoteErrorKind::Cancelled => {
                                return Err(stopped);
                            }
                            _ => {}
                        }
                        let left = until.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            break;
                        }
                        std::thread::sleep(left.min(GLANCE));
                    }
                }
                ended => return ended,
            }
        }
    }
}

impl Host for SystemHost {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        line.fit()?;
        let mark = Mark::new();
        let told = line.for_login_shell(&mark);
        self.exec_in_turn(&told, &mark, streams, patience)
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::System
    }
}

/// What asks the group of a command's process to end, and makes it end. It goes on there by itself.
fn farewell(pid: u32) -> String {
    format!(
        "exec /bin/sh -c 'exec >/dev/null 2>&1 </dev/null; \
         kill -s TERM -- -{pid} || kill -s TERM {pid} || exit 0; \
         (n={GRACE}; while test $n -gt 0 && kill -s 0 -- -{pid}; do sleep 1; n=$((n - 1)); done; \
         kill -s KILL -- -{pid}) &'"
    )
}

fn read_and_remove(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let _ = std::fs::remove_file(log);
    String::from_utf8_lossy(&text).into_owned()
}
