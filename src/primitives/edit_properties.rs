//! `props set` and `props unset`: change keys of one `.properties` file, on one node or many.
//!
//! ```
//! use clusterctl::primitives::edit_properties::{Wish, changed};
//! use clusterctl::properties::{Properties, Which};
//!
//! let file = Properties::parse(b"multiserver=false\n");
//! let wishes = [Wish::set("multiserver", "true", Which::Only)];
//! assert_eq!(changed(&file, &wishes)?.unwrap().bytes(), b"multiserver=true\n");
//! # Ok::<(), clusterctl::properties::EditError>(())
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::{NodeName, SecretRef};
use crate::plan::{
    Action, BackupRef, Class, Condition, FORMAT, Hooks, Lane, Millis, OnFailure, Plan, Probe,
    Proof, PropertyEdit, Reading, RemotePath, Sha256, Stage, Step, StepId, Target, Undo, Value,
    Why,
};
use crate::properties::{ByteDiff, EditError, Encoding, Properties, Which, looks_secret};

/// How long replacing a file may take.
const TIMEOUT: Millis = Millis::secs(60);

/// What a file's key shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The key.
    pub key: String,
    /// Its value; none when the key shall go.
    pub value: Option<Value>,
    /// Which of several definitions is meant.
    pub which: Which,
}

impl Wish {
    /// The key shall have this value.
    pub fn set(key: &str, value: &str, which: Which) -> Self {
        Self {
            key: key.to_owned(),
            value: Some(value.into()),
            which,
        }
    }

    /// The key shall have the secret that is found there.
    pub fn set_secret(key: &str, reference: SecretRef) -> Self {
        let value = Some(Value::Secret(reference));
        Self {
            key: key.to_owned(),
            value,
            which: Which::Only,
        }
    }

    /// The key shall go.
    pub fn unset(key: &str, which: Which) -> Self {
        Self {
            key: key.to_owned(),
            value: None,
            which,
        }
    }

    fn secret(&self) -> Option<&SecretRef> {
        match &self.value {
            Some(Value::Secret(reference)) => Some(reference),
            _ => None,
        }
    }
}

/// A file as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The node.
    pub node: NodeName,
    /// Where the node is reached.
    pub target: Target,
    /// The file's path there.
    pub path: RemotePath,
    /// What it says.
    pub file: Properties,
    /// What is to be changed there; wishes for secrets that the file has already are left out.
    pub wishes: Vec<Wish>,
}

/// Everything else that the plan needs.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The verb, `props-set` or `props-unset`.
    pub verb: &'static str,
    /// The program and its version.
    pub made_by: String,
    /// The time.
    pub made_at: Timestamp,
    /// Commands around the steps.
    pub hooks: Hooks,
}

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {path} can't be edited")]
pub struct Unplannable {
    /// The node.
    pub node: NodeName,
    /// The file.
    pub path: RemotePath,
    /// Why.
    #[source]
    pub error: EditError,
}

/// The plan that fulfils the wishes, node after node. It is empty where nothing is left to wish for.
pub fn plan(found: &[Found], given: &Circumstances) -> Result<Plan, Unplannable> {
    let mut lanes = Vec::new();
    for one in found {
        if let Some(step) = step(one, given.verb)? {
            lanes.push(Lane {
                node: one.node.clone(),
                steps: vec![step],
            });
        }
    }
    let path = found
        .first()
        .map(|one| one.path.to_string())
        .unwrap_or_default();
    let nothing = lanes.is_empty();
    Ok(Plan {
        format: FORMAT,
        verb: given.verb.to_owned(),
        title: title(found, &path),
        made_by: given.made_by.clone(),
        made_at: given.made_at,
        starts_as: if nothing {
            format!("{path} is already as it should be")
        } else {
            format!("{path} is unchanged")
        },
        nodes: found
            .iter()
            .map(|one| (one.node.clone(), one.target.clone()))
            .collect::<BTreeMap<_, _>>(),
        hooks: given.hooks.clone(),
        stages: if nothing {
            Vec::new()
        } else {
            vec![Stage {
                on_failure: OnFailure::ReturnLane,
                ..Stage::in_turn(format!("edit {path}"), lanes)
            }]
        },
    })
}

fn title(found: &[Found], path: &str) -> String {
    let wishes = found
        .iter()
        .max_by_key(|one| one.wishes.len())
        .map(|one| one.wishes.as_slice());
    match wishes {
        Some([only]) if only.value.is_none() => format!("Remove `{}` from {path}", only.key),
        Some([only]) => format!("Set `{}` in {path}", only.key),
        Some([_, ..]) => format!("Change {} keys in {path}", wishes.unwrap_or_default().len()),
        Some([]) | None => format!("Change nothing in {path}"),
    }
}

