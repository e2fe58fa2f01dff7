//! Files on any machine, by way of commands: what applies to a command, such as `sudo`, applies to them alike.
//!
//! The commands are small scripts for a POSIX shell with the everyday tools of GNU or busybox. They need no folder but
//! the file's own, and run nothing from a file system that may forbid it.

use std::ffi::OsString;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt as _;

use zeroize::Zeroizing;

use super::file_error::{FileError, FileErrorKind};
use super::{Exit, Host, Input, Line, Output, Patience, Streams};

const READ: &str = include_str!("files/read.sh");
const STAT: &str = include_str!("files/stat.sh");
const LIST: &str = include_str!("files/list.sh");
const WRITE: &str = include_str!("files/write.sh");

/// How often a file that changes while it is read is read again.
const TRIES: usize = 5;

/// Room for what a script says about a file.
const TOLD: usize = 4 << 10;

/// Room for what the tools say when something is wrong.
const SAID: usize = 256 << 10;

/// Room for a folder's list.
const LISTED: usize = 256 << 20;

/// The files of a machine. Paths are absolute; links are followed.
pub struct Files<'a> {
    host: &'a dyn Host,
}

/// Which file it is, and in which state: another one, or the same after a change, has another identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its permissions, with those of `setuid` and the like.
    pub mode: u32,
    /// The number of its owner.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
    /// When its content last changed, in seconds since 1970.
    pub modified: i64,
    /// Which one it is, and in which state.
    pub identity: Identity,
}

/// A kind of thing that has a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// A file that was read.
#[derive(Debug)]
pub struct Content {
    /// All of its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What the file was while it was read.
    pub stat: Stat,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the folder.
    pub name: OsString,
    /// What it is; links are not followed here.
    pub stat: Stat,
}

/// What a file must be for it to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnlyIf {
    /// Whatever it is, and even if it is not there.
    #[default]
    Any,
    /// Not there.
    Absent,
    /// Still what it was.
    Still(Identity),
}

/// How a file is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writing {
    /// Its permissions; without them it keeps those that it has, and a new one is for its owner only.
    pub mode: Option<u32>,
    /// What it must be until the moment at which it is replaced.
    pub only_if: OnlyIf,
}

