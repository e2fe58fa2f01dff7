//! The folder of a node that `push --from` names.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::context::{target, typed};
use super::push::tidy;
use super::push_look::{LOOK, of_land};
use super::reach::Reach;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, Selection};
use crate::exit::Exit;
use crate::plan::{RemotePath, Target};
use crate::remote::{Patience, RemoteErrorKind};
use crate::transfer::{self, Archives, LandError, Rules, Source};
use crate::world::Connect as _;

/// How a source on a node is given.
const FROM: &str =
    "give it as NODE:PATH, such as ucd1:/opt/app, with an absolute path without `..`";

/// What is in the way of pulling by itself though the node is reached.
const NO_WAY: [RemoteErrorKind; 4] = [
    RemoteErrorKind::Unsupported,
    RemoteErrorKind::NoCredentials,
    RemoteErrorKind::UnknownKey,
    RemoteErrorKind::Configuration,
];

/// A folder of a node that the tree comes from.
pub(super) struct Origin {
    pub(super) node: NodeName,
    pub(super) target: Target,
    pub(super) path: RemotePath,
}

/// The folder that `NODE:PATH` means.
pub(super) fn origin(given: &str, cluster: &Cluster) -> Result<Origin> {
    let parts = given.split_once(':');
    let parts = parts.and_then(|(node, path)| Some((node.parse::<NodeName>().ok()?, tidy(path)?)));
    let (node, path) = parts
        .ok_or_else(|| Refusal::usage(format!("`{given}` names no folder of a node")).hint(FROM))?;
    // As a selection, because that tells which node was probably meant.
    let found = cluster.select(&node.as_str().parse::<Selection>()?)?;
    let found = found.first().context("a node is in the cluster or not")?;
    let target = target(cluster, found)?;
    Ok(Origin { node, target, path })
}

impl Origin {
    /// Whether a node can pull from this one by itself.
    pub(super) fn check_pull(
        &self,
        (node, target, archives): (&NodeName, &Target, Archives),
        source: &Source,
        reach: &Reach,
        patience: &Patience<'_>,
    ) -> Result<()> {
        if self.target.is_same_user(target) {
            return Ok(());
        }
        let pull = reach.pull(node, &self.node, patience);
        let possible = pull
            .map_err(LandError::from)
            .and_then(|pull| pull.is_possible(source, archives, patience));
        possible.map_err(|error| match error {
            LandError::Said { said, .. } => {
                let hint = format!(
                    "see on {node} whether it reaches {} as you do, with `ssh -A`; or leave --direct out",
                    self.node
                );
                Refusal::new(Exit::Forbidden, format!("{node}: {said}"))
                    .hint(hint)
                    .into()
            }
            LandError::Remote(error) if NO_WAY.contains(&error.kind) => {
                let hint = error.hint.unwrap_or_else(|| "leave --direct out".to_owned());
                Refusal::new(Exit::Forbidden, format!("{node}: {}", error.what))
                    .hint(hint)
                    .into()
            }
            other => of_land(node, &other),
        })
    }

    /// Asks the node what the folder contains.
    pub(super) fn survey(&self, reach: &Arc<Reach>, rules: &Rules) -> Result<Source> {
        let (name, way) = (self.node.clone(), Arc::clone(reach));
        let origin = transfer::Origin {
            name: self.node.to_string(),
            exec: Arc::new(move |line, streams, patience| {
                way.connect(&name, patience)?.exec(line, streams, patience)
            }),
        };
        let patience = Patience::unbroken(LOOK);
        let source = Source::survey(origin, self.path.as_str(), rules, &patience);
        source.map_err(|error| {
            if matches!(error, LandError::Remote(_)) {
                return of_land(&self.node, &error);
            }
            let hint = format!(
                "clusterctl exec --on {} -- ls -la {}   (shows what is there)",
                self.node,
                typed(self.path.local().parent().unwrap_or(self.path.local()))
            );
            let what = format!("{}, which shall have the tree: {error}", self.node);
            Refusal::new(Exit::Forbidden, what).hint(hint).into()
        })
    }
}
