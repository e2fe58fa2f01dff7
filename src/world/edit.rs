//! What the content of a file is to be.

use std::path::Path;

use zeroize::Zeroizing;

use super::vault::Vault;
use super::xml::{self, XmlError};
use crate::engine::{Fault, FaultKind};
use crate::plan::{PropertyEdit, XmlEdit};
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

/// There is nothing to edit.
pub(super) fn no_file(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Stale,
        format!("there is no file {}", path.display()),
    )
}
