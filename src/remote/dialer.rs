//! Connecting to machines: which way, how many at once, and again where that helps.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::approach::Approach;
use super::bulk::{self, Bulk, Load, Want};
use super::destination::LOCAL;
use super::from_elsewhere::FromElsewhere;
use super::gate::Gate;
use super::ssh2_host::{Ssh2Host, Way};
use super::system_host::{SystemHost, SystemWay};
use super::{
    BackEnd, Destination, Host, HostConfig, IdentityAgent, KnownHosts, LocalHost, Patience,
    RemoteError, RemoteErrorKind, SshConfig, SshConfigError, Surroundings, environment,
};
use crate::config::SecretStore;

/// How many connections are made at once: more gain nothing.
const AT_ONCE: usize = 64;

/// How many are made to one server at once: what `MaxStartups` allows if nobody says otherwise.
const AT_ONCE_PER_SERVER: usize = 10;

/// How machines are connected to.
#[derive(Debug)]
pub struct DialSettings {
    /// The one file to read instead of the user's and the system's `ssh_config`, as `ssh -F` does.
    pub ssh_config: Option<PathBuf>,
    /// The user and the machine.
    pub here: Surroundings,
    /// Secrets whose sources commands on this machine don't see.
    pub secrets: Option<Arc<SecretStore>>,
    /// The program that calls [`answer_ssh`](super::answer_ssh) first of all, for when the system's `ssh` needs a secret:
    /// this one, if nobody says otherwise.
    pub program: Option<PathBuf>,
    /// How many connections may be under way at once.
    pub at_once: usize,
    /// How many of them to one server, or through one.
    pub at_once_per_server: usize,
}

impl DialSettings {
    /// The usual ones for a user and a machine.
    pub fn of(here: Surroundings) -> Self {
        Self {
            ssh_config: None,
            here,
            secrets: None,
            program: None,
            at_once: AT_ONCE,
            at_once_per_server: AT_ONCE_PER_SERVER,
        }
    }
}

/// Connects to machines. The user's files are read once.
pub struct Dialer {
    config: Result<SshConfig, SshConfigError>,
    file: Option<PathBuf>,
    program: Option<PathBuf>,
    secrets: Option<Arc<SecretStore>>,
    gate: Arc<Gate>,
    has_ssh: OnceLock<bool>,
    known_hosts: Mutex<HashMap<Vec<PathBuf>, Arc<KnownHosts>>>,
}

/// The way to a machine, and why.
#[derive(Debug)]
pub struct Choice {
    /// How it is reached.
    pub back_end: BackEnd,
    /// Why a session of our own can't do it, if it can't.
    pub reason: Option<String>,
    /// Who says that a host's new key is taken and remembered, if anybody does.
    pub takes_new_keys: Option<&'static str>,
    config: Option<HostConfig>,
    known_hosts: Arc<KnownHosts>,
}

impl Dialer {
    /// Reads the user's configuration of SSH. An error in it is told by whoever needs it.
    pub fn new(settings: DialSettings) -> Self {
        let DialSettings {
            ssh_config, here, ..
        } = settings;
        Self {
            config: match &ssh_config {
                Some(file) => SshConfig::only(file, here),
                None => SshConfig::of_user(here),
            },
            file: ssh_config,
            program: settings.program,
            secrets: settings.secrets,
            gate: Arc::new(Gate::new(settings.at_once, settings.at_once_per_server)),
            has_ssh: OnceLock::new(),
            known_hosts: Mutex::default(),
        }
    }

