//! Secrets that come with one invocation.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::context::Context;
use super::refusal::Refusal;
use crate::config::{GivenSecrets, Secret, SecretRef};

/// `KEY=FILE`: where the value of a key is read from.
pub(super) struct ValueFile {
    pub(super) key: String,
    /// None for standard input.
    pub(super) file: Option<PathBuf>,
}

impl ValueFile {
    fn parse(text: &str) -> Result<Self> {
        let (key, file) = text
            .split_once('=')
            .filter(|(key, file)| !key.is_empty() && !file.is_empty())
            .ok_or_else(|| {
                Refusal::usage(format!(
                    "`{}` does not say which key gets its value from which file",
                    text.escape_debug()
                ))
                .hint("--value-file KEY=FILE   (or KEY=- for standard input)")
            })?;
        let file = (file != "-").then(|| Path::new(file).to_owned());
        Ok(Self {
            key: key.to_owned(),
            file,
        })
    }

    /// The reference to the file, or to standard input, which only this invocation can read.
    pub(super) fn reference(&self) -> Result<SecretRef> {
        match &self.file {
            None => Ok(SecretRef::Given(self.key.clone())),
            Some(file) => {
                let path = super::context::absolute(file)?;
                Ok(SecretRef::File(path.local().to_owned()))
            }
        }
    }
}

/// Reads one secret from standard input, up to its final newline.
pub(super) fn from_input(context: &mut Context) -> Result<Secret> {
    use std::io::Read as _;
    let mut text = zeroize::Zeroizing::new(String::new());
    context
        .io
        .input
        .read_to_string(&mut text)
        .map_err(|error| {
            Refusal::usage(format!(
                "the value on standard input could not be read: {error}"
            ))
        })?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    Ok(Secret::new(value.to_owned()))
}

/// What `--value-file` says, once all of it makes sense.
///
/// `taken` says that standard input is read for something else already.
pub(super) fn value_files(texts: &[String], taken: bool) -> Result<Vec<ValueFile>> {
    let values: Vec<_> = texts
        .iter()
        .map(|text| ValueFile::parse(text))
        .collect::<Result<_>>()?;
    let piped: Vec<_> = values.iter().filter(|value| value.file.is_none()).collect();
    if let [first, ..] = piped.as_slice()
        && (taken || piped.len() > 1)
    {
        let what = if taken {
            format!(
                "standard input has the plan, and can't have the value of `{}` too",
                first.key.escape_debug()
            )
        } else {
            "standard input can have the value of one key only".to_owned()
        };
        return Err(Refusal::usage(what)
            .hint(format!("--value-file {}=FILE", first.key.escape_debug()))
            .into());
    }
    Ok(values)
}

/// What `--value-file` gives for a plan that is there already.
pub(super) fn given_again(
    context: &mut Context,
    texts: &[String],
    taken: bool,
) -> Result<GivenSecrets> {
    let mut given = GivenSecrets::new();
    for value in value_files(texts, taken)? {
        let secret = if value.file.is_none() {
            from_input(context)?
        } else {
            let store = crate::config::SecretStore::new([]);
            let secret = store.resolve(&value.reference()?)?;
            Secret::new(secret.expose().to_owned())
        };
        given.insert(value.key, secret);
    }
    Ok(given)
}
