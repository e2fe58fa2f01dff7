//! What probes find in the content of a file. Values are compared in memory, and only the result is told.

use std::path::Path;

use super::edit;
use super::vault::Vault;
use super::xml;
use crate::engine::{Fault, FaultKind};
use crate::plan::{Probe, Reading, Sha256};
use crate::properties::Properties;

/// What such a probe finds in a file of this content.
pub(super) fn look(found: &[u8], probe: &Probe, vault: &Vault) -> Result<Reading, Fault> {
    let compared = |same: Option<bool>| match same {
        None => Reading::Absent,
        Some(true) => Reading::Same,
        Some(false) => Reading::Different,
    };
    match probe {
        Probe::File { masked, .. } => {
            let masked = |key: &crate::properties::JavaString| {
                masked.iter().any(|masked| *key == masked.as_str())
            };
            let file = Properties::parse(found);
            Ok(Reading::Digest(Sha256::of(file.masked_bytes(masked))))
        }
        Probe::FileIs { content, .. } => {
            Ok(compared(Some(vault.joined(content)?.as_slice() == found)))
        }
        Probe::Property { path, key } => {
            let value = properties(path.local(), found, false)?.get(key);
            Ok(value.map_or(Reading::Absent, |value| Reading::Text(value.to_lossy())))
        }
        Probe::PropertyIs {
            path,
            key,
            value,
            utf8,
        } => {
            let wanted = vault.text(value)?;
            let value = properties(path.local(), found, *utf8)?.get(key);
            Ok(compared(value.map(|value| value == wanted.as_str())))
        }
        Probe::XmlIs {
            path,
            element,
            attribute,
            value,
        } => {
            let wanted = vault.text(value)?;
            let value = xml::attribute(found, element, attribute)
                .map_err(|error| edit::xml_fault(path.local(), &error))?;
            Ok(compared(value.map(|value| *value == *wanted)))
        }
        other => Err(Fault::new(
            FaultKind::Failed,
            format!("{other} is nothing in a file's content"),
        )),
    }
}

/// A file that Java can read.
fn properties(path: &Path, found: &[u8], utf8: bool) -> Result<Properties, Fault> {
    let file = Properties::parse_as(found, edit::encoding(utf8));
    file.check()
        .map_err(|error| Fault::new(FaultKind::Failed, format!("{}: {error}", path.display())))?;
    Ok(file)
}
