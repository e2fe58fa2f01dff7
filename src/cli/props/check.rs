//! `props check`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::nodes::FileOnNodes;
use super::place::Place;
use crate::cli::context::Context;
use crate::config::Selection;
use crate::exit::Exit;
use crate::properties::Properties;

/// Look for what Java can't load, and for keys that are defined more than once.
///
/// Exits with 3 when something was found.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,

    /// On these nodes of the cluster file: names, @tags, patterns; ! before one leaves it out.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,
}

pub(super) fn run(args: &Check, context: &Context) -> Result<Exit> {
    let path = args.place.file.display().to_string();
    let Some(on) = &args.on else {
        return Ok(one(None, &path, &args.place.read()?, context));
    };
    let cluster = context.cluster()?;
    let file = FileOnNodes::to_look_at(&args.place, on, &cluster)?;
    let mut exit = Exit::Done;
    for (node, found) in file.ask(|node, _| Ok((node.clone(), file.read(node)?)))? {
        let place = format!("{node}:{path}");
        exit = exit.max(one(Some(node.as_str()), &place, &found, context));
    }
    Ok(exit)
}

/// What is to be said of one file.
fn one(node: Option<&str>, path: &str, file: &Properties, context: &Context) -> Exit {
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
        let mut said = json!({ "format": 1, "problems": problems, "duplicates": duplicates });
        if let (Some(node), Some(said)) = (node, said.as_object_mut()) {
            said.insert("node".to_owned(), node.into());
        }
        context.print_json(&said);
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
    if clean { Exit::Done } else { Exit::Differs }
}
