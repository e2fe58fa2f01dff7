//! What a command on a node finds in its environment: little, and the same every time.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where programs are looked for after the folders of this process's own `PATH`.
const FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The variables that are passed on, besides `PATH` and the locale's `LC_*`.
const PASSED: [&str; 7] = ["HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// Gives a command its environment and nothing else.
pub(crate) fn give(command: &mut Command) {
    command.env_clear().env("PATH", path());
    let passed = env::vars_os().filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| PASSED.contains(&name) || name.starts_with("LC_"))
    });
    command.envs(passed);
}

/// A program of that name on the path of commands.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    folders()
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// A folder that is not absolute would mean another one for every command.
fn folders() -> Vec<PathBuf> {
    let own = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&own)
        .filter(|folder| folder.is_absolute())
        .collect();
    for folder in FOLDERS.map(Path::new) {
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

fn path() -> OsString {
    env::join_paths(folders()).unwrap_or_else(|_| FOLDERS.join(":").into())
}
