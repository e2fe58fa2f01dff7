//! `templates/cluster.toml` is manual, sample and test at once: it parses as it
//! is and with everything uncommented, names every key, and tells the truth
//! about defaults.

use clusterctl::config::{Cluster, HostKeyPolicy, SshBackEnd, schema};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const TEMPLATE: &str = include_str!("../../templates/cluster.toml");

/// The template with its commented settings in force.
fn uncommented() -> String {
    let setting = |line: &'static str| match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[' || c == '"') =>
        {
            rest
        }
        _ => line,
    };
    TEMPLATE.lines().map(setting).collect::<Vec<_>>().join("\n")
}

/// A key of the schema: what it is in, and its default.
type Keys = BTreeMap<String, Option<Value>>;

fn keys_of(root: &Value, schema: &Value, path: &str, keys: &mut Keys) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        keys_of(
            root,
            root.pointer(target.trim_start_matches('#')).unwrap(),
            path,
            keys,
        );
    }
    for member in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        // The forms of a reference to a secret are alternatives, not keys.
        if member.get("$ref").is_some() {
            keys_of(root, member, path, keys);
        }
    }
    for (name, inner) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = format!("{path}{name}");
        keys.insert(
            path.clone(),
            inner
                .get("default")
                .filter(|default| !default.is_null())
                .cloned(),
        );
        keys_of(root, inner, &format!("{path}."), keys);
    }
}

fn schema_keys() -> Keys {
    let schema = schema().to_value();
    let mut keys = Keys::new();
    keys_of(&schema, &schema, "", &mut keys);
    // No two nodes have one of these, so they are refused as defaults.
    for own in ["url", "pool_name"] {
        let default = keys.remove(&format!("defaults.{own}")).unwrap();
        keys.insert(format!("nodes.ucd1.{own}"), default);
    }
    keys
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(value, |value, part| value.get(part))
}

#[test]
fn the_template_parses_as_it_is() {
    let cluster = Cluster::parse(TEMPLATE, "templates/cluster.toml")
        .unwrap_or_else(|error| panic!("{error}"));
    let bare = Cluster::parse("name = 'ucd-prod'\n[nodes.local]", "bare").unwrap();
    assert_eq!(
        format!("{cluster:?}"),
        format!("{bare:?}"),
        "what is not commented out changes nothing"
    );
}

#[test]
fn the_template_parses_with_everything_in_force() {
    let cluster =
        Cluster::parse(&uncommented(), "uncommented").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(cluster.nodes().len(), 3);
    assert_eq!(cluster.secrets().len(), 6);
    assert_eq!(cluster.rest_trust().pins.len(), 1);
}

#[test]
fn every_key_is_documented() {
    let value: Value = toml::from_str(&uncommented()).unwrap();
    let keys = schema_keys();
    assert!(keys.contains_key("hooks.on_end.deadline"), "{keys:?}");
    for key in keys.keys() {
        assert!(
            at(&value, key).is_some(),
            "templates/cluster.toml does not show `{key}`"
        );
    }
    // What the schema calls required is required.
    let required = schema().to_value()["required"].clone();
    assert_eq!(required, serde_json::json!(["name", "nodes"]));
}

#[test]
fn the_documented_defaults_are_the_real_ones() {
    let value: Value = toml::from_str(&uncommented()).unwrap();
    let mut checked = BTreeSet::new();
    for (key, default) in schema_keys() {
        let Some(default) = default.filter(|default| !default.is_object()) else {
            continue;
        };
        assert_eq!(at(&value, &key), Some(&default), "the value of `{key}`");
        let name = key.rsplit('.').next().unwrap();
        let comment = comment_above(name, &key);
        assert!(
            comment.contains(&format!("# Default: {default}\n")),
            "the comment on `{key}`: {comment}"
        );
        checked.insert(key);
    }
    assert_eq!(checked.len(), 4 + 4 + 8, "{checked:?}");

    // The schema tells the truth about what the types do.
    let bare = Cluster::parse(
        "name = 'a'\n[nodes.b]\n[hooks]\non_end.command = ['x']",
        "bare",
    )
    .unwrap();
    let keys = schema_keys();
    let node = bare.nodes().next().unwrap();
    let is = |key: &str, real: Value| assert_eq!(keys[key], Some(real), "{key}");
    is("run.lease", bare.run().lease.to_string().into());
    is("run.heartbeat", bare.run().heartbeat.to_string().into());
    is("defaults.sudo.use", node.sudo.is_some().into());
    assert_eq!(node.ssh.back_end, SshBackEnd::Auto);
    is("defaults.ssh.back_end", "auto".into());
    assert_eq!(node.ssh.host_keys, HostKeyPolicy::Strict);
    is("defaults.ssh.host_keys", "strict".into());
    is("defaults.state_dir", node.state_dir.as_str().into());
    is(
        "hooks.on_end.deadline",
        bare.hooks()
            .on_end
            .as_ref()
            .unwrap()
            .deadline
            .to_string()
            .into(),
    );
}

/// The comment above the line that sets a key.
fn comment_above(name: &str, key: &str) -> String {
    let short = key.split_once('.').map_or(key, |(_, rest)| rest);
    let sets = |line: &str| {
        let line = line.trim_start_matches('#');
        line.starts_with(&format!("{name} = ")) || line.starts_with(&format!("{short} = "))
    };
    let lines: Vec<_> = TEMPLATE.lines().collect();
    // A table of its own comes first where several have a key of this name.
    let table = key.rsplit_once('.').map_or("", |(table, _)| table);
    let header = format!("[{table}]");
    let is_header = |line: &&str| line.trim_start_matches('#') == header;
    let start = lines.iter().position(is_header).unwrap_or(0);
    let line = (start..lines.len())
        .find(|line| sets(lines[*line]))
        .unwrap_or_else(|| panic!("{key} is not set"));
    let mut above: Vec<_> = lines[..line]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("# "))
        .collect();
    above.reverse();
    above.push(&"");
    above.into_iter().copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn every_setting_has_a_comment_that_says_its_default() {
    for key in schema_keys().into_keys() {
        let name = key.rsplit('.').next().unwrap();
        let tables = [
            "defaults", "nodes", "secrets", "rest", "pins", "balancer", "hooks", "run", "service",
            "ssh", "sudo",
        ];
        let hooks = ["before_step", "after_step", "on_failure", "on_end"];
        if tables.contains(&name) || hooks.contains(&name) {
            continue;
        }
        let comment = comment_above(name, &key);
        let said = ["# Default: ", "# No default.", "# Required."];
        assert!(
            said.iter().any(|said| comment.contains(said)),
            "{key}: {comment:?}"
        );
    }
}

#[test]
fn the_schema_that_editors_get() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema()).unwrap());
}
