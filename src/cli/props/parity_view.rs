//! On which keys nodes don't agree, for people and for programs.

use serde_json::json;

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

    pub(super) fn json(&self, path: &str) -> serde_json::Value {
        let differing: Vec<_> = self
            .parity
            .differing
            .iter()
            .map(|differing| {
                let secret = looks_secret(&differing.key.to_lossy());
                let values: Vec<_> = differing
                    .values
                    .iter()
                    .enumerate()
                    .map(|(group, value)| {
                        json!({
                            "value": value.as_ref().filter(|_| !secret).map(JavaString::to_lossy),
                            "defined": value.is_some(),
                            "nodes": self.nodes_of(differing, group),
                        })
                    })
                    .collect();
                json!({ "key": differing.key.to_lossy(), "secret": secret, "values": values })
            })
            .collect();
        json!({
            "format": 1,
            "file": path,
            "nodes": self.nodes,
            "keys": self.parity.keys,
            "differing": differing,
        })
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
