//! A command in a session of its own, which ends as a whole when its time is up.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use zeroize::Zeroizing;

use super::ending::{self, TAIL_BYTES};
use super::original::LARGEST;
use super::vault::Vault;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::remote::environment;

/// How long a command may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What is left of a command's output that may repeat secrets which nobody can recognise.
pub(super) const WITHHELD: &str = "What the command wrote was not kept: it may repeat a secret, and that could not be resolved any more.\n";

/// A command that waits to be started in a session of its own.
///
/// Without `setsid` it at least gets a process group of its own.
pub(super) fn command(program: &str, vault: &Vault) -> Command {
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
    vault.scrub(&mut command);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A command that runs.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts the command; it reads `input`, all of which is there before it starts, whatever becomes of us.
    pub(super) fn start(mut command: Command, input: &[u8]) -> io::Result<Self> {
        if !input.is_empty() {
            command.stdin(in_memory(input)?);
        }
        let child = command.spawn()?;
        Ok(Self { child })
    }

    /// Waits for its end. When the time is up, it and everything in its process group is ended.
    pub(super) fn wait(mut self, watch: &mut Watch<'_>, what: &str) -> Result<i64, Fault> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(code(status)),
                Ok(None) => {}
                Err(error) => {
                    let what = format!("the outcome of {what} is lost: {error}");
                    return Err(Fault::new(FaultKind::LostOutcome, what));
                }
            }
            if let Err(fault) = watch.check(what) {
                self.end();
                return Err(fault);
            }
            watch.pause();
        }
    }

    /// Asks the group to end, and makes it end. The leader is buried last, so that its number stays its own.
    fn end(&mut self) {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        signal(pid, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !has_ended(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A file that is on no disk and has no name.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The group, or the process alone as long as it has made no group yet.
fn signal(pid: Pid, signal: Signal) {
    if rustix::process::kill_process_group(pid, signal) == Err(Errno::SRCH) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(
        rustix::process::waitid(WaitId::Pid(pid), options),
        Ok(None) | Err(Errno::INTR)
    )
}

/// As a shell says it: a signal counts from 128.
fn code(status: ExitStatus) -> i64 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    i64::from(code.unwrap_or(-1))
}

/// Masks secrets in what a command wrote. A command that still writes there goes on after it.
pub(super) fn mask_file(path: &Path, vault: &Vault) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    (&mut file).take(LARGEST).read_to_end(&mut bytes)?;
    let Some(masked) = vault.mask_bytes(&bytes) else {
        return Ok(());
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&masked)?;
    file.sync_data()
}

/// Leaves nothing of what a command wrote but a word why.
pub(super) fn withhold_file(path: &Path) -> io::Result<()> {
    std::fs::write(path, WITHHELD)
}

/// The end of a file as text; nothing where it can't be read.
pub(super) fn end_of(path: &Path) -> String {
    read_end_of(path).unwrap_or_default()
}

fn read_end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(ending::end_of(&bytes, start == 0))
}
