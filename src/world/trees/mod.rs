//! Trees that are brought to nodes: the actions and probes of a plan, turned into what `transfer` does.

mod bring;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::bring::Bring;
use super::Connect;
use super::backup::Backup;
use super::files::{judge, kept_in};
use super::job::Job;
use super::kept::{Bytes, Kept};
use super::names::{beside, check_has_name, with_ending};
use super::node::Node;
use super::parts::cut_short;
use super::trouble::{Asked, fault};
use super::watch::Watch;
use crate::config::NodeName;
use crate::engine::{Call, Fault, FaultKind, Look};
use crate::plan::{
    Action, BackupRef, Millis, Probe, Reading, RemotePath, RunId, Sha256, StepId, Target, Tree,
    TreeSource,
};
use crate::remote::{Input, Line, Output, Patience, RemoteError, Streams};
use crate::transfer::{self, Contents, Exec, LandError, Meetings, Origin, Rules, Source, Standing};

/// The trees that a runner brings to nodes.
pub(super) struct Trees {
    /// What was read of each source, by where it is and its fingerprint, so that all lanes share it.
    sources: Mutex<BTreeMap<String, Arc<Source>>>,
    meetings: Meetings,
    /// For nodes that trees come from: such a reading has a connection of its own.
    connector: Arc<dyn Connect>,
    targets: BTreeMap<NodeName, Target>,
}

impl Trees {
    pub(super) fn new(connector: Arc<dyn Connect>, targets: &BTreeMap<NodeName, Target>) -> Self {
        Self {
            sources: Mutex::default(),
            meetings: Meetings::default(),
            connector,
            targets: targets.clone(),
        }
    }

    /// The tree as it was when the plan was made.
    fn source(&self, tree: &Tree, rules: &Rules, watch: &Watch<'_>) -> Result<Arc<Source>, Fault> {
        let key = key(tree);
        // Whoever comes while it is read waits for it.
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&key) {
            return Ok(Arc::clone(source));
        }
        let source = match &tree.from {
            TreeSource::Runner { path } => Source::read(path.local(), rules)
                .map_err(|error| Fault::new(FaultKind::Failed, error.to_string()))?,
            TreeSource::Node { node, path } => {
                let broken_off = || watch.is_broken_off();
                let patience = watch.patience(&broken_off);
                let origin = origin(node, &self.connector);
                Source::survey(origin, path.as_str(), rules, &patience).map_err(|error| {
                    let mut fault = fault_of(error);
                    fault.what = format!("{node}, which has the tree: {}", fault.what);
                    fault
                })?
            }
        };
        if Sha256::from_raw(&source.digest()) != tree.digest {
            let what = format!("{} is not as it was when the plan was made", tree.from);
            return Err(Fault::new(FaultKind::Stale, what).hint("push it again"));
        }
        let source = Arc::new(source);
        sources.insert(key, Arc::clone(&source));
        Ok(source)
    }

    /// Takes what was read of a tree already, before anything is brought.
    pub(super) fn know(&self, tree: &Tree, source: Source) {
        if Sha256::from_raw(&source.digest()) == tree.digest {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            sources.insert(key(tree), Arc::new(source));
        }
    }

    /// Reads a tree that is going to be brought, before anything waits for that.
    pub(super) fn read_ahead(&self, tree: &Tree) {
        if let Ok(rules) = rules(&tree.exclude) {
            // Why it can't be read, the step tells that needs it.
            let _ = self.source(tree, &rules, &Watch::unbroken(Millis(0)));
        }
    }

    /// A tree that what is on the nodes is mostly like, if one was read.
    fn any(&self) -> Option<Arc<Source>> {
        // Who is waited for while one is read has its own time for that, and not the one of a look.
        let sources = self.sources.try_lock().ok()?;
        sources.values().next().cloned()
    }

    /// Why a tree can't come from where it is, if the plan does not say where that is.
    pub(super) fn refuses(&self, tree: &Tree) -> Option<String> {
        match &tree.from {
            TreeSource::Node { node, .. } if !self.targets.contains_key(node) => Some(format!(
                "the plan does not say where the node {node} is, which has the tree"
            )),
            _ => None,
        }
    }

    /// Whether a node is this machine.
    fn is_here(&self, node: &NodeName) -> bool {
        self.targets.get(node).is_some_and(Target::is_local)
    }

    /// Whether a tree is on the machine that this node is, where its user can read it as well.
    fn is_near(&self, tree: &Tree, node: &NodeName) -> bool {
        let Some(target) = self.targets.get(node) else {
            return false;
        };
        match &tree.from {
            TreeSource::Runner { .. } => target.is_here_with_all_rights(),
            TreeSource::Node { node, .. } => self
                .targets
                .get(node)
                .is_some_and(|from| from.is_same_user(target)),
        }
    }
}

