//! One request and what comes back for it.

use std::fmt;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

use super::address::Address;
use super::call::{Call, Method};
use super::credentials;
use super::error::RestError;

/// The statuses by which a server, or what stands before it, says that it is not available.
const UNAVAILABLE: [u16; 3] = [502, 503, 504];

/// A request that can be made again.
pub(super) struct Asked {
    pub(super) address: Address,
    pub(super) method: Method,
    /// Whether it may have an effect there.
    pub(super) acts: bool,
    headers: HeaderMap,
    body: Option<String>,
}

impl Asked {
    pub(super) fn of(call: &Call<'_>) -> Result<Self, RestError> {
        let address = Address::parse(call.url)?;
        let mut headers = HeaderMap::new();
        if let Some(secret) = call.credentials {
            headers.insert(AUTHORIZATION, credentials::header(secret)?);
        }
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Self {
            address,
            method: call.method,
            acts: call.acts,
            headers,
            body: call.body.map(ToString::to_string),
        })
    }

    pub(super) fn request(&self) -> reqwest::Request {
        let method = match self.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = reqwest::Request::new(method, self.address.url().clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        request
    }

    /// Whether it says who asks.
    pub(super) fn has_credentials(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// A request to the same server that says nothing and asks for nothing.
    pub(super) fn bare(&self) -> reqwest::Request {
        reqwest::Request::new(reqwest::Method::GET, self.address.url().clone())
    }
}

/// The method and the address without what follows a question mark, which may be a secret.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.address.url();
        let (scheme, path) = (url.scheme(), url.path());
        let Self {
            method, address, ..
        } = self;
        write!(f, "{method} {scheme}://{}{path}", address.endpoint)
    }
}

/// What came back.
pub(super) struct Told {
    pub(super) status: u16,
    /// Where the answer sends whoever asked.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Told {
    pub(super) fn is_unavailable(&self) -> bool {
        UNAVAILABLE.contains(&self.status)
    }
}

/// Why nothing came back that can be used.
pub(super) enum Failed {
    /// More came than was to be taken.
    TooLarge,
    /// There was no connection, or no answer.
    Http(reqwest::Error),
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

/// Sends a request and takes the answer, up to so many bytes of it.
pub(super) async fn exchange(
    client: reqwest::Client,
    request: reqwest::Request,
    most: usize,
) -> Result<Told, Failed> {
    let mut response = client.execute(request).await?;
    let status = response.status();
    let location = response.headers().get(LOCATION);
    let location = location.filter(|_| status.is_redirection());
    let location = location.and_then(|location| location.to_str().ok());
    let location = location.map(str::to_owned);
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > most {
            return Err(Failed::TooLarge);
        }
        body.extend_from_slice(&part);
    }
    Ok(Told {
        status: status.as_u16(),
        location,
        body,
    })
}
