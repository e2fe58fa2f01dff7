//! `convert`: a stand-alone server becomes the first of a cluster.
//!
//! The steps are those of the manual's page "Converting a stand-alone server to high availability", in its order, in one
//! outage. What the page leaves to a person is asked of one; what it takes for granted is looked at before anything is
//! changed ([`rules`]).

use super::cluster::{Server, below};
use super::cycle::{Cycle, step, why};
use super::facts::{Found, Maintenance};
use super::restart::{Options, used};
use super::rules::{self, Broken};
use super::turn::{Turn, one};
use super::{facts, restart, vendor};
use crate::config::{NodeName, PoolName, WebUrl};
use crate::plan::{
    Action, Class, Condition, Expect, FORMAT, Method, Millis, OnFailure, OnTimeout, Plan, Probe,
    Proof, Reading, RemotePath, Stage, Step, Undo,
};
use crate::primitives::edit_properties::{self, Unplannable, Wish};
use crate::products::{Answers, Questions};
use crate::properties::{Properties, Which};

/// The verb.
pub const VERB: &str = "convert";

/// How long a person may take.
const A_DAY: Millis = Millis::secs(24 * 3600);
/// How long a call may take.
const CALL: Millis = Millis::secs(60);
/// How often is looked whether the balancer answers, and how often it must.
const EVERY: Millis = Millis::secs(1);
const GOOD: u32 = 3;

/// What was found.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The server, what runs on it, and what the balancers have of it.
    pub common: facts::Facts,
    /// Its properties.
    pub properties: Properties,
    /// The settings that every server of the cluster will have.
    pub settings: Settings,
    /// The pools that are before it.
    pub pools: Vec<Pool>,
}

/// Settings of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The address that agents are given.
    pub agents: Option<String>,
    /// The address that users are given.
    pub users: Option<String>,
    /// The license servers.
    pub licenses: Option<String>,
}

/// A pool of a balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The balancer's node.
    pub node: NodeName,
    /// The pool.
    pub name: PoolName,
    /// Whether a session's requests go to one server, as far as can be seen.
    pub keeps_sessions: bool,
    /// Its servers, and where it finds them: `HOST:PORT`.
    pub servers: Vec<(String, String)>,
}

/// Why no plan was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A rule of the vendor's is broken.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The server is not fit to be stopped.
    #[error(transparent)]
    Restart(#[from] restart::Refused),
    /// Its properties can't be changed.
    #[error(transparent)]
    Edit(#[from] Unplannable),
}

/// The properties of a server.
pub fn properties(server: &Server) -> RemotePath {
    below(&server.home, vendor::PROPERTIES)
}

/// What has to be asked besides what every verb asks.
pub fn questions(common: &super::cluster::Servers) -> Questions {
    let mut asked = facts::questions(common);
    for server in &common.all {
        for key in [vendor::AGENT_URL, vendor::USER_URL, vendor::LICENSE_SERVER] {
            asked.ask(&server.node, setting(server, key, common));
        }
    }
    asked
}

/// Reads the settings from the answers.
pub fn settings(
    common: &super::cluster::Servers,
    server: &Server,
    answers: &Answers,
) -> Result<Settings, facts::Unclear> {
    let of = |key: &str| match answers.of(&server.node, &setting(server, key, common)) {
        Ok(Reading::Text(text)) => Ok(Some(text.clone())),
        Ok(_) => Ok(None),
        Err(why) => Err(facts::Unclear::Unanswered {
            node: server.node.clone(),
            what: why.what,
            hint: why.hint,
        }),
    };
    Ok(Settings {
        agents: of(vendor::AGENT_URL)?,
        users: of(vendor::USER_URL)?,
        licenses: of(vendor::LICENSE_SERVER)?,
    })
}

fn setting(server: &Server, key: &str, common: &super::cluster::Servers) -> Probe {
    Probe::Rest {
        item: None,
        url: server.url.at(vendor::SETTINGS),
        credentials: Some(common.credentials.clone()),
        pointer: Some(format!("/{key}")),
        counts: false,
    }
}

/// Plans it. The plan is empty where the server is the first of a cluster already.
pub fn plan(facts: &Facts, found: &Found, options: &Options) -> Result<Plan, Refused> {
    let convert = Convert {
        facts,
        found,
        server: &found.server,
        options,
        balancer: &facts.common.cluster.url,
    };
    let stages = convert.stages()?;
    let node = &found.server.node;
    Ok(Plan {
        format: FORMAT,
        verb: VERB.to_owned(),
        title: format!("Make the UrbanCode Deploy server on {node} the first of a cluster"),
        made_by: options.made_by.clone(),
        made_at: options.made_at,
        starts_as: if stages.is_empty() {
            format!("{node}: it is a server of a cluster already")
        } else {
            format!("{node} a stand-alone server")
        },
        nodes: used(&facts.common, options, &stages),
        hooks: options.hooks.clone(),
        stages,
    })
}

/// A server that is converted.
struct Convert<'a> {
    facts: &'a Facts,
    found: &'a Found,
    server: &'a Server,
    options: &'a Options,
    /// The balancer's address.
    balancer: &'a WebUrl,
}

