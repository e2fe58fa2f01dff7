//! The tree that is copied, on another machine: what it contains is told by the machine itself, and nothing is written
//! there.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::manifest::{Extended, Precision, fingerprint};
use super::read::is_quick_here;
use super::rules::Rules;
use super::script::{self, LandError};
use super::source::{Fingerprints, NOT_CARRIED, Source};
use super::survey::{Archives, HashKind, Reader, Standing, Survey};
use crate::remote::{Exit, Input, Line, Patience, RemoteError, RemoteErrorKind, Streams};

/// Runs a command on a machine, from whatever thread.
pub type Far = dyn Fn(&Line, Streams<'_>, &Patience<'_>) -> Result<Exit, RemoteError> + Send + Sync;

/// A machine that a tree comes from.
#[derive(Clone)]
pub struct Origin {
    /// Its name, for people.
    pub name: String,
    /// Runs commands there. Several may run at once.
    pub exec: Arc<Far>,
}

/// What is known of the machine that a tree comes from.
#[derive(Clone)]
pub(super) struct Afar {
    pub(super) origin: Origin,
    pub(super) archives: Archives,
    pub(super) hash: HashKind,
    precision: Precision,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.name).finish()
    }
}

impl fmt::Debug for Afar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl Source {
    /// Asks a machine what a folder of it contains.
    pub fn survey(
        origin: Origin,
        path: &str,
        rules: &Rules,
        patience: &Patience<'_>,
    ) -> Result<Self, LandError> {
        let mut reader = Reader::without(rules);
        let exec = &*origin.exec;
        let arguments = [path, "-", "-", "-", "all", "-"];
        script::run(
            &exec,
            script::survey(),
            &arguments,
            Input::Nothing,
            &mut reader,
            patience,
        )?;
        let survey = reader.finish().ok_or_else(|| cut_short(path))?;
        match survey.standing {
            Standing::Folder => {}
            Standing::Nothing => {
                return Err(LandError::NoSource(format!("there is no folder {path}")));
            }
            Standing::Other => {
                return Err(LandError::NoSource(format!("{path} is not a folder")));
            }
        }
        let mut attributes = Attributes::default();
        script::run(
            &exec,
            script::extended(),
            &[&survey.tree],
            Input::Nothing,
            &mut attributes,
            patience,
        )?;
        let precision = survey.precision();
        let mut manifest = survey.live.into_manifest();
        for (path, mut found) in attributes.found {
            found.sort();
            manifest.extend(&path, found);
        }
        let root = PathBuf::from(survey.tree);
        Ok(Self {
            left_out: survey.odd.iter().map(|odd| join(&root, odd)).collect(),
            attributes_unknown: attributes.by.as_deref() == Some(b"none"),
            manifest: Arc::new(manifest),
            afar: Some(Afar {
                archives: survey.archives,
                hash: survey.hash,
                precision,
                origin,
            }),
            read: Instant::now(),
            fingerprints: Fingerprints::default(),
            sample: Mutex::default(),
            root,
        })
    }

    /// Whether another machine has it.
    pub fn is_afar(&self) -> bool {
        self.afar.is_some()
    }

    /// The kind of fingerprints that both sides can compute, and that is fast for both.
    pub(super) fn hash_with(&self, other: &Survey) -> HashKind {
        // Where there is `b2sum`, `sha256sum` is, too; the reverse is not so.
        match &self.afar {
            Some(afar) if afar.hash == HashKind::Sha256 => HashKind::Sha256,
            None if other.quick.is_some() && is_quick_here() => HashKind::Sha256,
            _ => other.hash,
        }
    }

    /// A place in the tree, for people.
    pub(super) fn shown(&self, place: &std::path::Path) -> String {
        match &self.afar {
            Some(afar) => format!("{}:{}", afar.origin.name, place.display()),
            None => place.display().to_string(),
        }
    }

    /// Where the tree is, for people.
    pub(super) fn whereabouts(&self) -> String {
        match &self.afar {
            Some(afar) => format!("on {}", afar.origin.name),
            None => "here".to_owned(),
        }
    }

    /// The fingerprint of all that is copied.
    pub fn digest(&self) -> [u8; 32] {
        let kept = self
            .afar
            .as_ref()
            .map_or(Precision::Nanos, |afar| afar.precision);
        let entries = self.manifest.iter();
        fingerprint(entries.map(|(_, entry)| self.manifest.mark(entry, kept)))
    }
}

fn join(root: &std::path::Path, path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    root.join(std::ffi::OsStr::from_bytes(path))
}

fn cut_short(path: &str) -> LandError {
    let what = format!("what the node said of {path} was cut short or can't be understood");
    RemoteError::new(RemoteErrorKind::Lost, what).into()
}

/// Reads what `getfattr` says, as it comes.
#[derive(Default)]
struct Attributes {
    /// What found them.
    by: Option<Vec<u8>>,
    line: Vec<u8>,
    path: Option<Vec<u8>>,
    found: Vec<(Vec<u8>, Extended)>,
}

impl Attributes {
    fn hear(&mut self, line: &[u8]) {
        if self.by.is_none() {
            self.by = Some(line.to_vec());
        } else if let Some(path) = line.strip_prefix(b"# file: ") {
            let path = unquoted(path);
            let path = path.strip_prefix(b"./").unwrap_or(&path);
            self.path = Some(if path == b"." {
                Vec::new()
            } else {
                path.to_vec()
            });
        } else if let Some((name, value)) = attribute(line)
            && !NOT_CARRIED.contains(&&*name)
            && let Some(path) = &self.path
        {
            match self.found.last_mut() {
                Some((last, all)) if last == path => all.push((name, value)),
                _ => self.found.push((path.clone(), vec![(name, value)])),
            }
        }
    }
}

impl Write for Attributes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.hear(&line);
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `user.name=0x6162`.
fn attribute(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = memchr::memchr(b'=', line)?;
    let name = String::from_utf8(unquoted(&line[..at])).ok()?;
    let digits = line[at + 1..].strip_prefix(b"0x")?;
    let value = digits.chunks(2).map(|two| {
        let two = std::str::from_utf8(two).ok().filter(|two| two.len() == 2)?;
        u8::from_str_radix(two, 16).ok()
    });
    Some((name, value.collect::<Option<_>>()?))
}

/// A name as it is, of which odd characters are written as three octal digits.
fn unquoted(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..3).filter(|_| *first == b'\\');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[3..] } else { more };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_however_they_arrive() {
        let said =
            b"getfattr\n# file: .\nuser.r=0x\n\n# file: a\\012b\\134\nuser.od\\075d=0x3100\n\
            security.selinux=0x31\n\n# file: \xff\nuser.q=0x3\nuser.p=0xff\n";
        for size in [1, 5, 1000] {
            let mut attributes = Attributes::default();
            said.chunks(size)
                .for_each(|chunk| attributes.write_all(chunk).unwrap());
            let one = |path: &[u8], name: &str, value: &[u8]| {
                (path.to_vec(), vec![(name.to_owned(), value.to_vec())])
            };
            assert_eq!(
                attributes.found,
                [
                    one(b"", "user.r", b""),
                    one(b"a\nb\\", "user.od=d", b"1\0"),
                    one(b"\xff", "user.p", b"\xff"),
                ]
            );
        }
    }
}
