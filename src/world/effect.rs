//! Effects on a node: brought to its fence, waited for, and found again when the connection broke.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::effect_record::{Commanded, Record, Stamp, not_remembered};
use super::ending::{self, Ending, TAIL_BYTES, Written};
use super::file_here::LARGEST;
use super::hold;
use super::job::{Ends, Job};
use super::names::with_ending;
use super::node::{Answer, Node, nonsense};
use super::scripts;
use super::sections::Sections;
use super::trouble::{Asked, fault, said};
use super::watch::Watch;
use crate::engine::{Call, Direction, Epoch, Fault, FaultKind};
use crate::plan::{Millis, Outputs, RunId, StepId};
use crate::remote::{RemoteError, RemoteErrorKind};

/// What is left of a command's output that may repeat secrets which nobody can recognise.
const WITHHELD: &str = "What the command wrote was not kept: it may repeat a secret, and that could not be resolved any more.\n";

/// How long a command may take to end once it was asked to, and the node to say so.
const GRACE: Duration = Duration::from_secs(20);

/// How long to wait for the lock when an outcome is to be remembered, and for the answer.
const RECORD_PATIENCE: Millis = Millis::secs(40);

/// How often something that changed in between is looked at again.
const TRIES: u32 = 5;

/// One direction of one step of a run on a node.
pub(super) struct Effect<'a> {
    node: Node<'a>,
    run: &'a RunId,
    step: &'a StepId,
    direction: Direction,
    epoch: Epoch,
}

/// What the node remembers of an effect, as its files say.
struct Memory {
    /// The exit code of the fence, when it has just ended.
    code: Option<i64>,
    last: Option<Record>,
    exit: String,
    pid: String,
    ended: String,
    /// Whether a later attempt to take the step back succeeded.
    was_taken_back: bool,
    token: String,
    out: Tail,
    err: Tail,
}

/// What an attempt finds, and takes the place of.
struct Before {
    token: String,
    forget: &'static str,
    record: Option<Record>,
}

impl Before {
    fn none(direction: Direction) -> Self {
        Self {
            token: "none".to_owned(),
            forget: match direction {
                Direction::Do => "undo",
                Direction::Undo => "nothing",
            },
            record: None,
        }
    }
}

/// What becomes of the record of an attempt.
#[derive(Default)]
enum NewRecord<'a> {
    #[default]
    Stays,
    /// Another is there in its place.
    Is(&'a Record),
    /// None is there any more.
    Gone,
}

impl NewRecord<'_> {
    /// What the file is to be; nothing when it is to go.
    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Stays => None,
            Self::Is(record) => Some(record.bytes()),
            Self::Gone => Some(Vec::new()),
        }
    }
}

/// A change of what a node remembers of an attempt.
#[derive(Default)]
struct Change<'a> {
    record: NewRecord<'a>,
    out: Option<&'a [u8]>,
    err: Option<&'a [u8]>,
    /// What is removed.
    beside: Option<&'a Path>,
    forgets_do: bool,
}

/// The end of what a command wrote.
#[derive(Default)]
struct Tail {
    bytes: Zeroizing<Vec<u8>>,
    is_all: bool,
}

impl<'a> Effect<'a> {
    pub(super) fn of(node: Node<'a>, call: &Call<'a>) -> Self {
        Self {
            node,
            run: call.run,
            step: call.step,
            direction: call.direction,
            epoch: call.epoch,
        }
    }

    /// Does the job under the node's effect lock. What it came to is on the node even when nobody is told.
    pub(super) fn perform(&self, job: &Job, watch: &Watch<'_>) -> Result<Outputs, Fault> {
        let command = Commanded {
            shown: job.shown.clone(),
            success: match &job.ends {
                Ends::Command(success) => success.clone(),
                Ends::Files => vec![0],
            },
            secrets: job.secrets.clone(),
            files: matches!(job.ends, Ends::Files),
        };
        let mut known: Option<Memory> = None;
        for _ in 0..TRIES {
            let before = match known.take() {
                Some(memory) => self.before(memory),
                None => Before::none(self.direction),
            };
            let record = Record::begun(
                self.epoch,
                Some(command.clone()),
                job.beside.clone(),
                before.record.clone(),
            );
            let memory = self.bring(job, &record, &before, watch)?;
            if record.was_started(&memory.pid) {
                return self.conclude(&command, &record, &memory, watch);
            }
            match memory.code {
                Some(74) => known = Some(memory),
                code => return Err(self.not_started(job, code, watch)),
            }
        }
        let what = "what the node remembers of the step changes again and again";
        Err(Fault::new(FaultKind::Failed, what))
    }

