//! Waiting for processes and pipes, always with a deadline and never by the clock alone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Longer than anything takes on a busy machine; a plan of everything over SSH was seen to take half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for a child to end, this long at most.
pub(crate) fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
        if !readable(&handle, deadline) {
            return None;
        }
    }
}

/// Waits until a process that is no child of this one has ended.
pub(crate) fn gone(pid: u32, within: Duration) -> bool {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else {
        return true;
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Err(_) => true,
        Ok(handle) => readable(&handle, Instant::now() + within),
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until something can be read.
pub(crate) fn readable(what: impl AsFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        let mut fds = [PollFd::new(&what, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
            Ok(count) => return count > 0,
        }
    }
}

/// A named pipe on which scripts say that they have come somewhere, or wait to be let go on.
pub(crate) struct Fifo {
    path: PathBuf,
    file: File,
    heard: Vec<u8>,
}

impl Fifo {
    pub(crate) fn new(path: PathBuf) -> Self {
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
            .unwrap();
        Self {
            path,
            file,
            heard: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// The next line that somebody wrote; `None` when nobody does in time.
    pub(crate) fn hear_within(&mut self, within: Duration) -> Option<String> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if !readable(&self.file, deadline) {
                return None;
            }
            let mut bytes = [0; 4096];
            let count = self.file.read(&mut bytes).unwrap();
            self.heard.extend_from_slice(&bytes[..count]);
        }
    }

    pub(crate) fn hear(&mut self) -> String {
        let path = self.path.clone();
        self.hear_within(PATIENCE)
            .unwrap_or_else(|| panic!("nobody wrote to {}", path.display()))
    }

    /// Lets one reader go on.
    pub(crate) fn tell(&mut self) {
        self.file.write_all(b"go\n").unwrap();
    }
}

/// The processes whose command line contains a text, by number, corpses left out.
pub(crate) fn with_words(text: &str) -> Vec<(u32, String)> {
    let me = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if pid != me && words.contains(text) {
            found.push((pid, words));
        }
    }
    found
}

/// Ends every process that belongs to a folder which nobody else knows.
pub(crate) fn end_all_of(folder: &Path) {
    for (pid, _) in with_words(folder.to_str().unwrap()) {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // It may have ended, and its number may be another's by now.
        let number = pid.as_raw_nonzero().get().cast_unsigned();
        if with_words(folder.to_str().unwrap())
            .iter()
            .any(|(pid, _)| *pid == number)
        {
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
    }
}

/// A sequence of numbers that looks like chance and is the same every time.
pub(crate) struct Chance(u64);

impl Chance {
    /// From the seed in `CLUSTERCTL_TEST_SEED`, else from the clock; it is printed.
    pub(crate) fn new(what: &str) -> Self {
        let seed = std::env::var("CLUSTERCTL_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| jiff::Timestamp::now().as_second().cast_unsigned());
        println!("{what}: CLUSTERCTL_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Somewhere between nothing and a little more than this.
    pub(crate) fn instant_in(&mut self, length: Duration) -> Duration {
        let thousandths = u32::try_from(self.next() % 1050).unwrap();
        length * thousandths / 1000
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }
}
