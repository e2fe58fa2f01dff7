//! One command on a session: its streams, its end, and what becomes of it when nobody waits any more.
//!
//! Whatever the library has sent in part must be sent to its end before anything else is asked of it, in either
//! direction. That can't make both sides wait for each other: a server reads what comes whatever its commands do.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use ssh2::Channel;
use zeroize::Zeroizing;

use super::link::{Link, Stop, number};
use crate::remote::host::LINGER;
use crate::remote::mark::{self, AfterMark, Mark, not_begun};
use crate::remote::{Exit, Input, Patience, RemoteError, RemoteErrorKind, Streams};

/// How much is read or written at once.
const CHUNK: usize = 64 << 10;

/// How long a server may take to close a channel whose command has ended.
const CLOSES: Duration = Duration::from_secs(3);

/// How many seconds a command has to end once it was asked to, before it is killed.
const GRACE: u32 = 5;

/// Something went wrong with a command.
pub(super) struct Broken {
    pub(super) error: RemoteError,
    /// The number of its process there, if it may still run and can be asked to end.
    pub(super) runs_as: Option<u32>,
}

/// Opens a channel for a command.
pub(super) fn open(link: &mut Link, patience: &Patience<'_>) -> Result<Channel, RemoteError> {
    link.listen_from_now();
    let asked = Instant::now();
    let opened = link.drive(None, "the command", patience, |session| {
        session.channel_session()
    });
    if opened.is_ok() {
        link.answered(asked);
    }
    opened.map_err(|stop| match stop {
        Stop::Told(error) if number(&error) == -21 => RemoteError::new(
            RemoteErrorKind::NoSession,
            format!("the server opens no session: {}", error.message()),
        )
        .hint("a larger `MaxSessions` in sshd_config there allows more at once"),
        Stop::Told(error) => lost(error.message()),
        Stop::Late => silent(link.silence()),
        Stop::Broken(error) if error.kind == RemoteErrorKind::TimedOut => RemoteError::new(
            RemoteErrorKind::Silent,
            "the server did not open a session in time",
        ),
        Stop::Broken(error) => error,
    })
}

/// Runs a command on an open channel to its end.
pub(super) fn hold(
    link: &mut Link,
    channel: Channel,
    command: &str,
    mark: &Mark,
    streams: Streams<'_>,
    patience: &Patience<'_>,
) -> Result<Exit, Broken> {
    let mut conversation = Conversation {
        link,
        channel,
        patience,
        out: AfterMark::up_to_the_end(mark, streams.out),
        err: AfterMark::up_to_the_end(mark, streams.err),
        feed: Feed::new(streams.input),
        buffer: Zeroizing::new(vec![0; CHUNK]),
    };
    let ended = conversation
        .begin(command)
        .and_then(|()| conversation.serve())
        .and_then(|()| conversation.end());
    let finished = conversation.out.finish().and(conversation.err.finish());
    let ended = ended.and_then(|exit| {
        finished.map_or_else(|error| Err(RemoteError::of_stream(&error)), |()| Ok(exit))
    });
    ended.map_err(|error| Broken {
        // Once it has ended, those that it left behind are not ours to end.
        runs_as: conversation
            .out
            .pid()
            .filter(|_| conversation.told().is_none()),
        error: conversation.explain(error),
    })
}

/// What asks the group of a command's process to end, and makes it end. It goes on there by itself.
pub(super) fn farewell(pid: u32) -> String {
    format!(
        "exec /bin/sh -c 'echo heard; exec >/dev/null 2>&1 </dev/null; \
         kill -s TERM -- -{pid} || kill -s TERM {pid} || exit 0; n={GRACE}; \
         while test $n -gt 0 && kill -s 0 -- -{pid}; do sleep 1; n=$((n - 1)); done; \
         kill -s KILL -- -{pid}'"
    )
}

/// Runs a short command; whether it has begun.
pub(super) fn say(link: &mut Link, command: &str, patience: &Patience<'_>) -> bool {
    let Ok(mut channel) = open(link, patience) else {
        return false;
    };
    let begun = link.drive(None, "", patience, |_| channel.exec(command));
    if begun.is_err() {
        return false;
    }
    let mut bytes = [0; 256];
    loop {
        match channel.read(&mut bytes) {
            Ok(count) => return count > 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => link.wait(),
            Err(_) => return false,
        }
        if patience.check("").is_err() {
            return false;
        }
    }
}

struct Conversation<'a, 's> {
    link: &'a mut Link,
    channel: Channel,
    patience: &'a Patience<'a>,
    out: AfterMark<'s>,
    err: AfterMark<'s>,
    feed: Feed<'s>,
    buffer: Zeroizing<Vec<u8>>,
}

