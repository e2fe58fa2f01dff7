//! A call from its beginning to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, LARGEST};
use super::call::Call;
use super::certificate::Certificate;
use super::error::{RestError, RestErrorKind};
use super::exchange::{Asked, Failed, Told, exchange};
use super::trouble;
use super::way::Way;
use super::worker::{Unfinished, Worker};
use crate::config::RestTrust;
use crate::remote::{Patience, RemoteErrorKind};

/// How long a server may take to accept a connection, where nothing else is said.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long to wait before each further attempt, where one is made.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// How often it is asked during a pause whether somebody broke it off.
const LOOK: Duration = Duration::from_millis(20);

/// How many redirections are followed.
const REDIRECTIONS: usize = 5;

/// What makes calls. It costs nothing before the first one, and keeps connections for the next.
pub struct Client {
    trust: RestTrust,
    connecting: Duration,
    working: Mutex<Working>,
}

/// What there is once calls are made.
#[derive(Default)]
struct Working {
    worker: Option<Arc<Worker>>,
    clients: BTreeMap<Way, reqwest::Client>,
}

impl Client {
    /// A client that trusts these.
    pub fn new(trust: RestTrust) -> Self {
        Self {
            trust,
            connecting: CONNECTING,
            working: Mutex::default(),
        }
    }

    /// The same client, which gives servers this long to accept a connection: after that it is certain that nothing
    /// was sent.
    #[must_use]
    pub fn connecting_within(mut self, limit: Duration) -> Self {
        self.connecting = limit;
        self
    }

    /// Whether a call can be made at all, as far as that is known without making it.
    pub fn check(&self, call: &Call<'_>) -> Result<(), RestError> {
        let asked = Asked::of(call)?;
        self.working(Way::to(&asked, &self.trust)?).map(|_| ())
    }

    /// Makes a call and waits for its answer, whatever its status.
    ///
    /// A call is made anew, after a moment and no more than twice, where it is certain that nothing was sent, and where
    /// it only reads and the server says that it is not available. What only reads is redirected within the server;
    /// every other redirection is an answer.
    pub fn call(&self, call: &Call<'_>, patience: &Patience<'_>) -> Result<Answer, RestError> {
        let mut asked = Asked::of(call)?;
        let mut redirections = 0;
        loop {
            let told = self.persistent(&asked, patience)?;
            let location = told.location.as_deref();
            let location = location.filter(|_| !call.acts && redirections < REDIRECTIONS);
            let Some(next) = location.and_then(|to| asked.address.redirected(to)) else {
                return Ok(Answer {
                    from: asked.address.endpoint,
                    status: told.status,
                    text: text(told.body),
                });
            };
            asked.address = next;
            redirections += 1;
        }
    }

    /// Makes a request, and makes it anew where that does no harm.
    fn persistent(&self, asked: &Asked, patience: &Patience<'_>) -> Result<Told, RestError> {
        for pause in PAUSES {
            let result = self.once(asked, patience);
            let again = match &result {
                Ok(told) => !asked.acts && told.is_unavailable(),
                Err(error) => matches!(error.kind, RestErrorKind::Refused | RestErrorKind::Cut),
            };
            if !again || patience.left() <= pause {
                return result;
            }
            wait(pause, asked, patience)?;
        }
        self.once(asked, patience)
    }

    fn once(&self, asked: &Asked, patience: &Patience<'_>) -> Result<Told, RestError> {
        let endpoint = &asked.address.endpoint;
        let way = Way::to(asked, &self.trust)?;
        let (client, worker) = self.working(way)?;
        let exchange = exchange(client, asked.request(), LARGEST);
        let error = match worker.run(exchange, &asked.to_string(), patience) {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(Failed::TooLarge)) => trouble::of_size(endpoint),
            Ok(Err(Failed::Http(error))) => trouble::of(&error, endpoint, way),
            Err(unfinished) => of_unfinished(unfinished, asked),
        };
        if error.kind != RestErrorKind::Untrusted {
            return Err(error);
        }
        match self.see(asked, patience) {
            Some(found) => Err(trouble::with_certificate(&error, &found, endpoint)),
            None => Err(error),
        }
    }

    /// The certificate that a server presents. Nothing is sent to it.
    fn see(&self, asked: &Asked, patience: &Patience<'_>) -> Option<Certificate> {
        let (client, worker) = self.working(Way::TO_SEE).ok()?;
        let look = exchange(client, asked.bare(), 0);
        match worker.run(look, "the look at the certificate", patience) {
            Ok(Err(Failed::Http(error))) => trouble::shown(&error),
            _ => None,
        }
    }

    /// What makes connections this way, and the thread that drives them.
    fn working(&self, way: Way) -> Result<(reqwest::Client, Arc<Worker>), RestError> {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = if let Some(worker) = &working.worker {
            Arc::clone(worker)
        } else {
            let started = Worker::start().map_err(|error| {
                let what = format!("no thread can be started for calls: {error}");
                RestError::new(RestErrorKind::Here, what)
            })?;
            Arc::clone(working.worker.insert(Arc::new(started)))
        };
        let client = if let Some(client) = working.clients.get(&way) {
            client.clone()
        } else {
            let client = way.client(&self.trust, self.connecting)?;
            working.clients.insert(way, client.clone());
            client
        };
        Ok((client, worker))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A pause that ends early when the time is up or somebody breaks it off.
fn wait(pause: Duration, asked: &Asked, patience: &Patience<'_>) -> Result<(), RestError> {
    let begin = Instant::now();
    loop {
        let checked = patience.check(&asked.to_string());
        checked.map_err(|stopped| of_unfinished(Unfinished::Stopped(stopped), asked))?;
        let left = pause.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

fn of_unfinished(unfinished: Unfinished, asked: &Asked) -> RestError {
    let (kind, what) = match unfinished {
        Unfinished::Stopped(stopped) if stopped.kind == RemoteErrorKind::Cancelled => {
            (RestErrorKind::Cancelled, stopped.what)
        }
        Unfinished::Stopped(stopped) => (RestErrorKind::TimedOut, stopped.what),
        Unfinished::Died => (
            RestErrorKind::Broken,
            format!("{asked} came to no end here"),
        ),
    };
    let error = RestError::new(kind, what);
    if asked.acts {
        error.hint(trouble::PERHAPS)
    } else {
        error.hint("see whether the server is busy, and what its log says")
    }
}
