//! The journal: what a run meant to do and what came of it, written before and after each effect.
//!
//! One line a record, each with a checksum over its own bytes. A line that the
//! end of the file cuts off was never acknowledged and is dropped; damage
//! anywhere else is reported, never guessed around.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{Direction, Epoch, Fault, How, PlanText, Runner};
use crate::config::NodeName;
use crate::plan::{Outputs, RunId, Sha256, StepId};

/// The version of the journal format that this program writes, and the newest that it reads.
pub const JOURNAL_FORMAT: u32 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Its number; the first has 1, and each next one more.
    pub seq: u64,
    /// When it was written.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Entry {
    /// A run began.
    Started {
        /// The version of this format.
        format: u32,
        /// The program and its version.
        tool: String,
        /// The run.
        run: RunId,
        /// The plan's digest.
        digest: Sha256,
        /// Who runs it.
        runner: Runner,
        /// Who approved the plan, as the command line said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<String>,
        /// The run that this one takes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<RunId>,
    },
    /// What it does: with this, another machine can go on when the runner's is gone for good.
    Planned {
        /// The plan.
        plan: PlanText,
    },
    /// An unfinished run goes on.
    Resumed {
        /// The program and its version.
        tool: String,
        /// Who runs it.
        runner: Runner,
    },
    /// A node is held.
    Claimed {
        /// The node.
        node: NodeName,
        /// With this epoch.
        epoch: Epoch,
    },
    /// A temporary change is about to be made, and will have to be given back by the step's undo.
    Owed {
        /// The step.
        step: StepId,
        /// Until when it may stay.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A step is about to be done or taken back.
    Intent {
        /// The step.
        step: StepId,
        /// Which of the two.
        direction: Direction,
    },
    /// What came of it.
    Outcome {
        /// The step.
        step: StepId,
        /// Whether it was to be done or taken back.
        direction: Direction,
        /// What came of it.
        result: StepResult,
    },
    /// A person's answer about a step.
    Answered {
        /// The step.
        step: StepId,
        /// What the person gave as evidence.
        evidence: String,
        /// Who.
        by: String,
    },
    /// The run stopped and is unfinished.
    Stopped {
        /// The exit code.
        exit: u8,
        /// The state that things are in, in words.
        state: String,
        /// Why.
        because: String,
    },
    /// The run is over.
    Ended {
        /// How.
        ending: Ending,
        /// The state that things are in, in words.
        state: String,
    },
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// It is done, and its proof holds.
    Done {
        /// How it came to be done.
        how: How,
        /// What it gave for later steps.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: Outputs,
    },
    /// It failed, and things are as they were before it.
    Failed {
        /// What went wrong.
        fault: Fault,
    },
    /// It failed, and neither its proof nor its guards hold.
    Unclear {
        /// What went wrong.
        fault: Fault,
    },
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything is done.
    Done,
    /// Some lanes failed, as many as the plan allows, and were returned; the rest is done.
    DoneWithFailures,
    /// Nothing remains of what it did.
    Undone {
        /// The run that took it back, where it was another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RunId>,
    },
    /// Somebody gave it up as it was.
    Abandoned {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Where lines go that must not be lost.
pub trait Log: Send {
    /// Adds a line, and has it on disk before it returns. A line that could not be written leaves no trace.
    fn append(&mut self, line: &[u8]) -> io::Result<()>;
}

/// A line of the journal's file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    sum: String,
    #[serde(borrow)]
    rec: &'a RawValue,
}

impl Record {
    /// The record as a line, with its checksum.
    pub fn line(&self) -> Vec<u8> {
        // Records are made of strings, numbers and string-keyed maps, which always become JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        let sum = crc32fast::hash(text.as_bytes());
        format!("{{\"sum\":\"{sum:08x}\",\"rec\":{text}}}\n").into_bytes()
    }

    fn from_line(line: &[u8]) -> Result<Self, String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let text = line.rec.get();
        if format!("{:08x}", crc32fast::hash(text.as_bytes())) != line.sum {
            return Err("the checksum does not match".to_owned());
        }
        // A plan is by far the largest that a journal has, and hardly ever looked at: it is not taken apart.
        if memchr::memmem::find(text.as_bytes(), b"\"planned\"").is_some()
            && let Ok(planned) = serde_json::from_str::<Planned<'_>>(text)
            && planned.record == "planned"
        {
            return Ok(Self {
                seq: planned.seq,
                at: planned.at,
                entry: Entry::Planned {
                    plan: PlanText::found(planned.plan),
                },
            });
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// A record with a plan.
#[derive(Deserialize)]
struct Planned<'a> {
    seq: u64,
    at: Timestamp,
    #[serde(borrow)]
    record: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    plan: &'a RawValue,
}

/// What a journal's file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The records, in order.
    pub records: Vec<Record>,
    /// How many bytes of the file are whole records; what follows was never acknowledged.
    pub whole: usize,
}

/// Why a journal can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// A newer program wrote it.
    #[error(
        "the journal has format {found}, and this program reads formats up to {JOURNAL_FORMAT}; \
         use the newer clusterctl that wrote it"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// It is damaged in its midst.
    #[error("the journal is damaged in line {line}: {what}")]
    Damaged {
        /// The line.
        line: usize,
        /// In what way.
        what: String,
    },
}

