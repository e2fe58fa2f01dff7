//! Fingerprints of files on a node, as it writes them: a line each.

use std::io::{self, Write};

use super::bits::Bits;
use super::list::List;
use super::manifest::Manifest;
use super::prints::Hash;
use super::script::{self, Exec, LandError};
use super::survey::{Archives, HashKind, Survey};
use crate::remote::{Input, Patience};

/// Has a node compute the fingerprints of some files of a tree; they are told in any order.
pub(super) fn sums(
    exec: &Exec<'_>,
    patience: &Patience<'_>,
    survey: &Survey,
    kind: HashKind,
    folder: &str,
    (manifest, which): (&Manifest, &Bits),
    heard: &mut (dyn FnMut(usize, Hash) + Send),
) -> Result<(), LandError> {
    let mut odd = Bits::default();
    for (at, entry) in manifest.iter().filter(|(at, _)| which.has(*at)) {
        let is_odd = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\\');
        if manifest.path(entry).iter().any(is_odd) {
            odd.add(at);
        }
    }
    let mut plain = which.clone();
    plain.take_away(&odd);
    let on = (exec, patience, survey);
    if !plain.is_none() {
        let program = survey.program(kind);
        some_sums(on, (program, false), folder, (manifest, &plain), heard)?;
    }
    if !odd.is_none() {
        // Only GNU's own programs mark what is odd in a name.
        let how = match survey.archives {
            Archives::Gnu => (kind.program(), false),
            Archives::Busybox => (survey.program(kind), true),
        };
        some_sums(on, how, folder, (manifest, &odd), heard)?;
    }
    Ok(())
}

/// The fingerprints of files by one program, which gets one of them at a time where `each` says so.
fn some_sums(
    (exec, patience, survey): (&Exec<'_>, &Patience<'_>, &Survey),
    (program, each): (&str, bool),
    folder: &str,
    (manifest, which): (&Manifest, &Bits),
    heard: &mut (dyn FnMut(usize, Hash) + Send),
) -> Result<(), LandError> {
    let mut sums = Sums {
        line: Vec::new(),
        manifest,
        which,
        next: each.then_some(0),
        heard,
    };
    let mut list = List::new(manifest, which, &[]);
    let many = survey.processes.to_string();
    let batch = batch(which.count(), survey.processes).to_string();
    let each = if each { "each" } else { "-" };
    let arguments = [folder, program, &many, &batch, each];
    script::run(
        exec,
        script::verify(),
        &arguments,
        Input::Reader(&mut list),
        &mut sums,
        patience,
    )
    .map(|_| ())
}

/// How many files a program gets at once: each has to begin, and all shall be at work to the end.
fn batch(files: usize, processes: u32) -> usize {
    let processes = usize::try_from(processes).unwrap_or(1).max(1);
    (files / (processes * 8)).clamp(64, 512)
}

/// Hears fingerprints as they come.
struct Sums<'a> {
    line: Vec<u8>,
    manifest: &'a Manifest,
    which: &'a Bits,
    /// The file that comes next, where lines have no names.
    next: Option<usize>,
    heard: &'a mut (dyn FnMut(usize, Hash) + Send),
}

impl Sums<'_> {
    fn hear(&mut self, line: &[u8]) -> Option<()> {
        let (marked, line) = match line.strip_prefix(b"\\") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let end = memchr::memchr(b' ', line)?;
        let hash = hash(&line[..end])?;
        let at = if let Some(next) = self.next {
            let at = (next..self.manifest.len()).find(|at| self.which.has(*at))?;
            self.next = Some(at + 1);
            at
        } else {
            // ` ./path` or `*./path`.
            let path = line.get(end + 1..)?.get(1..)?.strip_prefix(b"./")?;
            let at = if marked {
                self.manifest.find(&unmarked(path))
            } else {
                self.manifest.find(path)
            };
            at.filter(|at| self.which.has(*at))?
        };
        (self.heard)(at, hash);
        Some(())
    }
}

impl Write for Sums<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.hear(&line)
                .ok_or_else(|| io::Error::other("a fingerprint of a file can't be understood"))?;
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first 32 bytes of a fingerprint in digits.
pub(super) fn hash(digits: &[u8]) -> Option<Hash> {
    let digits = std::str::from_utf8(digits.get(..64)?).ok()?;
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// A name as it was before its odd characters were marked.
fn unmarked(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, byte == &b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => b'\\',
            },
            (other, false) => *other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Kind, Known, Time};
    use super::*;

    fn heard(lines: &str, each: bool) -> Option<Vec<usize>> {
        let mut manifest = Manifest::default();
        let known = Known {
            kind: Kind::File,
            mode: 0o644,
            owner: (0, 0),
            changed: Time {
                seconds: 0,
                nanos: 0,
            },
            size: 1,
            sparse: false,
            taken: 1,
            shared: None,
        };
        let mut which = Bits::default();
        for (at, name) in [&b"a b"[..], b"c\nd\\", b"e"].iter().enumerate() {
            manifest.add(name, b"", &known).unwrap();
            which.add(at);
        }
        manifest.settle();
        let mut found = Vec::new();
        let mut sums = Sums {
            line: Vec::new(),
            manifest: &manifest,
            which: &which,
            next: each.then_some(0),
            heard: &mut |at, hash| {
                assert_eq!(hash[0], 0x1f);
                found.push(at);
            },
        };
        let done = lines
            .as_bytes()
            .chunks(7)
            .try_for_each(|part| sums.write_all(part));
        done.ok().map(|()| found)
    }

    #[test]
    fn fingerprints_are_heard_in_any_order_with_any_name() {
        let digits = "1f".repeat(64);
        let lines = format!("{digits}  ./e\n\\{digits}  ./c\\nd\\\\\n{digits} *./a b\n");
        assert_eq!(heard(&lines, false), Some(vec![2, 1, 0]));
        let lines = format!("{digits}  -\n{digits} *stdin\n");
        assert_eq!(heard(&lines, true), Some(vec![0, 1]));
    }

    #[test]
    fn what_is_no_fingerprint_of_a_file_is_refused() {
        let digits = "1f".repeat(32);
        for bad in ["", "x", &digits, &format!("{digits}  ./other")] {
            assert_eq!(heard(&format!("{bad}\n"), false), None, "{bad}");
        }
    }
}
