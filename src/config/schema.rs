//! The JSON Schema of the cluster file, read off its types.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::cluster_file::ClusterFile;
use super::shape::Shape;

/// The JSON Schema of `cluster.toml`, for editors that complete and check
/// while one types.
pub fn schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    settings
        .into_generator()
        .into_root_schema_for::<ClusterFile>()
}

/// TOML has no null: a key that may lack is left out.
fn without_null(schema: &mut Schema) {
    let null = serde_json::json!({ "type": "null" });
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(members)) = object.get_mut("anyOf") {
        members.retain(|member| *member != null);
        if let [Value::Object(only)] = members.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// The shape of the cluster file.
pub(super) fn shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings
            .into_generator()
            .into_root_schema_for::<ClusterFile>();
        Shape::of(schema.as_value())
    });
    &SHAPE
}
