//! The cluster file as it is written: one type a table, one field a key. These
//! types are the only list of keys; the schema, the check for unknown keys and
//! the test of the template all read it off them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{
    Address, Argv, ClusterName, Endpoint, Fingerprint, HumanDuration, NodeName, NodePath, PoolName,
    RuntimeSocket, SecretName, SecretRef, Tag, WebUrl,
};

/// The format that this program reads and writes.
pub(super) const FORMAT: u32 = 1;

/// The default of `state_dir`.
pub(super) const STATE_DIR: &str = "/var/lib/clusterctl";

/// The default of a hook's `deadline`.
const HOOK_DEADLINE: HumanDuration = HumanDuration::seconds(30);

/// A cluster: its nodes, where its secrets are found, and how runs behave.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "cluster.toml")]
pub(super) struct ClusterFile {
    /// The format of this file. A program that is too old for it says so.
    #[serde(default = "format")]
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "the reader looks at it before it reads the rest")]
    pub(super) format: u32,
    /// The name of the cluster, as runs and reports show it.
    pub(super) name: ClusterName,
    /// The vendor's product that runs on the cluster. Without one, the verbs that drive no product still work.
    #[serde(default)]
    pub(super) product: Option<Product>,
    /// The address by which users reach the product: that of the balancer, where there is one.
    #[serde(default)]
    #[schemars(extend("examples" = ["https://ucd.example.com:8443"]))]
    pub(super) url: Option<WebUrl>,
    /// The secret, by its name in `secrets`, by which the product is asked: `user:password` of an administrator.
    #[serde(default)]
    pub(super) credentials: Option<SecretName>,
    /// Settings of all nodes that do not say otherwise.
    #[serde(default)]
    pub(super) defaults: NodeSettings,
    /// The nodes, by name. The name `local` always means this machine.
    pub(super) nodes: BTreeMap<NodeName, NodeSettings>,
    /// Where secrets are found, by name. A secret's value never stands in this file.
    #[serde(default)]
    pub(super) secrets: BTreeMap<SecretName, SecretRef>,
    /// How this machine connects to nodes by SSH.
    #[serde(default)]
    pub(super) ssh: SshOfAll,
    /// Whom calls of REST interfaces trust.
    #[serde(default)]
    pub(super) rest: RestTable,
    /// The balancer in front of the servers.
    #[serde(default)]
    pub(super) balancer: Option<BalancerTable>,
    /// Commands on this machine that are run around the steps of a run.
    #[serde(default)]
    pub(super) hooks: Hooks,
    /// How runs behave.
    #[serde(default)]
    pub(super) run: RunSettings,
}

/// A vendor's product.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// HCL/IBM UrbanCode Deploy.
    #[serde(rename = "urbancode")]
    UrbanCode,
    /// Delinea Secret Server.
    SecretServer,
}

impl Product {
    /// The name as the cluster file writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UrbanCode => "urbancode",
            Self::SecretServer => "secret-server",
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Settings of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeSettings {
    /// Where the node is found: a host name, an IP address, or `local` for this machine. Without it, the node's name is its host name.
    #[serde(default)]
    pub(super) address: Option<Address>,
    /// The user to log in as. Without it, whatever the connection's own configuration says.
    #[serde(default)]
    #[schemars(length(min = 1), extend("examples" = ["deploy"]))]
    pub(super) user: Option<UserName>,
    /// The port to log in at. Without it, whatever the connection's own configuration says, else 22.
    #[serde(default)]
    #[schemars(extend("examples" = [2222]))]
    pub(super) port: Option<NonZeroU16>,
    /// How the node is logged in to.
    #[serde(default)]
    pub(super) ssh: SshTable,
    /// Whose rights commands have on the node.
    #[serde(default)]
    pub(super) sudo: SudoTable,
    /// Words that group nodes; `--on @tag` selects them.
    #[serde(default)]
    #[schemars(extend("examples" = [["server", "site-a"]]))]
    pub(super) tags: Option<BTreeSet<Tag>>,
    /// The folder on the node that holds its lock, its copy of the journal and backups.
    #[serde(default)]
    #[schemars(extend("default" = STATE_DIR))]
    pub(super) state_dir: Option<NodePath>,
    /// The folder in which the product is installed.
    #[serde(default)]
    pub(super) install_dir: Option<NodePath>,
    /// The commands that control the product's service.
    #[serde(default)]
    pub(super) service: ServiceSettings,
    /// What the node is to the product. One without a role has no part in what the product's verbs do.
    #[serde(default)]
    pub(super) role: Option<NodeRole>,
    /// Where the product answers on the node itself, whatever balancer is before it. Without it, the node's address and the product's usual port.
    #[serde(default)]
    #[schemars(extend("examples" = ["https://10.0.0.11:8443"]))]
    pub(super) url: Option<WebUrl>,
    /// The name that the node's server has in the balancer's pools. Without it, the node's name.
    #[serde(default)]
    #[schemars(extend("examples" = ["ucd1"]))]
    pub(super) pool_name: Option<PoolName>,
}

/// How a node is logged in to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SshTable {
    /// What connects: `auto`, `ssh2` (built in) or `system` (the `ssh` of this machine).
    #[serde(default)]
    #[schemars(extend("default" = "auto"))]
    pub(super) back_end: Option<SshBackEnd>,
    /// What becomes of a host whose key is not known: `strict` refuses it, `accept-new` remembers the key.
    #[serde(default)]
    #[schemars(extend("default" = "strict"))]
    pub(super) host_keys: Option<HostKeyPolicy>,
    /// The secret, by its name in `secrets`, that is the user's password on the node.
    #[serde(default)]
    pub(super) password: Option<SecretName>,
    /// The secret, by its name in `secrets`, that opens the user's private key.
    #[serde(default)]
    pub(super) passphrase: Option<SecretName>,
}

