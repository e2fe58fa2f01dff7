//! How large the matrices and fuzzers are: a sample by default, whole in a full run.

/// Whether matrices run whole.
pub(crate) fn full() -> bool {
    std::env::var("CLUSTERCTL_MATRIX").is_ok_and(|value| value == "full")
}
