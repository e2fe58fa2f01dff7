//! A machine's commands with the rights of another user, by way of `sudo`.
//!
//! `sudo` says its own words on the command's standard error. So the command begins with a mark there, as after a login
//! shell: what comes before it was `sudo`, and when there is none, `sudo` said no.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ahead::Ahead;
use super::mark::{AfterMark, Mark};
use super::{
    BackEnd, Exit, Host, Input, Line, Output, Patience, RemoteError, RemoteErrorKind, Streams,
};
use crate::config::Secret;

/// Reads a password, has `sudo` try it once, and only when it is right lets `sudo` read it again where the command's input
/// follows: `sudo` would take that for further tries. Whether `sudo` wants one at all is not known before.
/// `$1` the user, `$2` what begins the command, `$3` what ends the passwords.
const TWICE: &str = r#"set +vx; user=$1 begin=$2 end=$3; shift 3
IFS= read -r password || exit 1
printf '%s\n' "$password" | sudo -k -S -p '' -u "$user" -v || exit 1
password=
exec sudo -k -S -p '' -u "$user" -- /bin/sh -c "$begin" "$end" "$@""#;

/// Passes over what `sudo` has left of the passwords. Its name is what ends them.
const SKIP: &str =
    r#"set +vx; while IFS= read -r line || exit 1; do test "$line" != "$0" || break; done; line="#;

/// Ends the group of a process, whose number is `$1`.
const FAREWELL: &str = r#"stat=$(cat "/proc/$1/stat" 2>/dev/null) || exit 0
group=$(printf '%s\n' "${stat##*) }" | cut -d ' ' -f 3)
kill -s TERM -- "-$group" 2>/dev/null || kill -s TERM "$1" 2>/dev/null
exec >/dev/null 2>&1 </dev/null
(n=5; while test $n -gt 0 && kill -s 0 "$1"; do sleep 1; n=$((n - 1)); done; kill -s KILL -- "-$group") &"#;

/// How long that may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What `sudo` wants from whoever calls it.
#[derive(Debug, Clone)]
pub enum SudoPassword {
    /// Nothing: it has to be allowed without a password.
    Passwordless,
    /// The password of the user who logged in.
    Password(Arc<Secret>),
}

/// A machine whose commands are run by `sudo`.
pub struct Sudo {
    host: Arc<dyn Host>,
    password: SudoPassword,
    user: Option<String>,
}

impl Sudo {
    /// Commands of this machine as another user; without one, as root.
    pub fn new(host: Arc<dyn Host>, password: SudoPassword, user: Option<String>) -> Self {
        Self {
            host,
            password,
            user,
        }
    }

    /// The command as `sudo` gets it, once it has got its password where it wants one.
    fn line(&self, line: &Line, mark: &Mark) -> Line {
        let who = self.user.as_deref().unwrap_or("root");
        let nonce = mark.nonce();
        let said = mark.script();
        match self.password {
            SudoPassword::Passwordless => {
                let begin = format!("{said}; exec \"$@\"");
                line.under(&["sudo", "-n", "-u", who, "--", "/bin/sh", "-c", &begin, "sh"])
            }
            SudoPassword::Password(_) => {
                let begin = format!("{SKIP}; {said}; exec \"$@\"");
                line.under(&["/bin/sh", "-c", TWICE, "sh", who, &begin, nonce])
            }
        }
    }

    /// Asks a command that nobody waits for any more to end: whoever logged in may not do that by himself.
    fn ask_to_end(&self, pid: u32) -> bool {
        let Ok(kill) = Line::script(FAREWELL, "sh", [pid.to_string()]) else {
            return false;
        };
        let (mut out, mut err) = (Output::at_most(4096), Output::at_most(4096));
        let streams = Streams {
            input: Input::Nothing,
            out: &mut out,
            err: &mut err,
        };
        let ended = self.run(&kill, streams, &Patience::unbroken(LAST_WORDS));
        ended.is_ok_and(|(exit, _)| exit.is_success())
    }