/// What connects to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SshBackEnd {
    /// The built-in one, unless the host's own configuration asks for what it can't do; for large trees, the faster one.
    #[default]
    Auto,
    /// The built-in one.
    Ssh2,
    /// The `ssh` of this machine.
    System,
}

/// What becomes of a host whose key is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyPolicy {
    /// It is refused.
    #[default]
    Strict,
    /// Its key is remembered.
    AcceptNew,
}

/// Whose rights commands have on a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SudoTable {
    /// Whether commands are run by `sudo`.
    #[serde(default, rename = "use")]
    #[schemars(extend("default" = false))]
    pub(super) used: Option<bool>,
    /// The user that commands are run as.
    #[serde(default)]
    #[schemars(extend("default" = "root"))]
    pub(super) user: Option<UserName>,
    /// The secret, by its name in `secrets`, that `sudo` asks for. Without it, sudo must ask for none.
    #[serde(default)]
    pub(super) password: Option<SecretName>,
}

/// The commands that control the product's service on a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceSettings {
    /// Starts the service.
    #[serde(default)]
    pub(super) start: Option<Argv>,
    /// Stops the service.
    #[serde(default)]
    pub(super) stop: Option<Argv>,
    /// Tells whether the service runs: exit status 0 if it does, 3 if it is stopped.
    #[serde(default)]
    pub(super) status: Option<Argv>,
}

/// How this machine connects to nodes by SSH.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SshOfAll {
    /// The one `ssh_config` to read, instead of the user's own and the system's. A relative path starts in the folder of this file.
    #[serde(default)]
    #[schemars(extend("examples" = ["ssh_config"]))]
    pub(super) config: Option<SshConfigFile>,
}

/// Whom calls of REST interfaces trust.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestTable {
    /// A file with certificates (PEM) of authorities that are trusted besides those of this machine. A relative path starts in the folder of this file.
    #[serde(default)]
    #[schemars(extend("examples" = ["authorities.pem"]))]
    pub(super) ca: Option<CertificateFile>,
    /// Servers that are trusted by their certificate alone: the SHA-256 of the certificate, by host and port.
    #[serde(default, deserialize_with = "distinct")]
    pub(super) pins: BTreeMap<Endpoint, Fingerprint>,
}

/// What a node is to the product.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// A server that serves.
    Server,
}

impl NodeRole {
    /// The role as the cluster file writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
        }
    }
}