    /// What the command of an earlier attempt came to, if the node knows. Waits until no effect runs.
    pub(super) fn settle(
        &self,
        watch: &Watch<'_>,
    ) -> Result<Option<Result<Outputs, Fault>>, Fault> {
        let mut memory = self.wait("-", "-", watch, TAIL_BYTES)?;
        if memory.may_repeat_more_secrets() {
            memory = self.wait("-", "-", watch, LARGEST)?;
        }
        if memory.was_taken_back {
            return Ok(None);
        }
        let Some(record) = &memory.last else {
            return Ok(None);
        };
        if let Some(outcome) = record.outcome() {
            return Ok(Some(outcome));
        }
        if let (Some(command), Some(_)) = (&record.command, record.exit_code(&memory.exit)) {
            return Ok(Some(self.conclude(command, record, &memory, watch)));
        }
        let never_begun = record.command.is_some() && !record.was_started(&memory.pid);
        if never_begun || record.beside().is_some() {
            // What is left then is in the way of nothing, and goes with the next attempt.
            let _ = self.remember(
                record,
                &Change {
                    beside: record.beside(),
                    record: match record.before() {
                        _ if !never_begun => NewRecord::Stays,
                        Some(before) => NewRecord::Is(before),
                        None => NewRecord::Gone,
                    },
                    ..Change::default()
                },
            );
        }
        Ok(None)
    }

    /// Brings the job to the fence, and waits for its end, wherever it is waited for.
    fn bring(
        &self,
        job: &Job,
        record: &Record,
        before: &Before,
        watch: &Watch<'_>,
    ) -> Result<Memory, Fault> {
        // What may repeat secrets is read whole, so that they can be masked.
        let most = if job.secrets.is_empty() {
            TAIL_BYTES
        } else {
            LARGEST
        };
        let (input, arguments) = self.for_the_front(job, record, before, most, watch);
        let room = usize::try_from(2 * most)
            .unwrap_or(usize::MAX)
            .saturating_add(1 << 20);
        // The fence ends the command when the time is up, and must have the time to say so.
        let longer = watch.longer(GRACE);
        let error = match self
            .node
            .run(scripts::front(), &arguments, &input, room, &longer)
        {
            Ok(answer) => match self.answered(&answer) {
                Some(memory) => return memory,
                None => RemoteError::new(
                    RemoteErrorKind::Lost,
                    nonsense(scripts::front(), &answer).what,
                ),
            },
            Err(error) if error.kind.nothing_begun() => {
                if matches!(error.kind, RemoteErrorKind::Here | RemoteErrorKind::TooLong) {
                    let what = format!("`{}` can't be started: {error}", shortened(&job.shown));
                    return Err(Fault::new(FaultKind::Failed, what));
                }
                return Err(fault(error, Asked::ToLook));
            }
            Err(error) => error,
        };
        self.find_again(record, &error, most, watch)
    }

    /// Asks the node itself what became of an attempt when its answer did not come.
    fn find_again(
        &self,
        record: &Record,
        error: &RemoteError,
        most: u64,
        watch: &Watch<'_>,
    ) -> Result<Memory, Fault> {
        let (mut why, mut rest) = match error.kind {
            RemoteErrorKind::Cancelled => ("cancelled", watch.unbroken_rest(GRACE)),
            RemoteErrorKind::TimedOut => ("timed-out", watch.unbroken_rest(GRACE)),
            _ => ("-", watch.longer(GRACE)),
        };
        let mut found = self.wait(&record.attempt, why, &rest, most);
        if found
            .as_ref()
            .is_err_and(|fault| fault.kind == FaultKind::Cancelled)
        {
            (why, rest) = ("cancelled", watch.unbroken_rest(GRACE));
            found = self.wait(&record.attempt, why, &rest, most);
        }
        found.map_err(|second| Fault {
            kind: FaultKind::LostOutcome,
            what: format!(
                "{error}; whether it was done can't be seen: {}",
                second.what
            ),
            hint: second.hint,
        })
    }

