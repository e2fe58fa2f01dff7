//! The lists of known hosts: which key a host is known by, read as OpenSSH reads them.
//!
//! A line that OpenSSH skips is skipped here, too. Only the name is compared, never the address, unless the address is
//! the name. A port other than 22 belongs to the name, as in `[web1]:2222`; a host that is not known with its port may
//! be known without it.

mod entry;
mod hashed_name;
mod key;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FlockOperation;

use super::ssh_config::Place;
pub use entry::KeyMark;
use entry::{Entry, Names};
use hashed_name::HashedName;
pub use key::HostKey;

/// The port that no name mentions.
const USUAL_PORT: u16 = 22;

/// The most bytes that are read of a list.
const LONGEST: u64 = 256 << 20;

/// What the lists say about a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStanding {
    /// The host is known by it, as this line says.
    Known(Place),
    /// Nothing is known about the host.
    Unknown,
    /// The host is known by other keys only, even if they are of other kinds.
    Changed(Vec<KnownKey>),
    /// This line says that nobody may use the key.
    Revoked(Place),
}

/// A key by which a host is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Where it stands.
    pub place: Place,
    /// Its kind, such as `ssh-ed25519`.
    pub kind: String,
    /// Its fingerprint as OpenSSH shows it.
    pub fingerprint: String,
    /// What the line says about it.
    pub mark: KeyMark,
}

/// All lists of known hosts.
#[derive(Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Where each name without wildcards stands.
    by_name: HashMap<String, Vec<usize>>,
    /// Lines that have to be looked at for every host.
    others: Vec<usize>,
    unreadable: Vec<(PathBuf, io::ErrorKind)>,
    /// Where each name stands that was looked for: a hashed name costs two hashes to compare, and each host asks often.
    looked_for: Mutex<HashMap<String, Arc<[usize]>>>,
    /// What was added since.
    added: Mutex<Vec<Entry>>,
}

impl KnownHosts {
    /// Reads the lists in this order. One that is not there is empty, and so is one that can't be read, as for OpenSSH;
    /// [`Self::unreadable`] tells of that.
    pub fn read<'p>(files: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        let mut hosts = Self::default();
        for path in files {
            match bytes(path) {
                Ok(bytes) => hosts.add(path, &bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => hosts.unreadable.push((path.clone(), error.kind())),
            }
        }
        hosts
    }

    /// Lists that are there and can't be read, and why.
    pub fn unreadable(&self) -> &[(PathBuf, io::ErrorKind)] {
        &self.unreadable
    }

