//! What is known of each server, as far as it is known: a look, which no single silence ends.

use std::collections::BTreeMap;

use super::cluster::{Server, Servers};
use super::facts::{activity, agents, maintenance};
use crate::config::NodeName;
use crate::plan::{Probe, Reading, ServiceState};
use crate::products::{Answers, Questions, Unanswered};

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its node.
    pub node: NodeName,
    /// The version that is installed.
    pub version: Result<String, Unanswered>,
    /// Whether its service runs.
    pub service: Result<ServiceState, Unanswered>,
    /// Its process, if one runs.
    pub process: Result<Option<String>, Unanswered>,
    /// Whether it answers, as far as that was asked.
    pub answers: Result<bool, Unanswered>,
}

/// What is known of the cluster as a whole, as the first server tells it that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// How many processes run or wait.
    pub work: Option<i64>,
    /// Whether it is kept from beginning new work; nothing where the version has no such mode.
    pub maintenance: Option<bool>,
    /// How many agents there are in each state.
    pub agents: BTreeMap<String, u64>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; none for the cluster as a whole.
    pub node: Option<NodeName>,
    /// What.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// What there is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The servers, in the order of their names.
    pub servers: Vec<State>,
    /// The cluster as a whole.
    pub whole: Whole,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What has to be asked.
pub fn questions(cluster: &Servers) -> Questions {
    let mut asked = super::facts::questions(cluster);
    for server in &cluster.all {
        asked.ask(&server.node, counts(cluster, server));
    }
    asked
}

/// The agents in each state, as JSON.
fn counts(cluster: &Servers, server: &Server) -> Probe {
    match agents(cluster, server) {
        Probe::Rest {
            url,
            credentials,
            counts,
            ..
        } => Probe::Rest {
            item: None,
            url,
            credentials,
            pointer: Some(String::new()),
            counts,
        },
        other => other,
    }
}

/// Reads the answers.
pub fn read(cluster: &Servers, answers: &Answers) -> Status {
    let servers: Vec<State> = cluster
        .all
        .iter()
        .map(|server| state(server, answers))
        .collect();
    let mut problems = Vec::new();
    for (server, state) in cluster.all.iter().zip(&servers) {
        judge(server, state, &mut problems);
    }
    versions(&servers, &mut problems);
    let answering = cluster.all.iter().zip(&servers);
    let answering = answering.filter(|(_, state)| state.answers == Ok(true));
    let whole = answering
        .map(|(server, _)| server)
        .next()
        .map(|server| whole(cluster, server, answers, &mut problems))
        .unwrap_or_default();
    Status {
        servers,
        whole,
        problems,
    }
}

fn state(server: &Server, answers: &Answers) -> State {
    let ask = |probe: Probe| answers.of(&server.node, &probe).cloned();
    let odd = |what: String| Unanswered { what, hint: None };
    State {
        node: server.node.clone(),
        version: ask(server.version()).and_then(|found| match found {
            Reading::Text(version) => Ok(version),
            _ => Err(odd(format!("no server is installed in {}", server.home))),
        }),
        service: ask(Probe::Service {
            service: server.service.clone(),
        })
        .and_then(|found| match found {
            Reading::Service(state) => Ok(state),
            other => Err(odd(format!(
                "the status command of the service tells neither that it runs nor that it is stopped: {other}"
            ))),
        }),
        process: ask(server.process()).map(|found| match found {
            Reading::Text(process) => Some(process),
            _ => None,
        }),
        answers: ask(server.answers()).map(|found| found == Reading::Number(200)),
    }
}

