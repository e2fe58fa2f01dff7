//! Every kind of action and probe is used by the plans that the tests run: a new one that no test knows fails here.

use std::collections::BTreeSet;

use clusterctl::plan::Plan;
use serde_json::Value as Json;

use crate::{every_kind, generate};

/// The kinds that the schema of plans has under this tag.
fn in_schema(tag: &str) -> BTreeSet<String> {
    fn collect(value: &Json, tag: &str, into: &mut BTreeSet<String>) {
        match value {
            Json::Object(map) => {
                let kind = map
                    .get("properties")
                    .and_then(|fields| fields.get(tag)?.get("const"));
                into.extend(kind.and_then(Json::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, tag, into));
            }
            Json::Array(items) => items.iter().for_each(|value| collect(value, tag, into)),
            _ => {}
        }
    }
    let mut kinds = BTreeSet::new();
    collect(schemars::schema_for!(Plan).as_value(), tag, &mut kinds);
    kinds
}

/// The kinds that some plans use under this tag.
fn in_plans(tag: &str, plans: impl Iterator<Item = Plan>) -> BTreeSet<String> {
    fn collect(value: &Json, tag: &str, into: &mut BTreeSet<String>) {
        match value {
            Json::Object(map) => {
                into.extend(map.get(tag).and_then(Json::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, tag, into));
            }
            Json::Array(items) => items.iter().for_each(|value| collect(value, tag, into)),
            _ => {}
        }
    }
    let mut kinds = BTreeSet::new();
    for plan in plans {
        collect(&serde_json::to_value(&plan).unwrap(), tag, &mut kinds);
    }
    kinds
}

#[test]
fn the_crash_matrix_has_every_kind_of_action() {
    let schema = in_schema("do");
    assert!(schema.len() >= 16, "the schema is read wrongly: {schema:?}");
    let missing: Vec<_> = schema
        .difference(&in_plans("do", (0..6).map(every_kind::plan)))
        .cloned()
        .collect();
    assert!(
        missing.is_empty(),
        "tests/it/every_kind.rs lacks {missing:?}"
    );
}

#[test]
fn generated_plans_have_every_kind_of_action_and_probe() {
    for tag in ["do", "look"] {
        let drawn = in_plans(tag, (0..300).map(generate::plan));
        let missing: Vec<_> = in_schema(tag).difference(&drawn).cloned().collect();
        assert!(missing.is_empty(), "tests/it/generate.rs lacks {missing:?}");
    }
}
