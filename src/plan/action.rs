//! The kinds of things that a step can do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Argv, Condition, Millis, RemotePath, RunId, Sha256, StepId, Tree, Value};
use crate::config::{NodeName, PoolName, RuntimeSocket, SecretRef};

/// What a step does. The list is closed: a world knows how to do each of these, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Change keys of a `.properties` file and nothing else in it; the old file is kept as the step's backup.
    EditProperties {
        /// The file; where it is a link, the file that the link names.
        path: RemotePath,
        /// The changes, in order.
        edits: Vec<PropertyEdit>,
        /// Whether the file is read as UTF-8 and not as Latin-1.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        utf8: bool,
    },
    /// Change attributes in an XML file and nothing else in it; the old file is kept as the step's backup.
    EditXml {
        /// The file.
        path: RemotePath,
        /// The changes, in order.
        edits: Vec<XmlEdit>,
    },
    /// Put a file of this content there; an old one is kept as the step's backup.
    WriteFile {
        /// The file.
        path: RemotePath,
        /// Its content: the parts, one after the other.
        content: Vec<Value>,
        /// Its mode, such as 0o640; without one, that of the old file, else 0600.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// Copy a folder to a place where nothing is, whole or not at all.
    CopyTree {
        /// The folder.
        from: RemotePath,
        /// Its copy.
        to: RemotePath,
        /// What the folder's manifest was when the plan was made.
        source: Sha256,
    },
    /// Bring a tree beside the place where it shall be, whole and verified, and leave that place as it is.
    StageTree {
        /// The tree.
        tree: Tree,
        /// Where it shall be.
        to: RemotePath,
        /// What will be there: the tree with what stays of the place's own.
        becomes: Sha256,
        /// The nodes that get the same tree at the same time, from one reading of it.
        company: Vec<NodeName>,
    },
    /// Replace the files of a place by those of a tree where they are, one by one. Done again, it goes on.
    ReplaceFiles {
        /// The tree.
        tree: Tree,
        /// The place.
        to: RemotePath,
        /// What will be there: the tree with what stays of the place's own.
        becomes: Sha256,
        /// The nodes that get the same tree at the same time, from one reading of it.
        company: Vec<NodeName>,
    },
    /// Make a staged tree the one that is at a place; the old one is kept beside it.
    SwapTree {
        /// The place.
        to: RemotePath,
        /// The step that staged it.
        stage: StepId,
        /// What will be there.
        becomes: Sha256,
        /// Whether what is in the trees changes places one by one, since a file system is mounted at the place.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        one_by_one: bool,
    },
    /// Give a place back the tree that a swap took from it.
    SwapBack {
        /// The place.
        to: RemotePath,
        /// The swap.
        swap: BackupRef,
        /// Whether it was done one by one, and is taken back so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        one_by_one: bool,
    },
    /// Give a file or folder another name on the same file system.
    MoveTree {
        /// Its name.
        from: RemotePath,
        /// Its new name, where nothing is.
        to: RemotePath,
    },
    /// Make a symbolic link, or point one elsewhere.
    Link {
        /// The link.
        path: RemotePath,
        /// What it names.
        target: String,
    },
    /// Take a file, link or folder away; it is kept beside its old place until it is cleaned up.
    Remove {
        /// What goes.
        path: RemotePath,
    },
    /// Start or stop a service.
    Service {
        /// The service.
        service: Service,
        /// What it is to do.
        to: ServiceState,
    },
    /// Run a program on the node, such as a vendor's installer.
    Run {
        /// The program and its arguments.
        argv: Argv,
        /// The folder it runs in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dir: Option<RemotePath>,
        /// What it reads on standard input: the parts, one after the other.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stdin: Vec<Value>,
        /// The exit codes that mean success.
        success: Vec<i64>,
    },
    /// Call a REST interface.
    Rest {
        /// The method.
        method: Method,
        /// The address.
        url: String,
        /// What follows the address behind a slash, such as an id that an earlier step was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        under: Option<Value>,
        /// The credentials, as `user:password` or a token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<SecretRef>,
        /// The JSON that is sent.
        #[serde(
            default,
            deserialize_with = "even_null",
            skip_serializing_if = "Option::is_none"
        )]
        body: Option<serde_json::Value>,
        /// What is read first, so that the body changes some of it and all of it is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        merge: Option<Merge>,
        /// The status codes that mean success.
        success: Vec<u16>,
    },
    /// Take a server out of a pool of HAProxy, or put it back.
    Balancer {
        /// Where HAProxy's runtime interface listens on the node: a path, or `host:port`.
        #[serde(default)]
        socket: RuntimeSocket,
        /// The pool: a `backend` or `listen` of HAProxy.
        pool: PoolName,
        /// The server in the pool.
        server: PoolName,
        /// What it is to be.
        to: PoolState,
    },
    /// Wait until a probe finds what it should.
    WaitUntil {
        /// What must be found.
        until: Condition,
        /// How often to look.
        every: Millis,
        /// How many good answers in a row are enough.
        good: u32,
        /// How long to wait at most.
        within: Millis,
        /// What it means when the time is up.
        on_timeout: OnTimeout,
    },
    /// Keep a copy of a file or folder as the step's backup.
    BackUp {
        /// What is kept.
        path: RemotePath,
    },
    /// Put back what a step kept.
    Restore {
        /// Where it goes.
        path: RemotePath,
        /// What is put back.
        backup: BackupRef,
    },
    /// Ask a person to do something, and to say that it is done.
    AskOperator {
        /// What to do, in full sentences.
        request: String,
        /// What the person is asked to give as evidence.
        evidence: String,
    },
    /// Look, and go on only if everything is as it should be.
    Check {
        /// What must be found.
        that: Vec<Condition>,
    },
}

