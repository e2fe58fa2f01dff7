//! Where a login shell's own words end and a command's begin.
//!
//! A login shell may say whatever it likes before it runs a command: a greeting, the noise of a `.bashrc`, what `set -x`
//! traces. Then `/bin/sh` says a mark on both streams and runs the command. What comes after the mark is the command's,
//! to the byte. When the command has ended, the shell says on both streams how, with another mark: all that the command
//! wrote comes before it, and what comes after it was written by those that it left behind.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use memchr::memmem;

use super::{Exit, RemoteError, RemoteErrorKind};

/// How much of what a login shell says is kept for whoever asks why the command did not run.
const REMEMBERED: usize = 400;

/// How much is searched for the mark at once. The line with the mark is far shorter.
const SEARCHED: usize = 4096;

/// Takes back what the environment may have told a shell.
pub(super) const QUIETLY: &str = "set +evx";

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
    /// repeats the command as it was given does not say it. A trace repeats it as it is run: a shell that finds in its
    /// environment that it should trace, or end at the first failure, is told not to.
    pub(super) fn script(&self) -> String {
        let nonce = &self.nonce;
        format!("{QUIETLY}; echo clusterctl-\"{nonce}\" $$; echo clusterctl-\"{nonce}\" >&2")
    }

    /// What `/bin/sh` runs to say how the command ended, where descriptor 3 is the command's standard error, `$e` the code,
    /// and `$s` the signal if there was one. A command may have left its streams such that a full one takes nothing.
    pub(super) fn last_words(&self) -> String {
        let nonce = &self.nonce;
        format!(
            "t() {{ for i in 1 2 3 4 5; do echo clusterctl-\"{nonce}\"-ended $e $s && break; sleep 1; done; }}; t >&3; t"
        )
    }

    /// The part of the word that is random.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// What is said first, but for the number.
    pub(super) fn first_word(&self) -> String {
        format!("clusterctl-{}", self.nonce)
    }

    fn said(&self) -> Vec<u8> {
        self.first_word().into_bytes()
    }

    /// What is said last, but for how the command ended.
    fn said_last(&self) -> Vec<u8> {
        format!("clusterctl-{}-ended ", self.nonce).into_bytes()
    }
}

/// What was heard on a stream, for whoever has lent the stream to somebody else.
#[derive(Debug, Default)]
pub(super) struct Heard {
    begun: AtomicBool,
    ended: OnceLock<Exit>,
}

impl Heard {
    /// Whether the command has begun, or is about to.
    pub(super) fn begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }
}

/// How the command ended, if that was told on both of its streams: then all that it wrote has come.
pub(super) fn ended(out: &Heard, err: &Heard) -> Option<Exit> {
    out.ended.get().and(err.ended.get()).cloned()
}

/// From `CODE` or `CODE SIGNAL`.
fn exit(told: &[u8]) -> Option<Exit> {
    let told = std::str::from_utf8(told).ok()?;
    let mut words = told.split_whitespace();
    let code = words.next()?.parse().ok()?;
    Some(match words.next() {
        Some(signal) => Exit::Signal(signal.to_owned()),
        None => Exit::Code(code),
    })
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
    heard: Arc<Heard>,
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
            heard: Arc::default(),
        }
    }

    /// Leaves the mark at the end out, too.
    pub(super) fn up_to_the_end(mark: &Mark, out: &'a mut (dyn Write + Send)) -> Self {
        Self {
            said_last: Some(mark.said_last()),
            ..Self::new(mark, out)
        }
    }

    /// What is heard on this stream, while it is lent to somebody else.
    pub(super) fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
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
            self.heard.begun.store(true, Ordering::SeqCst);
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
        let mut joined = std::mem::take(&mut self.held);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let Some(at) = memmem::find(bytes, last) else {
            let longest = bytes.len().min(last.len() - 1);
            let begun = (1..=longest)
                .rev()
                .find(|&length| last.starts_with(&bytes[bytes.len() - length..]));
            let (sure, rest) = bytes.split_at(bytes.len() - begun.unwrap_or(0));
            self.held.extend_from_slice(rest);
            return self.out.write_all(sure);
        };
        let told = &bytes[at + last.len()..];
        let Some(end) = memchr::memchr(b'\n', told) else {
            self.held.extend_from_slice(&bytes[at..]);
            return self.out.write_all(&bytes[..at]);
        };
        if let Some(exit) = exit(&told[..end]) {
            let _ = self.heard.ended.set(exit);
        }
        self.said_last = None;
        self.out.write_all(&bytes[..at])?;
        self.out.write_all(&told[end + 1..])
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
        let code = [&b"err cluster"[..], &last, b"7 \nlate c"].concat();
        let signal = [&last[..], b"143 TERM\n", &last, b"0\n"].concat();
        let torn = [&b"err"[..], &last[..last.len() - 1]].concat();
        let open = [&b"err"[..], &last, b"14"].concat();
        for (said, expected, ended) in [
            (&code, b"err clusterlate c".to_vec(), Some(Exit::Code(7))),
            (
                &signal,
                [&last[..], b"0\n"].concat(),
                Some(Exit::Signal("TERM".to_owned())),
            ),
            (&torn, torn.clone(), None),
            (&open, open.clone(), None),
        ] {
            let all = [&begin[..], said].concat();
            for length in [1, 7, 50, all.len()] {
                let mut out = Vec::new();
                let mut filter = AfterMark::up_to_the_end(&mark, &mut out);
                for piece in all.chunks(length) {
                    filter.write_all(piece).unwrap();
                }
                filter.finish().unwrap();
                assert_eq!(filter.heard().ended.get(), ended.as_ref());
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
