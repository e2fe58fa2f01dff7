//! What is asked of a server.

use std::fmt;

use crate::config::Secret;

/// The method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Make.
    Post,
    /// Replace.
    Put,
    /// Take away.
    Delete,
}

impl Method {
    /// Whether the call only reads.
    pub fn only_reads(self) -> bool {
        self == Self::Get
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// A call of a REST interface.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The address, without a user.
    pub url: &'a str,
    /// The credentials: `user:password`, or without a colon a token.
    pub credentials: Option<&'a Secret>,
    /// The JSON that is sent.
    pub body: Option<&'a serde_json::Value>,
    /// Whether it may have an effect there, as some calls have that only read by their method. It is made once then, and
    /// goes nowhere else.
    pub acts: bool,
}

impl<'a> Call<'a> {
    /// A call without credentials and body.
    pub fn new(method: Method, url: &'a str) -> Self {
        Self {
            method,
            url,
            credentials: None,
            body: None,
            acts: !method.only_reads(),
        }
    }

    /// The same call by somebody.
    #[must_use]
    pub fn by(mut self, credentials: &'a Secret) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The same call with JSON.
    #[must_use]
    pub fn with(mut self, body: &'a serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }
}
