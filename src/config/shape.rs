//! The shape that a value must have, as the JSON Schema of its type says. The
//! types are the one list of keys: this reads it off them.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a value looks like, and what may be inside.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A table with known keys.
    Keys(BTreeMap<String, Key>),
    /// A table whose keys are names that the user chooses.
    Names(Box<Shape>),
    /// A list.
    List(Box<Shape>, Option<String>),
    /// A text, with an example.
    Text(Option<String>),
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// Something that only its own type can judge.
    Special,
}

/// A known key of a table.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) shape: Shape,
    pub(super) required: bool,
}

impl Shape {
    /// Reads the shape off a schema whose references are inlined.
    pub(super) fn of(schema: &Value) -> Self {
        let example = || schema.pointer("/examples/0").map(toml_text);
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return Self::Choice(
                words
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            );
        }
        for union in ["anyOf", "oneOf"] {
            let Some(members) = schema.get(union).and_then(Value::as_array) else {
                continue;
            };
            let words: Vec<_> = members
                .iter()
                .filter_map(|member| member.get("const")?.as_str())
                .collect();
            if words.len() == members.len() {
                return Self::Choice(words.into_iter().map(str::to_owned).collect());
            }
            let mut others = members.iter().filter(|member| !is_type(member, "null"));
            return match (others.next(), others.next()) {
                (Some(only), None) => Self::of(only),
                _ => Self::Special,
            };
        }
        if is_type(schema, "object") {
            if let Some(keys) = schema.get("properties").and_then(Value::as_object) {
                return Self::Keys(
                    keys.iter()
                        .map(|(name, key)| (name.clone(), Key::of(schema, name, key)))
                        .collect(),
                );
            }
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let inside = patterns.and_then(|patterns| patterns.values().next());
            let inside = inside.or_else(|| schema.get("additionalProperties"));
            return Self::Names(Box::new(inside.map_or(Self::Special, Self::of)));
        }
        if is_type(schema, "array") {
            let items = schema.get("items").map_or(Self::Special, Self::of);
            return Self::List(Box::new(items), example());
        }
        if is_type(schema, "string") {
            return Self::Text(example());
        }
        if is_type(schema, "integer") {
            let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
            return Self::Integer(
                bound("minimum").unwrap_or(i64::MIN),
                bound("maximum").unwrap_or(i64::MAX),
            );
        }
        if is_type(schema, "boolean") {
            return Self::Boolean;
        }
        Self::Special
    }

    /// Where keys called `name` are known, as paths such as `run.lease`.
    pub(super) fn places_of(&self, name: &str) -> Vec<String> {
        let mut places = Vec::new();
        self.collect_places(name, &mut Vec::new(), &mut places);
        places
    }

    fn collect_places(&self, name: &str, path: &mut Vec<String>, places: &mut Vec<String>) {
        match self {
            Self::Keys(keys) => {
                for (key, inner) in keys {
                    if key == name {
                        places.push(path.join("."));
                    }
                    path.push(key.clone());
                    inner.shape.collect_places(name, path, places);
                    path.pop();
                }
            }
            Self::Names(inner) => {
                path.push("NAME".to_owned());
                inner.collect_places(name, path, places);
                path.pop();
            }
            _ => {}
        }
    }
}

impl Key {
    fn of(table: &Value, name: &str, schema: &Value) -> Self {
        let required = table.get("required").and_then(Value::as_array);
        Self {
            shape: Shape::of(schema),
            required: required.is_some_and(|names| names.iter().any(|required| required == name)),
        }
    }
}

fn is_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// A value of a schema as it would stand in a cluster file.
pub(super) fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(toml_text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
