//! Calls of REST interfaces: one request, one answer, told apart from every way in which there is none.
//!
//! [`Client::call`] blocks until there is an answer, the time is up or somebody breaks it off. What is broken off ends
//! at once: nothing is sent behind the caller's back afterwards. Errors know whether the request can have been sent.
//!
//! Whom a call trusts: the authorities of this machine, those of a file, or a server by the very certificate that is
//! pinned for it ([`RestTrust`](crate::config::RestTrust)). Of a pinned server nothing else is checked: its certificate
//! may be self-signed, expired, or made out to another name, as those of many products are. The certificate of a new
//! connection is compared before anything is sent on it.
//!
//! HTTP is spoken by `reqwest`, on one thread that starts with the first call. Its own blocking client can't be broken
//! off: a request that somebody gave up could still reach the server later.
//!
//! This room knows servers and bytes; it knows no plan, no run and no vendor.
//!
//! ```no_run
//! use std::time::Duration;
//! use clusterctl::config::Cluster;
//! use clusterctl::remote::Patience;
//! use clusterctl::rest::{Call, Client, Method};
//!
//! let cluster = Cluster::parse("name = 'demo'\n[nodes.local]", "cluster.toml")?;
//! let client = Client::new(cluster.rest_trust());
//! let call = Call::new(Method::Get, "https://ucd1.example.com:8443/connTest.txt");
//! let answer = client.call(&call, &Patience::unbroken(Duration::from_secs(30)))?;
//! assert_eq!(answer.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod answer;
mod call;
mod certificate;
mod client;
mod credentials;
mod doorman;
mod error;
mod excerpt;
mod exchange;
mod trouble;
mod way;
mod worker;

pub use answer::{Answer, LARGEST};
pub use call::{Call, Method};
pub use client::Client;
pub use error::{RestError, RestErrorKind};
pub use excerpt::excerpt;
