//! What a script says that a folder contains.

use sha2::Digest as _;

use super::manifest::Entries;
use super::parts::{Parts, cut_short};
use crate::engine::Fault;
use crate::plan::Sha256;

/// What ends the path of an entry: no path within a folder has it.
const END_OF_PATH: &[u8] = b"//";

/// What a folder contains.
pub(super) struct Listing {
    /// The fingerprint of its manifest.
    pub(super) digest: Sha256,
    /// The fingerprint by which a script compares two folders.
    pub(super) mark: Sha256,
}

struct Entry<'a> {
    within: &'a [u8],
    kind: u8,
    /// Mode and size, or a link's target.
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(record: &'a [u8]) -> Result<Self, Fault> {
        let at = memchr::memmem::find(record, END_OF_PATH).ok_or_else(cut_short)?;
        let (within, rest) = (&record[..at], &record[at + END_OF_PATH.len()..]);
        match rest {
            [kind, b' ', rest @ ..] => Ok(Self {
                within,
                kind: *kind,
                rest,
            }),
            _ => Err(cut_short()),
        }
    }

    /// Sorts the names in each folder by their bytes, and a folder before what is in it.
    fn order(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.within.split(|byte| *byte == b'/')
    }

    fn numbers(&self) -> Result<(u32, u64), Fault> {
        let text = std::str::from_utf8(self.rest).map_err(|_| cut_short())?;
        let mut words = text.split(' ');
        let mode = words
            .next()
            .and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let size = words.next().map_or(Some(0), |size| size.parse().ok());
        mode.zip(size).ok_or_else(cut_short)
    }
}

/// Reads what the script wrote of a folder.
pub(super) fn read(parts: &mut Parts<'_>) -> Result<Listing, Fault> {
    let mut records = Vec::new();
    loop {
        match parts.next()? {
            b"" => break,
            record => records.push(record),
        }
    }
    let fingerprints = parts.next()?;
    let mark = mark(&mut records, fingerprints);
    let mut entries: Vec<Entry<'_>> = records
        .iter()
        .map(|record| Entry::read(record))
        .collect::<Result<_, _>>()?;
    let hashes = Hashes::read(fingerprints, &entries)?;
    entries.sort_by(|a, b| a.order().cmp(b.order()));
    digest(&entries, &hashes).map(|digest| Listing { digest, mark })
}

/// As the script makes it: of the sorted records and the fingerprints.
fn mark(records: &mut [&[u8]], fingerprints: &[u8]) -> Sha256 {
    records.sort_unstable();
    let mut hasher = sha2::Sha256::new();
    for entry in records.iter() {
        hasher.update(entry);
        hasher.update([0]);
    }
    hasher.update(fingerprints);
    Sha256::from_raw(&hasher.finalize())
}

fn digest(entries: &[Entry<'_>], hashes: &Hashes<'_>) -> Result<Sha256, Fault> {
    let [root, below @ ..] = entries else {
        return Err(cut_short());
    };
    if !root.within.is_empty() || root.kind != b'd' {
        return Err(cut_short());
    }
    let mut manifest = Entries::of_folder(root.numbers()?.0);
    for entry in below {
        let within = entry.within;
        match entry.kind {
            b'd' => manifest.add(within, 'd', entry.numbers()?.0, 0, b""),
            b'l' => manifest.add(within, 'l', 0, 0, entry.rest),
            b'f' => {
                let (mode, size) = entry.numbers()?;
                manifest.add(within, 'f', mode, size, &hashes.of(within)?);
            }
            b'o' => manifest.add(within, 'o', entry.numbers()?.0, 0, b""),
            _ => return Err(cut_short()),
        }
    }
    Ok(manifest.digest())
}

/// The fingerprints of files by name.
struct Hashes<'a>(Vec<(&'a [u8], [u8; 32])>);

impl<'a> Hashes<'a> {
    /// The script takes the files in the order of their names; a name may be written with its odd characters escaped.
    fn read(mut text: &[u8], entries: &[Entry<'a>]) -> Result<Self, Fault> {
        let files = entries.iter().filter(|entry| entry.kind == b'f');
        let mut files: Vec<&[u8]> = files.map(|entry| entry.within).collect();
        files.sort_unstable();
        let mut hashes = Vec::with_capacity(files.len());
        for within in files {
            let (hash, rest) = take_line(text, within).ok_or_else(changed)?;
            hashes.push((within, hash));
            text = rest;
        }
        if text.is_empty() {
            Ok(Self(hashes))
        } else {
            Err(changed())
        }
    }

    fn of(&self, within: &[u8]) -> Result<[u8; 32], Fault> {
        let found = self.0.binary_search_by_key(&within, |(name, _)| name);
        found.map(|at| self.0[at].1).map_err(|_| changed())
    }
}

/// The fingerprint in a line that tells of this file, and what comes after the line.
fn take_line<'t>(text: &'t [u8], within: &[u8]) -> Option<([u8; 32], &'t [u8])> {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    let (digits, rest) = text.split_at_checked(64)?;
    let rest = rest.strip_prefix(b"  ./").or(rest.strip_prefix(b" *./"))?;
    let rest = match rest
        .strip_prefix(within)
        .and_then(|rest| rest.strip_prefix(b"\n"))
    {
        Some(rest) => rest,
        None => rest.strip_prefix(&*escaped(within))?.strip_prefix(b"\n")?,
    };
    Some((raw(digits)?, rest))
}

fn escaped(name: &[u8]) -> Vec<u8> {
    name.iter().fold(Vec::new(), |mut escaped, byte| {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            other => escaped.push(*other),
        }
        escaped
    })
}

fn raw(digits: &[u8]) -> Option<[u8; 32]> {
    let mut raw = [0; 32];
    for (byte, pair) in raw.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(raw)
}

fn changed() -> Fault {
    Fault::new(
        crate::engine::FaultKind::Failed,
        "a folder changed while it was read",
    )
}
