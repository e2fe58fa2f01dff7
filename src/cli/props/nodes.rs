//! The file on nodes: which nodes, and what it says there.

use std::sync::Arc;

use anyhow::Result;

use super::place::Place;
use crate::cli::context::{absolute, local, target};
use crate::cli::reach::Reach;
use crate::cli::refusal::Refusal;
use crate::config::{Cluster, NodeName, SecretStore, Selection};
use crate::engine::Fault;
use crate::fleet::each;
use crate::plan::{Millis, RemotePath, Target};
use crate::properties::Properties;
use crate::world::Nodes;

/// On how many nodes a file is read at once.
const WIDTH: usize = 32;

/// How long reading a file may take.
const READ: Millis = Millis::secs(60);

/// The nodes that a verb means, and the file there.
pub(super) struct FileOnNodes {
    pub(super) path: RemotePath,
    pub(super) targets: Vec<(NodeName, Target)>,
    pub(super) world: Nodes,
    place: Place,
    /// Whether nobody named nodes: it is a file of this machine, as any other program would see it.
    plain: bool,
}

impl FileOnNodes {
    /// The file on the nodes of a selection, for looking at it only.
    pub(super) fn to_look_at(place: &Place, on: &Selection, cluster: &Cluster) -> Result<Self> {
        let secrets = cluster.secret_store().with_terminal();
        Self::new(place, Some(on), cluster, Arc::new(secrets))
    }

    /// The file on the nodes of a selection; on this machine without one.
    pub(super) fn new(
        place: &Place,
        on: Option<&Selection>,
        cluster: &Cluster,
        secrets: Arc<SecretStore>,
    ) -> Result<Self> {
        let targets: Vec<_> = match on {
            None => vec![local(cluster)?],
            Some(selection) => cluster
                .select(selection)?
                .into_iter()
                .map(|node| Ok((node.name.clone(), target(cluster, node)?)))
                .collect::<Result<_>>()?,
        };
        let elsewhere = targets.iter().find(|(_, target)| !target.is_local());
        if let Some((node, _)) = elsewhere
            && !place.file.is_absolute()
        {
            let what = format!(
                "{node} is another machine, and there is no folder there that `{}` could start from",
                place.file.display()
            );
            return Err(Refusal::usage(what)
                .hint("give --file an absolute path")
                .into());
        }
        let path = absolute(&place.file)?;
        let reach = Reach::to(
            cluster,
            targets.iter().cloned().collect(),
            Arc::clone(&secrets),
        );
        reach.fetch()?;
        let world = Nodes::new(&targets.iter().cloned().collect(), secrets, Arc::new(reach));
        Ok(Self {
            path,
            targets,
            world,
            place: place.clone(),
            plain: on.is_none(),
        })
    }

    /// What a question finds on each node, asked on several at once. Of those that fail, all are told.
    pub(super) fn ask<T: Send>(
        &self,
        ask: impl Fn(&NodeName, &Target) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let answers = each(&self.targets, WIDTH, |(node, target)| ask(node, target));
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for ((node, _), answer) in self.targets.iter().zip(answers) {
            match answer {
                Ok(answer) => good.push(answer),
                Err(error) => bad.push((node, error)),
            }
        }
        let Some((_, first)) = bad.first_mut() else {
            return Ok(good);
        };
        let first = std::mem::replace(first, anyhow::anyhow!("told already"));
        if self.targets.len() == 1 {
            return Err(first);
        }
        let names: Vec<_> = bad.iter().map(|(node, _)| node.as_str()).collect();
        let without = names.iter().map(|name| format!("!{name}"));
        let without = without.collect::<Vec<_>>().join(",");
        let exit = crate::cli::refusal::exit(&first);
        let what = match bad.len() {
            1 => format!("the file could not be read on {}", names.join(", ")),
            some => format!(
                "the file could not be read on {some} nodes: {}",
                names.join(", ")
            ),
        };
        Err(first.context(
            Refusal::new(exit, what)
                .hint(format!("--on '...,{without}'   (leaves out what fails)")),
        ))
    }

    /// What the file says on a node.
    pub(super) fn read(&self, node: &NodeName) -> Result<Properties> {
        if self.plain {
            return self.place.read();
        }
        let path = &self.path;
        let on = |fault: Fault| {
            anyhow::Error::from(fault).context(format!("{node}: {path} can't be read"))
        };
        let bytes = self.world.read_file(node, path, READ).map_err(on)?;
        let bytes = bytes.ok_or_else(|| {
            Refusal::usage(format!("{node}: there is no file {path}"))
                .hint("give the path with --file")
        })?;
        Ok(Properties::parse_as(&bytes, self.place.encoding()))
    }
}
