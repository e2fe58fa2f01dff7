//! What must be known of a file before it is changed.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::attributes::{Attributes, Extended, is_computed};
use super::kept::{Bytes, Kept};
use super::parts::{Parts, cut_short};
use crate::engine::{Fault, FaultKind};

/// The size of a block of an archive.
const BLOCK: usize = 512;

/// How the name of an extended attribute begins in an archive.
const EXTENDED: &[u8] = b"SCHILY.xattr.";

/// What was found at a path, and in the step's backup.
pub(super) struct Survey {
    /// What an earlier attempt kept.
    pub(super) kept: Option<Kept>,
    /// The file; `None` where nothing is.
    pub(super) file: Option<Surveyed>,
    /// Where the folder really is that stands there instead.
    pub(super) folder: Option<PathBuf>,
}

/// A file.
pub(super) struct Surveyed {
    /// What changes when the file does.
    pub(super) identity: String,
    /// Where it really is.
    pub(super) real: PathBuf,
    pub(super) attributes: Attributes,
    /// Whether no other file can take its place.
    pub(super) must_stay: bool,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl Surveyed {
    /// The record of what is kept of it.
    pub(super) fn kept(&self) -> Kept {
        Kept::File {
            real: Bytes::of(&self.real),
            attributes: self.attributes.clone(),
        }
    }
}

impl Survey {
    /// Reads what the script wrote; `backup` is where the record of the backup is.
    pub(super) fn read(answer: &[u8], backup: &Path) -> Result<Self, Fault> {
        let mut parts = Parts::of(answer);
        let kind = parts.next()?;
        let kept = kept(parts.next()?, backup)?;
        if kind != b"file" {
            let folder = match kind {
                b"folder" => Some(parts.path()?),
                _ => None,
            };
            return Ok(Self {
                kept,
                file: None,
                folder,
            });
        }
        let identity = parts.text()?.to_owned();
        let real = parts.path()?;
        let numbers = parts.text()?;
        let must_stay = !parts.next()?.is_empty();
        let extended = extended(parts.next()?)?;
        let attributes = attributes(numbers, extended).ok_or_else(cut_short)?;
        let _size = parts.next()?;
        let (content, same) = parts.content_and_word()?;
        if same != b"same" {
            return Err(changing(&real));
        }
        Ok(Self {
            kept,
            file: Some(Surveyed {
                identity,
                real,
                attributes,
                must_stay,
                content: Zeroizing::new(content.to_vec()),
            }),
            folder: None,
        })
    }
}

/// What a backup's record says, if there is one.
pub(super) fn kept(record: &[u8], backup: &Path) -> Result<Option<Kept>, Fault> {
    if record.is_empty() {
        return Ok(None);
    }
    Kept::read(record, &backup.join("kept.json")).map(Some)
}

/// Somebody writes to it all the time.
pub(super) fn changing(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Failed,
        format!("{} changed while it was read", path.display()),
    )
}

/// Mode, owner, group, and the times of the last reading and writing.
fn attributes(numbers: &str, extended: Extended) -> Option<Attributes> {
    let words: Vec<&str> = numbers.split(' ').collect();
    let [mode, uid, gid, read_at, changed_at] = words[..] else {
        return None;
    };
    Some(Attributes {
        mode: u32::from_str_radix(mode, 8).ok()?,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        read_at: time(read_at)?,
        changed_at: time(changed_at)?,
        extended,
    })
}

/// Seconds, and nanoseconds where the node tells them. Before 1970 the fraction counts backwards from zero, too.
fn time(text: &str) -> Option<(i64, i64)> {
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, "0"));
    let (seconds, nanos) = (seconds.parse::<i64>().ok()?, nanos.parse::<i64>().ok()?);
    if text.starts_with('-') && nanos > 0 {
        return Some((seconds - 1, 1_000_000_000 - nanos));
    }
    Some((seconds, nanos))
}

/// The time as `touch` reads it.
pub(super) fn touch_time((seconds, nanos): (i64, i64)) -> String {
    if seconds < 0 && nanos > 0 {
        let whole = -(seconds + 1);
        return format!("-{whole}.{:09}", 1_000_000_000 - nanos);
    }
    format!("{seconds}.{nanos:09}")
}

/// The extended attributes in the first header of an archive, which is written as digits.
fn extended(digits: &[u8]) -> Result<Extended, Fault> {
    let text = std::str::from_utf8(digits).map_err(|_| cut_short())?;
    let archive: Vec<u8> = text
        .split_ascii_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()
        .map_err(|_| cut_short())?;
    let Some(header) = archive.get(..BLOCK).filter(|header| header[156] == b'x') else {
        return Ok(Extended::new());
    };
    let size = std::str::from_utf8(&header[124..135])
        .ok()
        .and_then(|size| usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).ok())
        .ok_or_else(cut_short)?;
    let mut records = archive.get(BLOCK..BLOCK + size).ok_or_else(cut_short)?;
    let mut found = Extended::new();
    while !records.is_empty() {
        let (record, rest) = next_record(records).ok_or_else(cut_short)?;
        records = rest;
        if let Some(named) = record.strip_prefix(EXTENDED) {
            let end = memchr::memchr(b'=', named).ok_or_else(cut_short)?;
            let name = String::from_utf8_lossy(&named[..end]);
            let name = name.replace("%3D", "=").replace("%25", "%");
            if !is_computed(&name) {
                found.insert(name, named[end + 1..].to_vec());
            }
        }
    }
    Ok(found)
}

/// A record is its own length in digits, a blank, what it says, and a line's end.
fn next_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr::memchr(b' ', records)?;
    let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
    let record = records.get(blank + 1..length.checked_sub(1)?)?;
    Some((record, &records[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_alike() {
        for (text, time) in [
            ("12.000000345", (12, 345)),
            ("0.000000000", (0, 0)),
            ("-1.000000000", (-1, 0)),
            ("-0.500000000", (-1, 500_000_000)),
            ("-2.250000000", (-3, 750_000_000)),
        ] {
            assert_eq!(super::time(text), Some(time), "{text}");
            assert_eq!(touch_time(time), text);
        }
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("x"), None);
    }

    #[test]
    fn a_header_that_makes_no_sense_is_refused() {
        assert!(extended(b"").unwrap().is_empty());
        assert!(extended(b"zz").is_err());
        let mut header = vec![0_u8; 512];
        header[156] = b'x';
        header[124..135].copy_from_slice(b"00000000017");
        let digits = |bytes: &[u8]| {
            let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            words.join(" ").into_bytes()
        };
        assert!(extended(&digits(&header)).is_err(), "it ends too early");
        header.extend_from_slice(b"99 SCHILY.xattr");
        assert!(extended(&digits(&header)).is_err(), "its length is wrong");
    }
}
