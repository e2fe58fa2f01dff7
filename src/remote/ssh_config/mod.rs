//! What the user's configuration of SSH says about a host, read as OpenSSH reads it.
//!
//! The files are read once, with everything they include, into blocks; for each host the blocks that apply are gone
//! through, and the first value of each option counts. So a thousand hosts cost little more than one.
//!
//! ```no_run
//! use clusterctl::remote::{SshConfig, Surroundings};
//!
//! let config = SshConfig::of_user(Surroundings::of_this_process())?;
//! let host = config.resolve("web1", None, None)?;
//! println!("{}@{}:{}", host.user, host.host_name, host.port);
//! if let Some(reason) = host.beyond_ssh2() {
//!     println!("only the system's ssh can do it: {reason}");
//! }
//! # Ok::<(), clusterctl::remote::SshConfigError>(())
//! ```
//!
//! Where it differs from OpenSSH 9.2: options without an effect here, such as forwardings, are not checked; keywords
//! and criteria of later versions are known; names of ports are not; a line that is not UTF-8 and applies to the host
//! is left to the system's `ssh`. A keyword that nobody knows is an error, as it is there.

mod address;
mod algorithms;
mod beyond;
mod criteria;
mod error;
mod expand;
mod file_glob;
mod host_config;
mod jump;
mod keyword;
mod line;
pub(super) mod pattern;
mod permissions;
mod resolve;
mod surroundings;
mod tree;
mod value;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use algorithms::Algorithms;
pub use error::{Place, SshConfigError, SshConfigProblem};
pub use host_config::{
    AddressFamily, HostConfig, IdentityAgent, IdentityFile, StrictHostKeyChecking,
};
pub use surroundings::{Surroundings, User};
pub(super) use tree::is_waited_for;

use expand::Tokens;
use keyword::Keyword as K;
use resolve::{Asked, Found};
use tree::{File, Owner, Reader};
use value::Value;

/// Where the configuration of the whole machine is.
const SYSTEM_FOLDER: &str = "/etc/ssh";

/// Keys that are looked for when no file names any, as OpenSSH 9.2 does.
const USUAL_IDENTITIES: [&str; 7] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_xmss",
    "id_dsa",
];

/// The files of a configuration.
#[derive(Debug)]
pub struct SshConfig {
    files: Vec<(Owner, File)>,
    /// Whether they are read a second time, with the name that the first time gave.
    later_pass: bool,
    here: Surroundings,
    system_folder: PathBuf,
}

impl SshConfig {
    /// Reads `~/.ssh/config` and `/etc/ssh/ssh_config`, as far as they are there.
    pub fn of_user(here: Surroundings) -> Result<Self, SshConfigError> {
        let user = here.home.join(".ssh/config");
        Self::read(Some(&user), Path::new(SYSTEM_FOLDER), here)
    }

    /// Reads a file of the user, unless there is none, and then `ssh_config` in a folder of the system.
    pub fn read(
        user: Option<&Path>,
        system_folder: &Path,
        here: Surroundings,
    ) -> Result<Self, SshConfigError> {
        let system = system_folder.join("ssh_config");
        let mut files = Vec::new();
        files.extend(user.map(|user| (user.to_owned(), Owner::User, true)));
        files.push((system, Owner::System, false));
        Self::read_files(&files, system_folder, here, true)
    }

    /// Reads this file and no other, as `ssh -F` does; for `none`, nothing at all.
    pub fn only(file: &Path, here: Surroundings) -> Result<Self, SshConfigError> {
        let none = file.as_os_str().eq_ignore_ascii_case("none");
        let file = (file.to_owned(), Owner::User, false);
        let files: Vec<_> = (!none).then_some(file).into_iter().collect();
        Self::read_files(&files, Path::new(SYSTEM_FOLDER), here, false)
    }

