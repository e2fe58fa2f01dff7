//! The hold on a node: its record is looked at, and swapped for a new one if nobody else has changed it since.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::hold_record::{Change, Edit, Moment, Record};
use super::node::{Answer, Node, nonsense};
use super::node_folder;
use super::scripts;
use super::sections::Sections;
use super::trouble::{Asked, fault, said};
use super::watch::Watch;
use crate::engine::{
    Claim, ClaimError, Ending, Entry, Epoch, Fault, FaultKind, Holding, NodeRecord, Release, decode,
};
use crate::plan::{Millis, RunId};
use crate::remote::RemoteErrorKind;

/// How long the record may be locked by somebody else before that is a fault: whoever locks it only reads and writes a
/// line, but may be stopped while it does.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

/// How long the node may take for a look or a change, besides the time that somebody else has the record locked.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest answer that makes sense: a long history.
const LONGEST: usize = 16 << 20;

/// The longest copy of a journal that is read.
const LONGEST_JOURNAL: usize = 1 << 30;

/// The pause before a node is asked again whether it can be taken.
const PAUSE: Duration = Duration::from_millis(200);

/// After what time a run that holds the node is asked again whether it has come to its end.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// How often a change is tried again because somebody else changed the record in between.
const TRIES: u32 = 20;

/// What was seen of a node's record.
#[derive(Clone)]
pub(super) struct Seen {
    record: Record,
    /// The record as it was read or written, byte by byte.
    bytes: Vec<u8>,
    moment: Moment,
    /// When the answer was here.
    at: Instant,
    history: Vec<RunId>,
    /// Whether the record could be locked while it was read.
    had_turn: bool,
}

impl Seen {
    /// The node's clock now, as far as it is known: never ahead of it.
    fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.at.elapsed()).unwrap_or(SignedDuration::MAX);
        self.moment.now.checked_add(since).unwrap_or(Timestamp::MAX)
    }
}

/// What was last seen of a node, for the heartbeat.
#[derive(Default)]
pub(super) struct LastSeen(Mutex<Option<Seen>>);

