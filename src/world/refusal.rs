//! What no node can do, whichever way it is reached.

use crate::plan::{Action, Probe};

/// Why an action can't be done at all, if so.
pub(super) fn of(action: &Action) -> Option<String> {
    let probes: Vec<&Probe> = match action {
        Action::WaitUntil { until, .. } => vec![&until.probe],
        Action::Check { that } => that.iter().map(|condition| &condition.probe).collect(),
        _ => Vec::new(),
    };
    probes.into_iter().find_map(|probe| match probe {
        Probe::Product { name, .. } => Some(format!(
            "it needs the probe `{name}` of a product, and this version of clusterctl knows no product"
        )),
        _ => None,
    })
}