    /// Waits until no effect runs, and reads what the node remembers.
    fn wait(
        &self,
        attempt: &str,
        why: &str,
        watch: &Watch<'_>,
        most: u64,
    ) -> Result<Memory, Fault> {
        let arguments = [
            self.folder(),
            shown(&self.base()),
            self.other(),
            attempt.to_owned(),
            why.to_owned(),
            watch.left().as_secs().to_string(),
            most.to_string(),
        ];
        let room = usize::try_from(2 * most)
            .unwrap_or(usize::MAX)
            .saturating_add(1 << 20);
        let longer = watch.longer(GRACE);
        let answer = self
            .node
            .look(scripts::await_end(), &arguments, &[], room, &longer)?;
        match answer.code {
            71 => Err(ending::not_started(
                71,
                self.node.folder.path(),
                "/",
                || None,
            )),
            _ => self
                .answered(&answer)
                .unwrap_or_else(|| Err(nonsense(scripts::await_end(), &answer))),
        }
    }

    /// An answer as what the node remembers; `None` when it is not whole.
    fn answered(&self, answer: &Answer) -> Option<Result<Memory, Fault>> {
        let nothing = || Memory::nothing(answer.code);
        match answer.code {
            0 => {}
            69 | 70 | 75 => return Some(Ok(nothing())),
            73 => return Some(Err(said(&answer.err, "written", self.node.folder.path()))),
            _ => return None,
        }
        let parts = Sections::parse(&answer.out)?;
        parts.text("token")?;
        Some(Memory::read(&parts, &self.base(), self.direction))
    }

    /// What the attempt takes the place of.
    fn before(&self, memory: Memory) -> Before {
        let forget = match self.direction {
            Direction::Undo => "nothing",
            Direction::Do if memory.was_taken_back => "undone",
            Direction::Do => "undo",
        };
        let record = memory.last.as_ref().filter(|_| !memory.was_taken_back);
        // Its exit code is overwritten: the record says then what it meant.
        let record = record.map(|record| {
            match (
                &record.command,
                record.exit_code(&memory.exit),
                record.outcome(),
            ) {
                (Some(command), Some(code), None) => {
                    record.ended(&self.ending(command).judge(code, || memory.written()))
                }
                _ => record.clone(),
            }
        });
        Before {
            token: memory.token,
            forget,
            record,
        }
    }

    /// What is brought to the front: standard input, and arguments.
    fn for_the_front(
        &self,
        job: &Job,
        record: &Record,
        before: &Before,
        most: u64,
        watch: &Watch<'_>,
    ) -> (Zeroizing<Vec<u8>>, Vec<String>) {
        let begun = lines(record);
        let former = before.record.as_ref().map(lines).unwrap_or_default();
        let mut input = Zeroizing::new(Vec::with_capacity(
            begun.len() + former.len() + job.input.len(),
        ));
        for part in [&begun, &former, &*job.input] {
            input.extend_from_slice(part);
        }
        let left = watch.left();
        let mut arguments = vec![
            scripts::fence().text.to_owned(),
            scripts::timer().text.to_owned(),
            most.to_string(),
            input.len().to_string(),
            self.folder(),
            self.run.to_string(),
            self.epoch.0.to_string(),
            shown(&self.base()),
            self.other(),
            record.attempt.clone(),
            before.token.clone(),
            before.forget.to_owned(),
            left.as_secs().to_string(),
            format!("{}.{:03}", left.as_secs(), left.subsec_millis()),
            job.dir.as_ref().map_or("/", |dir| dir.as_str()).to_owned(),
            memchr::memchr_iter(b'\n', &begun).count().to_string(),
            memchr::memchr_iter(b'\n', &former).count().to_string(),
        ];
        arguments.extend(job.words.iter().cloned());
        (input, arguments)
    }

