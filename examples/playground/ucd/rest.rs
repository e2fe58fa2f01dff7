//! What a server answers over HTTP.

use std::sync::PoisonError;

use serde_json::{Map, Value, json};

use super::database::{Account, Connection, Process, ProcessState, State, now};
use super::http::{Answer, Request};
use super::server::Server;

/// Settings that nobody gets to read, and what stands for them.
const MASKED: [&str; 1] = ["deployMailPassword"];
const MASK: &str = "****";

/// The settings that the documented way of changing them takes.
const BY_CLI: [&str; 7] = [
    "externalURL",
    "externalUserURL",
    "validateAgentIp",
    "deployMailHost",
    "deployMailPassword",
    "repoAutoIntegrationPeriod",
    "licenseServerUrl",
];

/// How many requests the documented list gives at once.
const PAGE: usize = 100;

pub(crate) fn answer(server: &Server, request: &Request) -> Answer {
    let path = request.path.trim_end_matches('/');
    if request.method == "GET" && path == "/connTest.txt" {
        return Answer::text(
            200,
            "This static file is downloaded by agents during communication testing.\n",
        );
    }
    if request.method == "GET" && path.is_empty() {
        let version = &server.version;
        return Answer::html(format!(
            "<html><body class=\"login\"><span class=\"productVersion\">version {version}</span></body></html>\n"
        ));
    }
    let done = server.database.with(|state| {
        let account = request.who.as_ref().and_then(|(user, password)| {
            let token = serde_json::from_str::<Value>(password).ok();
            let token = token.as_ref().and_then(|it| it["token"].as_str());
            let password = token.unwrap_or(password);
            let is_it = |account: &&Account| account.user == *user && account.password == password;
            state.accounts.iter().find(is_it).cloned()
        });
        match account {
            None => Answer::text(401, "Authentication failed\n"),
            Some(account) => {
                let asked = Asked {
                    server,
                    request,
                    account: &account,
                };
                asked.answer(path, state)
            }
        }
    });
    done.unwrap_or_else(|problem| Answer::text(500, problem))
}

/// What somebody asks who may.
struct Asked<'a> {
    server: &'a Server,
    request: &'a Request,
    account: &'a Account,
}

