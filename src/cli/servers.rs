//! The servers of the cluster's product: what is found of them, and plans that are made of that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::context::{Context, TOOL, hooks, target};
use super::decide::{Known, decide};
use super::draining::Draining;
use super::global::{Changing, length};
use super::lb::{Pools, too_few};
use super::reach::Reach;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, PoolName, Product, SecretStore, Selection};
use crate::engine::{Fault, FaultKind, World as _};
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{Millis, Probe, RemotePath, RunId, Target};
use crate::primitives::balance::At;
use crate::products::urbancode::cluster::Servers;
use crate::products::urbancode::cycle::Patience;
use crate::products::urbancode::facts::{self, Facts, Unclear};
use crate::products::urbancode::restart::{self, Options, Refused, Wish};
use crate::products::{Answers, Questions, Unanswered};
use crate::properties::Properties;
use crate::world::Nodes;

/// How long a look may take.
const LOOK: Millis = Millis::secs(30);

/// How long a server may take to answer a call.
const CALL: Millis = Millis::secs(10);

/// How many nodes are asked at once.
const WIDTH: usize = 32;

/// How patient a verb is with servers.
#[derive(Debug, Clone, Args)]
pub(super) struct Waiting {
    /// How long processes that run in the cluster may take to end.
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "30m")]
    work_within: Duration,

    /// How long a server may take to stop.
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "5m")]
    stop_within: Duration,

    /// How long a server may take until it answers.
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "10m")]
    start_within: Duration,

    #[command(flatten)]
    draining: Draining,
}

impl Waiting {
    /// Refuses a wait that would be in vain.
    pub(super) fn check(&self, cluster: &Cluster) -> Result<(), Refusal> {
        self.draining.check(cluster.balancer())
    }

    /// What a plan needs besides what was found.
    pub(super) fn options(
        &self,
        wish: Wish,
        cluster: &Cluster,
        servers: &Servers,
    ) -> Result<Options> {
        Ok(Options {
            wish,
            patience: Patience {
                work: self.work_within,
                accepts_loss: self.draining.accepts_loss(),
                stop: self.stop_within,
                start: self.start_within,
            },
            drain: self.draining.at(cluster.balancer()),
            made_by: TOOL.to_owned(),
            made_at: jiff::Timestamp::now(),
            hooks: hooks(cluster),
            targets: targets(cluster, servers)?.into_iter().collect(),
        })
    }
}

/// Plans what is wanted of servers, and does with the plan what the command line says.
pub(super) fn turn(
    wish: Wish,
    on: Option<&Selection>,
    waiting: &Waiting,
    changing: &Changing,
    context: &Context,
) -> Result<Exit> {
    let cluster = context.cluster()?;
    let servers = servers(&cluster)?;
    let on = meant(&cluster, &servers, on)?;
    waiting.check(&cluster)?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let options = waiting.options(wish, &cluster, &servers)?;
    let facts = look(&cluster, servers, &on, &store, context)?;
    let plan = restart::plan(&facts, &options).map_err(|why| refused(&why))?;
    let known = Known::secrets(store, Vec::new());
    decide(context, &cluster, changing, &plan, known, None)
}

/// The servers of the cluster file, whose product must be one that this verb drives.
pub(super) fn servers(cluster: &Cluster) -> Result<Servers> {
    match cluster.product() {
        Some(Product::UrbanCode) => {}
        Some(other) => {
            let what = format!("this verb does not drive the product {other}");
            return Err(Refusal::usage(what).into());
        }
        None => {
            let refusal = Refusal::usage("the cluster file names no product")
                .hint("product = \"urbancode\"   (at the beginning of the cluster file)");
            return Err(refusal.into());
        }
    }
    Servers::of(cluster).map_err(|missing| {
        let hint = missing.hint.clone();
        Refusal::usage(missing.to_string()).hint(hint).into()
    })
}

