//! The servers as the cluster file has them.

use crate::config::{Cluster, NodeName, NodeRole, PoolName, ResolvedNode, SecretRef, WebUrl};
use crate::plan::{Argv, Probe, RemotePath, Service};

use super::vendor;

/// A server of the cluster, and how it is driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its node.
    pub node: NodeName,
    /// Its name in the balancer's pools.
    pub pool_name: Option<PoolName>,
    /// Where the node is logged in to.
    pub address: String,
    /// The installation folder.
    pub home: RemotePath,
    /// Where it answers by itself, whatever balancer is before it.
    pub url: WebUrl,
    /// The commands that drive it.
    pub service: Service,
}

/// The product's part of a cluster file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// The address that users and agents know.
    pub url: WebUrl,
    /// Who asks and changes settings.
    pub credentials: SecretRef,
    /// The servers that serve, in the order of their names.
    pub all: Vec<Server>,
}

/// What the cluster file lacks, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Missing {
    /// What is missing.
    pub what: String,
    /// What to write there.
    pub hint: String,
}

fn missing(what: impl Into<String>, hint: impl Into<String>) -> Missing {
    Missing {
        what: what.into(),
        hint: hint.into(),
    }
}

impl Servers {
    /// Reads them from the cluster file.
    pub fn of(cluster: &Cluster) -> Result<Self, Missing> {
        let url = cluster.url().cloned().ok_or_else(|| {
            missing(
                "the cluster file does not say by which address the product is reached",
                "url = \"https://ucd.example.com:8443\"   (at its beginning; the balancer's address)",
            )
        })?;
        let credentials = cluster
            .credentials()
            .and_then(|name| cluster.secret(name))
            .cloned()
            .ok_or_else(|| {
                missing(
                    "the cluster file does not say as whom the product is asked",
                    "credentials = \"ucd_admin\"   (at its beginning; the name of a secret in [secrets], `user:password` of an administrator)",
                )
            })?;
        let serves = |node: &&ResolvedNode| node.role == Some(NodeRole::Server);
        let all = cluster
            .nodes()
            .filter(serves)
            .map(server)
            .collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(missing(
                "no node of the cluster file is a server",
                "role = \"server\"   (in the table of each node on which a server runs)",
            ));
        }
        Ok(Self {
            url,
            credentials,
            all,
        })
    }

    /// The server of a node.
    pub fn get(&self, node: &NodeName) -> Option<&Server> {
        self.all.iter().find(|server| server.node == *node)
    }
}

fn server(node: &ResolvedNode) -> Result<Server, Missing> {
    let name = &node.name;
    let home = node.install_dir.as_ref().ok_or_else(|| {
        missing(
            format!("{name}: the cluster file does not say where the server is installed"),
            "install_dir = \"/opt/ucd/server\"   (in the table of the node, or in [defaults])",
        )
    })?;
    let home = RemotePath::new(home.as_str());
    let url = match &node.url {
        Some(url) => url.clone(),
        None => WebUrl::https(&node.address, vendor::HTTPS_PORT).ok_or_else(|| {
            missing(
                format!("{name}: the cluster file does not say where its server answers"),
                "url = \"https://10.0.0.11:8443\"   (in the table of the node; its own address, not the balancer's)",
            )
        })?,
    };
    let commands = &node.service;
    let as_root = node
        .sudo
        .as_ref()
        .is_some_and(|sudo| sudo.user.as_deref().is_none_or(|user| user == "root"));
    if as_root && commands.start.is_none() {
        return Err(missing(
            format!(
                "{name}: without a start command, the product's own script would start the server as root"
            ),
            "service.start = [\"systemctl\", \"start\", \"ucd\"]   (or sudo.user = the user of the server; in the table of the node, or in [defaults])",
        ));
    }
    let own = |verb: &str| Argv::new([below(&home, vendor::SCRIPT).to_string(), verb.to_owned()]);
    let given = |argv: &crate::config::Argv| Argv::new(argv.as_slice().iter().cloned());
    Ok(Server {
        node: name.clone(),
        address: node.address.to_string(),
        pool_name: node.pool_name.clone(),
        url,
        service: Service {
            name: "UrbanCode Deploy server".to_owned(),
            start: commands.start.as_ref().map_or_else(|| own("start"), given),
            stop: commands.stop.as_ref().map_or_else(|| own("stop"), given),
            status: commands
                .status
                .as_ref()
                .map_or_else(|| status(&home), given),
        },
        home,
    })
}

/// A path below a folder.
pub fn below(folder: &RemotePath, path: &str) -> RemotePath {
    RemotePath::new(format!("{}/{path}", folder.as_str().trim_end_matches('/')))
}

/// Whether the server runs, which no script of the product tells: 0 while it does, 3 when not. What is looked for stands
/// in no command line as it is, so that nobody who looks is found.
fn status(home: &RemotePath) -> Argv {
    const RUNS: &str = r#"for all in $(printf %s "$1$2" | grep -lFf /dev/stdin /proc/[0-9]*/cmdline 2>/dev/null); do case "$(tr '\0' ' ' <"$all") " in *"$3"[!A-Za-z0-9._-]*) exit 0 ;; esac; done; exit 3"#;
    let (package, class) = vendor::MAIN_CLASS.rsplit_once('.').unwrap_or_default();
    let class = format!(".{class}");
    let home = home.as_str().trim_end_matches('/');
    Argv::new(["/bin/sh", "-c", RUNS, "ucd-status", package, &class, home])
}

impl Server {
    /// Looks which process the server is.
    pub fn process(&self) -> Probe {
        Probe::Process {
            words: vec![
                vendor::MAIN_CLASS.to_owned(),
                self.home.as_str().trim_end_matches('/').to_owned(),
            ],
        }
    }

    /// Looks which version is installed.
    pub fn version(&self) -> Probe {
        Probe::Property {
            path: below(&self.home, vendor::VERSION_FILE),
            key: vendor::VERSION_KEY.to_owned(),
        }
    }

    /// Looks whether the server answers whoever asks.
    pub fn answers(&self) -> Probe {
        Probe::Rest {
            item: None,
            url: self.url.at(vendor::CONNECTION_TEST),
            credentials: None,
            pointer: None,
            counts: false,
        }
    }

    /// Looks whether the server lets an administrator in, for which it needs its database.
    pub fn lets_in(&self, credentials: &SecretRef) -> Probe {
        Probe::Rest {
            item: None,
            url: self.url.at(vendor::SETTINGS),
            credentials: Some(credentials.clone()),
            pointer: None,
            counts: false,
        }
    }
}