    /// What a command that was started came to. Only what a person or a later look could not tell by itself is
    /// written to the node.
    fn conclude(
        &self,
        command: &Commanded,
        record: &Record,
        memory: &Memory,
        watch: &Watch<'_>,
    ) -> Result<Outputs, Fault> {
        let ending = self.ending(command);
        let what = format!("`{}`", command.shown);
        let outcome = match (memory.ended(record), record.exit_code(&memory.exit)) {
            (Some("timed-out"), _) => {
                Err(ending.with_last_lines(watch.timed_out(&what), &memory.written()))
            }
            (Some(_), _) => Err(ending.with_last_lines(Watch::cancelled(&what), &memory.written())),
            (None, Some(code)) => ending.judge(code, || memory.written()),
            (None, None) => {
                let what = format!("{what} was started, and left no exit code");
                return Err(Fault::new(FaultKind::LostOutcome, what));
            }
        };
        let masked = self.masked(&ending, memory);
        let kept = if outcome.is_ok() && masked.iter().all(Option::is_none) {
            Ok(())
        } else {
            let ended = record.ended(&outcome);
            self.remember(
                record,
                &Change {
                    record: NewRecord::Is(&ended),
                    out: masked[0].as_deref().map(Vec::as_slice),
                    err: masked[1].as_deref().map(Vec::as_slice),
                    // Work that was killed could not clear it away itself.
                    beside: record.beside().filter(|_| outcome.is_err()),
                    forgets_do: self.direction == Direction::Undo && outcome.is_ok(),
                },
            )
        };
        match (outcome, kept) {
            (Ok(_), Err(fault)) => Err(not_remembered(&fault)),
            (outcome, _) => outcome,
        }
    }

    /// What the command's output is to be on the node, where it repeats a secret.
    fn masked(&self, ending: &Ending<'_>, memory: &Memory) -> [Option<Zeroizing<Vec<u8>>>; 2] {
        let files = [&memory.out, &memory.err];
        if ending.command.secrets.is_empty() {
            return [None, None];
        }
        let can_mask = ending.all_known();
        files.map(|tail| {
            if tail.bytes.is_empty() {
                None
            } else if can_mask && tail.is_all {
                self.node.vault.mask_bytes(&tail.bytes)
            } else {
                Some(Zeroizing::new(WITHHELD.into()))
            }
        })
    }

    /// Changes what the node remembers of the attempt, unless another was begun since.
    fn remember(&self, attempt: &Record, change: &Change<'_>) -> Result<(), Fault> {
        let record = change.record.bytes();
        let size = |part: Option<usize>| part.map_or("-".to_owned(), |size| size.to_string());
        let arguments = [
            self.folder(),
            shown(&self.base()),
            if change.forgets_do {
                shown(&self.path(Direction::Do).with_extension(""))
            } else {
                "-".to_owned()
            },
            attempt.attempt.clone(),
            change.beside.map(shown).unwrap_or_default(),
            size(record.as_ref().map(Vec::len)),
            size(change.out.map(<[u8]>::len)),
            size(change.err.map(<[u8]>::len)),
        ];
        let parts = [record.as_deref(), change.out, change.err];
        let input: Vec<u8> = parts.into_iter().flatten().flatten().copied().collect();
        let watch = Watch::unbroken(RECORD_PATIENCE);
        let answer = self
            .node
            .look(scripts::remember(), &arguments, &input, 0, &watch)?;
        match answer.code {
            0 => Ok(()),
            73 => Err(said(&answer.err, "written", self.node.folder.path())),
            _ => Err(nonsense(scripts::remember(), &answer)),
        }
    }

    fn not_started(&self, job: &Job, code: Option<i64>, watch: &Watch<'_>) -> Fault {
        let what = format!("`{}`", job.shown);
        match code {
            // The connection broke, and the fence keeps it from starting later.
            None if watch.left().is_zero() => watch.timed_out(&what),
            None | Some(77) if watch.is_broken_off() => Watch::cancelled(&what),
            None | Some(75 | 77) => Fault::new(
                FaultKind::Unreachable,
                format!("the connection broke before {what} was started"),
            ),
            Some(code) => {
                let dir = job.dir.as_ref().map_or("/", |dir| dir.as_str());
                let guard = || hold::guard(&self.node, self.run, self.epoch).err();
                ending::not_started(code, self.node.folder.path(), dir, guard)
            }
        }
    }

    fn ending<'c>(&self, command: &'c Commanded) -> Ending<'c>
    where
        'a: 'c,
    {
        let base = self.path(self.direction);
        Ending {
            command,
            out: base.with_extension("out"),
            err: base.with_extension("err"),
            vault: self.node.vault,
        }
    }

    fn folder(&self) -> String {
        shown(self.node.folder.path())
    }

    fn path(&self, direction: Direction) -> PathBuf {
        self.node.folder.effect(self.run, self.step, direction)
    }

    /// The record's path without its ending.
    fn base(&self) -> PathBuf {
        self.path(self.direction).with_extension("")
    }

    /// Where an attempt to take the step back would be remembered; taking back has no such thing.
    fn other(&self) -> String {
        match self.direction {
            Direction::Do => shown(&self.path(Direction::Undo).with_extension("")),
            Direction::Undo => shown(&self.base()) + ".none",
        }
    }
}

