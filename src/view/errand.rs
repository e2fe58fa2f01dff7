//! One errand on many machines: its lines as they come, and what came of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::json::harmless;
use super::table::{Cell, Column, Table};
use super::{Look, Tone};
use crate::config::NodeName;
use crate::fleet::{End, News, Stream};
use crate::plan::printable;

/// The version of the lines that programs get.
const FORMAT: u32 = 1;

/// With so many machines, those on which all went well are counted and not listed.
const MANY: usize = 20;

/// How many names stand in a line before the rest is counted.
const NAMED: usize = 8;

/// What goes to the two streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// To standard output.
    pub out: String,
    /// To standard error.
    pub err: String,
}

/// How many machines came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// The command ran and ended well.
    pub succeeded: usize,
    /// It ran and did not end well, or its end is not known.
    pub failed: usize,
    /// The machine could not be reached; nothing was begun.
    pub unreached: usize,
    /// It was not begun, because a person wanted to stop.
    pub skipped: usize,
}

/// Shows an errand.
#[derive(Debug)]
pub struct ErrandView {
    out: Look,
    err: Look,
    margin: usize,
    running: BTreeSet<NodeName>,
    ended: Vec<(NodeName, End, Duration)>,
    tally: Tally,
}

/// A line of what programs get to know of a command on many nodes.
#[derive(Serialize, JsonSchema)]
struct Told<'a> {
    /// The version of the lines.
    format: u32,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum What<'a> {
    /// The command wrote a line.
    Line {
        node: &'a NodeName,
        /// `out` or `err`.
        stream: &'static str,
        line: &'a str,
    },
    Ended {
        node: &'a NodeName,
        exit: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<&'a str>,
        seconds: f64,
    },
    Failed {
        node: &'a NodeName,
        /// Whether the command may have been begun.
        begun: bool,
        what: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        seconds: f64,
    },
    Skipped {
        node: &'a NodeName,
    },
    Summary {
        #[serde(flatten)]
        tally: Tally,
    },
}

