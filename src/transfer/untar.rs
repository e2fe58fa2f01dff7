//! Archives that a node's tar writes, taken apart as they come.
//!
//! Only what GNU tar with `--format=gnu` and the tar of busybox write for files: names of any length in GNU's old way,
//! files with holes in GNU's old way, sizes in octal digits or in binary. Several archives may follow each other.

use std::io::{self, Write};

use super::tar::{RECORD, padding};

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: Vec<u8>,
    /// How many bytes it has, holes included.
    pub(super) size: u64,
    /// Of one with holes: where its other parts begin and how long they are, and an empty one at its end.
    pub(super) parts: Option<Vec<(u64, u64)>>,
    /// Whether it is a file at all.
    pub(super) is_file: bool,
}

/// Takes what an archive contains.
pub(super) trait Taker {
    /// A member begins; whether its content is wanted.
    fn begin(&mut self, member: Member) -> io::Result<bool>;
    /// Content of the member, without its holes.
    fn content(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// It is complete.
    fn end(&mut self) -> io::Result<()>;
}

/// An archive on its way.
pub(super) struct Untar<T> {
    pub(super) taker: T,
    record: Vec<u8>,
    state: State,
    /// The name that the next member gets, where it is long.
    name: Option<Vec<u8>>,
}

enum State {
    /// The next record is a header.
    Header,
    /// So many bytes of a name come.
    Name { left: u64, padding: u64 },
    /// The next record goes on with where a file has no holes.
    Map { member: Member, content: u64 },
    /// So many bytes of content come, which are wanted.
    Content { left: u64, padding: u64 },
    /// So many bytes are nothing to us.
    Skip(u64),
}

impl<T: Taker> Untar<T> {
    pub(super) fn new(taker: T) -> Self {
        Self {
            taker,
            record: Vec::with_capacity(RECORD),
            state: State::Header,
            name: None,
        }
    }

    /// Whether a member, or what stands before one, was begun and not ended.
    pub(super) fn is_cut(&self) -> bool {
        !matches!(self.state, State::Header | State::Skip(_)) || !self.record.is_empty()
    }

    fn hear(&mut self, record: &[u8]) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Header) {
            State::Map {
                mut member,
                content,
            } => {
                map(&record[..504], &mut member)?;
                if record[504] == 0 {
                    return self.begin(member, content);
                }
                self.state = State::Map { member, content };
                Ok(())
            }
            _ if record.iter().all(|byte| *byte == 0) => Ok(()),
            _ => self.header(record),
        }
    }

    fn header(&mut self, record: &[u8]) -> io::Result<()> {
        let sum: u64 = record.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = record[148..156].iter().map(|byte| u64::from(*byte)).sum();
        if number(&record[148..156]) != Some(sum - own + 8 * 32) {
            return Err(nonsense());
        }
        let size = number(&record[124..136]).ok_or_else(nonsense)?;
        let padding = missing(size);
        match record[156] {
            b'L' => {
                self.name = Some(Vec::new());
                self.state = State::Name {
                    left: size,
                    padding,
                };
            }
            b'K' | b'x' | b'g' => self.state = State::Skip(size + padding),
            flag => {
                let path = self.name.take().unwrap_or_else(|| text(&record[..100]));
                let mut member = Member {
                    path,
                    size,
                    parts: None,
                    is_file: matches!(flag, b'0' | 0 | b'S'),
                };
                // Of links and folders there is no content, whatever size is told.
                let content = if member.is_file { size } else { 0 };
                if flag != b'S' {
                    return self.begin(member, content);
                }
                member.size = number(&record[483..495]).ok_or_else(nonsense)?;
                member.parts = Some(Vec::new());
                map(&record[386..482], &mut member)?;
                if record[482] == 0 {
                    return self.begin(member, content);
                }
                self.state = State::Map { member, content };
            }
        }
        Ok(())
    }

    fn begin(&mut self, mut member: Member, content: u64) -> io::Result<()> {
        if let Some(parts) = &mut member.parts {
            let mut reached = 0;
            let mut all = 0;
            for (start, length) in &*parts {
                let in_order = *start >= reached && *length <= member.size - reached;
                reached = start.saturating_add(*length);
                all += length;
                if !in_order || reached > member.size {
                    return Err(nonsense());
                }
            }
            if all != content {
                return Err(nonsense());
            }
            parts.push((member.size, 0));
        }
        let padding = missing(content);
        if !self.taker.begin(member)? {
            self.state = State::Skip(content + padding);
        } else if content == 0 {
            self.taker.end()?;
        } else {
            self.state = State::Content {
                left: content,
                padding,
            };
        }
        Ok(())
    }
}

