//! A server as the cluster file names it: by host and port.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Address;

/// A host and a port, such as `ucd1.example.com:8443` or `[::1]:8443`. Names are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    host: String,
    port: NonZeroU16,
}

/// Why a text is no host and port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}\nhint: write the host and the port as in the address of the server, such as \"ucd1.example.com:8443\" or \"[::1]:8443\""
)]
pub struct InvalidEndpoint {
    problem: String,
}

impl Endpoint {
    /// The host: a name in small letters, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.get()
    }

    fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let fail = |problem: String| Err(InvalidEndpoint { problem });
        if text.contains("://") || text.contains('/') {
            return fail(format!("{text:?} is more than a host and a port"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return fail(format!("{text:?} lacks a port"));
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let Some(port) = port.parse().ok().filter(|_| digits) else {
            return fail(format!("{text:?} does not end with a port"));
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return fail(format!("the IPv6 address in {text:?} lacks brackets"));
        }
        if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
            if bare.is_some() != address.is_ipv6() {
                return fail(format!("only an IPv6 address stands in brackets: {text:?}"));
            }
            let host = address.to_string();
            return Ok(Self { host, port });
        }
        match host.parse() {
            Ok(Address::Host(name)) => {
                let host = name.to_ascii_lowercase();
                Ok(Self { host, port })
            }
            Ok(Address::Local) | Err(_) => fail(format!("{host:?} in {text:?} is no host")),
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = InvalidEndpoint;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl schemars::JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[^/]+:[0-9]{1,5}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports() {
        for (text, shown) in [
            ("ucd1:8443", "ucd1:8443"),
            ("UCD1.Example.com:443", "ucd1.example.com:443"),
            ("10.0.0.11:1", "10.0.0.11:1"),
            ("[::1]:8443", "[::1]:8443"),
            ("[FE80:0:0::1]:65535", "[fe80::1]:65535"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse::<Endpoint>().unwrap(), endpoint);
        }
        let six: Endpoint = "[::1]:8443".parse().unwrap();
        assert_eq!((six.host(), six.port()), ("::1", 8443));
    }

    #[test]
    fn what_is_none() {
        for (text, problem) in [
            ("", "lacks a port"),
            ("ucd1", "lacks a port"),
            ("ucd1:", "does not end with a port"),
            ("ucd1:0", "does not end with a port"),
            ("ucd1:+8", "does not end with a port"),
            ("ucd1:70000", "does not end with a port"),
            ("ucd1:8443/x", "more than a host and a port"),
            ("https://ucd1:8443", "more than a host and a port"),
            ("::1:8443", "lacks brackets"),
            ("[10.0.0.1]:1", "only an IPv6 address"),
            ("[ucd1]:1", "is no host"),
            ("a b:1", "is no host"),
            ("me@ucd1:1", "is no host"),
            ("local:1", "is no host"),
            (":1", "is no host"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
