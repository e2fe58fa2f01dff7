//! A session and its socket: waiting for it without being held by it.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use ssh2::{BlockDirections, ErrorCode, Session};

use crate::remote::{Patience, RemoteError};

/// How often whoever waits looks whether it was broken off.
const GLANCE: Duration = Duration::from_millis(50);

/// What libssh2 says when it would have to wait.
const AGAIN: i32 = -37;

/// A session and its socket.
pub(super) struct Link {
    pub(super) session: Session,
    socket: Arc<TcpStream>,
    /// When the other side was last heard.
    heard: Instant,
    /// Whether the connection was seen to end with nothing before it that was still to be read.
    cut: bool,
    keep_alive: KeepAlive,
    /// The shortest time in which something that was asked was answered.
    quickest: Option<Duration>,
}

/// When the other side is asked whether it lives, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepAlive {
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// Why a call of the library did not end well.
pub(super) enum Stop {
    /// It says why.
    Told(ssh2::Error),
    /// Its time is up.
    Late,
    /// Somebody broke it off, or has no more patience.
    Broken(RemoteError),
}

impl Link {
    /// A new session, which waits for nothing.
    pub(super) fn new(socket: TcpStream, keep_alive: KeepAlive) -> Result<Self, ssh2::Error> {
        let mut session = Session::new()?;
        let socket = Arc::new(socket);
        session.set_tcp_stream(Arc::clone(&socket));
        session.set_blocking(false);
        let seconds = u32::try_from(keep_alive.interval.as_secs()).unwrap_or(u32::MAX);
        session.set_keepalive(true, seconds.max(1));
        Ok(Self {
            session,
            socket,
            heard: Instant::now(),
            cut: false,
            keep_alive,
            quickest: None,
        })
    }

    /// Makes a call again and again until it does not have to wait.
    pub(super) fn drive<T>(
        &mut self,
        deadline: Option<Instant>,
        what: &str,
        patience: &Patience<'_>,
        mut call: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        loop {
            match call(&mut self.session) {
                Err(error) if is_again(&error) => self.wait(),
                Err(error) => return Err(Stop::Told(error)),
                Ok(value) => return Ok(value),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Stop::Late);
            }
            patience.check(what).map_err(Stop::Broken)?;
        }
    }

    /// Waits a short while until the socket can be read, or written if that is what is wanted.
    pub(super) fn wait(&mut self) {
        // Until it is sent nothing is read, and what could be read would not be waited for.
        let flags = if self.wants_to_send() {
            PollFlags::OUT
        } else {
            PollFlags::IN
        };
        // Many servers hold back what is small until they hear that what went before has come, and systems like to wait
        // a while before they say so. The system forgets this from time to time.
        let _ = sockopt::set_tcp_quickack(&*self.socket, true);
        let glance = Timespec::try_from(GLANCE).unwrap_or_default();
        let mut fds = [PollFd::new(&*self.socket, flags)];
        let _ = poll(&mut fds, Some(&glance));
        if !fds[0].revents().is_empty() {
            self.heard = Instant::now();
            self.see_whether_it_was_cut();
        }
    }

    fn see_whether_it_was_cut(&mut self) {
        self.cut |= match self.socket.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
    }

    /// Whether the connection ended without a last word from the other side, as it does when the network or the server
    /// dies, and as no server does that sends somebody away.
    pub(super) fn was_cut(&self) -> bool {
        self.cut
    }

    /// Whether a packet was sent in part: then the same call has to be made again before any other.
    pub(super) fn wants_to_send(&self) -> bool {
        matches!(
            self.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        )
    }

    /// Notes that something was answered that was asked then. No answer comes faster than the line is long.
    pub(super) fn answered(&mut self, asked: Instant) {
        let took = asked.elapsed();
        self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
    }

    /// How long the line is there and back, as far as that is known.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.quickest
    }

    /// Asks the other side whether it lives when it was silent for long; whether it still may.
    pub(super) fn is_alive(&mut self) -> bool {
        let KeepAlive { interval, count } = self.keep_alive;
        if self.heard.elapsed() >= interval.saturating_mul(count + 1) {
            return false;
        }
        if self.heard.elapsed() >= interval && !self.wants_to_send() {
            // It sends nothing until the interval is over again.
            return self.session.keepalive_send().is_ok();
        }
        true
    }

    /// Whether the other side has hung up.
    pub(super) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&*self.socket, PollFlags::RDHUP)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// The silence counts from now.
    pub(super) fn listen_from_now(&mut self) {
        self.heard = Instant::now();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Said if it can be said at once. Then nothing of the session can wait for the other side any more.
        let _ = self.session.disconnect(None, "", None);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Whether the library would have to wait.
pub(super) fn is_again(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(AGAIN)
}

/// The library's number of what went wrong.
pub(super) fn number(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(number) | ErrorCode::SFTP(number) => number,
    }
}
