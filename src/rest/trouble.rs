//! What `reqwest` reports, in our words.

use std::error::Error;
use std::io;

use super::answer::LARGEST;
use super::certificate::Certificate;
use super::doorman::TurnedAway;
use super::error::{RestError, RestErrorKind};
use super::way::{Trusting, Way};
use crate::config::{Endpoint, Fingerprint};

/// How OpenSSL says that it does not trust a certificate; why, follows in parentheses.
const NOT_TRUSTED: &str = "certificate verify failed";

/// How OpenSSL says that what came is no TLS at all.
const NO_TLS: [&str; 3] = [
    "wrong version number",
    "packet length too long",
    "http request",
];

/// How `hyper-util` says that a proxy makes no connection.
const NO_TUNNEL: [&str; 2] = ["tunnel", "proxy"];

/// What to do when a request may have been sent and its effect is not known.
pub(super) const PERHAPS: &str =
    "the request may have had its effect: see on the server, and what its log says";

/// What to set for a server whose certificate can't be looked at.
const AUTHORITY: &str = "name a file with the certificate of the authority that signed it in the cluster file:\n\
    [rest]\nca = \"authorities.pem\"";

/// Why there is no answer.
pub(super) fn of(error: &reqwest::Error, to: &Endpoint, way: Way) -> RestError {
    if error.is_connect() {
        return of_connecting(error, to, way);
    }
    if error.is_builder() {
        let what = format!("the request can't be made: {}", cause(error));
        return RestError::new(RestErrorKind::Here, what);
    }
    let what = format!("the answer of {to} did not come whole: {}", cause(error));
    RestError::new(RestErrorKind::Broken, what).hint(PERHAPS)
}

/// More came than is taken.
pub(super) fn of_size(from: &Endpoint) -> RestError {
    let what = format!(
        "the answer of {from} is longer than {} KiB, which are all that is taken",
        LARGEST / 1024
    );
    RestError::new(RestErrorKind::TooLarge, what).hint("ask for less, such as one page of a list")
}

/// Why no connection came about, so that nothing was sent.
fn of_connecting(error: &reqwest::Error, to: &Endpoint, way: Way) -> RestError {
    use RestErrorKind::{NoSuchHost, NoTls, NothingInCommon, Proxy, Refused, Silent, Untrusted};
    if let Some(turned) = turned_away(error) {
        return changed(turned, to, way);
    }
    let (kind, cause) = (kind(error, way), cause(error));
    let what = match kind {
        Untrusted => format!("the certificate of {to} is not trusted: {}", reason(error)),
        Silent => format!("{to} does not answer"),
        Proxy => format!("the proxy makes no connection to {to}: {cause}"),
        NoSuchHost => format!("the host `{}` is not known: {cause}", to.host()),
        Refused => format!("nobody listens at {to}: {cause}"),
        NoTls => format!("what listens at {to} does not speak TLS"),
        NothingInCommon => format!("{to} knows no way of speaking TLS that is known here: {cause}"),
        _ => format!("the connection to {to} broke before anything was sent: {cause}"),
    };
    RestError::new(kind, what).hint(match kind {
        Untrusted => AUTHORITY,
        Silent => "see whether the host is up, and whether a firewall keeps this machine from the port",
        Proxy => "HTTPS_PROXY names the proxy; NO_PROXY lists hosts that are reached without it",
        NoSuchHost => "correct the name in the address, or make it known to this machine",
        Refused => "see whether the server runs, and whether the port is the right one",
        NoTls => "if the server has no TLS at this port, write http:// in the address",
        NothingInCommon => "see with `openssl s_client -connect` what the server offers; TLS 1.2 and newer are known here",
        _ => "see whether the server is up, and what its log says",
    })
}

