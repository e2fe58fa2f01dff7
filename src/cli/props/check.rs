//! `props check`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::place::Place;
use crate::cli::context::Context;
use crate::exit::Exit;

/// Look for what Java can't load, and for keys that are defined more than once.
///
/// Exits with 3 when something was found.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Check, context: &Context) -> Result<Exit> {
    let file = args.place.read()?;
    let path = args.place.file.display();
    let problems = file.problems();
    let duplicates = file.duplicates();
    if context.global.json {
        let problems: Vec<_> = problems
            .iter()
            .map(|p| json!({ "line": p.line, "column": p.column, "problem": p.kind.to_string() }))
            .collect();
        let duplicates: Vec<_> = duplicates
            .iter()
            .map(|d| json!({ "key": d.key.to_lossy(), "lines": d.lines }))
            .collect();
        context.print_json(&json!({ "format": 1, "problems": problems, "duplicates": duplicates }));
    } else {
        for problem in problems {
            let (line, column, kind) = (problem.line, problem.column, &problem.kind);
            context.io.out.print(&format!(
                "{path}:{line}:{column}: Java can't load this file: {kind}\n"
            ));
        }
        for duplicate in &duplicates {
            let lines: Vec<_> = duplicate.lines.iter().map(ToString::to_string).collect();
            let (last, key) = (
                duplicate.lines.last().copied().unwrap_or_default(),
                duplicate.key.to_lossy(),
            );
            context.io.out.print(&format!(
                "{path}:{last}: `{}` is defined on lines {}; Java uses line {last}\n",
                key.escape_debug(),
                lines.join(", "),
            ));
        }
        if problems.is_empty() && duplicates.is_empty() {
            let keys = file.keys().len();
            context
                .io
                .out
                .print(&format!("{path}: {keys} keys, no problem\n"));
        }
    }
    let clean = problems.is_empty() && duplicates.is_empty();
    Ok(if clean { Exit::Done } else { Exit::Differs })
}
