//! A long line: `cargo bench --bench delay -- LISTEN TO MILLISECONDS` passes each connection on, and what goes through it
//! takes so long in each direction. As on a real line, a connection has a limit of what is under way.
//!
//! For kernels without `netem`. It ends when its standard input does.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much is under way in one direction at most. That it has arrived is known here at once and not one way later, so
/// it is half of the 2 MiB that a connection on a real line comes to.
const UNDER_WAY: usize = 1 << 20;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let passed = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [from, to, delay] => delay
            .parse()
            .map_err(io::Error::other)
            .and_then(|delay| pass(from, to, delay)),
        // Whoever runs all benches runs this one, too.
        [] => Ok(()),
        _ => Err(io::Error::other(
            "usage: cargo bench --bench delay -- LISTEN TO MILLISECONDS",
        )),
    };
    match passed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pass(from: &str, to: &str, delay: u64) -> io::Result<()> {
    let (listener, to) = (TcpListener::bind(from)?, to.to_owned());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&to) else {
                continue;
            };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                    continue;
                };
                let _ = (from.set_nodelay(true), to.set_nodelay(true));
                way(from, to, Duration::from_millis(delay));
            }
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).map(|_| ())
}

/// One direction of a connection.
#[derive(Default)]
struct Way {
    under_way: Mutex<UnderWay>,
    changed: Condvar,
}

#[derive(Default)]
struct UnderWay {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    size: usize,
    ended: bool,
}

fn way(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let here = Arc::new(Way::default());
    let there = Arc::clone(&here);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            let full = |way: &mut UnderWay| way.size > UNDER_WAY && !way.ended;
            let way = here
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut way = here
                .changed
                .wait_while(way, full)
                .unwrap_or_else(PoisonError::into_inner);
            if way.ended {
                break;
            }
            way.size += size;
            way.pieces
                .push_back((Instant::now() + delay, buffer[..size].to_vec()));
            here.changed.notify_all();
        }
        here.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended = true;
        here.changed.notify_all();
    });
    thread::spawn(move || {
        loop {
            let empty = |way: &mut UnderWay| way.pieces.is_empty() && !way.ended;
            let way = there
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut way = there
                .changed
                .wait_while(way, empty)
                .unwrap_or_else(PoisonError::into_inner);
            let Some((due, piece)) = way.pieces.pop_front() else {
                break;
            };
            drop(way);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
            there
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .size -= piece.len();
            there.changed.notify_all();
        }
        there
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended = true;
        there.changed.notify_all();
        let _ = to.shutdown(Shutdown::Write);
    });
}