impl Conversation<'_, '_> {
    fn begin(&mut self, command: &str) -> Result<(), RemoteError> {
        let Self {
            link,
            channel,
            patience,
            ..
        } = self;
        let asked = Instant::now();
        let begun = link.drive(None, "the command", patience, |_| channel.exec(command));
        if begun.is_ok() {
            link.answered(asked);
        }
        begun.map_err(|stop| match stop {
            Stop::Told(error) if number(&error) == -22 => RemoteError::new(
                RemoteErrorKind::Shell,
                "the server runs no commands for this user",
            )
            .hint("see `ForceCommand`, `Subsystem` and `Match` in sshd_config there"),
            Stop::Told(error) => lost(error.message()),
            Stop::Late => silent(link.silence()),
            Stop::Broken(error) => error,
        })
    }

    /// How the command ended, if the shell that ran it has told.
    fn told(&self) -> Option<Exit> {
        mark::ended(&self.out.heard(), &self.err.heard())
    }

    /// Passes everything on until nothing comes any more, or until the command has ended and those that it left behind had
    /// their time.
    fn serve(&mut self) -> Result<(), RemoteError> {
        loop {
            let mut moved = self.feed_it()?;
            moved |= self.drain(Which::Out)?;
            moved |= self.drain(Which::Err)?;
            if self.channel.eof() {
                return Ok(());
            }
            if self.told().is_some() {
                return self.linger();
            }
            self.patience.check("the command")?;
            if !moved {
                self.look_after()?;
            }
        }
    }