/// Reads a journal's file.
pub fn decode(bytes: &[u8]) -> Result<Decoded, JournalError> {
    let mut decoded = Decoded::default();
    let mut lines = bytes
        .split_inclusive(|b| *b == b'\n')
        .enumerate()
        .peekable();
    while let Some((index, line)) = lines.next() {
        let damaged = |what: String| JournalError::Damaged {
            line: index + 1,
            what,
        };
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        let record = match Record::from_line(text) {
            Ok(record) => record,
            Err(_) if lines.peek().is_none() && heads(text) <= 1 => break,
            Err(what) => return Err(damaged(what)),
        };
        if let Entry::Started { format, .. } = record.entry
            && format > JOURNAL_FORMAT
        {
            return Err(JournalError::Newer { found: format });
        }
        if decoded
            .records
            .last()
            .is_some_and(|last| last.seq >= record.seq)
        {
            return Err(damaged(format!("record {} comes too late", record.seq)));
        }
        decoded.records.push(record);
        decoded.whole += line.len();
    }
    Ok(decoded)
}

/// The highest number of a record that can be read in a journal's file, however damaged the rest is.
pub fn highest(bytes: &[u8]) -> u64 {
    let records = bytes.split(|b| *b == b'\n').map(Record::from_line);
    let numbers = records.flatten().map(|record| record.seq);
    numbers.max().unwrap_or_default()
}

/// How many records begin in this text.
fn heads(text: &[u8]) -> usize {
    const HEAD: &[u8] = br#"{"sum":""#;
    text.windows(HEAD.len())
        .filter(|window| *window == HEAD)
        .count()
}

/// The records that are in any of these journals of one run, in order.
///
/// Where two say something else under one number, the later list is right: nodes
/// are written to by whoever holds them, a runner's own file may be left behind.
pub fn union(journals: impl IntoIterator<Item = Vec<Record>>) -> Vec<Record> {
    let mut all = BTreeMap::new();
    for record in journals.into_iter().flatten() {
        all.insert(record.seq, record);
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64) -> Record {
        let step = "v/n/s".parse().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        Record {
            seq,
            at,
            entry: Entry::Intent {
                step,
                direction: Direction::Do,
            },
        }
    }

    fn file(seqs: &[u64]) -> Vec<u8> {
        seqs.iter().flat_map(|seq| record(*seq).line()).collect()
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let value = serde_json::json!({ "b": [1, { "record": "planned" }], "a": "\u{1f600}\"" });
        let plan: PlanText = serde_json::from_value(value.clone()).unwrap();
        let mut planned = record(2);
        planned.entry = Entry::Planned { plan };
        let line = planned.line();
        let decoded = decode(&line).unwrap();
        assert_eq!(decoded.records, [planned.clone()]);
        let Entry::Planned { plan } = &decoded.records[0].entry else {
            panic!("it is another record");
        };
        let read: serde_json::Value = serde_json::from_str(plan.as_str()).unwrap();
        assert_eq!(read, value);
        // By the way that all other records go it comes to the same.
        let text = serde_json::to_string(&planned).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), planned);
        assert_eq!(decoded.records[0].line(), line);
    }

    #[test]
    fn what_was_written_is_read() {
        let decoded = decode(&file(&[1, 2, 3])).unwrap();
        assert_eq!(decoded.records, [record(1), record(2), record(3)]);
    }

    #[test]
    fn every_cut_leaves_the_records_before_it() {
        let bytes = file(&[1, 2]);
        let first = record(1).line().len();
        for cut in 0..=bytes.len() {
            let decoded = decode(&bytes[..cut]).unwrap();
            let whole = if cut == bytes.len() {
                2
            } else {
                usize::from(cut >= first)
            };
            assert_eq!(decoded.records.len(), whole, "cut at {cut}");
            assert_eq!(
                decoded.whole,
                bytes[..cut].len().min(first * whole),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn damage_in_the_midst_is_reported_and_at_the_end_dropped() {
        let whole = file(&[1, 2]);
        let first = record(1).line().len();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x04;
            match decode(&bytes) {
                Ok(decoded) => assert_eq!(decoded.records.len(), 1, "at {at}"),
                Err(JournalError::Damaged { line, .. }) => {
                    assert!(line == 1 || at >= first, "at {at}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let runner = Runner {
            owner: "o".into(),
            boot: "b".into(),
            pid: 1,
            started: 1,
        };
        let started = Entry::Started {
            format: 2,
            tool: "clusterctl 9".into(),
            run: "r".parse().unwrap(),
            digest: Sha256::of(""),
            runner,
            approved_by: None,
            undoes: None,
        };
        let line = Record {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            entry: started,
        }
        .line();
        assert_eq!(decode(&line), Err(JournalError::Newer { found: 2 }));
    }

    #[test]
    fn the_highest_number_is_read_beside_damage() {
        let damaged = [file(&[1, 7]), b"torn\n".to_vec(), file(&[4])].concat();
        assert!(decode(&damaged).is_err());
        assert_eq!((highest(&damaged), highest(b"")), (7, 0));
    }

    #[test]
    fn the_union_has_every_record_once() {
        let ours = vec![record(1), record(2), record(5)];
        let theirs = vec![record(2), record(3)];
        let seqs: Vec<_> = union([ours, theirs]).into_iter().map(|r| r.seq).collect();
        assert_eq!(seqs, [1, 2, 3, 5]);
    }
}
