//! `props set`.

use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use clap::Args;

use super::place::{Where, edit};
use crate::cli::context::Context;
use crate::cli::given::{from_input, value_files};
use crate::cli::global::Changing;
use crate::cli::refusal::Refusal;
use crate::config::{GivenSecrets, Secret, SecretRef};
use crate::exit::Exit;
use crate::plan::Value;
use crate::primitives::edit_properties::Wish;
use crate::properties::looks_secret;

/// Set keys of a .properties file, and leave every other byte as it is.
///
/// The value is everything after the first `=`, literally; it is written the way
/// the file already writes values. A key that is new goes to the end of the
/// file. The file is replaced whole: its mode, owner and extended attributes
/// stay, and the old file is kept until it is cleaned up.
///
/// A secret is better not typed on a command line, where other users can see
/// it: give it with --secret or --value-file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clusterctl props set --file installed.properties com.urbancode.ds.UDeployServer.multiserver=true
  clusterctl props set --file installed.properties --plan server.jms.port=7919
  pass show ucd/db | clusterctl props set --file secured.properties --value-file hibernate.connection.password=-")]
pub(super) struct Set {
    #[command(flatten)]
    at: Where,

    /// Keys and their values.
    #[arg(value_name = "KEY=VALUE", required_unless_present_any = ["secret", "value_file"])]
    pairs: Vec<String>,

    #[arg(
        long,
        value_name = "KEY=REF",
        help = "Set KEY to the secret found at REF: env:NAME, file:PATH, cmd:COMMAND or prompt"
    )]
    secret: Vec<String>,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Set, context: &mut Context) -> Result<Exit> {
    let which = args.at.which();
    let mut wishes: Vec<Wish> = Vec::new();
    let mut given = GivenSecrets::new();
    for pair in &args.pairs {
        let (key, value) = split(pair)?;
        if looks_secret(key) {
            given.insert(key.to_owned(), Secret::new(value.to_owned()));
            wishes.push(Wish::set_secret(key, SecretRef::Given(key.to_owned())));
        } else {
            wishes.push(Wish::set(key, value, which));
        }
    }
    for text in &args.secret {
        let (key, reference) = split(text)?;
        let reference = reference.parse::<SecretRef>().map_err(|_| {
            // Why not would only repeat what it is, and what it is may be the secret.
            let key = key.escape_debug();
            Refusal::usage(format!(
                "--secret {key}=... does not say where a secret is found"
            ))
            .hint(format!(
                "--secret {key}=env:NAME   (an environment variable)"
            ))
            .hint(format!(
                "--secret {key}=file:PATH   (a file that not every user can read)"
            ))
            .hint(format!(
                "--secret {key}='cmd:pass show ucd/db'   (what a command prints)"
            ))
            .hint(format!(
                "--secret {key}=prompt   (asked for on the terminal)"
            ))
        })?;
        let reference = match reference {
            SecretRef::Prompt(label) if label.is_empty() => SecretRef::Prompt(key.to_owned()),
            SecretRef::File(path) => {
                SecretRef::File(super::super::context::absolute(&path)?.local().to_owned())
            }
            other => other,
        };
        wishes.push(Wish::set_secret(key, reference));
    }
    for value in value_files(&args.changing.running.value_file, false)? {
        let reference = match &value.file {
            None => {
                given.insert(value.key.clone(), from_input(context)?);
                SecretRef::Given(value.key.clone())
            }
            Some(file) if readable_by_others(file) => {
                // It is no secret to other users, but it may still be one elsewhere.
                given.insert(value.key.clone(), read_now(file)?);
                SecretRef::Given(value.key.clone())
            }
            Some(_) => value.reference()?,
        };
        wishes.push(Wish::set_secret(&value.key, reference));
    }
    refuse_twice(&wishes)?;
    for wish in &mut wishes {
        wish.which = which;
        if matches!(wish.value, Some(Value::Secret(SecretRef::Prompt(_))))
            && !context.io.interactive
            && !std::io::stdin().is_terminal()
        {
            return Err(Refusal::usage(format!(
                "there is no terminal to ask for `{}` on",
                wish.key
            ))
            .hint(format!(
                "--secret {}=env:NAME   (or file:PATH, cmd:COMMAND)",
                wish.key
            ))
            .into());
        }
    }
    edit(
        "props-set",
        &args.at,
        &wishes,
        given,
        &args.changing,
        context,
    )
}

/// Which of two values would count is for nobody to guess.
fn refuse_twice(wishes: &[Wish]) -> Result<()> {
    let mut keys: Vec<_> = wishes.iter().map(|wish| wish.key.as_str()).collect();
    keys.sort_unstable();
    if let Some(twice) = keys.windows(2).find(|two| two[0] == two[1]) {
        let what = format!("`{}` is given more than once", twice[0].escape_debug());
        return Err(Refusal::usage(what)
            .hint("give each key one value: as KEY=VALUE, with --secret or with --value-file")
            .into());
    }
    Ok(())
}

fn split(pair: &str) -> Result<(&str, &str)> {
    let parts = pair.split_once('=').filter(|(key, _)| !key.is_empty());
    parts.ok_or_else(|| {
        Refusal::usage(format!("`{}` is not KEY=VALUE", pair.escape_debug()))
            .hint("clusterctl props set --file PATH KEY=VALUE   (an empty value is KEY=)")
            .into()
    })
}

fn readable_by_others(file: &std::path::Path) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o007 != 0)
}

fn read_now(file: &std::path::Path) -> Result<Secret> {
    let refused = |error: String| {
        Refusal::usage(format!(
            "the value in {} could not be read: {error}",
            file.display()
        ))
    };
    let bytes = crate::world::read_file_bounded(file)
        .map_err(|fault| refused(fault.what))?
        .ok_or_else(|| refused("there is no such file".to_owned()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let value = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(
        value.strip_suffix('\r').unwrap_or(value).to_owned(),
    ))
}
