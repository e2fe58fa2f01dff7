//! The program `clusterctl`: a thin shell around the library.

use std::process::ExitCode;

use clusterctl::cli::{Io, run};

fn main() -> ExitCode {
    run(std::env::args_os(), Io::of_process()).into()
}
