//! Where a secret is found: all that files, plans and journals know of it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nearest::nearest;
use super::{Argv, Secret};

/// Where a secret is found. Shown and saved as text: `env:UCD_DB_PASSWORD`,
/// `file:/run/secrets/db`, `cmd:pass show ucd/db`, `prompt:Database password`,
/// `given:db_password`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// An environment variable of this process.
    Env(String),
    /// A file on this machine, without its final newline.
    File(PathBuf),
    /// What a command on this machine prints, without its final newline.
    Cmd(Argv),
    /// Asked for on the terminal, under this label. An empty label stands for
    /// the secret's own name.
    Prompt(String),
    /// Given on the command line or the standard input of one invocation; it
    /// lives in memory only.
    Given(String),
}

/// The kinds of reference, as written before the colon.
const KINDS: [&str; 5] = ["env", "file", "cmd", "prompt", "given"];

/// What to write instead of a value.
const FORMS: &str = "write where the secret is found:\n  \
     { env = \"NAME\" } or \"env:NAME\"            an environment variable\n  \
     { file = \"PATH\" } or \"file:PATH\"          a file that only you can read\n  \
     { cmd = [\"pass\", \"show\", \"ucd/db\"] }      what a command prints\n  \
     \"prompt\" or { prompt = \"Label\" }         asked for on the terminal";

/// Why a text or table is not a reference to a secret. Never repeats what was
/// written: it may be the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretRef {
    /// Plain text, which is most likely the secret itself.
    #[error("a secret is never written here, only a reference to it\nhint: {FORMS}")]
    Literal,
    /// Almost a kind of reference.
    #[error("this is no kind of reference to a secret; did you mean `{near}`?\nhint: {FORMS}")]
    UnknownKind {
        /// The kind that looks most alike.
        near: &'static str,
    },
    /// A kind that needs something after the colon.
    #[error("the reference `{kind}` does not say which\nhint: {FORMS}")]
    Empty {
        /// The kind.
        kind: &'static str,
    },
    /// Not a name that an environment variable can have.
    #[error(
        "this is no name of an environment variable\nhint: letters, digits and `_`, such as \"env:UCD_DB_PASSWORD\", without `$`"
    )]
    Variable,
    /// A command that a shell would have to take apart.
    #[error(
        "the command contains quotes\nhint: write its arguments as a list: {{ cmd = [\"pass\", \"show\", \"ucd/db\"] }}"
    )]
    QuotedCommand,
    /// A list that is not a command.
    #[error(
        "the command is no list of texts that begins with a program\nhint: {{ cmd = [\"pass\", \"show\", \"ucd/db\"] }}"
    )]
    Command,
    /// A label or path with control characters.
    #[error("the reference contains a control character")]
    ControlCharacter,
    /// A table with several kinds, or none.
    #[error("a reference names exactly one kind\nhint: {FORMS}")]
    NotOneKind,
}

impl SecretRef {
    /// The environment variable that this reference names.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            _ => None,
        }
    }

    fn from_parts(kind: &'static str, text: &str) -> Result<Self, InvalidSecretRef> {
        if text.trim().is_empty() && kind != "prompt" {
            return Err(InvalidSecretRef::Empty { kind });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidSecretRef::ControlCharacter);
        }
        match kind {
            "env" => {
                let mut characters = text.chars();
                let first = characters
                    .next()
                    .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
                if first && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    Ok(Self::Env(text.to_owned()))
                } else {
                    Err(InvalidSecretRef::Variable)
                }
            }
            "file" => Ok(Self::File(PathBuf::from(text))),
            "cmd" => Self::command(text),
            "prompt" => Ok(Self::Prompt(text.trim().to_owned())),
            _ => Ok(Self::Given(text.to_owned())),
        }
    }

    fn command(text: &str) -> Result<Self, InvalidSecretRef> {
        let arguments = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).map_err(|_| InvalidSecretRef::Command)?
        } else if text.contains(['"', '\'', '\\']) {
            return Err(InvalidSecretRef::QuotedCommand);
        } else {
            text.split_whitespace().map(str::to_owned).collect()
        };
        Argv::new(arguments)
            .map(Self::Cmd)
            .map_err(|_| InvalidSecretRef::Command)
    }
}