/// The nodes that are meant: all that are servers, or those of the selection, which must be.
fn meant(cluster: &Cluster, servers: &Servers, on: Option<&Selection>) -> Result<Vec<NodeName>> {
    let Some(on) = on else {
        return Ok(servers.all.iter().map(|it| it.node.clone()).collect());
    };
    let mut meant = Vec::new();
    for node in cluster.select(on)? {
        if servers.get(&node.name).is_none() {
            let what = format!(
                "{}: the cluster file does not say that it is a server",
                node.name
            );
            return Err(Refusal::usage(what)
                .hint("role = \"server\"   (in the table of the node)")
                .into());
        }
        meant.push(node.name.clone());
    }
    Ok(meant)
}

fn targets(cluster: &Cluster, servers: &Servers) -> Result<BTreeMap<NodeName, Target>> {
    let nodes = servers.all.iter().filter_map(|it| cluster.node(&it.node));
    nodes
        .map(|node| Ok((node.name.clone(), target(cluster, node)?)))
        .collect()
}

/// The way to all servers, and by whom the product is asked.
pub(super) struct Look {
    world: Nodes,
    nodes: Vec<NodeName>,
}

/// What was answered.
pub(super) struct Asked {
    pub(super) answers: Answers,
    /// The nodes that could not be reached.
    lost: Vec<(NodeName, Fault)>,
}

impl Look {
    pub(super) fn new(
        cluster: &Cluster,
        servers: &Servers,
        store: &Arc<SecretStore>,
        context: &Context,
    ) -> Result<Self> {
        let targets = targets(cluster, servers)?;
        let reach = Arc::new(Reach::to(cluster, targets.clone(), Arc::clone(store)));
        reach.fetch()?;
        store.resolve(&servers.credentials).map_err(|error| {
            let what = "the credentials by which the product is asked can't be had";
            anyhow::Error::from(error).context(Refusal::usage(what))
        })?;
        reach.explain(context);
        let nodes = reach.nodes();
        let world =
            Nodes::new(&targets, Arc::clone(store), reach as Arc<_>).trusting(cluster.rest_trust());
        Ok(Self { world, nodes })
    }

    /// Asks each node its questions, one after the other, and the nodes side by side. One that can't be reached is
    /// asked no more.
    pub(super) fn ask(&self, questions: &Questions) -> Result<Asked> {
        let run: RunId = "planning".parse().map_err(anyhow::Error::msg)?;
        let told = each(&self.nodes, WIDTH, |node| {
            let own = questions.all().iter().filter(|it| it.node == *node);
            let mut answers = Vec::new();
            let mut lost: Option<Fault> = None;
            // One that hangs is not waited for again and again.
            let mut hangs: Option<Fault> = None;
            for question in own {
                let by_rest = matches!(question.probe, Probe::Rest { .. });
                let look = crate::engine::Look {
                    node,
                    run: &run,
                    timeout: if by_rest { CALL } else { LOOK },
                };
                let known = if by_rest { &hangs } else { &lost };
                let answer = match known {
                    Some(fault) => Err(fault.clone()),
                    None => self.world.observe(&look, &question.probe),
                };
                match &answer {
                    Err(fault) if by_rest => {
                        let silent = [FaultKind::TimedOut, FaultKind::Unreachable];
                        hangs = Some(fault.clone()).filter(|it| silent.contains(&it.kind));
                    }
                    Err(fault) if fault.kind == FaultKind::Unreachable => {
                        lost = Some(fault.clone());
                    }
                    _ => {}
                }
                answers.push((question.clone(), answer.map_err(silence)));
            }
            (node.clone(), answers, lost)
        });
        let mut asked = Asked {
            answers: Answers::default(),
            lost: Vec::new(),
        };
        for (node, answers, lost) in told {
            for (question, answer) in answers {
                asked.answers.put(question, answer);
            }
            asked.lost.extend(lost.map(|fault| (node, fault)));
        }
        Ok(asked)
    }
}

