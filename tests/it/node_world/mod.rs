//! The world of nodes that only commands reach: the same expectations as of this machine's world, and its own.
//!
//! The host is this machine, reached as any other is: by lines for a shell.
#[path = "../local_world/bench.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are tried on one bench")]
pub(crate) mod bench;
mod both;
#[path = "../local_world/claims.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod claims;
#[path = "../local_world/commands.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod commands;
mod cut_short;
mod cuts;
mod every_instant;
#[path = "../local_world/files.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod files;
#[path = "../local_world/kills.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod kills;
mod over_ssh;
#[path = "../local_world/probes.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod probes;
mod strangers;
#[path = "../local_world/trees.rs"]
#[expect(clippy::duplicate_mod, reason = "both worlds are judged alike")]
mod trees;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use clusterctl::config::{NodeName, SecretStore};
use clusterctl::plan::Target;
use clusterctl::remote::{Host, LocalHost, Patience, RemoteError};
use clusterctl::world::{Connect, NodeWorld};

/// The world that these tests try.
pub(crate) type TheWorld = NodeWorld;

/// Whether all other addresses are out of its reach.
pub(crate) const REACHES_ONLY_THIS_MACHINE: bool = false;

pub(crate) fn the_world(
    targets: &BTreeMap<NodeName, Target>,
    secrets: Arc<SecretStore>,
) -> TheWorld {
    NodeWorld::new(targets, secrets, Arc::new(ThisMachine))
}

/// Connects to this machine.
struct ThisMachine;

impl Connect for ThisMachine {
    fn connect(&self, _: &NodeName, _: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        Ok(Arc::new(LocalHost::new()))
    }
}
