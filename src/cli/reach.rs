//! The way to a cluster's nodes: where they are, and with what one logs in to them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::Result;

use super::context::{Context, target};
use super::refusal::Refusal;
use crate::config::{
    Cluster, HostKeyPolicy, NodeName, ResolvedNode, Secret, SecretRef, SecretStore, SshBackEnd,
};
use crate::plan::Target;
use crate::remote::{
    BackEnd, Bulk, Destination, DialSettings, Dialer, Host, HostKeys, Input, Line, Load, Output,
    Patience, RemoteError, RemoteErrorKind, Streams, Sudo, SudoPassword, Surroundings,
};
use crate::transfer::Pull;
use crate::world::Connect;

/// The variable that names the one configuration of SSH to read, as `ssh -F` does. It outranks the cluster file.
const SSH_CONFIG: &str = "CLUSTERCTL_SSH_CONFIG";

/// The way to some nodes.
pub(super) struct Reach {
    targets: BTreeMap<NodeName, Target>,
    secrets: Arc<SecretStore>,
    /// The one configuration of SSH to read, where one is named.
    ssh_config: Option<PathBuf>,
    /// Made when the first node elsewhere is wanted: this machine alone needs none.
    dialer: OnceLock<Dialer>,
}

impl Reach {
    /// The way to nodes of the cluster file.
    pub(super) fn new(cluster: &Cluster, nodes: &[&ResolvedNode]) -> Result<Self> {
        let targets = nodes
            .iter()
            .map(|node| Ok((node.name.clone(), target(cluster, node)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        let secrets = cluster.secret_store().with_terminal();
        Ok(Self::to(cluster, targets, Arc::new(secrets)))
    }

    /// The way to nodes as a plan has them.
    pub(super) fn to(
        cluster: &Cluster,
        targets: BTreeMap<NodeName, Target>,
        secrets: Arc<SecretStore>,
    ) -> Self {
        let named = std::env::var_os(SSH_CONFIG).filter(|name| !name.is_empty());
        Self {
            targets,
            secrets,
            ssh_config: named.map(PathBuf::from).or_else(|| cluster.ssh_config()),
            dialer: OnceLock::new(),
        }
    }

    /// The nodes.
    pub(super) fn nodes(&self) -> Vec<NodeName> {
        self.targets.keys().cloned().collect()
    }

    /// Where a node is.
    pub(super) fn target(&self, node: &NodeName) -> Option<&Target> {
        self.targets.get(node)
    }

    /// Gets every secret that logging in needs, so that nobody is asked for one in the midst of the work.
    pub(super) fn fetch(&self) -> Result<()> {
        let needed = |(node, target): (&NodeName, &Target)| {
            let node = node.clone();
            target
                .secrets()
                .into_iter()
                .map(move |secret| (secret, node.clone()))
        };
        let references: BTreeMap<_, _> = self.targets.iter().flat_map(needed).collect();
        for (reference, node) in &references {
            self.secrets.resolve(reference).map_err(|error| {
                let what = format!("a secret that logging in to {node} needs can't be had");
                anyhow::Error::from(error).context(Refusal::usage(what))
            })?;
        }
        Ok(())
    }

    /// Says, where more is to be said, which nodes are reached by the system's `ssh`, and why, and whose new keys are taken.
    pub(super) fn explain(&self, context: &Context) {
        if context.global.verbose == 0 {
            return;
        }
        for (node, target) in &self.targets {
            if target.is_local() {
                continue;
            }
            let choice = self
                .destination(node)
                .and_then(|destination| self.dialer().choose(&destination));
            let Ok(choice) = choice else { continue };
            if let (BackEnd::System, Some(reason)) = (choice.back_end, &choice.reason) {
                let text = format!("{node}: reached by the ssh of this machine: {reason}\n");
                context.io.err.print(&text);
            }
            if let Some(by) = choice.takes_new_keys {
                let text =
                    format!("{node}: a key that is not known is taken and remembered: {by}\n");
                context.io.err.print(&text);
            }
        }
    }

    /// Says, where more is to be said, by what large trees go.
    pub(super) fn explain_bulk(&self, context: &Context) {
        if context.global.verbose == 0 {
            return;
        }
        let by_own = |(node, target): &(&NodeName, &Target)| {
            let destination = self.destination(node).ok();
            let choice = destination.and_then(|it| self.dialer().choose(&it).ok());
            !target.is_local() && choice.is_some_and(|it| it.back_end == BackEnd::Ssh2)
        };
        for (node, target) in self.targets.iter().filter(by_own) {
            let text = match target.login.back_end {
                SshBackEnd::Auto if self.dialer().has_ssh() => {
                    "what is large goes by the ssh of this machine, which enciphers faster, if that can log in without \
                     asking; where the line is long, by four connections"
                }
                SshBackEnd::Auto => {
                    "what is large goes by the built-in SSH, for this machine has no ssh; where the line is long, by four \
                     connections"
                }
                _ => {
                    "what is large goes by the built-in SSH, as `ssh.back_end` says; where the line is long, by four \
                     connections"
                }
            };
            context.io.err.print(&format!("{node}: {text}\n"));
        }
    }

    fn dialer(&self) -> &Dialer {
        self.dialer.get_or_init(|| {
            Dialer::new(DialSettings {
                ssh_config: self.ssh_config.clone(),
                secrets: Some(Arc::clone(&self.secrets)),
                ..DialSettings::of(Surroundings::of_this_process())
            })
        })
    }

    fn destination(&self, node: &NodeName) -> Result<Destination, RemoteError> {
        let Some(target) = self.targets.get(node) else {
            let what = "nothing says where the node is";
            return Err(RemoteError::new(RemoteErrorKind::NoSuchHost, what));
        };
        let login = &target.login;
        Ok(Destination {
            port: target.port.map(NonZeroU16::get),
            user: target.user.clone(),
            back_end: match login.back_end {
                SshBackEnd::Auto => None,
                SshBackEnd::Ssh2 => Some(BackEnd::Ssh2),
                SshBackEnd::System => Some(BackEnd::System),
            },
            host_keys: match login.host_keys {
                HostKeyPolicy::Strict => HostKeys::Strict,
                HostKeyPolicy::AcceptNew => HostKeys::AcceptNew,
            },
            password: self.secret(login.password.as_ref())?,
            passphrase: self.secret(login.passphrase.as_ref())?,
            ..Destination::new(&target.address)
        })
    }

    fn secret(&self, reference: Option<&SecretRef>) -> Result<Option<Arc<Secret>>, RemoteError> {
        let resolve = |reference| {
            self.secrets.resolve(reference).map_err(|error| {
                RemoteError::new(RemoteErrorKind::NoCredentials, error.to_string())
            })
        };
        reference.map(resolve).transpose()
    }
}

impl Connect for Reach {
    fn pull(
        &self,
        node: &NodeName,
        from: &NodeName,
        patience: &Patience<'_>,
    ) -> Result<Pull, RemoteError> {
        let before = self.check_pull(node, from)?;
        let there = self.dialer().from_elsewhere(&self.destination(from)?)?;
        let host = self
            .dialer()
            .connect_with_agent(&self.destination(node)?, patience)?;
        let agent = agent_on(node, &*host, patience)?;
        let port = there.port.to_string();
        let ssh = ["-p", &port, "-l", &there.user, "--", &there.host];
        Ok(Pull {
            host: self.with_rights(node, host)?,
            agent,
            ssh: ssh.map(str::to_owned).into(),
            keys: there.keys,
            before,
            from: from.to_string(),
        })
    }

    fn connect(
        &self,
        node: &NodeName,
        patience: &Patience<'_>,
    ) -> Result<Arc<dyn Host>, RemoteError> {
        let host = self.dialer().connect(&self.destination(node)?, patience)?;
        self.with_rights(node, host)
    }

    fn connect_for_bulk(
        &self,
        node: &NodeName,
        host: &Arc<dyn Host>,
        load: Load,
        patience: &Patience<'_>,
    ) -> Bulk {
        let Ok(destination) = self.destination(node) else {
            return Bulk::Same;
        };
        let with_rights = |host| self.with_rights(node, host);
        match self
            .dialer()
            .connect_for_bulk(&destination, &**host, load, patience)
        {
            Bulk::Same => Bulk::Same,
            Bulk::Instead(host) => with_rights(host).map_or(Bulk::Same, Bulk::Instead),
            Bulk::Further(hosts) => {
                let hosts = hosts.into_iter().map(with_rights);
                hosts
                    .collect::<Result<_, _>>()
                    .map_or(Bulk::Same, Bulk::Further)
            }
        }
    }
}

/// Says where the agent answers that was forwarded.
const AGENT: &str = r#"printf '%s\n' "${SSH_AUTH_SOCK-}""#;

/// Where the user's agent answers on a node, by a connection to it on which it does.
fn agent_on(
    node: &NodeName,
    host: &dyn Host,
    patience: &Patience<'_>,
) -> Result<String, RemoteError> {
    let line = Line::script(AGENT, "clusterctl-agent", [""; 0])
        .map_err(|error| RemoteError::new(RemoteErrorKind::Here, error.to_string()))?;
    let (mut out, mut err) = (Output::at_most(4096), Output::at_most(4096));
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    host.exec(&line, streams, patience)?;
    let agent = out.text().trim_end_matches('\n').to_owned();
    if agent.is_empty() {
        let what = format!("the SSH server of {node} forwards no agent");
        return Err(RemoteError::new(RemoteErrorKind::Unsupported, what)
            .hint("write `AllowAgentForwarding yes` in its sshd_config; or leave --direct out"));
    }
    Ok(agent)
}

impl Reach {
    /// What a node has to be like to pull from another one by itself.
    fn check_pull(&self, node: &NodeName, from: &NodeName) -> Result<Vec<String>, RemoteError> {
        let unsupported = |what: String| {
            RemoteError::new(RemoteErrorKind::Unsupported, what).hint("leave --direct out")
        };
        let sudo_of = |node: &NodeName| self.targets.get(node).and_then(|it| it.sudo.as_ref());
        let is_local = |node: &NodeName| self.targets.get(node).is_some_and(Target::is_local);
        if let Some(here) = [node, from].into_iter().find(|node| is_local(node)) {
            let what = format!("{here} is this machine: there is nothing between it and others");
            return Err(unsupported(what));
        }
        let not_root = |user: &String| user != "root";
        if let Some(user) = sudo_of(node)
            .and_then(|sudo| sudo.user.clone())
            .filter(not_root)
        {
            return Err(unsupported(format!(
                "commands on {node} are run as {user}, who may not use the agent of whoever logs in"
            )));
        }
        match sudo_of(from) {
            None => Ok(Vec::new()),
            Some(sudo) if sudo.password.is_some() => Err(unsupported(format!(
                "`sudo` on {from} wants a password, which {node} does not get to know"
            ))),
            Some(sudo) => {
                let who = sudo.user.as_deref().unwrap_or("root");
                Ok(["sudo", "-n", "-u", who, "--"].map(str::to_owned).into())
            }
        }
    }

    /// The machine with the rights that work on the node has.
    fn with_rights(
        &self,
        node: &NodeName,
        host: Arc<dyn Host>,
    ) -> Result<Arc<dyn Host>, RemoteError> {
        let sudo = self
            .targets
            .get(node)
            .and_then(|target| target.sudo.as_ref());
        let Some(sudo) = sudo else { return Ok(host) };
        let password = match self.secret(sudo.password.as_ref())? {
            Some(password) => SudoPassword::Password(password),
            None => SudoPassword::Passwordless,
        };
        Ok(Arc::new(Sudo::new(host, password, sudo.user.clone())))
    }
}
