//! What the configuration says for one host.

use std::path::PathBuf;
use std::time::Duration;

use super::algorithms::Algorithms;
use super::beyond::{self, Reason};

/// What the configuration says for one host, with the defaults of OpenSSH for what it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of ssh_config(5) that is yes or no"
)]
pub struct HostConfig {
    /// The host as it was asked for.
    pub host: String,
    /// The name or address to connect to.
    pub host_name: String,
    /// The port.
    pub port: u16,
    /// The user there.
    pub user: String,
    /// Files with private keys, in the order in which they are offered.
    pub identity_files: Vec<IdentityFile>,
    /// Whether no key is offered that no file names, though the agent has it.
    pub identities_only: bool,
    /// Where the agent listens.
    pub identity_agent: IdentityAgent,
    /// Files with certificates of the user.
    pub certificate_files: Vec<PathBuf>,
    /// The user's lists of known hosts.
    pub user_known_hosts: Vec<PathBuf>,
    /// The machine's lists of known hosts.
    pub global_known_hosts: Vec<PathBuf>,
    /// What happens with a host whose key is not known.
    pub strict_host_key_checking: StrictHostKeyChecking,
    /// The name under which the host's key is known.
    pub host_key_alias: Option<String>,
    /// Whether names are written into the list of known hosts so that nobody can read them.
    pub hash_known_hosts: bool,
    /// Whether the address must be known, too.
    pub check_host_ip: bool,
    /// Whether any key will do for this very machine.
    pub no_host_authentication_for_localhost: bool,
    /// A file with keys that must not be used.
    pub revoked_host_keys: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// How often it is tried.
    pub connection_attempts: u32,
    /// After how long a silence the server is asked whether it lives; zero for never.
    pub server_alive_interval: Duration,
    /// How many such questions may go unanswered.
    pub server_alive_count_max: u32,
    /// Whether the system notices that the connection is dead.
    pub tcp_keep_alive: bool,
    /// Which kind of address is used.
    pub address_family: AddressFamily,
    /// The address on this machine from which to connect.
    pub bind_address: Option<String>,
    /// The interface of this machine from which to connect.
    pub bind_interface: Option<String>,
    /// Whether what is sent is compressed.
    pub compression: bool,
    /// Kinds of host keys.
    pub host_key_algorithms: Algorithms,
    /// Kinds of keys of users.
    pub pubkey_accepted_algorithms: Algorithms,
    /// Ways to agree on a key.
    pub kex_algorithms: Algorithms,
    /// Ciphers.
    pub ciphers: Algorithms,
    /// Checksums.
    pub macs: Algorithms,
    /// The smallest RSA key that is good enough, in bits.
    pub required_rsa_size: u32,
    /// Whether nobody may be asked for anything.
    pub batch_mode: bool,
    /// Ways to log in, best first; the usual order if nothing is said.
    pub preferred_authentications: Option<Vec<String>>,
    /// Whether keys are offered.
    pub pubkey_authentication: bool,
    /// Whether a password is offered.
    pub password_authentication: bool,
    /// Whether questions of the server are answered.
    pub kbd_interactive_authentication: bool,
    /// How often a password is asked for.
    pub number_of_password_prompts: u32,
    /// Whether Kerberos is tried.
    pub gssapi_authentication: bool,
    /// Whether this machine may vouch for the user.
    pub hostbased_authentication: bool,
    /// The command through which to connect.
    pub proxy_command: Option<String>,
    /// The hosts through which to connect.
    pub proxy_jump: Option<String>,
    /// Whether the command hands over a connection instead of being one.
    pub proxy_use_fdpass: bool,
    /// A library for keys on cards.
    pub pkcs11_provider: Option<String>,
    /// A library for keys on FIDO tokens.
    pub security_key_provider: Option<String>,
    /// A command that knows host keys.
    pub known_hosts_command: Option<String>,
    /// Whether the DNS may vouch for a host's key: `yes`, `no` or `ask`.
    pub verify_host_key_dns: String,
    /// Whether names are completed: `yes`, `no` or `always`.
    pub canonicalize_hostname: String,
    /// The tag that `Match tagged` looks for.
    pub tag: Option<String>,
    /// Variables of the environment that are sent: names and patterns.
    pub send_env: Vec<String>,
    /// Variables of the environment that are set there.
    pub set_env: Vec<(String, String)>,
    /// What only OpenSSH can do.
    pub(super) reasons: Vec<Reason>,
}

/// A file with a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFile {
    /// As it was written.
    pub written: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody named it, so that it should be there.
    pub is_named: bool,
}

/// Where the agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityAgent {
    /// Where `SSH_AUTH_SOCK` says, if it says anything.
    Environment,
    /// No agent is asked.
    Nobody,
    /// At this socket.
    Socket(PathBuf),
}

/// What happens with a host whose key is not known. A changed key is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrictHostKeyChecking {
    /// It is refused.
    Yes,
    /// Somebody is asked.
    Ask,
    /// It is taken and remembered.
    AcceptNew,
    /// It is taken, even if it has changed.
    No,
}

/// Which kind of address is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// Either.
    Any,
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl HostConfig {
    /// The name under which the host's key is looked up, and the port that belongs to it: none with an alias.
    pub fn known_as(&self) -> (&str, u16) {
        match &self.host_key_alias {
            Some(alias) => (alias, 22),
            None => (&self.host_name, self.port),
        }
    }

    /// The lists of known hosts, as people read them.
    pub(in crate::remote) fn known_hosts_files(&self) -> String {
        let files = self.user_known_hosts.iter().chain(&self.global_known_hosts);
        let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
        files.join(", ")
    }

    /// Why a session of our own can't do what the configuration asks for, in a sentence that names the option; nothing
    /// if it can. This looks at the files with keys.
    pub fn beyond_ssh2(&self) -> Option<String> {
        let mut reasons = self.reasons.iter();
        let reason = reasons.next().map(ToString::to_string);
        reason.or_else(|| self.identity_files.iter().find_map(beyond::of_identity))
    }
}
