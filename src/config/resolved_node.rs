//! A node with the defaults applied.

use std::collections::BTreeSet;

use super::cluster_file::{NodeSettings, STATE_DIR};
use super::{
    Address, Argv, HostKeyPolicy, NodeName, NodePath, NodeRole, PoolName, SecretName, SshBackEnd,
    Tag, WebUrl,
};

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
    /// The port to log in at, if the cluster file says.
    pub port: Option<u16>,
    /// How it is logged in to.
    pub ssh: SshSettings,
    /// By whom its commands are run, if not by the user who logs in.
    pub sudo: Option<SudoSettings>,
    /// The words that group it with others.
    pub tags: BTreeSet<Tag>,
    /// The folder that holds its lock, its copy of the journal and backups.
    pub state_dir: NodePath,
    /// The folder in which the product is installed, if the cluster file says.
    pub install_dir: Option<NodePath>,
    /// The commands that control the product's service.
    pub service: ServiceCommands,
    /// What it is to the product.
    pub role: Option<NodeRole>,
    /// Where the product answers on it, if the cluster file says.
    pub url: Option<WebUrl>,
    /// The name that its server has in the balancer's pools, if it can have one.
    pub pool_name: Option<PoolName>,
}

/// How a node is logged in to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshSettings {
    /// What connects.
    pub back_end: SshBackEnd,
    /// What becomes of a host whose key is not known.
    pub host_keys: HostKeyPolicy,
    /// The user's password on the node.
    pub password: Option<SecretName>,
    /// What opens the user's private key.
    pub passphrase: Option<SecretName>,
}

/// How commands get the rights of another user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SudoSettings {
    /// The user that they are run as; without one, root.
    pub user: Option<String>,
    /// What `sudo` asks for, if it asks.
    pub password: Option<SecretName>,
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

/// The words by which a selection means the node: its tags, and its role.
fn tags(own: &NodeSettings, defaults: &NodeSettings) -> BTreeSet<Tag> {
    let tags = own.tags.as_ref().or(defaults.tags.as_ref());
    let role = own.role.or(defaults.role);
    let role = role.and_then(|role| role.as_str().parse().ok());
    tags.into_iter().flatten().cloned().chain(role).collect()
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
            port: own.port.or(defaults.port).map(std::num::NonZeroU16::get),
            ssh: SshSettings {
                back_end: own
                    .ssh
                    .back_end
                    .or(defaults.ssh.back_end)
                    .unwrap_or_default(),
                host_keys: own
                    .ssh
                    .host_keys
                    .or(defaults.ssh.host_keys)
                    .unwrap_or_default(),
                password: first(own.ssh.password.as_ref(), defaults.ssh.password.as_ref()),
                passphrase: first(
                    own.ssh.passphrase.as_ref(),
                    defaults.ssh.passphrase.as_ref(),
                ),
            },
            sudo: own
                .sudo
                .used
                .or(defaults.sudo.used)
                .unwrap_or_default()
                .then(|| SudoSettings {
                    user: first(own.sudo.user.as_ref(), defaults.sudo.user.as_ref())
                        .map(|user| user.0),
                    password: first(own.sudo.password.as_ref(), defaults.sudo.password.as_ref()),
                }),
            tags: tags(own, defaults),
            state_dir: first(own.state_dir.as_ref(), defaults.state_dir.as_ref())
                .unwrap_or_else(|| NodePath::constant(STATE_DIR)),
            install_dir: first(own.install_dir.as_ref(), defaults.install_dir.as_ref()),
            service: ServiceCommands {
                start: first(service.start.as_ref(), service_defaults.start.as_ref()),
                stop: first(service.stop.as_ref(), service_defaults.stop.as_ref()),
                status: first(service.status.as_ref(), service_defaults.status.as_ref()),
            },
            role: own.role.or(defaults.role),
            url: own.url.clone(),
            pool_name: own.pool_name.clone().or_else(|| name.as_str().parse().ok()),
        }
    }

    /// Whether the node is this machine.
    pub fn is_local(&self) -> bool {
        self.address == Address::Local
    }
}
