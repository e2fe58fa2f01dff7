//! How fast a line carries what is sent, measured by sending a little that nobody keeps.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::script::Exec;
use crate::remote::{Input, Line, Output, Patience, Streams};

/// With fewer bytes than these to send, they have been sent before anybody has read how long that takes.
pub const WORTH_IT: u64 = 4 << 20;

/// How much is sent, one after the other. What is sent at once must not take long on a slow line, and must take long
/// enough on a fast one to tell something.
const SIZES: [u64; 4] = [16 << 10, 256 << 10, 4 << 20, 32 << 20];

/// No more than this part of what shall be sent is sent for that.
const PART: u64 = 4;

/// How long the next one may take, as far as the one before it tells: this, or where more time than that is foretold, a
/// part of it, up to a limit.
const MOST: Duration = Duration::from_millis(300);
const PART_OF_TIME: u32 = 10;
const LIMIT: Duration = Duration::from_secs(2);

/// What took less than this, or less than so many times what a command takes by itself, tells nothing: of a connection
/// that has just begun, it is still seen how soon answers come, and not how much the line carries.
const LEAST: Duration = Duration::from_millis(20);
const COMMANDS: u32 = 4;

/// How many bytes a second a line to a machine carries, where so many shall be sent; nothing where that can't be told
/// from a short look.
pub fn pace(exec: &Exec<'_>, bytes: u64, patience: &Patience<'_>) -> Option<u64> {
    if bytes < WORTH_IT {
        return None;
    }
    let send = |size| took(exec, size, patience);
    // The first one may still have to wait for what the machine does for the first time.
    let alone = send(0)?.min(send(0)?);
    let mut pace = None;
    for (at, size) in SIZES.into_iter().enumerate() {
        if size > bytes / PART {
            break;
        }
        let mut took = send(size)?.saturating_sub(alone);
        let next = SIZES.get(at + 1).filter(|next| **next <= bytes / PART);
        if next.is_none_or(|next| !is_short(took, size, *next, bytes)) {
            // It is the last one: what was in its way once is mostly not there again.
            took = took.min(send(size)?.saturating_sub(alone));
            pace = told(took, size, alone);
            if next.is_none_or(|next| !is_short(took, size, *next, bytes)) {
                break;
            }
        }
    }
    pace
}

/// Whether a line carries less than so many bytes a second, as far as a very short look tells. What begins slowly because
/// answers come late is slow for this.
pub(super) fn is_below(exec: &Exec<'_>, rate: u64, patience: &Patience<'_>) -> bool {
    let send = |size| took(exec, size, patience);
    let look = || {
        let alone = send(0)?.min(send(0)?);
        let (mut size, mut took) = (0, Duration::ZERO);
        for next in SIZES.into_iter().take(3) {
            size = next;
            took = send(size)?.saturating_sub(alone);
            if took > SURELY {
                return Some(true);
            }
        }
        // What was in its way once is mostly not there again.
        let took = took.min(send(size)?.saturating_sub(alone));
        Some(per_second(size, took) < rate)
    };
    look().unwrap_or(false)
}

/// Of the little that a short look sends, this is slow whatever comes after it.
const SURELY: Duration = Duration::from_millis(100);

fn per_second(size: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    size.saturating_mul(1_000_000) / micros.max(1)
}

/// Whether sending so much more takes a short time, as far as what was sent tells.
fn is_short(took: Duration, size: u64, next: u64, bytes: u64) -> bool {
    let of = |many: u64| {
        let nanos = took.as_nanos() * u128::from(many) / u128::from(size.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let most = (of(bytes) / PART_OF_TIME).min(LIMIT);
    of(next) <= most.max(MOST)
}

/// What the time tells in which so much was sent.
fn told(took: Duration, size: u64, alone: Duration) -> Option<u64> {
    if took < LEAST || took < alone * COMMANDS {
        return None;
    }
    Some(per_second(size, took).max(1))
}

/// How long sending so many bytes takes.
fn took(exec: &Exec<'_>, size: u64, patience: &Patience<'_>) -> Option<Duration> {
    let line = Line::script("cat >/dev/null", "clusterctl-pace", [""; 0]).ok()?;
    let (mut out, mut err) = (Output::at_most(1 << 10), Output::at_most(1 << 10));
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15).take(size);
    let streams = Streams {
        input: Input::Reader(&mut noise),
        out: &mut out,
        err: &mut err,
    };
    let begun = Instant::now();
    let exit = exec(&line, streams, patience).ok()?;
    exit.is_success().then(|| begun.elapsed())
}

/// Bytes that no line makes smaller.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for word in into.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
        Ok(into.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::remote::{Exit, RemoteError};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_tells_nothing_is_not_told() {
        // A command by itself takes 30 ms, so sending has to take four times that.
        assert_eq!(told(119 * MS, 256 << 10, 30 * MS), None);
        assert_eq!(told(128 * MS, 256 << 10, 30 * MS), Some(2_048_000));
        assert_eq!(told(19 * MS, 4 << 20, MS), None);
    }

    #[test]
    fn a_look_takes_a_short_part_of_what_is_foretold() {
        let mb = 1 << 20;
        // 4 MB a second: 256 kB more are nothing, and 4 MB would take a second of twenty-five.
        assert!(is_short(4 * MS, 16 << 10, 256 << 10, 100 * mb));
        assert!(is_short(64 * MS, 256 << 10, 4 * mb, 100 * mb));
        assert!(!is_short(64 * MS, 256 << 10, 4 * mb, 20 * mb));
        // Never more than two seconds.
        assert!(!is_short(200 * MS, 256 << 10, 4 * mb, 100_000 * mb));
    }

    #[test]
    fn little_is_not_worth_a_look_and_no_more_than_a_part_is_sent_for_it() {
        for bytes in [WORTH_IT - 1, WORTH_IT, 64 << 20] {
            let sent = AtomicU64::new(0);
            let exec = |_: &Line, mut streams: Streams<'_>, _: &Patience<'_>| {
                let Input::Reader(reader) = streams.input.lent() else {
                    panic!("it reads");
                };
                let many = io::copy(reader, &mut io::sink()).unwrap();
                sent.fetch_add(many, Ordering::SeqCst);
                Ok::<_, RemoteError>(Exit::Code(0))
            };
            let patience = Patience::unbroken(Duration::from_mins(1));
            let pace = pace(&exec, bytes, &patience);
            let sent = sent.into_inner();
            if bytes < WORTH_IT {
                assert_eq!((pace, sent), (None, 0));
            } else {
                assert!(sent > 0 && sent <= 2 * bytes / PART, "{sent} of {bytes}");
            }
        }
    }
}