    fn read_files(
        files: &[(PathBuf, Owner, bool)],
        system_folder: &Path,
        here: Surroundings,
        may_be_absent: bool,
    ) -> Result<Self, SshConfigError> {
        let mut reader = Reader::new(&here, system_folder);
        let mut read = Vec::new();
        for (path, owner, guarded) in files {
            match reader.file(path, *owner, *guarded, 0) {
                Ok(file) => read.push((*owner, file)),
                Err(error) if may_be_absent && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let what = format!("{} can't be read: {error}", path.display());
                    reader.problem(SshConfigProblem::new(what));
                }
            }
        }
        if !reader.problems.is_empty() {
            return Err(SshConfigError::new(reader.problems));
        }
        Ok(Self {
            files: read,
            later_pass: reader.later_pass,
            system_folder: system_folder.to_owned(),
            here,
        })
    }

    /// The user and the machine for whom it was read.
    pub fn surroundings(&self) -> &Surroundings {
        &self.here
    }

    /// What it says for a host. `user` and `port` count before everything in the files.
    pub fn resolve(
        &self,
        host: &str,
        user: Option<&str>,
        port: Option<u16>,
    ) -> Result<HostConfig, SshConfigError> {
        check_name("host", host, is_host)?;
        if let Some(user) = user {
            check_name("user", user, is_user)?;
        }
        let here = &self.here;
        let asked = Asked { host, user, here };
        let mut found = Found::nothing();
        found.read(&self.files, asked, None)?;
        let host_name = host_name(&found, host)?;
        if self.later_pass || found.word_but_no(K::CanonicalizeHostname) {
            found.read(&self.files, asked, Some(&host_name))?;
        }
        let answer = Answer {
            config: self,
            found: &found,
            asked,
            port: port.or_else(|| found.number(K::Port).and_then(|port| port.try_into().ok())),
            host_name,
        };
        Ok(answer.host_config()?)
    }
}

/// The name to connect to.
fn host_name(found: &Found<'_>, host: &str) -> Result<String, SshConfigProblem> {
    let name = match found.setting(K::HostName) {
        Some(setting) => {
            let name = found.text(K::HostName).unwrap_or_default();
            let name = expand::host_name(name, host);
            name.map_err(|what| SshConfigProblem::new(what).at(&setting.place))?
        }
        None => host.to_owned(),
    };
    Ok(address::canonical(&name, family(found)))
}

fn family(found: &Found<'_>) -> AddressFamily {
    match found.text(K::AddressFamily) {
        Some("inet") => AddressFamily::Inet,
        Some("inet6") => AddressFamily::Inet6,
        _ => AddressFamily::Any,
    }
}

fn check_name(what: &str, name: &str, fine: impl Fn(&str) -> bool) -> Result<(), SshConfigProblem> {
    if fine(name) {
        return Ok(());
    }
    let shown = name.escape_debug();
    Err(SshConfigProblem::new(format!(
        "`{shown}` is no name of a {what}"
    )))
}

fn is_host(name: &str) -> bool {
    let fine = |c: char| {
        !c.is_ascii_whitespace() && !c.is_control() && !"'`\"$\\;&<>|(){},\u{b}".contains(c)
    };
    !name.is_empty() && !name.starts_with('-') && name.chars().all(fine)
}

fn is_user(name: &str) -> bool {
    let fine = |c: char| !c.is_control() && !"'`\";&<>|(){}".contains(c);
    !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('\\')
        && !name.contains(" -")
        && name.chars().all(fine)
}

/// What becomes the answer for a host.
struct Answer<'a> {
    config: &'a SshConfig,
    found: &'a Found<'a>,
    asked: Asked<'a>,
    port: Option<u16>,
    host_name: String,
}