impl Asked<'_> {
    fn answer(&self, path: &str, state: &mut State) -> Answer {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (self.request.method.as_str(), parts.as_slice()) {
            ("GET", ["cli", "systemConfiguration"] | ["rest", "system", "configuration"]) => {
                settings(state)
            }
            ("PUT", ["cli", "systemConfiguration"]) => self.change(state, Some(&BY_CLI)),
            ("PUT", ["rest", "system", "configuration"]) => match self.change(state, None) {
                Answer { status: 200, .. } => Answer::nothing(),
                refused => refused,
            },
            ("GET", ["rest", "network", "networkRelay"]) => match &state.connections {
                None => not_found(),
                Some(all) => Answer::json(&json!(all)),
            },
            ("PUT", ["rest", "network", "networkRelay"]) => self.connect(state),
            ("DELETE", ["rest", "network", "networkRelay", id]) => self.disconnect(state, id),
            ("GET", ["rest", "server"]) => members(state),
            ("DELETE", ["rest", "server", id]) => self.remove_member(state, id),
            ("GET", ["rest", "workflow", "currentActivity"]) => self.activity(state),
            ("PUT", ["rest", "workflow", id, "cancel"]) => cancel(state, id),
            ("GET", ["cli", "applicationProcessRequest"]) => self.requests(state),
            ("GET", ["cli", "applicationProcessRequest", "count"]) => {
                Answer::json(&json!({ "appProcReqCount": state.requests.len() }))
            }
            ("GET", ["rest", "state", "globalMessages"]) => Answer::json(&json!([])),
            ("GET", ["cli", "agentCLI"]) => agents(state),
            ("GET", ["cli", "agentCLI", "statuses"]) if !self.account.sees_activity => {
                forbidden("View Settings Tab")
            }
            ("GET", ["cli", "agentCLI", "statuses"]) => statuses(state),
            ("PUT", ["cli", "agentCLI", "test"]) => self.test_agent(state),
            ("GET", ["cli" | "rest", "relay"]) => relays(state),
            ("POST", ["practice", "request"]) => self.ask_for_process(state),
            _ => not_found(),
        }
    }

    fn body(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.request.body).ok()
    }

    /// Changes the settings that are given; one that the way does not know is passed over.
    fn change(&self, state: &mut State, known: Option<&[&str]>) -> Answer {
        if !self.account.may_change {
            return forbidden("Edit Basic Settings");
        }
        let Some(body) = self.body() else {
            return Answer::text(
                400,
                "Error processing command: the body is no JSON object\n",
            );
        };
        for (key, value) in body {
            let is_known = known.is_none_or(|known| known.contains(&key.as_str()));
            if !is_known || !state.settings.contains_key(&key) {
                continue;
            }
            // The documented way takes seconds and tells milliseconds.
            let value = match (key.as_str(), value.as_u64(), known) {
                ("repoAutoIntegrationPeriod", Some(seconds), Some(_)) => (seconds * 1000).into(),
                _ => value,
            };
            state.settings.insert(key, value);
        }
        settings(state)
    }

    fn connect(&self, state: &mut State) -> Answer {
        if !self.account.may_change {
            return forbidden("Edit Network Settings");
        }
        let Some(body) = self.body() else {
            return Answer::text(
                400,
                "Error processing command: the body is no JSON object\n",
            );
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let port = body.get("port").and_then(|port| match port {
            Value::String(port) => port.parse().ok(),
            port => port.as_u64().and_then(|port| u16::try_from(port).ok()),
        });
        let active = body
            .get("active")
            .is_none_or(|it| it == &Value::Bool(true) || it == "true");
        let (Some(name), Some(host), Some(port)) = (text("name"), text("host"), port) else {
            return Answer::text(
                400,
                "Error processing command: name, host and port are needed\n",
            );
        };
        let existing = text("existingId");
        let new_id = state.new_id();
        let Some(all) = &mut state.connections else {
            return not_found();
        };
        let is_other = |it: &Connection| existing.as_ref() != Some(&it.id);
        if all.iter().any(|it| it.name == name && is_other(it)) {
            let what = format!("A network relay with the name {name} already exists.\n");
            return Answer::text(400, what);
        }
        let connection = Connection {
            id: existing.clone().unwrap_or(new_id),
            name,
            active,
            host,
            port,
        };
        match existing {
            None => all.push(connection.clone()),
            Some(id) => match all.iter_mut().find(|it| it.id == id) {
                None => return not_found(),
                Some(it) => *it = connection.clone(),
            },
        }
        if connection.active {
            let mut made = self
                .server
                .made
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            made.push((connection.host.clone(), connection.port));
        }
        Answer::json(&json!(connection))
    }

    fn disconnect(&self, state: &mut State, id: &str) -> Answer {
        if !self.account.may_change {
            return forbidden("Edit Network Settings");
        }
        let Some(all) = &mut state.connections else {
            return not_found();
        };
        let before = all.len();
        all.retain(|it| it.id != id);
        if all.len() == before {
            return not_found();
        }
        Answer::nothing()
    }

    fn remove_member(&self, state: &mut State, id: &str) -> Answer {
        if !self.account.may_change {
            return forbidden("Edit Basic Settings");
        }
        match state.members.remove(id) {
            None => not_found(),
            Some(_) => Answer::nothing(),
        }
    }

    /// What runs or waits, by pages. Who may not see it gets an empty list.
    fn activity(&self, state: &State) -> Answer {
        let number = |key: &str, otherwise: usize| {
            let given = self.request.query.get(key).and_then(|it| it.parse().ok());
            given.unwrap_or(otherwise).max(1)
        };
        let (rows, page) = (number("rowsPerPage", 10), number("pageNumber", 1));
        let goes_on =
            |it: &&Process| matches!(it.state, ProcessState::Executing | ProcessState::Pending);
        let all = state.requests.iter().filter(goes_on).rev();
        let shown = all
            .filter(|_| self.account.sees_activity)
            .skip((page - 1).saturating_mul(rows))
            .take(rows)
            .map(|it| {
                let mut item = json!({
                    "id": it.id, "processRequestType": it.kind, "startTime": it.asked_at, "userName": it.user,
                    "state": it.state, "paused": false, "workflowTraceId": it.id,
                });
                item[it.kind.as_str()] = json!({ "name": it.name });
                item
            });
        Answer::json(&shown.collect())
    }

    fn requests(&self, state: &State) -> Answer {
        let from = self.request.query.get("startIndex");
        let from = from.and_then(|it| it.parse().ok()).unwrap_or(0);
        let all = state.requests.iter().filter(|_| self.account.sees_activity);
        let shown = all.skip(from).take(PAGE).map(|it| {
            json!({
                "id": it.id, "state": it.state, "startTime": it.asked_at, "userName": it.user,
                "result": match it.state {
                    ProcessState::Closed => "SUCCEEDED",
                    ProcessState::Faulted => "FAULTED",
                    ProcessState::Canceled => "CANCELED",
                    ProcessState::Pending | ProcessState::Executing => "NONE",
                },
            })
        });
        Answer::json(&shown.collect())
    }

    /// How practice asks for a process, which of the product's ways needs an application for.
    fn ask_for_process(&self, state: &mut State) -> Answer {
        let body = self.body().unwrap_or_default();
        let text = |key: &str, otherwise: &str| {
            let given = body.get(key).and_then(Value::as_str);
            given.unwrap_or(otherwise).to_owned()
        };
        if state.is_in_maintenance() {
            return Answer::text(503, "Could Not Start: the server is in maintenance mode\n");
        }
        let id = state.new_id();
        state.requests.push(Process {
            id: id.clone(),
            kind: text("kind", "application"),
            name: text("name", "practice"),
            user: self.account.user.clone(),
            asked_at: now(),
            takes: body.get("takes").and_then(Value::as_u64).unwrap_or(1000),
            state: ProcessState::Pending,
            server: None,
            ends_at: 0,
            agent: body.get("agent").and_then(Value::as_str).map(str::to_owned),
            life: None,
        });
        Answer::json(&json!({ "requestId": id }))
    }

    /// Whether an agent answers when it is asked through this server: it is connected to it, or to one to which the mesh
    /// leads from here.
    fn test_agent(&self, state: &State) -> Answer {
        let named = self.request.query.get("agent").cloned().unwrap_or_default();
        let is_it = |it: &&super::database::Agent| it.name == named || it.id == named;
        let Some(agent) = state.agents.iter().find(is_it) else {
            return Answer::text(404, format!("No agent with id/name {named}\n"));
        };
        let reached = agent
            .server
            .as_ref()
            .is_some_and(|at| self.server.reaches(at));
        if reached {
            Answer::json(&json!({ "agent": agent.name, "result": "OK" }))
        } else {
            Answer::text(400, format!("Agent {} did not respond\n", agent.name))
        }
    }
}

