//! A real HAProxy before the servers: sessions stay with their server, and it looks at each as the product's vendor does.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::needs::found;
use crate::processes::run;

/// The pools: by HTTP, and by HTTPS, of which the servers have the certificate.
pub(crate) const POOLS: [&str; 2] = ["ucd-http", "ucd-https"];

/// A server behind it.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) http: u16,
    pub(crate) https: u16,
}

/// Where its runtime interface is.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("admin.sock")
}

/// Starts one that listens at an address.
pub(crate) fn start(folder: &Path, address: &str, members: &[Member<'_>]) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(problem)?;
    let [http, https] = POOLS;
    let mut text = format!(
        "global\n  stats socket {} mode 600 level admin\n\
         defaults\n  timeout connect 5s\n  timeout client 2m\n  timeout server 2m\n  option redispatch\n  retries 3\n\
         frontend http\n  mode http\n  bind {address}:8080\n  default_backend {http}\n\
         frontend https\n  mode tcp\n  bind {address}:8443\n  default_backend {https}\n\
         backend {http}\n  mode http\n  cookie SERVER insert indirect nocache\n  option httpchk GET /connTest.txt\n",
        socket(folder).display()
    );
    for it in members {
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "  server {name} {}:{} cookie {name} check inter 500ms fall 2 rise 1",
            it.address,
            it.http,
            name = it.name
        );
    }
    let _ = write!(
        text,
        "backend {https}\n  mode tcp\n  balance source\n  stick-table type ip size 10k expire 30m\n  stick on src\n\
         \x20 option httpchk GET /connTest.txt\n"
    );
    for it in members {
        let _ = writeln!(
            text,
            "  server {} {}:{} check check-ssl verify none inter 500ms fall 2 rise 1",
            it.name, it.address, it.https
        );
    }
    let file = folder.join("haproxy.cfg");
    fs::write(&file, text).map_err(problem)?;
    let (file, pid) = (file.display().to_string(), folder.join("haproxy.pid"));
    let pid = pid.display().to_string();
    run(&found("haproxy")?, &["-D", "-f", &file, "-p", &pid])
}