fn judge(server: &Server, state: &State, problems: &mut Vec<Problem>) {
    let node = &state.node;
    let mut say = |what: String, hint: String| {
        problems.push(Problem {
            node: Some(node.clone()),
            what,
            hint,
        });
    };
    let look = || format!("clusterctl check --reach --on {node}");
    let unknown = [
        state.version.as_ref().err(),
        state.service.as_ref().err(),
        state.process.as_ref().err(),
    ];
    if let Some(why) = unknown.into_iter().flatten().next() {
        return say(why.what.clone(), why.hint.clone().unwrap_or_else(look));
    }
    let runs = state.service == Ok(ServiceState::Running);
    match (&state.process, runs) {
        (Ok(None), true) => say(
            format!(
                "the service runs, and no process of the server in {} is there",
                server.home
            ),
            "see whether install_dir is right, and what the server's log says".to_owned(),
        ),
        (Ok(Some(process)), false) => say(
            format!("the service is stopped, and a process of the server is there: {process}"),
            "see whether it is still stopping, and end it if it hangs".to_owned(),
        ),
        (Ok(Some(process)), true) if process.contains("processes") => say(
            format!("there are {process} of the server in {}", server.home),
            "see which of them is the server, and end what is left of others".to_owned(),
        ),
        _ => {}
    }
    if !runs {
        say(
            "the server is stopped".to_owned(),
            format!("clusterctl start --on {node}"),
        );
        return;
    }
    match &state.answers {
        Ok(true) => {}
        Ok(false) => say(
            format!(
                "the server runs, and {} does not answer as it should",
                server.url
            ),
            "see what the server's log says, and whether it is still starting".to_owned(),
        ),
        Err(why) => say(
            why.what.clone(),
            why.hint
                .clone()
                .unwrap_or_else(|| "see what the server's log says".to_owned()),
        ),
    }
}

/// All servers of a cluster must be of one version.
fn versions(servers: &[State], problems: &mut Vec<Problem>) {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for state in servers {
        if let Ok(version) = &state.version {
            found.entry(version).or_default().push(state.node.as_str());
        }
    }
    if found.len() < 2 {
        return;
    }
    let all: Vec<String> = found
        .iter()
        .map(|(version, nodes)| format!("{version} on {}", nodes.join(", ")))
        .collect();
    problems.push(Problem {
        node: None,
        what: format!("the servers are of different versions: {}", all.join("; ")),
        hint:
            "all servers of a cluster must be of exactly one version: upgrade those that are older"
                .to_owned(),
    });
}

fn whole(
    cluster: &Servers,
    server: &Server,
    answers: &Answers,
    problems: &mut Vec<Problem>,
) -> Whole {
    let ask = |probe: Probe| answers.of(&server.node, &probe).cloned();
    let mut say = |what: String, hint: &str| {
        problems.push(Problem {
            node: None,
            what,
            hint: hint.to_owned(),
        });
    };
    let mut found = Whole::default();
    match ask(agents(cluster, server)) {
        Ok(Reading::Number(200)) => {}
        Ok(Reading::Number(status)) => {
            say(
                format!(
                    "the account of `credentials` may not see what runs: {} tells it {status}",
                    server.url
                ),
                "give the credentials of an administrator",
            );
            return found;
        }
        Ok(_) => {}
        Err(why) => {
            let hint = why.hint.unwrap_or_default();
            say(
                why.what,
                if hint.is_empty() {
                    "see what the server's log says"
                } else {
                    &hint
                },
            );
            return found;
        }
    }
    if let Ok(Reading::Number(work)) = ask(activity(cluster, server)) {
        found.work = Some(work);
    }
    if let Ok(Reading::Text(mode)) = ask(maintenance(cluster, &server.url)) {
        found.maintenance = Some(mode == "true");
    }
    if found.maintenance == Some(true) {
        say(
            "maintenance mode is on: the cluster begins no new work".to_owned(),
            "clusterctl lock status   (shows whether a run goes on); else switch it off under Settings > System Settings",
        );
    }
    if let Ok(Reading::Text(json)) = ask(counts(cluster, server)) {
        found.agents = serde_json::from_str(&json).unwrap_or_default();
    }
    found
}
