//! What a machine can do for us: run a command.

use std::fmt;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{Line, RemoteError, RemoteErrorKind};

/// How long those that a command left behind may go on writing to its streams after its end.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// A machine on which commands run. Every call may come from any thread.
pub trait Host: Send + Sync {
    /// Runs a command to its end.
    ///
    /// What it writes arrives in `streams` exactly as it was written, and nothing else does: what a login shell says by
    /// itself is left out. A command ends when its process does: those that it left behind go on, and what they write
    /// within a second is still passed on. When this gives an error, the error's kind says whether the command can have been begun.
    /// When the time is up or it is cancelled, the command is asked to end as well as the machine allows.
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError>;

    /// How the machine is reached.
    fn back_end(&self) -> BackEnd;

    /// How long something takes to it and back, where that is known.
    fn round_trip(&self) -> Option<Duration> {
        None
    }
}

/// How a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackEnd {
    /// It is this one.
    Local,
    /// By a session of our own.
    Ssh2,
    /// By the user's own `ssh`.
    System,
}

impl fmt::Display for BackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Ssh2 => "ssh2",
            Self::System => "system",
        })
    }
}

/// What a command reads and where it writes.
pub struct Streams<'a> {
    /// Standard input.
    pub input: Input<'a>,
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
    /// Standard error.
    pub err: &'a mut (dyn Write + Send),
}

/// What a command reads.
pub enum Input<'a> {
    /// Nothing: the end of the file at once.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// Whatever the reader gives until its end. It does not block for long: when nothing came for a moment, it says that
    /// it would block, and is asked again.
    Reader(&'a mut (dyn Read + Send)),
}

impl Input<'_> {
    /// The same input, lent for as long as a command runs.
    pub fn lent(&mut self) -> Input<'_> {
        match self {
            Self::Nothing => Input::Nothing,
            Self::Bytes(bytes) => Input::Bytes(bytes),
            Self::Reader(reader) => Input::Reader(&mut **reader),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i64),
    /// By a signal, named without `SIG`, such as `KILL`.
    Signal(String),
}

impl Exit {
    /// The code as a shell gives it: a signal counts from 128.
    pub fn code(&self) -> i64 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(name) => 128 + signal_number(name),
        }
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<&str> {
        match self {
            Self::Code(_) => None,
            Self::Signal(name) => Some(name),
        }
    }

    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// The signals that Linux numbers alike on every processor we know of.
const SIGNALS: [(&str, i32); 16] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("XCPU", 24),
];

fn signal_number(name: &str) -> i64 {
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    let number = known.map(|(_, number)| *number);
    number.or_else(|| name.parse().ok()).unwrap_or(127).into()
}

/// A signal's name, or its number where it has none here.
pub(super) fn signal_name(number: i32) -> String {
    let known = SIGNALS.iter().find(|(_, known)| *known == number);
    known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// Until when to wait, and whether somebody has broken it off.
pub struct Patience<'a> {
    deadline: Option<Instant>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Patience<'a> {
    /// This long from now.
    pub fn new(length: Duration, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            deadline: Instant::now().checked_add(length),
            cancelled,
        }
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        let now = Instant::now();
        self.deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(now)
        })
    }

    /// An error when the time is up or somebody broke it off; `what` was going on.
    pub fn check(&self, what: &str) -> Result<(), RemoteError> {
        if (self.cancelled)() {
            let what = format!("{what} was broken off");
            return Err(RemoteError::new(RemoteErrorKind::Cancelled, what));
        }
        if self.left().is_zero() {
            let what = format!("{what} did not end in time");
            return Err(RemoteError::new(RemoteErrorKind::TimedOut, what));
        }
        Ok(())
    }
}

impl Patience<'static> {
    /// This long from now; nobody can break it off.
    pub fn unbroken(length: Duration) -> Self {
        Patience::new(length, &|| false)
    }
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("left", &self.left())
            .finish()
    }
}

/// What a command wrote, up to a limit.
#[derive(Debug)]
pub struct Output {
    bytes: zeroize::Zeroizing<Vec<u8>>,
    most: usize,
    overflowed: bool,
}

impl Output {
    /// Room for so many bytes. What comes after them makes the command fail with [`RemoteErrorKind::TooMuch`].
    pub fn at_most(most: usize) -> Self {
        Self {
            bytes: zeroize::Zeroizing::default(),
            most,
            overflowed: false,
        }
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether more was written than there is room for.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.most - self.bytes.len();
        if bytes.len() > room {
            self.overflowed = true;
            return Err(std::io::Error::new(
                std::io::ErrorKind::StorageFull,
                format!("more than {} bytes", self.most),
            ));
        }
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            // A buffer that grows leaves its old bytes behind: these are wiped.
            let mut grown =
                zeroize::Zeroizing::new(Vec::with_capacity((2 * needed).min(self.most)));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