/// A tree as it was when the plan was made.
fn key(tree: &Tree) -> String {
    format!("{} {}", tree.from, tree.digest)
}

/// A node that a tree comes from.
fn origin(node: &NodeName, connector: &Arc<dyn Connect>) -> Origin {
    let (name, connector) = (node.clone(), Arc::clone(connector));
    Origin {
        name: node.to_string(),
        exec: Arc::new(move |line, streams, patience| {
            connector
                .connect(&name, patience)?
                .exec(line, streams, patience)
        }),
    }
}

/// The work that is left for the fence; `None` where the action is none of ours.
pub(super) fn job(
    node: &Node<'_>,
    call: &Call<'_>,
    action: &Action,
    trees: &Trees,
    watch: &Watch<'_>,
) -> Result<Option<Job>, Fault> {
    let own = Backup::at(node.folder.backup(call.run, call.step), call.direction);
    let work = Work {
        node,
        call,
        watch,
        own: own.folder(),
    };
    match action {
        Action::StageTree {
            tree,
            to,
            becomes,
            company,
        }
        | Action::ReplaceFiles {
            tree,
            to,
            becomes,
            company,
        } => {
            let bring = Bring {
                tree,
                to,
                becomes,
                company,
                in_place: matches!(action, Action::ReplaceFiles { .. }),
            };
            let job = if bring.in_place {
                work.replace(&bring, trees)
            } else {
                work.stage(&bring, trees)
            };
            job.map(Some)
        }
        Action::SwapTree {
            to,
            stage,
            becomes,
            one_by_one,
        } => work.swap(to, stage, becomes, *one_by_one).map(Some),
        Action::SwapBack { to, swap, .. } => work.back(to, swap).map(Some),
        _ => Ok(None),
    }
}

/// What a probe finds; `None` where it is none of ours.
pub(super) fn observe(
    node: &Node<'_>,
    look: &Look<'_>,
    probe: &Probe,
    trees: &Trees,
    watch: &Watch<'_>,
) -> Result<Option<Reading>, Fault> {
    match probe {
        Probe::Contents {
            path,
            exclude,
            before,
        } => {
            let rules = rules(exclude)?;
            let like = trees.any();
            let begun = before.as_ref().map(|step| {
                let kept = node.folder.backup(look.run, step);
                shown(&kept.join("begun"))
            });
            let found = with_exec(node, watch, |exec, patience| {
                let (at, begun) = (path.as_str(), begun.as_deref());
                transfer::contents(exec, at, begun, like.as_deref(), patience)
            })?;
            let survey = match found {
                Contents::Before(was) if was == ABSENT => return Ok(Some(Reading::Absent)),
                Contents::Before(was) => return digest_of(&was).map(Some),
                Contents::Now(survey) => survey,
            };
            Ok(Some(match survey.standing {
                Standing::Nothing => Reading::Absent,
                Standing::Other => Reading::text("file"),
                Standing::Folder => Reading::Digest(Sha256::from_raw(&survey.digest(&rules))),
            }))
        }
        Probe::Staged { step, to } => staged(node, look.run, step, to, watch).map(Some),
        _ => Ok(None),
    }
}

/// What the node says of a stage, if that is still there.
fn staged(
    node: &Node<'_>,
    run: &RunId,
    step: &StepId,
    to: &RemotePath,
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    const LOOK: &str = "read -r digest identity _ 2>/dev/null <\"$1/staged\" || exit 0\n\
        for at in \"$2\" \"$3\"; do\n\
            [ \"$(stat -c %d:%i -- \"$at\" 2>/dev/null)\" != \"$identity\" ] || { printf %s \"$digest\"; exit 0; }\n\
        done";
    let kept = node.folder.backup(run, step);
    let said = with_exec(node, watch, |exec, patience| {
        let place = transfer::place(exec, to.as_str(), patience)?;
        let stage = stage_of(&place, run);
        // A swap that was cut short may have given it the name that it gets last.
        let other = aside(&place, run);
        let words = [shown(&kept), shown(&stage), shown(&other)];
        said(exec, LOOK, "clusterctl-staged", &words, patience)
    })?;
    if said.is_empty() {
        return Ok(Reading::Absent);
    }
    digest_of(&said)
}

/// How the record of a step says that there was nothing.
const ABSENT: &str = "absent";