/// The step that fulfils the wishes for one file; none where nothing is left to wish for.
pub fn step(one: &Found, verb: &str) -> Result<Option<Step>, Unplannable> {
    let Found {
        node,
        path,
        file,
        wishes,
        ..
    } = one;
    let unplannable = |error| Unplannable {
        node: node.clone(),
        path: path.clone(),
        error,
    };
    let Some(new) = changed(file, wishes).map_err(unplannable)? else {
        return Ok(None);
    };
    let masked = masked_keys(file, &new, wishes);
    let is_masked = |key: &crate::properties::JavaString| {
        looks_secret(&key.to_lossy()) || masked.iter().any(|masked| *key == masked.as_str())
    };
    let print = |properties: &Properties| {
        if masked.is_empty() {
            Sha256::of(properties.bytes())
        } else {
            let bytes = properties.masked_bytes(|key| masked.iter().any(|m| *key == m.as_str()));
            Sha256::of(bytes)
        }
    };
    let whole = Probe::File {
        path: path.clone(),
        masked: masked.clone(),
    };
    let utf8 = file.encoding() == Encoding::Utf8;
    let mut proof: Vec<_> = wishes
        .iter()
        .filter_map(|wish| {
            let value = Value::Secret(wish.secret()?.clone());
            let (path, key) = (path.clone(), wish.key.clone());
            let is = Probe::PropertyIs {
                path,
                key,
                value,
                utf8,
            };
            Some(Condition::is(is, Reading::Same))
        })
        .collect();
    proof.push(Condition::is(whole.clone(), Reading::Digest(print(&new))));
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let id = StepId::new(verb, node, &format!("edit-{name}"));
    let backup = BackupRef {
        run: None,
        step: id.clone(),
    };
    let as_kept = Probe::AsKept {
        path: path.clone(),
        backup: backup.clone(),
    };
    let diff = ByteDiff::between(file, &new, is_masked);
    Ok(Some(Step {
        title: title(std::slice::from_ref(one), name),
        why: Why {
            says: "It was asked for on the command line.".to_owned(),
            page: None,
        },
        class: Class::Stage,
        action: Action::EditProperties {
            path: path.clone(),
            edits: edits(file, wishes),
            utf8,
        },
        guards: vec![Condition::is(whole, Reading::Digest(print(file)))],
        proof: Proof::Holds(proof),
        outputs: BTreeMap::new(),
        undo: Undo::By {
            action: Box::new(Action::Restore {
                path: path.clone(),
                backup,
            }),
            proof: Proof::Holds(vec![Condition::is(as_kept, Reading::Same)]),
        },
        timeout: TIMEOUT,
        leaves: format!("{path} is changed"),
        temporary: None,
        ends: None,
        preview: Some(diff.unified(path.as_str(), path.as_str())).filter(|text| !text.is_empty()),
        id,
    }))
}

/// The file with the wishes fulfilled; none when it has nothing to change.
///
/// A secret is not known here: some text stands for it in the result, and must be
/// masked before anybody sees it.
pub fn changed(file: &Properties, wishes: &[Wish]) -> Result<Option<Properties>, EditError> {
    let mut new = file.clone();
    let mut any = false;
    for edit in edits(file, wishes) {
        let which = |line: Option<u64>| {
            line.and_then(|line| usize::try_from(line).ok())
                .map_or(Which::Only, Which::Line)
        };
        any |= match &edit {
            PropertyEdit::Unset { key, line } => new.unset(key.as_str(), which(*line))?,
            PropertyEdit::Set {
                key,
                value: Value::Text(text),
                line,
            } => new.set(key.as_str(), text.as_str(), which(*line))?,
            PropertyEdit::Set { key, line, .. } => {
                // The file has another value, or the wish would not be here.
                let unlike = new.get(key.as_str()).is_some_and(|old| old == "****");
                new.set(
                    key.as_str(),
                    if unlike { "*****" } else { "****" },
                    which(*line),
                )?
            }
        };
    }
    Ok(any.then_some(new))
}

/// The keys whose values a fingerprint of the file must not depend on.
fn masked_keys(old: &Properties, new: &Properties, wishes: &[Wish]) -> Vec<String> {
    let mut keys: Vec<String> = old
        .keys()
        .into_iter()
        .chain(new.keys())
        .filter_map(|key| key.to_exact())
        .filter(|key| looks_secret(key))
        .chain(
            wishes
                .iter()
                .filter(|wish| wish.secret().is_some())
                .map(|wish| wish.key.clone()),
        )
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The changes for the world, each definition by its line; later lines first, since a change may move those behind it.
fn edits(file: &Properties, wishes: &[Wish]) -> Vec<PropertyEdit> {
    let mut edits = Vec::new();
    for wish in wishes {
        let edit = |line: Option<usize>| {
            let line = line.and_then(|line| u64::try_from(line).ok());
            match &wish.value {
                Some(value) => PropertyEdit::Set {
                    key: wish.key.clone(),
                    value: value.clone(),
                    line,
                },
                None => PropertyEdit::Unset {
                    key: wish.key.clone(),
                    line,
                },
            }
        };
        let lines: Vec<usize> = file
            .entries()
            .filter(|entry| entry.key == wish.key.as_str())
            .map(|entry| entry.line)
            .collect();
        match (wish.which, lines.as_slice()) {
            (Which::Line(line), _) => edits.push((line, edit(Some(line)))),
            (Which::Only, _) | (_, [] | [_]) => edits.push((0, edit(None))),
            (Which::First, [first, ..]) => edits.push((*first, edit(Some(*first)))),
            (Which::Last, [.., last]) => edits.push((*last, edit(Some(*last)))),
            (Which::All, all) => {
                edits.extend(all.iter().map(|line| (*line, edit(Some(*line)))));
            }
        }
    }
    edits.sort_by_key(|(line, _)| std::cmp::Reverse(*line));
    edits.into_iter().map(|(_, edit)| edit).collect()
}
