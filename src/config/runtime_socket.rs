//! Where HAProxy's runtime interface listens.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Endpoint;

/// Where HAProxy's runtime interface listens on its machine: an absolute path, or a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuntimeSocket(String);

/// Why a text is no such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place where HAProxy listens\nhint: write what stands behind `stats socket` in haproxy.cfg: a path such as \"/run/haproxy/admin.sock\", or a host and a port"
)]
pub struct InvalidSocket(String);

impl RuntimeSocket {
    /// The place as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RuntimeSocket {
    /// Where Debian and others have it.
    fn default() -> Self {
        Self("/run/haproxy/admin.sock".to_owned())
    }
}

impl FromStr for RuntimeSocket {
    type Err = InvalidSocket;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path =
            text.starts_with('/') && !text.ends_with('/') && !text.contains(char::is_control);
        if is_path || text.parse::<Endpoint>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidSocket(text.to_owned()))
    }
}

impl TryFrom<String> for RuntimeSocket {
    type Error = InvalidSocket;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RuntimeSocket> for String {
    fn from(socket: RuntimeSocket) -> Self {
        socket.0
    }
}

impl fmt::Display for RuntimeSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl schemars::JsonSchema for RuntimeSocket {
    fn schema_name() -> Cow<'static, str> {
        "RuntimeSocket".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_endpoints_are_places() {
        for good in [
            "/run/haproxy/admin.sock",
            "/a b,c",
            "127.0.0.1:9999",
            "[::1]:9999",
        ] {
            assert_eq!(good.parse::<RuntimeSocket>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "/run/",
            "admin.sock",
            "lb1",
            "lb1:0",
            ":9999",
            "/a\nb",
            "-x:1",
        ] {
            assert!(bad.parse::<RuntimeSocket>().is_err(), "{bad:?}");
        }
    }
}
