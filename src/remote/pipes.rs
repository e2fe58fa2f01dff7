//! The streams of a process on this machine, served as they become ready.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{Input, RemoteError, RemoteErrorKind, Streams};

/// The longest wait for a stream, after which its owner looks around.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// How much is read or written at once.
const CHUNK: usize = 64 << 10;

/// How much a pipe holds by which much may go.
const WIDE: usize = 1 << 20;

/// Our ends of a process's streams.
pub(super) struct Pipes<'a> {
    feed: Option<Feed<'a>>,
    drains: [Option<Drain<'a>>; 2],
    buffer: Zeroizing<Vec<u8>>,
}

impl<'a> Pipes<'a> {
    /// The streams of a process, and where they come from and go to.
    pub(super) fn new(child: &mut Child, streams: Streams<'a>) -> io::Result<Self> {
        let open = |pipe: OwnedFd| -> io::Result<OwnedFd> {
            rustix::io::ioctl_fionbio(&pipe, true)?;
            Ok(pipe)
        };
        let feed = child.stdin.take().map(|pipe| open(pipe.into()));
        if let (Some(Ok(pipe)), Input::Reader(_)) = (&feed, &streams.input) {
            // Where the system gives no more, it goes by less.
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, WIDE);
        }
        let out = child.stdout.take().map(|pipe| open(pipe.into()));
        let err = child.stderr.take().map(|pipe| open(pipe.into()));
        Ok(Self {
            feed: feed.transpose()?.map(|pipe| Feed::new(pipe, streams.input)),
            drains: [
                out.transpose()?.map(|pipe| Drain::new(pipe, streams.out)),
                err.transpose()?.map(|pipe| Drain::new(pipe, streams.err)),
            ],
            buffer: Zeroizing::new(vec![0; CHUNK]),
        })
    }

    /// Whether nothing can come any more.
    pub(super) fn are_silent(&self) -> bool {
        self.drains.iter().all(Option::is_none)
    }

    /// Waits a short while for a stream, or for the end of the process, and passes on what there is.
    pub(super) fn serve(&mut self, end: Option<&OwnedFd>) -> Result<(), RemoteError> {
        let [feed, out, err] = self.wait(end);
        let mut served = Ok(());
        for (drain, ready) in self.drains.iter_mut().zip([out, err]) {
            let Some(open) = drain.as_mut().filter(|_| ready) else {
                continue;
            };
            match open.pass(&mut self.buffer) {
                Ok(true) => {}
                Ok(false) => *drain = None,
                Err(error) => served = Err(error),
            }
        }
        if feed && let Some(open) = &mut self.feed {
            match open.pass() {
                Ok(true) => {}
                Ok(false) => self.feed = None,
                Err(error) => served = Err(error),
            }
        }
        served
    }

    fn wait(&self, end: Option<&OwnedFd>) -> [bool; 3] {
        let feed = self.feed.as_ref().filter(|feed| !feed.stuck);
        let [out, err] = self.drains.each_ref().map(Option::as_ref);
        let wanted = [
            feed.map(|feed| (&feed.pipe, PollFlags::OUT)),
            out.map(|drain| (&drain.pipe, PollFlags::IN)),
            err.map(|drain| (&drain.pipe, PollFlags::IN)),
            end.map(|end| (end, PollFlags::IN)),
        ];
        let mut fds: Vec<PollFd<'_>> = wanted
            .iter()
            .flatten()
            .map(|(fd, flags)| PollFd::from_borrowed_fd(fd.as_fd(), *flags))
            .collect();
        let longest = Timespec::try_from(LONGEST_WAIT).ok();
        if poll(&mut fds, longest.as_ref()).is_err() {
            return [false; 3];
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let [feed, out, err, _] =
            wanted.map(|wanted| wanted.is_some() && ready.next().unwrap_or(false));
        [feed, out, err]
    }
}

/// What a process reads.
struct Feed<'a> {
    pipe: OwnedFd,
    input: Input<'a>,
    /// What was read for the process and not yet taken by it.
    read: Zeroizing<Vec<u8>>,
    given: usize,
    /// Nothing more can be given. It stays open: an end would make the process believe that this was all.
    stuck: bool,
}

impl<'a> Feed<'a> {
    fn new(pipe: OwnedFd, input: Input<'a>) -> Self {
        Self {
            pipe,
            input,
            read: Zeroizing::default(),
            given: 0,
            stuck: false,
        }
    }

    /// Gives as much as is taken; whether there may be more.
    fn pass(&mut self) -> Result<bool, RemoteError> {
        if let Input::Reader(reader) = &mut self.input
            && self.given == self.read.len()
        {
            self.read.resize(CHUNK, 0);
            let length = read(reader, &mut self.read);
            self.read.truncate(*length.as_ref().unwrap_or(&0));
            self.given = 0;
            if let Err(error) = length {
                if error.kind() == io::ErrorKind::WouldBlock {
                    return Ok(true);
                }
                self.stuck = true;
                let what = format!("what the command reads can't be had: {error}");
                return Err(RemoteError::new(RemoteErrorKind::Stream, what));
            }
        }
        let left = match &self.input {
            Input::Nothing => &[],
            Input::Bytes(bytes) => &bytes[self.given..],
            Input::Reader(_) => &self.read[self.given..],
        };
        if left.is_empty() {
            return Ok(false);
        }
        match rustix::io::write(&self.pipe, &left[..left.len().min(CHUNK)]) {
            Ok(length) => self.given += length,
            Err(Errno::AGAIN | Errno::INTR) => {}
            // The command reads no further, which is its own affair.
            Err(_) => return Ok(false),
        }
        Ok(true)
    }
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// What a process writes.
struct Drain<'a> {
    pipe: OwnedFd,
    out: &'a mut (dyn Write + Send),
    /// Nobody takes it any more. It is still read, so that the process can end in its own way.
    deaf: bool,
}

impl<'a> Drain<'a> {
    fn new(pipe: OwnedFd, out: &'a mut (dyn Write + Send)) -> Self {
        Self {
            pipe,
            out,
            deaf: false,
        }
    }

    /// Passes on what is there; whether there may be more.
    fn pass(&mut self, buffer: &mut [u8]) -> Result<bool, RemoteError> {
        let length = match rustix::io::read(&self.pipe, &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(_) => return Ok(false),
        };
        if !self.deaf
            && let Err(error) = self.out.write_all(&buffer[..length])
        {
            self.deaf = true;
            return Err(RemoteError::of_stream(&error));
        }
        Ok(true)
    }
}
