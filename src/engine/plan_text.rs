//! A plan as journals keep it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::plan::Plan;

/// A plan's JSON, as it stands in a journal: most who read the journal don't read it.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct PlanText(Box<RawValue>);

impl PlanText {
    /// The JSON of a plan.
    pub fn of(plan: &Plan) -> Self {
        // A plan is made of strings, numbers, lists and string-keyed maps, which always become JSON.
        let text = to_raw_value(plan).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(text)
    }

    /// JSON that was found where a plan should be.
    pub(super) fn found(text: &RawValue) -> Self {
        Self(text.to_owned())
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for PlanText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PlanText {}

impl<'de> Deserialize<'de> for PlanText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        to_raw_value(&value)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PlanText {
    fn schema_name() -> Cow<'static, str> {
        "PlanText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        serde_json::Value::json_schema(generator)
    }
}