impl LastSeen {
    fn get(&self) -> Option<Seen> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, seen: Option<Seen>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

/// Takes the node for a run.
pub(super) fn claim(node: &Node<'_>, last: &LastSeen, claim: &Claim) -> Result<Epoch, ClaimError> {
    let begun = Instant::now();
    let mut tried = None;
    let mut judged = None;
    loop {
        match try_claim(node, last, claim, &mut tried, &mut judged) {
            Err(ClaimError::Held(_) | ClaimError::EffectRuns(_))
                if begun.elapsed() < claim.wait.duration() =>
            {
                let left = claim.wait.duration().saturating_sub(begun.elapsed());
                std::thread::sleep(PAUSE.min(left));
            }
            other => return other,
        }
    }
}

/// `tried` is the record that was last to be written, byte by byte, with its epoch; `judged` is a hold whose run had
/// not come to its end, and when it was asked.
fn try_claim(
    node: &Node<'_>,
    last: &LastSeen,
    claim: &Claim,
    tried: &mut Option<(Vec<u8>, Epoch)>,
    judged: &mut Option<(Epoch, Instant)>,
) -> Result<Epoch, ClaimError> {
    for _ in 0..TRIES {
        let seen = look(node, How::Make).map_err(ClaimError::Fault)?;
        // A connection may break while the script goes on: then the record is written after the look for it.
        if let Some((_, epoch)) = tried.as_ref().filter(|(bytes, _)| *bytes == seen.bytes) {
            last.set(Some(seen));
            return Ok(*epoch);
        }
        // So it is also when the holder's runner was put to sleep while it had the record locked.
        let mut record = seen.record.clone();
        let mut left_behind = None;
        if let Err(held) = record.admits(claim, &seen.moment) {
            let Some(holder) = record.left_alone(&seen.moment) else {
                return Err(held);
            };
            // That it has not ended is asked anew, but not each time: its journal may be long.
            let epoch = holder.epoch;
            let known = judged.filter(|(asked, at)| *asked == epoch && at.elapsed() < ASK_AGAIN);
            if known.is_some() || !is_over(node, &holder.run) {
                *judged = known.or(Some((epoch, Instant::now())));
                return Err(held);
            }
            left_behind = record.vacate();
        }
        if !seen.had_turn {
            return Err(ClaimError::Fault(no_turn(node)));
        }
        // The lease counts from that look: whoever is put to sleep here may find it over when it wakes.
        let mut change = record.taken(claim, seen.moment.clone());
        change.first.extend(left_behind.map(Edit::With));
        let epoch = change.record.epoch;
        *tried = Some((change.record.bytes(), epoch));
        match swap(node, last, &seen, change, Swap::Take).map_err(ClaimError::Fault)? {
            Swapped::Done => return Ok(epoch),
            Swapped::EffectRuns => {
                return Err(ClaimError::EffectRuns(node.folder.how_to_see_effects()));
            }
            Swapped::Changed | Swapped::Over => {}
        }
    }
    Err(ClaimError::Fault(too_busy(node)))
}

/// Whether a run came to its end, as the node's copy of its journal says: then its runner died before it gave the node up.
/// What took another run back has more to tidy up than that.
fn is_over(node: &Node<'_>, run: &RunId) -> bool {
    let Ok(Ok(journal)) = kept(node, run).map(|journal| decode(&journal)) else {
        return false;
    };
    let undoes = journal.records.iter().any(|record| {
        let entry = &record.entry;
        matches!(
            entry,
            Entry::Started {
                undoes: Some(_),
                ..
            }
        )
    });
    let ended = match journal.records.last().map(|record| &record.entry) {
        Some(Entry::Ended { ending, .. }) => match ending {
            Ending::Done | Ending::DoneWithFailures | Ending::Abandoned { .. } => true,
            Ending::Undone { .. } => false,
        },
        _ => false,
    };
    ended && !undoes
}

/// Prolongs the lease of whoever still holds the node.
pub(super) fn renew(node: &Node<'_>, last: &LastSeen, holding: &Holding) -> Result<(), Fault> {
    let mut known = last.get();
    for _ in 0..TRIES {
        let seen = match known.take() {
            Some(seen) => seen,
            None => look(node, How::Look)?,
        };
        let change = seen.record.clone().renewed(holding, seen.now());
        let change = match change {
            Ok(change) => change,
            // What was known may be old: another may have prolonged the lease, or given the node up.
            Err(_) if last.get().is_some() => {
                last.set(None);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        match swap(node, last, &seen, change, Swap::Renew)? {
            Swapped::Done => return Ok(()),
            Swapped::Changed => {}
            // The node's clock was set forward, or the answer took long: the node says how things are.
            Swapped::Over => {
                let seen = look(node, How::Look)?;
                seen.record
                    .guard(&holding.run, holding.epoch, seen.moment.now)?;
            }
            Swapped::EffectRuns => return Err(too_busy(node)),
        }
    }
    Err(too_busy(node))
}

/// Gives the node up.
pub(super) fn release(
    node: &Node<'_>,
    last: &LastSeen,
    holding: &Holding,
    release: &Release,
) -> Result<(), Fault> {
    let mut known = last.get();
    for _ in 0..TRIES {
        let seen = match known.take() {
            Some(seen) => seen,
            None => look(node, How::Look)?,
        };
        let change = match seen.record.clone().released(holding, release) {
            Ok(change) => change,
            Err(_) if last.get().is_some() => {
                last.set(None);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        if let Swapped::Done = swap(node, last, &seen, change, Swap::Release)? {
            last.set(None);
            return Ok(());
        }
    }
    Err(too_busy(node))
}

/// Who holds the node, and which runs changed it.
pub(super) fn holder(node: &Node<'_>) -> Result<NodeRecord, Fault> {
    let seen = look(node, How::Look)?;
    Ok(NodeRecord {
        holder: seen.record.holder,
        history: seen.history,
    })
}

/// Why the run does not hold the node, if the node's record says so.
pub(super) fn guard(node: &Node<'_>, run: &RunId, epoch: Epoch) -> Result<(), Fault> {
    let seen = look(node, How::Look)?;
    seen.record.guard(run, epoch, seen.moment.now)
}

/// Adds lines to the node's copy of the journal, unless another runner has the node.
pub(super) fn keep(node: &Node<'_>, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
    write(node, holding, "more", lines)
}

/// Replaces the node's copy of the journal, unless another runner has the node.
pub(super) fn keep_anew(node: &Node<'_>, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
    write(node, holding, "anew", lines)
}

fn write(node: &Node<'_>, holding: &Holding, how: &str, lines: &[u8]) -> Result<(), Fault> {
    let mut arguments = vec![
        node.folder.path().display().to_string(),
        holding.run.to_string(),
        holding.epoch.0.to_string(),
        how.to_owned(),
    ];
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    for (first, count) in rows(lines) {
        arguments.extend([first.to_string(), count.to_string()]);
    }
    let input = [lines, b"\n."].concat();
    // What is there already is not added again: so this may be asked twice, too.
    let answer = node.look(scripts::keep(), &arguments, &input, 0, &patience())?;
    match answer.code {
        0 => Ok(()),
        70 => {
            let seen = look(node, How::Look)?;
            seen.record.held_by(&holding.run, holding.epoch)?;
            let what = "another runner was taking the node";
            Err(Fault::new(FaultKind::Fenced, what))
        }
        71 => Err(no_turn(node)),
        73 => Err(said(
            &answer.err,
            "written",
            &node.folder.journal(&holding.run),
        )),
        _ => Err(nonsense(scripts::keep(), &answer)),
    }
}

/// The numbers of a journal's lines, as rows without a gap: the first of each row, and how many they are. None when
/// they have no numbers.
fn rows(lines: &[u8]) -> Vec<(u64, u64)> {
    #[derive(Deserialize)]
    struct Line {
        rec: Numbered,
    }
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    let mut rows: Vec<(u64, u64)> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            return Vec::new();
        };
        match rows.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(line.rec.seq) => *count += 1,
            _ => rows.push((line.rec.seq, 1)),
        }
    }
    rows
}

/// The node's copy of a run's journal.
pub(super) fn kept(node: &Node<'_>, run: &RunId) -> Result<Vec<u8>, Fault> {
    let journal = node.folder.journal(run);
    let arguments = [journal.display().to_string()];
    let answer = node.look(
        scripts::kept(),
        &arguments,
        &[],
        LONGEST_JOURNAL,
        &patience(),
    )?;
    match answer.code {
        0 => Ok(answer.out.to_vec()),
        _ => Err(said(&answer.err, "read", &journal)),
    }
}

/// How a record is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As it is.
    Look,
    /// The node's folder is made if need be, and nobody changes the record meanwhile.
    Make,
}

/// What a new record is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Swap {
    Take,
    Renew,
    Release,
}

