//! A node with the defaults applied.

use std::collections::BTreeSet;

use super::cluster_file::{NodeSettings, PORT, STATE_DIR};
use super::{Address, Argv, NodeName, NodePath, Tag};

/// A node as the rest of the program sees it: nothing is left to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedNode {
    /// Its name.
    pub name: NodeName,
    /// Where it is found.
    pub address: Address,
    /// The user to log in as, if the cluster file says.
    pub user: Option<String>,
    /// The port to log in at.
    pub port: u16,
    /// The words that group it with others.
    pub tags: BTreeSet<Tag>,
    /// The folder that holds its lock, its copy of the journal and backups.
    pub state_dir: NodePath,
    /// The folder in which the product is installed, if the cluster file says.
    pub install_dir: Option<NodePath>,
    /// The commands that control the product's service.
    pub service: ServiceCommands,
}

/// The commands that control the product's service, as far as the cluster file
/// gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceCommands {
    /// Starts the service.
    pub start: Option<Argv>,
    /// Stops the service.
    pub stop: Option<Argv>,
    /// Exits with 0 while the service runs, with 3 when it is stopped.
    pub status: Option<Argv>,
}

impl ResolvedNode {
    /// A node's own settings over the defaults. Lists and commands are
    /// replaced, not joined.
    pub(super) fn new(name: &NodeName, own: &NodeSettings, defaults: &NodeSettings) -> Self {
        fn first<T: Clone>(own: Option<&T>, default: Option<&T>) -> Option<T> {
            own.or(default).cloned()
        }
        let address = match first(own.address.as_ref(), defaults.address.as_ref()) {
            _ if name.is_local() => Address::Local,
            Some(address) => address,
            None => Address::Host(name.to_string()),
        };
        let (service, service_defaults) = (&own.service, &defaults.service);
        Self {
            name: name.clone(),
            address,
            user: first(own.user.as_ref(), defaults.user.as_ref()).map(|user| user.0),
            port: own
                .port
                .or(defaults.port)
                .map_or(PORT, std::num::NonZeroU16::get),
            tags: first(own.tags.as_ref(), defaults.tags.as_ref()).unwrap_or_default(),
            state_dir: first(own.state_dir.as_ref(), defaults.state_dir.as_ref())
                .unwrap_or_else(|| NodePath::constant(STATE_DIR)),
            install_dir: first(own.install_dir.as_ref(), defaults.install_dir.as_ref()),
            service: ServiceCommands {
                start: first(service.start.as_ref(), service_defaults.start.as_ref()),
                stop: first(service.stop.as_ref(), service_defaults.stop.as_ref()),
                status: first(service.status.as_ref(), service_defaults.status.as_ref()),
            },
        }
    }

    /// Whether the node is this machine.
    pub fn is_local(&self) -> bool {
        self.address == Address::Local
    }
}
