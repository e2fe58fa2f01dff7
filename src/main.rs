//! The program `clusterctl`: a thin shell around the library.

fn main() {}