/// What kept a connection from coming about.
fn kind(error: &reqwest::Error, way: Way) -> RestErrorKind {
    let said = |words: &[&str]| {
        chain(error).any(|error| words.iter().any(|word| error.to_string().contains(word)))
    };
    let mut io = chain(error).filter_map(|error| error.downcast_ref::<io::Error>());
    if said(&[NOT_TRUSTED]) {
        RestErrorKind::Untrusted
    } else if error.is_timeout() {
        RestErrorKind::Silent
    } else if way.by_proxy && said(&NO_TUNNEL) {
        RestErrorKind::Proxy
    } else if error.is_dns() {
        RestErrorKind::NoSuchHost
    } else if io.any(is_refusal) {
        RestErrorKind::Refused
    } else if chain(error)
        .filter_map(<dyn Error>::downcast_ref)
        .any(has_no_way)
    {
        RestErrorKind::Silent
    } else if said(&NO_TLS) {
        RestErrorKind::NoTls
    } else if chain(error).any(<dyn Error>::is::<openssl::error::ErrorStack>) {
        RestErrorKind::NothingInCommon
    } else {
        RestErrorKind::Cut
    }
}

/// The certificate of a server that was to show it.
pub(super) fn shown(error: &reqwest::Error) -> Option<Certificate> {
    let turned = turned_away(error)?;
    turned.certificate.as_deref().map(Certificate::of)
}

/// The same error, with what to set if the certificate is the right one.
pub(super) fn with_certificate(error: &RestError, found: &Certificate, to: &Endpoint) -> RestError {
    let what = format!("{}; it is {found}", error.what);
    RestError::new(error.kind, what).hint(format!(
        "if this is the fingerprint of the server's certificate, as `openssl x509 -noout -fingerprint -sha256` shows \
         on the server itself, put this into the cluster file; else name the authority that signed it with `ca`:\n\
         [rest.pins]\n{}",
        pin(to, found.fingerprint)
    ))
}

fn changed(turned: &TurnedAway, to: &Endpoint, way: Way) -> RestError {
    let kind = RestErrorKind::ChangedCertificate;
    let Trusting::Only(pinned) = way.trusting else {
        return RestError::new(kind, format!("the certificate of {to} is not let through"));
    };
    let Some(certificate) = &turned.certificate else {
        let what = format!("{to} shows no certificate, and one is pinned for it");
        return RestError::new(kind, what);
    };
    let found = Certificate::of(certificate);
    let what = format!(
        "the certificate of {to} has changed: it is {found}, and {pinned} is pinned. \
         Somebody may be between this machine and the server and read all that is sent, or the certificate was renewed. \
         Nothing was sent"
    );
    RestError::new(kind, what).hint(format!(
        "if the certificate was renewed, as `openssl x509 -noout -fingerprint -sha256` shows on the server itself, \
         replace the pin in the cluster file:\n[rest.pins]\n{}",
        pin(to, found.fingerprint)
    ))
}

/// The line for the cluster file.
fn pin(to: &Endpoint, fingerprint: Fingerprint) -> String {
    format!("\"{to}\" = \"{fingerprint}\"")
}

/// The error and all that caused it. The first one is left out, for it shows the whole address.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What caused it all.
fn cause(error: &reqwest::Error) -> String {
    let last = chain(error).last().map(ToString::to_string);
    last.unwrap_or_else(|| "nobody said why".to_owned())
}

fn turned_away(error: &reqwest::Error) -> Option<&TurnedAway> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Why a certificate is not trusted, in the words of OpenSSL.
fn reason(error: &reqwest::Error) -> String {
    let texts = chain(error).map(ToString::to_string);
    let said = texts.into_iter().find_map(|text| {
        let (_, reason) = text.split_once(NOT_TRUSTED)?.1.rsplit_once(" (")?;
        Some(reason.strip_suffix(')')?.to_owned())
    });
    said.unwrap_or_else(|| "nobody said why".to_owned())
}

/// Whether this machine found no way to the server.
fn has_no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
    )
}

/// Whether the machine is there, and nobody listens at the port.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
