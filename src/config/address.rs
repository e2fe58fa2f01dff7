//! Where a node is found.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a node is found: this machine, or a host name or IP address without a
/// port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// This machine, reached without a network.
    Local,
    /// Another machine: a host name, an IPv4 or an IPv6 address.
    Host(String),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\nhint: {hint}")]
pub struct InvalidAddress {
    problem: String,
    hint: &'static str,
}

const FORMS: &str = "write a host name, an IP address, or \"local\" for this machine";

impl Address {
    fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let fail = |problem: String, hint| Err(InvalidAddress { problem, hint });
        if text == "local" {
            return Ok(Self::Local);
        }
        if text.is_empty() {
            return fail("the address is empty".to_owned(), FORMS);
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self::Host(text.to_owned()));
        }
        if text.contains('@') {
            return fail(
                format!("the address {text:?} contains a user"),
                "write the user with the key `user`",
            );
        }
        if text.contains("://") {
            return fail(format!("the address {text:?} is a URL"), FORMS);
        }
        if text.contains(':') {
            return fail(
                format!("the address {text:?} contains a port"),
                "write the port with the key `port`; an IPv6 address stands without brackets",
            );
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > 253 || !name.split('.').all(label) {
            return fail(format!("{text:?} is no host name"), FORMS);
        }
        if name.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return fail(format!("{text:?} is no IP address"), FORMS);
        }
        Ok(Self::Host(text.to_owned()))
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Host(host) => host,
        })
    }
}

impl schemars::JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "examples": ["10.0.0.11", "ucd1.example.com", "local"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("local".parse::<Address>().unwrap(), Address::Local);
        for good in [
            "10.0.0.11",
            "::1",
            "fe80::1",
            "ucd1",
            "ucd_1.example.com",
            "a.example.",
            "1and1.com",
        ] {
            let address = good.parse::<Address>().unwrap();
            assert_eq!(address, Address::Host(good.to_owned()));
            assert_eq!(address.to_string(), good);
        }
        for bad in [
            "",
            "a b",
            "-a",
            "a..b",
            "10.0.0.300",
            "1.2.3",
            "a;b",
            "-oProxyCommand=x",
            "ü.de",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_hint_names_the_right_key() {
        for (text, key) in [
            ("root@a", "`user`"),
            ("a:22", "`port`"),
            ("[::1]:22", "`port`"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