    /// How a machine would be reached.
    pub fn choose(&self, destination: &Destination) -> Result<Choice, RemoteError> {
        let wanted = destination.back_end;
        if destination.address == LOCAL || wanted == Some(BackEnd::Local) {
            return Ok(Choice {
                back_end: BackEnd::Local,
                reason: None,
                takes_new_keys: None,
                config: None,
                known_hosts: Arc::default(),
            });
        }
        let config = self.config(destination)?;
        let known_hosts = self.known_hosts(&config);
        let (name, port) = config.known_as();
        let reason = config
            .beyond_ssh2()
            .or_else(|| known_hosts.beyond_ssh2(name, port));
        let back_end = match (wanted, &reason) {
            (Some(BackEnd::Ssh2), Some(reason)) => {
                let what = format!("the back-end `ssh2` can't reach the host: {reason}");
                return Err(RemoteError::new(RemoteErrorKind::Unsupported, what).hint(
                    "leave `back_end` out, or set it to \"system\": then the system's own ssh is used",
                ));
            }
            (Some(wanted), _) => wanted,
            (None, Some(_)) => BackEnd::System,
            (None, None) => BackEnd::Ssh2,
        };
        Ok(Choice {
            back_end,
            reason,
            takes_new_keys: destination.takes_new_keys(&config),
            config: Some(config),
            known_hosts,
        })
    }

    /// Connects to a machine, and tries again where that helps.
    pub fn connect(
        &self,
        destination: &Destination,
        patience: &Patience<'_>,
    ) -> Result<Arc<dyn Host>, RemoteError> {
        let choice = self.choose(destination)?;
        let Some(config) = &choice.config else {
            return Ok(Arc::new(match &self.secrets {
                Some(secrets) => LocalHost::hiding(Arc::clone(secrets)),
                None => LocalHost::new(),
            }));
        };
        if choice.back_end == BackEnd::System {
            let way = self.system_way(destination, config, false)?;
            return Ok(Arc::new(SystemHost::connect(way, patience)?));
        }
        let way = self.own_way(destination, config, &choice.known_hosts);
        Ok(Arc::new(Ssh2Host::connect(way, patience)?))
    }

