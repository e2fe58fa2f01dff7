//! Whom calls of REST interfaces trust.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Endpoint, Fingerprint};

/// Whom calls of REST interfaces trust, besides the authorities of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestTrust {
    /// A file with certificates of further authorities (PEM). It is read when it is first needed.
    pub authorities: Option<PathBuf>,
    /// The certificates of servers that are known. Such a server is trusted by its certificate alone, whoever signed it
    /// and whatever names and dates stand in it.
    pub pins: BTreeMap<Endpoint, Fingerprint>,
}
