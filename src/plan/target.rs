//! Where a node is, how it is reached, and where it keeps its records.

use std::fmt;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RemotePath;
use crate::config::{HostKeyPolicy, SecretRef, SshBackEnd};

/// Where a node is reached, and where it keeps its lock and its copy of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `local` for the machine that the program runs on.
    pub address: String,
    /// The port to log in at; without one, what the connection's own configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// The user to log in as; without one, what the connection's own configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How it is logged in to.
    #[serde(default, skip_serializing_if = "Login::is_usual")]
    pub login: Login,
    /// Whether and how commands get the rights of another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Sudo>,
    /// The folder on the node that holds its lock and its records of runs.
    pub state_dir: RemotePath,
}

/// How a node is logged in to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// What connects.
    #[serde(default)]
    pub back_end: SshBackEnd,
    /// What becomes of a host whose key is not known.
    #[serde(default)]
    pub host_keys: HostKeyPolicy,
    /// Where the user's password is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// Where the passphrase of the user's private key is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretRef>,
}

impl Login {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How commands get the rights of another user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sudo {
    /// The user that they are run as; without one, root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the password is found that `sudo` asks for; without one, it must ask for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

impl Target {
    /// The address of the machine that the program runs on.
    pub const LOCAL: &'static str = "local";

    /// A node at this address, of which nothing else is said.
    pub fn at(address: impl Into<String>, state_dir: RemotePath) -> Self {
        Self {
            address: address.into(),
            port: None,
            user: None,
            login: Login::default(),
            sudo: None,
            state_dir,
        }
    }

    /// Whether commands there run on the same machine, as the same user.
    pub fn is_same_user(&self, other: &Self) -> bool {
        let who = |target: &Self| {
            let Self {
                address,
                port,
                user,
                sudo,
                ..
            } = target.clone();
            (address, port, user, sudo)
        };
        who(self) == who(other)
    }

    /// Whether commands there may on this machine whatever the program may.
    pub fn is_here_with_all_rights(&self) -> bool {
        let is_root = |sudo: &Sudo| sudo.user.as_deref().is_none_or(|user| user == "root");
        self.is_local() && self.sudo.as_ref().is_none_or(is_root)
    }

    /// Whether it is the machine that the program runs on.
    pub fn is_local(&self) -> bool {
        self.address == Self::LOCAL
    }

    /// The references of all secrets that are needed to get there.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let sudo = self.sudo.as_ref().and_then(|sudo| sudo.password.as_ref());
        [
            self.login.password.as_ref(),
            self.login.passphrase.as_ref(),
            sudo,
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
    }
}

/// As people write it: `deploy@ucd1:2222, sudo`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.address)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.sudo {
            Some(Sudo {
                user: Some(user), ..
            }) => write!(f, ", sudo as {user}"),
            Some(_) => f.write_str(", sudo"),
            None => Ok(()),
        }
    }
}
