//! Faults that a server has when its folder says so: lines `name=value` in the file `faults`.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where the faults of a server stand.
pub(crate) struct Faults(PathBuf);

impl Faults {
    pub(crate) fn of(home: &Path) -> Self {
        Self(home.join("faults"))
    }

    /// What is said of a fault now: they can be switched on and off while a server runs.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let all = fs::read_to_string(&self.0).ok()?;
        let mut lines = all.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Waits for as many milliseconds as a fault says.
    pub(crate) fn pause(&self, name: &str) {
        let length = self.text(name).and_then(|it| it.trim().parse().ok());
        thread::sleep(Duration::from_millis(length.unwrap_or(0)));
    }
}