impl Look {
    /// What a file of properties on a node says.
    pub(super) fn properties(&self, node: &NodeName, path: &RemotePath) -> Result<Properties> {
        let unread = || format!("{node}: {path} can't be read");
        let read = self.world.read_file(node, path, LOOK);
        let bytes = read.map_err(|fault| anyhow::Error::from(fault).context(unread()))?;
        let bytes = bytes.ok_or_else(|| {
            let what = format!("{node}: there is no {path}, so no server is installed there");
            Refusal::new(Exit::Forbidden, what).hint("correct install_dir in the cluster file")
        })?;
        let file = Properties::parse(&bytes);
        file.check()
            .with_context(|| Refusal::new(Exit::Forbidden, unread()))?;
        Ok(file)
    }
}

impl Asked {
    /// A node that can't be reached ends it.
    pub(super) fn refuse_lost(&self, on: &[NodeName]) -> Result<()> {
        match self.lost.iter().find(|(node, _)| on.contains(node)) {
            None => Ok(()),
            Some((node, fault)) => Err(anyhow::Error::from(fault.clone())
                .context(format!("{node}: it can't be looked at"))),
        }
    }

    /// How many nodes could not be reached.
    pub(super) fn away(&self) -> usize {
        self.lost.len()
    }
}

/// Looks at all servers, and at the balancer in front of those that are meant.
fn look(
    cluster: &Cluster,
    servers: Servers,
    on: &[NodeName],
    store: &Arc<SecretStore>,
    context: &Context,
) -> Result<Facts> {
    let asked = Look::new(cluster, &servers, store, context)?.ask(&facts::questions(&servers))?;
    asked.refuse_lost(on)?;
    let balancers = balancers(cluster, &servers, on, context)?;
    facts::read(servers, on, &asked.answers, balancers).map_err(unclear)
}

/// What the balancers have of servers.
fn balancers(
    cluster: &Cluster,
    servers: &Servers,
    on: &[NodeName],
    context: &Context,
) -> Result<Vec<At>> {
    if cluster.balancer().is_none() {
        return Ok(Vec::new());
    }
    let names = on.iter().filter_map(|node| servers.get(node));
    let names: Vec<PoolName> = names.filter_map(|it| it.pool_name.clone()).collect();
    Pools::of(cluster, context)?.find(&names)
}

fn silence(fault: Fault) -> Unanswered {
    Unanswered {
        what: fault.what,
        hint: fault.hint,
    }
}

pub(super) fn unclear(why: Unclear) -> anyhow::Error {
    let refusal = Refusal::new(Exit::Forbidden, why.to_string());
    let refusal = match why {
        Unclear::Unanswered { hint: Some(hint), .. } => refusal.hint(hint),
        Unclear::Unanswered { hint: None, .. } => refusal,
        Unclear::NotInstalled { .. } => {
            refusal.hint("correct install_dir in the cluster file")
        }
        Unclear::OddService { .. } => refusal.hint(
            "service.status = [...]   (a command that exits with 0 while the server runs, and with 3 when it is stopped)",
        ),
        Unclear::OddProcess { .. } => refusal
            .hint("see on the node which of the processes is the server, and end what is left of others"),
        Unclear::Blind { .. } => refusal
            .hint("give the credentials of an administrator: an account that sees no work is told that none runs"),
    };
    refusal.into()
}

pub(super) fn refused(why: &Refused) -> anyhow::Error {
    match why {
        Refused::TooFew(few) => too_few(few),
        Refused::NotRunning(node) => Refusal::new(Exit::Forbidden, why.to_string())
            .hint(format!("clusterctl start --on {node}"))
            .into(),
        Refused::Drained { node, .. } => Refusal::new(Exit::Forbidden, why.to_string())
            .hint(format!("clusterctl lb check   (shows what is wrong on {node})"))
            .hint("clusterctl lb enable NODE, or lb drain NODE   (puts it back, or out)")
            .into(),
        Refused::Silent(_) => Refusal::new(Exit::Forbidden, why.to_string())
            .hint("see what the servers' logs say, and whether `url` of each node in the cluster file is right")
            .hint("--on-drain-timeout accept-loss   (stops it all the same; processes that it runs die)")
            .into(),
    }
}
