//! The name of a node.

super::word::word_type! {
    /// The name of a node, as `--on`, plans and locks write it.
    NodeName, "node name"
}

impl NodeName {
    /// The name that always means this machine.
    pub const LOCAL: &'static str = "local";

    /// The node `local`: this machine.
    pub fn local() -> Self {
        Self(Self::LOCAL.to_owned())
    }

    /// Whether this is the name of this machine.
    pub fn is_local(&self) -> bool {
        self.0 == Self::LOCAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn travels_through_json_as_text_and_as_a_key() {
        let name: NodeName = "ucd1".parse().unwrap();
        let map = BTreeMap::from([(name.clone(), name)]);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(json, r#"{"ucd1":"ucd1"}"#);
        assert_eq!(
            serde_json::from_str::<BTreeMap<NodeName, NodeName>>(&json).unwrap(),
            map
        );
        assert!(serde_json::from_str::<NodeName>(r#""u c""#).is_err());
    }

    #[test]
    fn local_is_a_valid_name() {
        assert_eq!(
            NodeName::LOCAL.parse::<NodeName>().unwrap(),
            NodeName::local()
        );
        assert!(NodeName::local().is_local());
    }

    #[test]
    fn pads_in_tables() {
        assert_eq!(format!("[{:>6}]", NodeName::local()), "[ local]");
    }
}
