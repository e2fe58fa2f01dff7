//! Resolves references to secrets, once each, and keeps the values in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::{
    Argv, GivenSecrets, HumanDuration, Secret, SecretError, SecretRef, scrub_environment,
    secret_command,
};

/// The largest secret. Keys and certificates are far smaller.
pub(super) const LARGEST: usize = 256 * 1024;

/// How long the command of a `cmd:` reference may take.
const COMMAND_DEADLINE: HumanDuration = HumanDuration::seconds(30);

/// Asks a person for a secret under a label.
type Ask = Box<dyn Fn(&str) -> io::Result<Secret> + Send + Sync>;

/// Looks up a variable of the environment.
type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// One secret's place in the memory: its lock is held while it is resolved, so
/// that several threads ask, read or run only once.
type Slot = Arc<Mutex<Option<Arc<Secret>>>>;

/// Resolves references when they are first needed, and remembers the values
/// until it is dropped. Threads may share it.
///
/// ```
/// use clusterctl::config::{Secret, SecretRef, SecretStore};
///
/// let reference: SecretRef = "prompt:Database password".parse()?;
/// let store = SecretStore::new([&reference]).with_prompt(|_label| Ok(Secret::new("typed".to_owned())));
/// assert_eq!(store.resolve(&reference)?.expose(), "typed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SecretStore {
    references: BTreeSet<SecretRef>,
    given: GivenSecrets,
    folder: PathBuf,
    ask: Option<Ask>,
    environment: Environment,
    command_deadline: HumanDuration,
    slots: Mutex<BTreeMap<SecretRef, Slot>>,
    terminal: Mutex<()>,
}

impl SecretStore {
    /// A store that knows of `references`: the variables that they name are
    /// hidden from the commands that it runs. Others may be resolved too.
    pub fn new<'a>(references: impl IntoIterator<Item = &'a SecretRef>) -> Self {
        Self {
            references: references.into_iter().cloned().collect(),
            given: GivenSecrets::new(),
            folder: PathBuf::new(),
            ask: None,
            environment: Box::new(|name| std::env::var_os(name)),
            command_deadline: COMMAND_DEADLINE,
            slots: Mutex::default(),
            terminal: Mutex::default(),
        }
    }

    /// Relative paths of `file:` references start in this folder, which is
    /// usually that of the cluster file.
    #[must_use]
    pub fn relative_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// The secrets that came with this invocation.
    #[must_use]
    pub fn with_given(mut self, given: GivenSecrets) -> Self {
        self.given = given;
        self
    }

    /// Asks for `prompt:` secrets in this way.
    #[must_use]
    pub fn with_prompt(
        mut self,
        ask: impl Fn(&str) -> io::Result<Secret> + Send + Sync + 'static,
    ) -> Self {
        self.ask = Some(Box::new(ask));
        self
    }

    /// Asks for `prompt:` secrets on the terminal, without echo, if standard
    /// input and standard error are one.
    #[must_use]
    pub fn with_terminal(self) -> Self {
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            self.with_prompt(|label| {
                rpassword::prompt_password(format!("{label}: ")).map(Secret::new)
            })
        } else {
            self
        }
    }

    /// Looks up variables here rather than in the environment of this process.
    #[must_use]
    pub fn with_environment(
        mut self,
        lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Box::new(lookup);
        self
    }

    /// How long the command of a `cmd:` reference may take: 30 seconds unless
    /// said otherwise.
    #[must_use]
    pub fn with_command_deadline(mut self, deadline: HumanDuration) -> Self {
        self.command_deadline = deadline;
        self
    }

    /// The secret that `reference` leads to. A failure is not remembered: the
    /// next call tries again.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Arc<Secret>, SecretError> {
        let slot = Arc::clone(lock(&self.slots).entry(reference.clone()).or_default());
        let mut value = lock(&slot);
        if let Some(secret) = value.as_ref() {
            return Ok(Arc::clone(secret));
        }
        let secret = Arc::new(self.fetch(reference)?);
        *value = Some(Arc::clone(&secret));
        Ok(secret)
    }

    /// Takes the variables of all known references out of a child's
    /// environment.
    pub fn scrub(&self, command: &mut Command) {
        scrub_environment(command, &self.references);
        scrub_environment(command, lock(&self.slots).keys());
    }

    fn fetch(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let secret = match reference {
            SecretRef::Env(variable) => self.variable(variable)?,
            SecretRef::File(path) => file(reference, &self.folder.join(path))?,
            SecretRef::Cmd(argv) => self.command(reference, argv)?,
            SecretRef::Prompt(label) => self.typed(label)?,
            SecretRef::Given(label) => self
                .given
                .get(label)
                .map(|secret| Secret::new(secret.expose().to_owned()))
                .ok_or_else(|| SecretError::NotGiven {
                    label: label.clone(),
                })?,
        };
        if secret.expose().is_empty() {
            return Err(SecretError::Empty {
                reference: reference.to_string(),
            });
        }
        Ok(secret)
    }

    fn variable(&self, variable: &str) -> Result<Secret, SecretError> {
        let value = (self.environment)(variable).ok_or_else(|| SecretError::VariableMissing {
            variable: variable.to_owned(),
        })?;
        value.into_string().map(Secret::new).map_err(|value| {
            drop(Zeroizing::new(value.into_encoded_bytes()));
            SecretError::NotText {
                reference: format!("env:{variable}"),
            }
        })
    }

    fn command(&self, reference: &SecretRef, argv: &Argv) -> Result<Secret, SecretError> {
        let mut command = argv.command();
        self.scrub(&mut command);
        secret_command::run(&reference.to_string(), command, self.command_deadline)
    }

    fn typed(&self, label: &str) -> Result<Secret, SecretError> {
        let Some(ask) = &self.ask else {
            return Err(SecretError::NoTerminal {
                label: label.to_owned(),
            });
        };
        let _one_question_at_a_time = lock(&self.terminal);
        ask(label).map_err(|source| SecretError::PromptFailed {
            label: label.to_owned(),
            source,
        })
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretStore")
            .field("references", &self.references)
            .field("given", &self.given.keys())
            .finish_non_exhaustive()
    }
}

/// A thread that panicked while it held a lock of the store left nothing
/// half-written: a slot is either empty or full.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The content of a file that is not open to everybody. The checks look at the
/// opened file, so nobody can exchange it in between; opening never waits for
/// the other end of a pipe.
fn file(reference: &SecretRef, path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::FileUnreadable {
        path: path.to_owned(),
        source,
    };
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(SecretError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o006 != 0 {
        return Err(SecretError::FileTooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    file.by_ref()
        .take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    text_of(&reference.to_string(), bytes)
}

/// The bytes as text, without one final newline.
pub(super) fn text_of(
    reference: &str,
    mut bytes: Zeroizing<Vec<u8>>,
) -> Result<Secret, SecretError> {
    if bytes.len() > LARGEST {
        return Err(SecretError::TooLarge {
            reference: reference.to_owned(),
            limit: LARGEST,
        });
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(SecretError::NotText {
            reference: reference.to_owned(),
        }),
    }
}
