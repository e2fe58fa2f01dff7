//! The keywords of `ssh_config(5)`, and what may stand after each.

use Keyword as K;
use Shape as S;

/// An option whose value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Keyword {
    AddressFamily,
    BatchMode,
    BindAddress,
    BindInterface,
    CanonicalizeHostname,
    CanonicalizePermittedCnames,
    CertificateFile,
    CheckHostIp,
    Ciphers,
    Compression,
    ConnectionAttempts,
    ConnectTimeout,
    GlobalKnownHostsFile,
    GssApiAuthentication,
    GssApiKeyExchange,
    HashKnownHosts,
    HostbasedAuthentication,
    HostKeyAlgorithms,
    HostKeyAlias,
    HostName,
    IdentitiesOnly,
    IdentityAgent,
    IdentityFile,
    IgnoreUnknown,
    KbdInteractiveAuthentication,
    KexAlgorithms,
    KnownHostsCommand,
    Macs,
    NoHostAuthenticationForLocalhost,
    NumberOfPasswordPrompts,
    PasswordAuthentication,
    Pkcs11Provider,
    Port,
    PreferredAuthentications,
    ProxyCommand,
    ProxyJump,
    ProxyUseFdpass,
    PubkeyAcceptedAlgorithms,
    PubkeyAuthentication,
    RefuseConnection,
    RequiredRsaSize,
    RevokedHostKeys,
    SecurityKeyProvider,
    SendEnv,
    ServerAliveCountMax,
    ServerAliveInterval,
    SetEnv,
    StrictHostKeyChecking,
    Tag,
    TcpKeepAlive,
    User,
    UserKnownHostsFile,
    VerifyHostKeyDns,
}

/// How many there are.
pub(super) const COUNT: usize = Keyword::VerifyHostKeyDns as usize + 1;

/// What may stand after a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Patterns of hosts: what follows is for those.
    Host,
    /// Criteria: what follows is for hosts that meet them.
    Match,
    /// More files to read here.
    Include,
    /// One of these words, in letters of any size, and what it means.
    Choice(&'static [(&'static str, &'static str)]),
    /// A word.
    Word,
    /// A word that may name variables of the environment.
    Agent,
    /// A list of algorithms.
    Algorithms,
    /// A number from 0.
    Number,
    /// A port's number.
    Port,
    /// A span of time, or `none`.
    Time,
    /// Up to 32 words, or `none` alone.
    Files,
    /// Any number of words.
    Words,
    /// Names of variables of the environment, or patterns of them.
    Names,
    /// Variables of the environment with their values.
    Variables,
    /// Everything to the end of the line.
    Command,
    /// Hosts to pass through.
    Jump,
    /// Anything: it has no effect here.
    Anything,
}

const FLAG: Shape = S::Choice(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
]);
const FLAG_OR_ASK: Shape = S::Choice(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("ask", "ask"),
]);
const STRICT: Shape = S::Choice(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("off", "no"),
    ("ask", "ask"),
    ("accept-new", "accept-new"),
]);
const FAMILY: Shape = S::Choice(&[("any", "any"), ("inet", "inet"), ("inet6", "inet6")]);
const PUBKEY: Shape = S::Choice(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("unbound", "yes"),
    ("host-bound", "yes"),
]);
const CANONICALIZE: Shape = S::Choice(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("always", "always"),
]);
const COMPRESSION: Shape = S::Choice(&[("yes", "yes"), ("no", "no")]);

