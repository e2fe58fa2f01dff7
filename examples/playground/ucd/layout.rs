//! Where a server has its files, and what its properties say.

use std::fs;
use std::path::{Component, Path, PathBuf};

use clusterctl::properties::Properties;
use openssl::pkcs12::Pkcs12;
use openssl::ssl::{SslAcceptor, SslMethod};

/// An installed server.
pub(crate) struct Layout {
    pub(crate) home: PathBuf,
    /// The application data folder; the installation folder itself for servers that have none.
    pub(crate) appdata: PathBuf,
    properties: Properties,
    secured: Properties,
}

/// The properties of a server, and those of them that are secrets.
pub(crate) const PROPERTIES: &str = "conf/server/installed.properties";
pub(crate) const SECURED: &str = "conf/server/secured-installed.properties";
/// Its version, in the installation folder as in the application data folder.
pub(crate) const VERSION: &str = "conf/installed.version";
/// The keystore of its TLS.
pub(crate) const TLS: &str = "opt/tomcat/conf/tomcat.keystore";

pub(crate) fn read(path: &Path) -> Result<Properties, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = Properties::parse(&bytes);
    file.check().map_err(|error| error.to_string())?;
    Ok(file)
}

pub(crate) fn value(file: &Properties, key: &str) -> Option<String> {
    file.get(key).map(|value| value.to_lossy())
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: u8| char::from(DIGITS[usize::from(at)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

/// What nothing else is called.
pub(crate) fn random() -> Result<String, String> {
    let mut random = [0; 8];
    openssl::rand::rand_bytes(&mut random).map_err(|error| error.to_string())?;
    Ok(hex(&random))
}

/// A path without the steps back in it, which are taken as they stand, as the product's own text work does.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}

impl Layout {
    pub(crate) fn read(home: &Path) -> Result<Self, String> {
        let properties = read(&home.join(PROPERTIES))?;
        let secured = home.join(SECURED);
        let secured = if secured.exists() {
            read(&secured)?
        } else {
            Properties::parse(b"")
        };
        let appdata = value(&properties, "server.appdata.dir").unwrap_or_else(|| "..".to_owned());
        Ok(Self {
            appdata: tidy(&home.join("bin").join(appdata)),
            home: home.to_owned(),
            properties,
            secured,
        })
    }

    /// What a key says; nothing where it is not there.
    pub(crate) fn text(&self, key: &str) -> String {
        value(&self.properties, key).unwrap_or_default()
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).trim().parse().ok()
    }

    /// A secret, wherever the version keeps it.
    pub(crate) fn secret(&self, key: &str) -> String {
        value(&self.secured, key).unwrap_or_else(|| self.text(key))
    }

    /// A path, which is seen from `bin`.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        tidy(&self.home.join("bin").join(self.text(key)))
    }

    pub(crate) fn version(&self) -> Result<String, String> {
        let file = read(&self.home.join(VERSION))?;
        value(&file, "installed.version").ok_or_else(|| "there is no installed.version".to_owned())
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.home.join("var/server.pid")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.home.join("var/log/deployserver.out")
    }

    /// By what the others know it: made when it first starts, and what a copied folder has in common with its original.
    pub(crate) fn identity(&self) -> Result<String, String> {
        let path = self.home.join("conf/server/endpoint-id");
        if let Ok(id) = fs::read_to_string(&path) {
            return Ok(id.trim().to_owned());
        }
        let id = random()?;
        fs::write(&path, &id).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(id)
    }

    /// Where agents and other servers speak with it by web sockets: `wss://HOST:PORT`.
    pub(crate) fn agent_address(&self) -> Result<(String, u16), String> {
        let uri = self.text("agentcomm.uri");
        let address = uri
            .strip_prefix("wss://")
            .and_then(|rest| rest.rsplit_once(':'));
        let parsed = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        parsed.ok_or_else(|| format!("agentcomm.uri: {uri} is no address"))
    }

    /// What it speaks TLS with.
    pub(crate) fn tls(&self) -> Result<SslAcceptor, String> {
        let path = self.home.join(TLS);
        let problem = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let bytes = fs::read(&path).map_err(|error| problem(&error))?;
        let password = self.secret("tomcat.keystore.password");
        let parsed = Pkcs12::from_der(&bytes)
            .and_then(|it| it.parse2(&password))
            .map_err(|_| problem(&"keystore password was incorrect"))?;
        let (Some(key), Some(certificate)) = (parsed.pkey, parsed.cert) else {
            return Err(problem(&"there is no key in it"));
        };
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())
            .map_err(|error| problem(&error))?;
        acceptor
            .set_private_key(&key)
            .and_then(|()| acceptor.set_certificate(&certificate))
            .map_err(|error| problem(&error))?;
        for further in parsed.ca.into_iter().flatten() {
            acceptor
                .add_extra_chain_cert(further)
                .map_err(|error| problem(&error))?;
        }
        Ok(acceptor.build())
    }
}
