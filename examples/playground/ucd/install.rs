//! Makes the folder of an installed server, as the product's installer leaves it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::files::{make, write};
use super::layout::{PROPERTIES, SECURED, TLS, VERSION};
use super::script::script;
use super::server::is_at_least;

/// What all keystores are opened with, unless somebody chose another password.
const PASSWORD: &str = "changeit";

/// What a server's process is known by.
pub(crate) const MAIN: &str = "com.urbancode.ds.UDeployServer";

/// The key of the encryption keystore.
const ALIAS: &str = "aes128keyprac";

/// How a server is to be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wishes {
    pub(crate) home: PathBuf,
    /// The application data folder; without one, the server keeps all of it in its own, as old ones do.
    pub(crate) appdata: Option<PathBuf>,
    pub(crate) version: String,
    /// The address that is its own.
    pub(crate) address: String,
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) jms: u16,
    pub(crate) web_sockets: u16,
    /// The file that is the database.
    pub(crate) database: PathBuf,
    pub(crate) multiserver: bool,
    /// Where keystores are kept that were made before: to make one takes a second.
    #[serde(default)]
    pub(crate) keystores: Option<PathBuf>,
}

/// Installs a server as a file says.
pub(crate) fn install_as(file: &Path) -> Result<(), String> {
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read(file).map_err(|error| problem(&error))?;
    install(&serde_json::from_slice(&text).map_err(|error| problem(&error))?)
}

/// Installs a server. Keystores that are there already in the application data folder are used, and the others made.
pub(crate) fn install(wishes: &Wishes) -> Result<(), String> {
    let home = &wishes.home;
    let appdata = wishes.appdata.as_ref().unwrap_or(home);
    for folder in [
        "bin",
        "conf/server",
        "lib/ext",
        "opt/tomcat/conf",
        "var/log",
        "var/temp",
    ] {
        make(&home.join(folder))?;
    }
    for folder in [
        "conf/server/notification-templates",
        "var/repository",
        "var/plugins",
        "var/sa",
        "logs",
        "patches",
    ] {
        make(&appdata.join(folder))?;
    }
    write(
        &home.join("lib/ext/practice-jdbc.jar"),
        "no driver\n",
        0o644,
    )?;
    let version = format!("installed.version={}\n", wishes.version);
    write(&home.join(VERSION), &version, 0o644)?;
    write(&appdata.join(VERSION), &version, 0o644)?;
    keystores(wishes, appdata)?;
    let (open, secret) = properties(wishes, appdata);
    if is_at_least(&wishes.version, &[6, 2, 5, 1]) {
        write(&home.join(PROPERTIES), &open, 0o600)?;
        write(&home.join(SECURED), &secret, 0o600)?;
    } else {
        write(&home.join(PROPERTIES), &(open + &secret), 0o600)?;
    }
    let text = script(home, "run", MAIN, "var/server.pid")?;
    write(&home.join("bin/server"), &text, 0o755)?;
    let entries = format!(
        "dir {0}/conf\ndir {0}/conf/server\njardir {1}/lib\njardir {0}/patches !fail-on-conflict\n",
        appdata.display(),
        home.display()
    );
    write(&home.join("bin/classpath.conf"), &entries, 0o644)
}

