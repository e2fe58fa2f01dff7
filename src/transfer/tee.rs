//! One reading for many targets that want it at the same time.
//!
//! Lanes that are to get the same tree say so ([`Meetings::expect`]) before they look at their nodes, and
//! [join](Seat::join) when they know what they need. The reading begins when all have come, or failed, or when the
//! first has waited long enough; who comes later gets a reading of its own. A target whose full buffer keeps others
//! waiting for more than a second, and for more than a twentieth of the time, gets one, too, from where it stands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::bits::Bits;
use super::read::{Block, Findings, Reading};
use super::source::Source;
use super::survey::HashKind;

/// How many blocks a target may lag behind: 2 MiB.
const BUFFER: usize = 8;

/// How many wait for a target that nobody else waits for: the next one can be read meanwhile, and no more is of use.
const ALONE: usize = 2;

/// How long the first waits for the others.
const GATHER: Duration = Duration::from_secs(3);

/// How long all others wait for a target whose buffer is full, before it has to read by itself; and how large a part of
/// the time that may be at the least.
const LAG: Duration = Duration::from_secs(1);
const LAG_PART: u32 = 20;

/// How often a full buffer is looked at.
const PAUSE: Duration = Duration::from_millis(1);

/// How long is waited for something before whoever waits looks after its connection.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// Those who wait for one reading, by what they are to get.
#[derive(Debug, Default)]
pub struct Meetings(Mutex<HashMap<String, Arc<Meeting>>>);

#[derive(Debug)]
struct Meeting {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug)]
struct State {
    /// How many have not come yet.
    awaited: usize,
    guests: Vec<Guest>,
    first: Option<Instant>,
    begun: bool,
    /// What the reading finds, once somebody has come.
    findings: Option<Arc<Findings>>,
}

/// What one target needs of the reading.
#[derive(Debug)]
struct Guest {
    send: Bits,
    verify: Bits,
    hash: HashKind,
    to: SyncSender<Arc<Block>>,
    /// Gone when the target does not wait for anything any more.
    waits: Weak<()>,
    /// How many blocks it has not taken yet.
    waiting: Arc<AtomicUsize>,
    /// How long others had nothing to do because of it.
    blame: Duration,
}

impl Guest {
    fn offer(&self, block: &Arc<Block>) -> Result<(), TrySendError<Arc<Block>>> {
        // Counted first, so that it is never taken before it is counted.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let offered = self.to.try_send(Arc::clone(block));
        if offered.is_err() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        offered
    }

    /// Waits until it has room; whether it is still there.
    fn give(&self, block: Arc<Block>) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.to.send(block).is_ok()
    }

    fn has_nothing_to_do(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }
}

/// A place at a reading that is to begin.
#[derive(Debug)]
pub struct Seat<'a> {
    meetings: &'a Meetings,
    key: String,
    meeting: Arc<Meeting>,
    joined: bool,
}

/// What a target gets.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) blocks: Blocks,
    pub(super) findings: Arc<Findings>,
    /// To be kept for as long as the target waits for what is found.
    pub(super) waits: Arc<()>,
}

/// Blocks as they are read.
#[derive(Debug)]
pub(super) struct Blocks {
    from: Option<Receiver<Arc<Block>>>,
    waiting: Arc<AtomicUsize>,
}

impl Blocks {
    /// Blocks that never come.
    pub(super) fn none() -> Self {
        Self {
            from: None,
            waiting: Arc::default(),
        }
    }

    /// The next block, waited for; none when all were read.
    #[cfg(test)]
    pub(super) fn next(&mut self) -> Option<Arc<Block>> {
        loop {
            if let Ok(block) = self.next_soon() {
                return block;
            }
        }
    }

