//! What a file asks for that only OpenSSH can do.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::Place;
use super::host_config::IdentityFile;
use super::keyword::Keyword as K;
use super::resolve::Found;
use super::surroundings::Surroundings;
use super::tree::Setting;
use super::value::Value;

/// How much of a file with a key is looked at.
const GLANCE: u64 = 4096;

/// An option, where it stands, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    option: String,
    place: Option<Place>,
    asks: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.option)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        write!(f, " {}", self.asks)
    }
}

/// Options that, unless they are `no` or `none`, ask for what only OpenSSH can do.
const ASKING: [(K, &str); 14] = [
    (K::ProxyJump, "asks for a connection through another host"),
    (K::ProxyCommand, "asks for a connection through a command"),
    (K::Pkcs11Provider, "asks for keys on a card"),
    (K::KnownHostsCommand, "asks a command for host keys"),
    (K::VerifyHostKeyDns, "asks the DNS for host keys"),
    (
        K::RevokedHostKeys,
        "names a list of host keys that were revoked",
    ),
    (
        K::CanonicalizeHostname,
        "asks for the host's name to be completed",
    ),
    (
        K::CanonicalizePermittedCnames,
        "asks for the host's name to be replaced by its alias",
    ),
    (
        K::HostbasedAuthentication,
        "asks for this machine to vouch for the user",
    ),
    (
        K::CheckHostIp,
        "asks for the address to be a known host, too",
    ),
    (K::BindAddress, "names the address from which to connect"),
    (
        K::BindInterface,
        "names the interface from which to connect",
    ),
    (K::RefuseConnection, "asks for the host to be refused"),
    (K::SecurityKeyProvider, "asks for keys on a FIDO token"),
];

/// RSA keys are at least so long by default.
pub(super) const USUAL_RSA: u32 = 1024;

/// Everything that the files ask for that only OpenSSH can do.
pub(super) fn of(found: &Found<'_>, here: &Surroundings) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (place, criterion) in &found.open {
        reasons.push(Reason {
            option: format!("Match {criterion}"),
            place: Some((*place).clone()),
            asks: "is a question that only OpenSSH answers",
        });
    }
    for (keyword, asks) in ASKING {
        let setting = found.setting(keyword);
        reasons.extend(
            setting
                .filter(|setting| asks_for_it(setting))
                .map(|setting| reason(setting, asks)),
        );
    }
    for keyword in [K::GssApiAuthentication, K::GssApiKeyExchange] {
        let matters = here.kerberos || !found.is_from_system(keyword);
        let setting = found
            .setting(keyword)
            .filter(|setting| matters && asks_for_it(setting));
        reasons.extend(setting.map(|setting| reason(setting, "asks for Kerberos")));
    }
    let rsa = found.setting(K::RequiredRsaSize);
    let rsa = rsa.filter(|_| found.number(K::RequiredRsaSize) > Some(USUAL_RSA));
    reasons.extend(rsa.map(|setting| reason(setting, "asks for longer RSA keys")));
    let certificates = found.certificates.iter();
    reasons.extend(certificates.map(|setting| reason(setting, "names a certificate of the user")));
    reasons.extend(
        found
            .garbled
            .map(|setting| reason(setting, "stands in a line that is not UTF-8")),
    );
    reasons
}

fn asks_for_it(setting: &Setting) -> bool {
    let idle =
        |word: &str| ["none", "no", "internal"].contains(&word.to_ascii_lowercase().as_str());
    match &setting.value {
        Value::Choice(word) => !idle(word),
        Value::Text(text) => !idle(text),
        Value::Jump(jump) => !jump.is_nobody(),
        Value::Words(words) => words.first().is_some_and(|word| !idle(word)),
        Value::Number(_) | Value::Unset => false,
    }
}

fn reason(setting: &Setting, asks: &'static str) -> Reason {
    let value = match &setting.value {
        // A command may have a password in it.
        _ if [K::ProxyCommand, K::KnownHostsCommand].contains(&setting.keyword) => String::new(),
        Value::Choice(word) => (*word).to_owned(),
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Words(words) => words.join(" "),
        Value::Jump(jump) => jump.to_string(),
        Value::Unset => String::new(),
    };
    Reason {
        option: format!("{} {}", setting.name, shortened(&value))
            .trim_end()
            .to_owned(),
        place: Some(setting.place.clone()),
        asks,
    }
}

/// The value as it fits into a sentence.
fn shortened(value: &str) -> String {
    const MOST: usize = 60;
    let mut letters = value.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = letters.by_ref().take(MOST).collect();
    if letters.next().is_some() {
        text.push_str("...");
    }
    text
}

/// Why a key can't be used by a session of our own.
pub(super) fn of_identity(identity: &IdentityFile) -> Option<String> {
    let path = identity.path.display();
    let certificate = with_ending(&identity.path, "-cert.pub");
    if certificate.exists() {
        let certificate = certificate.display();
        return Some(format!(
            "{certificate} is a certificate of the user, which lies beside the key {path}"
        ));
    }
    let public = glance(&with_ending(&identity.path, ".pub"));
    let on_token = match public {
        Some(text) => text.trim_start().starts_with("sk-"),
        None => glance(&identity.path).is_some_and(|text| is_token_key(&text)),
    };
    on_token.then(|| format!("{path} is a key on a FIDO token"))
}

fn with_ending(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn glance(path: &Path) -> Option<String> {
    // To open a pipe alone would keep us waiting.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(GLANCE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The kind of key stands at the beginning of a private key, even of one with a passphrase.
fn is_token_key(text: &str) -> bool {
    use base64::Engine as _;
    let mut lines = text.lines();
    if lines.next() != Some("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return false;
    }
    let body: String = lines
        .take_while(|line| !line.starts_with('-'))
        .collect::<String>();
    let whole = body.len() - body.len() % 4;
    let engine = base64::engine::general_purpose::STANDARD;
    let bytes = engine
        .decode(body.get(..whole).unwrap_or_default())
        .unwrap_or_default();
    let contains = |kind: &[u8]| bytes.windows(kind.len()).any(|window| window == kind);
    contains(b"sk-ssh-ed25519@openssh.com") || contains(b"sk-ecdsa-sha2-nistp256@openssh.com")
}
