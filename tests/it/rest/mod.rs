//! Calls of REST interfaces, against real servers that behave and misbehave.

pub(crate) mod authority;
mod calls;
mod proxies;
pub(crate) mod server;
mod troubles;
mod trust;

use std::time::Duration;

use clusterctl::config::{Cluster, RestTrust, Secret};
use clusterctl::remote::Patience;
use clusterctl::rest::{Answer, Call, Client, Method, RestError};

/// Stands in every credential, and in nothing that a person sees.
const CANARY: &str = "canary4711";

/// Longer than any of these tests may take.
const LONG: Duration = Duration::from_mins(2);

/// Credentials with the canary.
fn credentials() -> Secret {
    Secret::new(format!("admin:{CANARY}"))
}

/// Whom a cluster file with these lines trusts.
fn trust(lines: &str) -> RestTrust {
    let text = format!("name = 'a'\n{lines}\n[nodes.local]");
    let cluster = Cluster::parse(&text, "cluster.toml").unwrap_or_else(|error| panic!("{error}"));
    cluster.rest_trust()
}

/// Trust in the authorities of this machine.
fn nobody_else() -> RestTrust {
    RestTrust::default()
}

/// A call with credentials that has all the time it needs.
fn call(client: &Client, method: Method, url: &str) -> Result<Answer, RestError> {
    within(LONG, client, method, url)
}

/// A call with credentials, a body where there may be one, and a canary in the address.
fn within(
    length: Duration,
    client: &Client,
    method: Method,
    url: &str,
) -> Result<Answer, RestError> {
    let (credentials, url) = (credentials(), format!("{url}?token={CANARY}"));
    let body = serde_json::json!({ "password": CANARY });
    let mut call = Call::new(method, &url).by(&credentials);
    if !method.only_reads() {
        call = call.with(&body);
    }
    let result = client.call(&call, &Patience::unbroken(length));
    no_canary(&result);
    result
}

/// Nothing of what a person sees shows a secret.
fn no_canary(result: &Result<Answer, RestError>) {
    let shown = match result {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{error:?} {error}"),
    };
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("YWRtaW46Y2FuYXJ5"), "{shown}");
}
