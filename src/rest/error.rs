//! Why there is no answer, and whether the request can have been sent.

use std::fmt;

use crate::remote::Retry;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestErrorKind {
    /// The address can't be called.
    BadAddress,
    /// The credentials can't be sent.
    BadCredentials,
    /// The file of authorities can't be used.
    Authorities,
    /// No address is known for the host's name.
    NoSuchHost,
    /// The host answers, and nobody listens at the port; or it can't be routed to.
    Refused,
    /// Nobody answered in time when a connection was wanted.
    Silent,
    /// The connection broke before the request could be sent.
    Cut,
    /// The proxy makes no connection to the server.
    Proxy,
    /// What answers speaks no TLS.
    NoTls,
    /// No version or cipher of TLS that both sides know.
    NothingInCommon,
    /// The certificate of the server is not trusted.
    Untrusted,
    /// The certificate of the server is another than the one that is pinned.
    ChangedCertificate,
    /// The time was up: the request may have had its effect.
    TimedOut,
    /// A person broke it off: the request may have had its effect.
    Cancelled,
    /// The answer did not come whole: the connection ended, or what came is no HTTP.
    Broken,
    /// The answer is longer than what is taken.
    TooLarge,
    /// The answer is no JSON.
    NotJson,
    /// Something on this machine failed before the request could be sent.
    Here,
}

impl RestErrorKind {
    /// Whether trying again can help.
    pub fn retry(self) -> Retry {
        match self {
            Self::BadAddress | Self::BadCredentials | Self::Authorities => {
                Retry::No("the configuration has to be changed first")
            }
            Self::NoSuchHost => Retry::No("the name has to be corrected, or made known, first"),
            Self::Refused => Retry::Yes("nothing was sent, and the server may be starting"),
            Self::Silent | Self::Cut => {
                Retry::Yes("nothing was sent, and the network or the server may recover")
            }
            Self::Proxy => Retry::Yes("nothing was sent, and the proxy or the server may recover"),
            Self::NoTls => Retry::No("something else than the server listens there"),
            Self::NothingInCommon => Retry::No("both sides would offer the same again"),
            Self::Untrusted => {
                Retry::No("somebody has to say whether the certificate is the right one")
            }
            Self::ChangedCertificate => Retry::No("another server may answer in its place"),
            Self::TimedOut | Self::Broken => Retry::No("the request may have had its effect"),
            Self::Cancelled => Retry::No("a person wanted it to stop"),
            Self::TooLarge => Retry::No("the answer would be as long again"),
            Self::NotJson => {
                Retry::No("the request had its effect, and the answer would be the same")
            }
            Self::Here => Retry::No("the cause is on this machine"),
        }
    }

    /// Whether it is certain that the request was not sent, so that nothing can have changed there.
    pub fn nothing_sent(self) -> bool {
        !matches!(
            self,
            Self::TimedOut | Self::Cancelled | Self::Broken | Self::TooLarge | Self::NotJson
        )
    }
}

/// There is no answer, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestError {
    /// Its kind.
    pub kind: RestErrorKind,
    /// What happened, in a sentence without the node's name. Never a secret.
    pub what: String,
    /// What to type or to set next, where that is known.
    pub hint: Option<String>,
}

impl RestError {
    /// An error of this kind.
    pub(super) fn new(kind: RestErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
        }
    }

    /// The same error with what to do next.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RestError {}
