//! `props get`.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::nodes::FileOnNodes;
use super::place::Place;
use crate::cli::context::Context;
use crate::config::{NodeName, Selection};
use crate::exit::Exit;
use crate::properties::{Properties, looks_secret};
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

    /// On these nodes of the cluster file: names, @tags, patterns; ! before one leaves it out.
    #[arg(long, value_name = "NODES")]
    on: Option<Selection>,

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

/// What is shown of a key: its name, its value, its line.
type Row = (String, String, usize);

/// What a file says of the keys that are asked for.
struct Answer {
    rows: Vec<Row>,
    missing: Vec<String>,
}

pub(super) fn run(args: &Get, context: &Context) -> Result<Exit> {
    let path = args.place.file.display().to_string();
    let answers = match &args.on {
        None => vec![(None, args.answer(&args.place.read()?, &path)?)],
        Some(on) => {
            let cluster = context.cluster()?;
            let file = FileOnNodes::to_look_at(&args.place, on, &cluster)?;
            file.ask(|node, _| {
                let place = format!("{node}:{path}");
                Ok((Some(node.clone()), args.answer(&file.read(node)?, &place)?))
            })?
        }
    };
    if context.global.json {
        for (node, answer) in &answers {
            context.print_json(&args.json(node.as_ref(), answer));
        }
    } else if let ([_], [(_, answer)], false) =
        (args.keys.as_slice(), answers.as_slice(), args.lines)
        && let [(_, value, _)] = answer.rows.as_slice()
    {
        context.io.out.print(&format!("{value}\n"));
    } else {
        let table = args.table(&answers);
        if !table.is_empty() {
            context.io.out.print(&table.render(context.out_look()));
        }
    }
    let mut exit = Exit::Done;
    for (node, answer) in &answers {
        for key in &answer.missing {
            exit = Exit::Differs;
            if !context.global.json {
                let key = key.escape_debug();
                let place = node
                    .as_ref()
                    .map_or_else(|| path.clone(), |node| format!("{node}:{path}"));
                let text = format!("`{key}` is not defined in {place}\n");
                context.io.err.print(&text);
            }
        }
    }
    Ok(exit)
}

impl Get {
    fn answer(&self, file: &Properties, path: &str) -> Result<Answer> {
        file.check()
            .with_context(|| format!("Java can't load {path}"))?;
        // The last definition of a key is the one that counts.
        let mut seen = HashSet::new();
        let mut rows: Vec<Row> = file
            .entries()
            .rev()
            .map(|entry| (entry.key.to_lossy(), entry.value.to_lossy(), entry.line))
            .filter(|(key, ..)| seen.insert(key.clone()))
            .filter(|(key, ..)| self.keys.is_empty() || self.keys.contains(key))
            .collect();
        rows.reverse();
        if self.keys.is_empty() && !self.show_secrets {
            for (key, value, _) in &mut rows {
                if looks_secret(key) {
                    HIDDEN.clone_into(value);
                }
            }
        }
        let missing = self
            .keys
            .iter()
            .filter(|key| !rows.iter().any(|(known, ..)| known == *key))
            .cloned()
            .collect();
        Ok(Answer { rows, missing })
    }

    fn json(&self, node: Option<&NodeName>, answer: &Answer) -> serde_json::Value {
        let values: serde_json::Map<_, _> = answer
            .rows
            .iter()
            .map(|(key, value, line)| (key.clone(), json!({ "value": value, "line": line })))
            .collect();
        let mut said = json!({
            "format": 1,
            "file": self.place.file,
            "values": values,
            "missing": answer.missing,
        });
        if let (Some(node), Some(said)) = (node, said.as_object_mut()) {
            said.insert("node".to_owned(), node.as_str().into());
        }
        said
    }

    fn table(&self, answers: &[(Option<NodeName>, Answer)]) -> Table {
        let with_nodes = answers.len() > 1;
        let mut columns = vec![Column::new("key").whole(), Column::new("value")];
        if self.lines {
            columns.insert(0, Column::new("line").right());
        }
        if with_nodes {
            columns.insert(0, Column::new("node").whole());
        }
        let mut table = Table::new(columns);
        for (node, answer) in answers {
            for (key, value, line) in &answer.rows {
                let mut cells = vec![Cell::new(key), Cell::new(value)];
                if self.lines {
                    cells.insert(0, Cell::new(line.to_string()));
                }
                if let Some(node) = node.as_ref().filter(|_| with_nodes) {
                    cells.insert(0, Cell::new(node.as_str()));
                }
                table.row(cells);
            }
        }
        table
    }
}
