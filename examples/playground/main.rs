//! A practice cluster on this machine, and a story that is told on it.
//!
//! ```text
//! cargo run --release --example playground -- demo     the story, by itself
//! cargo run --release --example playground -- up       a cluster of three servers, to try things on
//! cargo run --release --example playground -- up 1     a stand-alone server, to convert
//! cargo run --release --example playground -- down     ends it and removes everything
//! ```
//!
//! Each node has a real `sshd`, the balancer is a real HAProxy, and the keystores are made by a real `keytool`; what is
//! missing is installed, where that is allowed. The servers, agents and relays are stand-ins: real processes that read
//! their properties as Java would, listen on ports of the loopback interface, share a database, and behave and misbehave
//! as the product does, as far as anybody outside its vendor knows. `clusterctl ...` after `--` runs the program itself on
//! the cluster, so that nothing needs to be installed for it.

mod crowd;
mod haproxy;
mod needs;
mod processes;
mod site;
mod sshd;
mod story;
mod ucd;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use site::{SERVERS, Site};

/// The folder of the practice cluster, below where the command is typed.
const FOLDER: &str = "playground";

const USAGE: &str = "usage: playground up [SERVERS] | demo | down | clusterctl ARGUMENTS";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let folder = std::env::var_os("PLAYGROUND").map_or_else(|| FOLDER.into(), PathBuf::from);
    let done = match words.as_slice() {
        ["up"] => up(&folder, SERVERS),
        ["up", servers] => match servers.parse() {
            Ok(servers) => up(&folder, servers),
            Err(_) => Err(format!("`{servers}` is no number\n{USAGE}")),
        },
        ["demo"] => story::tell(&folder),
        ["down"] => down(&folder),
        ["clusterctl", ..] => {
            let io = clusterctl::cli::Io::of_process();
            return clusterctl::cli::run(std::env::args_os().skip(1), io).into();
        }
        ["ucd", "install", file] => ucd::install::install_as(Path::new(file)),
        ["ucd", "run", home, ..] => return ucd::server::run(Path::new(home)),
        ["ucd", "agent", home, ..] => return ucd::agent::run(Path::new(home)),
        ["ucd", "relay", home, ..] => return ucd::relay::run(Path::new(home)),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

fn up(folder: &Path, servers: usize) -> Result<(), String> {
    say("Starting the practice cluster ...");
    let site = Site::up(folder, servers)?;
    say(&site.welcome());
    Ok(())
}

fn down(folder: &Path) -> Result<(), String> {
    let at = folder.display();
    say(&if site::down(folder)? {
        format!("The practice cluster at {at} is stopped, and its folder is gone.")
    } else {
        format!("There is no practice cluster at {at}. PLAYGROUND=DIR names another place.")
    });
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the example is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "this is what the example is for")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
