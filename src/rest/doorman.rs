//! A look at the certificate of each new connection, before anything is sent on it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use reqwest::tls::TlsInfo;
use tower_layer::Layer;
use tower_service::Service;

use crate::config::Fingerprint;

type BoxError = Box<dyn Error + Send + Sync>;

/// Which connections are let through.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doorman {
    /// Those to the holder of this certificate's key: the handshake has proved that already.
    Only(Fingerprint),
    /// None: whoever comes is turned away, and shows a certificate at that.
    Nobody,
}

impl Doorman {
    fn lets_in(self, certificate: Option<&[u8]>) -> bool {
        match self {
            Self::Only(pin) => certificate.is_some_and(|found| Fingerprint::of(found) == pin),
            Self::Nobody => false,
        }
    }
}

/// A connection was not let through.
#[derive(Debug)]
pub(super) struct TurnedAway {
    /// The certificate that was presented, if any.
    pub(super) certificate: Option<Vec<u8>>,
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not the one that is wanted")
    }
}

impl Error for TurnedAway {}

impl<S> Layer<S> for Doorman {
    type Service = Guarded<S>;

    fn layer(&self, connector: S) -> Guarded<S> {
        Guarded {
            doorman: *self,
            connector,
        }
    }
}

/// What makes connections, with a doorman.
#[derive(Debug, Clone)]
pub(super) struct Guarded<S> {
    doorman: Doorman,
    connector: S,
}

impl<S, To> Service<To> for Guarded<S>
where
    S: Service<To, Error = BoxError>,
    S::Response: Connection,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: To) -> Self::Future {
        let connecting = self.connector.call(to);
        let doorman = self.doorman;
        Box::pin(async move {
            let connection = connecting.await?;
            let certificate = certificate(&connection.connected());
            if doorman.lets_in(certificate.as_deref()) {
                Ok(connection)
            } else {
                Err(TurnedAway { certificate }.into())
            }
        })
    }
}

#[expect(
    clippy::default_trait_access,
    reason = "the type belongs to a crate that nothing else here needs"
)]
fn certificate(connected: &Connected) -> Option<Vec<u8>> {
    let mut extras = Default::default();
    connected.get_extras(&mut extras);
    let info: &TlsInfo = extras.get()?;
    info.peer_certificate().map(<[u8]>::to_vec)
}
