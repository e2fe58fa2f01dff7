//! Logging in, in the order in which OpenSSH does it: the agent's keys, those in files, the password.

use std::time::{Duration, Instant};

use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::link::{Link, Stop, number};
use super::{Way, fall, identity};
use crate::config::Secret;
use crate::remote::{Patience, RemoteError, RemoteErrorKind};

/// How long it may take: servers that look users up elsewhere are slow.
const LONGEST: Duration = Duration::from_mins(1);

/// What is tried, in this order, if no file says otherwise.
const USUAL: [&str; 3] = ["publickey", "password", "keyboard-interactive"];

/// Logs in with the first thing that opens the door.
pub(super) fn log_in(
    link: &mut Link,
    way: &Way,
    patience: &Patience<'_>,
) -> Result<(), RemoteError> {
    let mut login = Login {
        link,
        way,
        patience,
        deadline: Instant::now() + LONGEST.min(patience.left()),
        tried: Vec::new(),
        offered: 0,
        gave_password: false,
    };
    if login.run()? {
        return Ok(());
    }
    Err(login.denied())
}

struct Login<'a> {
    link: &'a mut Link,
    way: &'a Way,
    patience: &'a Patience<'a>,
    deadline: Instant,
    /// What was tried, and what came of it.
    tried: Vec<String>,
    /// How often the server had to say no.
    offered: usize,
    /// Whether the server has seen the password: what it refused must not be given again.
    gave_password: bool,
}

