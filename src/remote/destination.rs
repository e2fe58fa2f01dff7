//! Which machine is meant, and how it is logged in to.

use std::sync::Arc;
use std::time::Duration;

use super::{BackEnd, HostConfig, StrictHostKeyChecking};
use crate::config::Secret;

/// A machine, and what is known about how to log in to it. What it leaves open, the user's `ssh_config` says.
#[derive(Debug, Clone)]
pub struct Destination {
    /// A name that `ssh` would take, an address, or `local` for this machine.
    pub address: String,
    /// The port, if it is not for `ssh_config` to say.
    pub port: Option<u16>,
    /// The user, if it is not for `ssh_config` to say.
    pub user: Option<String>,
    /// The way to reach it; without one, the best that can do what `ssh_config` asks for.
    pub back_end: Option<BackEnd>,
    /// What becomes of a host whose key is not known.
    pub host_keys: HostKeys,
    /// The user's password there.
    pub password: Option<Arc<Secret>>,
    /// What opens the user's private keys.
    pub passphrase: Option<Arc<Secret>>,
    /// How long connecting may take, if it is not for `ssh_config` to say.
    pub connect_timeout: Option<Duration>,
}

/// What becomes of a host whose key is not known. One whose key has changed is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeys {
    /// It is refused.
    #[default]
    Strict,
    /// Its key is taken and remembered.
    AcceptNew,
}

/// The address that means this machine itself.
pub(super) const LOCAL: &str = "local";

impl Destination {
    /// A machine of which only the address is known.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            port: None,
            user: None,
            back_end: None,
            host_keys: HostKeys::default(),
            password: None,
            passphrase: None,
            connect_timeout: None,
        }
    }

    /// Who says that the key of a host that is not known is taken and remembered; nothing if nobody does. `no` in
    /// `ssh_config` is taken for `accept-new`, for a key that has changed is never taken.
    pub(super) fn takes_new_keys(&self, config: &HostConfig) -> Option<&'static str> {
        match config.strict_host_key_checking {
            _ if self.host_keys == HostKeys::AcceptNew => {
                Some("`host_keys = \"accept-new\"` in the cluster file")
            }
            StrictHostKeyChecking::AcceptNew => {
                Some("`StrictHostKeyChecking accept-new` in ssh_config")
            }
            StrictHostKeyChecking::No => Some(
                "`StrictHostKeyChecking no` in ssh_config, taken for `accept-new`: a changed key is refused",
            ),
            StrictHostKeyChecking::Yes | StrictHostKeyChecking::Ask => None,
        }
    }
}
