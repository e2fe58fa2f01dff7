//! What every shell makes of a line: the words, to the byte. Real shells are asked.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::Line;
use crate::remote::Exit;
use crate::remote::mark::{AfterMark, Mark, ended};

/// Login shells, and how they are asked to run a line.
const SHELLS: [&[&str]; 9] = [
    &["sh"],
    &["dash"],
    &["bash"],
    &["zsh"],
    &["ksh"],
    &["busybox", "sh"],
    &["fish"],
    &["tcsh"],
    &["csh"],
];

/// What shells have a meaning for, more often than the rest of all letters.
const SPECIAL: &[char] = &[
    '\'', '"', '\\', '!', '$', '`', '\n', '\r', '*', '?', '[', ']', '{', '}', '~', '#', ';', '&',
    '|', '<', '>', '(', ')', '^', '%', '=', ',', '-', ' ', '\t', '@', ':', '\u{7f}', '\u{1b}',
    '\u{85}', '\u{a0}', '\u{2028}', '\u{feff}', '\u{fffd}',
];

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn letter(&mut self) -> char {
        match self.below(10) {
            0..=4 => SPECIAL[self.below(SPECIAL.len())],
            5 | 6 => char::from(u8::try_from(1 + self.below(127)).unwrap()),
            7 | 8 => ['a', 'n', 'x', '0', '1', 'é', 'ß'][self.below(7)],
            _ => {
                let number = u32::try_from(1 + self.below(0x10_ffff)).unwrap();
                char::from_u32(number).unwrap_or('日')
            }
        }
    }

    fn word(&mut self) -> String {
        let length = match self.below(12) {
            0 => 0,
            1 => self.below(2000),
            2 => 1,
            _ => self.below(12),
        };
        (0..length).map(|_| self.letter()).collect()
    }
}

fn check(shell: &[&str], words: &[String]) {
    let ends = words.iter().flat_map(|word| [word.as_str(), "\u{1}\u{2}"]);
    let written: String = ends.collect();
    let start = ["printf", "%s\u{1}\u{2}"].map(str::to_owned);
    let line = Line::new(start.into_iter().chain(words.iter().cloned())).unwrap();
    let mark = Mark::new();
    let told = line.for_login_shell(&mark);
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &told.text])
        .env("HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: see `.ci/install`", shell[0]));
    // All of it is read before anything but the mark is written.
    let _ = child.stdin.take().unwrap().write_all(&told.ahead);
    let out = child.wait_with_output().unwrap();
    let (found, err, exit) = between_the_marks(&mark, &out);
    assert!(
        found == written.as_bytes() && out.status.success() && exit == Some(Exit::Code(0)),
        "{shell:?} makes of {words:?}: {:?}, {:?}",
        String::from_utf8_lossy(&found),
        String::from_utf8_lossy(&err)
    );
}

/// What the command wrote, and how it ended.
fn between_the_marks(mark: &Mark, said: &Output) -> (Vec<u8>, Vec<u8>, Option<Exit>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let [out_heard, err_heard] = [(&mut out, &said.stdout), (&mut err, &said.stderr)].map(
        |(to, said): (&mut Vec<u8>, _)| {
            let mut filter = AfterMark::up_to_the_end(mark, to);
            filter.write_all(said).unwrap();
            filter.finish().unwrap();
            filter.heard()
        },
    );
    let exit = ended(&out_heard, &err_heard);
    (out, err, exit)
}

/// A `/bin/sh` that is `bash` traces when the environment says so, and repeats every command as it runs it.
#[test]
fn a_shell_that_traces_does_not_say_the_marks_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let sh = folder.path().join("sh");
    let bash = Command::new("sh").args(["-c", "command -v bash"]).output();
    let bash = String::from_utf8(bash.unwrap().stdout).unwrap();
    std::os::unix::fs::symlink(bash.trim(), &sh).unwrap();
    let text = "echo out; echo err >&2; exit 7";
    let long = format!("{text} # {}", "x".repeat(40_000));
    for (options, text) in [
        ("xtrace", text),
        ("xtrace:verbose", "echo \"out\"; echo 'err' >&2; exit 7"),
        ("xtrace:errexit", text),
        ("xtrace", &long),
    ] {
        for to_stdout in [false, true] {
            let mark = Mark::new();
            let line = Line::script(text, "case", [""; 0]).unwrap();
            let told = line.for_login_shell(&mark);
            let mut command = Command::new(&sh);
            let with_bash = told.text.replace("/bin/sh", &sh.display().to_string());
            command.args(["-c", &with_bash]).env("SHELLOPTS", options);
            if to_stdout {
                command.env("BASH_XTRACEFD", "1");
            }
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let _ = child.stdin.take().unwrap().write_all(&told.ahead);
            let said = child.wait_with_output().unwrap();
            let [out, err] = [&said.stdout, &said.stderr].map(|said| String::from_utf8_lossy(said));
            let traced = format!("{out}{err}").contains("+ ");
            assert!(traced, "it does not trace: {out}{err}");
            let did = between_the_marks(&mark, &said);
            let expected = (b"out\n".to_vec(), b"err\n".to_vec(), Some(Exit::Code(7)));
            assert_eq!(did, expected, "{options}: {out}\n---\n{err}");
        }
    }
}

#[test]
fn every_shell_gives_back_every_word() {
    let full = std::env::var("CLUSTERCTL_MATRIX").is_ok_and(|value| value == "full");
    let seed = match std::env::var("CLUSTERCTL_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 20_261_121,
    };
    let rounds = if full { 2000 } else { 25 };
    println!(
        "seed {seed}, {rounds} rounds for each of {} shells",
        SHELLS.len()
    );
    for shell in SHELLS {
        let mut random = Random(seed);
        let every: Vec<String> = (1..=127).map(|byte| char::from(byte).to_string()).collect();
        check(shell, &every);
        check(shell, &[every.concat()]);
        check(shell, &["x".repeat(100_000)]);
        check(shell, &["' \n!\\".repeat(10_000)]);
        for _ in 0..rounds {
            let count = 1 + random.below(6);
            let words: Vec<_> = (0..count).map(|_| random.word()).collect();
            check(shell, &words);
        }
    }
}
