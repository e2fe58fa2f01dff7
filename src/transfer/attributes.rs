//! Extended attributes, access lists among them: which a node keeps, how it lists them, and what of a tree gets lost.

use super::manifest::{Entry, Extended, Kind, Manifest};
use super::survey::{Archives, Survey};

/// What begins the names of access lists.
const LISTS: &str = "system.posix_acl_";

/// What a node keeps of extended attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers of a node, of which none follows from the others"
)]
pub struct Attributes {
    /// Whether what unpacks archives there knows of any.
    pub unpacked: bool,
    /// Whether the node can list them. Where it can't, nobody knows which it keeps.
    pub listed: bool,
    /// Whether the file system has those of users.
    pub of_users: bool,
    /// Whether the file system has access lists.
    pub lists: bool,
    /// Whether the user there may set those of the system.
    pub superuser: bool,
}

impl Attributes {
    /// Whether one of this name is kept, as far as anybody knows.
    pub fn keep(self, name: &str) -> bool {
        let may = match name {
            _ if name.starts_with("user.") => self.of_users,
            _ if name.starts_with(LISTS) => self.lists,
            _ => self.superuser,
        };
        self.unpacked && (may || !self.listed)
    }

    /// Whether it can be told from a look at the node that one of this name is as it should be.
    pub fn compare(self, name: &str) -> bool {
        let known = ["user.", LISTS, "trusted."];
        let is_known = known.iter().any(|start| name.starts_with(start));
        self.listed && self.keep(name) && (is_known || name == "security.capability")
    }

    /// Whether two entries have the same of those that can be compared.
    pub(super) fn are_same(self, one: Values<'_>, other: Values<'_>) -> bool {
        self.compared(one).eq(self.compared(other))
    }

    /// Whether the first entry has all that the second has of those that can be compared.
    pub(super) fn has_all(self, one: Values<'_>, other: Values<'_>) -> bool {
        let there: Vec<&(String, Vec<u8>)> = self.compared(one).collect();
        self.compared(other).all(|wanted| there.contains(&wanted))
    }

    /// The names that the first entry has and the second does not, of those that can be compared, access lists aside.
    pub(super) fn has_more(self, one: Values<'_>, other: Values<'_>) -> bool {
        let there: Vec<&str> = self.compared(other).map(|(name, _)| &name[..]).collect();
        self.compared(one)
            .any(|(name, _)| !name.starts_with(LISTS) && !there.contains(&&name[..]))
    }

    /// Whether an entry has some that are kept without anybody being able to tell so.
    pub(super) fn are_unknown(self, has: Values<'_>) -> bool {
        has.iter()
            .any(|(name, _)| self.keep(name) && !self.compare(name))
    }

    fn compared(self, has: Values<'_>) -> impl Iterator<Item = &(String, Vec<u8>)> {
        has.iter().filter(move |(name, _)| self.compare(name))
    }
}

/// The extended attributes of an entry.
type Values<'a> = &'a [(String, Vec<u8>)];

/// What `getfattr -d -e hex` lists: for each path its attributes.
pub(super) fn listed(text: &[u8]) -> Vec<(Vec<u8>, Extended)> {
    let mut all: Vec<(Vec<u8>, Extended)> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"# file: ") {
            let path = plain(path);
            let path = path.strip_prefix(b"./").unwrap_or(&path);
            let path = if path == b"." { b"" } else { path };
            all.push((path.to_vec(), Vec::new()));
        } else if let Some((_, attributes)) = all.last_mut()
            && !line.is_empty()
        {
            let end = memchr::memchr(b'=', line).unwrap_or(line.len());
            let value = line.get(end + 1..).unwrap_or_default();
            if let Ok(name) = String::from_utf8(plain(&line[..end])) {
                attributes.push((name, of_hex(value.strip_prefix(b"0x").unwrap_or_default())));
            }
        }
    }
    for (_, attributes) in &mut all {
        attributes.sort();
    }
    all
}

/// A text in which odd characters are written as three octal digits after a backslash.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = byte.filter(|_| *first == b'\\') {
            out.push(byte);
            rest = &after[3..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn of_hex(digits: &[u8]) -> Vec<u8> {
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    digits.chunks(2).map_while(byte).collect()
}

/// What of a tree a node can't keep, in words that follow "can't keep".
pub fn losses(source: &Manifest, survey: &Survey) -> Vec<String> {
    let many = |is: &dyn Fn(&Entry) -> bool| source.iter().filter(|(_, entry)| is(entry)).count();
    let entries = |count: usize| {
        let plural = if count == 1 { "y" } else { "ies" };
        format!("{count} entr{plural}")
    };
    let mut losses = Vec::new();
    let others = many(&|entry| Some((entry.uid, entry.gid)) != survey.user);
    if !survey.superuser && survey.user.is_some() && others > 0 {
        losses.push(format!(
            "the owner or group of {}, since its user is not root",
            entries(others)
        ));
    }
    let lost = |entry: &Entry| {
        let mut names = source.extended(entry).iter().map(|(name, _)| name);
        names.any(|name| !survey.attributes.keep(name))
    };
    let without = many(&lost);
    if without > 0 {
        let why = match survey.archives {
            Archives::Busybox => "since its tar is that of busybox",
            Archives::Gnu => "which its file system does not have or its user may not set",
        };
        losses.push(format!(
            "extended attributes or access lists of {}, {why}",
            entries(without)
        ));
    }
    let holes = many(&|entry| entry.kind == Kind::File && entry.taken < entry.size);
    if survey.archives == Archives::Busybox && holes > 0 {
        losses.push(format!(
            "the holes of {}, since its tar is that of busybox",
            entries(holes)
        ));
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_attributes_is_read_with_odd_names() {
        let text =
            b"# file: .\nuser.z=0x\n\n# file: n\\012l\\134 =\xff\nuser.b\\075c=0x3100\nuser.a\n\n";
        let all = listed(text);
        assert_eq!(all[0], (b"".to_vec(), vec![("user.z".into(), vec![])]));
        assert_eq!(all[1].0, b"n\nl\\ =\xff");
        assert_eq!(
            all[1].1,
            [
                ("user.a".to_owned(), vec![]),
                ("user.b=c".to_owned(), vec![0x31, 0])
            ]
        );
    }

    #[test]
    fn what_is_not_kept_is_not_compared() {
        let user = Attributes {
            unpacked: true,
            listed: true,
            of_users: true,
            ..Attributes::default()
        };
        assert!(user.compare("user.a") && !user.keep("system.posix_acl_access"));
        assert!(!user.keep("trusted.x") && !user.keep("security.capability"));
        let root = Attributes {
            superuser: true,
            lists: true,
            ..user
        };
        assert!(root.compare("security.capability") && root.compare("system.posix_acl_default"));
        assert!(root.keep("btrfs.compression") && !root.compare("btrfs.compression"));
        let unlisted = Attributes {
            unpacked: true,
            ..Attributes::default()
        };
        assert!(unlisted.keep("user.a") && !unlisted.compare("user.a"));
        assert!(!Attributes::default().keep("user.a"));
    }
}
