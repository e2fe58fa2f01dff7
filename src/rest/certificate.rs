//! A certificate that a server presents, in words.

use std::fmt;

use jiff::Timestamp;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::{X509, X509NameRef};

use crate::config::Fingerprint;

/// A certificate that a server presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) fingerprint: Fingerprint,
    /// Whose it is and until when, where that can be read.
    says: Option<String>,
}

impl Certificate {
    /// Of its binary form (DER).
    pub(super) fn of(der: &[u8]) -> Self {
        Self {
            fingerprint: Fingerprint::of(der),
            says: X509::from_der(der)
                .ok()
                .map(|certificate| says(&certificate)),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = self.says.as_deref().unwrap_or("it can't be read");
        write!(f, "{} ({says})", self.fingerprint)
    }
}

fn says(certificate: &X509) -> String {
    let subject = name(certificate.subject_name());
    let issuer = name(certificate.issuer_name());
    let signed = if subject == issuer {
        "signed by itself".to_owned()
    } else {
        format!("signed by {issuer}")
    };
    let (from, until) = (day(certificate.not_before()), day(certificate.not_after()));
    format!("{subject}, {signed}, valid from {from} until {until}")
}

/// A name as `CN=ucd1, O=Example`. What stands there is the server's choice: it gives no orders to a terminal.
fn name(name: &X509NameRef) -> String {
    let entries: Vec<String> = name
        .entries()
        .map(|entry| {
            let key = entry.object().nid().short_name().unwrap_or("?");
            let value = entry.data().to_string();
            let value = value.map(|value| value.escape_debug().to_string());
            format!("{key}={}", value.unwrap_or_default())
        })
        .collect();
    if entries.is_empty() {
        return "nobody".to_owned();
    }
    entries.join(", ")
}

/// The day of a time, in UTC.
fn day(time: &Asn1TimeRef) -> String {
    let seconds = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
    let seconds = seconds.map(|diff| i64::from(diff.days) * 86_400 + i64::from(diff.secs));
    let stamp = seconds
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    stamp.map_or_else(
        || time.to_string(),
        |stamp| stamp.strftime("%Y-%m-%d").to_string(),
    )
}
