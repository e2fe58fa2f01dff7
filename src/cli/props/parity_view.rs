//! On which keys nodes don't agree, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::NodeName;
use crate::properties::{Differing, JavaString, Parity, looks_secret};
use crate::view::Look;
use crate::view::table::{Cell, Column, Table};

/// With more nodes than this, they stand in rows: so many columns fit on no terminal.
const COLUMNS: usize = 4;

/// A parity and the nodes that it is of.
pub(super) struct ParityView<'a> {
    nodes: &'a [&'a NodeName],
    parity: &'a Parity,
}

impl<'a> ParityView<'a> {
    pub(super) fn new(nodes: &'a [&'a NodeName], parity: &'a Parity) -> Self {
        Self { nodes, parity }
    }

    /// A table: a column for each node, or, of many, a row for each value and those that have it.
    pub(super) fn render(&self, look: Look) -> String {
        let few = self.nodes.len() <= COLUMNS;
        let mut columns = vec![Column::new("key").whole()];
        if few {
            columns.extend(self.nodes.iter().map(|node| Column::new(node.as_str())));
        } else {
            columns.extend([Column::new("value"), Column::new("nodes")]);
        }
        let mut table = Table::new(columns);
        for differing in &self.parity.differing {
            let key = differing.key.to_lossy();
            if few {
                let values = differing
                    .group_of
                    .iter()
                    .map(|group| value(differing, *group));
                let cells = std::iter::once(key).chain(values).map(Cell::new);
                table.row(cells.collect::<Vec<_>>());
                continue;
            }
            for (group, _) in differing.values.iter().enumerate() {
                let nodes = self.nodes_of(differing, group).join(", ");
                table.row([key.clone(), value(differing, group), nodes].map(Cell::new));
            }
        }
        if table.is_empty() {
            String::new()
        } else {
            table.render(look)
        }
    }

    /// How it is, in a sentence.
    pub(super) fn sentence(&self) -> String {
        let (all, nodes) = (self.parity.keys, self.nodes.len());
        match self.parity.differing.len() {
            0 => format!("{nodes} nodes agree on all {all} keys.\n"),
            1 => format!("{nodes} nodes differ in 1 of {all} keys.\n"),
            some => format!("{nodes} nodes differ in {some} of {all} keys.\n"),
        }
    }

    /// What programs get.
    pub(super) fn told<'s>(&'s self, path: &'s str) -> Told<'s> {
        let keys = self.parity.differing.iter().map(|differing| {
            let key = differing.key.to_lossy();
            let secret = looks_secret(&key);
            let values = differing.values.iter().enumerate();
            let values = values.map(|(group, value)| ToldValue {
                value: value.as_ref().filter(|_| !secret).map(JavaString::to_lossy),
                defined: value.is_some(),
                nodes: self.nodes_of(differing, group),
            });
            ToldKey {
                key,
                secret,
                values: values.collect(),
            }
        });
        Told {
            format: 1,
            file: path,
            nodes: self.nodes,
            keys: self.parity.keys,
            differing: keys.collect(),
        }
    }

    fn nodes_of(&self, differing: &Differing, group: usize) -> Vec<&str> {
        self.nodes
            .iter()
            .zip(&differing.group_of)
            .filter(|(_, of)| **of == group)
            .map(|(node, _)| node.as_str())
            .collect()
    }
}

/// The keys of a file on which nodes don't agree.
#[derive(Serialize, JsonSchema)]
pub(super) struct Told<'a> {
    /// The version of this.
    format: u32,
    file: &'a str,
    nodes: &'a [&'a NodeName],
    /// How many keys there are.
    keys: usize,
    differing: Vec<ToldKey<'a>>,
}

/// A key on which they don't agree.
#[derive(Serialize, JsonSchema)]
struct ToldKey<'a> {
    key: String,
    /// Whether its values are kept back.
    secret: bool,
    values: Vec<ToldValue<'a>>,
}

/// A value, and the nodes that have it.
#[derive(Serialize, JsonSchema)]
struct ToldValue<'a> {
    /// Nothing where it is kept back, or where the key is not defined.
    value: Option<String>,
    defined: bool,
    nodes: Vec<&'a str>,
}

/// The JSON Schema of what programs get.
pub(in crate::cli) fn schema() -> schemars::Schema {
    schemars::schema_for!(Told<'static>)
}

/// A value as it is shown: of a secret, only which are the same.
fn value(differing: &Differing, group: usize) -> String {
    let secret = looks_secret(&differing.key.to_lossy());
    match differing.values.get(group) {
        Some(Some(_)) if secret => format!("**** ({})", group + 1),
        Some(Some(value)) if value.is_empty() => "(empty)".to_owned(),
        Some(Some(value)) => value.to_lossy(),
        Some(None) | None => "(not defined)".to_owned(),
    }
}
