//! The real world: real files, real locks, real processes.
//!
//! The nodes are on this machine, which is reached as any other is: by lines for a shell.
pub(crate) mod bench;
mod calls;
mod claims;
mod commands;
mod cut_short;
mod cuts;
mod every_instant;
mod fences;
mod files;
mod kills;
pub(crate) mod manifest;
mod over_ssh;
mod probes;
mod strangers;
mod there_and_back;
mod trees;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use clusterctl::config::{NodeName, SecretStore};
use clusterctl::plan::Target;
use clusterctl::remote::{Host, LocalHost, Patience, RemoteError};
use clusterctl::world::{Connect, Nodes};

pub(crate) fn the_world(targets: &BTreeMap<NodeName, Target>, secrets: Arc<SecretStore>) -> Nodes {
    Nodes::new(targets, secrets, Arc::new(ThisMachine))
}

/// Connects to this machine.
struct ThisMachine;

impl Connect for ThisMachine {
    fn connect(&self, _: &NodeName, _: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        Ok(Arc::new(LocalHost::new()))
    }
}
