//! How `ssh` gets a secret: it runs this very program, which asks us through a socket.
//!
//! `ssh` runs the program that `SSH_ASKPASS` names with its question as the argument. That is this program; a variable
//! names the socket on which we wait, in a folder that nobody else can enter. Each question that is ours to answer is
//! answered once: asked again, the answer was wrong, and a second one might lock the account.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use super::SystemWay;
use crate::config::Secret;

/// The variable that names the socket.
const SOCKET: &str = "CLUSTERCTL_ASKPASS";

/// How long one side waits for the other.
const LONGEST: Duration = Duration::from_secs(5);

/// How often it is looked whether anybody may still ask.
const GLANCE: Duration = Duration::from_millis(50);

/// The longest question, and the longest answer.
const MOST: u64 = 64 << 10;

/// What was asked, and not answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Questions that nobody here can answer.
    pub(super) unanswered: Vec<String>,
    /// Whether a question was answered, and asked again.
    pub(super) again: bool,
    /// Whether a question was answered.
    pub(super) answered: bool,
}

/// Answers the questions of one `ssh` that logs in.
pub(super) struct Askpass {
    socket: PathBuf,
    program: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    asked: Arc<Mutex<Asked>>,
}

impl Askpass {
    /// Waits for questions, if there is an answer to any.
    pub(super) fn new(way: &SystemWay, socket: PathBuf) -> io::Result<Option<Self>> {
        let answers = Answers::of(way);
        if answers.password.is_none() && answers.passphrase.is_none() {
            return Ok(None);
        }
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let ends = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Asked::default()));
        let (until, note) = (Arc::clone(&ends), Arc::clone(&asked));
        let thread = std::thread::Builder::new()
            .name("askpass".to_owned())
            .spawn(move || answers.give(&listener, &until, &note))?;
        Ok(Some(Self {
            socket,
            program: way.program.clone(),
            ends,
            thread: Some(thread),
            asked,
        }))
    }

    /// Tells an `ssh` whom to ask.
    pub(super) fn announce(&self, ssh: &mut Command) {
        ssh.args(["-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"]);
        ssh.env("SSH_ASKPASS", &self.program)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env(SOCKET, &self.socket);
        // An older ssh asks only where it believes that there is a screen.
        if std::env::var_os("DISPLAY").is_none() {
            ssh.env("DISPLAY", ":");
        }
    }

    /// Nobody may ask any more; what was asked.
    pub(super) fn end(mut self) -> Asked {
        self.stop();
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for Askpass {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The secrets, and which questions are about them.
struct Answers {
    password: Option<Arc<Secret>>,
    passphrase: Option<Arc<Secret>>,
    /// What a question for the password begins with: `ssh` shortens the user's name, and servers ask in their own words
    /// behind it. So questions of hosts on the way are none of ours.
    who: [String; 2],
}

impl Answers {
    fn of(way: &SystemWay) -> Self {
        let user: String = way.config.user.chars().take(30).collect();
        let host = way.config.host_name.to_lowercase();
        Self {
            password: way.destination.password.clone(),
            passphrase: way.destination.passphrase.clone(),
            who: [
                format!("{user}@{host}'s password:"),
                format!("({}@{host}) ", way.config.user),
            ],
        }
    }

    fn give(&self, listener: &UnixListener, ends: &AtomicBool, asked: &Mutex<Asked>) {
        let mut before = Vec::new();
        while !ends.load(Ordering::Relaxed) {
            let longest = Timespec::try_from(GLANCE).ok();
            let _ = poll(
                &mut [PollFd::new(listener, PollFlags::IN)],
                longest.as_ref(),
            );
            if let Ok((stream, _)) = listener.accept() {
                let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                // Whoever hung up without an answer can't be told anything.
                let _ = self.answer(stream, &mut before, &mut asked);
            }
        }
    }

    fn answer(
        &self,
        mut stream: UnixStream,
        before: &mut Vec<String>,
        asked: &mut Asked,
    ) -> io::Result<()> {
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        if peer.uid != rustix::process::geteuid() {
            return Ok(());
        }
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LONGEST))?;
        stream.set_write_timeout(Some(LONGEST))?;
        let mut question = String::new();
        (&mut stream).take(MOST).read_to_string(&mut question)?;
        let Some(secret) = self.secret(&question) else {
            asked.unanswered.push(question);
            return Ok(());
        };
        if before.contains(&question) {
            asked.again = true;
            return Ok(());
        }
        before.push(question);
        asked.answered = true;
        stream.write_all(secret.expose().as_bytes())?;
        stream.write_all(b"\n")
    }

    fn secret(&self, question: &str) -> Option<&Secret> {
        let secret = if question.starts_with("Enter passphrase for key ") {
            &self.passphrase
        } else if self
            .who
            .iter()
            .any(|who| question.starts_with(who.as_str()))
        {
            &self.password
        } else {
            return None;
        };
        secret.as_deref()
    }
}

/// Answers a question of `ssh` when this process was started for that, and for nothing else.
pub fn answer_ssh(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let socket = std::env::var_os(SOCKET)?;
    let question = arguments.into_iter().nth(1).unwrap_or_default();
    let answer = ask(&socket.into(), &question.to_string_lossy());
    let given = answer.and_then(|answer| {
        let mut out = io::stdout().lock();
        out.write_all(&answer)?;
        out.flush()
    });
    Some(match given {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn ask(socket: &PathBuf, question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(2 * LONGEST))?;
    stream.write_all(question.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Zeroizing::new(Vec::with_capacity(4 << 10));
    stream.take(MOST).read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(answer)
}
