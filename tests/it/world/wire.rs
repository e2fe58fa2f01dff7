//! A connection that breaks on purpose, and remembers what went over it.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clusterctl::config::NodeName;
use clusterctl::remote::{
    BackEnd, Exit, Host, Input, Line, LocalHost, Patience, RemoteError, RemoteErrorKind, Streams,
};
use clusterctl::world::{Connect, Nodes};

use super::bench::{Bench, secrets, targets_in, wait_until};

/// What becomes of a command.
pub(crate) enum Fate {
    /// It runs.
    Runs,
    /// The connection is cut as soon as this is so; what runs on the node goes on.
    CutWhen(Box<dyn Fn() -> bool + Send + Sync>),
    /// The same, and the process that the connection had on the node is killed.
    KilledWhen(Box<dyn Fn() -> bool + Send + Sync>),
    /// The connection is cut at once, but what was sent begins on the node when this is so. Then it says that it ended.
    Late(Box<dyn Fn() -> bool + Send + Sync>, Arc<AtomicBool>),
    /// The connection is cut when half of the input is there.
    HalfOfIt,
    /// Nobody answers.
    Refused,
}

type Decide = Box<dyn Fn(&str, usize) -> Fate + Send + Sync>;

/// All connections of a test.
pub(crate) struct Wire {
    /// What becomes of a script, by its name and how often it ran before.
    decide: Decide,
    /// The names of all scripts that ran.
    pub(crate) ran: Mutex<Vec<String>>,
    pub(crate) connections: AtomicUsize,
    /// What `/bin/sh` is replaced with, and the words before the command.
    shell: Option<String>,
    under: Vec<String>,
}

impl Wire {
    pub(crate) fn new(decide: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            decide: Box::new(decide),
            ran: Mutex::default(),
            connections: AtomicUsize::new(0),
            shell: None,
            under: Vec::new(),
        })
    }

    /// Commands run by this shell, and find programs in these folders only before all others.
    pub(crate) fn with_shell(shell: &Path, programs: Option<&Path>) -> Arc<Self> {
        let path = programs.map(|path| format!("PATH={}", path.display()));
        let under = path.map(|path| vec!["/usr/bin/env".to_owned(), path]);
        Arc::new(Self {
            decide: Box::new(|_, _| Fate::Runs),
            ran: Mutex::default(),
            connections: AtomicUsize::new(0),
            shell: Some(shell.display().to_string()),
            under: under.unwrap_or_default(),
        })
    }

    /// Commands run by another program.
    pub(crate) fn under(words: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            decide: Box::new(|_, _| Fate::Runs),
            ran: Mutex::default(),
            connections: AtomicUsize::new(0),
            shell: None,
            under: words.iter().map(|word| (*word).to_owned()).collect(),
        })
    }

    /// A world of the bench's node on the other end of these connections.
    pub(crate) fn world(self: &Arc<Self>, bench: &Bench) -> Nodes {
        let connector = Arc::new(Wired(Arc::clone(self)));
        let targets = targets_in(bench.folder.path());
        Nodes::new(&targets, Arc::new(secrets()), connector)
    }

    /// A bench whose node is on the other end, and held.
    pub(crate) fn bench(self: &Arc<Self>) -> Bench {
        let mut bench = Bench::unclaimed();
        bench.world = self.world(&bench);
        bench.epoch = bench.claim(&bench.wish()).unwrap();
        bench
    }

    /// The scripts that ran since this was asked last.
    pub(crate) fn scripts(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().unwrap())
    }
}

struct Wired(Arc<Wire>);

impl Connect for Wired {
    fn connect(&self, _: &NodeName, _: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(End {
            wire: Arc::clone(&self.0),
            turn: Mutex::default(),
        }))
    }
}

/// One connection: one command at a time, as in a session of SSH.
struct End {
    wire: Arc<Wire>,
    turn: Mutex<()>,
}

impl End {
    fn line(&self, line: &Line) -> Line {
        let words = line.words().iter().map(|word| match &self.wire.shell {
            Some(shell) => word.replace("/bin/sh", shell),
            None => word.clone(),
        });
        Line::new(self.wire.under.iter().cloned().chain(words)).unwrap()
    }
}

impl Host for End {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let _turn = self.turn.lock().unwrap();
        let name = line.words()[3].clone();
        let before = {
            let mut ran = self.wire.ran.lock().unwrap();
            ran.push(name.clone());
            ran.iter().filter(|known| **known == name).count() - 1
        };
        let line = self.line(line);
        let input = match &streams.input {
            Input::Bytes(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        let lost = || RemoteError::new(RemoteErrorKind::Lost, "the connection broke");
        match (self.wire.decide)(&name, before) {
            Fate::Runs => LocalHost::new().exec(&line, streams, patience),
            Fate::Refused => Err(RemoteError::new(
                RemoteErrorKind::Refused,
                "nobody listens there",
            )),
            Fate::HalfOfIt => {
                run(&line, &input[..input.len() / 2], &|| false);
                Err(lost())
            }
            Fate::KilledWhen(so) => {
                run(&line, &input, &|| so());
                Err(lost())
            }
            Fate::Late(so, ended) => {
                std::thread::spawn(move || {
                    wait_until("it may begin", so);
                    run(&line, &input, &|| false);
                    ended.store(true, Ordering::SeqCst);
                });
                Err(lost())
            }
            Fate::CutWhen(so) => {
                let (done, at) = (Arc::new(Mutex::new(false)), line.clone());
                let ended = Arc::clone(&done);
                std::thread::spawn(move || {
                    run(&at, &input, &|| false);
                    *ended.lock().unwrap() = true;
                });
                wait_until("the connection may be cut", || {
                    so() || *done.lock().unwrap()
                });
                Err(lost())
            }
        }
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

/// Runs a command to its end, or until it is killed, for nobody.
fn run(line: &Line, input: &[u8], killed: &(dyn Fn() -> bool + Sync)) {
    let streams = Streams {
        input: Input::Bytes(input),
        out: &mut Nowhere,
        err: &mut Nowhere,
    };
    let patience = Patience::new(Duration::from_mins(1), killed);
    let _ = LocalHost::new().exec(line, streams, &patience);
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
