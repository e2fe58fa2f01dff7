//! An agent of SSH.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use super::lab::Lab;
use crate::real::processes::PATIENCE;

/// A real agent that ends with this value.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn start(lab: &Lab) -> Self {
        let socket = lab.path("agent");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "ssh-agent", "-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "no agent");
            thread::yield_now();
        }
        Self(child)
    }

    pub(crate) fn add(lab: &Lab, key: &str) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(lab.path(key))
            .env("SSH_AUTH_SOCK", lab.path("agent"))
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
