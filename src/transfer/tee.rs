//! One reading for many targets that want it at the same time.
//!
//! Lanes that are to get the same tree say so ([`Meetings::expect`]) before they look at their nodes, and
//! [join](Seat::join) when they know what they need. The reading begins when all have come, or failed, or when the
//! first has waited long enough; who comes later gets a reading of its own. A target whose buffer stays full while
//! others could go on gets one, too, from where it stands.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::bits::Bits;
use super::read::{Block, Findings, Reading};
use super::source::Source;
use super::survey::HashKind;

/// How many blocks a target may lag behind: 4 MiB.
const BUFFER: usize = 16;

/// How long the first waits for the others.
const GATHER: Duration = Duration::from_secs(3);

/// How long all others wait for a target whose buffer is full, before it has to read by itself.
const LAG: Duration = Duration::from_secs(1);

/// How often a full buffer is looked at.
const PAUSE: Duration = Duration::from_millis(1);

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
    findings: Arc<Findings>,
}

/// What one target needs of the reading.
#[derive(Debug)]
struct Guest {
    send: Bits,
    verify: Bits,
    hash: HashKind,
    to: SyncSender<Arc<Block>>,
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
    pub(super) blocks: Receiver<Arc<Block>>,
    pub(super) findings: Arc<Findings>,
}

/// A reading for one target alone.
pub(super) fn alone(source: &Arc<Source>, send: Bits, verify: Bits, hash: HashKind) -> Stream {
    let (to, blocks) = sync_channel(BUFFER);
    let guest = Guest {
        send,
        verify,
        hash,
        to,
    };
    let findings: Arc<Findings> = Arc::default();
    begin(source, vec![guest], &findings);
    Stream { blocks, findings }
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
                findings: Arc::default(),
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
        let (to, blocks) = sync_channel(BUFFER);
        let guest = Guest {
            send,
            verify,
            hash,
            to,
        };
        let mut state = lock(&self.meeting.state);
        if state.begun {
            // Too late: a reading of its own.
            drop(state);
            let findings: Arc<Findings> = Arc::default();
            begin(source, vec![guest], &findings);
            return Stream { blocks, findings };
        }
        state.guests.push(guest);
        state.awaited = state.awaited.saturating_sub(1);
        let first = *state.first.get_or_insert_with(Instant::now);
        let findings = Arc::clone(&state.findings);
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
        Stream { blocks, findings }
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
    let [(blake2, blake2_bits), (sha256, sha256_bits)] = &verify;
    let reading = Reading {
        source,
        send: &send,
        verify: [(*blake2, blake2_bits), (*sha256, sha256_bits)],
        findings,
    };
    let hashes = !(blake2_bits.is_none() && sha256_bits.is_none());
    let mut guests = guests;
    reading.run(super::read::Position::default(), &mut |block| {
        pass(source, &mut guests, &block, findings);
        // Fingerprints are wanted even when nobody gets anything any more.
        !guests.is_empty() || hashes
    });
}

/// Gives a block to all, and sends those off that keep the others waiting.
fn pass(
    source: &Arc<Source>,
    guests: &mut Vec<Guest>,
    block: &Arc<Block>,
    findings: &Arc<Findings>,
) {
    let mut full = Vec::new();
    let all = std::mem::take(guests);
    let alone = all.len() == 1;
    for guest in all {
        match guest.to.try_send(Arc::clone(block)) {
            Ok(()) => guests.push(guest),
            Err(TrySendError::Full(_)) => full.push(guest),
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
    if alone {
        // Nobody else waits.
        full.retain(|guest| guest.to.send(Arc::clone(block)).is_ok());
        guests.append(&mut full);
        return;
    }
    let since = Instant::now();
    while !full.is_empty() && since.elapsed() < LAG {
        thread::sleep(PAUSE);
        for guest in std::mem::take(&mut full) {
            match guest.to.try_send(Arc::clone(block)) {
                Ok(()) => guests.push(guest),
                Err(TrySendError::Full(_)) => full.push(guest),
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }
    for guest in full {
        own_reading(source, guest, block, findings);
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
            };
            reading.run(start, &mut |block| guest.to.send(block).is_ok());
        });
}