/// Each keyword that OpenSSH knows, in its usual spelling.
const KEYWORDS: &[(&str, Shape, Option<Keyword>)] = &[
    ("Host", S::Host, None),
    ("Match", S::Match, None),
    ("Include", S::Include, None),
    ("AddressFamily", FAMILY, Some(K::AddressFamily)),
    ("BatchMode", FLAG, Some(K::BatchMode)),
    ("BindAddress", S::Word, Some(K::BindAddress)),
    ("BindInterface", S::Word, Some(K::BindInterface)),
    (
        "CanonicalizeHostname",
        CANONICALIZE,
        Some(K::CanonicalizeHostname),
    ),
    (
        "CanonicalizePermittedCNAMEs",
        S::Words,
        Some(K::CanonicalizePermittedCnames),
    ),
    ("CertificateFile", S::Word, Some(K::CertificateFile)),
    ("CheckHostIP", FLAG, Some(K::CheckHostIp)),
    ("Ciphers", S::Algorithms, Some(K::Ciphers)),
    ("Compression", COMPRESSION, Some(K::Compression)),
    ("ConnectionAttempts", S::Number, Some(K::ConnectionAttempts)),
    ("ConnectTimeout", S::Time, Some(K::ConnectTimeout)),
    (
        "GlobalKnownHostsFile",
        S::Files,
        Some(K::GlobalKnownHostsFile),
    ),
    ("GSSAPIAuthentication", FLAG, Some(K::GssApiAuthentication)),
    ("GSSAPIKeyExchange", FLAG, Some(K::GssApiKeyExchange)),
    ("HashKnownHosts", FLAG, Some(K::HashKnownHosts)),
    (
        "HostbasedAuthentication",
        FLAG,
        Some(K::HostbasedAuthentication),
    ),
    (
        "HostKeyAlgorithms",
        S::Algorithms,
        Some(K::HostKeyAlgorithms),
    ),
    ("HostKeyAlias", S::Word, Some(K::HostKeyAlias)),
    ("HostName", S::Word, Some(K::HostName)),
    ("IdentitiesOnly", FLAG, Some(K::IdentitiesOnly)),
    ("IdentityAgent", S::Agent, Some(K::IdentityAgent)),
    ("IdentityFile", S::Word, Some(K::IdentityFile)),
    ("IdentityFile2", S::Word, Some(K::IdentityFile)),
    ("IgnoreUnknown", S::Word, Some(K::IgnoreUnknown)),
    (
        "KbdInteractiveAuthentication",
        FLAG,
        Some(K::KbdInteractiveAuthentication),
    ),
    (
        "ChallengeResponseAuthentication",
        FLAG,
        Some(K::KbdInteractiveAuthentication),
    ),
    (
        "SkeyAuthentication",
        FLAG,
        Some(K::KbdInteractiveAuthentication),
    ),
    (
        "TISAuthentication",
        FLAG,
        Some(K::KbdInteractiveAuthentication),
    ),
    ("KexAlgorithms", S::Algorithms, Some(K::KexAlgorithms)),
    ("KnownHostsCommand", S::Command, Some(K::KnownHostsCommand)),
    ("MACs", S::Algorithms, Some(K::Macs)),
    (
        "NoHostAuthenticationForLocalhost",
        FLAG,
        Some(K::NoHostAuthenticationForLocalhost),
    ),
    (
        "NumberOfPasswordPrompts",
        S::Number,
        Some(K::NumberOfPasswordPrompts),
    ),
    (
        "PasswordAuthentication",
        FLAG,
        Some(K::PasswordAuthentication),
    ),
    ("PKCS11Provider", S::Word, Some(K::Pkcs11Provider)),
    ("SmartcardDevice", S::Word, Some(K::Pkcs11Provider)),
    ("Port", S::Port, Some(K::Port)),
    (
        "PreferredAuthentications",
        S::Word,
        Some(K::PreferredAuthentications),
    ),
    ("ProxyCommand", S::Command, Some(K::ProxyCommand)),
    ("ProxyJump", S::Jump, Some(K::ProxyJump)),
    ("ProxyUseFdpass", FLAG, Some(K::ProxyUseFdpass)),
    (
        "PubkeyAcceptedAlgorithms",
        S::Algorithms,
        Some(K::PubkeyAcceptedAlgorithms),
    ),
    (
        "PubkeyAcceptedKeyTypes",
        S::Algorithms,
        Some(K::PubkeyAcceptedAlgorithms),
    ),
    (
        "PubkeyAuthentication",
        PUBKEY,
        Some(K::PubkeyAuthentication),
    ),
    ("DSAAuthentication", PUBKEY, Some(K::PubkeyAuthentication)),
    ("RefuseConnection", S::Word, Some(K::RefuseConnection)),
    ("RequiredRSASize", S::Number, Some(K::RequiredRsaSize)),
    ("RevokedHostKeys", S::Word, Some(K::RevokedHostKeys)),
    ("SecurityKeyProvider", S::Word, Some(K::SecurityKeyProvider)),
    ("SendEnv", S::Names, Some(K::SendEnv)),
    (
        "ServerAliveCountMax",
        S::Number,
        Some(K::ServerAliveCountMax),
    ),
    ("ServerAliveInterval", S::Time, Some(K::ServerAliveInterval)),
    ("ProtocolKeepAlives", S::Time, Some(K::ServerAliveInterval)),
    ("SetupTimeOut", S::Time, Some(K::ServerAliveInterval)),
    ("SetEnv", S::Variables, Some(K::SetEnv)),
    (
        "StrictHostKeyChecking",
        STRICT,
        Some(K::StrictHostKeyChecking),
    ),
    ("Tag", S::Word, Some(K::Tag)),
    ("TCPKeepAlive", FLAG, Some(K::TcpKeepAlive)),
    ("KeepAlive", FLAG, Some(K::TcpKeepAlive)),
    ("User", S::Word, Some(K::User)),
    ("UserKnownHostsFile", S::Files, Some(K::UserKnownHostsFile)),
    ("VerifyHostKeyDNS", FLAG_OR_ASK, Some(K::VerifyHostKeyDns)),
    // What has no effect on a command that runs on a machine, or nobody supports any more.
    ("AddKeysToAgent", S::Anything, None),
    ("AFSTokenPassing", S::Anything, None),
    ("CanonicalDomains", S::Anything, None),
    ("CanonicalizeFallbackLocal", S::Anything, None),
    ("CanonicalizeMaxDots", S::Anything, None),
    ("CASignatureAlgorithms", S::Anything, None),
    ("ChannelTimeout", S::Anything, None),
    ("Cipher", S::Anything, None),
    ("ClearAllForwardings", S::Anything, None),
    ("CompressionLevel", S::Anything, None),
    ("ControlMaster", S::Anything, None),
    ("ControlPath", S::Anything, None),
    ("ControlPersist", S::Anything, None),
    ("DynamicForward", S::Anything, None),
    ("EnableEscapeCommandline", S::Anything, None),
    ("EnableSSHKeysign", S::Anything, None),
    ("EscapeChar", S::Anything, None),
    ("ExitOnForwardFailure", S::Anything, None),
    ("FallBackToRsh", S::Anything, None),
    ("FingerprintHash", S::Anything, None),
    ("ForkAfterAuthentication", S::Anything, None),
    ("ForwardAgent", S::Anything, None),
    ("ForwardX11", S::Anything, None),
    ("ForwardX11Timeout", S::Anything, None),
    ("ForwardX11Trusted", S::Anything, None),
    ("GatewayPorts", S::Anything, None),
    ("GlobalKnownHostsFile2", S::Anything, None),
    ("GSSAPIClientIdentity", S::Anything, None),
    ("GSSAPIDelegateCredentials", S::Anything, None),
    ("GSSAPIKexAlgorithms", S::Anything, None),
    ("GSSAPIRenewalForcesRekey", S::Anything, None),
    ("GSSAPIServerIdentity", S::Anything, None),
    ("GSSAPITrustDNS", S::Anything, None),
    ("HostbasedAcceptedAlgorithms", S::Anything, None),
    ("HostbasedKeyTypes", S::Anything, None),
    ("IPQoS", S::Anything, None),
    ("KbdInteractiveDevices", S::Anything, None),
    ("KerberosAuthentication", S::Anything, None),
    ("KerberosTGTPassing", S::Anything, None),
    ("LocalCommand", S::Anything, None),
    ("LocalForward", S::Anything, None),
    ("LogLevel", S::Anything, None),
    ("LogVerbose", S::Anything, None),
    ("ObscureKeystrokeTiming", S::Anything, None),
    ("PermitLocalCommand", S::Anything, None),
    ("PermitRemoteOpen", S::Anything, None),
    ("Protocol", S::Anything, None),
    ("RekeyLimit", S::Anything, None),
    ("RemoteCommand", S::Anything, None),
    ("RemoteForward", S::Anything, None),
    ("RequestTTY", S::Anything, None),
    ("RhostsAuthentication", S::Anything, None),
    ("RhostsRSAAuthentication", S::Anything, None),
    ("RSAAuthentication", S::Anything, None),
    ("SessionType", S::Anything, None),
    ("StdinNull", S::Anything, None),
    ("StreamLocalBindMask", S::Anything, None),
    ("StreamLocalBindUnlink", S::Anything, None),
    ("SyslogFacility", S::Anything, None),
    ("Tunnel", S::Anything, None),
    ("TunnelDevice", S::Anything, None),
    ("UpdateHostKeys", S::Anything, None),
    ("UseBlacklistedKeys", S::Anything, None),
    ("UsePrivilegedPort", S::Anything, None),
    ("UserKnownHostsFile2", S::Anything, None),
    ("UseRoaming", S::Anything, None),
    ("UseRsh", S::Anything, None),
    ("VisualHostKey", S::Anything, None),
    ("WarnWeakCrypto", S::Anything, None),
    ("XAuthLocation", S::Anything, None),
];

/// A keyword that OpenSSH knows: its usual spelling, what may stand after it, and the option whose value is kept.
pub(super) fn known(word: &str) -> Option<(&'static str, Shape, Option<Keyword>)> {
    let mut known = KEYWORDS.iter();
    known
        .find(|(name, ..)| name.eq_ignore_ascii_case(word))
        .copied()
}

/// The usual spelling of every keyword.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|(name, ..)| *name)
}