fn digest_of(said: &str) -> Result<Reading, Fault> {
    let digest = serde_json::from_value(said.into()).map_err(|_| cut_short())?;
    Ok(Reading::Digest(digest))
}

/// What a short script that looks at something says.
fn said(
    exec: &Exec<'_>,
    script: &str,
    name: &str,
    words: &[String],
    patience: &Patience<'_>,
) -> Result<String, LandError> {
    let line = Line::script(script, name, words.iter().cloned()).map_err(|error| {
        RemoteError::new(crate::remote::RemoteErrorKind::Here, error.to_string())
    })?;
    let (mut out, mut err) = (Output::at_most(1 << 20), Output::at_most(1 << 10));
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    exec(&line, streams, patience)?;
    Ok(out.text())
}

struct Work<'a> {
    node: &'a Node<'a>,
    call: &'a Call<'a>,
    watch: &'a Watch<'a>,
    /// Where the step keeps its record.
    own: &'a Path,
}

impl Work<'_> {
    /// Brings the tree beside its place; what is left is to say that it is whole.
    fn stage(&self, bring: &Bring<'_>, trees: &Trees) -> Result<Job, Fault> {
        let brought = self.bring(bring, trees)?;
        Ok(files(
            "seal the staged tree",
            transfer::seal(),
            &[
                &brought.stage,
                &shown(self.own),
                bring.becomes.as_str(),
                &brought.was,
                &brought.known.line(),
            ],
        ))
    }

    /// Brings what is not there yet; what is left is to give it its places.
    fn replace(&self, bring: &Bring<'_>, trees: &Trees) -> Result<Job, Fault> {
        let brought = self.bring(bring, trees)?;
        let how = match brought.archives {
            transfer::Archives::Gnu => "gnu",
            transfer::Archives::Busybox => "busybox",
        };
        let mut job = files(
            "replace-files",
            transfer::replace(),
            &[
                bring.to.as_str(),
                &brought.stage,
                &shown(self.own),
                &brought.was,
                bring.becomes.as_str(),
                how,
            ],
        );
        job.input = Zeroizing::new(brought.orders);
        Ok(job)
    }

    fn swap(
        &self,
        to: &RemotePath,
        stage: &StepId,
        becomes: &Sha256,
        one_by_one: bool,
    ) -> Result<Job, Fault> {
        check_has_name(to.local())?;
        let place = self.place(to)?;
        if place.mounted != one_by_one {
            let is = if place.mounted { "by now" } else { "no more" };
            let what =
                format!("a file system is mounted at {to} {is}, unlike when the plan was made");
            return Err(Fault::new(FaultKind::Stale, what).hint("push it again"));
        }
        let other = aside(&place, self.call.run);
        let kept = Kept::Aside {
            at: Bytes::of(&other),
        };
        let record = |kept: Kept| String::from_utf8_lossy(&kept.record(to.local())).into_owned();
        Ok(files(
            "swap-tree",
            transfer::swap(),
            &[
                to.as_str(),
                &shown(&stage_of(&place, self.call.run)),
                &shown(&other),
                &shown(&self.node.folder.backup(self.call.run, stage)),
                becomes.as_str(),
                &shown(self.own),
                &record(kept),
                &record(Kept::Nothing),
            ],
        ))
    }

    fn back(&self, to: &RemotePath, swap: &BackupRef) -> Result<Job, Fault> {
        let of = Backup::of(self.node.folder, self.call.run, swap);
        let old = match kept_in(self.node, of.folder(), self.watch)? {
            Some(Kept::Aside { at }) => shown(&at.path()),
            Some(Kept::Nothing) => "-".to_owned(),
            _ => {
                let what = format!("nothing is known of what {to} was before {}", swap.step);
                return Err(Fault::new(FaultKind::Stale, what));
            }
        };
        let other = aside(&self.place(to)?, self.call.run);
        let known = self.known(of.folder())?;
        let is_as_it_was = match &known {
            Some(known) if old != "-" => self.is_still(&old, known)?,
            _ => false,
        };
        // The two trees change places.
        let goes_to = if old == "-" { &other } else { Path::new(&old) };
        let kept = Kept::Aside {
            at: Bytes::of(goes_to),
        };
        Ok(files(
            "swap-back",
            transfer::back(),
            &[
                to.as_str(),
                &old,
                &shown(of.folder()),
                &shown(&other),
                &shown(self.own),
                &String::from_utf8_lossy(&kept.record(to.local())),
                if is_as_it_was { "as-it-was" } else { "unknown" },
                &known.map_or_else(String::new, |known| known.reversed().line()),
            ],
        ))
    }

    /// What a swap, or what took one back, noted down of the trees; nothing where an older program did it.
    fn known(&self, kept: &Path) -> Result<Option<Known>, Fault> {
        const READ: &str = "cat -- \"$1/known\" 2>/dev/null || :";
        let said = with_exec(self.node, self.watch, |exec, patience| {
            said(exec, READ, "clusterctl-known", &[shown(kept)], patience)
        })?;
        Ok(serde_json::from_str(&said).ok())
    }

    /// Whether the old tree is what it was, without what the rules leave out: a log that is still written there does
    /// not count.
    fn is_still(&self, old: &str, known: &Known) -> Result<bool, Fault> {
        let rules = rules(&known.exclude)?;
        let found = with_exec(self.node, self.watch, |exec, patience| {
            transfer::contents(exec, old, None, None, patience)
        })?;
        Ok(match found {
            Contents::Now(survey) if survey.standing == Standing::Folder => {
                Sha256::from_raw(&survey.digest(&rules)) == known.was
            }
            _ => false,
        })
    }

    fn place(&self, to: &RemotePath) -> Result<transfer::Place, Fault> {
        with_exec(self.node, self.watch, |exec, patience| {
            transfer::place(exec, to.as_str(), patience)
        })
    }
}