impl Convert<'_> {
    fn stages(&self) -> Result<Vec<Stage>, Refused> {
        let edit = self.edit()?;
        let addresses = self.addresses();
        let licenses = self.licenses();
        if edit.is_none() && addresses.is_none() {
            return Ok(Vec::new());
        }
        self.refuse_broken()?;
        let node = &self.server.node;
        // Before there is a balancer that serves, the cluster is asked where the server itself answers.
        let mut alone = self.facts.common.clone();
        alone.cluster.url = self.server.url.clone();
        let turn = Turn {
            verb: VERB,
            facts: &alone,
            options: self.options,
        };
        let cycle = turn.cycle();
        let mut stages = Vec::new();
        if self.facts.pools.is_empty() {
            let steps = vec![self.install_balancer()];
            stages.push(one("install a balancer", node, steps, OnFailure::Stop));
        }
        if let Some(edit) = edit {
            self.outage(&turn, &cycle, edit, &mut stages)?;
        }
        stages.push(one(
            "see that the balancer leads to it",
            node,
            vec![self.balancer_answers(), self.balancer_is_reached()],
            OnFailure::Stop,
        ));
        if let Some(addresses) = addresses {
            let steps = vec![addresses];
            stages.push(one(
                "give out the balancer's address",
                node,
                steps,
                OnFailure::ReturnLane,
            ));
        }
        if let Some(licenses) = licenses {
            stages.push(one(
                "license servers",
                node,
                vec![licenses],
                OnFailure::Stop,
            ));
        }
        Ok(stages)
    }

    /// Stops the server, changes what makes it one of several, and starts it.
    fn outage(
        &self,
        turn: &Turn<'_>,
        cycle: &Cycle<'_>,
        edit: Step,
        stages: &mut Vec<Stage>,
    ) -> Result<(), Refused> {
        let node = &self.server.node;
        let wanted = [self.found];
        if self.found.process.is_none() {
            return Err(restart::Refused::NotRunning(node.clone()).into());
        }
        turn.refuse_drained(&wanted)?;
        let teller = turn.teller(&wanted, self.found);
        if !self.options.patience.accepts_loss
            && let facts::Work::Unknown(silent) = &self.facts.common.work
        {
            return Err(restart::Refused::Silent(silent.clone()).into());
        }
        let holds = self.facts.common.maintenance == Maintenance::Off;
        if holds {
            let steps = vec![cycle.hold_work(node)];
            stages.push(one("hold new work", node, steps, OnFailure::ReturnLane));
        }
        if let Some(teller) = teller {
            let steps = vec![cycle.wait_for_work(self.server, teller, false)];
            stages.push(one("wait for work", node, steps, OnFailure::Stop));
        }
        stages.extend(turn.out(self.found, &[])?);
        if let Some(teller) = teller {
            let steps = vec![cycle.wait_for_work(self.server, teller, true)];
            stages.push(one("look for work again", node, steps, OnFailure::Stop));
        }
        stages.extend(turn.still_out(self.found));
        // What fails in between is taken back, and the server serves again as it did before.
        let mut steps = vec![
            cycle.stop(self.found, teller, false),
            edit,
            Step {
                ends: Some(cycle.stop_id(self.server)),
                ..cycle.start(self.server, self.found.process.as_deref(), false)
            },
        ];
        steps.extend(cycle.prove(self.found));
        stages.push(one("convert the server", node, steps, OnFailure::GiveBack));
        stages.extend(turn.back(self.found));
        if holds {
            let steps = vec![cycle.release_work(node)];
            stages.push(one("let new work begin", node, steps, OnFailure::Stop));
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Option<String> {
        let value = self.facts.properties.get(key)?;
        Some(value.to_lossy().trim().to_owned())
    }

    /// What in the server's properties makes it one of several.
    fn edit(&self) -> Result<Option<Step>, Refused> {
        let set = |key: &str, value: &str| {
            let differs = self.text(key).as_deref() != Some(value);
            differs.then(|| Wish::set(key, value, Which::Only))
        };
        let (host, _) = self.balancer.server();
        let address = self.agent_address();
        let wishes = [
            set(vendor::MULTISERVER, "true"),
            self.text(vendor::WEB_HOST)
                .and_then(|_| set(vendor::WEB_HOST, host)),
            address
                .as_deref()
                .and_then(|it| set(vendor::AGENT_ADDRESS, it)),
        ];
        let target = self.options.targets.iter();
        let target = target.clone().find(|(node, _)| *node == self.server.node);
        let Some((node, target)) = target else {
            return Ok(None);
        };
        let file = edit_properties::Found {
            node: node.clone(),
            target: target.clone(),
            path: properties(self.server),
            file: self.facts.properties.clone(),
            wishes: wishes.into_iter().flatten().collect(),
        };
        let step = edit_properties::step(&file, VERB)?;
        Ok(step.map(|step| {
            let mut says =
                "Servers that share a database must know that they are several.".to_owned();
            if address.is_some() {
                says +=
                    " Agents and the other servers must find this one by a name that is its own.";
            }
            Step {
                title: "Make the server one of several".to_owned(),
                why: why(&says, vendor::CONVERT_PAGE),
                leaves: format!("{node} stopped, to be a server of a cluster"),
                ..step
            }
        }))
    }

    /// Where agents and other servers find this one, if what stands there leads nowhere else than to themselves.
    fn agent_address(&self) -> Option<String> {
        if !is_at_least_7(&self.found.version) {
            return None;
        }
        let given = self.text(vendor::AGENT_ADDRESS).unwrap_or_default();
        let (host, _) = self.server.url.server();
        let port = if given.is_empty() {
            vendor::WEB_SOCKET_PORT
        } else {
            let (_, rest) = given.split_once("://")?;
            let (named, port) = match rest.rsplit_once(':') {
                Some((named, port)) if !port.ends_with(']') => (named, port.parse().ok()?),
                _ => (rest, vendor::WEB_SOCKET_PORT),
            };
            let named = named.trim_matches(['[', ']']).to_ascii_lowercase();
            let number: Option<core::net::IpAddr> = named.parse().ok();
            let leads_nowhere = number.is_some_and(|it| it.is_loopback() || it.is_unspecified())
                || named == "localhost";
            // A loopback address that the cluster file gives the server is its own.
            if !leads_nowhere || named == host {
                return None;
            }
            port
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Some(format!("wss://{host}:{port}"))
    }

    fn refuse_broken(&self) -> Result<(), Broken> {
        let broken = |rule: rules::Rule, node: &NodeName, how: String, hint: &str| Broken {
            rule,
            node: node.clone(),
            how,
            hint: hint.to_owned(),
        };
        let node = &self.server.node;
        if self.text(vendor::DATABASE).as_deref() == Some(vendor::EMBEDDED_DATABASE) {
            return Err(broken(
                rules::SHARED_DATABASE,
                node,
                "the server uses its embedded database".to_owned(),
                "move it to a database that servers can share first, which the installer's target migrate-database does",
            ));
        }
        let appdata = self.text(vendor::APPDATA).unwrap_or_default();
        if is_inside(&self.server.home, &appdata) {
            let given = if appdata.is_empty() { ".." } else { &appdata };
            return Err(broken(
                rules::SHARED_STORAGE,
                node,
                format!(
                    "the application data is in the installation folder ({} = {given})",
                    vendor::APPDATA
                ),
                &format!(
                    "move it to shared storage first, as the page \"{}\" tells",
                    vendor::RELOCATE_PAGE
                ),
            ));
        }
        let (front, own) = (self.balancer.server(), self.server.url.server());
        if front.0.eq_ignore_ascii_case(own.0) && front.1 == own.1 {
            return Err(broken(
                rules::OWN_ADDRESS,
                node,
                format!(
                    "`url` of the cluster is {}, where this server answers",
                    self.balancer
                ),
                "url = \"https://ucd.example.com:8443\"   (at the beginning of the cluster file; the balancer's address)",
            ));
        }
        for pool in &self.facts.pools {
            let jms = self.text(vendor::JMS);
            let jms = jms.and_then(|it| it.split(',').next()?.trim().parse().ok());
            let jms: u16 = jms.unwrap_or(vendor::JMS_PORT);
            let end = format!(":{jms}");
            if let Some((name, at)) = pool.servers.iter().find(|(_, at)| at.ends_with(&end)) {
                return Err(broken(
                    rules::NO_JMS,
                    &pool.node,
                    format!(
                        "pool {} leads to {name} at {at}, which speaks JMS there",
                        pool.name
                    ),
                    "take that pool out of haproxy.cfg, and out of `pools` in the cluster file",
                ));
            }
            if !pool.keeps_sessions {
                return Err(broken(
                    rules::PERSISTENCE,
                    &pool.node,
                    format!(
                        "pool {} has no session persistence that can be seen",
                        pool.name
                    ),
                    &format!(
                        "in haproxy.cfg, under `backend {}`: cookie SERVERID insert indirect nocache, and cookie NAME on each server",
                        pool.name
                    ),
                ));
            }
        }
        Ok(())
    }

    fn install_balancer(&self) -> Step {
        let (host, port) = self.server.url.server();
        let request = format!(
            "Install a load balancer that answers at {balancer}. It must send requests of HTTP and HTTPS on to {host} (port \
             {port} for {url}), and all requests of a session to one server (session persistence). It must not be before \
             the ports of JMS and web sockets. A HAProxy that the cluster file names in the table [balancer] is looked at \
             instead of asking.",
            balancer = self.balancer,
            url = self.server.url,
        );
        Step {
            title: "Install a load balancer".to_owned(),
            why: why(
                "Users and agents reach the servers of a cluster by one address.",
                vendor::CONVERT_PAGE,
            ),
            class: Class::Stage,
            proof: Proof::Answer,
            undo: Undo::Nothing {
                because: "A balancer that leads to the server does no harm.".to_owned(),
            },
            timeout: A_DAY,
            leaves: "a load balancer is there".to_owned(),
            ..self.step(
                "install-balancer",
                Action::AskOperator {
                    request,
                    evidence: "which balancer it is, and how sessions stay with their server"
                        .to_owned(),
                },
            )
        }
    }

    fn balancer_answers(&self) -> Step {
        let probe = Probe::Rest {
            item: None,
            url: self.balancer.at(vendor::CONNECTION_TEST),
            credentials: None,
            pointer: None,
            counts: false,
        };
        let until = Condition::is(probe, Reading::Number(200));
        let within = Millis::from(self.options.patience.start);
        Step {
            title: "Wait until the balancer leads to the server".to_owned(),
            why: why(
                "Its address is given out next, and must lead somewhere.",
                vendor::CONVERT_PAGE,
            ),
            proof: Proof::Holds(vec![until.clone()]),
            timeout: Millis(within.0.saturating_add(CALL.0)),
            leaves: "the balancer leads to the server".to_owned(),
            ..self.step(
                "balancer-answers",
                Action::WaitUntil {
                    until,
                    every: EVERY,
                    good: GOOD,
                    within,
                    on_timeout: OnTimeout::Fail,
                },
            )
        }
    }

    fn balancer_is_reached(&self) -> Step {
        let (host, port) = self.balancer.server();
        let probe = Probe::Port {
            host: host.to_owned(),
            port,
        };
        let that = vec![Condition::is(probe, Reading::text("open"))];
        Step {
            title: "See that the server itself reaches the balancer".to_owned(),
            why: why(
                "The server calls itself by that address, and so do the agents beside it.",
                vendor::CONVERT_PAGE,
            ),
            proof: Proof::Holds(that.clone()),
            leaves: "the balancer is reached from the server".to_owned(),
            ..self.step("balancer-is-reached", Action::Check { that })
        }
    }

    /// Gives agents and users the balancer's address.
    fn addresses(&self) -> Option<Step> {
        let new = self.balancer.to_string();
        let Settings { agents, users, .. } = &self.facts.settings;
        if [agents, users].iter().all(|it| it.as_ref() == Some(&new)) {
            return None;
        }
        let keys = [(vendor::AGENT_URL, agents), (vendor::USER_URL, users)];
        let is = |key: &str, value: &str| {
            let probe = setting(self.server, key, &self.facts.common.cluster);
            Condition::is(probe, Reading::text(value))
        };
        let was = |(key, value): &(&str, &Option<String>)| match value {
            Some(value) => is(key, value),
            None => Condition::is(
                setting(self.server, key, &self.facts.common.cluster),
                Reading::Absent,
            ),
        };
        let put = |to: [&str; 2]| Action::Rest {
            under: None,
            method: Method::Put,
            url: self.server.url.at(vendor::SETTINGS),
            credentials: Some(self.facts.common.cluster.credentials.clone()),
            body: Some(serde_json::json!({ (keys[0].0): to[0], (keys[1].0): to[1] })),
            merge: None,
            success: vec![200, 204],
        };
        let old = keys.map(|(_, value)| value.clone().unwrap_or_default());
        Some(Step {
            title: "Give agents and users the balancer's address".to_owned(),
            why: why(
                "External Agent URL and External User URL are kept in the database, for all servers.",
                vendor::CONVERT_PAGE,
            ),
            class: Class::Disrupt,
            guards: keys.iter().map(was).collect(),
            proof: Proof::Holds(keys.iter().map(|(key, _)| is(key, &new)).collect()),
            undo: Undo::By {
                action: Box::new(put([&old[0], &old[1]])),
                proof: Proof::Holds(
                    keys.iter()
                        .zip(&old)
                        .map(|((key, was), old)| match was {
                            Some(_) => is(key, old),
                            // Nothing, and no text, are the same to the product.
                            None => Condition {
                                expect: Expect::OneOf(vec![Reading::text(""), Reading::Absent]),
                                ..is(key, old)
                            },
                        })
                        .collect(),
                ),
            },
            leaves: format!("agents and users are given {new}"),
            ..self.step("addresses", put([&new, &new]))
        })
    }

    /// License servers are several, too, where the server names one.
    fn licenses(&self) -> Option<Step> {
        let named = self.facts.settings.licenses.as_deref()?.trim();
        // Each is written `PORT@HOST`.
        if named.is_empty() || named.matches('@').count() > 1 {
            return None;
        }
        let request = format!(
            "Make the license server {named} highly available, as the documentation of Rational Common Licensing tells, and \
             enter all of its servers in the settings of UrbanCode Deploy. With one license server, the cluster stands when \
             that does."
        );
        Some(Step {
            title: "Make the license server highly available".to_owned(),
            why: why(
                "It is a product of its own, with its own manual.",
                vendor::CONVERT_PAGE,
            ),
            class: Class::Stage,
            proof: Proof::Answer,
            undo: Undo::Nothing {
                because: "License servers that are several serve a single server, too.".to_owned(),
            },
            timeout: A_DAY,
            leaves: format!("{} the first server of a cluster", self.server.node),
            ..self.step(
                "license-servers",
                Action::AskOperator {
                    request,
                    evidence: "the license servers, or why there is one".to_owned(),
                },
            )
        })
    }

    fn step(&self, slug: &str, action: Action) -> Step {
        step(VERB, &self.server.node, slug, action)
    }
}

fn is_at_least_7(version: &str) -> bool {
    let first = version.split('.').next().and_then(|it| it.parse().ok());
    first.is_some_and(|first: u32| first >= 7)
}

/// Whether a path, which is seen from the folder `bin`, is the installation folder or in it.
fn is_inside(home: &RemotePath, path: &str) -> bool {
    let home = home.as_str().trim_end_matches('/');
    let from_bin = format!("{home}/bin/");
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{from_bin}{}", if path.is_empty() { ".." } else { path })
    };
    // Taken as it stands, as the product does: links are not followed.
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let whole = format!("/{}/", parts.join("/"));
    whole.starts_with(&format!("{home}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_installation_folder_is_seen() {
        let home = RemotePath::new("/opt/ucd/server");
        for inside in [
            "",
            "..",
            "../",
            "../appdata",
            "/opt/ucd/server",
            "/opt/ucd/server/",
            "./..",
            "/opt/ucd/server/x",
        ] {
            assert!(is_inside(&home, inside), "{inside}");
        }
        for outside in [
            "/srv/ucd",
            "../../appdata",
            "/opt/ucd/server-shared",
            "../../server-shared",
            "/",
        ] {
            assert!(!is_inside(&home, outside), "{outside}");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        assert!(is_at_least_7("7.0.2.1.1003") && is_at_least_7("8.0") && is_at_least_7("10.1"));
        assert!(!is_at_least_7("6.2.7.1") && !is_at_least_7(""));
    }
}