fn settings(state: &State) -> Answer {
    let mut shown = state.settings.clone();
    for key in MASKED {
        if let Some(value) = shown.get_mut(key) {
            *value = MASK.into();
        }
    }
    Answer::json(&Value::Object(shown))
}

fn members(state: &State) -> Answer {
    let all = state.members.iter().map(|(id, member)| {
        let mut item = json!(member);
        item["serverId"] = id.as_str().into();
        item
    });
    Answer::json(&all.collect())
}

fn agents(state: &State) -> Answer {
    let all = state.agents.iter().map(|agent| {
        json!({
            "id": agent.id, "name": agent.name, "active": true, "licensed": true, "version": agent.version,
            "status": status(agent.server.is_some()), "lastContact": agent.last_contact,
        })
    });
    Answer::json(&all.collect())
}

fn statuses(state: &State) -> Answer {
    let mut counts = Map::new();
    for agent in &state.agents {
        let count = counts
            .entry(status(agent.server.is_some()))
            .or_insert(0.into());
        *count = (count.as_u64().unwrap_or_default() + 1).into();
    }
    Answer::json(&Value::Object(counts))
}

fn relays(state: &State) -> Answer {
    let all = state.relays.iter().map(|relay| {
        let behind = |agent: &&super::database::Agent| agent.relay.as_ref() == Some(&relay.name);
        let agents = state.agents.iter().filter(behind).count();
        json!({
            "id": relay.id, "name": relay.name, "endpointId": relay.id, "version": relay.version,
            "hostname": relay.host, "relayHostname": relay.host, "jmsPort": relay.port,
            "status": status(relay.server.is_some()), "totalAgents": agents, "activeAgents": agents,
            "lastContact": relay.last_contact,
        })
    });
    Answer::json(&all.collect())
}

fn status(is_connected: bool) -> &'static str {
    if is_connected { "ONLINE" } else { "OFFLINE" }
}

fn not_found() -> Answer {
    Answer::text(404, "HTTP Status 404 - Not Found\n")
}

fn forbidden(permission: &str) -> Answer {
    Answer::text(403, format!("The {permission} permission is required\n"))
}

fn cancel(state: &mut State, id: &str) -> Answer {
    match state.requests.iter_mut().find(|it| it.id == id) {
        None => not_found(),
        Some(it) => {
            if matches!(it.state, ProcessState::Executing | ProcessState::Pending) {
                it.state = ProcessState::Canceled;
            }
            Answer::nothing()
        }
    }
}
