//! A machine over SSH, by a session of our own.
//!
//! ```text
//!  wire ─► greeting ─► handshake ─► host key ─► login ─► conversation, conversation, ...
//!  (TCP)   (is it SSH?) (ciphers)    (is it the host?)    (a command each)
//! ```
//!
//! A session never blocks by itself: [`link::Link`] waits for the socket and looks at the clock meanwhile. Commands take
//! turns, for a session does one thing at a time. A session on which something went wrong is given up, and the next
//! command gets a new one.

mod conversation;
mod fall;
mod greeting;
mod handshake;
mod host_key;
mod identity;
mod link;
mod login;
mod offer;
mod turns;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ahead::Ahead;
use super::approach::Approach;
use super::mark::Mark;
use super::{
    BackEnd, Destination, Exit, Host, HostConfig, Input, KnownHosts, Line, Patience, RemoteError,
    RemoteErrorKind, Streams,
};
use conversation::Broken;
pub use fall::panics_end_the_program;
use link::Link;
use turns::Turns;

/// How long connecting may take if nobody says.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the end of a command that nobody waits for any more may be asked for.
const FAREWELL: Duration = Duration::from_secs(3);

/// The first pause while a server notices that a session is over, and when that takes too long.
const SESSION_ENDS: Duration = Duration::from_millis(5);
const LONGEST_END: Duration = Duration::from_secs(1);

/// What a new connection is made of.
pub(super) struct Way {
    pub(super) destination: Destination,
    pub(super) config: HostConfig,
    pub(super) known_hosts: Arc<KnownHosts>,
    /// Where the agent listens, if there is one.
    pub(super) agent: Option<std::path::PathBuf>,
    pub(super) approach: Approach,
}

impl Way {
    /// Connects when it is its turn, and again where that helps.
    fn connect(&self, patience: &Patience<'_>) -> Result<Link, RemoteError> {
        self.approach.make(patience, || self.connect_once(patience))
    }

    /// Connects, makes sure that it is the right host, and logs in.
    fn connect_once(&self, patience: &Patience<'_>) -> Result<Link, RemoteError> {
        let limit = self
            .destination
            .connect_timeout
            .or(self.config.connect_timeout)
            .unwrap_or(CONNECT);
        let socket = wire::connect(&self.config, limit, patience)?;
        greeting::expect(&socket, limit, patience)?;
        let mut link = handshake::shake_hands(socket, self, limit, patience)?;
        host_key::check(&link, self)?;
        login::log_in(&mut link, self, patience)?;
        Ok(link)
    }
}

/// A machine over SSH, by a session of our own.
pub(super) struct Ssh2Host {
    way: Way,
    link: Turns<Option<Link>>,
    /// How long the line is there and back, in microseconds.
    round_trip: AtomicU64,
}

impl Ssh2Host {
    /// Connects and logs in.
    pub(super) fn connect(way: Way, patience: &Patience<'_>) -> Result<Self, RemoteError> {
        let link = way.connect(patience)?;
        Ok(Self {
            way,
            link: Turns::new(Some(link)),
            round_trip: AtomicU64::new(u64::MAX),
        })
    }

    /// A session that is known to be good, or may be.
    fn session(
        &self,
        kept: &mut Option<Link>,
        patience: &Patience<'_>,
    ) -> Result<(Link, ssh2::Channel), RemoteError> {
        if let Some(mut link) = kept.take() {
            match open_in_turn(&mut link, patience) {
                Ok(channel) => return Ok((link, channel)),
                // It may have been closed while nobody used it. Nothing was begun on it.
                Err(error) if error.kind == RemoteErrorKind::Lost => {}
                Err(error) => return Err(error),
            }
        }
        self.way.approach.make(patience, || {
            let mut link = self.way.connect_once(patience)?;
            let channel = conversation::open(&mut link, patience).map_err(not_begun)?;
            Ok((link, channel))
        })
    }

    /// Asks a command that nobody waits for any more to end; whether somebody there has heard it.
    fn ask_to_end(&self, link: Link, pid: u32) -> bool {
        let patience = Patience::unbroken(FAREWELL);
        let script = conversation::farewell(pid);
        let heard = |mut link: Link| conversation::say(&mut link, &script, &patience);
        heard(link)
            || self
                .way
                .connect(&patience)
                .is_ok_and(|mut link| conversation::say(&mut link, &script, &patience))
    }
}

impl Host for Ssh2Host {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        line.fit()?;
        let mut kept = self.link.take(patience)?;
        let (mut session, channel) = self.session(&mut kept, patience)?;
        let mark = Mark::new();
        let told = line.for_login_shell(&mark);
        let mut ahead = Ahead::new(&told.ahead, streams.input);
        let streams = Streams {
            input: if told.ahead.is_empty() {
                ahead.rest()
            } else {
                Input::Reader(&mut ahead)
            },
            out: &mut *streams.out,
            err: &mut *streams.err,
        };
        match conversation::hold(&mut session, channel, &told.text, &mark, streams, patience) {
            Ok(exit) => {
                if let Some(round_trip) = session.round_trip() {
                    let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
                    self.round_trip.fetch_min(micros, Ordering::Relaxed);
                }
                *kept = Some(session);
                Ok(exit)
            }
            Err(Broken { mut error, runs_as }) => {
                // What was begun on a connection that broke goes on: whoever wanted it may come back for it.
                if let Some(pid) = runs_as.filter(|_| error.kind != RemoteErrorKind::Lost) {
                    error.what.push_str(if self.ask_to_end(session, pid) {
                        "; it was asked to end there"
                    } else {
                        "; it may go on there"
                    });
                }
                Err(error)
            }
        }
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Ssh2
    }

    fn round_trip(&self) -> Option<Duration> {
        let shortest = self.round_trip.load(Ordering::Relaxed);
        (shortest != u64::MAX).then(|| Duration::from_micros(shortest))
    }
}

/// Opens a channel; a server that allows one session only may not have noticed yet that the last one is over.
fn open_in_turn(link: &mut Link, patience: &Patience<'_>) -> Result<ssh2::Channel, RemoteError> {
    let mut pause = SESSION_ENDS;
    loop {
        match conversation::open(link, patience) {
            Err(error) if error.kind == RemoteErrorKind::NoSession && pause < LONGEST_END => {
                patience.check("waiting for a session")?;
                std::thread::sleep(pause);
                pause *= 2;
            }
            opened => return opened,
        }
    }
}

/// Whoever has just logged in has begun nothing: it is as if the server had let nobody in.
fn not_begun(error: RemoteError) -> RemoteError {
    match error.kind {
        RemoteErrorKind::Lost => RemoteError {
            kind: RemoteErrorKind::Busy,
            ..error
        },
        _ => error,
    }
}
