//! How a large stream goes to a machine: by the connection that there is, by the user's own `ssh`, or by several
//! connections at once.
//!
//! What decides is what is known of them. Our own library enciphers a few bytes at a time, and takes three times as
//! long for that as `ssh` with a cipher that the processor knows. But on a long line a connection waits for answers
//! most of the time, however fast it enciphers: there, several do better than one, and it does not matter whose they are.

use std::sync::Arc;
use std::time::Duration;

use super::{BackEnd, Host};

/// With so many bytes, what `ssh` saves is more than what it costs to log in once more.
const LARGE: u64 = 48 << 20;

/// With so many bytes, what several connections save on a long line is more than what they cost.
const LONG: u64 = 8 << 20;

/// From this round trip on a line is long.
const FAR: Duration = Duration::from_millis(10);

/// How many connections a long line gets besides the one that there is.
pub(super) const FURTHER: usize = 3;

/// What a stream is like that may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it can come in parts by several connections.
    pub in_parts: bool,
}

/// Connections for a large stream.
pub enum Bulk {
    /// The one that there is.
    Same,
    /// This one instead.
    Instead(Arc<dyn Host>),
    /// These as well.
    Further(Vec<Arc<dyn Host>>),
}

/// What a large stream gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Same,
    System,
    Several,
}

/// What is best for a stream. `wanted` is the back-end that somebody has asked for.
pub(super) fn best(
    is: BackEnd,
    wanted: Option<BackEnd>,
    round_trip: Option<Duration>,
    load: Load,
) -> Want {
    match is {
        BackEnd::Ssh2 if round_trip.is_some_and(|it| it >= FAR) => {
            if load.in_parts && load.bytes >= LONG {
                Want::Several
            } else {
                Want::Same
            }
        }
        BackEnd::Ssh2 if wanted.is_none() && load.bytes >= LARGE => Want::System,
        _ => Want::Same,
    }
}

/// Whether the processor enciphers AES by itself: without that, other ciphers are faster.
pub(super) fn knows_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    let knows = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let knows = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let knows = false;
    knows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_stream_gets_what_is_known_to_be_faster() {
        let (near, far) = (Duration::from_micros(300), Duration::from_millis(20));
        let (ssh2, system) = (BackEnd::Ssh2, BackEnd::System);
        let small = 1 << 20;
        for (is, wanted, round_trip, bytes, expected) in [
            (ssh2, None, Some(near), LARGE, Want::System),
            (ssh2, None, None, LARGE, Want::System),
            (ssh2, None, Some(near), small, Want::Same),
            // Who asks for one gets it.
            (ssh2, Some(ssh2), Some(near), LARGE, Want::Same),
            (ssh2, Some(ssh2), Some(far), LONG, Want::Several),
            (ssh2, None, Some(far), LARGE, Want::Several),
            (ssh2, None, Some(far), small, Want::Same),
            (system, None, Some(far), LARGE, Want::Same),
            (BackEnd::Local, None, None, LARGE, Want::Same),
        ] {
            let load = |in_parts| Load { bytes, in_parts };
            let whole = best(is, wanted, round_trip, load(true));
            assert_eq!(whole, expected, "{is} {bytes}");
            // Connections that nothing could go by are not made.
            let expected = match expected {
                Want::Several => Want::Same,
                other => other,
            };
            let whole = best(is, wanted, round_trip, load(false));
            assert_eq!(whole, expected, "{is} {bytes}");
        }
    }
}
