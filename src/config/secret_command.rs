//! Runs the command behind a `cmd:` reference: no shell, no input, a deadline,
//! and nothing of its output in any error.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::secret_store::{LARGEST, text_of};
use super::{HumanDuration, Secret, SecretError};

/// How much of the standard error an error message repeats.
const STDERR_SHOWN: usize = 2_000;

/// Between two looks at whether the command has ended.
const POLL: Duration = Duration::from_millis(5);

/// What the command printed, without one final newline.
pub(super) fn run(
    reference: &str,
    mut command: Command,
    deadline: HumanDuration,
) -> Result<Secret, SecretError> {
    let until = Instant::now() + deadline.get();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| SecretError::CommandNotStarted {
            reference: reference.to_owned(),
            source,
        })?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let outcome =
        wait(&mut child, until).and_then(|status| Some((status, received(&stdout, until)?)));
    let Some((status, output)) = outcome else {
        end(&mut child);
        // After the kill the pipe closes at once, unless a daemon holds it.
        let grace = Instant::now() + Duration::from_millis(100);
        return Err(SecretError::CommandTooSlow {
            reference: reference.to_owned(),
            deadline,
            stderr: shown(received(&stderr, grace).as_ref(), None),
        });
    };
    if !status.success() {
        let complaint = received(&stderr, until.min(Instant::now() + Duration::from_secs(1)));
        return Err(SecretError::CommandFailed {
            reference: reference.to_owned(),
            status: status.to_string(),
            stderr: shown(complaint.as_ref(), Some(&output)),
        });
    }
    text_of(reference, output)
}

type Bytes = Zeroizing<Vec<u8>>;

/// Reads a pipe to its end on a thread of its own. The buffer is made at its
/// full size: growing it would leave copies of the secret behind.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
            let limit = LARGEST as u64 + 1;
            let _ = pipe.by_ref().take(limit).read_to_end(&mut bytes);
            let _ = sender.send(bytes);
            // A command that is not read blocks: let it say the rest to nobody.
            let _ = io::copy(&mut pipe, &mut io::sink());
        });
    }
    receiver
}

fn received(receiver: &Receiver<Bytes>, until: Instant) -> Option<Bytes> {
    match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(bytes) => Some(bytes),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Bytes::default()),
    }
}

fn wait(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(POLL),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Kills the command and whatever it started in its process group.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The end of the standard error, fit for a terminal, and without the secret
/// if the command repeated it there.
fn shown(stderr: Option<&Bytes>, output: Option<&Bytes>) -> String {
    let Some(stderr) = stderr else {
        return String::new();
    };
    let mut text = String::from_utf8_lossy(stderr).into_owned();
    if let Some(output) = output {
        for line in String::from_utf8_lossy(output).lines().map(str::trim) {
            if !line.is_empty() {
                text = text.replace(line, "****");
            }
        }
    }
    let text: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(STDERR_SHOWN);
    text.chars().skip(skip).collect()
}
