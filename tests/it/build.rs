//! Plans by hand, short enough to read.

use clusterctl::config::{NodeName, SecretRef};
use clusterctl::plan::{
    Action, Argv, Class, Condition, Hooks, Lane, Millis, Plan, Probe, Proof, RemotePath, Service,
    Stage, Step, StepId, Target, Temporary, Undo, Why,
};

/// A node's name.
pub(crate) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A path on a node.
pub(crate) fn path(path: &str) -> RemotePath {
    RemotePath::new(path)
}

/// A command, its words between blanks.
pub(crate) fn argv(words: &str) -> Argv {
    Argv::new(words.split(' '))
}

/// A reference to a secret in the environment.
pub(crate) fn secret(name: &str) -> SecretRef {
    serde_json::from_value(serde_json::json!({ "env": name })).unwrap()
}

/// A service that systemd drives.
pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        start: argv(&format!("systemctl start {name}")),
        stop: argv(&format!("systemctl stop {name}")),
        status: argv(&format!("systemctl is-active {name}")),
    }
}

/// A plan without stages, for these nodes and addresses.
pub(crate) fn plan(verb: &str, title: &str, nodes: &[(&str, &str)]) -> Plan {
    Plan {
        format: clusterctl::plan::FORMAT,
        verb: verb.to_owned(),
        title: title.to_owned(),
        made_by: "clusterctl 0.1.0".to_owned(),
        made_at: "2026-01-31T02:04:55Z".parse().unwrap(),
        starts_as: "as found".to_owned(),
        nodes: nodes
            .iter()
            .map(|(name, address)| {
                let target = Target::at((*address).to_owned(), path("/var/lib/clusterctl"));
                (node(name), target)
            })
            .collect(),
        hooks: Hooks::default(),
        stages: Vec::new(),
    }
}

/// A stage of these lanes, one after the other.
pub(crate) fn stage(name: &str, lanes: Vec<Lane>) -> Stage {
    Stage::in_turn(name, lanes)
}

/// The steps of one node.
pub(crate) fn lane(name: &str, steps: impl IntoIterator<Item = Making>) -> Lane {
    Lane {
        node: node(name),
        steps: steps.into_iter().map(|making| making.0).collect(),
    }
}

/// A step in the making.
#[must_use]
pub(crate) struct Making(pub(crate) Step);

/// A step of class `Stage` that is shown by a stamp and has nothing to take back.
pub(crate) fn step(id: &str, title: &str, action: Action) -> Making {
    let id: StepId = id.parse().unwrap();
    Making(Step {
        leaves: format!("{} done", id.slug()),
        id,
        title: title.to_owned(),
        why: Why {
            says: "It has to be.".to_owned(),
            page: None,
        },
        class: Class::Stage,
        action,
        guards: Vec::new(),
        proof: Proof::Stamp,
        outputs: std::collections::BTreeMap::new(),
        undo: Undo::Nothing {
            because: "It changes nothing that stays.".to_owned(),
        },
        timeout: Millis::secs(60),
        temporary: None,
        ends: None,
        preview: None,
    })
}

impl Making {
    pub(crate) fn class(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    pub(crate) fn why(mut self, says: &str, page: &str) -> Self {
        self.0.why = Why {
            says: says.to_owned(),
            page: Some(page.to_owned()),
        };
        self
    }

    pub(crate) fn guard(mut self, guard: Condition) -> Self {
        self.0.guards.push(guard);
        self
    }

    pub(crate) fn shown_by(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.0.proof = Proof::Holds(conditions.into_iter().collect());
        self
    }

    pub(crate) fn proof(mut self, proof: Proof) -> Self {
        self.0.proof = proof;
        self
    }

    pub(crate) fn gives(mut self, name: &str, probe: Probe) -> Self {
        self.0.outputs.insert(name.to_owned(), probe);
        self
    }

    pub(crate) fn undo(
        mut self,
        action: Action,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Self {
        self.0.undo = Undo::By {
            action: Box::new(action),
            proof: Proof::Holds(conditions.into_iter().collect()),
        };
        self
    }

    pub(crate) fn for_good(mut self, because: &str) -> Self {
        self.0.undo = Undo::Impossible {
            because: because.to_owned(),
        };
        self
    }

    pub(crate) fn timeout(mut self, seconds: u64) -> Self {
        self.0.timeout = Millis::secs(seconds);
        self
    }

    pub(crate) fn leaves(mut self, state: &str) -> Self {
        self.0.leaves = state.to_owned();
        self
    }

    pub(crate) fn temporary(mut self, seconds: u64) -> Self {
        self.0.temporary = Some(Temporary {
            lease: Millis::secs(seconds),
        });
        self
    }

    pub(crate) fn ends(mut self, id: &str) -> Self {
        self.0.ends = Some(id.parse().unwrap());
        self
    }

    pub(crate) fn preview(mut self, preview: &str) -> Self {
        self.0.preview = Some(preview.to_owned());
        self
    }
}