    /// The next block, if it comes soon; none when all were read.
    pub(super) fn next_soon(&mut self) -> Result<Option<Arc<Block>>, NotYet> {
        let Some(from) = &self.from else {
            return Ok(None);
        };
        match from.recv_timeout(SOON) {
            Ok(block) => {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                Ok(Some(block))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(NotYet),
        }
    }
}

#[cfg(test)]
impl From<Receiver<Arc<Block>>> for Blocks {
    fn from(from: Receiver<Arc<Block>>) -> Self {
        Self {
            from: Some(from),
            waiting: Arc::new(AtomicUsize::new(usize::MAX)),
        }
    }
}

/// What is waited for has not come yet.
pub(super) struct NotYet;

/// Room for a target's blocks, and what shows that it still waits.
fn guest(send: Bits, verify: Bits, hash: HashKind, buffer: usize) -> (Guest, Blocks, Arc<()>) {
    let waits = Arc::new(());
    let (to, from) = sync_channel(buffer);
    let waiting = Arc::new(AtomicUsize::new(0));
    let blocks = Blocks {
        from: Some(from),
        waiting: Arc::clone(&waiting),
    };
    let guest = Guest {
        send,
        verify,
        hash,
        to,
        waits: Arc::downgrade(&waits),
        waiting,
        blame: Duration::ZERO,
    };
    (guest, blocks, waits)
}

/// A reading for one target alone.
pub(super) fn alone(source: &Arc<Source>, send: Bits, verify: Bits, hash: HashKind) -> Stream {
    let (guest, blocks, waits) = guest(send, verify, hash, ALONE);
    let findings = Arc::new(Findings::of(source));
    begin(source, vec![guest], &findings);
    Stream {
        blocks,
        findings,
        waits,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meetings {
    /// A seat at the reading for this key, for one of a company of so many.
    pub fn expect(&self, key: &str, company: usize) -> Seat<'_> {
        let mut all = lock(&self.0);
        let fresh = || {
            let state = State {
                awaited: company.max(1),
                guests: Vec::new(),
                first: None,
                begun: false,
                findings: None,
            };
            Arc::new(Meeting {
                state: Mutex::new(state),
                bell: Condvar::new(),
            })
        };
        let meeting = Arc::clone(all.entry(key.to_owned()).or_insert_with(fresh));
        Seat {
            meetings: self,
            key: key.to_owned(),
            meeting,
            joined: false,
        }
    }
}

impl Seat<'_> {
    /// Takes part in the reading, once it begins.
    pub(super) fn join(
        mut self,
        source: &Arc<Source>,
        send: Bits,
        verify: Bits,
        hash: HashKind,
    ) -> Stream {
        self.joined = true;
        let (guest, blocks, waits) = guest(send, verify, hash, BUFFER);
        let mut state = lock(&self.meeting.state);
        if state.begun {
            // Too late: a reading of its own.
            drop(state);
            let findings = Arc::new(Findings::of(source));
            begin(source, vec![guest], &findings);
            return Stream {
                blocks,
                findings,
                waits,
            };
        }
        state.guests.push(guest);
        state.awaited = state.awaited.saturating_sub(1);
        let first = *state.first.get_or_insert_with(Instant::now);
        let findings = || Arc::new(Findings::of(source));
        let findings = Arc::clone(state.findings.get_or_insert_with(findings));
        self.meeting.bell.notify_all();
        while !state.begun {
            let left = GATHER.saturating_sub(first.elapsed());
            if state.awaited == 0 || left.is_zero() {
                state.begun = true;
                let guests = std::mem::take(&mut state.guests);
                begin(source, guests, &findings);
                self.meeting.bell.notify_all();
                break;
            }
            let waited = self.meeting.bell.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        // Whoever comes from now on meets others.
        let mut all = lock(&self.meetings.0);
        if all
            .get(&self.key)
            .is_some_and(|it| Arc::ptr_eq(it, &self.meeting))
        {
            all.remove(&self.key);
        }
        drop(all);
        Stream {
            blocks,
            findings,
            waits,
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.joined {
            let mut state = lock(&self.meeting.state);
            state.awaited = state.awaited.saturating_sub(1);
            self.meeting.bell.notify_all();
        }
    }
}

/// Begins a reading in a thread of its own.
fn begin(source: &Arc<Source>, guests: Vec<Guest>, findings: &Arc<Findings>) {
    let (source, findings) = (Arc::clone(source), Arc::clone(findings));
    let ended = End(Arc::clone(&findings));
    // Where no thread can be started, everybody finds out that nothing comes.
    let _ = thread::Builder::new()
        .name("reading".to_owned())
        .spawn(move || {
            read_for(&source, guests, &findings);
            drop(ended);
        });
}

/// Says that nothing more will be found, whatever happens.
struct End(Arc<Findings>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn read_for(source: &Arc<Source>, guests: Vec<Guest>, findings: &Arc<Findings>) {
    let mut send = Bits::default();
    let mut verify = [
        (HashKind::Blake2, Bits::default()),
        (HashKind::Sha256, Bits::default()),
    ];
    for guest in &guests {
        send.join(&guest.send);
        for (kind, bits) in &mut verify {
            if *kind == guest.hash {
                bits.join(&guest.verify);
            }
        }
    }
    let all: Vec<Weak<()>> = guests.iter().map(|guest| guest.waits.clone()).collect();
    let [(blake2, blake2_bits), (sha256, sha256_bits)] = &verify;
    let reading = Reading {
        source,
        send: &send,
        verify: [(*blake2, blake2_bits), (*sha256, sha256_bits)],
        findings,
        wanted: &|| all.iter().any(|guest| guest.strong_count() > 0),
    };
    // A machine that has the tree computes them by itself.
    let hashes = source.afar.is_none() && !(blake2_bits.is_none() && sha256_bits.is_none());
    let mut company = Company {
        source,
        findings,
        guests,
        begun: Instant::now(),
    };
    reading.run(super::read::Position::default(), &mut |block| {
        company.pass(&block);
        // Fingerprints are wanted even when nobody gets anything any more.
        !company.guests.is_empty() || hashes
    });
}

/// Those who share a reading.
struct Company<'a> {
    source: &'a Arc<Source>,
    findings: &'a Arc<Findings>,
    guests: Vec<Guest>,
    begun: Instant,
}

impl Company<'_> {
    /// Gives a block to all, and sends those off that keep the others waiting.
    fn pass(&mut self, block: &Arc<Block>) {
        if let [guest] = &self.guests[..] {
            // Nobody else waits.
            if !guest.give(Arc::clone(block)) {
                self.guests.clear();
            }
            return;
        }
        let all = std::mem::take(&mut self.guests);
        let mut full = self.offer(all, block);
        let mut since = Instant::now();
        while !full.is_empty() {
            thread::sleep(PAUSE);
            let now = Instant::now();
            // Those who have something to do are not kept waiting.
            if self.guests.iter().any(Guest::has_nothing_to_do) {
                for guest in &mut full {
                    guest.blame += now - since;
                }
            }
            since = now;
            full = self.offer(full, block);
            let elapsed = self.begun.elapsed();
            let (slow, others): (Vec<_>, Vec<_>) = full
                .into_iter()
                .partition(|guest| guest.blame > LAG && guest.blame * LAG_PART > elapsed);
            full = others;
            for guest in slow {
                own_reading(self.source, guest, block, self.findings);
            }
        }
    }

    /// Those who have no room; who has gone is forgotten.
    fn offer(&mut self, to: Vec<Guest>, block: &Arc<Block>) -> Vec<Guest> {
        let mut full = Vec::new();
        for guest in to {
            match guest.offer(block) {
                Ok(()) => self.guests.push(guest),
                Err(TrySendError::Full(_)) => full.push(guest),
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
        full
    }
}

/// Reads on for one target from where the block begins. Fingerprints are found by the reading that it leaves.
fn own_reading(source: &Arc<Source>, guest: Guest, block: &Arc<Block>, findings: &Arc<Findings>) {
    let (source, findings, start) = (Arc::clone(source), Arc::clone(findings), block.start);
    let _ = thread::Builder::new()
        .name("own reading".to_owned())
        .spawn(move || {
            let none = Bits::default();
            let reading = Reading {
                source: &source,
                send: &guest.send,
                verify: [(HashKind::Blake2, &none), (HashKind::Sha256, &none)],
                findings: &findings,
                wanted: &|| guest.waits.strong_count() > 0,
            };
            reading.run(start, &mut |block| guest.give(block));
        });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::rules::Rules;
    use super::*;

    /// Takes all blocks, and counts them.
    fn take_all(mut blocks: Blocks) -> usize {
        let mut count = 0;
        while blocks.next().is_some() {
            count += 1;
        }
        count
    }

    fn source(folder: &std::path::Path, mib: usize) -> (Arc<Source>, Bits) {
        std::fs::write(folder.join("file"), vec![7; mib << 20]).unwrap();
        let source = Source::read(folder, &Rules::new(&[]).unwrap()).unwrap();
        let mut send = Bits::default();
        send.add(source.manifest.find(b"file").unwrap());
        (Arc::new(source), send)
    }

    #[test]
    fn one_that_takes_a_block_now_and_then_falls_behind_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (source, send) = source(folder.path(), 16);
        let meetings = Meetings::default();
        let (told, done) = channel::<()>();
        let (fast, slow) = (meetings.expect("k", 2), meetings.expect("k", 2));
        let join =
            |seat: Seat<'_>| seat.join(&source, send.clone(), Bits::default(), HashKind::Blake2);
        let (taken, whole) = thread::scope(|scope| {
            let join = &join;
            let slow = scope.spawn(move || {
                let mut blocks = join(slow).blocks;
                let mut taken = 0;
                // One each quarter of a second, until the other has all.
                while done.recv_timeout(Duration::from_millis(250)).is_err() {
                    taken += usize::from(blocks.next().is_some());
                }
                (taken, taken + take_all(blocks))
            });
            let count = take_all(join(fast).blocks);
            assert_eq!(count, 64);
            told.send(()).unwrap();
            slow.join().unwrap()
        });
        assert!(taken < 32, "it was waited for: {taken} of 64");
        assert_eq!(whole, 64);
    }

    /// What readings find is kept once for all of them.
    #[test]
    fn a_file_that_another_reading_found_to_be_other_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (source, send) = source(folder.path(), 1);
        let read = || {
            let stream = alone(&source, send.clone(), send.clone(), HashKind::Blake2);
            assert_eq!(take_all(stream.blocks), 4);
            stream.findings.wait();
            stream.findings.changed()
        };
        assert!(read().is_empty() && read().is_empty());
        let file = source.root.join("file");
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, vec![8; 1 << 20]).unwrap();
        let written = std::fs::File::options().write(true).open(&file).unwrap();
        written.set_modified(time).unwrap();
        // Neither its size nor its time tells.
        assert_eq!(read(), [file]);
    }

    #[test]
    fn those_who_keep_up_share_one_reading() {
        let folder = tempfile::tempdir().unwrap();
        let (source, send) = source(folder.path(), 8);
        let meetings = Meetings::default();
        let seats = [(); 3].map(|()| meetings.expect("k", 3));
        thread::scope(|scope| {
            let threads = seats.map(|seat| {
                scope.spawn(|| {
                    let stream =
                        seat.join(&source, send.clone(), Bits::default(), HashKind::Sha256);
                    let mut blocks = stream.blocks;
                    let first = blocks.next().unwrap();
                    assert_eq!(take_all(blocks), 31);
                    first
                })
            });
            let firsts = threads.map(|thread| thread.join().unwrap());
            assert!(firsts.iter().all(|block| Arc::ptr_eq(block, &firsts[0])));
        });
    }
}
