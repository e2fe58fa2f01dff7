//! Entries of archives, as the tar of a node unpacks them.
//!
//! GNU tar gets what POSIX calls `pax`: names of any length, times to the nanosecond, extended attributes, and files
//! with holes in the form that it calls 1.0. The tar of busybox knows none of these, but long names in GNU's old way.

use std::io::Write as _;

use super::manifest::{Kind, Time};
use super::survey::Archives;

/// The size of which all parts of an archive are multiples.
pub(super) const RECORD: usize = 512;

/// The largest number of eleven octal digits.
const OCTAL: u64 = 0o777_7777_7777;

/// What an entry's header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) path: &'a [u8],
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) owner: (u32, u32),
    pub(super) changed: Time,
    pub(super) size: u64,
    /// What a link names, or the other name of a file.
    pub(super) target: &'a [u8],
    /// Whether it is another name of a file.
    pub(super) is_further_name: bool,
    pub(super) extended: &'a [(String, Vec<u8>)],
    /// The parts of a file that are no holes: where they begin and how long they are.
    pub(super) parts: Option<&'a [(u64, u64)]>,
}

/// The header of an entry, and what stands before the content.
pub(super) fn head(head: &Head<'_>, archives: Archives) -> Vec<u8> {
    let mut name = head.path.to_vec();
    if name.is_empty() {
        name.push(b'.');
    }
    if head.kind == Kind::Folder {
        name.push(b'/');
    }
    match archives {
        Archives::Gnu => with_pax(head, name),
        Archives::Busybox => with_long_names(head, &name),
    }
}

/// The end of an archive.
pub(super) const END: [u8; 2 * RECORD] = [0; 2 * RECORD];

/// How many bytes are missing to a whole record.
pub(super) fn padding(size: u64) -> usize {
    let beyond = usize::try_from(size % 512).unwrap_or_default();
    (RECORD - beyond) % RECORD
}

fn with_pax(head: &Head<'_>, mut name: Vec<u8>) -> Vec<u8> {
    let mut records = Vec::new();
    let mut pax = |key: &str, value: &[u8]| record(key, value, &mut records);
    let mut map = Vec::new();
    let mut size = head.size;
    if let Some(parts) = head.parts {
        pax("GNU.sparse.major", b"1");
        pax("GNU.sparse.minor", b"0");
        pax("GNU.sparse.name", &name);
        pax("GNU.sparse.realsize", head.size.to_string().as_bytes());
        name = b"GNUSparseFile.0/file".to_vec();
        map = sparse_map(parts);
        let content: u64 = parts.iter().map(|(_, length)| length).sum();
        size = content + u64::try_from(map.len()).unwrap_or_default();
    }
    if name.len() > 100 {
        pax("path", &name);
    }
    if head.target.len() > 100 {
        pax("linkpath", head.target);
    }
    let Time { seconds, nanos } = head.changed;
    if nanos != 0 || seconds < 0 {
        pax("mtime", stamp(head.changed).as_bytes());
    }
    if size > OCTAL {
        pax("size", size.to_string().as_bytes());
    }
    for (key, number) in [("uid", head.owner.0), ("gid", head.owner.1)] {
        if number > 0o777_7777 {
            pax(key, number.to_string().as_bytes());
        }
    }
    for (key, value) in head.extended {
        // What separates a keyword from its value is written as GNU tar reads it.
        let key = key.replace('%', "%25").replace('=', "%3D");
        pax(&format!("SCHILY.xattr.{key}"), value);
    }
    let mut out = Vec::new();
    if !records.is_empty() {
        let extra = Plain {
            typeflag: b'x',
            size: length(&records),
            mode: 0o600,
            ..Plain::default()
        };
        extra.write(b"././@PaxHeader", b"", &mut out);
        padded(&records, &mut out);
    }
    plain(head, size).write(&name, head.target, &mut out);
    out.extend_from_slice(&map);
    out
}

fn with_long_names(head: &Head<'_>, name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (typeflag, text) in [(b'K', head.target), (b'L', name)] {
        if text.len() > 100 {
            let text = [text, b"\0"].concat();
            let long = Plain {
                typeflag,
                size: length(&text),
                mode: 0o600,
                ..Plain::default()
            };
            long.write(b"././@LongLink", b"", &mut out);
            padded(&text, &mut out);
        }
    }
    plain(head, head.size).write(name, head.target, &mut out);
    out
}