    /// Adds what a list says.
    pub fn add(&mut self, path: &Path, bytes: &[u8]) {
        self.looked_for
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let file: Arc<str> = path.to_string_lossy().into();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let place = Place {
                file: file.clone(),
                line: number + 1,
            };
            let Some(entry) = Entry::read(&String::from_utf8_lossy(line), &place) else {
                continue;
            };
            let at = self.entries.len();
            match &entry.names {
                Names::Exactly(names) => {
                    for name in names {
                        let places = self.by_name.entry(name.clone()).or_default();
                        if places.last() != Some(&at) {
                            places.push(at);
                        }
                    }
                }
                Names::Hashed(_) | Names::Patterns(_) => self.others.push(at),
            }
            self.entries.push(entry);
        }
    }

    /// What is known about a key of a host. `host` is the name that [`super::HostConfig::known_as`] gives.
    pub fn check(&self, host: &str, port: u16, key: &HostKey) -> KeyStanding {
        let standing = self.check_name(&with_port(host, port), key);
        if standing != KeyStanding::Unknown || port == USUAL_PORT {
            return standing;
        }
        match self.check_name(host, key) {
            // That the host has other keys at its usual port says nothing about this one.
            KeyStanding::Changed(_) => KeyStanding::Unknown,
            standing => standing,
        }
    }

    fn check_name(&self, name: &str, key: &HostKey) -> KeyStanding {
        let entries = self.of(name);
        let same = |mark| {
            let mut entries = entries.iter();
            entries.find(|entry| entry.mark == mark && entry.key == *key)
        };
        if let Some(entry) = same(KeyMark::Revoked) {
            return KeyStanding::Revoked(entry.place.clone());
        }
        if let Some(entry) = same(KeyMark::Plain) {
            return KeyStanding::Known(entry.place.clone());
        }
        let others = entries.iter().filter(|entry| entry.mark == KeyMark::Plain);
        let others: Vec<_> = others.map(Entry::known).collect();
        if others.is_empty() {
            return KeyStanding::Unknown;
        }
        KeyStanding::Changed(others)
    }

    /// The kinds of keys by which a host is known, in the order of the lists: the ones to ask for first. A host that is
    /// known by other kinds only counts as changed.
    pub fn kinds(&self, host: &str, port: u16) -> Vec<String> {
        let mut kinds = self.kinds_of(&with_port(host, port));
        if kinds.is_empty() && port != USUAL_PORT {
            kinds = self.kinds_of(host);
        }
        kinds
    }

    fn kinds_of(&self, name: &str) -> Vec<String> {
        let mut kinds = Vec::new();
        for entry in self.of(name) {
            let kind = entry.key.kind();
            if entry.mark == KeyMark::Plain && !kinds.iter().any(|known| known == kind) {
                kinds.push(kind.to_owned());
            }
        }
        kinds
    }

    /// The keys by which a host is known, as lists have them after its name.
    pub fn keys(&self, host: &str, port: u16) -> Vec<String> {
        let keys_of = |name: &str| -> Vec<String> {
            let entries = self.of(name);
            let plain = entries.iter().filter(|it| it.mark == KeyMark::Plain);
            let revoked: Vec<_> = entries
                .iter()
                .filter(|it| it.mark == KeyMark::Revoked)
                .collect();
            plain
                .filter(|it| !revoked.iter().any(|other| other.key == it.key))
                .map(|it| it.key.to_words())
                .collect()
        };
        let keys = keys_of(&with_port(host, port));
        if keys.is_empty() && port != USUAL_PORT {
            return keys_of(host);
        }
        keys
    }

    /// Every line about a host, in the order of the lists.
    pub fn lines(&self, host: &str, port: u16) -> Vec<KnownKey> {
        let entries = self.of(&with_port(host, port));
        entries.iter().map(Entry::known).collect()
    }

    /// Why only OpenSSH can judge the host's key, in a sentence that names the line; nothing if the lists do.
    pub fn beyond_ssh2(&self, host: &str, port: u16) -> Option<String> {
        let entries = self.of(&with_port(host, port));
        let authority = entries
            .iter()
            .find(|entry| entry.mark == KeyMark::Authority)?;
        Some(format!(
            "`@cert-authority` ({}) says that the host's key is signed by another key",
            authority.place
        ))
    }

    /// Where a name stands, in the order of the lists.
    fn places(&self, name: &str) -> Arc<[usize]> {
        let known = || {
            self.looked_for
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(places) = known().get(name) {
            return Arc::clone(places);
        }
        let small = name.to_ascii_lowercase();
        let mut places = self.by_name.get(&small).cloned().unwrap_or_default();
        let others = self.others.iter().copied();
        places.extend(others.filter(|at| self.entries[*at].names.contain(name)));
        places.sort_unstable();
        let places: Arc<[usize]> = places.into();
        known().insert(name.to_owned(), Arc::clone(&places));
        places
    }

    /// The lines for a name, in their order.
    fn of(&self, name: &str) -> Vec<Entry> {
        let places = self.places(name);
        let mut entries: Vec<_> = places.iter().map(|at| self.entries[*at].clone()).collect();
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        entries.extend(
            added
                .iter()
                .filter(|entry| entry.names.contain(name))
                .cloned(),
        );
        entries
    }

    /// Writes a new host's key at the end of a list, which is made if it is not there, and knows it from then on.
    /// `hashed`: so that nobody can read the name.
    pub fn remember(
        &self,
        file: &Path,
        host: &str,
        port: u16,
        key: &HostKey,
        hashed: bool,
    ) -> io::Result<()> {
        let name = with_port(&host.to_ascii_lowercase(), port);
        if host.is_empty()
            || host.contains(|c: char| {
                c.is_whitespace() || c.is_control() || "@?*#[]|'\"\\,!".contains(c)
            })
        {
            let what = format!(
                "`{}` is a name that no list of known hosts can hold",
                host.escape_debug()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        // Two connections to one new host add it once.
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if added
            .iter()
            .any(|entry| entry.key == *key && entry.names.contain(&name))
        {
            return Ok(());
        }
        let written = if hashed {
            HashedName::write(&name, &salt()?)
        } else {
            None
        };
        let written = written.unwrap_or_else(|| name.clone());
        append(file, &format!("{written} {}\n", key.to_words()))?;
        added.push(Entry {
            place: Place {
                file: file.to_string_lossy().into(),
                line: 0,
            },
            mark: KeyMark::Plain,
            names: Names::Exactly(vec![name]),
            key: key.clone(),
        });
        Ok(())
    }
}

/// A host's name as the lists have it.
fn with_port(host: &str, port: u16) -> String {
    match port {
        USUAL_PORT => host.to_owned(),
        port => format!("[{host}]:{port}"),
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if crate::remote::ssh_config::is_waited_for(path) {
        return Err(io::Error::other("it is a pipe or a device"));
    }
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn salt() -> io::Result<[u8; 20]> {
    let mut salt = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

/// Adds a line in one write, on a line of its own, while no other clusterctl does.
fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        && !folder.exists()
    {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    // Where files can't be locked, lines are still whole.
    let _ = rustix::fs::flock(&file, FlockOperation::LockExclusive);
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let break_before = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{break_before}{line}").as_bytes())
}
