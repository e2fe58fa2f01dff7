//! Modes that the tar of busybox does not set for who is not root: it leaves them to what is created, less the umask.

use std::collections::BTreeMap;

use super::bits::Bits;
use super::delta::word;
use super::land::Landing;
use super::manifest::Kind;
use super::script::{self, LandError};
use crate::remote::Input;

/// Whether the owner may go into a folder of this mode.
const ENTER: u16 = 0o100;

impl Landing<'_> {
    /// Gives what was unpacked its modes, the deepest first.
    pub(super) fn set_modes(&self, stage: &str, sent: &Bits) -> Result<(), LandError> {
        let manifest = &self.source.manifest;
        // Those that keep their owner out come last, so that all others can be got at.
        let mut lists: BTreeMap<(bool, u16), Vec<u8>> = BTreeMap::new();
        let mut add = |path: &[u8], mode: u16, is_folder: bool| {
            let is_closed = is_folder && mode & ENTER == 0;
            word(path, lists.entry((is_closed, mode)).or_default());
        };
        for (at, entry) in manifest.iter().rev() {
            let is_folder = entry.kind == Kind::Folder;
            if is_folder && !self.delta.fresh.has(at) {
                continue;
            }
            let is_sent = sent.has(at) && entry.kind != Kind::Link;
            if is_folder || is_sent {
                add(manifest.path(entry), entry.mode, is_folder);
            }
        }
        let own = self.delta.headers.iter().rev();
        for header in own.filter(|header| header.entry.kind == Kind::Folder) {
            add(&header.path, header.entry.mode, true);
        }
        for ((_, mode), list) in &lists {
            let mode = format!("{mode:04o}");
            self.run(script::modes(), &[stage, &mode], Input::Bytes(list))?;
        }
        Ok(())
    }
}
