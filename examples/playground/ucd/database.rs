//! The database that all servers share: one file, which whoever uses it has to itself for that time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// All that is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// Which version of the product made it what it is.
    pub(crate) version: String,
    /// The system settings.
    pub(crate) settings: Map<String, Value>,
    /// The cluster connections; none where the version has no such thing.
    pub(crate) connections: Option<Vec<Connection>>,
    /// The members of the cluster, by their identity, as they came.
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) accounts: Vec<Account>,
    /// The requests for processes.
    pub(crate) requests: Vec<Process>,
    pub(crate) agents: Vec<Agent>,
    #[serde(default)]
    pub(crate) relays: Vec<Relay>,
    /// Grows with everything that gets an identity.
    pub(crate) last_id: u64,
}

/// A cluster connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A server of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) created_date: u64,
    pub(crate) modified_date: u64,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) server_public_key_fingerprint: String,
    pub(crate) client_public_key_fingerprint: String,
}

/// Who may ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The user; `PasswordIsAuthToken` for a token.
    pub(crate) user: String,
    pub(crate) password: String,
    /// Whether it sees what runs: others see empty lists.
    pub(crate) sees_activity: bool,
    /// Whether it may change settings.
    pub(crate) may_change: bool,
}

/// A process that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: String,
    /// `application`, `component` or `generic`.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) asked_at: u64,
    /// How long it takes.
    pub(crate) takes: u64,
    pub(crate) state: ProcessState,
    /// The server that runs it, which nobody is told.
    pub(crate) server: Option<String>,
    pub(crate) ends_at: u64,
    /// The agent on which its step runs.
    pub(crate) agent: Option<String>,
    /// Which life of that agent: one that was stopped in mid-step knows nothing of the step afterwards.
    #[serde(default)]
    pub(crate) life: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ProcessState {
    /// No server has found it yet.
    Pending,
    Executing,
    Closed,
    /// Its server went.
    Faulted,
    Canceled,
}

/// An agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The server that it is connected to.
    pub(crate) server: Option<String>,
    /// The relay by which it is.
    #[serde(default)]
    pub(crate) relay: Option<String>,
    /// By what: an agent has one connection, and may have the next before the last is known to be gone.
    #[serde(default)]
    pub(crate) line: Option<String>,
    /// Another one each time that it is started.
    #[serde(default)]
    pub(crate) life: Option<String>,
    pub(crate) last_contact: u64,
}

/// An agent relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Relay {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The server that it is connected to, and by what.
    pub(crate) server: Option<String>,
    pub(crate) line: Option<String>,
    pub(crate) last_contact: u64,
}

impl State {
    /// What a server makes of an empty database.
    pub(crate) fn new(version: &str, has_connections: bool, has_maintenance: bool) -> Self {
        let mut settings = json!({
            "externalURL": "http://localhost:8080",
            "externalUserURL": "http://localhost:8080",
            "validateAgentIp": false,
            "deployMailHost": "smtp.example.com",
            "deployMailPassword": "mail-password",
            "repoAutoIntegrationPeriod": 300_000,
            "messageOfTheDay": "",
            "licenseServerUrl": "27000@license.example.com",
        });
        if has_maintenance {
            settings["maintenanceModeEnabled"] = false.into();
        }
        Self {
            version: version.to_owned(),
            settings: match settings {
                Value::Object(settings) => settings,
                _ => Map::new(),
            },
            connections: has_connections.then(Vec::new),
            members: BTreeMap::new(),
            accounts: vec![Account {
                user: "admin".to_owned(),
                password: "admin".to_owned(),
                sees_activity: true,
                may_change: true,
            }],
            requests: Vec::new(),
            agents: Vec::new(),
            relays: Vec::new(),
            last_id: 0,
        }
    }

    /// An identity that nothing else has.
    pub(crate) fn new_id(&mut self) -> String {
        self.last_id += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", self.last_id, self.last_id)
    }

    /// Whether nothing new is begun.
    pub(crate) fn is_in_maintenance(&self) -> bool {
        let on = self.settings.get("maintenanceModeEnabled");
        on.is_some_and(|on| on == &Value::Bool(true) || on == "true")
    }
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Database(PathBuf);

impl Database {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes one where there is none.
    pub(crate) fn make(&self, state: &State) -> Result<(), String> {
        let _lock = self.lock()?;
        if self.0.exists() {
            return Ok(());
        }
        self.write(state)
    }

    /// Looks at what is there, or changes it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T, String> {
        let _lock = self.lock()?;
        let text = fs::read_to_string(&self.0).map_err(|error| self.problem(&error))?;
        let mut state: State = serde_json::from_str(&text).map_err(|error| self.problem(&error))?;
        let done = work(&mut state);
        let new = serde_json::to_string_pretty(&state).map_err(|error| self.problem(&error))?;
        if new != text {
            self.write(&state)?;
        }
        Ok(done)
    }

    fn write(&self, state: &State) -> Result<(), String> {
        let text = serde_json::to_string_pretty(state).map_err(|error| self.problem(&error))?;
        let new = self.0.with_extension("new");
        fs::write(&new, text).map_err(|error| self.problem(&error))?;
        fs::rename(&new, &self.0).map_err(|error| self.problem(&error))
    }

    fn lock(&self) -> Result<File, String> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.with_extension("lock"))
            .map_err(|error| self.problem(&error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| self.problem(&error))?;
        Ok(file)
    }

    fn problem(&self, why: &dyn std::fmt::Display) -> String {
        format!("Could not start database {}: {why}", self.0.display())
    }
}

/// The time as the product tells it: milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
