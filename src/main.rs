//! The program `clusterctl`: a thin shell around the library.

use std::process::ExitCode;

use clusterctl::cli::{Io, run};
use clusterctl::exit::Exit;
use clusterctl::remote::{answer_ssh, panics_end_the_program};

fn main() -> ExitCode {
    panics_end_the_program(Exit::Unexpected.code());
    if let Some(answered) = answer_ssh(std::env::args_os()) {
        return answered;
    }
    run(std::env::args_os(), Io::of_process()).into()
}
