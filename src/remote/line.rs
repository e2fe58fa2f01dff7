//! A command as the line that a login shell reads: the one place where anything is quoted for a machine.
//!
//! Which shell reads it is not known: it may be `bash`, `dash`, `zsh`, `csh` or `fish`. All of these leave what stands
//! between single quotes alone, but for the quote itself, and: `\` in `fish`, `!` and a line's end in `csh`. A command
//! with one of these is written in letters that no shell knows a meaning for, and read back by `/bin/sh`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::RemoteError;
use super::mark::Mark;

/// A command for a machine: the program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    words: Vec<String>,
}

/// Why words make no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    /// There is no program.
    #[error("the command is empty")]
    Empty,
    /// The operating system's calls end a text at a zero byte.
    #[error("an argument of the command contains a zero byte, which no program can be given")]
    ZeroByte,
}

impl Line {
    /// A command from its words.
    pub fn new<I, S>(words: I) -> Result<Self, NotALine>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        if words.first().is_none_or(String::is_empty) {
            return Err(NotALine::Empty);
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(NotALine::ZeroByte);
        }
        Ok(Self { words })
    }

    /// A script for `/bin/sh`, and its arguments, which it finds as `$1` and so on.
    pub fn script<I, S>(text: &str, name: &str, arguments: I) -> Result<Self, NotALine>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let start = ["/bin/sh", "-c", text, name].map(str::to_owned);
        Self::new(
            start
                .into_iter()
                .chain(arguments.into_iter().map(Into::into)),
        )
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a machine takes each of the words. Linux lets no argument be longer than 128 KiB.
    pub(super) fn fit(&self) -> Result<(), RemoteError> {
        let longest = self.words.iter().map(String::len).max();
        if longest.is_some_and(|length| length >= 128 << 10) {
            return Err(RemoteError::too_long(128));
        }
        Ok(())
    }

    /// The command run by another one, such as `sudo`.
    #[must_use]
    pub fn under(&self, words: &[&str]) -> Self {
        let before = words.iter().map(|word| (*word).to_owned());
        Self {
            words: before.chain(self.words.iter().cloned()).collect(),
        }
    }

    /// What a login shell is given: `/bin/sh` says the mark, runs the command and tells how it ended.
    ///
    /// A long command does not fit where a login shell is told of it: it goes ahead of what the command reads.
    pub(super) fn for_login_shell(&self, mark: &Mark) -> Told {
        self.told(mark, &run(mark))
    }

    fn told(&self, mark: &Mark, run: &str) -> Told {
        let plain = |word: &String| !word.contains(['\'', '\\', '!', '\n', '\r']);
        let words: Vec<_> = self.words.iter().map(|word| quote(word)).collect();
        let words = words.join(" ");
        let mark = mark.script();
        if self.words.iter().all(plain) {
            let text = format!("exec /bin/sh -c '{mark}; {run}' sh {words}");
            if text.len() <= LONGEST {
                let ahead = Vec::new();
                return Told { text, ahead };
            }
        }
        let encoded = STANDARD.encode(format!("set -- {words}; {run}"));
        if encoded.len() > LONGEST {
            let text = format!("exec /bin/sh -c '{mark}; {}'", reader_of(encoded.len()));
            let ahead = encoded.into_bytes();
            return Told { text, ahead };
        }
        // Where nobody can read it back, the command fails, instead of being none.
        let decoded = format!("$(echo {encoded} | base64 -d || echo exit 127)");
        Told {
            text: format!("exec /bin/sh -c '{mark}; eval \"{decoded}\"'"),
            ahead: Vec::new(),
        }
    }
}

/// A command as another client than ours gives it to a login shell.
#[derive(Debug, Clone)]
pub struct Handed {
    /// The text for the shell.
    pub text: String,
    /// The beginning of a line that the shell says before the command's output, followed by a number. What comes before
    /// that line is the shell's.
    pub mark: String,
}

impl Line {
    /// The command for another client of SSH to give to a login shell; nothing if it is too long.
    pub fn handed_on(&self) -> Option<Handed> {
        let mark = Mark::new();
        let told = self.told(&mark, "exec \"$@\"");
        told.ahead.is_empty().then(|| Handed {
            text: told.text,
            mark: mark.first_word(),
        })
    }
}

/// Runs `"$@"`, and tells how it ended. That is told as soon as it is so, and not only when nobody holds the command's
/// streams any more; and who can't tell code 0 from no word at all would take a session that somebody else ended for a
/// command that ended well.
///
/// What the shell says about a signal is nobody's. Some shells count a signal from 256.
fn run(mark: &Mark) -> String {
    let told = mark.last_words();
    format!(
        "exec 3>&2 2>&-; (exec \"$@\" 2>&3 3>&-); e=$? s=; test $e -lt 256 || e=$((e - 128)); \
         test $e -le 128 || case $(kill -l $e) in \
         ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2) s=$(kill -l $e);; esac; \
         {told}; exit $e"
    )
}

/// What a login shell is given, and what the shell that it starts reads before the command does.
pub(super) struct Told {
    pub(super) text: String,
    pub(super) ahead: Vec<u8>,
}

/// The longest line for a login shell: libssh2 sends no request that is longer than one packet of 35,000 bytes.
const LONGEST: usize = 24_000;

/// A script that reads so many letters of base64 from standard input, and not a byte more, and runs what they say.
///
/// One `read` gives what has arrived, which may be less than was asked for.
fn reader_of(size: usize) -> String {
    format!(
        "s= n={size}; while [ $n -gt 0 ]; do c=$(dd bs=$n count=1 2>/dev/null); [ -n \"$c\" ] || exit 127; \
         s=$s$c; n=$((n - ${{#c}})); done; eval \"$(echo $s | base64 -d || echo exit 127)\""
    )
}

/// What it says is for a person: never more than the program.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.words.first().map_or("", String::as_str);
        write!(
            f,
            "Line({program} and {} arguments)",
            self.words.len().saturating_sub(1)
        )
    }
}

/// One word for a POSIX shell: bare when no shell could misread it, else in single quotes.
fn quote(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "+,-./:@_".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
#[path = "line_laws.rs"]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_every_shell_reads_alike_stay_readable() {
        let mark = Mark::new();
        let line = Line::new(["/opt/x/bin/server", "a b", "", "$x", "~"]).unwrap();
        let text = line.for_login_shell(&mark).text;
        assert!(text.starts_with("exec /bin/sh -c 'set +evx; echo clusterctl-"));
        assert!(text.ends_with("; exit $e' sh /opt/x/bin/server 'a b' '' '$x' '~'"));
        let text = Line::new(["echo", "it's"])
            .unwrap()
            .for_login_shell(&mark)
            .text;
        assert!(text.contains("; eval \"$(echo "));
        assert_eq!(Line::new([""; 1]), Err(NotALine::Empty));
        assert_eq!(Line::new(["a", "b\0"]), Err(NotALine::ZeroByte));
    }
}
