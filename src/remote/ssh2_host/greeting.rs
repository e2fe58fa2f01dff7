//! Whether what answers speaks SSH, seen before anything is said to it.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::wire::not_cancelled;
use crate::remote::{Patience, RemoteError, RemoteErrorKind};

const GLANCE: Duration = Duration::from_millis(50);

/// How long a server that has said something else may take until it says that it speaks SSH.
const PREAMBLE: Duration = Duration::from_secs(2);

/// How much may come before that.
const LONGEST: usize = 8 * 1024;

/// What servers say when they have too much to do.
const BUSY: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

/// Waits for a server's greeting, and leaves it to be read.
pub(super) fn expect(
    socket: &TcpStream,
    limit: Duration,
    patience: &Patience<'_>,
) -> Result<(), RemoteError> {
    let begin = Instant::now();
    let mut deadline = begin + limit.min(patience.left());
    let mut bytes = vec![0; LONGEST];
    let mut heard = 0;
    loop {
        not_cancelled(patience)?;
        let left = deadline.saturating_duration_since(Instant::now());
        match socket.peek(&mut bytes) {
            Ok(count) => {
                let ended = count == heard;
                let said = &bytes[..count];
                if let Some(version) = greeting(said) {
                    return speaks(version);
                }
                if count == LONGEST {
                    return Err(garbage(said));
                }
                if count == 0 || (ended && has_ended(socket)) {
                    return Err(closed(said));
                }
                if heard == 0 {
                    deadline = deadline.min(Instant::now() + PREAMBLE);
                }
                heard = count;
                // What is there can be read all the time, so that waiting for it would not wait.
                std::thread::sleep(GLANCE.min(left) / 5);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(socket, left);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(closed(&[])),
        }
        if left.is_zero() {
            return Err(match heard {
                0 => silent(begin.elapsed()),
                _ => garbage(&bytes[..heard]),
            });
        }
    }
}

/// Waits a short while, and no longer than that, until there is something to read.
pub(super) fn wait(socket: &TcpStream, longest: Duration) {
    let longest = longest.min(GLANCE);
    let longest = Timespec::try_from(longest).unwrap_or_default();
    let _ = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&longest));
}

/// Whether the other side has closed the connection, though there is still something to read.
fn has_ended(socket: &TcpStream) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    let looked = poll(&mut fds, Some(&Timespec::default()));
    looked.is_ok_and(|count| count > 0)
}

/// The line in which the server says that it speaks SSH. Others may come before it.
fn greeting(said: &[u8]) -> Option<&[u8]> {
    let mut lines = said.split(|byte| *byte == b'\n');
    lines.find(|line| line.starts_with(b"SSH-"))
}

fn speaks(version: &[u8]) -> Result<(), RemoteError> {
    let prefix = &version[..version.len().min(6)];
    if prefix.starts_with(b"SSH-1.") && !version.starts_with(b"SSH-1.99") && version.len() >= 8 {
        let what = "the server only speaks the first version of SSH, which nobody may use any more";
        return Err(RemoteError::new(RemoteErrorKind::NothingInCommon, what)
            .hint("replace the SSH server there"));
    }
    Ok(())
}

fn silent(after: Duration) -> RemoteError {
    let what = format!(
        "the host accepts connections, but said nothing for {:.1} s",
        after.as_secs_f32()
    );
    RemoteError::new(RemoteErrorKind::Silent, what).hint(
        "the host may be overloaded or hang; a longer `ConnectTimeout` in ssh_config gives it more time",
    )
}

fn closed(said: &[u8]) -> RemoteError {
    let text = printable(said);
    let last = said.rsplit(|byte| *byte == b'\n').next();
    let breaks_off = last.is_some_and(|last| !last.is_empty() && b"SSH-".starts_with(last));
    if said.is_empty() || breaks_off || BUSY.iter().any(|busy| text.contains(busy)) {
        let mut what = "the server closed the connection before anybody could log in".to_owned();
        if !said.is_empty() {
            what = format!("{what}, and said `{text}`");
        }
        return RemoteError::new(RemoteErrorKind::Busy, what).hint(
            "fewer connections at once, or a larger `MaxStartups` in sshd_config there, help if many log in at the same time; \
             else see what sshd logged",
        );
    }
    garbage(said)
}

fn garbage(said: &[u8]) -> RemoteError {
    let what = format!(
        "what answers does not speak SSH: it says `{}`",
        printable(said)
    );
    RemoteError::new(RemoteErrorKind::Garbage, what)
        .hint("see whether the address and the port are those of the SSH server")
}

/// The beginning, as a person can read it.
fn printable(said: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(said).chars().take(60).collect();
    text.trim().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_breaks_off_in_the_greeting_is_a_server_that_hung_up() {
        let kinds =
            ["", "S", "Hello\nSSH", "SS\n", "HTTP/1.1"].map(|said| closed(said.as_bytes()).kind);
        let (busy, garbage) = (RemoteErrorKind::Busy, RemoteErrorKind::Garbage);
        assert_eq!(kinds, [busy, busy, busy, garbage, garbage]);
    }
}
