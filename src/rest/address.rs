//! The address of a call, taken apart.

use std::net::IpAddr;

use reqwest::Url;

use super::error::{RestError, RestErrorKind};
use crate::config::Endpoint;

/// What an address looks like.
const FORM: &str = "write it as https://HOST:PORT/PATH, such as https://ucd1.example.com:8443/cli/systemConfiguration";

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    url: Url,
    /// The server.
    pub(super) endpoint: Endpoint,
}

impl Address {
    /// Takes an address apart. One that names a user is refused, for it may hold a password; no error repeats it.
    pub(super) fn parse(text: &str) -> Result<Self, RestError> {
        let url = Url::parse(text).map_err(|error| bad(text, &error.to_string()))?;
        Self::of(url).map_err(|problem| bad(text, problem))
    }

    fn of(mut url: Url) -> Result<Self, &'static str> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(USER);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it begins neither with https:// nor with http://");
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("it names no host");
        };
        let endpoint = format!("{host}:{port}").parse();
        let endpoint = endpoint.map_err(|_| "what should be host and port is none")?;
        url.set_fragment(None);
        Ok(Self { url, endpoint })
    }

    /// Where a redirection leads, if that is the same server, spoken to in the same way.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let there = Self::of(self.url.join(location).ok()?).ok()?;
        let same = there.url.scheme() == self.url.scheme() && there.endpoint == self.endpoint;
        same.then_some(there)
    }

    /// The address as it is requested.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the server is spoken to without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether the server is on this machine, by what the address says.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.endpoint.host();
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// Why an address that names a user is refused.
const USER: &str = "it names a user, and what stands there would be shown";

fn bad(text: &str, problem: &str) -> RestError {
    // What stands before an `@` may be a password, and so may what follows a question mark.
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let address = if text.contains('@') {
        "the address".to_owned()
    } else {
        format!("the address {shown:?}")
    };
    let hint = if problem == USER {
        "take the user out of the address, and name a secret `user:password` as credentials"
    } else {
        FORM
    };
    let what = format!("{address} can't be called: {problem}");
    RestError::new(RestErrorKind::BadAddress, what).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn servers_of_addresses() {
        for (text, endpoint, plain, loopback) in [
            (
                "https://UCD1.example.com/a?b=c",
                "ucd1.example.com:443",
                false,
                false,
            ),
            ("http://ucd1:8080", "ucd1:8080", true, false),
            ("https://[::1]:8443/", "[::1]:8443", false, true),
            ("https://127.9.8.7:1/", "127.9.8.7:1", false, true),
            ("https://LOCALHOST:1/", "localhost:1", false, true),
            (
                "https://localhost.example.com:1/",
                "localhost.example.com:1",
                false,
                false,
            ),
        ] {
            let address = address(text);
            assert_eq!(address.endpoint.to_string(), endpoint);
            assert_eq!(
                (address.is_plain(), address.is_loopback()),
                (plain, loopback)
            );
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "ucd1:8443/x",
            "ftp://ucd1/x",
            "https://",
            "https://ucd1:99999/",
            "https://ucd1:0/",
            "https://canary@ucd1/",
            "https://me:canary@ucd1/",
            "https://:canary@ucd1/",
            "https//me:canary@ucd1/",
            "file:///etc/passwd?canary",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind, RestErrorKind::BadAddress, "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let error = Address::parse("https://me:canary@ucd1/").unwrap_err();
        assert!(error.what.contains("names a user"), "{error}");
    }

    #[test]
    fn redirections_stay_with_the_server() {
        let from = address("https://ucd1:8443/a/b?c#d");
        let to = |location: &str| from.redirected(location).map(|to| to.url.to_string());
        assert_eq!(to("x").as_deref(), Some("https://ucd1:8443/a/x"));
        assert_eq!(to("/x?y").as_deref(), Some("https://ucd1:8443/x?y"));
        assert_eq!(
            to("https://UCD1:8443/").as_deref(),
            Some("https://ucd1:8443/")
        );
        for elsewhere in [
            "https://ucd2:8443/",
            "//ucd2:8443/",
            "https://ucd1:8444/",
            "https://ucd1/",
            "http://ucd1:8443/",
            "https://me:secret@ucd1:8443/",
            "https://ucd1:8443@evil/",
            "javascript:1",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
    }
}
