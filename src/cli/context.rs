//! What a verb works with: the streams, the cluster file, the runs, the time.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::global::Global;
use super::io::Io;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, ResolvedNode, SecretName, SecretRef};
use crate::exit::Exit;
use crate::plan::text::{Style, Verbosity};
use crate::plan::{Argv, Hook, Hooks, Login, Millis, Plan, RemotePath, RunId, Sudo, Target};
use crate::store::RunStore;
use crate::view::{Look, Wanted};

/// The program and its version, as plans and journals name it.
pub(super) const TOOL: &str = concat!("clusterctl ", env!("CARGO_PKG_VERSION"));

/// The cluster file that is read when none is named.
const CLUSTER_FILE: &str = "cluster.toml";

/// The verb of plans that take back a run.
pub(super) const UNDO: &str = "undo";

/// Where plans come from.
const SAVES: &str = "a verb's --out FILE saves a plan";

/// What a verb works with.
pub(super) struct Context {
    pub(super) io: Io,
    pub(super) global: Global,
}

impl Context {
    fn wanted(&self) -> Wanted {
        Wanted {
            json: self.global.json,
            colour: self.global.color,
        }
    }

    /// How results are shown.
    pub(super) fn out_look(&self) -> Look {
        Look::decide(self.wanted(), &self.io.out_surroundings)
    }

    /// How progress, questions and errors are shown.
    pub(super) fn err_look(&self) -> Look {
        Look::decide(self.wanted(), &self.io.err_surroundings)
    }

    /// How plans are printed.
    pub(super) fn plan_style(&self) -> Style {
        let look = self.out_look();
        Style {
            width: match look {
                Look::Terminal { width, .. } => usize::from(width),
                Look::Plain { .. } | Look::Json => Style::default().width,
            },
            colour: look.colour(),
            verbosity: if self.global.verbose > 0 {
                Verbosity::Verbose
            } else {
                Verbosity::Normal
            },
        }
    }

    /// Prints a plan as a result: as text, or as JSON where that was asked for.
    pub(super) fn print_plan(&self, plan: &Plan) {
        if self.global.json {
            self.print_json(plan);
        } else {
            self.io
                .out
                .print(&crate::plan::text::render(plan, &self.plan_style()));
        }
    }

    /// Prints a value as one line of JSON.
    pub(super) fn print_json(&self, value: &impl serde::Serialize) {
        // Everything that is printed this way is made of strings, numbers, lists and string-keyed maps.
        let text = serde_json::to_string(value).unwrap_or_default();
        self.io.out.print(&format!("{text}\n"));
    }

    /// The cluster: the named file, else the one in this folder, else this machine alone.
    pub(super) fn cluster(&self) -> Result<Cluster> {
        let named = self.global.cluster.clone();
        if let Some(path) = named.or_else(|| set("CLUSTERCTL_CLUSTER")) {
            return Ok(Cluster::load(&path)?);
        }
        let here = Path::new(CLUSTER_FILE);
        if here.exists() {
            Ok(Cluster::load(here)?)
        } else {
            Ok(Cluster::this_machine())
        }
    }

    /// The runs of this machine.
    pub(super) fn runs(&self) -> Result<RunStore> {
        let named = self.global.state_dir.clone();
        let folder = match named.or_else(|| set("CLUSTERCTL_STATE_DIR")) {
            Some(folder) => folder,
            None => user_state()
                .ok_or_else(|| {
                    Refusal::usage(
                        "there is no folder for runs: neither HOME nor XDG_STATE_HOME is set",
                    )
                    .hint("--state-dir DIR   (or CLUSTERCTL_STATE_DIR)")
                })?
                .join("clusterctl"),
        };
        let folder = std::path::absolute(&folder)
            .with_context(|| format!("{} is no usable folder", folder.display()))?;
        Ok(RunStore::new(folder))
    }

    /// The run that a person means: its name, the beginning or end of it, or `latest`.
    pub(super) fn find_run(&self, asked: &str) -> Result<RunId> {
        let store = self.runs()?;
        if asked == "latest" && store.list()?.is_empty() {
            return Err(no_runs(&store));
        }
        Ok(store.find(asked)?)
    }

    /// The run that shall be taken back; `latest` is the latest that is no undo itself.
    pub(super) fn find_run_to_undo(&self, asked: &str) -> Result<RunId> {
        if asked != "latest" {
            return self.find_run(asked);
        }
        let store = self.runs()?;
        for run in store.list()?.into_iter().rev() {
            let plan = Plan::from_json(&store.read(&run)?.plan)
                .with_context(|| format!("the plan of run {run} can't be used"))?;
            if plan.verb != UNDO {
                return Ok(run);
            }
        }
        Err(no_runs(&store))
    }

    /// Reads a plan file; `-` is standard input.
    pub(super) fn read_plan(&mut self, path: &Path) -> Result<Plan> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let mut name = format!("the plan {}", path.display());
        if path == Path::new("-") {
            "the plan on standard input".clone_into(&mut name);
            self.io
                .input
                .read_to_end(&mut bytes)
                .map_err(|error| Refusal::usage(format!("{name} could not be read: {error}")))?;
        } else {
            let refused = |error: std::io::Error| {
                Refusal::usage(format!("{name} could not be read: {error}")).hint(SAVES)
            };
            let found = std::fs::metadata(path).map_err(refused)?;
            if found.is_dir() {
                return Err(refused(std::io::ErrorKind::IsADirectory.into()).into());
            }
            bytes = std::fs::read(path).map_err(refused)?;
        }
        Plan::from_json(&bytes)
            .with_context(|| Refusal::usage(format!("{name} can't be used")).hint(SAVES))
    }
}