impl<T: Taker> Write for Untar<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let much = match &mut self.state {
                State::Header | State::Map { .. } => {
                    let much = rest.len().min(RECORD - self.record.len());
                    self.record.extend_from_slice(&rest[..much]);
                    if self.record.len() == RECORD {
                        let record = std::mem::take(&mut self.record);
                        self.hear(&record)?;
                        self.record = record;
                        self.record.clear();
                    }
                    much
                }
                State::Name { left, padding } => {
                    let much = most(*left);
                    let name = self.name.get_or_insert_default();
                    // A path that is longer than the system's longest is none of ours.
                    if name.len() + much > 64 << 10 {
                        return Err(nonsense());
                    }
                    name.extend_from_slice(&rest[..much]);
                    *left -= wide(much);
                    if *left == 0 {
                        while name.last() == Some(&0) {
                            name.pop();
                        }
                        self.state = State::Skip(*padding);
                    }
                    much
                }
                State::Content { left, padding } => {
                    let much = most(*left);
                    *left -= wide(much);
                    let after = (*left == 0).then_some(*padding);
                    self.taker.content(&rest[..much])?;
                    if let Some(padding) = after {
                        self.taker.end()?;
                        self.state = State::Skip(padding);
                    }
                    much
                }
                State::Skip(left) => {
                    let much = most(*left);
                    *left -= wide(much);
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    much
                }
            };
            rest = &rest[much..];
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wide(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}

fn missing(size: u64) -> u64 {
    wide(padding(size))
}

fn nonsense() -> io::Error {
    io::Error::other("what the tar of the node writes can't be understood")
}

/// A text up to the first zero byte.
fn text(field: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    field[..end].to_vec()
}

/// A number in octal digits, or in binary where these don't suffice.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let mut wide = rest.iter();
        return wide.try_fold(0_u64, |all, byte| {
            Some(all.checked_mul(256)? | u64::from(*byte))
        });
    }
    let digits = text(field);
    let digits = std::str::from_utf8(&digits).ok()?.trim();
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}

/// Reads where a file has no holes.
fn map(fields: &[u8], member: &mut Member) -> io::Result<()> {
    let parts = member.parts.get_or_insert_default();
    for field in fields.chunks_exact(24) {
        if field[0] == 0 {
            break;
        }
        let start = number(&field[..12]).ok_or_else(nonsense)?;
        let length = number(&field[12..]).ok_or_else(nonsense)?;
        // It ends with an empty part, which is added for all alike.
        if length > 0 {
            parts.push((start, length));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;
    use std::process::Command;

    use super::*;

    #[derive(Default)]
    struct All(Vec<(Member, Vec<u8>)>, bool);

    impl Taker for All {
        fn begin(&mut self, member: Member) -> io::Result<bool> {
            assert!(!self.1);
            self.1 = member.path != b"./passed over";
            self.0.push((member, Vec::new()));
            Ok(self.1)
        }

        fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.last_mut().unwrap().1.extend_from_slice(bytes);
            Ok(())
        }

        fn end(&mut self) -> io::Result<()> {
            self.1 = false;
            Ok(())
        }
    }

    fn taken(archive: &[u8], size: usize) -> io::Result<Vec<(Member, Vec<u8>)>> {
        let mut untar = Untar::new(All::default());
        for chunk in archive.chunks(size) {
            untar.write_all(chunk)?;
        }
        assert!(!untar.is_cut());
        Ok(untar.taker.0)
    }

    #[test]
    fn archives_of_both_kinds_are_taken_apart_however_they_arrive() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(150), "e\n".repeat(80));
        fs::create_dir(folder.path().join("d".repeat(150))).unwrap();
        let large = vec![b'z'; 70_000];
        let many = [&b"x"[..], b"", &[b'y'; 512], &large];
        let names = ["a", "passed over", "b c", &long];
        for (name, content) in names.iter().zip(many) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let holes = fs::File::create(folder.path().join("holes")).unwrap();
        holes.set_len(20_000_000).unwrap();
        // More parts than one header has room for, and the end is a hole.
        for at in 0..40 {
            holes.write_all_at(b"part", at * 400_000).unwrap();
        }
        let words: Vec<String> = names.iter().map(|name| format!("./{name}")).collect();
        let write = |program: &[&str], more: &[&str]| {
            let made = Command::new(program[0])
                .args(&program[1..])
                .args(words.iter().map(String::as_str).chain(more.iter().copied()))
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            made.stdout
        };
        let gnu = ["tar", "--create", "--file=-", "--format=gnu", "--sparse"];
        let archives = [
            write(&gnu, &["./holes"]),
            write(&["busybox", "tar", "-c", "-f", "-"], &[]),
        ];
        for archive in &archives {
            let twice = [&archive[..], archive].concat();
            for size in [1, 511, 100_000] {
                let all = taken(&twice, size).unwrap();
                for all in all.chunks(all.len() / 2) {
                    for ((member, content), (name, wanted)) in
                        all.iter().zip(names.iter().zip(many))
                    {
                        assert_eq!(member.path, format!("./{name}").as_bytes());
                        assert_eq!(member.size, wide(wanted.len()));
                        assert_eq!(content, wanted, "{name:?}");
                    }
                    let Some((member, content)) = all.get(4) else {
                        continue;
                    };
                    let parts = member.parts.as_ref().unwrap();
                    assert_eq!((member.size, parts.len()), (20_000_000, 41));
                    assert_eq!(parts[40], (20_000_000, 0));
                    assert!(content.starts_with(b"part"));
                }
            }
        }
        let mut broken = archives[0].clone();
        broken[3] ^= 1;
        assert!(taken(&broken, 512).is_err());
    }

    #[test]
    fn numbers_beyond_octal_digits_are_read() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b" 17 \0"), Some(15));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(2 << 32));
        assert_eq!(number(b"\x80\xff\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"9"), None);
    }
}
