//! Going to the machines, several at a time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{End, Lines, News, Stream};
use crate::config::NodeName;
use crate::remote::{Host, Input, Line, Patience, RemoteError, RemoteErrorKind, Streams};

/// How much news may wait to be told before commands have to.
const WAITING: usize = 4096;

/// How much stack a visitor needs.
const STACK: usize = 512 << 10;

/// How a machine is reached.
pub type Dial<'a> =
    dyn Fn(&NodeName, &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> + Sync + 'a;

/// What is done on each machine.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The command.
    pub line: Line,
    /// The file that it reads on standard input; nothing without one.
    pub input: Option<PathBuf>,
    /// Where a copy of what it writes goes: `NODE.out` and `NODE.err` in this folder.
    pub copies: Option<PathBuf>,
    /// How long it may take on each machine.
    pub timeout: Duration,
    /// How many machines are visited at once.
    pub width: usize,
}

/// Runs the errand on these machines and tells what is heard, from this thread.
///
/// `stop` is looked at often; once it says yes, what runs is broken off and nothing more is begun.
pub fn visit(
    errand: &Errand,
    nodes: &[NodeName],
    dial: &Dial<'_>,
    stop: &(dyn Fn() -> bool + Sync),
    idle: Duration,
    tell: &mut dyn FnMut(Option<News>),
) {
    let next = AtomicUsize::new(0);
    let (news, heard) = mpsc::sync_channel(WAITING);
    thread::scope(|scope| {
        for _ in 0..errand.width.clamp(1, nodes.len().max(1)) {
            let (news, next) = (news.clone(), &next);
            let visitor = move || {
                while let Some(node) = nodes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let end = if stop() {
                        End::Skipped
                    } else {
                        one(errand, node, dial, stop, &news)
                    };
                    let (node, took) = (node.clone(), began.elapsed());
                    // Nobody listens any more only when the listener is gone, and everything with it.
                    let _ = news.send(News::Ended { node, end, took });
                }
            };
            let started = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, visitor);
            if started.is_err() {
                break;
            }
        }
        drop(news);
        loop {
            match heard.recv_timeout(idle) {
                Ok(news) => tell(Some(news)),
                Err(mpsc::RecvTimeoutError::Timeout) => tell(None),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    // Where no thread could be started at all, or not enough.
    for node in nodes.iter().skip(next.load(Ordering::Relaxed)) {
        let error = RemoteError::new(RemoteErrorKind::Here, "no thread could be started for it")
            .hint("--parallel 4   (fewer at once)");
        tell(Some(News::Ended {
            node: node.clone(),
            end: End::Failed(error),
            took: Duration::ZERO,
        }));
    }
}

fn one(
    errand: &Errand,
    node: &NodeName,
    dial: &Dial<'_>,
    stop: &(dyn Fn() -> bool + Sync),
    news: &mpsc::SyncSender<News>,
) -> End {
    let patience = Patience::new(errand.timeout, &stop);
    let run = || {
        let input = errand.input.as_deref().map(open).transpose()?;
        let host = dial(node, &patience)?;
        let _ = news.send(News::Begun {
            node: node.clone(),
            back_end: host.back_end(),
        });
        let lines = |stream, ending| {
            let copy = errand.copies.as_deref();
            let copy = copy
                .map(|folder| create(folder, node, ending))
                .transpose()?;
            Ok::<_, RemoteError>(Lines::new(copy, move |line| {
                let node = node.clone();
                let _ = news.send(News::Line { node, stream, line });
            }))
        };
        let (mut out, mut err) = (lines(Stream::Out, "out")?, lines(Stream::Err, "err")?);
        let mut input = input;
        let streams = Streams {
            input: match &mut input {
                Some(file) => Input::Reader(file),
                None => Input::Nothing,
            },
            out: &mut out,
            err: &mut err,
        };
        let exit = host.exec(&errand.line, streams, &patience);
        for lines in [out, err] {
            lines.finish().map_err(|error| {
                let what = format!("a copy of its output could not be written: {error}");
                RemoteError::new(RemoteErrorKind::Stream, what)
            })?;
        }
        exit
    };
    match run() {
        Ok(exit) => End::Exit(exit),
        Err(error) => End::Failed(error),
    }
}

fn open(path: &Path) -> Result<File, RemoteError> {
    File::open(path).map_err(|error| {
        let what = format!("{} can't be read: {error}", path.display());
        RemoteError::new(RemoteErrorKind::Here, what)
    })
}

fn create<'a>(
    folder: &Path,
    node: &NodeName,
    ending: &str,
) -> Result<Box<dyn Write + Send + 'a>, RemoteError> {
    let path = folder.join(format!("{node}.{ending}"));
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(&path).map_err(|error| {
        let what = format!("{} can't be written: {error}", path.display());
        RemoteError::new(RemoteErrorKind::Here, what)
    })?;
    Ok(Box::new(BufWriter::new(file)))
}
