//! What is sent, made smaller by zstd on its way, and whether that is worth it.

use std::io::{self, Read};
use std::thread;

use zstd::stream::raw::{Encoder, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::CParameter;

use super::pace::is_below;
use super::sample::{LONGEST, shrinks_to};
use super::script::Exec;
use super::source::Source;
use crate::remote::Patience;

/// How hard zstd tries: it is to be faster than the line.
pub(super) const LEVEL: i32 = 1;

/// How far it looks back, as a power of two: what a machine needs for each stream.
const WINDOW: u32 = 17;

/// What is read at once.
const PIECE: usize = 64 << 10;

/// What does not become this part of itself is not worth the work.
const WORTH_IT: f64 = 0.6;

/// On a line that carries so many bytes a second, making it smaller takes longer than sending it.
const FAST: u64 = 150_000_000;

/// What one processor of this machine makes smaller in a second, next to all that it has to do besides.
const OF_PROCESSOR: u64 = 200_000_000;

/// No more machines get a tree at the same time.
pub const AT_ONCE: usize = 32;

/// Less than this has been sent before anybody knows whether it is worth it.
const LEAST: u64 = 4 << 20;

/// Whether what is sent is made smaller on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zip {
    /// Where a look at the tree and at the line tells that it is worth it.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// What is going to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// From where.
    pub source: &'a Source,
    /// How many bytes.
    pub bytes: u64,
    /// In how many files.
    pub files: u64,
    /// To how many machines, of which no more than [`AT_ONCE`] get it at the same time.
    pub machines: usize,
    /// How many bytes a second at the most.
    pub limit: Option<u64>,
}

/// How many bytes a second a line carries at the least on which nothing is made smaller, where it goes to so many
/// machines at once: each gets it made smaller for itself.
fn fast(machines: usize) -> u64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let [processors, machines] =
        [processors, machines.clamp(1, AT_ONCE)].map(|it| u64::try_from(it).unwrap_or(u64::MAX));
    FAST.min(OF_PROCESSOR.saturating_mul(processors) / machines)
}

impl Sending<'_> {
    /// What part of it is left when it is made smaller, as far as that can be told; nothing where it will not be made
    /// smaller, on a line that carries so many bytes a second.
    pub fn shrinks_to(&self, zip: Zip, pace: u64) -> Option<f64> {
        let patience = Patience::unbroken(LONGEST);
        let part = || shrinks_to(self.source, (self.bytes, self.files), &patience);
        match zip {
            Zip::Never => None,
            Zip::Always => part(),
            Zip::Auto if self.bytes < LEAST || self.limited(pace) >= fast(self.machines) => None,
            Zip::Auto => part().filter(|part| *part < WORTH_IT),
        }
    }

    fn limited(&self, pace: u64) -> u64 {
        self.limit.unwrap_or(u64::MAX).min(pace)
    }

    /// Whether it is worth to make it smaller, on the line by which this does something.
    pub(super) fn is_worth_it(&self, exec: &Exec<'_>, patience: &Patience<'_>) -> bool {
        let fast = fast(self.machines);
        let part = || shrinks_to(self.source, (self.bytes, self.files), patience);
        self.bytes >= LEAST
            && part().is_some_and(|part| part < WORTH_IT)
            && (self.limited(u64::MAX) < fast || is_below(exec, self.bytes, fast, patience))
    }
}

/// Reads what another one reads, made smaller where that is wanted.
pub(super) struct Zipped<R> {
    from: R,
    zip: Option<Small>,
}

struct Small {
    encoder: Encoder<'static>,
    input: Box<[u8]>,
    /// What of it was read and is still to be made smaller.
    waits: std::ops::Range<usize>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Reading,
    /// Nothing more comes.
    Ending,
    Ended,
}

impl<R: Read> Zipped<R> {
    pub(super) fn new(from: R, zip: bool) -> io::Result<Self> {
        let zip = if zip { Some(Small::new()?) } else { None };
        Ok(Self { from, zip })
    }
}

impl Small {
    fn new() -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
        // What arrives broken is noticed where it is made large again.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self {
            encoder,
            input: vec![0; PIECE].into(),
            waits: 0..0,
            state: State::Reading,
        })
    }

    fn read(&mut self, from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let mut output = OutBuffer::around(into);
            if !self.waits.is_empty() {
                let mut input = InBuffer::around(&self.input[self.waits.clone()]);
                self.encoder.run(&mut input, &mut output)?;
                self.waits.start += input.pos();
            } else if self.state == State::Reading {
                // What can't be read now can be read later: nothing is lost.
                let much = from.read(&mut self.input)?;
                self.waits = 0..much;
                if much == 0 {
                    self.state = State::Ending;
                }
                continue;
            } else if self.state == State::Ending && self.encoder.finish(&mut output, true)? == 0 {
                self.state = State::Ended;
            }
            if output.pos() > 0 || self.state == State::Ended {
                return Ok(output.pos());
            }
        }
    }
}

impl<R: Read> Read for Zipped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.zip {
            None => self.from.read(into),
            Some(small) => small.read(&mut self.from, into),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Gives what there is piece by piece; `None` is not there yet.
    struct Pieces(VecDeque<Option<Vec<u8>>>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front() {
                None => Ok(0),
                Some(None) => Err(io::ErrorKind::WouldBlock.into()),
                Some(Some(mut piece)) => {
                    let much = piece.len().min(into.len());
                    into[..much].copy_from_slice(&piece[..much]);
                    let rest = piece.split_off(much);
                    if !rest.is_empty() {
                        self.0.push_front(Some(rest));
                    }
                    Ok(much)
                }
            }
        }
    }

    fn all(mut reader: impl Read, at_once: usize) -> (Vec<u8>, usize) {
        let (mut all, mut waited) = (Vec::new(), 0);
        let mut room = vec![0; at_once];
        loop {
            match reader.read(&mut room) {
                Ok(0) => return (all, waited),
                Ok(much) => all.extend_from_slice(&room[..much]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => waited += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn what_was_made_small_becomes_what_it_was_however_it_comes_and_goes() {
        let noise: Vec<u8> = (0..300_000_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
            .collect();
        for content in [Vec::new(), vec![7], vec![0; 1 << 20], noise] {
            for (piece, room) in [(1_000, 1 << 16), (1 << 20, 7), (99_999, 4_096)] {
                let pieces = content.chunks(piece).map(|it| Some(it.to_vec()));
                let mut pieces: VecDeque<_> = pieces.flat_map(|piece| [None, piece]).collect();
                pieces.push_back(None);
                let many = pieces.iter().filter(|piece| piece.is_none()).count();
                let (small, waited) = all(Zipped::new(Pieces(pieces), true).unwrap(), room);
                assert_eq!(waited, many);
                let large = zstd::stream::decode_all(&small[..]).unwrap();
                assert!(large == content, "{} bytes", content.len());
            }
        }
        let zeros = Zipped::new(io::repeat(0).take(1 << 20), true).unwrap();
        assert!(all(zeros, 4096).0.len() < 1_000);
        let (plain, _) = all(Zipped::new(&b"plain"[..], false).unwrap(), 3);
        assert_eq!(plain, b"plain");
    }

    #[test]
    fn many_machines_get_it_smaller_only_by_lines_slower_than_this_machine() {
        assert_eq!(fast(1), FAST.min(fast(0)));
        assert!(fast(8) >= 25_000_000 && fast(32) <= fast(8));
        assert_eq!(fast(32), fast(1_000_000));
    }
}