impl Action {
    /// The kind, in the words of the plan's file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EditProperties { .. } => "edit-properties",
            Self::EditXml { .. } => "edit-xml",
            Self::WriteFile { .. } => "write-file",
            Self::CopyTree { .. } => "copy-tree",
            Self::StageTree { .. } => "stage-tree",
            Self::ReplaceFiles { .. } => "replace-files",
            Self::SwapTree { .. } => "swap-tree",
            Self::SwapBack { .. } => "swap-back",
            Self::MoveTree { .. } => "move-tree",
            Self::Link { .. } => "link",
            Self::Remove { .. } => "remove",
            Self::Service { .. } => "service",
            Self::Run { .. } => "run",
            Self::Rest { .. } => "rest",
            Self::Balancer { .. } => "balancer",
            Self::WaitUntil { .. } => "wait-until",
            Self::BackUp { .. } => "back-up",
            Self::Restore { .. } => "restore",
            Self::AskOperator { .. } => "ask-operator",
            Self::Check { .. } => "check",
        }
    }

    /// Whether the action may have been done in part by looks that find nothing of it, and goes on from there when it
    /// is done again.
    pub fn goes_on(&self) -> bool {
        match self {
            Self::ReplaceFiles { .. } => true,
            Self::SwapTree { one_by_one, .. } | Self::SwapBack { one_by_one, .. } => *one_by_one,
            _ => false,
        }
    }

    /// Every value in the action, for whoever must resolve or count them.
    pub fn values_mut(&mut self) -> Vec<&mut Value> {
        match self {
            Self::EditProperties { edits, .. } => edits
                .iter_mut()
                .filter_map(|edit| match edit {
                    PropertyEdit::Set { value, .. } => Some(value),
                    PropertyEdit::Unset { .. } => None,
                })
                .collect(),
            Self::EditXml { edits, .. } => edits.iter_mut().map(|edit| &mut edit.value).collect(),
            Self::WriteFile { content, .. } => content.iter_mut().collect(),
            Self::Run { stdin, .. } => stdin.iter_mut().collect(),
            Self::Rest { under, .. } => under.iter_mut().collect(),
            Self::WaitUntil { until, .. } => until.probe.values_mut(),
            Self::Check { that } => that.iter_mut().flat_map(|c| c.probe.values_mut()).collect(),
            Self::CopyTree { .. }
            | Self::StageTree { .. }
            | Self::ReplaceFiles { .. }
            | Self::SwapTree { .. }
            | Self::SwapBack { .. }
            | Self::MoveTree { .. }
            | Self::Link { .. }
            | Self::Remove { .. }
            | Self::Service { .. }
            | Self::Balancer { .. }
            | Self::BackUp { .. }
            | Self::Restore { .. }
            | Self::AskOperator { .. } => Vec::new(),
        }
    }

    /// Every value in the action.
    pub fn values(&self) -> Vec<Value> {
        self.clone()
            .values_mut()
            .into_iter()
            .map(|value| value.clone())
            .collect()
    }

    /// The references of all secrets that the action needs.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let credentials = match self {
            Self::Rest { credentials, .. } => credentials.clone(),
            _ => None,
        };
        self.values()
            .into_iter()
            .filter_map(|value| match value {
                Value::Secret(reference) => Some(reference),
                Value::Text(_) | Value::FromStep { .. } => None,
            })
            .chain(credentials)
            .collect()
    }
}

/// A body of `null` is a body.
fn even_null<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(from).map(Some)
}

/// A change of one key of a `.properties` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PropertyEdit {
    /// The key gets this value.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: Value,
        /// Which of several definitions is meant, by its line; all others stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
    },
    /// The key goes.
    Unset {
        /// The key.
        key: String,
        /// Which of several definitions is meant, by its line; all others stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
    },
}

impl PropertyEdit {
    /// The key that changes.
    pub fn key(&self) -> &str {
        match self {
            Self::Set { key, .. } | Self::Unset { key, .. } => key,
        }
    }
}

/// A change of one attribute in an XML file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct XmlEdit {
    /// The elements from the root down, each as `name` or `name[attribute=value]`; exactly one must match.
    pub element: Vec<String>,
    /// The attribute.
    pub attribute: String,
    /// Its value.
    pub value: Value,
}

/// A service and the commands that drive it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name for people.
    pub name: String,
    /// The command that starts it.
    pub start: Argv,
    /// The command that stops it.
    pub stop: Argv,
    /// The command that tells what it does: exit code 0 when it runs, 3 when it is stopped.
    pub status: Argv,
}

/// What a service does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        })
    }
}

/// What a server is in a balancer's pool.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PoolState {
    /// It gets new requests.
    Enabled,
    /// It gets no new users.
    Drained,
    /// It gets no requests: its users go to other servers.
    Out,
}

impl fmt::Display for PoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Drained => "drained",
            Self::Out => "out",
        })
    }
}

/// What a call reads before it writes: a JSON object, whose members the body's members replace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The address that is read.
    pub from: String,
    /// The members that are not sent back, such as passwords that are read as a mask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// The method of a REST call.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Make.
    Post,
    /// Replace.
    Put,
    /// Take away.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// What it means when the time of a wait is up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// The step fails.
    Fail,
    /// The step is done all the same, and says so.
    GoOn,
    /// The step fails, and everything that the run has changed for a time only is given back.
    GiveBack,
}

/// What a step of some run kept.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct BackupRef {
    /// The run; without one, the run that the action belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The step that kept it.
    pub step: StepId,
}
