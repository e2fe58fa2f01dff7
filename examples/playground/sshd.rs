//! A real `sshd` for each node: an own address, an own key.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::needs::found;
use crate::processes::{run, wait_until};

/// Where all of them listen.
pub(crate) const PORT: u16 = 2222;

/// How long one may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the key by which one logs in, in a folder that no node has.
pub(crate) fn key(folder: &Path) -> Result<(), String> {
    make_key(&folder.join("id"), "practice cluster")
}

fn make_key(path: &Path, comment: &str) -> Result<(), String> {
    let file = path.display().to_string();
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &file];
    run(&found("ssh-keygen")?, &args)
}

/// Starts the `sshd` of a node, with its files in `folder`, for whoever has the key in `keys`. What stands in a list of
/// known hosts for it is given back.
pub(crate) fn start(folder: &Path, keys: &Path, address: &str) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(problem)?;
    make_key(&folder.join("host_key"), "host key")?;
    let (at, keys) = (folder.display(), keys.display());
    let mut config = format!(
        "Port {PORT}\nListenAddress {address}\nHostKey {at}/host_key\nPidFile {at}/sshd.pid\n\
         AuthorizedKeysFile {keys}/id.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nMaxStartups 100\nPrintMotd no\nPrintLastLog no\nLogLevel INFO\n"
    );
    if rustix::process::geteuid().is_root() {
        // Writing to a text does not fail.
        let _ = writeln!(config, "PermitRootLogin prohibit-password");
        // What it leaves for the time before somebody has logged in, and may not find in a container.
        fs::create_dir_all("/run/sshd").map_err(|error| format!("/run/sshd: {error}"))?;
    }
    let file = folder.join("sshd_config");
    fs::write(&file, config).map_err(problem)?;
    let (file, log) = (file.display().to_string(), format!("{at}/sshd.log"));
    run(&found("sshd")?, &["-f", &file, "-E", &log])?;
    let pid_file = folder.join("sshd.pid");
    wait_until("sshd starts", PATIENCE, || pid_file.exists())?;
    let public = fs::read_to_string(folder.join("host_key.pub")).map_err(problem)?;
    let mut words = public.split(' ');
    let (kind, key) = (words.next(), words.next());
    Ok(format!(
        "[{address}]:{PORT} {} {}\n",
        kind.unwrap_or_default(),
        key.unwrap_or_default()
    ))
}