/// The JSON Schema of the lines that programs get.
pub fn errand_schema() -> schemars::Schema {
    schemars::schema_for!(Told<'static>)
}

impl ErrandView {
    /// A view of an errand to these machines.
    pub fn new(out: Look, err: Look, nodes: &[NodeName]) -> Self {
        let longest = nodes.iter().map(|node| node.as_str().len()).max();
        Self {
            out,
            err,
            margin: longest.unwrap_or(0).min(24),
            running: BTreeSet::new(),
            ended: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// What is to be shown of the news; without any, that it still goes on.
    pub fn hear(&mut self, news: Option<News>) -> Said {
        match news {
            None => self.still(),
            Some(News::Begun { node, .. }) => {
                self.running.insert(node);
                Said::default()
            }
            Some(News::Line { node, stream, line }) => self.line(&node, stream, &line),
            Some(News::Ended { node, end, took }) => {
                self.running.remove(&node);
                *match &end {
                    end if end.is_success() => &mut self.tally.succeeded,
                    end if end.is_unreached() => &mut self.tally.unreached,
                    End::Skipped => &mut self.tally.skipped,
                    End::Exit(_) | End::Failed(_) => &mut self.tally.failed,
                } += 1;
                let said = self.ended(&node, &end, took);
                self.ended.push((node, end, took));
                said
            }
        }
    }

    /// What came of it, in the end.
    pub fn finish(mut self) -> (Said, Tally) {
        let tally = self.tally;
        if self.out == Look::Json {
            return (json(What::Summary { tally }), tally);
        }
        self.ended.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut text = self.table();
        for (node, end, _) in &self.ended {
            if let End::Failed(error) = end {
                let name = self.err_tone(Tone::Strong, node.as_str());
                let what = printable::line(error.what.trim_end_matches('.'));
                let _ = writeln!(text, "{name}: {what}.");
                for hint in error.hint.iter().flat_map(|hint| hint.lines()) {
                    let _ = writeln!(text, "  hint: {}", printable::line(hint));
                }
            }
        }
        text.push_str(&sentence(tally));
        let said = Said {
            err: text,
            ..Said::default()
        };
        (said, tally)
    }

    fn line(&self, node: &NodeName, stream: Stream, line: &[u8]) -> Said {
        let text = String::from_utf8_lossy(line);
        if self.out == Look::Json {
            return json(What::Line {
                node,
                stream: match stream {
                    Stream::Out => "stdout",
                    Stream::Err => "stderr",
                },
                line: &text,
            });
        }
        let margin = self.margin;
        let look = match stream {
            Stream::Out => self.out,
            Stream::Err => self.err,
        };
        let tone = match stream {
            Stream::Out => Tone::Faint,
            Stream::Err => Tone::Warn,
        };
        let lead = tone.paint(&format!("{node:margin$} |"), look.colour());
        let line = printable::lines(&text).collect::<String>();
        let shown = format!("{lead} {line}\n");
        match stream {
            Stream::Out => Said {
                out: shown,
                ..Said::default()
            },
            Stream::Err => Said {
                err: shown,
                ..Said::default()
            },
        }
    }

    fn ended(&self, node: &NodeName, end: &End, took: Duration) -> Said {
        if self.out != Look::Json {
            return Said::default();
        }
        let seconds = (took.as_secs_f64() * 1000.0).round() / 1000.0;
        json(match end {
            End::Exit(exit) => What::Ended {
                node,
                exit: exit.code(),
                signal: exit.signal(),
                seconds,
            },
            End::Failed(error) => What::Failed {
                node,
                begun: !error.kind.nothing_begun(),
                what: &error.what,
                hint: error.hint.as_deref(),
                seconds,
            },
            End::Skipped => What::Skipped { node },
        })
    }

    fn still(&self) -> Said {
        if self.running.is_empty() || self.out == Look::Json {
            return Said::default();
        }
        let all = self.running.len();
        let mut names: Vec<_> = self
            .running
            .iter()
            .take(NAMED)
            .map(NodeName::as_str)
            .collect();
        let more = format!("{} more", all.saturating_sub(NAMED));
        if all > NAMED {
            names.push(&more);
        }
        let nodes = printable::count(all, "node");
        Said {
            err: format!("still running on {nodes}: {}\n", names.join(", ")),
            ..Said::default()
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new([
            Column::new("node").whole(),
            Column::new("exit code").right(),
            Column::new("time").right().goes(1),
            Column::new("end"),
        ]);
        let many = self.ended.len() > MANY;
        for (node, end, took) in &self.ended {
            if many && end.is_success() {
                continue;
            }
            let (code, said, tone) = match end {
                End::Exit(exit) if exit.is_success() => {
                    (exit.code().to_string(), "done", Tone::Good)
                }
                End::Exit(exit) => {
                    let by = if exit.signal().is_some() {
                        "ended by a signal"
                    } else {
                        "failed"
                    };
                    (exit.code().to_string(), by, Tone::Bad)
                }
                End::Failed(_) if end.is_unreached() => (String::new(), "not reached", Tone::Bad),
                End::Failed(_) => (String::new(), "not known", Tone::Bad),
                End::Skipped => (String::new(), "not begun", Tone::Warn),
            };
            table.row([
                Cell::new(node.as_str()),
                Cell::new(code).tone(tone),
                Cell::new(format!("{:.1}s", took.as_secs_f64())),
                Cell::new(said).tone(tone),
            ]);
        }
        if table.is_empty() {
            String::new()
        } else {
            table.render(self.err)
        }
    }

    fn err_tone(&self, tone: Tone, text: &str) -> String {
        tone.paint(text, self.err.colour())
    }
}

/// `998 of 1000 nodes: done; 1 failed, 1 not reached.`
fn sentence(tally: Tally) -> String {
    let Tally {
        succeeded,
        failed,
        unreached,
        skipped,
    } = tally;
    let all = succeeded + failed + unreached + skipped;
    let others: Vec<_> = [
        (failed, "failed"),
        (unreached, "not reached"),
        (skipped, "not begun"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if others.is_empty() {
        return format!("{}: done.\n", printable::count(all, "node"));
    }
    format!(
        "{succeeded} of {}: done; {}.\n",
        printable::count(all, "node"),
        others.join(", ")
    )
}

fn json(what: What<'_>) -> Said {
    let told = Told {
        format: FORMAT,
        what,
    };
    // Everything in it is a string, a number or a truth.
    let text = serde_json::to_string(&told).unwrap_or_default();
    Said {
        out: format!("{}\n", harmless(&text)),
        ..Said::default()
    }
}