impl FromStr for SecretRef {
    type Err = InvalidSecretRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "prompt" {
            return Ok(Self::Prompt(String::new()));
        }
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(InvalidSecretRef::Literal);
        };
        match KINDS.into_iter().find(|known| *known == kind) {
            Some(kind) => Self::from_parts(kind, rest),
            None => Err(match nearest(kind, KINDS) {
                Some(near) => InvalidSecretRef::UnknownKind { near },
                None => InvalidSecretRef::Literal,
            }),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Cmd(argv) => {
                let plain = |text: &String| {
                    !text.is_empty()
                        && !text.contains(|c: char| {
                            c.is_whitespace() || c.is_control() || "\"'\\".contains(c)
                        })
                };
                let words = argv.as_slice();
                if words.iter().all(plain) && !argv.program().starts_with('[') {
                    write!(f, "cmd:{}", words.join(" "))
                } else {
                    let json = serde_json::to_string(words).map_err(|_| fmt::Error)?;
                    write!(f, "cmd:{json}")
                }
            }
            Self::Prompt(label) if label.is_empty() => f.write_str("prompt"),
            Self::Prompt(label) => write!(f, "prompt:{label}"),
            Self::Given(label) => write!(f, "given:{label}"),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

/// Reads both forms, and answers everything else with the forms rather than
/// with the value.
struct ReferenceVisitor;

/// What stands behind the kind in the form of a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Target {
    Text(String),
    Arguments(Vec<String>),
    Other(de::IgnoredAny),
}

impl<'de> Visitor<'de> for ReferenceVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(InvalidSecretRef::Literal))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<SecretRef, A::Error> {
        Err(de::Error::custom(InvalidSecretRef::Literal))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let Some((kind, target)) = map.next_entry::<String, Target>()? else {
            return Err(de::Error::custom(InvalidSecretRef::NotOneKind));
        };
        if map.next_entry::<String, Target>()?.is_some() {
            return Err(de::Error::custom(InvalidSecretRef::NotOneKind));
        }
        let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
            return Err(de::Error::custom(match nearest(&kind, KINDS) {
                Some(near) => InvalidSecretRef::UnknownKind { near },
                None => InvalidSecretRef::Literal,
            }));
        };
        match target {
            Target::Text(text) => SecretRef::from_parts(kind, &text),
            Target::Arguments(arguments) if kind == "cmd" => Argv::new(arguments)
                .map(SecretRef::Cmd)
                .map_err(|_| InvalidSecretRef::Command),
            Target::Arguments(_) | Target::Other(_) if kind == "cmd" => {
                Err(InvalidSecretRef::Command)
            }
            Target::Arguments(_) | Target::Other(_) => Err(InvalidSecretRef::Empty { kind }),
        }
        .map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = |kind: &str, target: serde_json::Value| {
            serde_json::json!({
                "type": "object",
                "properties": { kind: target },
                "required": [kind],
                "additionalProperties": false,
            })
        };
        let text = serde_json::json!({ "type": "string" });
        schemars::json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^(prompt$|(env|file|cmd|prompt|given):)" },
                one("env", serde_json::json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" })),
                one("file", text.clone()),
                one("cmd", serde_json::json!({
                    "anyOf": [{ "type": "array", "items": text, "minItems": 1 }, text]
                })),
                one("prompt", text.clone()),
                one("given", text),
            ],
            "examples": ["env:UCD_DB_PASSWORD", { "file": "/run/secrets/db" }, "prompt"],
        })
    }
}

/// Takes the variables that `env:` references name out of a child's
/// environment. Every command that this program starts passes through here: a
/// secret in the environment of this process is meant for this process only.
pub fn scrub_environment<'a>(
    command: &mut Command,
    references: impl IntoIterator<Item = &'a SecretRef>,
) {
    for variable in references.into_iter().filter_map(SecretRef::variable) {
        command.env_remove(variable);
    }
}

