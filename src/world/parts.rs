//! What a script writes in parts that end with a zero byte, and paths as a script takes them.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::engine::{Fault, FaultKind};

/// The parts of what a script wrote, one after the other.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether there are no more.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Result<&'a [u8], Fault> {
        let end = memchr::memchr(0, self.rest).ok_or_else(cut_short)?;
        let part = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(part)
    }

    /// The next part as text.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.next()?).map_err(|_| cut_short())
    }

    /// The next part as a path.
    pub(super) fn path(&mut self) -> Result<PathBuf, Fault> {
        Ok(OsString::from_vec(self.next()?.to_vec()).into())
    }

    /// Everything but one last part, and that part, which no zero byte ends.
    pub(super) fn content_and_word(self) -> Result<(&'a [u8], &'a [u8]), Fault> {
        let end = memchr::memrchr(0, self.rest).ok_or_else(cut_short)?;
        Ok((&self.rest[..end], &self.rest[end + 1..]))
    }
}

/// What came is not what the script writes.
pub(super) fn cut_short() -> Fault {
    Fault::new(
        FaultKind::Failed,
        "the node's answer about a file was cut short or can't be understood",
    )
}

/// A path as an argument of a script: `printf %b` makes the path of it.
pub(super) fn word(path: impl AsRef<OsStr>) -> String {
    let bytes = path.as_ref().as_bytes();
    let text = std::str::from_utf8(bytes);
    if let Ok(text) = text
        && !text.contains('\\')
    {
        return text.to_owned();
    }
    bytes.iter().fold(String::new(), |mut word, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        if plain {
            word.push(char::from(*byte));
        } else {
            let _ = write!(word, "\\0{byte:03o}");
        }
        word
    })
}

/// The same for a path that somebody wrote: without a `/` at its end, or two where one does.
pub(super) fn path_word(path: &Path) -> String {
    word(path.components().collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_for_its_path_in_every_shell() {
        let paths: [&[u8]; 4] = [b"/a b\n\xfc\\x", b"/\\0101", b"/plain'\n", b"/-\xff7\x01"];
        for path in paths {
            let word = word(OsStr::from_bytes(path));
            for shell in ["dash", "bash", "ksh", "busybox"] {
                let mut command = std::process::Command::new(shell);
                command.args((shell == "busybox").then_some("sh"));
                let out = command
                    .args([
                        "-c",
                        "case $1 in *\\\\*) printf %b \"$1\" ;; *) printf %s \"$1\" ;; esac",
                        "sh",
                    ])
                    .arg(&word)
                    .output()
                    .unwrap();
                assert_eq!(out.stdout, path, "{shell}: {word}");
            }
        }
    }

    #[test]
    fn parts_end_where_they_end() {
        let mut parts = Parts::of(b"a\0\0rest\0of it\0same");
        assert_eq!(parts.next().unwrap(), b"a");
        assert_eq!(parts.text().unwrap(), "");
        let (content, word) = parts.content_and_word().unwrap();
        assert_eq!((content, word), (&b"rest\0of it"[..], &b"same"[..]));
        assert!(Parts::of(b"half").next().is_err());
    }
}
