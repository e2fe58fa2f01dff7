//! `props get`.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::place::Place;
use crate::cli::context::Context;
use crate::exit::Exit;
use crate::properties::looks_secret;
use crate::view::table::{Cell, Column, Table};

/// What is shown for a secret that nobody asked for by name.
const HIDDEN: &str = "****";

/// Print values as Java reads them.
///
/// One KEY prints its value and a newline. Several, or none for all, print a
/// table in which secrets are hidden unless they are named. Exits with 3 when a
/// KEY is not there.
#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    place: Place,

    /// The keys; all without one.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,

    /// Also print the line of each definition that counts.
    #[arg(long)]
    lines: bool,

    /// Also print secrets that are not named.
    #[arg(long)]
    show_secrets: bool,
}

pub(super) fn run(args: &Get, context: &Context) -> Result<Exit> {
    let file = args.place.read()?;
    let path = args.place.file.display();
    file.check()
        .with_context(|| format!("Java can't load {path}"))?;
    // The last definition of a key is the one that counts.
    let mut seen = HashSet::new();
    let mut all: Vec<(String, String, usize)> = file
        .entries()
        .rev()
        .map(|entry| (entry.key.to_lossy(), entry.value.to_lossy(), entry.line))
        .filter(|(key, ..)| seen.insert(key.clone()))
        .collect();
    all.reverse();
    let wanted = |key: &String| args.keys.is_empty() || args.keys.contains(key);
    let mut rows: Vec<_> = all.into_iter().filter(|(key, ..)| wanted(key)).collect();
    if args.keys.is_empty() && !args.show_secrets {
        for (key, value, _) in &mut rows {
            if looks_secret(key) {
                HIDDEN.clone_into(value);
            }
        }
    }
    let missing: Vec<_> = args
        .keys
        .iter()
        .filter(|key| !rows.iter().any(|(known, ..)| known == *key))
        .collect();
    if context.global.json {
        let values: serde_json::Map<_, _> = rows
            .iter()
            .map(|(key, value, line)| (key.clone(), json!({ "value": value, "line": line })))
            .collect();
        context.print_json(
            &json!({ "format": 1, "file": args.place.file, "values": values, "missing": missing }),
        );
    } else if let ([_], [(_, value, _)], false) =
        (args.keys.as_slice(), rows.as_slice(), args.lines)
    {
        context.io.out.print(&format!("{value}\n"));
    } else if !rows.is_empty() {
        let mut columns = vec![Column::new("key").whole(), Column::new("value")];
        if args.lines {
            columns.insert(0, Column::new("line").right());
        }
        let mut table = Table::new(columns);
        for (key, value, line) in &rows {
            let mut cells = vec![Cell::new(key), Cell::new(value)];
            if args.lines {
                cells.insert(0, Cell::new(line.to_string()));
            }
            table.row(cells);
        }
        context.io.out.print(&table.render(context.out_look()));
    }
    if missing.is_empty() {
        return Ok(Exit::Done);
    }
    if !context.global.json {
        for key in &missing {
            let key = key.escape_debug();
            context
                .io
                .err
                .print(&format!("`{key}` is not defined in {path}\n"));
        }
    }
    Ok(Exit::Differs)
}