    /// The command has ended and all that it wrote has come: what breaks from now on is no trouble of the command's.
    fn linger(&mut self) -> Result<(), RemoteError> {
        let deadline = Instant::now() + LINGER;
        loop {
            let moved = self
                .drain(Which::Out)
                .and_then(|out| Ok(self.drain(Which::Err)? || out));
            // The end may just have come with the rest: nobody waits for more then.
            let is_over = self.channel.eof() || Instant::now() >= deadline;
            match moved {
                Err(error) if error.kind == RemoteErrorKind::Stream => return Err(error),
                Err(error) if error.kind == RemoteErrorKind::TooMuch => return Err(error),
                Ok(true) if !is_over => {}
                Ok(false)
                    if !is_over && self.patience.check("").is_ok() && self.look_after().is_ok() => {
                }
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    fn look_after(&mut self) -> Result<(), RemoteError> {
        if !self.link.is_alive() {
            return Err(silent(self.link.silence()));
        }
        self.link.wait();
        Ok(())
    }

    /// Makes a call; `None` when there is nothing for it to do now.
    fn attempt(
        &mut self,
        mut call: impl FnMut(&mut Channel, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Option<usize>, RemoteError> {
        loop {
            match call(&mut self.channel, &mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.link.wants_to_send() {
                        return Ok(None);
                    }
                    self.patience.check("the command")?;
                    self.look_after()?;
                }
                Err(error) => return Err(lost(&error.to_string())),
            }
        }
    }

    /// Writes what there is for the command to read; whether anything went out.
    fn feed_it(&mut self) -> Result<bool, RemoteError> {
        if self.feed.ended || self.channel.eof() {
            return Ok(false);
        }
        if self.feed.is_empty() {
            match self.feed.fill()? {
                Filled::Some => {}
                Filled::NotYet => return Ok(false),
                Filled::End => return self.end_of_feed(),
            }
        }
        let chunk = self.feed.take();
        let written = self.attempt(|channel, _| channel.write(&chunk));
        self.feed
            .give_back(chunk, written.as_ref().ok().copied().flatten());
        match written {
            // It has ended; how, is told by what is still to be read.
            Err(error) if error.kind == RemoteErrorKind::Lost && self.channel.eof() => {
                self.feed.ended = true;
                Ok(false)
            }
            written => {
                let moved = written?.is_some();
                if moved {
                    self.link.listen_from_now();
                }
                Ok(moved)
            }
        }
    }

    /// Says that nothing more comes for the command to read; whether that went out.
    fn end_of_feed(&mut self) -> Result<bool, RemoteError> {
        let Self {
            link,
            channel,
            patience,
            ..
        } = self;
        let told = link.drive(None, "the command", patience, |_| channel.send_eof());
        self.feed.ended = true;
        match told {
            Ok(()) => Ok(true),
            Err(Stop::Broken(error)) => Err(error),
            // It has ended, and reads nothing any more.
            Err(Stop::Told(_) | Stop::Late) => Ok(false),
        }
    }

    /// Passes on what the command wrote; whether there was anything.
    fn drain(&mut self, which: Which) -> Result<bool, RemoteError> {
        let stream = match which {
            Which::Out => 0,
            Which::Err => 1,
        };
        let Some(count) = self.attempt(|channel, buffer| channel.stream(stream).read(buffer))?
        else {
            return Ok(false);
        };
        self.link.listen_from_now();
        let to = match which {
            Which::Out => &mut self.out,
            Which::Err => &mut self.err,
        };
        to.write_all(&self.buffer[..count])
            .map_err(|error| RemoteError::of_stream(&error))?;
        Ok(true)
    }

    /// Closes the channel and asks how the command ended. The shell's word comes first: a server tells a signal by a name
    /// of its own, or nothing when those that the command left behind still have its streams.
    fn end(&mut self) -> Result<Exit, RemoteError> {
        let Self {
            link,
            channel,
            patience,
            ..
        } = self;
        let told = mark::ended(&self.out.heard(), &self.err.heard());
        let deadline = told.as_ref().map(|_| Instant::now() + CLOSES);
        let what = "the command";
        let closed = link
            .drive(deadline, what, patience, |_| channel.close())
            .and_then(|()| link.drive(deadline, what, patience, |_| channel.wait_close()));
        if let Some(exit) = told {
            return Ok(exit);
        }
        closed.map_err(|stop| match stop {
            Stop::Told(error) => lost(error.message()),
            Stop::Late => silent(link.silence()),
            Stop::Broken(error) => error,
        })?;
        let signal = channel.exit_signal().ok();
        let exit = match signal.and_then(|signal| signal.exit_signal) {
            Some(name) => Exit::Signal(name),
            None => Exit::Code(channel.exit_status().map_or(-1, i64::from)),
        };
        if !self.out.seen() {
            return Err(not_begun(&exit, &self.out, &self.err));
        }
        // The library says 0 as well when the session was closed without a word.
        if exit.is_success() {
            return Err(RemoteError::untold());
        }
        Ok(exit)
    }

    /// Says more about a command of which nothing was heard.
    fn explain(&self, mut error: RemoteError) -> RemoteError {
        let waited = matches!(
            error.kind,
            RemoteErrorKind::TimedOut | RemoteErrorKind::Cancelled
        );
        if waited && !self.out.seen() {
            error
                .what
                .push_str("; the login shell had not begun it yet");
        }
        error
    }
}

#[derive(Clone, Copy)]
enum Which {
    Out,
    Err,
}

/// What came of getting a piece.
enum Filled {
    Some,
    /// What gives it has nothing at the moment.
    NotYet,
    End,
}

/// What the command reads, a piece at a time.
struct Feed<'s> {
    input: Input<'s>,
    piece: Zeroizing<Vec<u8>>,
    done: usize,
    ended: bool,
}

impl<'s> Feed<'s> {
    fn new(input: Input<'s>) -> Self {
        Self {
            input,
            piece: Zeroizing::default(),
            done: 0,
            ended: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.done == self.piece.len()
    }

    /// Gets the next piece, where there is one.
    fn fill(&mut self) -> Result<Filled, RemoteError> {
        self.done = 0;
        match &mut self.input {
            Input::Nothing => self.piece.clear(),
            Input::Bytes(bytes) => {
                self.piece.clear();
                let (piece, rest) = bytes.split_at(bytes.len().min(CHUNK));
                self.piece.extend_from_slice(piece);
                *bytes = rest;
            }
            Input::Reader(reader) => {
                self.piece.resize(CHUNK, 0);
                let read = loop {
                    match reader.read(&mut self.piece) {
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                self.piece.truncate(*read.as_ref().unwrap_or(&0));
                if let Err(error) = &read
                    && error.kind() == ErrorKind::WouldBlock
                {
                    return Ok(Filled::NotYet);
                }
                read.map_err(|error| {
                    let what = format!("what the command shall read can't be read: {error}");
                    RemoteError::new(RemoteErrorKind::Stream, what)
                })?;
            }
        }
        Ok(if self.piece.is_empty() {
            Filled::End
        } else {
            Filled::Some
        })
    }

    /// The piece, to be written from where the last writing ended.
    fn take(&mut self) -> Piece {
        Piece {
            bytes: std::mem::take(&mut self.piece),
            done: self.done,
        }
    }

    fn give_back(&mut self, piece: Piece, written: Option<usize>) {
        self.done = piece.done + written.unwrap_or(0);
        self.piece = piece.bytes;
    }
}

/// What is still to be written. The library wants the same bytes at the same place until it has sent them.
struct Piece {
    bytes: Zeroizing<Vec<u8>>,
    done: usize,
}

impl std::ops::Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.done..]
    }
}

fn lost(why: &str) -> RemoteError {
    let what = format!("the connection broke: {why}");
    RemoteError::new(RemoteErrorKind::Lost, what)
        .hint("see on the host whether the command still runs or what it has done")
}

fn silent(silence: Duration) -> RemoteError {
    let what = format!(
        "the connection is dead: nothing was heard for {} s",
        silence.as_secs()
    );
    RemoteError::new(RemoteErrorKind::Lost, what)
        .hint("see on the host whether the command still runs or what it has done")
}