    /// Connections for a stream to a machine that is connected to already, where others than that one
    /// bring it over faster. That they can't be made is no trouble: the one that there is can do it, too.
    pub fn connect_for_bulk(
        &self,
        destination: &Destination,
        host: &dyn Host,
        load: Load,
        patience: &Patience<'_>,
    ) -> Bulk {
        let want = bulk::best(
            host.back_end(),
            destination.back_end,
            host.round_trip(),
            load,
        );
        let choice = match (want, self.choose(destination)) {
            (Want::Same, _) | (_, Err(_)) => return Bulk::Same,
            (_, Ok(choice)) => choice,
        };
        let Some(config) = &choice.config else {
            return Bulk::Same;
        };
        if want == Want::System {
            let connected = self.has_ssh().then(|| {
                let way = self.system_way(destination, config, true)?;
                SystemHost::connect(way, patience)
            });
            return match connected {
                Some(Ok(host)) => Bulk::Instead(Arc::new(host)),
                Some(Err(_)) | None => Bulk::Same,
            };
        }
        let connect = || {
            let way = self.own_way(destination, config, &choice.known_hosts);
            Ssh2Host::connect(way, patience).ok()
        };
        let made = thread::scope(|scope| {
            let threads: Vec<_> = (0..bulk::FURTHER)
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, connect).ok())
                .collect();
            let hosts = threads
                .into_iter()
                .filter_map(|it| it.join().ok().flatten());
            hosts
                .map(|host| Arc::new(host) as Arc<dyn Host>)
                .collect::<Vec<_>>()
        });
        if made.is_empty() {
            Bulk::Same
        } else {
            Bulk::Further(made)
        }
    }

    /// Whether this machine has an `ssh` that large streams can go by.
    pub fn has_ssh(&self) -> bool {
        *self
            .has_ssh
            .get_or_init(|| environment::find("ssh").is_some())
    }

    /// Connects to a machine such that the user's agent answers there, too, for as long as the connection lasts.
    pub fn connect_with_agent(
        &self,
        destination: &Destination,
        patience: &Patience<'_>,
    ) -> Result<Arc<dyn Host>, RemoteError> {
        let choice = self.choose(destination)?;
        let Some(config) = &choice.config else {
            let what = "an agent is forwarded to other machines only";
            return Err(RemoteError::new(RemoteErrorKind::Unsupported, what));
        };
        if !self.has_ssh() {
            let what = "this machine has no `ssh`, which alone can forward an agent";
            return Err(RemoteError::new(RemoteErrorKind::Unsupported, what)
                .hint("install the client of OpenSSH here"));
        }
        if self
            .agent(config)
            .is_none_or(|socket| UnixStream::connect(socket).is_err())
        {
            let what = "no agent of SSH answers on this machine that could be forwarded";
            return Err(RemoteError::new(RemoteErrorKind::NoCredentials, what)
                .hint("start one with `eval $(ssh-agent)`, and give it the key with `ssh-add`"));
        }
        let mut way = self.system_way(destination, config, false)?;
        way.forwards_agent = true;
        Ok(Arc::new(SystemHost::connect(way, patience)?))
    }

    /// What another machine needs to reach this one by itself.
    pub fn from_elsewhere(&self, destination: &Destination) -> Result<FromElsewhere, RemoteError> {
        let choice = self.choose(destination)?;
        let Some(config) = choice.config else {
            let what = "this machine itself is not reached from others";
            return Err(RemoteError::new(RemoteErrorKind::Unsupported, what));
        };
        let (name, port) = config.known_as();
        let keys = choice.known_hosts.keys(name, port);
        if keys.is_empty() {
            let what = format!(
                "no key of {} is known here that others could be told",
                name.escape_debug()
            );
            return Err(RemoteError::new(RemoteErrorKind::UnknownKey, what)
                .hint("compare its key once by hand, and have it in known_hosts"));
        }
        Ok(FromElsewhere {
            host: config.host_name,
            port: config.port,
            user: config.user,
            keys,
        })
    }

    fn system_way(
        &self,
        destination: &Destination,
        config: &HostConfig,
        fast: bool,
    ) -> Result<SystemWay, RemoteError> {
        Ok(SystemWay {
            forwards_agent: false,
            destination: destination.clone(),
            config: config.clone(),
            file: self.file.clone(),
            secrets: self.secrets.clone(),
            program: self.program()?,
            approach: Approach::new(Arc::clone(&self.gate), config),
            fast,
        })
    }

    fn own_way(
        &self,
        destination: &Destination,
        config: &HostConfig,
        known_hosts: &Arc<KnownHosts>,
    ) -> Way {
        Way {
            destination: destination.clone(),
            config: config.clone(),
            known_hosts: Arc::clone(known_hosts),
            agent: self.agent(config),
            approach: Approach::new(Arc::clone(&self.gate), config),
        }
    }

    fn config(&self, destination: &Destination) -> Result<HostConfig, RemoteError> {
        let unusable = |error: &SshConfigError| {
            let what = format!("the configuration of SSH can't be used: {error}");
            RemoteError::new(RemoteErrorKind::Configuration, what)
        };
        let config = self.config.as_ref().map_err(unusable)?;
        config
            .resolve(
                &destination.address,
                destination.user.as_deref(),
                destination.port,
            )
            .map_err(|error| unusable(&error))
    }

    /// The lists are read once, however many hosts name them.
    fn known_hosts(&self, config: &HostConfig) -> Arc<KnownHosts> {
        let files = [&config.user_known_hosts[..], &config.global_known_hosts].concat();
        let mut read = self
            .known_hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = read
            .entry(files)
            .or_insert_with_key(|files| Arc::new(KnownHosts::read(files)));
        Arc::clone(known)
    }

    fn program(&self) -> Result<PathBuf, RemoteError> {
        let known = self.program.clone().map(Ok);
        known
            .unwrap_or_else(std::env::current_exe)
            .map_err(|error| {
                let what = format!("this program does not know its own path: {error}");
                RemoteError::new(RemoteErrorKind::Here, what)
            })
    }

    fn agent(&self, config: &HostConfig) -> Option<PathBuf> {
        match &config.identity_agent {
            IdentityAgent::Nobody => None,
            IdentityAgent::Socket(path) => Some(path.clone()),
            IdentityAgent::Environment => {
                let here = self.config.as_ref().ok()?.surroundings();
                let socket = here.variables.get("SSH_AUTH_SOCK")?;
                (!socket.is_empty()).then(|| PathBuf::from(socket))
            }
        }
    }
}