fn no_runs(store: &RunStore) -> anyhow::Error {
    Refusal::usage(format!("there are no runs in {}", store.path().display()))
        .hint("--state-dir DIR   (looks for them in another folder)")
        .into()
}

/// The path that a variable of the environment names; an empty one names none.
fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The folder in which a person's programs keep what should survive a restart.
fn user_state() -> Option<PathBuf> {
    set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME")?.join(".local/state")))
}

/// Where a node is reached, as a plan says it.
pub(super) fn target(cluster: &Cluster, node: &ResolvedNode) -> Result<Target> {
    if node.name.is_local() && keeps_its_usual_folder(node) {
        return Ok(this_machine()?.1);
    }
    let state_dir = RemotePath::new(node.state_dir.as_str());
    let sudo = node.sudo.as_ref().map(|sudo| Sudo {
        user: sudo.user.clone(),
        password: found(cluster, sudo.password.as_ref()),
    });
    let at = Target {
        sudo,
        ..Target::at(node.address.to_string(), state_dir)
    };
    if node.is_local() {
        return Ok(at);
    }
    Ok(Target {
        port: node.port.and_then(NonZeroU16::new),
        user: node.user.clone(),
        login: Login {
            back_end: node.ssh.back_end,
            host_keys: node.ssh.host_keys,
            password: found(cluster, node.ssh.password.as_ref()),
            passphrase: found(cluster, node.ssh.passphrase.as_ref()),
        },
        ..at
    })
}

/// Where a secret of the cluster file is found; the file was refused if it names none.
fn found(cluster: &Cluster, name: Option<&SecretName>) -> Option<SecretRef> {
    name.and_then(|name| cluster.secret(name)).cloned()
}

/// Whether nothing but the default, or the environment, says where this machine keeps its lock.
fn keeps_its_usual_folder(node: &ResolvedNode) -> bool {
    let usual = Cluster::this_machine();
    let usual = usual.node(&NodeName::local()).map(|node| &node.state_dir);
    set("CLUSTERCTL_NODE_DIR").is_some() || usual == Some(&node.state_dir)
}

/// The node `local`: as the cluster file has it, or without one.
///
/// However this machine is named on the command line, there is one folder with
/// one lock for it; two would let two runs at one file.
pub(super) fn local(cluster: &Cluster) -> Result<(NodeName, Target)> {
    match cluster.node(&NodeName::local()) {
        Some(node) => Ok((node.name.clone(), target(cluster, node)?)),
        None => this_machine(),
    }
}

/// This machine as a node, without a cluster file.
///
/// Root keeps the lock where every runner looks for it; others can only lock
/// out themselves, in a folder of their own.
fn this_machine() -> Result<(NodeName, Target)> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let state_dir = match set("CLUSTERCTL_NODE_DIR") {
        Some(folder) => text(folder),
        None if rustix::process::geteuid().is_root() => {
            let local = Cluster::this_machine();
            let node = local
                .node(&NodeName::local())
                .map(|node| node.state_dir.to_string());
            node.unwrap_or_default()
        }
        None => user_state()
            .map(|folder| text(folder.join("clusterctl/node")))
            .ok_or_else(|| {
                Refusal::usage("there is no folder for this machine's lock: HOME is not set")
                    .hint("CLUSTERCTL_NODE_DIR=DIR clusterctl ...")
            })?,
    };
    if !Path::new(&state_dir).is_absolute() {
        let what = format!("CLUSTERCTL_NODE_DIR is `{state_dir}`, which is not an absolute path");
        return Err(Refusal::usage(what).into());
    }
    let target = Target::at(Target::LOCAL, RemotePath::new(state_dir));
    Ok((NodeName::local(), target))
}

/// The hooks of a cluster file, as a plan has them.
pub(super) fn hooks(cluster: &Cluster) -> Hooks {
    let hook = |hook: &Option<crate::config::Hook>| {
        hook.as_ref().map(|hook| Hook {
            command: Argv::new(hook.command.as_slice().iter().cloned()),
            deadline: Millis::from(hook.deadline.get()),
        })
    };
    let hooks = cluster.hooks();
    Hooks {
        before_step: hook(&hooks.before_step),
        after_step: hook(&hooks.after_step),
        on_failure: hook(&hooks.on_failure),
        on_end: hook(&hooks.on_end),
    }
}

/// A path on this machine as a plan needs it: absolute, and text.
pub(super) fn absolute(path: &Path) -> Result<RemotePath> {
    let whole = std::path::absolute(path)
        .map_err(|error| Refusal::usage(format!("`{}` is no path: {error}", path.display())))?;
    let text = whole.to_str().ok_or_else(|| {
        Refusal::usage(format!(
            "the path {} is not UTF-8, and a plan could not name it",
            whole.to_string_lossy().escape_debug()
        ))
        .hint("give the file through a link with another name")
    })?;
    Ok(RemotePath::new(text))
}

/// A path as it is typed into a shell.
pub(super) fn typed(path: &Path) -> String {
    Argv::new([path.display().to_string()]).to_string()
}

/// Writes a plan to a file, whole or not at all.
pub(super) fn save_plan(plan: &Plan, path: &Path) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fail = |error: std::io::Error| {
        Refusal::new(
            Exit::Usage,
            format!("the plan could not be saved as {}: {error}", path.display()),
        )
    };
    let name = path
        .file_name()
        .ok_or_else(|| fail(std::io::ErrorKind::InvalidFilename.into()))?
        .to_string_lossy()
        .into_owned();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(plan.to_json().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // Nothing else can be done about what is left of the attempt.
        let _ = std::fs::remove_file(&beside);
        fail(error)
    })?;
    Ok(())
}
