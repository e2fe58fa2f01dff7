//! Who may write a file of the configuration: nobody but its owner, as OpenSSH wants it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;

use super::surroundings::Surroundings;

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// What is wrong with the file's owner or mode. A group that is only the owner's own may write.
pub(super) fn check(file: &Metadata, here: &Surroundings) -> Result<(), String> {
    if file.uid() != 0 && file.uid() != here.uid {
        return Err(
            "the file belongs to somebody else, who could say where commands go".to_owned(),
        );
    }
    if file.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err("anybody may write to the file".to_owned());
    }
    if file.mode() & WRITABLE_BY_GROUP != 0 && !is_own_group(file.gid(), here) {
        return Err("a group may write to the file".to_owned());
    }
    Ok(())
}

/// Whether the user, and nobody else, is in the group.
fn is_own_group(gid: u32, here: &Surroundings) -> bool {
    let mut first: Vec<u32> = here
        .users
        .iter()
        .filter(|user| user.gid == gid)
        .map(|user| user.uid)
        .collect();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    for line in groups.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, number, members] = fields[..] else {
            continue;
        };
        if number.parse() == Ok(gid) && !members.is_empty() {
            if members != here.user {
                return false;
            }
            first.push(here.uid);
        }
    }
    !first.is_empty() && first.iter().all(|uid| *uid == here.uid)
}
