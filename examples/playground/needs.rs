//! What the practice cluster is made of, besides this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::say;

/// A program, and the package of Debian that it comes with.
const NEEDED: [(&str, &str); 7] = [
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("haproxy", "haproxy"),
    ("keytool", "default-jdk-headless"),
    ("flock", "util-linux"),
    ("setsid", "util-linux"),
    ("od", "coreutils"),
];

/// Where programs of administrators are, which not everybody's `PATH` names.
const FURTHER: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Where a program is.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FURTHER.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Where a program is that [`provide`] has seen to.
pub(crate) fn found(name: &str) -> Result<PathBuf, String> {
    find(name).ok_or_else(|| format!("{name} is missing"))
}

/// Installs what is missing where that is allowed, and else says how it is done.
pub(crate) fn provide() -> Result<(), String> {
    let missing = || {
        let absent = NEEDED.iter().filter(|(program, _)| find(program).is_none());
        let mut packages: Vec<_> = absent.map(|(_, package)| *package).collect();
        packages.dedup();
        packages
    };
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let by_hand = format!(
        "the practice cluster needs packages that are not installed: {list}\nhint: sudo apt-get install {list}   (or what \
         your system calls them), then the same command again"
    );
    let Some(as_root) = rights() else {
        return Err(by_hand);
    };
    if find("apt-get").is_none() {
        return Err(by_hand);
    }
    say(&format!("Installing {list} ..."));
    run(as_root, &["apt-get", "update", "-qq"])?;
    let install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    run(as_root, &[&install[..], &packages].concat())?;
    let still = missing();
    if still.is_empty() {
        return Ok(());
    }
    Err(by_hand)
}

/// With what a command has the rights to install: nothing for root, `sudo` where that asks for no password.
fn rights() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let sudo = find("sudo")?;
    let allowed = Command::new(sudo)
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status();
    allowed
        .is_ok_and(|status| status.success())
        .then_some(&["sudo", "-n"])
}

fn run(as_root: &[&str], words: &[&str]) -> Result<(), String> {
    let words = [as_root, words].concat();
    let done = Command::new(words[0])
        .args(&words[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{}: {error}", words.join(" ")))?;
    if done.success() {
        return Ok(());
    }
    Err(format!("`{}` ended with {done}", words.join(" ")))
}

/// A folder whose name every configuration file takes as it is.
pub(crate) fn plain(folder: &Path) -> Result<&str, String> {
    const LONGEST: usize = 70;
    let text = folder.to_str().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && text.len() <= LONGEST {
        return Ok(text);
    }
    Err(format!(
        "the path {} is too long for sockets, or has blanks or signs in it\nhint: PLAYGROUND=/tmp/playground names another \
         folder",
        folder.display()
    ))
}
