//! The address of a product's pages.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Address, Endpoint};

/// Where a product is reached: `https://HOST` or `http://HOST`, with a port and a folder if need be. It names no user and
/// ends with no slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(String);

/// Why a text is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}\nhint: write it as \"https://ucd.example.com:8443\"")]
pub struct InvalidUrl(String);

impl WebUrl {
    /// The address of a page.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The address by HTTPS at a port of a host; none for this machine, which has many names.
    pub fn https(host: &Address, port: u16) -> Option<Self> {
        let Address::Host(host) = host else {
            return None;
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        NonZeroU16::new(port).map(|port| Self(format!("https://{host}:{port}")))
    }

    /// The host and the port.
    pub fn server(&self) -> (&str, u16) {
        let (rest, usual) = match self.0.strip_prefix("https://") {
            Some(rest) => (rest, 443),
            None => (self.0.trim_start_matches("http://"), 80),
        };
        let server = rest.split('/').next().unwrap_or_default();
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (server, usual),
        };
        (host.trim_matches(['[', ']']), port)
    }

    fn parse(text: &str) -> Result<Self, InvalidUrl> {
        // What is no address may hold a password: it is not repeated.
        let fail = |problem: &str| Err(InvalidUrl(problem.to_owned()));
        let (rest, port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, 443),
            (None, Some(rest)) => (rest, 80),
            (None, None) => {
                return fail("the address begins neither with https:// nor with http://");
            }
        };
        let (server, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if server.contains('@') {
            return fail("the address names a user, which has no place in it");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !path.chars().all(plain) {
            return fail("the address is more than a server and a folder");
        }
        let with_port = format!("{server}:{port}");
        let named: Result<Endpoint, _> = server.parse();
        if named.is_err() && with_port.parse::<Endpoint>().is_err() {
            return fail("what should be the host, or host and port, of the address is none");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl FromStr for WebUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for WebUrl {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.0
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl schemars::JsonSchema for WebUrl {
    fn schema_name() -> Cow<'static, str> {
        "WebUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^https?://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_host_and_a_port() {
        for (text, host, port) in [
            ("https://ucd.example.com:8443", "ucd.example.com", 8443),
            ("https://ucd.example.com", "ucd.example.com", 443),
            ("http://ucd.example.com/ucd", "ucd.example.com", 80),
            ("http://10.0.0.11:8080/ucd", "10.0.0.11", 8080),
            ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
            ("https://[2001:db8::1]", "2001:db8::1", 443),
        ] {
            let url: WebUrl = text.parse().unwrap();
            assert_eq!(url.server(), (host, port), "{text}");
        }
    }

    #[test]
    fn servers_and_folders_are_addresses() {
        for (text, page) in [
            (
                "https://ucd.example.com:8443",
                "https://ucd.example.com:8443/x",
            ),
            ("https://ucd.example.com", "https://ucd.example.com/x"),
            ("http://10.0.0.1:8080/", "http://10.0.0.1:8080/x"),
            ("https://[::1]:8443/ucd/", "https://[::1]:8443/ucd/x"),
        ] {
            assert_eq!(text.parse::<WebUrl>().unwrap().at("/x"), page);
        }
        let address = |text: &str| text.parse::<Address>().unwrap();
        let made = |text: &str| WebUrl::https(&address(text), 8443).map(|url| url.to_string());
        assert_eq!(made("ucd1").as_deref(), Some("https://ucd1:8443"));
        assert_eq!(made("::1").as_deref(), Some("https://[::1]:8443"));
        assert_eq!(made("local"), None);
    }

    #[test]
    fn what_is_none_is_refused_and_not_repeated() {
        for text in [
            "",
            "ucd1:8443",
            "ftp://ucd1",
            "https://",
            "https://ucd1:0",
            "https://ucd1:x",
            "https://me:canary@ucd1",
            "https://ucd1/a?canary",
            "https://ucd1/a#canary",
            "https://ucd1/a b",
            "https://a b",
        ] {
            let error = text.parse::<WebUrl>().unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
