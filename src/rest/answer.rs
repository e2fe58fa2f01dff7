//! What a server answers.

use std::fmt;

use super::error::{RestError, RestErrorKind};
use crate::config::Endpoint;

/// The longest answer that is taken, in bytes.
pub const LARGEST: usize = 1024 * 1024;

/// What a server answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) from: Endpoint,
    pub(super) status: u16,
    pub(super) text: String,
}

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as text. Bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, RestError> {
        serde_json::from_str(&self.text).map_err(|error| {
            let Self { from, status, .. } = self;
            let what = format!("the answer of {from} (status {status}) is no JSON: {error}");
            RestError::new(RestErrorKind::NotJson, what)
                .hint("see that the address is the one of the REST interface, and not that of a page for people")
        })
    }
}

/// Without the body, which may hold what nobody may see.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("from", &self.from)
            .field("status", &self.status)
            .field("bytes", &self.text.len())
            .finish()
    }
}