fn plain(head: &Head<'_>, size: u64) -> Plain {
    let typeflag = match head.kind {
        Kind::Folder => b'5',
        Kind::Link => b'2',
        Kind::Pipe => b'6',
        Kind::File if head.is_further_name => b'1',
        Kind::File => b'0',
    };
    Plain {
        typeflag,
        size: if typeflag == b'0' { size } else { 0 },
        mode: head.mode,
        owner: head.owner,
        seconds: head.changed.seconds,
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn padded(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.resize(out.len() + padding(length(bytes)), 0);
}

/// `12.000000034`; before 1970 the whole is negative.
fn stamp(time: Time) -> String {
    if time.seconds >= 0 || time.nanos == 0 {
        return format!("{}.{:09}", time.seconds, time.nanos);
    }
    format!("-{}.{:09}", -(time.seconds + 1), 1_000_000_000 - time.nanos)
}

/// `LENGTH KEY=VALUE` and a line's end, where the length counts itself.
fn record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn sparse_map(parts: &[(u64, u64)]) -> Vec<u8> {
    let mut map = format!("{}\n", parts.len()).into_bytes();
    for (at, length) in parts {
        // Writing into memory does not fail.
        let _ = write!(map, "{at}\n{length}\n");
    }
    map.resize(map.len() + padding(length(&map)), 0);
    map
}

/// The header that every tar knows.
#[derive(Default)]
struct Plain {
    typeflag: u8,
    size: u64,
    mode: u16,
    owner: (u32, u32),
    seconds: i64,
}

impl Plain {
    fn write(&self, name: &[u8], target: &[u8], out: &mut Vec<u8>) {
        let mut header = [0_u8; RECORD];
        let mut text = |at: usize, most: usize, value: &[u8]| {
            let value = &value[..value.len().min(most)];
            header[at..at + value.len()].copy_from_slice(value);
        };
        text(0, 100, name);
        text(157, 100, target);
        text(
            257,
            8,
            if self.typeflag == b'L' || self.typeflag == b'K' {
                b"ustar  \0"
            } else {
                b"ustar\x0000"
            },
        );
        header[156] = self.typeflag;
        let small = |number: u32| {
            if number > 0o777_7777 {
                65534
            } else {
                u64::from(number)
            }
        };
        octal(&mut header[100..108], u64::from(self.mode));
        octal(&mut header[108..116], small(self.owner.0));
        octal(&mut header[116..124], small(self.owner.1));
        octal(&mut header[124..136], self.size);
        octal(
            &mut header[136..148],
            u64::try_from(self.seconds).unwrap_or_default(),
        );
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        octal(&mut header[148..155], u64::from(sum));
        out.extend_from_slice(&header);
    }
}

/// A number in octal digits and a zero byte; one that is too large for these in binary, as GNU writes it.
fn octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    if u32::try_from(digits * 3).is_ok_and(|bits| bits < 64 && number >> bits != 0) {
        let bytes = number.to_be_bytes();
        field.fill(0);
        let at = field.len() - bytes.len();
        field[at..].copy_from_slice(&bytes);
        field[0] |= 0x80;
        return;
    }
    let mut rest = number;
    for place in field[..digits].iter_mut().rev() {
        *place = b'0' + u8::try_from(rest & 7).unwrap_or_default();
        rest >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        for length in [
            0, 1, 84, 85, 86, 87, 88, 89, 980, 981, 982, 983, 984, 985, 986, 987, 988,
        ] {
            let mut out = Vec::new();
            record("path", &vec![b'x'; length], &mut out);
            let text = String::from_utf8(out).unwrap();
            let said: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, text.len());
        }
    }

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(
            stamp(Time {
                seconds: 3,
                nanos: 4
            }),
            "3.000000004"
        );
        assert_eq!(
            stamp(Time {
                seconds: -2,
                nanos: 750_000_000
            }),
            "-1.250000000"
        );
        assert_eq!(
            stamp(Time {
                seconds: -2,
                nanos: 0
            }),
            "-2.000000000"
        );
    }

    #[test]
    fn numbers_that_are_too_large_for_digits_are_binary() {
        let mut field = [1; 12];
        octal(&mut field, 0o777_7777_7777);
        assert_eq!(&field, b"77777777777\0");
        octal(&mut field, 50 << 30);
        assert_eq!(field[0], 0x80);
        assert_eq!(u64::from_be_bytes(field[4..].try_into().unwrap()), 50 << 30);
    }
}
