//! Machines on which commands run: this one, and others over SSH.
//!
//! [`Host`] is the one door: it runs a command to its end, with streams and a
//! limit of time. There are three ways through it:
//!
//! * `local`: a process on this machine;
//! * `ssh2`: a session of our own;
//! * `system`: the user's own `ssh`, for what the first can't do.
//!
//! Everything else, such as reading and writing files, is a
//! command too, so that `sudo` and another user apply to it alike.
//!
//! [`SshConfig`] says what the user's configuration asks for, and [`KnownHosts`]
//! which keys hosts are known by; both read what OpenSSH reads.
//!
//! What goes to a shell is a [`Line`], quoted in one place for whatever shell the
//! user may have there. This room knows machines and bytes; it knows no plan, no
//! run, no lock.

mod ahead;
mod approach;
mod bulk;
mod destination;
mod dialer;
pub(crate) mod environment;
mod error;
mod file_error;
mod files;
mod from_elsewhere;
mod gate;
mod host;
mod known_hosts;
mod line;
mod local_host;
mod mark;
mod pipes;
mod process;
mod ssh2_host;
mod ssh_config;
mod sudo;
mod system_host;

pub use bulk::{Bulk, Load};
pub use destination::{Destination, HostKeys};
pub use dialer::{Choice, DialSettings, Dialer};
pub use error::{RemoteError, RemoteErrorKind, Retry};
pub use file_error::{FileError, FileErrorKind};
pub use files::{Content, Entry, Files, Identity, Kind, OnlyIf, Stat, Writing};
pub use from_elsewhere::FromElsewhere;
pub use host::{BackEnd, Exit, Host, Input, Output, Patience, Streams};
pub use known_hosts::{HostKey, KeyMark, KeyStanding, KnownHosts, KnownKey};
pub use line::{Handed, Line, NotALine};
pub use local_host::LocalHost;
pub use ssh_config::{
    AddressFamily, Algorithms, HostConfig, IdentityAgent, IdentityFile, Place, SshConfig,
    SshConfigError, SshConfigProblem, StrictHostKeyChecking, Surroundings, User,
};
pub use ssh2_host::panics_end_the_program;
pub use sudo::{Sudo, SudoPassword};
pub use system_host::answer_ssh;
