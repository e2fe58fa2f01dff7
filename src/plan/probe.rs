//! The kinds of things that can be looked at.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Argv, BackupRef, RemotePath, Service, StepId, Value};
use crate::config::{PoolName, RuntimeSocket, SecretRef};

/// What is looked at on a node. Looking changes nothing.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "look", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// What stands at a path: `Absent`, or `Text` with `file`, `folder`, `link TARGET` or `other`.
    Path {
        /// The path; a link is not followed.
        path: RemotePath,
    },
    /// A file's fingerprint: `Absent` or `Digest`.
    File {
        /// The file; a link is followed.
        path: RemotePath,
        /// Keys of a `.properties` file whose values are masked first, because they are secrets.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        masked: Vec<String>,
    },
    /// A file's content, compared in memory: `Absent`, `Same` or `Different`.
    FileIs {
        /// The file; a link is followed.
        path: RemotePath,
        /// The content: the parts, one after the other.
        content: Vec<Value>,
    },
    /// The value of a key that is no secret: `Absent` or `Text`.
    Property {
        /// The `.properties` file.
        path: RemotePath,
        /// The key.
        key: String,
    },
    /// The value of a key, compared in memory: `Absent`, `Same` or `Different`.
    PropertyIs {
        /// The `.properties` file.
        path: RemotePath,
        /// The key.
        key: String,
        /// What it is compared with.
        value: Value,
        /// Whether the file is read as UTF-8 and not as Latin-1.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        utf8: bool,
    },
    /// An attribute in an XML file, compared in memory: `Absent`, `Same` or `Different`.
    XmlIs {
        /// The file.
        path: RemotePath,
        /// The elements from the root down; see the action that edits it.
        element: Vec<String>,
        /// The attribute.
        attribute: String,
        /// What it is compared with.
        value: Value,
    },
    /// The fingerprint of a folder's manifest: `Absent` or `Digest`.
    Tree {
        /// The folder.
        path: RemotePath,
    },
    /// The fingerprint of what a tree contains but for the contents of files: names, modes, sizes, times. `Absent`,
    /// `Digest`, or `Text` with `file` where it is no tree.
    Contents {
        /// The tree; a link is followed.
        path: RemotePath,
        /// What is left out: rules as in a `.gitignore`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
        /// A step of this run: once it has begun to change the tree, what that contained before is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<StepId>,
    },
    /// The fingerprint of the tree that a step of this run staged, whole and verified: `Absent` or `Digest`.
    Staged {
        /// The step.
        step: StepId,
        /// The place that it was staged for.
        to: RemotePath,
    },
    /// The fingerprint of what a step kept: `Absent` or `Digest`.
    Backup {
        /// What was kept.
        backup: BackupRef,
    },
    /// Whether what stands at a path is what a step kept: `Same`, `Different` or `Absent`.
    AsKept {
        /// The path.
        path: RemotePath,
        /// What was kept.
        backup: BackupRef,
    },
    /// What a service does: `Service`, or `Text` when its status command says neither.
    Service {
        /// The service.
        service: Service,
    },
    /// A command's exit code: `Number`.
    Command {
        /// The command; it must change nothing.
        argv: Argv,
    },
    /// Whether something listens: `Text` with `open` or `closed`.
    Port {
        /// The host, as the node sees it.
        host: String,
        /// The port.
        port: u16,
    },
    /// Free space under a path, in bytes: `Number`.
    FreeSpace {
        /// The path.
        path: RemotePath,
    },
    /// What the node remembers of a step of this run: `Absent`, or `Text` with `begun` or `done`.
    Stamp {
        /// The step.
        step: StepId,
    },
    /// What a REST interface answers: the status as `Number`, or `Absent` when nothing answers.
    Rest {
        /// The address that is read.
        url: String,
        /// The credentials, as `user:password` or a token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<SecretRef>,
        /// Which item of the list that is answered is meant. The pointer starts in it; without one, the item is given
        /// whole. `Absent` where the list has no such item, `Text` with `no list` where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<Item>,
        /// A JSON pointer into the answer: the probe then gives what is there, as `Text`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pointer: Option<String>,
        /// Whether the items of the list that is there, or that is the answer, are counted: `Number`, or `Text` with
        /// `no list`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        counts: bool,
    },
    /// The process whose command line has these words, each as a whole: `Absent`, `Text` with its number and when it
    /// began, or `Text` with how many `processes` there are.
    Process {
        /// The words.
        words: Vec<String>,
    },
    /// What HAProxy tells of a server in a pool; `Absent` where there is no such server or pool.
    Balancer {
        /// Where HAProxy's runtime interface listens on the node: a path, or `host:port`.
        #[serde(default)]
        socket: RuntimeSocket,
        /// The pool: a `backend` or `listen` of HAProxy.
        pool: PoolName,
        /// The server.
        server: PoolName,
        /// What of it.
        #[serde(default)]
        of: PoolFact,
    },
    /// A probe that a vendor's product defines: `Text` or `Number`.
    Product {
        /// Its name.
        name: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
}

/// An item of a list: the first one whose member has this value.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The name of the member.
    pub member: String,
    /// Its value, as text.
    pub is: String,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the item whose `{}` is `{}`", self.member, self.is)
    }
}

/// What HAProxy is asked about a server in a pool.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PoolFact {
    /// What it is to be: `Text` with `enabled`, `drained` or `out`.
    #[default]
    State,
    /// What checks find: `Text` with `up`, `settling`, `down` or `unchecked`.
    Health,
    /// How many requests it works on or has waiting: `Number`.
    Requests,
    /// How many other servers of the pool get new users and answer, as far as is known: `Number`.
    OthersInService,
}