impl Login<'_> {
    fn run(&mut self) -> Result<bool, RemoteError> {
        let Some(mut offers) = self.offers()? else {
            return Ok(true);
        };
        for method in self.wanted() {
            // A server that wants a key and a password names the second when it has the first.
            let asks_for_more = self.offered > 0 && !offers.iter().any(|offer| asks(offer));
            if asks(&method) && asks_for_more && self.way.destination.password.is_some() {
                let Some(more) = self.offers()? else {
                    return Ok(true);
                };
                offers = more;
            }
            if !offers.contains(&method) {
                continue;
            }
            let done = match method.as_str() {
                "publickey" => self.keys()?,
                "password" => self.password()?,
                "keyboard-interactive" => self.answers(&offers)?,
                _ => false,
            };
            if done {
                return Ok(true);
            }
        }
        self.tried
            .push(format!("the server takes {}", offers.join(", ")));
        Ok(false)
    }

    /// The ways to log in that the server takes now; nothing when it let us in without any.
    fn offers(&mut self) -> Result<Option<Vec<String>>, RemoteError> {
        let user = self.way.config.user.clone();
        let asked = self.call(|session| {
            let told = fall::catch(|| session.auth_methods(&user).map(str::to_owned));
            told.map_or(Ok(None), |told| told.map(Some))
        });
        match asked {
            Ok(Some(methods)) => {
                let offers = methods.split(',').filter(|name| !name.is_empty());
                Ok(Some(offers.map(str::to_owned).collect()))
            }
            Ok(None) => Err(RemoteError::new(
                RemoteErrorKind::Garbage,
                "the server names its ways to log in with bytes that are no text",
            )
            .hint(format!(
                "`ssh -v {} true` shows them; `back_end = \"system\"` uses the system's own ssh, which may pass over them",
                self.way.config.host
            ))),
            Err(_) if self.link.session.authenticated() => Ok(None),
            Err(Stop::Told(error)) => Err(self.closed(error.message())),
            Err(stop) => Err(self.broken(stop)),
        }
    }

    /// The ways to log in that this side would use.
    fn wanted(&self) -> Vec<String> {
        let config = &self.way.config;
        let usual = || USUAL.iter().map(|&name| name.to_owned()).collect();
        let wanted: Vec<String> = config
            .preferred_authentications
            .clone()
            .unwrap_or_else(usual);
        let allowed = |name: &String| match name.as_str() {
            "publickey" => config.pubkey_authentication,
            "password" => config.password_authentication,
            "keyboard-interactive" => config.kbd_interactive_authentication,
            _ => false,
        };
        wanted.into_iter().filter(allowed).collect()
    }

    /// One try; whether the door is open. `None` when the server said no.
    fn try_once(
        &mut self,
        call: impl FnMut(&mut ssh2::Session) -> Result<(), ssh2::Error>,
    ) -> Result<Tried, RemoteError> {
        self.offered += 1;
        match self.call(call) {
            Ok(()) if self.link.session.authenticated() => Ok(Tried::Open),
            Ok(()) => Ok(Tried::Refused),
            Err(Stop::Told(error)) => match number(&error) {
                -7 | -13 | -43 | -45 => Err(self.closed(error.message())),
                // The library says the same when the server hung up instead of answering, but for its words.
                -18 | -19 if hung_up(&error) || self.link.has_ended() => {
                    Err(self.closed(error.message()))
                }
                -18 | -19 => Ok(Tried::Refused),
                -15 => Err(RemoteError::new(
                    RemoteErrorKind::Denied,
                    "the password has expired, and the server wants a new one",
                )
                .hint(format!(
                    "log in once with `ssh {}` and change it",
                    self.way.config.host
                ))),
                _ => Ok(Tried::Unusable(error.message().to_owned())),
            },
            Err(stop) => Err(self.broken(stop)),
        }
    }

    fn call<T>(
        &mut self,
        call: impl FnMut(&mut ssh2::Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stop> {
        self.link
            .drive(Some(self.deadline), "logging in", self.patience, call)
    }

    fn keys(&mut self) -> Result<bool, RemoteError> {
        let files = self.key_files();
        let mut asked = Vec::new();
        if let Some(socket) = &self.way.agent {
            let socket = socket.clone();
            if self.agent(&socket, &files, &mut asked)? {
                return Ok(true);
            }
        }
        for file in files {
            if file
                .key
                .public
                .as_ref()
                .is_some_and(|key| asked.contains(key))
            {
                continue;
            }
            if self.key_file(&file)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The files with keys that can be used.
    fn key_files(&mut self) -> Vec<KeyFile> {
        let mut files = Vec::new();
        for file in &self.way.config.identity_files {
            let path = file.path.display().to_string();
            match identity::read(&file.path) {
                Ok(Some(key)) => files.push(KeyFile { path, key }),
                Ok(None) if file.is_named => self.tried.push(format!("{path} is not there")),
                Ok(None) => {}
                Err(why) => self.tried.push(format!("{path} {why}")),
            }
        }
        files
    }

    /// Tries the keys of the agent, those first that a file names.
    fn agent(
        &mut self,
        socket: &std::path::Path,
        files: &[KeyFile],
        asked: &mut Vec<Vec<u8>>,
    ) -> Result<bool, RemoteError> {
        let shown = socket.display();
        let listed = self.link.session.agent().and_then(|mut agent| {
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        });
        let (agent, keys) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let why = error.message();
                self.tried
                    .push(format!("the agent at {shown} can't be used: {why}"));
                return Ok(false);
            }
        };
        let place = |key: &ssh2::PublicKey| {
            let same = |file: &KeyFile| file.key.public.as_deref() == Some(key.blob());
            files.iter().position(same)
        };
        let mut keys: Vec<_> = keys.into_iter().map(|key| (place(&key), key)).collect();
        if self.way.config.identities_only {
            keys.retain(|(place, _)| place.is_some());
        }
        keys.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
        if keys.is_empty() {
            self.tried
                .push(format!("the agent at {shown} has no key to offer"));
        }
        let user = &self.way.config.user;
        for (_, key) in keys {
            asked.push(key.blob().to_vec());
            let what = format!("the agent's key `{}`", key.comment().escape_debug());
            let tried = self.try_once(|_| agent.userauth(user, &key))?;
            if self.note(&what, tried) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn key_file(&mut self, file: &KeyFile) -> Result<bool, RemoteError> {
        let Some(text) = &file.key.text else {
            return Ok(false);
        };
        let passphrase = self.way.destination.passphrase.as_deref();
        if file.key.encrypted && passphrase.is_none() {
            let what = format!("{} is encrypted, and no passphrase is given", file.path);
            self.tried.push(what);
            return Ok(false);
        }
        let passphrase = passphrase
            .filter(|_| file.key.encrypted)
            .map(Secret::expose);
        let user = &self.way.config.user;
        let tried =
            self.try_once(|session| session.userauth_pubkey_memory(user, None, text, passphrase))?;
        if file.key.encrypted && matches!(tried, Tried::Unusable(_)) {
            // The library says of a wrong passphrase that it does not know the format.
            let what = format!("the passphrase does not open {}", file.path);
            self.tried.push(what);
            return Ok(false);
        }
        Ok(self.note(&file.path, tried))
    }

    fn password(&mut self) -> Result<bool, RemoteError> {
        let Some(password) = self.way.destination.password.clone() else {
            self.tried.push("no password is given".to_owned());
            return Ok(false);
        };
        let user = &self.way.config.user;
        self.gave_password = true;
        let tried = self.try_once(|session| session.userauth_password(user, password.expose()))?;
        Ok(self.note("the password", tried))
    }

    /// Answers the server's questions with the password. One that was refused is not given a second time.
    fn answers(&mut self, offers: &[String]) -> Result<bool, RemoteError> {
        let Some(password) = self.way.destination.password.clone() else {
            if !offers.iter().any(|offer| offer == "password") {
                self.tried.push("no password is given".to_owned());
            }
            return Ok(false);
        };
        if self
            .tried
            .iter()
            .any(|tried| tried.starts_with("the password"))
        {
            return Ok(false);
        }
        let mut prompter = Answers {
            password: &password,
            given: false,
            strange: None,
        };
        let user = &self.way.config.user;
        self.gave_password = true;
        let tried =
            self.try_once(|session| session.userauth_keyboard_interactive(user, &mut prompter))?;
        let what = match &prompter.strange {
            Some(question) => format!("the question `{question}`, which nobody here can answer,"),
            None => "the password, as an answer,".to_owned(),
        };
        Ok(self.note(&what, tried))
    }

    /// Notes what came of it; whether the door is open.
    fn note(&mut self, what: &str, tried: Tried) -> bool {
        match tried {
            Tried::Open => return true,
            Tried::Refused => self.tried.push(format!("{what} was refused")),
            Tried::Unusable(why) => self.tried.push(format!("{what} can't be used: {why}")),
        }
        false
    }

    fn denied(&self) -> RemoteError {
        let kind = match self.offered {
            0 => RemoteErrorKind::NoCredentials,
            _ => RemoteErrorKind::Denied,
        };
        RemoteError::new(kind, self.story("the server let nobody in")).hint(format!(
            "see with `ssh -v {}` how you log in there yourself; add your key to the agent with `ssh-add`, \
             or name a `password` or `passphrase` for the node in the cluster file",
            self.way.config.host
        ))
    }

    /// The server hung up.
    fn closed(&self, why: &str) -> RemoteError {
        if self.offered == 0 {
            let what =
                format!("the server closed the connection before anybody could log in: {why}");
            return RemoteError::new(RemoteErrorKind::Busy, what)
                .hint("see what sshd logged there");
        }
        // Who sends somebody away says so before; a server that dies, or a network, does not.
        if self.link.was_cut() && !self.gave_password {
            let what = self.story("the connection broke while somebody logged in");
            return RemoteError::new(RemoteErrorKind::Cut, what)
                .hint("try again; if it stays so, see what sshd logged there");
        }
        let what = self.story("the server closed the connection while somebody logged in");
        RemoteError::new(RemoteErrorKind::Denied, what).hint(
            "an agent with many keys makes servers do that: name the right one with `IdentityFile` and \
             `IdentitiesOnly yes` in ssh_config",
        )
    }

    fn story(&self, what: &str) -> String {
        let user = self.way.config.user.escape_debug();
        let mut story = format!("{what} as `{user}`");
        if !self.tried.is_empty() {
            story.push_str(": ");
            story.push_str(&self.tried.join("; "));
        }
        story
    }

    fn broken(&self, stop: Stop) -> RemoteError {
        match stop {
            Stop::Broken(error) if error.kind == RemoteErrorKind::Cancelled => error,
            Stop::Told(error) => self.closed(error.message()),
            Stop::Broken(_) | Stop::Late => RemoteError::new(
                RemoteErrorKind::Silent,
                self.story("the server fell silent while somebody logged in"),
            )
            .hint(
                "see what sshd logged there; a directory of users that does not answer does this",
            ),
        }
    }
}

fn hung_up(error: &ssh2::Error) -> bool {
    error.message().starts_with("Waiting for")
}

/// Whether this way to log in takes a password.
fn asks(method: &str) -> bool {
    matches!(method, "password" | "keyboard-interactive")
}

struct KeyFile {
    path: String,
    key: identity::Identity,
}

/// What came of one try.
enum Tried {
    Open,
    Refused,
    Unusable(String),
}

/// Answers the one question that asks for a password.
struct Answers<'a> {
    password: &'a Secret,
    given: bool,
    strange: Option<String>,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        match prompts {
            [question] if !question.echo && !self.given => {
                self.given = true;
                vec![self.password.expose().to_owned()]
            }
            prompts => {
                let question = prompts.first().map(|prompt| prompt.text.trim());
                if let Some(question) = question {
                    let shown: String = question.chars().take(60).collect();
                    self.strange = Some(shown.escape_debug().to_string());
                }
                vec![String::new(); prompts.len()]
            }
        }
    }
}
