//! The stand-in server: `start` returns at once, `stop` waits, `status` says 0 or 3.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clusterctl::properties::Properties;

/// How long a server may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(verb: &str, home: &Path) -> ExitCode {
    let done = match verb {
        "start" => start(home),
        "stop" => stop(home),
        "status" => return ExitCode::from(if running(home).is_some() { 0 } else { 3 }),
        "serve" => serve(home),
        other => Err(format!("there is no verb `{other}`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            crate::complain(&problem);
            ExitCode::FAILURE
        }
    }
}

/// The configuration of a server.
pub(crate) fn properties(home: &Path) -> PathBuf {
    home.join("conf/server/installed.properties")
}

fn pid_file(home: &Path) -> PathBuf {
    home.join("var/server.pid")
}

/// The process, if it lives.
fn running(home: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file(home))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // A number used again by another process is not the server.
    command
        .windows(5)
        .any(|window| window == b"serve")
        .then_some(pid)
}

fn start(home: &Path) -> Result<(), String> {
    if let Some(pid) = running(home) {
        return Err(format!(
            "Found pid file at {}: process {pid} runs",
            pid_file(home).display()
        ));
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let log = fs::File::create(home.join("var/log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    Command::new("setsid")
        .arg("--fork")
        .arg(own)
        .args(["server", "serve"])
        .arg(home)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .status()
        .map_err(|error| format!("setsid: {error}"))?;
    Ok(())
}

fn stop(home: &Path) -> Result<(), String> {
    let Some(pid) = running(home) else {
        return Ok(());
    };
    Command::new("kill")
        .arg(pid.to_string())
        .status()
        .map_err(|error| error.to_string())?;
    let began = Instant::now();
    while running(home).is_some() {
        if began.elapsed() > PATIENCE {
            return Err(format!("process {pid} does not stop"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The file may be left behind; what it names is gone.
    let _ = fs::remove_file(pid_file(home));
    Ok(())
}

fn serve(home: &Path) -> Result<(), String> {
    let file = properties(home);
    let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let file = Properties::parse(&bytes);
    file.check().map_err(|error| error.to_string())?;
    let value = |key: &str| {
        file.get(key)
            .map(|value| value.to_lossy())
            .unwrap_or_default()
    };
    let address = format!("127.0.0.1:{}", value("install.server.web.port"));
    let cluster = value("com.urbancode.ds.UDeployServer.multiserver") == "true";
    let listener = TcpListener::bind(&address).map_err(|error| format!("{address}: {error}"))?;
    let pid = std::process::id();
    fs::write(pid_file(home), pid.to_string()).map_err(|error| error.to_string())?;
    for visitor in listener.incoming().flatten() {
        answer(
            visitor,
            if cluster {
                "cluster node"
            } else {
                "stand-alone server"
            },
        );
    }
    Ok(())
}

fn answer(mut visitor: TcpStream, what: &str) {
    let mut request = [0_u8; 1024];
    // A visitor who goes away misses the answer.
    let _ = visitor.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = visitor.read(&mut request);
    let _ = write!(
        visitor,
        "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{what}\n",
        what.len() + 1
    );
}
