//! Where a login shell's own words end and a command's begin.
//!
//! A login shell may say whatever it likes before it runs a command: a greeting, the noise of a `.bashrc`, what `set -x`
//! traces. Then `/bin/sh` says a mark on both streams and runs the command. What comes after the mark is the command's,
//! to the byte. Where nobody else can tell that the command ended well, the shell says so with another mark.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write};

use memchr::memmem;

use super::{Exit, RemoteError, RemoteErrorKind};

/// How much of what a login shell says is kept for whoever asks why the command did not run.
const REMEMBERED: usize = 400;

/// How much is searched for the mark at once. The line with the mark is far shorter.
const SEARCHED: usize = 4096;

/// A word that nobody says by chance, another one for each command.
pub(super) struct Mark {
    nonce: String,
}

impl Mark {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        let mut nonce = String::new();
        let _ = write!(nonce, "{:016x}{:016x}", random(), random());
        Self { nonce }
    }

    /// What `/bin/sh` runs to say it, and under which number it runs. The word stands there in two parts, so that who
    /// repeats the command, as a trace does, does not say it.
    pub(super) fn script(&self) -> String {
        let nonce = &self.nonce;
        format!("echo clusterctl-\"{nonce}\" $$; echo clusterctl-\"{nonce}\" >&2")
    }

    /// What `/bin/sh` runs to say that the command ended well, where descriptor 3 is the command's standard error.
    pub(super) fn last_words(&self) -> String {
        format!("echo clusterctl-\"{}\"-ended >&3", self.nonce)
    }

    /// The part of the word that is random.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    fn said(&self) -> Vec<u8> {
        format!("clusterctl-{}", self.nonce).into_bytes()
    }

    fn said_last(&self) -> Vec<u8> {
        format!("clusterctl-{}-ended\n", self.nonce).into_bytes()
    }
}

/// Passes on what comes after the mark.
pub(super) struct AfterMark<'a> {
    said: Vec<u8>,
    /// What is said at the end, as long as that is waited for.
    said_last: Option<Vec<u8>>,
    out: &'a mut (dyn Write + Send),
    /// What came so far and may hold the beginning of a mark.
    held: Vec<u8>,
    noise: Vec<u8>,
    seen: bool,
    pid: Option<u32>,
    ended: bool,
}

impl<'a> AfterMark<'a> {
    pub(super) fn new(mark: &Mark, out: &'a mut (dyn Write + Send)) -> Self {
        Self {
            said: mark.said(),
            said_last: None,
            out,
            held: Vec::new(),
            noise: Vec::new(),
            seen: false,
            pid: None,
            ended: false,
        }
    }

    /// Leaves the mark at the end out, too.
    pub(super) fn up_to_the_end(mark: &Mark, out: &'a mut (dyn Write + Send)) -> Self {
        Self {
            said_last: Some(mark.said_last()),
            ..Self::new(mark, out)
        }
    }

    /// Whether it was said that the command ended well.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Nothing more comes: what might have become the mark at the end is the command's.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.said_last = None;
        match std::mem::take(&mut self.held) {
            held if self.seen => self.out.write_all(&held),
            _ => Ok(()),
        }
    }

    /// Whether the command has begun, or is about to.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// The number of the command's process there, which leads a group of its own.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What the login shell said before, as far as it was kept.
    pub(super) fn noise(&self) -> String {
        let text = String::from_utf8_lossy(&self.noise);
        let words: Vec<_> = text.split_whitespace().collect();
        let plain = |c: &char| !c.is_control();
        words.join(" ").chars().filter(plain).collect()
    }

    fn search(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        if let Some(at) = memmem::find(&self.held, &self.said) {
            let after = at + self.said.len();
            let Some(end) = memchr::memchr(b'\n', &self.held[after..]) else {
                return Ok(());
            };
            let number = String::from_utf8_lossy(&self.held[after..after + end]).into_owned();
            self.pid = number.trim().parse().ok().filter(|pid| *pid > 1);
            self.seen = true;
            let rest = self.held.split_off(after + end + 1);
            self.held.clear();
            return self.pass(&rest);
        }
        if self.held.len() > SEARCHED {
            let old = self.held.len() - self.said.len();
            self.held.drain(..old);
        }
        Ok(())
    }

    /// Passes on what the command wrote, but for the mark at the end.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(last) = &self.said_last else {
            return self.out.write_all(bytes);
        };
        self.held.extend_from_slice(bytes);
        if let Some(at) = memmem::find(&self.held, last) {
            self.held.drain(at..at + last.len());
            self.ended = true;
            return self.finish();
        }
        let longest = self.held.len().min(last.len() - 1);
        let begun = (1..=longest).rev().find(|&length| {
            let end = &self.held[self.held.len() - length..];
            last.starts_with(end)
        });
        let rest = self.held.split_off(self.held.len() - begun.unwrap_or(0));
        let sure = std::mem::replace(&mut self.held, rest);
        self.out.write_all(&sure)
    }
}

