//! How fast a line carries what is sent, measured by sending a little that nobody keeps.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::script::Exec;
use crate::remote::{Input, Line, Output, Patience, Streams};

/// With fewer bytes than these to send, they have been sent before anybody has read how long that takes.
pub const WORTH_IT: u64 = 4 << 20;

/// How much is sent, one after the other. What is sent at once must not take long on a slow line, and must take long
/// enough on a fast one to tell something.
const SIZES: [u64; 4] = [16 << 10, 256 << 10, 4 << 20, LARGEST];
const LARGEST: u64 = 16 << 20;

/// How many of these are gone further at once, where what was sent took next to nothing.
const STRIDE: usize = 2;

/// No more than this part of what shall be sent is sent for that; of the largest, which only fast lines get, much less.
const PART: u64 = 4;
const PART_OF_LARGEST: u64 = 256;

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
    let fits = |size: &u64| match *size {
        LARGEST => LARGEST <= bytes / PART_OF_LARGEST,
        size => size <= bytes / PART,
    };
    let sizes: Vec<u64> = SIZES.into_iter().filter(fits).collect();
    let mut alone = took(exec, 0, patience)?;
    let (mut pace, mut at) = (None, 0);
    while let Some(size) = sizes.get(at) {
        let whole = took(exec, *size, patience)?;
        let is_odd = whole <= alone;
        if is_odd {
            // What was in the way of nothing at all is mostly not there again.
            alone = alone.min(took(exec, 0, patience)?);
        }
        let took = whole.saturating_sub(alone);
        let stride = if is_odd { 1 } else { STRIDE };
        pace = told(took, *size, alone);
        let is_short = |next: &usize| {
            let next = sizes.get(*next);
            next.is_some_and(|next| is_short(took, *size, *next, bytes))
        };
        match (at + 1..=at + stride).rev().find(is_short) {
            Some(next) => at = next,
            None => break,
        }
    }
    pace
}

/// Whether a line by which so many bytes shall be sent carries less than so many a second, as far as a very short look
/// tells. What begins slowly because answers come late is slow for this.
pub(super) fn is_below(exec: &Exec<'_>, bytes: u64, rate: u64, patience: &Patience<'_>) -> bool {
    let send = |size| took(exec, size, patience);
    let is_less = |size, took| took > NOTHING && per_second(size, took) < rate;
    let look = || {
        let sizes: Vec<u64> = SIZES
            .into_iter()
            .filter(|it| *it <= bytes / SMALL_PART)
            .collect();
        let alone = send(0)?.min(send(0)?);
        let mut at = 0;
        loop {
            let size = *sizes.get(at)?;
            let took = send(size)?.saturating_sub(alone);
            if took > SURELY && is_less(size, took) {
                return Some(true);
            }
            let last = sizes.len() - 1;
            if at == last {
                // What was in its way once is mostly not there again.
                let again = || Some(send(size)?.saturating_sub(alone));
                return Some(is_less(size, took) && is_less(size, again()?));
            }
            at = if took.is_zero() || took > NOTHING {
                at + 1
            } else {
                last.min(at + STRIDE)
            };
        }
    };
    look().unwrap_or(false)
}

/// For such a look no more than this part is sent at once.
const SMALL_PART: u64 = 16;

/// What takes longer than this is slow, whatever was in its way.
const SURELY: Duration = Duration::from_millis(50);

/// What takes less tells nothing.
const NOTHING: Duration = Duration::from_millis(5);

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
    let mut noise = Noise::new().take(size);
    let streams = Streams {
        input: Input::Reader(&mut noise),
        out: &mut out,
        err: &mut err,
    };
    let begun = Instant::now();
    let exit = exec(&line, streams, patience).ok()?;
    exit.is_success().then(|| begun.elapsed())
}

/// Bytes that no line makes smaller: the same again only after more of them than a line looks back at.
struct Noise {
    bytes: Vec<u8>,
    at: usize,
}

impl Noise {
    fn new() -> Self {
        let mut word = 0x9e37_79b9_7f4a_7c15_u64;
        let words = std::iter::repeat_with(|| {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word.to_le_bytes()
        });
        Self {
            bytes: words.take(16 << 10).flatten().collect(),
            at: 0,
        }
    }
}

impl Read for Noise {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() {
            self.at = 0;
        }
        let much = into.len().min(self.bytes.len() - self.at);
        into[..much].copy_from_slice(&self.bytes[self.at..self.at + much]);
        self.at += much;
        Ok(much)
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

    /// A line that carries so many bytes a second and on which every answer takes so long.
    fn line(
        rate: u64,
        answers: Duration,
        sent: &AtomicU64,
    ) -> impl Fn(&Line, Streams<'_>, &Patience<'_>) -> Result<Exit, RemoteError> + Sync {
        move |_: &Line, mut streams: Streams<'_>, _: &Patience<'_>| {
            let Input::Reader(reader) = streams.input.lent() else {
                panic!("it reads");
            };
            let many = io::copy(reader, &mut io::sink()).unwrap();
            sent.fetch_add(many, Ordering::SeqCst);
            std::thread::sleep(answers + Duration::from_micros(many * 1_000_000 / rate));
            Ok::<_, RemoteError>(Exit::Code(0))
        }
    }

    #[test]
    fn a_very_short_look_tells_slow_lines_from_fast_ones() {
        let mb = 1_000_000;
        for (rate, answers, bytes, slow) in [
            (400_000, MS, 5 * mb, true),
            (3 * mb, 20 * MS, 5 * mb, true),
            (20 * mb, MS, 200 * mb, true),
            (20 * mb, 50 * MS, 200 * mb, true),
            (10_000 * mb, MS, 5 * mb, false),
            (10_000 * mb, MS, 200 * mb, false),
            (10_000 * mb, 50 * MS, 200 * mb, false),
        ] {
            let sent = AtomicU64::new(0);
            let exec = line(rate, answers, &sent);
            let patience = Patience::unbroken(Duration::from_mins(1));
            // A machine that has much else to do may make a fast line look slow, and hardly three times.
            let tell = || is_below(&exec, bytes, 150 * mb, &patience);
            assert!((0..3).any(|_| tell() == slow), "{rate} {answers:?} {bytes}");
            let sent = sent.load(Ordering::SeqCst);
            assert!(sent <= 3 * bytes / 4, "{sent} of {bytes}");
        }
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
