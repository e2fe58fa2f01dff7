//! Whether JSON is what a schema says: as much of JSON Schema as those of this program use.

use serde_json::Value;

/// Says what is wrong, and nothing if all is well. A member that no schema names is wrong, too.
pub(crate) fn fault(schema: &Value, value: &Value) -> Option<String> {
    within(schema, schema, value, true)
}

fn within(root: &Value, schema: &Value, value: &Value, closed: bool) -> Option<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.strip_prefix('#')?);
        return within(root, target.unwrap_or(&Value::Bool(false)), value, closed);
    }
    if *schema == Value::Bool(false) {
        return Some(format!("nothing may be where {value} is"));
    }
    let wrong = |what: &str| Some(format!("{value}: {what} {schema}"));
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("is not the one of");
    }
    if let Some(types) = schema.get("type") {
        let types: Vec<&str> = match types {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.iter().any(|name| is(value, name)) {
            return wrong("has no type of");
        }
    }
    for word in ["oneOf", "anyOf"] {
        let Some(choices) = schema.get(word).and_then(Value::as_array) else {
            continue;
        };
        let mut faults = choices.iter().map(|one| {
            let merged = merge(schema, one);
            within(root, &merged, value, closed)
        });
        return if faults.any(|fault| fault.is_none()) {
            None
        } else {
            wrong("fits none of")
        };
    }
    if let Some(object) = value.as_object() {
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return wrong(&format!("lacks `{name}` of"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, member) in object {
            match properties.and_then(|all| all.get(name)) {
                Some(schema) => {
                    if let Some(fault) = within(root, schema, member, closed) {
                        return Some(fault);
                    }
                }
                None if closed => return wrong(&format!("has `{name}`, unlike")),
                None => {}
            }
        }
    }
    let items = value.as_array().zip(schema.get("items"));
    let (items, schema) = items?;
    items
        .iter()
        .find_map(|item| within(root, schema, item, closed))
}

/// A choice, with the members that all choices have in common.
fn merge(common: &Value, choice: &Value) -> Value {
    let mut merged = choice.clone();
    for word in ["properties", "required"] {
        match (merged.get_mut(word), common.get(word)) {
            (Some(Value::Object(own)), Some(Value::Object(all))) => own.extend(all.clone()),
            (Some(Value::Array(own)), Some(Value::Array(all))) => own.extend(all.clone()),
            (None, Some(all)) => merged[word] = all.clone(),
            _ => {}
        }
    }
    merged
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}
