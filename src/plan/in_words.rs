//! What an action does, in one line.
//!
//! The line is made from the action alone, so it tells what really happens,
//! whatever the step's title and preview say.

use std::fmt;

use super::printable::list;
use super::{
    Action, BackupRef, Compression, OnTimeout, PropertyEdit, ServiceState, Tree, Value, XmlEdit,
};

/// What is wanted of a tree.
fn wishes(tree: &Tree, old: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !tree.exclude.is_empty() {
        write!(f, " but {}", list(&tree.exclude))?;
    }
    if tree.delete {
        write!(f, ", without what only {old} has")?;
    }
    if let Some(owner) = &tree.owner {
        write!(f, ", all of it owned by {owner}")?;
    }
    if tree.checksum {
        f.write_str(", compared by content")?;
    }
    if tree.link_unchanged {
        f.write_str(", what stays the same shared with the old one")?;
    }
    if tree.direct {
        f.write_str(", pulled by the node itself with the agent of who runs this")?;
    }
    match tree.compress {
        Compression::Auto => {}
        Compression::Never => f.write_str(", never made smaller on its way")?,
        Compression::Zstd => f.write_str(", made smaller by zstd on its way")?,
    }
    if let Some(rate) = tree.rate {
        write!(f, ", at most {rate} bytes a second")?;
    }
    Ok(())
}

impl Action {
    /// A call of a REST interface, in words.
    fn call_in_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Rest {
            method,
            url,
            under,
            body,
            merge,
            ..
        } = self
        else {
            return Ok(());
        };
        let url = match under {
            None => url.clone(),
            Some(last) => format!("{url}/{last}"),
        };
        match (body, merge) {
            (None, _) => write!(f, "call {method} {url}"),
            (Some(body), None) => write!(f, "call {method} {url} with {body}"),
            (Some(body), Some(merge)) => {
                let from = &merge.from;
                write!(
                    f,
                    "read {from}, and call {method} {url} with that and {body}"
                )?;
                if merge.without.is_empty() {
                    return Ok(());
                }
                write!(f, ", without {}", merge.without.join(", "))
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EditProperties { path, edits, .. } => write!(f, "edit {path}: {}", list(edits)),
            Self::EditXml { path, edits } => write!(f, "edit {path}: {}", list(edits)),
            Self::WriteFile {
                path,
                content,
                mode,
            } => {
                let length: usize = content.iter().map(length).sum();
                let secret = content.iter().any(Value::is_secret);
                write!(f, "write {path}")?;
                if let Some(mode) = mode {
                    write!(f, " with mode {mode:04o}")?;
                }
                let more = if secret { ", secrets not counted" } else { "" };
                write!(f, " ({length} bytes{more})")
            }
            Self::CopyTree { from, to, .. } => write!(f, "copy the folder {from} to {to}"),
            Self::StageTree { tree, to, .. } => {
                write!(f, "stage a copy of {} beside {to}", tree.from)?;
                wishes(tree, "the old one", f)
            }
            Self::ReplaceFiles { tree, to, .. } => {
                write!(
                    f,
                    "replace the files of {to} by those of {}, one by one",
                    tree.from
                )?;
                wishes(tree, "it", f)
            }
            Self::SwapTree {
                to,
                stage,
                one_by_one,
                ..
            } => {
                let how = if *one_by_one {
                    "in it, each of its entries by itself"
                } else {
                    "beside it"
                };
                write!(
                    f,
                    "make what {stage} staged the tree {to}, and keep the old one {how}"
                )
            }
            Self::SwapBack { to, swap, .. } => {
                write!(f, "make {to} again what it was before {}", swap.step)
            }
            Self::MoveTree { from, to } => write!(f, "move {from} to {to}"),
            Self::Link { path, target } => write!(f, "link {path} to {target}"),
            Self::Remove { path } => write!(f, "remove {path}"),
            Self::Service { service, to } => match to {
                ServiceState::Running => {
                    write!(f, "start service {}: `{}`", service.name, service.start)
                }
                ServiceState::Stopped => {
                    write!(f, "stop service {}: `{}`", service.name, service.stop)
                }
            },
            Self::Run { argv, dir, .. } => match dir {
                Some(dir) => write!(f, "run `{argv}` in {dir}"),
                None => write!(f, "run `{argv}`"),
            },
            Self::Rest { .. } => self.call_in_words(f),
            Self::Balancer {
                pool, server, to, ..
            } => {
                write!(f, "make {server} in pool {pool} {to}")
            }
            Self::WaitUntil {
                until,
                every,
                good,
                within,
                on_timeout,
            } => {
                write!(f, "wait until {until}")?;
                if *good > 1 {
                    write!(f, ", {good} times in a row")?;
                }
                write!(f, "; look every {every}, for at most {within}, then ")?;
                f.write_str(match on_timeout {
                    OnTimeout::Fail => "fail",
                    OnTimeout::GoOn => "go on all the same",
                    OnTimeout::GiveBack => "give back what was changed for a time",
                })
            }
            Self::BackUp { path } => write!(f, "keep a copy of {path}"),
            Self::Restore { path, backup } => write!(f, "put back {path} from {backup}"),
            Self::AskOperator { request, evidence } => {
                write!(f, "ask a person: {request} (evidence: {evidence})")
            }
            Self::Check { that } => write!(f, "check that {}", list(that)),
        }
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Secret(_) | Value::FromStep { .. } => 0,
    }
}

impl fmt::Display for PropertyEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self {
            Self::Set { key, value, line } => {
                write!(f, "{key} becomes {value}")?;
                line
            }
            Self::Unset { key, line } => {
                write!(f, "{key} goes")?;
                line
            }
        };
        line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

impl fmt::Display for XmlEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            element,
            attribute,
            value,
        } = self;
        write!(f, "{}/@{attribute} becomes {value}", element.join("/"))
    }
}

impl fmt::Display for BackupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "what {} of run {run} kept", self.step),
            None => write!(f, "what {} kept", self.step),
        }
    }
}