    /// The command's end, or why it has none and under which number it may go on.
    fn run(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<(Exit, Option<u32>), (RemoteError, Option<u32>)> {
        let Streams {
            mut input,
            out,
            err,
        } = streams;
        let mark = Mark::new();
        let (mut out, mut err) = (AfterMark::new(&mark, out), AfterMark::new(&mark, err));
        let passwords = match &self.password {
            SudoPassword::Passwordless => Zeroizing::default(),
            SudoPassword::Password(secret) => passwords(secret, &mark),
        };
        let mut ahead = Ahead::new(&passwords, input.lent());
        let streams = Streams {
            input: if passwords.is_empty() {
                ahead.rest()
            } else {
                Input::Reader(&mut ahead)
            },
            out: &mut out,
            err: &mut err,
        };
        let ended = self.host.exec(&self.line(line, &mark), streams, patience);
        match ended {
            Ok(exit) if out.seen() => Ok((exit, out.pid())),
            Ok(exit) => Err((self.said_no(&exit, &err.noise()), None)),
            Err(error) => Err((error, out.pid())),
        }
    }
}

impl Host for Sudo {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        match self.run(line, streams, patience) {
            Ok((exit, _)) => Ok(exit),
            Err((error, Some(pid))) if goes_on(error.kind) && self.ask_to_end(pid) => Err(error),
            Err((mut error, Some(_))) => {
                error
                    .what
                    .push_str("; with the rights that it has, it may go on there");
                Err(error)
            }
            Err((error, None)) => Err(error),
        }
    }

    fn back_end(&self) -> BackEnd {
        self.host.back_end()
    }

    fn round_trip(&self) -> Option<std::time::Duration> {
        self.host.round_trip()
    }
}

impl Sudo {
    /// Why the command did not begin.
    fn said_no(&self, exit: &Exit, said: &str) -> RemoteError {
        let user = self.user.as_deref().unwrap_or("root");
        let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
        let given = matches!(self.password, SudoPassword::Password(_));
        let (what, hint) = if has(&[
            "sudo: not found",
            "sudo: command not found",
            "sudo: No such file",
            "sudo: inaccessible",
        ]) {
            (
                "there is no `sudo` on the machine".to_owned(),
                "install it there; or log in as the right user, with `sudo = false` in the cluster file".to_owned(),
            )
        } else if has(&["you must have a tty", "no tty present"]) {
            (
                "`sudo` there runs nothing without a terminal (`requiretty`)".to_owned(),
                "write `Defaults:USER !requiretty` for the user who logs in, with `visudo` there"
                    .to_owned(),
            )
        } else if has(&["incorrect password", "try again", "Authentication failure"]) {
            (
                "`sudo` did not take the password".to_owned(),
                "correct the secret that `sudo.password` names; it was tried once and will not be tried again".to_owned(),
            )
        } else if has(&[
            "not in the sudoers",
            "is not allowed to",
            "may not run sudo",
        ]) {
            (
                format!("`sudo` does not let the user run commands as {user}"),
                "write a rule for the user with `visudo` there; `sudo -l` shows which there are"
                    .to_owned(),
            )
        } else if has(&[
            "a password is required",
            "a terminal is required",
            "no password was provided",
            "password is required",
        ]) && !given
        {
            (
                "`sudo` wants a password".to_owned(),
                "name a secret as `sudo.password` in the cluster file; or allow it without one, with NOPASSWD in a rule for `visudo` there".to_owned(),
            )
        } else if has(&["unknown user"]) {
            (
                format!("`sudo` knows no user {user} there"),
                "correct `sudo.user` in the cluster file".to_owned(),
            )
        } else {
            (
                format!("`sudo` did not run the command; it ended with {exit}"),
                "`sudo -l` there shows what the user may do".to_owned(),
            )
        };
        let what = if said.is_empty() {
            what
        } else {
            format!("{what}: it said `{said}`")
        };
        RemoteError::new(RemoteErrorKind::Sudo, what).hint(hint)
    }
}

fn goes_on(kind: RemoteErrorKind) -> bool {
    !kind.nothing_begun() && kind != RemoteErrorKind::Lost
}

/// What goes ahead of what the command reads: the password twice, and what ends it.
fn passwords(secret: &Secret, mark: &Mark) -> Zeroizing<Vec<u8>> {
    let (secret, end) = (secret.expose(), mark.nonce());
    let parts = [secret, "\n", secret, "\n", end, "\n"];
    let length = parts.iter().map(|part| part.len()).sum();
    let mut lines = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        lines.extend_from_slice(part.as_bytes());
    }
    lines
}
