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
    /// So many processes run or wait.
    Runs(i64),
    /// No server answers, so none runs anything.
    NoServer,
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
    /// The list of what runs is no list.
    #[error("{url} does not tell what runs: {told}")]
    NoList {
        /// The address.
        url: String,
        /// What it told.
        told: String,
    },
}

/// The probe that counts what runs, as a server tells it.
pub(super) fn activity(cluster: &Servers, server: &Server) -> Probe {
    Probe::Rest {
        url: server.url.at(vendor::ACTIVITY),
        credentials: Some(cluster.credentials.clone()),
        pointer: None,
        counts: true,
    }
}

/// The probe that tells whether new work is kept from beginning.
pub(super) fn maintenance(cluster: &Servers, at: &WebUrl) -> Probe {
    Probe::Rest {
        url: at.at(vendor::SETTINGS_OF_PAGES),
        credentials: Some(cluster.credentials.clone()),
        pointer: Some(format!("/{}", vendor::MAINTENANCE)),
        counts: false,
    }
}

fn statuses(cluster: &Servers, server: &Server) -> Probe {
    Probe::Rest {
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
            statuses(cluster, server),
            activity(cluster, server),
            maintenance(cluster, &server.url),
        ] {
            asked.ask(&server.node, probe);
        }
    }
    asked
}

/// Reads the answers.
pub fn read(
    cluster: Servers,
    on: &[NodeName],
    answers: &Answers,
    balancers: Vec<balance::At>,
) -> Result<Facts, Unclear> {
    let all = cluster
        .all
        .iter()
        .map(|server| found(server, answers))
        .collect::<Result<Vec<_>, _>>()?;
    let asked = all.iter().find(|it| it.answers).map(|it| &it.server);
    let (work, maintenance) = match asked {
        None => (Work::NoServer, Maintenance::Unsupported),
        Some(server) => (
            work(&cluster, server, answers)?,
            mode(&cluster, server, answers)?,
        ),
    };
    let servers = all
        .into_iter()
        .filter(|it| on.contains(&it.server.node))
        .collect();
    Ok(Facts {
        cluster,
        servers,
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
    // One that is stopped need not answer, whatever keeps it from that.
    let answers =
        service == ServiceState::Running && matches!(ask(server.answers())?, Reading::Number(200));
    Ok(Found {
        server: server.clone(),
        version,
        service,
        process,
        answers,
    })
}

fn work(cluster: &Servers, server: &Server, answers: &Answers) -> Result<Work, Unclear> {
    let node = &server.node;
    let url = server.url.to_string();
    match answers
        .of(node, &statuses(cluster, server))
        .map_err(unanswered(node))?
    {
        Reading::Number(200) => {}
        told => {
            return Err(Unclear::Blind {
                url,
                told: told.to_string(),
            });
        }
    }
    match answers
        .of(node, &activity(cluster, server))
        .map_err(unanswered(node))?
    {
        Reading::Number(count) => Ok(Work::Runs(*count)),
        told => Err(Unclear::NoList {
            url,
            told: told.to_string(),
        }),
    }
}

fn mode(cluster: &Servers, server: &Server, answers: &Answers) -> Result<Maintenance, Unclear> {
    let node = &server.node;
    let found = answers
        .of(node, &maintenance(cluster, &server.url))
        .map_err(unanswered(node))?;
    Ok(match found {
        Reading::Text(text) if text == "true" => Maintenance::On,
        Reading::Text(text) if text == "false" => Maintenance::Off,
        _ => Maintenance::Unsupported,
    })
}
