//! The scripts that run on a node, and how they are run.

use std::io::Write;
use std::sync::LazyLock;

use crate::remote::{Exit, Input, Line, Output, Patience, RemoteError, RemoteErrorKind, Streams};

/// How much of what a script says on standard error is read.
const MOST_ERRORS: usize = 64 << 10;

/// A script for `/bin/sh`, and the name under which it is seen on the node.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! script {
    ($(#[$doc:meta])* $seen:vis $name:ident, $($file:literal),+) => {
        $(#[$doc])*
        $seen fn $name() -> Script {
            static TEXT: LazyLock<String> =
                LazyLock::new(|| joined(&[include_str!("land/tools.sh"), $(include_str!($file)),+]));
            Script { name: concat!("clusterctl-", stringify!($name)), text: &TEXT }
        }
    };
}

script!(pub(super) survey, "survey.sh");
script!(pub(super) place, "place.sh");
script!(pub(super) note, "land/note.sh");
script!(pub(super) prepare, "land/prepare.sh");
script!(pub(super) folders, "land/folders.sh");
script!(pub(super) carry, "land/carry.sh");
script!(pub(super) unpack, "land/unpack.sh");
script!(pub(super) verify, "land/verify.sh");
script!(pub(super) extended, "from/extended.sh");
script!(pub(super) content, "from/content.sh");
script!(pub(super) pull, "land/pull.sh");
script!(pub(super) sums, "from/sums.sh");
script!(pub(super) sample, "from/sample.sh");
script!(pub(super) discard, "land/discard.sh");
script!(pub(super) modes, "land/modes.sh");
script!(pub(super) keep, "land/keep.sh");
script!(
    /// Closes the folders again that a replacing which was cut short had opened for itself.
    pub(super) close, "land/obey.sh", "land/close.sh"
);
script!(pub(super) adjust, "land/obey.sh", "land/adjust.sh");
script!(
    /// Gives what was sent its places, file by file. It has to be run under the node's lock.
    pub replace, "land/obey.sh", "land/replace.sh"
);
script!(
    /// Says that a staged tree is whole. It has to be run under the node's lock.
    pub seal, "land/seal.sh"
);
script!(
    /// Makes a staged tree the live one. It has to be run under the node's lock.
    pub swap, "land/entries.sh", "land/swap.sh"
);
script!(
    /// Gives a place its old tree back. It has to be run under the node's lock.
    pub back, "land/entries.sh", "land/back.sh"
);

/// Several texts as one script. The comments are for who reads them here, and don't travel.
fn joined(parts: &[&str]) -> String {
    let lines = parts.iter().flat_map(|part| part.lines());
    lines
        .filter(|line| {
            !line.is_empty() && !line.trim_start().starts_with("# ") && line.trim() != "#"
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Why a tree could not be landed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LandError {
    /// The node could not be asked, or its answer did not come.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A script on the node ended with this code and said why. The codes are those of `land/tools.sh`.
    #[error("{said}")]
    Said {
        /// The exit code.
        code: i64,
        /// What it said.
        said: String,
    },
    /// The source is not what it was.
    #[error("{0}")]
    Changed(String),
    /// What arrived is not what was sent.
    #[error("{0}")]
    Broken(String),
    /// There is not enough room.
    #[error("{0}")]
    NoRoom(String),
    /// There is no tree where one shall come from.
    #[error("{0}")]
    NoSource(String),
}

/// With which code a script ends when the disk is full, as in `land/tools.sh`.
pub(super) const FULL: i64 = 86;

/// With which one it ends for reasons that have no code of their own.
pub(super) const FAILED: i64 = 89;

impl LandError {
    /// What was said when a disk was full.
    pub fn says_full(&self) -> Option<&str> {
        match self {
            Self::Said { code: FULL, said } => Some(said),
            _ => None,
        }
    }
}

/// Runs a command on a node to its end, as [`Host::exec`](crate::remote::Host::exec) does.
pub type Exec<'a> =
    dyn Fn(&Line, Streams<'_>, &Patience<'_>) -> Result<Exit, RemoteError> + Sync + 'a;

/// What a script that succeeded said on standard error.
pub(super) fn run(
    exec: &Exec<'_>,
    script: Script,
    arguments: &[&str],
    mut input: Input<'_>,
    out: &mut (dyn Write + Send),
    patience: &Patience<'_>,
) -> Result<String, LandError> {
    let line = Line::script(script.text, script.name, arguments.iter().copied())
        .map_err(|error| RemoteError::new(RemoteErrorKind::Here, error.to_string()))?;
    let mut err = Output::at_most(MOST_ERRORS);
    let streams = Streams {
        input: input.lent(),
        out,
        err: &mut err,
    };
    let exit = exec(&line, streams, patience)?;
    let said = err.text().trim_end().to_owned();
    if exit.is_success() {
        return Ok(said);
    }
    let code = exit.code();
    let said = if said.is_empty() {
        format!("{} ended with {exit}", script.name)
    } else {
        said
    };
    Err(LandError::Said { code, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_can_read_them() {
        for script in [
            survey(),
            place(),
            note(),
            prepare(),
            folders(),
            carry(),
            unpack(),
            verify(),
            extended(),
            content(),
            pull(),
            sums(),
            sample(),
            discard(),
            modes(),
            keep(),
            adjust(),
            close(),
            replace(),
            seal(),
            swap(),
            back(),
        ] {
            assert!(
                script.text.len() < 30_000,
                "{}: {}",
                script.name,
                script.text.len()
            );
            for shell in [&["dash"][..], &["bash"], &["ksh"], &["busybox", "sh"]] {
                let checked = std::process::Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-n", "-c", script.text])
                    .status()
                    .unwrap();
                assert!(checked.success(), "{}: {shell:?}", script.name);
            }
        }
    }

    /// Cut short at each of its renames, with and without a call that exchanges two names at once, a swap of entries is
    /// brought to its end by whoever comes next; so is the way back.
    #[test]
    fn entries_change_places_whenever_that_is_cut_short() {
        use std::fs;
        use std::os::unix::fs::PermissionsExt as _;
        use std::path::Path;
        use std::process::Command;

        let sh = |root: &Path, commands: &str| {
            let done = Command::new("sh")
                .args(["-ec", commands])
                .current_dir(root)
                .output()
                .unwrap();
            assert!(done.status.success(), "{commands}: {done:?}");
        };
        let prepare = |root: &Path| {
            sh(
                root,
                "mkdir -p to/d bin state staged to/.to.clusterctl-r.stage/d; cd to; echo old >a; echo old >d/in; echo own >only; echo old >kind; ln -s a 'l l'
                 cd .to.clusterctl-r.stage; echo new >a; echo new >d/in; mkdir kind; echo new >kind/in; echo new >'new
line'; chmod 750 .; touch -d 2001-01-01 .; cd ../..
                 printf '#!/bin/sh\\nread -r left <left\\n[ \"$left\" != 0 ] || exit 9\\necho $((left - 1)) >left\\nPATH=/usr/bin:/bin\\nexec mv \"$@\"\\n' >bin/mv
                 echo odd >to/vanishes
                 printf '#!/bin/sh\\ncase \"$*\" in *./vanishes) rm -f vanishes ;; esac\\nexec /usr/bin/stat \"$@\"\\n' >bin/stat
                 echo digest $(/usr/bin/stat -c %d:%i to/.to.clusterctl-r.stage) was >staged/staged",
            );
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.join("bin/mv"), mode.clone()).unwrap();
            fs::set_permissions(root.join("bin/stat"), mode).unwrap();
        };
        for at_once in [true, false] {
            let text = |script: Script| {
                let text = script.text.replace("is_mounted \"$real\"", "true");
                if at_once {
                    return text;
                }
                text.replace("exchange \"$there\"", "false \"$there\"")
            };
            let (forward, backward) = (text(swap()), text(back()));
            let run = |root: &Path, text: &str, words: &[&str], left: u32| {
                fs::write(root.join("left"), format!("{left}\n")).unwrap();
                let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
                let mut command = Command::new("sh");
                command.args(["-c", text, "swap"]).args(words);
                command.current_dir(root).env("PATH", path);
                command.status().unwrap().success()
            };
            for cut in 0..40 {
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path();
                prepare(root);
                let at = |name: &str| root.join(name).display().to_string();
                let other = at("to/.to.clusterctl-r");
                let (to, stage, staged) = (at("to"), format!("{other}.stage"), at("staged"));
                let (kept, undone) = (at("state/1"), at("state/2"));
                let words = [&to, &stage, &other, &staged, "digest", &kept, "a", "n"];
                let cut_short = !run(root, &forward, &words, cut);
                assert!(run(root, &forward, &words, 99), "{at_once} {cut}");
                // As a power cut leaves it.
                fs::write(root.join("staged/staged"), "digest").unwrap();
                assert!(run(root, &forward, &words, 99));
                sh(
                    root,
                    "cd to; [ \"$(cat a d/in kind/in 'new
line')\" = 'new
new
new
new' ]; ! [ -e only ] && ! [ -L 'l l' ]; [ \"$(stat -c '%a %Y' .)\" = \"750 $(date -d 2001-01-01 +%s)\" ]
                     cd .to.clusterctl-r; [ \"$(cat a d/in only kind)\" = 'old
old
own
old' ]; [ -L 'l l' ]; ! [ -e new* ]; ! [ -e ../.to.clusterctl-r.old ]; ! [ -e ../../staged/staged ]",
                );
                let words = [&to, &other, &kept, &other, &undone, "aside", "unknown", ""];
                run(root, &backward, &words, cut);
                assert!(run(root, &backward, &words, 99), "{at_once} {cut}");
                sh(
                    root,
                    "cd to; [ \"$(cat a d/in only kind)\" = 'old
old
own
old' ]; [ -L 'l l' ]; ! [ -e new* ]; [ \"$(stat -c %a .)\" = 755 ]; [ -e .to.clusterctl-r/new* ]",
                );
                if !cut_short {
                    break;
                }
                assert!(cut < 39, "it never came to its end");
            }
        }
    }
    const SHELLS: [&[&str]; 4] = [&["dash"], &["bash"], &["ksh"], &["busybox", "sh"]];

    fn shell(shell: &[&str], text: &str, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", text]).args(words);
        command
    }

    #[test]
    fn what_went_meanwhile_hides_no_error() {
        const TOOLS: &str = include_str!("land/tools.sh");
        for (also, expected) in [("folder", 1), ("", 0)] {
            let text = format!(
                "{TOOLS}\nheard cp -- $(seq 1 30) {also} there\nonly_gone \"$said\" || exit 1"
            );
            for kind in SHELLS {
                let folder = tempfile::tempdir().unwrap();
                for name in ["folder", "there"] {
                    std::fs::create_dir(folder.path().join(name)).unwrap();
                }
                let ended = shell(kind, &text, &[]).current_dir(folder.path()).status();
                assert_eq!(ended.unwrap().code(), Some(expected), "{kind:?} {also}");
            }
        }
    }

    /// What a connection that died without a word left there waits for hours for more.
    #[test]
    fn who_still_unpacks_for_nobody_is_ended() {
        use std::process::Stdio;
        use std::time::{Duration, Instant};

        let both = |kind| [(kind, "-"), (kind, "zstd")];
        for (kind, zip) in SHELLS.into_iter().flat_map(both) {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name).display().to_string();
            let (stage, kept) = (at(".a.clusterctl-x.stage"), at("kept"));
            std::fs::create_dir(&stage).unwrap();
            let mut old = std::process::Command::new("setsid");
            old.args(kind)
                .args(["-c", unpack().text, unpack().name, &stage, "gnu", zip]);
            let mut old = old.stdin(Stdio::piped()).spawn().unwrap();
            let is_free = || {
                let tried = std::process::Command::new("flock")
                    .args(["-n", &stage, "true"])
                    .status();
                tried.unwrap().success()
            };
            let began = Instant::now();
            while is_free() {
                assert!(began.elapsed() < Duration::from_mins(1));
            }
            let words = [prepare().name, &stage, "-", &kept, "{}"];
            let mut new = std::process::Command::new("setsid");
            new.arg("--wait").args(kind).args(["-c", prepare().text]);
            let ended = new.args(words).stdin(Stdio::null()).output().unwrap();
            assert!(ended.status.success(), "{kind:?} {zip}: {ended:?}");
            assert!(!old.wait().unwrap().success());
            // Nothing of it is left: its tar has gone with it.
            let words = with_word(&stage);
            assert!(words.is_empty(), "{kind:?} {zip}: {words:?}");
        }
    }

    /// An archive, as it comes through zstd, is taken when all of it has come, and only then.
    #[test]
    fn every_shell_hears_how_zstd_ended() {
        const MAKE: &str = "mkdir bin; seq 100000 >file; tar cf a.tar file; zstd -q a.tar; head -c 1024 /dev/zero >>a.tar; \
            zstd -q -c a.tar >padded; head -c 5000 a.tar.zst >cut; tar c file | head -c 300000 | zstd -q >half; \
            printf '#!/bin/sh\n/usr/bin/zstd \"$@\"; sleep 0.2; exit 1\n' >bin/zstd; chmod +x bin/zstd";
        for kind in SHELLS {
            for (from, path, good) in [
                ("a.tar.zst", "", true),
                ("padded", "", true),
                ("cut", "", false),
                ("half", "", false),
                ("a.tar", "", false),
                ("/dev/null", "", false),
                // It finds only at its end that something is wrong.
                ("a.tar.zst", "bin:", false),
            ] {
                let folder = tempfile::tempdir().unwrap();
                let in_it = |command: &mut std::process::Command| {
                    command.current_dir(folder.path()).output().unwrap()
                };
                let made = in_it(&mut shell(&["sh"], MAKE, &[]));
                assert!(made.status.success(), "{made:?}");
                let text = format!(
                    "mkdir stage; PATH=\"${{PWD:?}}/{path}$PATH\"; exec <{from}; cd stage\n{}",
                    unpack().text.replace("stage=$1", "stage=$PWD")
                );
                let text = if path.is_empty() {
                    text.replace("${PWD:?}/$PATH", "$PATH")
                } else {
                    text
                };
                let ended = in_it(&mut shell(kind, &text, &["unpack", "-", "gnu", "zstd"]));
                assert_eq!(ended.status.success(), good, "{kind:?} {from}: {ended:?}");
                let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                let has_reason = said
                    .trim()
                    .split_once("stage: ")
                    .is_some_and(|(_, it)| !it.is_empty());
                assert!(good || has_reason, "{kind:?} {from}: {said}");
            }
        }
    }

    /// The commands that run and have this word.
    fn with_word(word: &str) -> Vec<String> {
        let all = std::fs::read_dir("/proc").unwrap();
        let lines = all.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        lines.filter(|line| line.contains(word)).collect()
    }

    /// In memory, files are listed the other way round than they came.
    #[test]
    fn a_fingerprint_does_not_depend_on_the_order_of_a_list() {
        const TOOLS: &str = include_str!("land/tools.sh");
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
            println!("NOT TESTED: there is no file system in memory");
            return;
        };
        let make = "mkdir one other bin; ln -s \"$(command -v busybox)\" bin/find; cd one; touch -d @5 a b c d; cd ../other; touch -d @5 d c b a; cd ..; touch -d @5 one other";
        let two_trees = shell(&["sh"], make, &[])
            .current_dir(folder.path())
            .status();
        assert!(two_trees.unwrap().success());
        let text = format!(
            "PATH=$PWD/bin:$PATH\n{TOOLS}\n[ \"$(fingerprint one)\" = \"$(fingerprint other)\" ] && [ \"$(fingerprint one)\" != \"$(fingerprint bin)\" ]"
        );
        let same = shell(&["dash"], &text, &[])
            .current_dir(folder.path())
            .status();
        assert!(same.unwrap().success());
    }
}
