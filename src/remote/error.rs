//! Why a command did not run on a machine, or why its end is not known.

use std::{fmt, io};

/// Whether the same call may succeed when it is made again, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may: nothing was begun, and what was in the way may pass.
    Yes(&'static str),
    /// It would end the same way, or might do something twice.
    No(&'static str),
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoteErrorKind {
    /// No address is known for the host's name.
    NoSuchHost,
    /// The host answers, and nobody listens at the port; or it can't be routed to.
    Refused,
    /// Nobody answered in time.
    Silent,
    /// What answered does not speak SSH.
    Garbage,
    /// The server closed the connection before anybody could log in, as it does when too many do so at once.
    Busy,
    /// The connection broke while somebody logged in, and no server said that it ends it.
    Cut,
    /// No cipher, key exchange or kind of key that both sides know.
    NothingInCommon,
    /// The host's key is not known.
    UnknownKey,
    /// The host's key is another than the one that is known.
    ChangedKey,
    /// The host's key is marked as revoked.
    RevokedKey,
    /// The server let nobody in with what it was offered.
    Denied,
    /// A key, password or passphrase that is needed is not at hand.
    NoCredentials,
    /// The configuration asks for what this way of connecting can't do.
    Unsupported,
    /// The configuration of SSH can't be used.
    Configuration,
    /// `sudo` said no.
    Sudo,
    /// The login shell, or what it needs, can't be used.
    Shell,
    /// The server opens no more sessions on this connection.
    NoSession,
    /// The connection broke while a command ran: it may go on, or have ended.
    Lost,
    /// The time was up while a command ran: it may go on.
    TimedOut,
    /// A person broke it off while a command ran: it may go on.
    Cancelled,
    /// The command is longer than what can be passed on.
    TooLong,
    /// A command wrote more than is taken.
    TooMuch,
    /// A stream on this side failed.
    Stream,
    /// Something on this machine failed, such as starting a program.
    Here,
}

impl RemoteErrorKind {
    /// Whether trying again can help.
    pub fn retry(self) -> Retry {
        match self {
            Self::NoSuchHost => Retry::No("the name has to be corrected, or made known, first"),
            Self::Refused => Retry::Yes("nothing was begun, and the server may be starting"),
            Self::Silent | Self::Cut => {
                Retry::Yes("nothing was begun, and the network may recover")
            }
            Self::Garbage => Retry::No("something else than SSH listens there"),
            Self::Busy => Retry::Yes("nothing was begun, and others will have logged in by then"),
            Self::NothingInCommon => Retry::No("both sides would offer the same again"),
            Self::UnknownKey => Retry::No("somebody has to say whether the key is the right one"),
            Self::ChangedKey => Retry::No("another machine may answer in the host's place"),
            Self::RevokedKey => Retry::No("the key was revoked on purpose"),
            Self::Denied => Retry::No("the same credentials would be refused, and may be locked"),
            Self::NoCredentials => Retry::No("there would be no credentials again"),
            Self::Unsupported | Self::Configuration => {
                Retry::No("the configuration has to be changed first")
            }
            Self::Sudo => Retry::No("it would say no again, and may tell somebody"),
            Self::Shell => Retry::No("it would be the same shell"),
            Self::NoSession => Retry::Yes("nothing was begun, and a session may end"),
            Self::Lost | Self::TimedOut => {
                Retry::No("the command may have had its effect, or still go on")
            }
            Self::Cancelled => Retry::No("a person wanted it to stop"),
            Self::TooLong => Retry::No("it would be as long again"),
            Self::TooMuch => Retry::No("it would write as much again"),
            Self::Stream | Self::Here => Retry::No("the cause is on this machine"),
        }
    }

    /// Whether it is certain that the command was not begun.
    pub fn nothing_begun(self) -> bool {
        !matches!(
            self,
            Self::Lost | Self::TimedOut | Self::Cancelled | Self::TooMuch | Self::Stream
        )
    }
}

/// Something went wrong with a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// Its kind.
    pub kind: RemoteErrorKind,
    /// What happened, in a sentence without the node's name. Never a secret.
    pub what: String,
    /// What to type or to do next, where that is known.
    pub hint: Option<String>,
}

impl RemoteError {
    /// An error of this kind.
    pub fn new(kind: RemoteErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
        }
    }

    /// What a command wrote can't be passed on: there is too much of it, or a stream on this side failed.
    pub fn of_stream(error: &io::Error) -> Self {
        // A disk that is full is told by a system call; that there was too much, by nobody but an `Output`.
        if error.kind() == io::ErrorKind::StorageFull && error.raw_os_error().is_none() {
            let what = format!("the command wrote {error}, which is more than is taken");
            return Self::new(RemoteErrorKind::TooMuch, what);
        }
        let what = format!("what the command wrote can't be passed on: {error}");
        Self::new(RemoteErrorKind::Stream, what)
    }

    /// A command's session ended, and the server did not say how the command did.
    pub(super) fn untold() -> Self {
        let what = "the session of the command ended, and nobody told how the command did: it may still run";
        Self::new(RemoteErrorKind::Lost, what).hint(
            "see on the host whether the command still runs or what it has done; \
             a `ChannelTimeout` in sshd_config there ends sessions like this",
        )
    }

    /// An argument is longer than so many KiB, which are all that a machine takes.
    pub(super) fn too_long(most: usize) -> Self {
        let what = format!("the command is too long: a machine takes {most} KiB for an argument");
        Self::new(RemoteErrorKind::TooLong, what)
            .hint("give what is long on standard input, or in a file there")
    }

    /// The same error with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RemoteError {}