/// What became of it.
enum Swapped {
    Done,
    /// Somebody else changed the record in between.
    Changed,
    /// The lease is over.
    Over,
    /// An effect runs.
    EffectRuns,
}

fn look(node: &Node<'_>, how: How) -> Result<Seen, Fault> {
    let word = if how == How::Make { "make" } else { "look" };
    let folder = node.folder.path();
    let arguments = [folder.display().to_string(), word.to_owned()];
    let answer = node.look(scripts::hold_look(), &arguments, &[], LONGEST, &patience())?;
    match answer.code {
        0 => {}
        69 => return Err(no_flock()),
        73 if how == How::Make => {
            return Err(node_folder::not_made(
                said(&answer.err, "made", folder),
                folder,
            ));
        }
        73 => return Err(said(&answer.err, "read", folder)),
        _ => return Err(nonsense(scripts::hold_look(), &answer)),
    }
    let parts =
        Sections::parse(&answer.out).ok_or_else(|| nonsense(scripts::hold_look(), &answer))?;
    if let Some(text) = parts.text("folder")
        && let Some(fault) = unsafe_folder(node, text)
    {
        return Err(fault);
    }
    seen(node, &parts, &answer)
}

fn seen(node: &Node<'_>, parts: &Sections<'_>, answer: &Answer) -> Result<Seen, Fault> {
    let bytes = parts.bytes("lock.json").unwrap_or_default().to_vec();
    let record = if bytes.is_empty() {
        Record::default()
    } else {
        Record::parse(&bytes, &node.folder.lock_record())?
    };
    let history = parts.text("history").unwrap_or_default();
    let boot = record.boot_seen(parts.text("boot").unwrap_or_default());
    Ok(Seen {
        record,
        bytes,
        moment: Moment {
            now: clock(parts).ok_or_else(|| nonsense(scripts::hold_look(), answer))?,
            boot,
        },
        at: Instant::now(),
        history: history.lines().filter_map(|run| run.parse().ok()).collect(),
        had_turn: parts.text("turn").is_none(),
    })
}

