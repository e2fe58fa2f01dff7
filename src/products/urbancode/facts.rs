//! What is asked of the servers before a plan is made, and what was found.

use super::cluster::{Server, Servers};
use super::vendor;
use crate::config::{NodeName, WebUrl};
use crate::plan::{Probe, Reading, ServiceState};
use crate::primitives::balance;
use crate::products::{Answers, Questions, Unanswered};

/// What was found of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The server.
    pub server: Server,
    /// The version that is installed.
    pub version: String,
    /// Whether its service runs.
    pub service: ServiceState,
    /// The process that it is, if it runs.
    pub process: Option<String>,
    /// Whether it answers.
    pub answers: bool,
}

/// What is known of running work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// So many processes run or wait, as this server tells.
    Runs(i64, Box<Server>),
    /// No server runs, so none runs anything.
    NoServer,
    /// Servers run, and none tells: why not.
    Unknown(String),
}

/// Whether the cluster can be kept from beginning new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// It can, and is not now.
    Off,
    /// It is kept from it already.
    On,
    /// The version has no such mode.
    Unsupported,
}

/// What was found of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The product's part of the cluster file.
    pub cluster: Servers,
    /// The servers that are meant, in the order of their names.
    pub servers: Vec<Found>,
    /// Whether a server answers that is not meant.
    pub others_answer: bool,
    /// What runs.
    pub work: Work,
    /// Whether new work can be kept from beginning.
    pub maintenance: Maintenance,
    /// What the balancers have of the servers.
    pub balancers: Vec<balance::At>,
}

/// Why nothing can be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// A node did not answer.
    #[error("{node}: {what}")]
    Unanswered {
        /// The node.
        node: NodeName,
        /// What happened.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nothing is installed there.
    #[error("{node}: there is no {path}, so no server is installed there")]
    NotInstalled {
        /// The node.
        node: NodeName,
        /// The file that is missing.
        path: String,
    },
    /// The service command tells neither of the two.
    #[error(
        "{node}: the status command of the service tells neither that it runs nor that it is stopped: {said}"
    )]
    OddService {
        /// The node.
        node: NodeName,
        /// What it told.
        said: String,
    },
    /// More than one process is the server, or none although it runs.
    #[error("{node}: {what}")]
    OddProcess {
        /// The node.
        node: NodeName,
        /// What was found.
        what: String,
    },
    /// The account sees less than all, so that "nothing runs" would mean nothing.
    #[error(
        "the account by which {url} is asked may not see what runs: it is told {told} when it asks for the agents' states"
    )]
    Blind {
        /// The address.
        url: String,
        /// What it is told.
        told: String,
    },
}

/// The probe that counts what runs, as a server tells it.
pub(super) fn activity(cluster: &Servers, server: &Server) -> Probe {
    Probe::Rest {
        item: None,
        url: server.url.at(vendor::ACTIVITY),
        credentials: Some(cluster.credentials.clone()),
        pointer: None,
        counts: true,
    }
}

/// The probe that tells whether new work is kept from beginning.
pub(super) fn maintenance(cluster: &Servers, at: &WebUrl) -> Probe {
    Probe::Rest {
        item: None,
        url: at.at(vendor::SETTINGS_OF_PAGES),
        credentials: Some(cluster.credentials.clone()),
        pointer: Some(format!("/{}", vendor::MAINTENANCE)),
        counts: false,
    }
}

/// The probe that asks for the agents' states, which only whoever may see what runs is told.
pub(super) fn agents(cluster: &Servers, server: &Server) -> Probe {
    Probe::Rest {
        item: None,
        url: server.url.at(vendor::AGENT_STATUSES),
        credentials: Some(cluster.credentials.clone()),
        pointer: None,
        counts: false,
    }
}

/// What has to be asked of these servers, and of those by which the cluster is asked.
pub fn questions(cluster: &Servers) -> Questions {
    let mut asked = Questions::default();
    for server in &cluster.all {
        for probe in [
            server.version(),
            server.process(),
            Probe::Service {
                service: server.service.clone(),
            },
            server.answers(),
            agents(cluster, server),
            activity(cluster, server),
            maintenance(cluster, &server.url),
        ] {
            asked.ask(&server.node, probe);
        }
    }
    asked
}