/// Where a run keeps something of a place: beside it, or where a file system is mounted there, in it.
fn aside(place: &transfer::Place, run: &RunId) -> PathBuf {
    let beside = beside(Path::new(&place.real), run);
    match beside.file_name() {
        Some(name) if place.mounted => Path::new(&place.real).join(name),
        _ => beside,
    }
}

/// What is noted down of the two trees of a swap, for whoever takes it back.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    /// The fingerprint of the tree that went, without what the rules leave out.
    was: Sha256,
    /// The one of the tree that came.
    becomes: Sha256,
    /// The rules.
    exclude: Vec<String>,
}

impl Known {
    fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same of what takes it back.
    fn reversed(self) -> Self {
        Self {
            was: self.becomes,
            becomes: self.was,
            ..self
        }
    }
}

/// Where a tree is staged for a place.
fn stage_of(place: &transfer::Place, run: &RunId) -> PathBuf {
    with_ending(&aside(place, run), ".stage")
}

fn files(shown: &str, script: transfer::Script, arguments: &[&str]) -> Job {
    let arguments = arguments.iter().copied();
    Job::files(
        shown,
        script.text,
        script.name,
        arguments,
        Zeroizing::default(),
    )
}

fn rules(exclude: &[String]) -> Result<Rules, Fault> {
    Rules::new(exclude).map_err(|error| Fault::new(FaultKind::Failed, error.to_string()))
}

fn shown(path: &Path) -> String {
    let path: &OsStr = path.as_ref();
    path.to_string_lossy().into_owned()
}

/// Does something by commands on the node.
fn with_exec<T>(
    node: &Node<'_>,
    watch: &Watch<'_>,
    work: impl FnOnce(&Exec<'_>, &Patience<'_>) -> Result<T, LandError>,
) -> Result<T, Fault> {
    let exec = |line: &Line, streams: Streams<'_>, patience: &Patience<'_>| {
        node.connections.exec(node.name, line, streams, patience)
    };
    let broken_off = || watch.is_broken_off();
    let patience = watch.patience(&broken_off);
    work(&exec, &patience).map_err(fault_of)
}

fn fault_of(error: LandError) -> Fault {
    match error {
        // What is staged is in the way of nothing, whatever came of it.
        LandError::Remote(error) => fault(error, Asked::ToLook),
        LandError::Said { code, said } => match judge(code, &said) {
            Err(fault) => fault,
            Ok(()) => Fault::new(FaultKind::Failed, said),
        },
        LandError::Changed(what) => Fault::new(FaultKind::Stale, what).hint("push it again"),
        LandError::Broken(what) => Fault::new(FaultKind::Failed, what).hint(
            "push it again: what arrived whole is not sent again; should it happen again, see whether something writes \
             there, and whether the disks are sound",
        ),
        LandError::NoSource(what) => Fault::new(FaultKind::Failed, what)
            .hint("see whether the folder is where it was, and push it again"),
        LandError::NoRoom(what) => {
            let hint = "make room on that file system, for example with `clusterctl cleanup`, and push again: \
                        what has arrived is not sent again";
            Fault::new(FaultKind::DiskFull, what).hint(hint)
        }
    }
}