/// Secrets that were given with one invocation, by label.
pub type GivenSecrets = std::collections::BTreeMap<String, Secret>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_toml(value: &str) -> Result<SecretRef, String> {
        #[derive(Deserialize)]
        struct File {
            secret: SecretRef,
        }
        toml::from_str::<File>(&format!("secret = {value}"))
            .map(|file| file.secret)
            .map_err(|error| error.message().to_owned())
    }

    fn argv(words: &[&str]) -> Argv {
        Argv::new(words.iter().map(|word| (*word).to_owned()).collect()).unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        for (short, table, reference) in [
            (
                r#""env:A_1""#,
                r#"{ env = "A_1" }"#,
                SecretRef::Env("A_1".into()),
            ),
            (
                r#""file:/run/x""#,
                r#"{ file = "/run/x" }"#,
                SecretRef::File("/run/x".into()),
            ),
            (
                r#""cmd:pass show a""#,
                r#"{ cmd = ["pass", "show", "a"] }"#,
                SecretRef::Cmd(argv(&["pass", "show", "a"])),
            ),
            (
                r#"'cmd:["a b"]'"#,
                r#"{ cmd = ["a b"] }"#,
                SecretRef::Cmd(argv(&["a b"])),
            ),
            (
                r#""prompt""#,
                r#"{ prompt = "" }"#,
                SecretRef::Prompt(String::new()),
            ),
            (
                r#""prompt:DB: pw""#,
                r#"{ prompt = "DB: pw" }"#,
                SecretRef::Prompt("DB: pw".into()),
            ),
            (
                r#""given:x""#,
                r#"{ given = "x" }"#,
                SecretRef::Given("x".into()),
            ),
        ] {
            assert_eq!(from_toml(short), Ok(reference.clone()), "{short}");
            assert_eq!(from_toml(table), Ok(reference), "{table}");
        }
    }

    #[test]
    fn a_literal_is_refused_and_not_repeated() {
        for literal in [
            r#""hunter2""#,
            r#""hunter2:hunter2""#,
            r#""env:hunter2 ""#,
            r#"{ value = "hunter2" }"#,
            "{ hunter2 = 1 }",
            r#"{ env = "A", file = "hunter2" }"#,
            r#"{ env = ["hunter2"] }"#,
            r#"["hunter2"]"#,
            r#""cmd:echo 'hunter2'""#,
            "1234567890",
            "1234567890.5",
            "true",
            "1979-05-27",
        ] {
            let error = from_toml(literal).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(!error.contains("1234567890"), "{error}");
        }
        assert!(
            from_toml(r#""hunter2""#)
                .unwrap_err()
                .contains("{ env = \"NAME\" }")
        );
    }

    #[test]
    fn a_slip_is_named() {
        assert!(
            from_toml(r#""evn:A""#)
                .unwrap_err()
                .contains("did you mean `env`")
        );
        assert!(
            from_toml(r#"{ evn = "A" }"#)
                .unwrap_err()
                .contains("did you mean `env`")
        );
        assert!(
            from_toml(r#""env:""#)
                .unwrap_err()
                .contains("`env` does not say which")
        );
        assert!(
            from_toml(r#""env:$A""#)
                .unwrap_err()
                .contains("without `$`")
        );
    }

    #[test]
    fn children_do_not_inherit_secrets() {
        let mut command = Command::new("true");
        scrub_environment(
            &mut command,
            &[SecretRef::Env("A".into()), SecretRef::Prompt("B".into())],
        );
        let removed: Vec<_> = command.get_envs().collect();
        assert_eq!(removed, [(std::ffi::OsStr::new("A"), None)]);
    }

    proptest! {
        #[test]
        fn display_parses_back(words in proptest::collection::vec("\\PC{0,8}", 1..4), label in "[^\\pC]{0,12}") {
            if let Ok(argv) = Argv::new(words) {
                let reference = SecretRef::Cmd(argv);
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
            let reference = SecretRef::Prompt(label.trim().to_owned());
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }

        #[test]
        fn json_round_trip(path in "/[^\\pC]{1,20}") {
            let reference = SecretRef::File(path.into());
            let json = serde_json::to_string(&reference).unwrap();
            prop_assert_eq!(serde_json::from_str::<SecretRef>(&json).unwrap(), reference);
        }
    }
}
