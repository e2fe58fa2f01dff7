//! A practice cluster on this machine, and the story of one change to it.
//!
//! ```text
//! cargo run --release --example playground -- demo     the story, by itself
//! cargo run --release --example playground -- up       three practice servers, to try things on
//! cargo run --release --example playground -- down     ends them and removes everything
//! ```
//!
//! The servers are stand-ins: real processes that read their
//! `installed.properties` as Java would, listen on a port of the loopback
//! interface, keep a pid file, and refuse to start for the reasons that a real
//! server has. `clusterctl ...` after `--` runs the program itself, so that
//! nothing needs to be installed. The stand-in in `ucd` knows much more of the product; so far, tests alone use it.

mod cluster;
mod server;
mod story;
mod ucd;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The folder of the practice cluster, below where the command is typed.
const FOLDER: &str = "playground";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let folder = std::env::var_os("PLAYGROUND").map_or_else(|| FOLDER.into(), PathBuf::from);
    let done = match words.as_slice() {
        ["up"] => cluster::up(&folder).map(|cluster| say(&cluster.welcome())),
        ["demo"] => story::tell(&folder),
        ["down"] => cluster::down(&folder),
        ["clusterctl", ..] => {
            let io = clusterctl::cli::Io::of_process();
            return clusterctl::cli::run(std::env::args_os().skip(1), io).into();
        }
        ["server", verb, home] => return server::run(verb, Path::new(home)),
        ["ucd", "install", file] => ucd::install::install_as(Path::new(file)),
        ["ucd", "run", home, ..] => return ucd::server::run(Path::new(home)),
        _ => Err("usage: playground up | demo | down | clusterctl ARGUMENTS".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the example is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "this is what the example is for")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