/// What the installer writes: what everybody may read, and the secrets.
fn properties(wishes: &Wishes, appdata: &Path) -> (String, String) {
    let Wishes {
        home,
        version,
        address,
        database,
        ..
    } = wishes;
    let mut open = "#Mon Jan 05 09:12:44 UTC 2026\n".to_owned();
    let mut line = |key: &str, value: &str| {
        // Writing to a text does not fail.
        let _ = writeln!(
            open,
            "{key}={}",
            value.replace('\\', r"\\").replace(':', r"\:")
        );
    };
    let in_appdata = |path: &str| appdata.join(path).display().to_string();
    line("install.java.home", "/usr/lib/jvm/default-java");
    line(
        "java.io.tmpdir",
        &home.join("var/temp").display().to_string(),
    );
    line("install.server.web.ip", address);
    line("install.server.web.host", address);
    line("install.server.web.always.secure", "Y");
    line("install.server.web.port", &wishes.http.to_string());
    line("install.server.web.https.port", &wishes.https.to_string());
    let place = match &wishes.appdata {
        None => "..".to_owned(),
        Some(appdata) => appdata.display().to_string(),
    };
    line("server.appdata.dir", &place);
    line("server.keystore", &in_appdata("conf/server.keystore"));
    line(
        "encryption.keystore",
        &in_appdata("conf/encryption.keystore"),
    );
    line("encryption.keystore.alias", ALIAS);
    if wishes.multiserver {
        line("com.urbancode.ds.UDeployServer.multiserver", "true");
    }
    line("vendor.name", "ibm");
    line("server.jms.port", &wishes.jms.to_string());
    line("server.jms.mutualAuth", "false");
    if is_at_least(version, &[7, 0]) {
        line(
            "agentcomm.uri",
            &format!("wss://{address}:{}", wishes.web_sockets),
        );
        line(
            "agentcomm.keystore",
            "../conf/server/s2s-client-identity.keystore",
        );
    }
    line("database.type", "mysql");
    line(
        "hibernate.connection.url",
        &format!("jdbc:practice:{}", database.display()),
    );
    line("hibernate.connection.username", "ucd");
    line("derby.system.home", &in_appdata("var/db"));
    let mut secret = String::new();
    for key in [
        "hibernate.connection.password",
        "encryption.keystore.password",
        "server.keystore.password",
        "server.key.password",
        "tomcat.keystore.password",
        "agentcomm.keystore.password",
    ] {
        let _ = writeln!(secret, "{key}={PASSWORD}");
    }
    (open, secret)
}

fn keystores(wishes: &Wishes, appdata: &Path) -> Result<(), String> {
    let Wishes { home, address, .. } = wishes;
    let name = format!("CN={address}");
    let rsa = [
        "-genkeypair",
        "-keyalg",
        "RSA",
        "-keysize",
        "2048",
        "-validity",
        "7305",
    ];
    let ip = format!("SAN=IP:{address}");
    let aes = [
        "-genseckey",
        "-keyalg",
        "AES",
        "-keysize",
        "128",
        "-storetype",
        "JCEKS",
    ];
    let of_server = [&rsa[..], &["-storetype", "JKS", "-dname", "CN=server"]].concat();
    let of_tomcat = [
        &rsa[..],
        &["-storetype", "PKCS12", "-dname", &name, "-ext", &ip],
    ]
    .concat();
    let of_identity = [
        &rsa[..],
        &["-storetype", "JKS", "-dname", "CN=ucd-server-practice"],
    ]
    .concat();
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let kept = |kind: &str| wishes.keystores.as_ref().map(|folder| folder.join(kind));
    let make = |path: &Path, kind: &str, alias: &str, how: &[&str]| match kept(kind) {
        _ if path.exists() => Ok(()),
        None => keytool(path, alias, how),
        Some(kept) => copy(&kept, path, |new| keytool(new, alias, how)),
    };
    make(
        &appdata.join("conf/encryption.keystore"),
        "encryption",
        ALIAS,
        &aes,
    )?;
    make(
        &appdata.join("conf/server.keystore"),
        "server",
        "server",
        &of_server,
    )?;
    make(
        &home.join(TLS),
        &format!("tls-{name}"),
        "server",
        &of_tomcat,
    )?;
    let identity = home.join("conf/server/s2s-client-identity.keystore");
    make(
        &identity,
        &format!("identity-{name}"),
        "server",
        &of_identity,
    )
}

/// Copies a file that is kept, which is made where it is not there. Others may make it at the same time.
fn copy(
    kept: &Path,
    to: &Path,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("{}: {error}", kept.display());
    if !kept.exists() {
        let new = kept.with_extension(std::process::id().to_string());
        if let Some(folder) = kept.parent() {
            fs::create_dir_all(folder).map_err(problem)?;
        }
        make(&new)?;
        fs::rename(&new, kept).map_err(problem)?;
    }
    fs::copy(kept, to).map(drop).map_err(problem)
}

/// Makes a keystore with one key.
fn keytool(path: &Path, alias: &str, how: &[&str]) -> Result<(), String> {
    let output = Command::new("keytool")
        // It works for a second: what makes long work fast takes longer.
        .args(["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"])
        .args(how)
        .args([
            "-alias",
            alias,
            "-storepass",
            PASSWORD,
            "-keypass",
            PASSWORD,
        ])
        .arg("-keystore")
        .arg(path)
        .output()
        .map_err(|error| format!("keytool, which comes with a JDK: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Err(format!("keytool could not make {}: {said}", path.display()))
}