/// Reads the answers. Servers that are not meant may be in any state: they are asked for what they can tell.
pub fn read(
    cluster: Servers,
    on: &[NodeName],
    answers: &Answers,
    balancers: Vec<balance::At>,
) -> Result<Facts, Unclear> {
    let mut all = Vec::new();
    for server in &cluster.all {
        match found(server, answers) {
            Ok(it) => all.push(it),
            Err(unclear) if on.contains(&server.node) => return Err(unclear),
            // It may run, and nobody knows: what others tell of the cluster's work counts all the same.
            Err(_) => {}
        }
    }
    let work = work(&cluster, &all, answers)?;
    let maintenance = match &work {
        Work::Runs(_, teller) => mode(&cluster, teller, answers),
        Work::NoServer | Work::Unknown(_) => Maintenance::Unsupported,
    };
    let meant = |it: &Found| on.contains(&it.server.node);
    Ok(Facts {
        servers: all.iter().filter(|it| meant(it)).cloned().collect(),
        others_answer: all.iter().any(|it| !meant(it) && it.answers),
        cluster,
        work,
        maintenance,
        balancers,
    })
}

fn unanswered(node: &NodeName) -> impl Fn(Unanswered) -> Unclear + '_ {
    move |why| Unclear::Unanswered {
        node: node.clone(),
        what: why.what,
        hint: why.hint,
    }
}

fn found(server: &Server, answers: &Answers) -> Result<Found, Unclear> {
    let node = &server.node;
    let ask = |probe: Probe| answers.of(node, &probe).map_err(unanswered(node));
    let Reading::Text(version) = ask(server.version())?.clone() else {
        let path = super::cluster::below(&server.home, vendor::VERSION_FILE);
        return Err(Unclear::NotInstalled {
            node: node.clone(),
            path: path.to_string(),
        });
    };
    let service = match ask(Probe::Service {
        service: server.service.clone(),
    })? {
        Reading::Service(state) => *state,
        other => {
            return Err(Unclear::OddService {
                node: node.clone(),
                said: other.to_string(),
            });
        }
    };
    let process = match (ask(server.process())?, service) {
        (Reading::Absent, ServiceState::Stopped) => None,
        (Reading::Text(process), ServiceState::Running) if !process.contains("processes") => {
            Some(process.clone())
        }
        (found, service) => {
            let what = format!(
                "the service is {service}, and of processes of the server in {} there is: {found}",
                server.home
            );
            return Err(Unclear::OddProcess {
                node: node.clone(),
                what,
            });
        }
    };
    // One that hangs, or is just about to start, answers in no way at all.
    let answers = matches!(ask(server.answers()), Ok(Reading::Number(200)));
    if answers && service == ServiceState::Stopped {
        let what = format!(
            "the service is stopped, and {} answers all the same: another process than the one in {} serves there",
            server.url, server.home
        );
        let node = node.clone();
        return Err(Unclear::OddProcess { node, what });
    }
    Ok(Found {
        server: server.clone(),
        version,
        service,
        process,
        answers,
    })
}

/// What runs in the cluster, as the first server tells it that can.
fn work(cluster: &Servers, all: &[Found], answers: &Answers) -> Result<Work, Unclear> {
    if all.len() == cluster.all.len() && all.iter().all(|it| it.process.is_none()) {
        return Ok(Work::NoServer);
    }
    let mut why = "no server answers".to_owned();
    let mut blind = None;
    for server in all.iter().filter(|it| it.answers).map(|it| &it.server) {
        let ask = |probe: Probe| answers.of(&server.node, &probe);
        match ask(agents(cluster, server)) {
            Ok(Reading::Number(200)) => {}
            Ok(Reading::Number(told @ (401 | 403))) => {
                blind = Some(Unclear::Blind {
                    url: server.url.to_string(),
                    told: told.to_string(),
                });
                continue;
            }
            Ok(told) => {
                why = format!(
                    "{} answers {told} when it is asked for the agents' states",
                    server.url
                );
                continue;
            }
            Err(silent) => {
                why = silent.what;
                continue;
            }
        }
        match ask(activity(cluster, server)) {
            Ok(Reading::Number(count)) => {
                return Ok(Work::Runs(*count, Box::new(server.clone())));
            }
            Ok(told) => why = format!("{} does not tell what runs: {told}", server.url),
            Err(silent) => why = silent.what,
        }
    }
    blind.map_or(Ok(Work::Unknown(why)), Err)
}

fn mode(cluster: &Servers, server: &Server, answers: &Answers) -> Maintenance {
    match answers.of(&server.node, &maintenance(cluster, &server.url)) {
        Ok(Reading::Text(text)) if text == "true" => Maintenance::On,
        Ok(Reading::Text(text)) if text == "false" => Maintenance::Off,
        _ => Maintenance::Unsupported,
    }
}