impl<'a> Files<'a> {
    /// The files of this machine.
    pub fn of(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// Reads a file whole, up to this size.
    pub fn read(
        &self,
        path: &str,
        most: usize,
        patience: &Patience<'_>,
    ) -> Result<Content, FileError> {
        let one_more = most.saturating_add(1).to_string();
        for _ in 0..TRIES {
            let mut out = Output::at_most(most.saturating_add(TOLD));
            self.run(
                READ,
                "read",
                &[path, &one_more],
                Input::Nothing,
                &mut out,
                patience,
            )?;
            let (before, content, after) = parts(out.bytes()).ok_or_else(|| gibberish(path))?;
            if content.len() > most {
                let what =
                    format!("{path} has more than {most} bytes, which is more than is taken");
                return Err(FileError::new(FileErrorKind::TooLarge, what));
            }
            if before == after {
                return Ok(Content {
                    bytes: Zeroizing::new(content.to_vec()),
                    stat: Stat::parse(before).ok_or_else(|| gibberish(path))?,
                });
            }
        }
        Err(unsteady(path))
    }

    /// Passes on what a file holds. When it changes meanwhile, that is an error, after some bytes of it.
    pub fn read_to(
        &self,
        path: &str,
        out: &mut (dyn Write + Send),
        patience: &Patience<'_>,
    ) -> Result<Stat, FileError> {
        let mut telling = Telling::new(out);
        self.run(
            READ,
            "read",
            &[path, "whole"],
            Input::Nothing,
            &mut telling,
            patience,
        )?;
        let stat = telling.stat.ok_or_else(|| gibberish(path))?;
        let after = telling.after.strip_prefix(b"\n").and_then(Stat::parse);
        if telling.left == 0 && after.as_ref() == Some(&stat) {
            Ok(stat)
        } else {
            Err(unsteady(path))
        }
    }

    /// Puts a file of this content there. Others see the old one or the new one, whole.
    pub fn write(
        &self,
        path: &str,
        content: &[u8],
        writing: &Writing,
        patience: &Patience<'_>,
    ) -> Result<Stat, FileError> {
        let length = content.len() as u64;
        self.put(path, Input::Bytes(content), length, writing, patience)
    }

    /// The same with content from a reader, which gives exactly so many bytes.
    pub fn write_from(
        &self,
        path: &str,
        content: &mut (dyn Read + Send),
        length: u64,
        writing: &Writing,
        patience: &Patience<'_>,
    ) -> Result<Stat, FileError> {
        self.put(path, Input::Reader(content), length, writing, patience)
    }

    fn put(
        &self,
        path: &str,
        content: Input<'_>,
        length: u64,
        writing: &Writing,
        patience: &Patience<'_>,
    ) -> Result<Stat, FileError> {
        let mode = writing.mode.map(|mode| format!("{:o}", mode & 0o7777));
        let now = match &writing.only_if {
            OnlyIf::Any => "",
            OnlyIf::Absent => "absent",
            OnlyIf::Still(Identity(identity)) => identity,
        };
        let length = length.to_string();
        let own = own_name();
        let arguments = [path, mode.as_deref().unwrap_or(""), now, &length, &own];
        let mut out = Output::at_most(TOLD);
        self.run(WRITE, "write", &arguments, content, &mut out, patience)?;
        Stat::parse(out.bytes()).ok_or_else(|| gibberish(path))
    }

    /// What a path leads to, if it leads to something.
    pub fn stat(&self, path: &str, patience: &Patience<'_>) -> Result<Option<Stat>, FileError> {
        let mut out = Output::at_most(TOLD);
        match self.run(STAT, "look at", &[path], Input::Nothing, &mut out, patience) {
            Ok(()) => Stat::parse(out.bytes())
                .ok_or_else(|| gibberish(path))
                .map(Some),
            Err(error) if error.kind() == Some(FileErrorKind::Absent) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is in a folder, by name.
    pub fn list(&self, folder: &str, patience: &Patience<'_>) -> Result<Vec<Entry>, FileError> {
        let mut out = Output::at_most(LISTED);
        self.run(LIST, "list", &[folder], Input::Nothing, &mut out, patience)?;
        let mut entries = Vec::new();
        let mut rest = out.bytes();
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\n//\n").ok_or_else(|| gibberish(folder))?;
            entries.push(Entry::parse(&rest[..end]).ok_or_else(|| gibberish(folder))?);
            rest = &rest[end + 4..];
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn run(
        &self,
        script: &str,
        verb: &str,
        arguments: &[&str],
        mut input: Input<'_>,
        mut out: &mut (dyn Write + Send),
        patience: &Patience<'_>,
    ) -> Result<(), FileError> {
        let path = arguments.first().copied().unwrap_or_default();
        if !path.starts_with('/') {
            let what = format!("`{path}` is no absolute path");
            return Err(FileError::new(FileErrorKind::Other, what));
        }
        let line = Line::script(script, "clusterctl-files", arguments.iter().copied())
            .map_err(|error| FileError::new(FileErrorKind::Other, format!("{path:?}: {error}")))?;
        let mut err = Output::at_most(SAID);
        let streams = Streams {
            input: input.lent(),
            out: &mut out,
            err: &mut err,
        };
        match self.host.exec(&line, streams, patience)? {
            Exit::Code(0) => Ok(()),
            exit => refusal(verb, path, &exit, &err.text()),
        }
    }
}

/// A part of a name that no other file has while it is written, wherever else its folder is seen: process numbers are
/// the same on several machines.
fn own_name() -> String {
    RandomState::new().hash_one(std::process::id()).to_string()
}

/// What a script's end means.
fn refusal(verb: &str, path: &str, exit: &Exit, said: &str) -> Result<(), FileError> {
    let (kind, why) = match exit {
        Exit::Code(11) => (FileErrorKind::NotAFile, "it is no regular file".to_owned()),
        Exit::Code(12) => (
            FileErrorKind::Changed,
            "it is not what it was when it was looked at".to_owned(),
        ),
        Exit::Code(13) => (
            FileErrorKind::Incomplete,
            "its content did not arrive whole".to_owned(),
        ),
        Exit::Code(14) => (FileErrorKind::Folder, "it is a folder".to_owned()),
        // The shell itself, or what it was run by.
        Exit::Code(126 | 127) | Exit::Signal(_) => (FileErrorKind::Other, last_words(exit, said)),
        Exit::Code(16) => (FileErrorKind::Denied, "it can't be entered".to_owned()),
        Exit::Code(_) => in_words(verb, exit, said),
    };
    // What was in a folder and is gone by now was not in it.
    let is_gone =
        |line: &str| line.contains("'./") && line.ends_with(": No such file or directory");
    if verb == "list" && kind == FileErrorKind::Absent && said.lines().all(is_gone) {
        return Ok(());
    }
    Err(FileError::new(kind, format!("can't {verb} {path}: {why}")))
}

/// The last thing that a tool said which has a meaning, or the last thing at all.
fn in_words(verb: &str, exit: &Exit, said: &str) -> (FileErrorKind, String) {
    let mut lines = said.lines().rev().map(str::trim);
    let known = lines.find_map(|line| {
        let words = line.rsplit(": ").next()?;
        Some((FileErrorKind::from_words(words)?, words.to_owned()))
    });
    let known = known.map(|(kind, words)| {
        let words = match (kind, verb) {
            (FileErrorKind::Absent, "write") => "its folder is not there".to_owned(),
            (FileErrorKind::Absent, _) => "it is not there".to_owned(),
            _ => lower_first(&words),
        };
        (kind, words)
    });
    known.unwrap_or_else(|| (FileErrorKind::Other, last_words(exit, said)))
}

fn last_words(exit: &Exit, said: &str) -> String {
    let mut lines = said.lines().rev().map(str::trim);
    let said = match lines.find(|line| !line.is_empty()) {
        Some(line) => format!(" and said `{line}`"),
        None => String::new(),
    };
    format!("the command for it ended with {exit}{said}")
}

fn lower_first(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn gibberish(path: &str) -> FileError {
    let what = format!(
        "what the machine says about {path} can't be understood: it needs `stat`, `head`, `find` and `mktemp` as GNU or busybox have them"
    );
    FileError::new(FileErrorKind::Other, what)
}

fn unsteady(path: &str) -> FileError {
    let what = format!("{path} changes while it is read");
    FileError::new(FileErrorKind::Changed, what)
}

/// What a file was, its content, and what it was then.
fn parts(told: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = memchr::memchr(b'\n', told)?;
    let told = told.strip_suffix(b"\n")?;
    let last = memchr::memrchr(b'\n', told)?;
    Some((
        &told[..first],
        told.get(first + 1..last)?,
        &told[last + 1..],
    ))
}

impl Stat {
    /// Reads `%f %s %u %g %Y %d:%i:%s:%y:%z`.
    fn parse(told: &[u8]) -> Option<Self> {
        let told = std::str::from_utf8(told).ok()?.trim_end_matches('\n');
        let mut fields = told.splitn(6, ' ');
        let mode = u32::from_str_radix(fields.next()?, 16).ok()?;
        Some(Self {
            kind: match mode & 0o170_000 {
                0o100_000 => Kind::File,
                0o040_000 => Kind::Folder,
                0o120_000 => Kind::Link,
                _ => Kind::Other,
            },
            size: fields.next()?.parse().ok()?,
            mode: mode & 0o7777,
            owner: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            modified: fields.next()?.parse().ok()?,
            identity: Identity(fields.next()?.to_owned()),
        })
    }
}

impl Entry {
    fn parse(told: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b'\n', told)?;
        let name = told[end + 1..].strip_prefix(b"./")?;
        Some(Self {
            name: OsString::from_vec(name.to_vec()),
            stat: Stat::parse(&told[..end])?,
        })
    }
}

/// Takes apart what a file is, its content, and what it was then, while it passes.
struct Telling<'a> {
    out: &'a mut (dyn Write + Send),
    head: Vec<u8>,
    stat: Option<Stat>,
    left: u64,
    after: Vec<u8>,
}

impl<'a> Telling<'a> {
    fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self {
            out,
            head: Vec::new(),
            stat: None,
            left: 0,
            after: Vec::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = memchr::memchr(b'\n', bytes);
        self.head.extend(&bytes[..end.unwrap_or(bytes.len())]);
        if self.head.len() > TOLD {
            return Err(io::Error::other("it does not begin with what the file is"));
        }
        let Some(end) = end else {
            return Ok(bytes.len());
        };
        let stat = Stat::parse(&self.head)
            .ok_or_else(|| io::Error::other("it does not begin with what the file is"))?;
        self.left = stat.size;
        self.stat = Some(stat);
        Ok(end + 1)
    }
}

impl Write for Telling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stat.is_none() {
            return self.hear(bytes);
        }
        if self.left == 0 {
            if self.after.len() + bytes.len() > TOLD {
                return Err(io::Error::other("more came than the file has"));
            }
            self.after.extend(bytes);
            return Ok(bytes.len());
        }
        let length = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.out.write_all(&bytes[..length])?;
        self.left -= length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