impl Answer<'_> {
    fn host_config(self) -> Result<HostConfig, SshConfigProblem> {
        let found = self.found;
        let here = &self.config.here;
        let user = self
            .asked
            .user
            .or(found.text(K::User))
            .unwrap_or(&here.user);
        let jump = match found.setting(K::ProxyJump).map(|setting| &setting.value) {
            Some(Value::Jump(jump)) if !jump.is_nobody() => Some(jump),
            _ => None,
        };
        let alias = found.text(K::HostKeyAlias).map(str::to_ascii_lowercase);
        let tokens = Tokens {
            original: self.asked.host,
            host: &self.host_name,
            port: self.port.unwrap_or(22),
            user,
            key_alias: alias.as_deref().unwrap_or(self.asked.host),
            jump: jump.map_or("", |jump| jump.host()),
            here,
        };
        let text = |keyword| found.text(keyword).map(str::to_owned);
        let word = |keyword| found.word_but_none(keyword).map(str::to_owned);
        let number = |keyword, default| found.number(keyword).unwrap_or(default);
        let algorithms = |keyword| Algorithms::new(found.text(keyword));
        if let (Some(0), Some(setting)) = (
            found.number(K::ConnectionAttempts),
            found.setting(K::ConnectionAttempts),
        ) {
            let what = "`ConnectionAttempts`: there has to be at least one";
            return Err(SshConfigProblem::new(what).at(&setting.place));
        }
        let batch_mode = found.flag(K::BatchMode, false);
        let silence = number(K::ServerAliveInterval, if batch_mode { 300 } else { 0 });
        Ok(HostConfig {
            host: self.asked.host.to_owned(),
            host_name: self.host_name.clone(),
            port: tokens.port,
            user: user.to_owned(),
            identity_files: self.identity_files(&tokens)?,
            identities_only: found.flag(K::IdentitiesOnly, false),
            identity_agent: self.identity_agent(&tokens)?,
            certificate_files: self.certificate_files(&tokens)?,
            user_known_hosts: self.user_known_hosts(&tokens)?,
            global_known_hosts: self.global_known_hosts()?,
            strict_host_key_checking: match found.text(K::StrictHostKeyChecking) {
                Some("yes") => StrictHostKeyChecking::Yes,
                Some("no") => StrictHostKeyChecking::No,
                Some("accept-new") => StrictHostKeyChecking::AcceptNew,
                _ => StrictHostKeyChecking::Ask,
            },
            host_key_alias: alias.clone(),
            hash_known_hosts: found.flag(K::HashKnownHosts, false),
            check_host_ip: found.flag(K::CheckHostIp, false),
            no_host_authentication_for_localhost: found
                .flag(K::NoHostAuthenticationForLocalhost, false),
            // Whether it is expanded depends on the version.
            revoked_host_keys: found
                .word_but_none(K::RevokedHostKeys)
                .map(|path| expand::path(path, &tokens).unwrap_or_else(|_| PathBuf::from(path))),
            connect_timeout: found.number(K::ConnectTimeout).map(seconds),
            connection_attempts: number(K::ConnectionAttempts, 1),
            server_alive_interval: seconds(silence),
            server_alive_count_max: number(K::ServerAliveCountMax, 3),
            tcp_keep_alive: found.flag(K::TcpKeepAlive, true),
            address_family: family(found),
            bind_address: text(K::BindAddress),
            bind_interface: text(K::BindInterface),
            compression: found.flag(K::Compression, false),
            host_key_algorithms: algorithms(K::HostKeyAlgorithms),
            pubkey_accepted_algorithms: algorithms(K::PubkeyAcceptedAlgorithms),
            kex_algorithms: algorithms(K::KexAlgorithms),
            ciphers: algorithms(K::Ciphers),
            macs: algorithms(K::Macs),
            required_rsa_size: number(K::RequiredRsaSize, beyond::USUAL_RSA),
            batch_mode,
            preferred_authentications: found
                .text(K::PreferredAuthentications)
                .map(|ways| ways.split(',').map(str::to_owned).collect()),
            pubkey_authentication: found.flag(K::PubkeyAuthentication, true),
            password_authentication: found.flag(K::PasswordAuthentication, true),
            kbd_interactive_authentication: found.flag(K::KbdInteractiveAuthentication, true),
            number_of_password_prompts: number(K::NumberOfPasswordPrompts, 3),
            gssapi_authentication: found.flag(K::GssApiAuthentication, false),
            hostbased_authentication: found.flag(K::HostbasedAuthentication, false),
            proxy_command: word(K::ProxyCommand).filter(|_| jump.is_none()),
            proxy_jump: jump.map(ToString::to_string),
            proxy_use_fdpass: found.flag(K::ProxyUseFdpass, false) && jump.is_none(),
            pkcs11_provider: word(K::Pkcs11Provider),
            security_key_provider: match found.text(K::SecurityKeyProvider) {
                None => Some("internal".to_owned()),
                Some(_) => word(K::SecurityKeyProvider),
            },
            known_hosts_command: word(K::KnownHostsCommand),
            verify_host_key_dns: text(K::VerifyHostKeyDns).unwrap_or_else(no),
            canonicalize_hostname: text(K::CanonicalizeHostname).unwrap_or_else(no),
            tag: text(K::Tag),
            send_env: found.send.iter().map(|&name| name.to_owned()).collect(),
            set_env: self.set_env(),
            reasons: beyond::of(found, here),
        })
    }

    /// A path, or where it stands and what is wrong with it.
    fn path(&self, keyword: K, path: Result<PathBuf, String>) -> Result<PathBuf, SshConfigProblem> {
        path.map_err(|what| {
            let problem = SshConfigProblem::new(what);
            match self.found.setting(keyword) {
                Some(setting) => problem.at(&setting.place),
                None => problem,
            }
        })
    }

    fn identity_files(&self, tokens: &Tokens<'_>) -> Result<Vec<IdentityFile>, SshConfigProblem> {
        if self.found.identities.is_empty() {
            let usual = USUAL_IDENTITIES.iter().map(|name| IdentityFile {
                written: format!("~/.ssh/{name}"),
                path: tokens.here.home.join(".ssh").join(name),
                is_named: false,
            });
            return Ok(usual.collect());
        }
        let mut files = Vec::new();
        for (setting, _) in &self.found.identities {
            let Value::Text(written) = &setting.value else {
                continue;
            };
            if written.eq_ignore_ascii_case("none") {
                continue;
            }
            let path = expand::path(written, tokens);
            let path = path.map_err(|what| SshConfigProblem::new(what).at(&setting.place))?;
            files.push(IdentityFile {
                written: written.clone(),
                path,
                is_named: true,
            });
        }
        Ok(files)
    }

    fn certificate_files(&self, tokens: &Tokens<'_>) -> Result<Vec<PathBuf>, SshConfigProblem> {
        let mut files = Vec::new();
        for setting in &self.found.certificates {
            if let Value::Text(written) = &setting.value {
                let path = expand::path(written, tokens);
                files.push(path.map_err(|what| SshConfigProblem::new(what).at(&setting.place))?);
            }
        }
        Ok(files)
    }

    fn identity_agent(&self, tokens: &Tokens<'_>) -> Result<IdentityAgent, SshConfigProblem> {
        let written = match self.found.text(K::IdentityAgent) {
            None | Some("SSH_AUTH_SOCK") => return Ok(IdentityAgent::Environment),
            Some("none") => return Ok(IdentityAgent::Nobody),
            Some(written) => written,
        };
        let variable = written
            .strip_prefix('$')
            .filter(|name| !name.starts_with('{'));
        if let Some(name) = variable {
            let socket = tokens.here.variables.get(name);
            return Ok(socket.map_or(IdentityAgent::Nobody, |socket| {
                IdentityAgent::Socket(PathBuf::from(socket))
            }));
        }
        self.path(K::IdentityAgent, expand::path(written, tokens))
            .map(IdentityAgent::Socket)
    }

    fn user_known_hosts(&self, tokens: &Tokens<'_>) -> Result<Vec<PathBuf>, SshConfigProblem> {
        let Some(words) = self.found.words(K::UserKnownHostsFile) else {
            let folder = tokens.here.home.join(".ssh");
            return Ok(["known_hosts", "known_hosts2"]
                .map(|name| folder.join(name))
                .to_vec());
        };
        let words = words
            .iter()
            .filter(|word| !word.eq_ignore_ascii_case("none"));
        let paths = words.map(|word| self.path(K::UserKnownHostsFile, expand::path(word, tokens)));
        paths.collect()
    }

    fn global_known_hosts(&self) -> Result<Vec<PathBuf>, SshConfigProblem> {
        let here = &self.config.here;
        let Some(words) = self.found.words(K::GlobalKnownHostsFile) else {
            let names = ["ssh_known_hosts", "ssh_known_hosts2"];
            return Ok(names
                .map(|name| self.config.system_folder.join(name))
                .to_vec());
        };
        let words = words
            .iter()
            .filter(|word| !word.eq_ignore_ascii_case("none"));
        let paths =
            words.map(|word| self.path(K::GlobalKnownHostsFile, expand::plain_path(word, here)));
        paths.collect()
    }

    fn set_env(&self) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        for word in self.found.words(K::SetEnv).unwrap_or_default() {
            if let Some((name, value)) = word.split_once('=')
                && !variables.iter().any(|(other, _)| other == name)
            {
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
        variables
    }
}

fn no() -> String {
    "no".to_owned()
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}