/// The balancer in front of the servers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BalancerTable {
    /// What it is.
    pub(super) kind: BalancerKind,
    /// The nodes, by their names in `nodes`, on which it runs.
    #[schemars(length(min = 1), extend("examples" = [["lb1", "lb2"]]))]
    pub(super) nodes: BTreeSet<NodeName>,
    /// Its pools, which are a `backend` or `listen` each.
    #[schemars(length(min = 1), extend("examples" = [["ucd-https", "ucd-http"]]))]
    pub(super) pools: Vec<PoolName>,
    /// Where its runtime interface listens on those nodes: the `stats socket` with `level admin`, a path or a host and a port.
    #[serde(default)]
    #[schemars(extend("default" = "/run/haproxy/admin.sock"))]
    pub(super) socket: RuntimeSocket,
    /// How many servers must serve in each pool while another is taken out.
    #[serde(default = "min_in_service")]
    pub(super) min_in_service: u32,
    /// For how long a drained server must have had no request before it is taken out and its users go elsewhere.
    #[serde(default = "drain_grace")]
    pub(super) drain_grace: HumanDuration,
    /// How long that may take.
    #[serde(default = "drain_timeout")]
    pub(super) drain_timeout: HumanDuration,
}

/// A kind of balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancerKind {
    /// HAProxy, by its runtime interface.
    #[serde(rename = "haproxy")]
    HaProxy,
}

/// Commands on this machine that are run around the steps of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hooks {
    /// Run before each step. If it fails, the step is not begun.
    #[serde(default)]
    pub before_step: Option<Hook>,
    /// Run after each step that succeeded.
    #[serde(default)]
    pub after_step: Option<Hook>,
    /// Run when a step failed.
    #[serde(default)]
    pub on_failure: Option<Hook>,
    /// Run once when the run ends, however it ends.
    #[serde(default)]
    pub on_end: Option<Hook>,
}

/// A command of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hook {
    /// The program and its arguments. No shell reads them.
    pub command: Argv,
    /// How long the command may take.
    #[serde(default = "hook_deadline")]
    pub deadline: HumanDuration,
}

/// How runs behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RunSettings {
    /// How long a node's lock outlives the last sign of life of the run that holds it. At least twice the heartbeat.
    pub lease: HumanDuration,
    /// How often a run gives a sign of life to the locks that it holds.
    pub heartbeat: HumanDuration,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            lease: HumanDuration::seconds(60),
            heartbeat: HumanDuration::seconds(30),
        }
    }
}

/// The name of a user on a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(super) struct UserName(pub(super) String);

impl TryFrom<String> for UserName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err("the user's name is empty");
        }
        if text.starts_with('-')
            || text
                .contains(|c: char| c.is_control() || c.is_whitespace() || ":/;'\"`$".contains(c))
        {
            return Err("this is no user's name");
        }
        Ok(Self(text))
    }
}

/// The path of a file with certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct CertificateFile(pub(super) PathBuf);

impl TryFrom<String> for CertificateFile {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        path_of(
            text,
            "the path is empty\nhint: name a file with certificates in PEM form",
        )
        .map(Self)
    }
}

/// The path of an `ssh_config`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct SshConfigFile(pub(super) PathBuf);

impl TryFrom<String> for SshConfigFile {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        path_of(text, "the path is empty\nhint: name an ssh_config").map(Self)
    }
}

/// The path of a file on this machine.
fn path_of(text: String, if_empty: &'static str) -> Result<PathBuf, &'static str> {
    if text.trim().is_empty() {
        return Err(if_empty);
    }
    if text.contains(char::is_control) {
        return Err("the path contains a control character");
    }
    Ok(text.into())
}

/// Pins, a server in no more than one of them: keys that differ in capital letters alone mean the same one.
fn distinct<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Endpoint, Fingerprint>, D::Error> {
    struct Pins;

    impl<'de> Visitor<'de> for Pins {
        type Value = BTreeMap<Endpoint, Fingerprint>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("fingerprints by host and port")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pins = BTreeMap::new();
            while let Some((endpoint, pin)) = map.next_entry::<Endpoint, Fingerprint>()? {
                if pins.insert(endpoint.clone(), pin).is_some() {
                    let message = format!("{endpoint} stands twice\nhint: keep one of them");
                    return Err(A::Error::custom(message));
                }
            }
            Ok(pins)
        }
    }

    deserializer.deserialize_map(Pins)
}

fn format() -> u32 {
    FORMAT
}

fn min_in_service() -> u32 {
    1
}

fn drain_grace() -> HumanDuration {
    HumanDuration::seconds(10)
}

fn drain_timeout() -> HumanDuration {
    HumanDuration::seconds(300)
}

fn hook_deadline() -> HumanDuration {
    HOOK_DEADLINE
}