fn clock(parts: &Sections<'_>) -> Option<Timestamp> {
    Timestamp::from_millisecond(parts.text("clock")?.parse().ok()?).ok()
}

/// Mode, owner, and who asks, as the script says them.
fn unsafe_folder(node: &Node<'_>, text: &str) -> Option<Fault> {
    let mut words = text.split(' ');
    let letters = words.next()?;
    let (owner, me) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mode = letters
        .chars()
        .skip(1)
        .take(9)
        .fold(0, |mode, letter| mode << 1 | u32::from(letter != '-'));
    node_folder::unsafe_folder(node.folder.path(), owner, mode, me)
}

fn swap(
    node: &Node<'_>,
    last: &LastSeen,
    seen: &Seen,
    change: Change,
    kind: Swap,
) -> Result<Swapped, Fault> {
    let bytes = change.record.bytes();
    let until = seen.record.holder.as_ref().and_then(|holder| holder.until);
    let word = match kind {
        Swap::Take => "take",
        Swap::Renew => "renew",
        Swap::Release => "release",
    };
    let mut arguments = vec![
        node.folder.path().display().to_string(),
        word.to_owned(),
        until.map_or(0, Timestamp::as_millisecond).to_string(),
        String::from_utf8_lossy(&seen.bytes).into_owned(),
        change.record.line().trim_end().to_owned(),
        String::from_utf8_lossy(&bytes).into_owned(),
    ];
    arguments.extend(change.first.iter().map(edit));
    if !change.then.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend(change.then.iter().map(edit));
    }
    last.set(None);
    let answer = match node.run(scripts::hold_swap(), &arguments, &[], LONGEST, &patience()) {
        Ok(answer) => answer,
        // Whether it was written can be seen.
        Err(error) if error.kind == RemoteErrorKind::Lost => {
            let now = look(node, How::Look)?;
            if now.bytes != bytes {
                return Ok(Swapped::Changed);
            }
            last.set(Some(now));
            return Ok(Swapped::Done);
        }
        Err(error) => return Err(fault(error, Asked::ToAct)),
    };
    match answer.code {
        0 => {}
        69 => return Err(no_flock()),
        70 => return Ok(Swapped::Over),
        71 => return Err(no_turn(node)),
        73 => return Err(said(&answer.err, "written", &node.folder.lock_record())),
        74 => return Ok(Swapped::Changed),
        76 => return Ok(Swapped::EffectRuns),
        _ => return Err(nonsense(scripts::hold_swap(), &answer)),
    }
    if let Some(now) = Sections::parse(&answer.out).as_ref().and_then(clock) {
        last.set(Some(Seen {
            record: change.record,
            bytes,
            moment: Moment {
                now,
                boot: seen.moment.boot.clone(),
            },
            at: Instant::now(),
            history: Vec::new(),
            had_turn: true,
        }));
    }
    Ok(Swapped::Done)
}

fn edit(edit: &Edit) -> String {
    match edit {
        Edit::With(run) => format!("+{run}"),
        Edit::Without(run) => format!("-{run}"),
    }
}

fn patience() -> Watch<'static> {
    Watch::unbroken(Millis::from(RECORD_PATIENCE + ANSWER))
}

fn no_flock() -> Fault {
    Fault::new(FaultKind::Failed, "there is no program `flock` on the node")
        .hint("install it: it is a part of util-linux and of busybox")
}

fn no_turn(node: &Node<'_>) -> Fault {
    let lock = node.folder.claim_lock();
    let what = format!(
        "waiting for {}, which another clusterctl has locked, did not end within {}",
        lock.display(),
        Millis::from(RECORD_PATIENCE)
    );
    Fault::new(FaultKind::TimedOut, what)
}

fn too_busy(node: &Node<'_>) -> Fault {
    let what = format!(
        "others change {} again and again",
        node.folder.lock_record().display()
    );
    Fault::new(FaultKind::Failed, what)
}
