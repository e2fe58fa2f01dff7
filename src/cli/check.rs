//! `check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::global::length;
use super::reach::Reach;
use super::signals::Listening;
use crate::config::{NodeName, Selection};
use crate::engine::Interrupt;
use crate::exit::Exit;
use crate::fleet::{Survey, each};
use crate::remote::{BackEnd, Patience, RemoteError};
use crate::view::Tone;
use crate::view::table::{Cell, Column, Table};
use crate::world::Connect as _;

/// On how many nodes at once.
const WIDTH: usize = 32;

/// Look whether nodes are ready for work, and change nothing.
///
/// With --reach: connects to each node, logs in, takes the rights that the
/// cluster file says, and looks at the shell, the clock, the programs that are
/// needed, and the room in the node's folder.
///
/// Exits with 3 when something is in the way on some node, and with 50 when no
/// node could be reached.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Look whether each node can be reached and worked on.
    #[arg(long, required = true)]
    reach: bool,

    /// On these nodes of the cluster file: names, @tags, patterns; all without it.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,

    /// How long it may take on each node.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = length)]
    timeout: Duration,
}

/// What was found on a node.
struct Found {
    node: NodeName,
    back_end: Option<BackEnd>,
    survey: Result<Survey, RemoteError>,
    took: Duration,
    /// What is in the way, and what to do about it.
    problems: Vec<(String, String)>,
}

pub(super) fn run(args: &Check, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let nodes: Vec<_> = match &args.on {
        Some(selection) => cluster.select(selection)?,
        None => cluster.nodes().collect(),
    };
    let reach = Reach::new(&cluster, &nodes)?;
    reach.fetch()?;
    reach.explain(context);
    let interrupt = Arc::new(Interrupt::default());
    let _listening = Listening::begin(Arc::clone(&interrupt), |_| {});
    let stop = || interrupt.times() > 0;
    let found = each(&reach.nodes(), WIDTH, |node| {
        look(&reach, node, &Patience::new(args.timeout, &stop))
    });
    if context.global.json {
        for found in &found {
            context.print_json(&found.line());
        }
    } else {
        context
            .io
            .out
            .print(&table(&found).render(context.out_look()));
        for found in &found {
            for (what, hint) in &found.problems {
                let text = format!("{}: {what}.\n  hint: {hint}\n", found.node);
                context.io.err.print(&text);
            }
        }
    }
    let unreached = found.iter().filter(|found| found.survey.is_err()).count();
    Ok(if interrupt.times() > 0 {
        Exit::Interrupted
    } else if unreached == found.len() {
        Exit::Unreachable
    } else if found.iter().any(|found| !found.problems.is_empty()) {
        Exit::Differs
    } else {
        Exit::Done
    })
}

fn look(reach: &Reach, node: &NodeName, patience: &Patience<'_>) -> Found {
    let began = Instant::now();
    let state_dir = reach
        .target(node)
        .map_or_else(String::new, |target| target.state_dir.to_string());
    let mut back_end = None;
    let survey = reach.connect(node, patience).and_then(|host| {
        back_end = Some(host.back_end());
        Survey::of(&*host, &state_dir, patience)
    });
    let problems = match &survey {
        Ok(survey) => survey.problems(&state_dir),
        Err(error) => {
            let hint = error.hint.clone();
            let what = error.what.trim_end_matches('.').to_owned();
            vec![(
                what,
                hint.unwrap_or_else(|| {
                    format!("clusterctl exec --on {node} -- true   (tries it alone)")
                }),
            )]
        }
    };
    Found {
        node: node.clone(),
        back_end,
        survey,
        took: began.elapsed(),
        problems,
    }
}

impl Found {
    fn line(&self) -> Line<'_> {
        let survey = self.survey.as_ref().ok();
        Line {
            format: 1,
            node: &self.node,
            reached: survey.is_some(),
            by: self.back_end.map(|back_end| back_end.to_string()),
            user: survey.map(|s| s.user.as_str()),
            shell: survey.map(|s| s.shell.as_str()),
            system: survey.map(|s| s.system.as_str()),
            clock_ahead_ms: survey.and_then(|s| s.clock_ahead),
            free_bytes: survey.and_then(|s| s.free),
            milliseconds: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            problems: self
                .problems
                .iter()
                .map(|(what, hint)| Problem { what, hint })
                .collect(),
        }
    }
}

/// What programs get to know of one node.
#[derive(Serialize, JsonSchema)]
struct Line<'a> {
    /// The version of the lines.
    format: u32,
    node: &'a NodeName,
    /// Whether all of it could be looked at.
    reached: bool,
    /// The way by which it was reached.
    by: Option<String>,
    user: Option<&'a str>,
    shell: Option<&'a str>,
    system: Option<&'a str>,
    /// By how much its clock is ahead of this machine's.
    clock_ahead_ms: Option<i64>,
    /// The room where the node's folder is.
    free_bytes: Option<u64>,
    /// How long all of it took.
    milliseconds: u64,
    problems: Vec<Problem<'a>>,
}

/// What is in the way, and what to do about it.
#[derive(Serialize, JsonSchema)]
struct Problem<'a> {
    what: &'a str,
    hint: &'a str,
}

/// The JSON Schema of the lines that programs get.
pub(super) fn schema() -> schemars::Schema {
    schemars::schema_for!(Line<'static>)
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::new([
        Column::new("node").whole(),
        Column::new("by").goes(4),
        Column::new("user"),
        Column::new("shell").goes(3),
        Column::new("system").goes(5),
        Column::new("clock").right().goes(2),
        Column::new("free").right().goes(1),
        Column::new("time").right().goes(6),
        Column::new("ready").whole(),
    ]);
    for found in found {
        let survey = found.survey.as_ref().ok();
        let text = |get: fn(&Survey) -> String| Cell::new(survey.map_or_else(String::new, get));
        let ready = match (survey, found.problems.is_empty()) {
            (None, _) => Cell::new("not reached").tone(Tone::Bad),
            (Some(_), true) => Cell::new("yes").tone(Tone::Good),
            (Some(_), false) => Cell::new("no").tone(Tone::Warn),
        };
        table.row([
            Cell::new(found.node.as_str()),
            Cell::new(found.back_end.map_or_else(String::new, |by| by.to_string())),
            text(|s| s.user.clone()),
            text(|s| s.shell.clone()),
            text(|s| s.system.clone()),
            text(|s| s.clock_ahead.map_or_else(String::new, clock)),
            text(|s| {
                s.free
                    .map_or_else(String::new, |free| format!("{} MB", free / 1_000_000))
            }),
            Cell::new(format!("{:.1}s", found.took.as_secs_f64())),
            ready,
        ]);
    }
    table
}

/// `+0.1s`: ahead of this machine's.
fn clock(ahead: i64) -> String {
    let tenths = (ahead.unsigned_abs() + 50) / 100;
    let sign = match ahead {
        _ if tenths == 0 => "",
        ..0 => "-",
        _ => "+",
    };
    format!("{sign}{}.{}s", tenths / 10, tenths % 10)
}
