//! Users who keep asking the balancer, and notice when they get no answer.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a user looks at an answer.
const PAUSE: Duration = Duration::from_millis(20);

/// How many there are.
const USERS: usize = 4;

pub(crate) struct Answer {
    pub(crate) status: u16,
}

/// Asks somebody for a page, once.
pub(crate) fn get((host, port): &(String, u16), path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((host.as_str(), *port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("this is no answer"))?;
    Ok(Answer { status })
}

/// Users who ask until they are told to go.
pub(crate) struct Crowd {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    users: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn comes(front: &(String, u16)) -> Self {
        let mut crowd = Self {
            ends: Arc::default(),
            asked: Arc::default(),
            failed: Arc::default(),
            users: Vec::new(),
        };
        for _ in 0..USERS {
            let (front, ends) = (front.clone(), Arc::clone(&crowd.ends));
            let (asked, failed) = (Arc::clone(&crowd.asked), Arc::clone(&crowd.failed));
            crowd.users.push(thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let is_answered = get(&front, "/").is_ok_and(|answer| answer.status == 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(u64::from(!is_answered), Ordering::Relaxed);
                    thread::sleep(PAUSE);
                }
            }));
        }
        crowd
    }

    /// How many requests there were, and how many of them were not answered.
    pub(crate) fn goes(self) -> (u64, u64) {
        self.ends.store(true, Ordering::Relaxed);
        for user in self.users {
            // One that panicked has counted what it saw.
            let _ = user.join();
        }
        (
            self.asked.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }
}
