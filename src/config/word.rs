//! The rule that all names in the configuration share, and the types that obey
//! it: a name can stand in a file name, a shell word and a list of nodes
//! without quoting.

/// The longest name, as for a label of a host name.
pub(super) const MAX_LENGTH: usize = 63;

/// The rule as a regular expression, for the JSON Schema.
pub(super) const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}\nhint: a {kind} begins with a letter or digit; letters, digits, `-`, `_` and `.` may follow, {MAX_LENGTH} characters at most"
)]
pub struct InvalidName {
    kind: &'static str,
    problem: String,
}

/// Checks `text` against the rule; `kind` is what the text is to name.
pub(super) fn check(kind: &'static str, text: &str) -> Result<(), InvalidName> {
    let fail = |problem| Err(InvalidName { kind, problem });
    let Some(first) = text.chars().next() else {
        return fail(format!("the {kind} is empty"));
    };
    if let Some(bad) = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
    {
        return fail(format!("a {kind} can't contain {bad:?}"));
    }
    if !first.is_ascii_alphanumeric() {
        return fail(format!("a {kind} can't begin with {first:?}"));
    }
    if text.len() > MAX_LENGTH {
        return fail(format!(
            "the {kind} has {} characters; {MAX_LENGTH} are the most",
            text.len()
        ));
    }
    Ok(())
}

/// Declares a newtype of a checked name.
macro_rules! word_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::config::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::config::word::check($kind, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::config::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $crate::config::word::check($kind, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $crate::config::word::PATTERN,
                })
            }
        }
    };
}
pub(super) use word_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_fine() {
        for name in ["a", "0", "ucd1", "site-a", "a.b_c", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(check("node name", name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_are_not() {
        for name in [
            "", "-a", ".a", "_a", "a b", "a/b", "ü", "a\n", "@a", "a,b", "*", "!a",
        ] {
            assert!(check("node name", name).is_err(), "{name:?}");
        }
        assert!(check("node name", &"x".repeat(MAX_LENGTH + 1)).is_err());
    }

    #[test]
    fn the_reason_says_what_to_write() {
        let error = check("tag", "site a").unwrap_err().to_string();
        assert!(
            error.starts_with("a tag can't contain ' '\nhint: "),
            "{error}"
        );
    }
}
