//! A node in a folder of its own, and the words to drive it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clusterctl::config::{NodeName, SecretRef, SecretStore};
use clusterctl::engine::{
    Call, Cancel, Claim, ClaimError, Direction, Epoch, Fault, Holding, Look, Runner, Teller,
    World as _,
};
use clusterctl::plan::{
    Action, BackupRef, Millis, Probe, Proof, Reading, RemotePath, RunId, StepId, Target, Value,
};
use clusterctl::world::{Nodes, this_runner};
use tempfile::TempDir;

use super::the_world;
use crate::real::processes::PATIENCE;

/// What tests use as a secret; it must turn up nowhere.
pub(crate) const CANARY: &str = "canary-4711";

/// One node on this machine, held by one run.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) world: Nodes,
    pub(crate) node: NodeName,
    pub(crate) run: RunId,
    pub(crate) epoch: Epoch,
    pub(crate) cancel: Cancel,
}

impl Bench {
    /// A node that the run holds.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Self::in_folder(folder);
        bench.epoch = bench.claim(&bench.wish()).unwrap();
        bench
    }

    /// A node that nobody holds.
    pub(crate) fn unclaimed() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    fn in_folder(folder: TempDir) -> Self {
        let world = world_in(folder.path());
        Self {
            folder,
            world,
            node: NodeName::local(),
            run: "20260131-020455-kqzf".parse().unwrap(),
            epoch: Epoch::default(),
            cancel: Cancel::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn remote(&self, name: &str) -> RemotePath {
        remote(&self.path(name))
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path("state").join(name)
    }

    /// Writes a file of the node.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        path
    }

    pub(crate) fn content(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A claim of the bench's own run by this process.
    pub(crate) fn wish(&self) -> Claim {
        Claim {
            run: self.run.clone(),
            instead_of: None,
            by_force: false,
            verb: "test".to_owned(),
            runner: this_runner(),
            reason: "to see".to_owned(),
            lease: Millis::secs(60),
            wait: Millis(0),
        }
    }

    pub(crate) fn claim(&self, claim: &Claim) -> Result<Epoch, ClaimError> {
        self.world.claim(&self.node, claim)
    }

    pub(crate) fn holding(&self) -> Holding {
        Holding {
            run: self.run.clone(),
            epoch: self.epoch,
            lease: Millis::secs(60),
        }
    }

    /// Does a step.
    pub(crate) fn act(&self, slug: &str, action: &Action) -> Result<(), Fault> {
        self.perform(slug, Direction::Do, action, Millis::secs(30))
    }

    /// Takes a step back.
    pub(crate) fn undo(&self, slug: &str, action: &Action) -> Result<(), Fault> {
        self.perform(slug, Direction::Undo, action, Millis::secs(30))
    }

    pub(crate) fn perform(
        &self,
        slug: &str,
        direction: Direction,
        action: &Action,
        timeout: Millis,
    ) -> Result<(), Fault> {
        let step = step(slug);
        self.world
            .perform(&self.call(&step, direction, timeout), action)
    }

    pub(crate) fn settle(&self, slug: &str) -> Result<Option<Result<(), Fault>>, Fault> {
        let step = step(slug);
        let call = self.call(&step, Direction::Do, Millis::secs(30));
        self.world.settle(&call)
    }

    pub(crate) fn call<'a>(
        &'a self,
        step: &'a StepId,
        direction: Direction,
        timeout: Millis,
    ) -> Call<'a> {
        Call {
            node: &self.node,
            run: &self.run,
            step,
            direction,
            epoch: self.epoch,
            proof: &Proof::Stamp,
            timeout,
            cancel: &self.cancel,
            teller: Teller::NOBODY,
        }
    }

    /// Takes back what a step did, from its backup.
    pub(crate) fn restore(&self, slug: &str, path: &Path) -> Result<(), Fault> {
        self.undo(
            slug,
            &Action::Restore {
                path: remote(path),
                backup: self.backup(slug),
            },
        )
    }

    #[expect(clippy::unused_self, reason = "reads well beside the others")]
    pub(crate) fn backup(&self, slug: &str) -> BackupRef {
        BackupRef {
            run: None,
            step: step(slug),
        }
    }

    pub(crate) fn look(&self, probe: &Probe) -> Result<Reading, Fault> {
        self.look_within(probe, Millis::secs(30))
    }

    pub(crate) fn look_within(&self, probe: &Probe, timeout: Millis) -> Result<Reading, Fault> {
        let look = Look {
            node: &self.node,
            run: &self.run,
            timeout,
        };
        self.world.observe(&look, probe)
    }

    pub(crate) fn stamp(&self, slug: &str) -> Reading {
        self.look(&Probe::Stamp { step: step(slug) }).unwrap()
    }

    /// Everything in the node's folder besides its state, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.folder.path())
            .into_iter()
            .filter(|name| name != "state")
            .collect()
    }
}

/// A world of one node whose folder is here.
pub(crate) fn world_in(folder: &Path) -> Nodes {
    the_world(&targets_in(folder), Arc::new(secrets()))
}

/// One node whose folder is here.
pub(crate) fn targets_in(folder: &Path) -> BTreeMap<NodeName, Target> {
    let target = Target::at("local".to_owned(), remote(&folder.join("state")));
    BTreeMap::from([(NodeName::local(), target)])
}

pub(crate) fn secrets() -> SecretStore {
    SecretStore::new([&secret()]).with_environment(|name| (name == "CANARY").then(|| CANARY.into()))
}

pub(crate) fn secret() -> SecretRef {
    "env:CANARY".parse().unwrap()
}

pub(crate) fn secret_value() -> Value {
    Value::Secret(secret())
}

pub(crate) fn step(slug: &str) -> StepId {
    StepId::new("test", &NodeName::local(), slug)
}

pub(crate) fn remote(path: &Path) -> RemotePath {
    RemotePath::new(path.to_str().unwrap())
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The name of a test as the test program knows it.
pub(crate) fn this_test(module: &str, name: &str) -> String {
    let module = module.strip_prefix("it::").unwrap_or(module);
    format!("{module}::{name}")
}

/// A runner that has ended.
pub(crate) fn dead_runner() -> Runner {
    let me = this_runner();
    Runner {
        started: me.started - 1,
        ..me
    }
}

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process of this number is there and not a mere corpse.
pub(crate) fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
