//! The JSON Schema of the cluster file, read off its types.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::cluster_file::ClusterFile;
use super::shape::Shape;

/// The JSON Schema of `cluster.toml`, for editors that complete and check
/// while one types.
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<ClusterFile>()
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
