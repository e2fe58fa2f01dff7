//! How a server is reached, and what makes the connections.

use std::fs;
use std::path::Path;
use std::time::Duration;

use openssl::x509::X509;
use reqwest::redirect::Policy;

use super::doorman::Doorman;
use super::error::{RestError, RestErrorKind};
use super::exchange::Asked;
use crate::config::{Fingerprint, RestTrust};

/// How long a connection that is not needed is kept: less than the 20 seconds after which Tomcat closes it, so that no
/// request is sent on one that is about to end.
const IDLE: Duration = Duration::from_secs(15);

/// How a server is reached. Calls that go the same way share their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    /// Through the proxy of the environment, if that names one for the server.
    pub(super) by_proxy: bool,
    pub(super) trusting: Trusting,
}

/// Who is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trusting {
    /// Everybody, for no TLS is spoken.
    Anybody,
    /// Whom the authorities know by the host's name.
    Authorities,
    /// The holder of the key of this certificate.
    Only(Fingerprint),
    /// Nobody: the server is to show its certificate, and is sent nothing.
    Nobody,
}

impl Way {
    /// How a server is looked at that is not trusted: as it is reached once it is pinned.
    pub(super) const TO_SEE: Self = Self {
        by_proxy: false,
        trusting: Trusting::Nobody,
    };

    /// How the server at this address is reached. One that is pinned, and one on this machine, is no proxy's business.
    pub(super) fn to(asked: &Asked, trust: &RestTrust) -> Result<Self, RestError> {
        let address = &asked.address;
        let trusting = match trust.pins.get(&address.endpoint) {
            Some(_) if address.is_plain() => {
                let what = format!(
                    "{} is pinned, and http:// shows no certificate",
                    address.endpoint
                );
                let error = RestError::new(RestErrorKind::BadAddress, what);
                return Err(error.hint("write https://, or take the server out of [rest.pins]"));
            }
            _ if address.is_plain() => Trusting::Anybody,
            Some(pin) => Trusting::Only(*pin),
            None => Trusting::Authorities,
        };
        let pinned = matches!(trusting, Trusting::Only(_));
        // A proxy would read them.
        let would_show = address.is_plain() && asked.has_credentials();
        Ok(Self {
            by_proxy: !(pinned || would_show || address.is_loopback()),
            trusting,
        })
    }

    /// What makes connections this way, each within this time.
    pub(super) fn client(
        self,
        trust: &RestTrust,
        within: Duration,
    ) -> Result<reqwest::Client, RestError> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("clusterctl/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(within)
            .pool_idle_timeout(IDLE)
            .https_only(self.trusting != Trusting::Anybody);
        if !self.by_proxy {
            client = client.no_proxy();
        }
        client = match self.trusting {
            Trusting::Anybody => client.tls_certs_only([]),
            Trusting::Authorities => match &trust.authorities {
                Some(file) => client.tls_certs_merge(authorities(file)?),
                None => client,
            },
            Trusting::Only(pin) => guarded(client, Doorman::Only(pin)),
            Trusting::Nobody => guarded(client, Doorman::Nobody),
        };
        client.build().map_err(|error| {
            let what = format!("no connection can be made: {}", error.without_url());
            RestError::new(RestErrorKind::Here, what)
        })
    }
}

/// No authority is asked: the doorman alone decides, on every connection and before anything is sent on it.
fn guarded(client: reqwest::ClientBuilder, doorman: Doorman) -> reqwest::ClientBuilder {
    client
        .tls_danger_accept_invalid_certs(true)
        .tls_danger_accept_invalid_hostnames(true)
        .tls_info(true)
        .connector_layer(doorman)
}

fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, RestError> {
    let bad = |problem: &str| {
        let what = format!(
            "the authorities in {} can't be used: {problem}",
            file.display()
        );
        RestError::new(RestErrorKind::Authorities, what)
            .hint("`rest.ca` in the cluster file names a file with certificates in PEM form")
    };
    let text = fs::read(file).map_err(|error| bad(&error.to_string()))?;
    let unreadable = |_| bad("the file holds something that is no certificate");
    let found = X509::stack_from_pem(&text).map_err(unreadable)?;
    if found.is_empty() {
        return Err(bad("there is no certificate in the file"));
    }
    let certificates = found.iter().map(|certificate| {
        let der = certificate.to_der().map_err(unreadable)?;
        reqwest::Certificate::from_der(&der)
            .map_err(|_| bad("a certificate in the file can't be read"))
    });
    certificates.collect()
}
