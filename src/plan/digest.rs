//! The digest of a plan: what two people compare when one approves and the other applies.

use serde_json::{Value as Json, json};

use super::{Plan, Sha256};

impl Plan {
    /// The digest of everything that decides what the plan does.
    ///
    /// It covers actions, guards, proofs, undos, order, time-outs, resolved
    /// addresses, hooks, references of secrets and digests of sources. It does not
    /// cover prose, previews or when the plan was made: the same plan made again
    /// from the same facts has the same digest.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(canonical(&self.skeleton()))
    }

    fn skeleton(&self) -> Json {
        let stages: Vec<Json> = self
            .stages
            .iter()
            .map(|stage| {
                let lanes: Vec<Json> = stage
                    .lanes
                    .iter()
                    .map(|lane| {
                        let steps: Vec<Json> = lane
                            .steps
                            .iter()
                            .map(|step| {
                                json!({
                                    "id": step.id,
                                    "class": step.class,
                                    "action": step.action,
                                    "guards": step.guards,
                                    "proof": step.proof,
                                    "outputs": step.outputs,
                                    "undo": undo_without_prose(&step.undo),
                                    "timeout": step.timeout,
                                    "temporary": step.temporary,
                                    "ends": step.ends,
                                })
                            })
                            .collect();
                        json!({ "node": lane.node, "steps": steps })
                    })
                    .collect();
                json!({
                    "width": stage.width,
                    "max_failures": stage.max_failures,
                    "bake": stage.bake,
                    "on_failure": stage.on_failure,
                    "lanes": lanes,
                })
            })
            .collect();
        json!({
            "format": self.format,
            "verb": self.verb,
            "nodes": self.nodes,
            "hooks": self.hooks,
            "stages": stages,
        })
    }
}

fn undo_without_prose(undo: &super::Undo) -> Json {
    match undo {
        super::Undo::By { action, proof } => json!({ "action": action, "proof": proof }),
        super::Undo::Nothing { .. } => json!("nothing"),
        super::Undo::Impossible { .. } => json!("impossible"),
    }
}

/// JSON with the keys of every object in order and no white space.
///
/// Plans hold no fractions, so this is the one way to write a value.
fn canonical(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            let members: Vec<_> = keys
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Json::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::canonical;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({ "b": [ { "d": 1, "c": "x\"y" } ], "a": null });
        assert_eq!(canonical(&value), r#"{"a":null,"b":[{"c":"x\"y","d":1}]}"#);
    }
}
