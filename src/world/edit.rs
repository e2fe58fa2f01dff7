//! Files that an action changes or writes: the old one is kept first.

use std::path::Path;

use zeroize::Zeroizing;

use super::backup::Backup;
use super::original::Original;
use super::replace::{self, Fresh, Given};
use super::vault::Vault;
use super::xml::{self, XmlError};
use crate::engine::{Fault, FaultKind};
use crate::plan::{PropertyEdit, RunId, XmlEdit};
use crate::properties::{Encoding, Properties, Which};

/// The mode of a new file for which the plan names none.
pub(super) const PRIVATE: u32 = 0o600;

/// A property edit with its value at hand.
pub(super) struct ResolvedEdit<'a> {
    edit: &'a PropertyEdit,
    value: Zeroizing<String>,
}

/// Gets the values that edits of properties need.
pub(super) fn resolve<'a>(
    edits: &'a [PropertyEdit],
    vault: &Vault,
) -> Result<Vec<ResolvedEdit<'a>>, Fault> {
    edits
        .iter()
        .map(|edit| {
            let value = match edit {
                PropertyEdit::Set { value, .. } => vault.text(value)?,
                PropertyEdit::Unset { .. } => Zeroizing::default(),
            };
            Ok(ResolvedEdit { edit, value })
        })
        .collect()
}

/// Gets the values that edits of XML need.
pub(super) fn resolve_xml<'a>(
    edits: &'a [XmlEdit],
    vault: &Vault,
) -> Result<Vec<(&'a XmlEdit, Zeroizing<String>)>, Fault> {
    edits
        .iter()
        .map(|edit| Ok((edit, vault.text(&edit.value)?)))
        .collect()
}

/// Changes keys of a `.properties` file.
pub(super) fn properties(
    path: &Path,
    edits: &[ResolvedEdit<'_>],
    utf8: bool,
    run: &RunId,
    backup: &Backup,
) -> Result<(), Fault> {
    let found = read(path)?;
    let fresh = properties_edited(path, &found.bytes, edits, utf8)?;
    change(path, &found, &fresh, run, backup)
}

/// The content of a `.properties` file with its keys changed.
pub(super) fn properties_edited(
    path: &Path,
    found: &[u8],
    edits: &[ResolvedEdit<'_>],
    utf8: bool,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut file = Properties::parse_as(found, encoding(utf8));
    for resolved in edits {
        let edited = match resolved.edit {
            PropertyEdit::Set { key, line, .. } => {
                file.set(key, resolved.value.as_str(), which(*line))
            }
            PropertyEdit::Unset { key, line } => file.unset(key, which(*line)),
        };
        edited.map_err(|error| {
            Fault::new(FaultKind::Stale, format!("{}: {error}", path.display()))
        })?;
    }
    Ok(Zeroizing::new(file.bytes().to_vec()))
}

/// How a `.properties` file is read.
pub(super) fn encoding(utf8: bool) -> Encoding {
    if utf8 {
        Encoding::Utf8
    } else {
        Encoding::Latin1
    }
}

fn which(line: Option<u64>) -> Which {
    line.map_or(Which::Only, |line| {
        Which::Line(usize::try_from(line).unwrap_or(usize::MAX))
    })
}

/// Changes attributes in an XML file.
pub(super) fn xml(
    path: &Path,
    edits: &[(&XmlEdit, Zeroizing<String>)],
    run: &RunId,
    backup: &Backup,
) -> Result<(), Fault> {
    let found = read(path)?;
    let fresh = xml_edited(path, &found.bytes, edits)?;
    change(path, &found, &fresh, run, backup)
}

/// The content of an XML file with its attributes changed.
pub(super) fn xml_edited(
    path: &Path,
    found: &[u8],
    edits: &[(&XmlEdit, Zeroizing<String>)],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut fresh = Zeroizing::new(found.to_vec());
    for (edit, value) in edits {
        fresh = xml::set(&fresh, &edit.element, &edit.attribute, value)
            .map_err(|error| xml_fault(path, &error))?;
    }
    Ok(fresh)
}

/// What is wrong with an XML file.
pub(super) fn xml_fault(path: &Path, error: &XmlError) -> Fault {
    let kind = match error {
        XmlError::Matches(..) => FaultKind::Stale,
        _ => FaultKind::Failed,
    };
    Fault::new(kind, format!("{}: {error}", path.display()))
}

/// Puts a file there.
pub(super) fn write(
    path: &Path,
    content: &[u8],
    mode: Option<u32>,
    run: &RunId,
    backup: &Backup,
) -> Result<(), Fault> {
    replace::check_has_name(path)?;
    let found = Original::read(path)?;
    backup.keep_file(path, found.as_ref(), Some(content))?;
    match found {
        None => {
            let fresh = Fresh {
                bytes: content,
                attributes: Given::Mode(mode.unwrap_or(PRIVATE)),
            };
            replace::create(path, &fresh, run)
        }
        Some(found) => {
            let mut attributes = found.attributes.clone();
            attributes.mode = mode.unwrap_or(attributes.mode);
            if found.bytes[..] == *content && attributes == found.attributes {
                return Ok(());
            }
            let fresh = Fresh {
                bytes: content,
                attributes: Given::Kept(&attributes),
            };
            backup.exchange(&found, &fresh, run)
        }
    }
}

fn read(path: &Path) -> Result<Original, Fault> {
    Original::read(path)?.ok_or_else(|| no_file(path))
}

/// There is nothing to edit.
pub(super) fn no_file(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Stale,
        format!("there is no file {}", path.display()),
    )
}

fn change(
    path: &Path,
    found: &Original,
    fresh: &[u8],
    run: &RunId,
    backup: &Backup,
) -> Result<(), Fault> {
    backup.keep_file(path, Some(found), Some(fresh))?;
    if found.bytes[..] == *fresh {
        return Ok(());
    }
    let fresh = Fresh {
        bytes: fresh,
        attributes: Given::Kept(&found.attributes),
    };
    backup.exchange(found, &fresh, run)
}