/// What the node remembers of a step.
pub(super) fn stamp(
    node: Node<'_>,
    run: &RunId,
    step: &StepId,
    watch: &Watch<'_>,
) -> Result<Stamp, Fault> {
    let path = |direction| node.folder.effect(run, step, direction).with_extension("");
    let base = path(Direction::Do);
    let arguments = [shown(&base), shown(&path(Direction::Undo))];
    let answer = node.look(scripts::stamp(), &arguments, &[], 1 << 20, watch)?;
    let parts = Sections::parse(&answer.out).filter(|_| answer.code == 0);
    let parts = parts.ok_or_else(|| nonsense(scripts::stamp(), &answer))?;
    let memory = Memory::read(&parts, &base, Direction::Do)?;
    Ok(
        match memory.last.as_ref().filter(|_| !memory.was_taken_back) {
            None => Stamp::Absent,
            Some(record) if record.has_succeeded(&memory.exit) => Stamp::Done,
            Some(_) => Stamp::Begun,
        },
    )
}

impl Memory {
    fn nothing(code: i64) -> Self {
        Self {
            code: Some(code),
            last: None,
            exit: String::new(),
            pid: String::new(),
            ended: String::new(),
            was_taken_back: false,
            token: String::new(),
            out: Tail::default(),
            err: Tail::default(),
        }
    }

    fn read(parts: &Sections<'_>, base: &Path, direction: Direction) -> Result<Self, Fault> {
        let text = |name: &str| parts.text(name).unwrap_or_default().to_owned();
        let record = |name: &str| {
            let path = with_ending(base, ".json");
            let record = parts.bytes(name).map(|bytes| Record::parse(bytes, &path));
            record.transpose()
        };
        let other = record("other.json")?.filter(|_| direction == Direction::Do);
        Ok(Self {
            code: parts.text("code").and_then(|code| code.parse().ok()),
            last: record("json")?,
            exit: text("exit"),
            pid: text("pid"),
            ended: text("ended"),
            was_taken_back: other.is_some_and(|other| other.has_succeeded(&text("other.exit"))),
            token: text("token"),
            out: Tail::read(parts, "out"),
            err: Tail::read(parts, "err"),
        })
    }

    /// Whether more was written than was read by a command that knew secrets.
    fn may_repeat_more_secrets(&self) -> bool {
        let command = self.last.as_ref().and_then(|last| last.command.as_ref());
        let knew_some = command.is_some_and(|command| !command.secrets.is_empty());
        knew_some && !(self.out.is_all && self.err.is_all)
    }

    /// Why the attempt was ended before its time, if it was.
    fn ended(&self, record: &Record) -> Option<&str> {
        let (attempt, why) = self.ended.trim_end().split_once(' ')?;
        (attempt == record.attempt).then_some(why)
    }

    fn written(&self) -> Written {
        Written {
            out: self.out.text(),
            err: self.err.text(),
        }
    }
}

impl Tail {
    fn read(parts: &Sections<'_>, name: &str) -> Self {
        let bytes = parts.bytes(name).unwrap_or_default().to_vec();
        let from = parts.text(&format!("{name}.from"));
        Self {
            bytes: Zeroizing::new(bytes),
            is_all: from.is_none_or(|from| from == "0"),
        }
    }

    fn text(&self) -> String {
        let end = self
            .bytes
            .len()
            .saturating_sub(usize::try_from(TAIL_BYTES).unwrap_or(usize::MAX));
        ending::end_of(&self.bytes[end..], self.is_all && end == 0)
    }
}

/// A record as lines, each of which has an end.
fn lines(record: &Record) -> Vec<u8> {
    let mut lines = record.bytes();
    lines.push(b'\n');
    lines
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A command as a person wants to see it in a sentence.
fn shortened(shown: &str) -> String {
    match shown.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &shown[..end]),
        None => shown.to_owned(),
    }
}
