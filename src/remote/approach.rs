//! Connecting to one machine, the first time and every further time: one of so many at once, and again where that helps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::{HostConfig, Patience, RemoteError, RemoteErrorKind};

/// How long the first pause before another try is; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often whoever waits looks whether it was broken off.
const GLANCE: Duration = Duration::from_millis(50);

/// How one machine is connected to.
#[derive(Clone)]
pub(super) struct Approach {
    gate: Arc<Gate>,
    /// Who has to let the connection in first.
    server: String,
    attempts: u32,
}

impl Approach {
    pub(super) fn new(gate: Arc<Gate>, config: &HostConfig) -> Self {
        Self {
            gate,
            server: first_server(config),
            attempts: config.connection_attempts,
        }
    }

    /// Connects when it is its turn, and tries again where that helps.
    pub(super) fn make<T>(
        &self,
        patience: &Patience<'_>,
        mut connect: impl FnMut() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let (mut pause, mut tries) = (FIRST_PAUSE, 0);
        // Why the last try failed says more than that there is no time for another.
        let mut last = None;
        loop {
            let under_way = match (self.gate.enter(&self.server, patience), last) {
                (Err(error), Some(last)) if error.kind == RemoteErrorKind::TimedOut => {
                    return Err(after(tries, last));
                }
                (entered, _) => entered?,
            };
            let connected = connect();
            drop(under_way);
            tries += 1;
            let error = match connected {
                Err(error) if tries < self.most_tries(error.kind) => error,
                connected => return connected.map_err(|error| after(tries, error)),
            };
            let wait = spread(pause);
            if wait >= patience.left() {
                return Err(after(tries, error));
            }
            rest(wait, patience)?;
            pause = (2 * pause).min(LONGEST_PAUSE);
            last = Some(error);
        }
    }

    /// How often connecting is tried when it ends like this.
    fn most_tries(&self, kind: RemoteErrorKind) -> u32 {
        match kind {
            // Servers drop some of many by chance.
            RemoteErrorKind::Busy | RemoteErrorKind::Cut | RemoteErrorKind::NoSession => 6,
            RemoteErrorKind::Refused => self.attempts.max(3),
            // Each of these takes as long as connecting may.
            RemoteErrorKind::Silent => self.attempts,
            _ => 1,
        }
    }
}

fn after(tries: u32, mut error: RemoteError) -> RemoteError {
    if tries > 1 {
        error.what = format!("{} (tried {tries} times)", error.what);
    }
    error
}

/// Who has to let the connection in first: the host, or the one through which it is reached.
fn first_server(config: &HostConfig) -> String {
    let jump = config.proxy_jump.as_ref();
    let first = jump.and_then(|hosts| hosts.split(',').next());
    first.map_or_else(
        || format!("{}:{}", config.host_name, config.port),
        str::to_owned,
    )
}

/// Up to half as long again, so that those who were turned away together don't come again together.
fn spread(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let random = u32::try_from(RandomState::new().build_hasher().finish() % 512).unwrap_or(0);
    pause + pause * random / 1024
}

fn rest(pause: Duration, patience: &Patience<'_>) -> Result<(), RemoteError> {
    let end = Instant::now() + pause;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        patience.check("connecting")?;
        std::thread::sleep(left.min(GLANCE));
    }
}