impl Write for AfterMark<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.seen {
            self.pass(bytes)?;
        } else {
            let room = REMEMBERED.saturating_sub(self.noise.len()).min(bytes.len());
            self.noise.extend_from_slice(&bytes[..room]);
            self.search(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The login shell ended, and did not run the command.
pub(super) fn not_begun(exit: &Exit, out: &AfterMark<'_>, err: &AfterMark<'_>) -> RemoteError {
    let said = [out.noise(), err.noise()].join(" ");
    let said = match said.trim() {
        "" => "said nothing".to_owned(),
        said => format!("said: {said}"),
    };
    let what = format!("the login shell did not run the command: it ended with {exit} and {said}");
    RemoteError::new(RemoteErrorKind::Shell, what)
        .hint("give the user a shell that runs commands, such as /bin/sh, with `chsh` or `usermod -s` there; and see that /bin/sh is there and no `ForceCommand` is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mark: &Mark, pieces: &[&[u8]]) -> (Vec<u8>, Option<u32>) {
        let mut out = Vec::new();
        let mut filter = AfterMark::new(mark, &mut out);
        for piece in pieces {
            filter.write_all(piece).unwrap();
        }
        let pid = filter.pid();
        (out, pid)
    }

    #[test]
    fn what_comes_before_the_mark_is_left_out_however_it_is_cut() {
        let mark = Mark::new();
        let mut all = b"Welcome\n+ exec /bin/sh -c 'echo clusterctl-\"".to_vec();
        all.extend(mark.nonce.as_bytes());
        all.extend(b"\" $$'\nno line's end here: ");
        all.extend(vec![b'x'; 3 * SEARCHED]);
        all.extend(mark.said());
        all.extend(b" 4711\n\0out\n");
        for length in [1, 7, 1000, all.len()] {
            let pieces: Vec<_> = all.chunks(length).collect();
            assert_eq!(after(&mark, &pieces), (b"\0out\n".to_vec(), Some(4711)));
        }
    }

    #[test]
    fn the_mark_at_the_end_is_left_out_however_it_is_cut() {
        let mark = Mark::new();
        let last = mark.said_last();
        let begin = [mark.said(), b" 1\n".to_vec()].concat();
        let whole = [&b"err cluster"[..], &last, b"late c"].concat();
        let none = [&b"err"[..], &last[..last.len() - 1]].concat();
        for (said, expected, ended) in [
            (&whole, b"err clusterlate c".to_vec(), true),
            (&none, none.clone(), false),
        ] {
            let all = [&begin[..], said].concat();
            for length in [1, 7, 50, all.len()] {
                let mut out = Vec::new();
                let mut filter = AfterMark::up_to_the_end(&mark, &mut out);
                for piece in all.chunks(length) {
                    filter.write_all(piece).unwrap();
                }
                filter.finish().unwrap();
                assert_eq!(filter.ended(), ended);
                assert_eq!(out, expected);
            }
        }
    }

    #[test]
    fn each_mark_is_another() {
        assert_ne!(Mark::new().nonce, Mark::new().nonce);
        assert_eq!(after(&Mark::new(), &[&Mark::new().said(), b" 1\n"]).0, b"");
    }
}