impl Probe {
    /// The thing that is looked at: two probes of one subject may be changed by one action.
    pub fn subject(&self) -> String {
        match self {
            Self::Path { path }
            | Self::File { path, .. }
            | Self::FileIs { path, .. }
            | Self::Property { path, .. }
            | Self::PropertyIs { path, .. }
            | Self::XmlIs { path, .. }
            | Self::AsKept { path, .. }
            | Self::Contents { path, .. }
            | Self::Tree { path } => path.to_string(),
            Self::Staged { step, .. } => format!("what {step} staged"),
            Self::Backup { backup } => format!("backup of {}", backup.step),
            Self::Service { service } => format!("service {}", service.name),
            Self::Command { argv } => argv.posix(),
            Self::Port { host, port } => format!("port {host}:{port}"),
            Self::FreeSpace { path } => format!("free space under {path}"),
            Self::Stamp { step } => format!("stamp of {step}"),
            Self::Rest { url, .. } => url.clone(),
            Self::Process { words } => format!("process {}", words.join(" ")),
            Self::Balancer {
                pool,
                server,
                of: PoolFact::State,
                ..
            } => format!("{server} in pool {pool}"),
            Self::Balancer {
                pool, server, of, ..
            } => format!("{of:?} of {server} in pool {pool}"),
            Self::Product { name, args } => format!("{name} {}", args.join(" ")),
        }
    }

    /// The word between the probe and what it finds, in a sentence.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Command { .. } => "gives",
            Self::Rest {
                item: None,
                pointer: None,
                counts: false,
                ..
            } => "answers",
            _ => "is",
        }
    }

    /// Every value that the probe compares with.
    pub fn values_mut(&mut self) -> Vec<&mut Value> {
        match self {
            Self::FileIs { content, .. } => content.iter_mut().collect(),
            Self::PropertyIs { value, .. } | Self::XmlIs { value, .. } => vec![value],
            _ => Vec::new(),
        }
    }

    /// The references of all secrets that the probe needs.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let credentials = match self {
            Self::Rest { credentials, .. } => credentials.clone(),
            _ => None,
        };
        self.clone()
            .values_mut()
            .into_iter()
            .filter_map(|value| match value {
                Value::Secret(reference) => Some(reference.clone()),
                Value::Text(_) | Value::FromStep { .. } => None,
            })
            .chain(credentials)
            .collect()
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path } => path.fmt(f),
            Self::File { path, masked } if masked.is_empty() => write!(f, "the content of {path}"),
            Self::File { path, .. } => write!(f, "the content of {path} (secrets masked)"),
            Self::FileIs { path, .. } => write!(f, "the content of {path}"),
            Self::Property { path, key } => write!(f, "`{key}` in {path}"),
            Self::PropertyIs {
                path, key, value, ..
            } => {
                write!(f, "`{key}` in {path} (wanted: {value})")
            }
            Self::XmlIs {
                path,
                element,
                attribute,
                value,
            } => {
                write!(
                    f,
                    "{}/@{attribute} in {path} (wanted: {value})",
                    element.join("/")
                )
            }
            Self::Tree { path } => write!(f, "the tree {path}"),
            Self::Contents {
                path,
                exclude,
                before,
            } => {
                match before {
                    Some(step) => write!(f, "what {path} contained before {step}")?,
                    None => write!(f, "what {path} contains")?,
                }
                if exclude.is_empty() {
                    return Ok(());
                }
                f.write_str(" (but what is excluded)")
            }
            Self::Staged { step, to } => write!(f, "the tree that {step} staged for {to}"),
            Self::Backup { backup } => write!(f, "the backup that {} kept", backup.step),
            Self::AsKept { path, backup } => {
                write!(f, "{path} (wanted: what {} kept)", backup.step)
            }
            Self::Service { service } => write!(f, "service {}", service.name),
            Self::Command { argv } => write!(f, "`{argv}`"),
            Self::Port { host, port } => write!(f, "port {port} of {host}"),
            Self::FreeSpace { path } => write!(f, "the free space under {path}, in bytes,"),
            Self::Stamp { step } => write!(f, "the node's stamp of {step}"),
            Self::Rest {
                url,
                item: Some(item),
                pointer,
                counts,
                ..
            } => {
                if *counts {
                    f.write_str("the number of items in ")?;
                }
                if let Some(pointer) = pointer {
                    write!(f, "`{pointer}` of ")?;
                }
                write!(f, "{item} at {url}")
            }
            Self::Rest {
                url,
                pointer,
                counts: true,
                ..
            } => match pointer {
                Some(pointer) => write!(f, "the number of items in `{pointer}` of {url}"),
                None => write!(f, "the number of items in {url}"),
            },
            Self::Rest {
                url,
                pointer: Some(pointer),
                ..
            } => write!(f, "`{pointer}` of {url}"),
            Self::Process { words } => write!(f, "the process of `{}`", words.join(" ")),
            Self::Rest { url, .. } => url.fmt(f),
            Self::Balancer {
                pool, server, of, ..
            } => match of {
                PoolFact::State => write!(f, "{server} in pool {pool}"),
                PoolFact::Health => write!(f, "the health of {server} in pool {pool}"),
                PoolFact::Requests => {
                    write!(f, "the number of requests at {server} from pool {pool}")
                }
                PoolFact::OthersInService => {
                    write!(
                        f,
                        "the number of servers but {server} that serve in pool {pool}"
                    )
                }
            },
            Self::Product { name, args } if args.is_empty() => name.fmt(f),
            Self::Product { name, args } => write!(f, "{name} {}", args.join(" ")),
        }
    }
}
