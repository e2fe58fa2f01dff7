//! A command as a list of arguments, never as a line for a shell.

use std::borrow::Cow;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A command: the program and its arguments. No shell reads it, so nothing
/// needs quoting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Argv(Vec<String>);

/// Why a list is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArgv {
    /// There is no program.
    #[error(
        "the command is empty\nhint: name the program and its arguments, such as [\"systemctl\", \"start\", \"ucd\"]"
    )]
    Empty,
    /// The operating system's calls end a text at a zero byte.
    #[error("an argument of the command contains a zero byte, which no program can be given")]
    ZeroByte,
}

impl Argv {
    /// The command `arguments[0]` with the rest as its arguments.
    pub fn new(arguments: Vec<String>) -> Result<Self, InvalidArgv> {
        if arguments
            .first()
            .is_none_or(|program| program.trim().is_empty())
        {
            return Err(InvalidArgv::Empty);
        }
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(InvalidArgv::ZeroByte);
        }
        Ok(Self(arguments))
    }

    /// The program, as written.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The program's arguments.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The program and its arguments.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The command for the standard library, with the environment of this
    /// process: pass it through [`scrub_environment`](super::scrub_environment).
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(self.arguments());
        command
    }
}

impl TryFrom<Vec<String>> for Argv {
    type Error = InvalidArgv;

    fn try_from(arguments: Vec<String>) -> Result<Self, Self::Error> {
        Self::new(arguments)
    }
}

impl From<Argv> for Vec<String> {
    fn from(argv: Argv) -> Self {
        argv.0
    }
}

impl schemars::JsonSchema for Argv {
    fn schema_name() -> Cow<'static, str> {
        "Argv".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "examples": [["systemctl", "start", "ucd"]],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_a_program() {
        assert_eq!(Argv::new(vec![]), Err(InvalidArgv::Empty));
        assert_eq!(Argv::new(vec![" ".into()]), Err(InvalidArgv::Empty));
        assert_eq!(Argv::new(vec!["a\0".into()]), Err(InvalidArgv::ZeroByte));
        let argv = Argv::new(vec!["cp".into(), "a b".into(), String::new()]).unwrap();
        assert_eq!(argv.program(), "cp");
        assert_eq!(argv.arguments(), ["a b", ""]);
    }
}
