//! Lengths of time for people: `4.2s`, `42s`, `1m12s`, `2h03m`.

use std::time::Duration;

/// A length of time, no more exact than anybody cares for.
pub(super) fn brief(length: Duration) -> String {
    let tenths = (length.as_millis() + 50) / 100;
    let seconds = length.as_secs();
    match seconds {
        _ if length.is_zero() => "0s".to_owned(),
        _ if tenths == 0 => "<0.1s".to_owned(),
        _ if tenths < 100 => format!("{}.{}s", tenths / 10, tenths % 10),
        _ if seconds < 60 => format!("{}s", seconds.max(10)),
        _ if seconds < 3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time that is still growing: whole seconds, so that it does not flicker.
pub(super) fn growing(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => brief(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_exact_as_anybody_cares_for() {
        let shown = [0, 20, 50, 4_249, 9_940, 9_960, 42_900, 72_000, 7_380_000]
            .map(|ms| brief(Duration::from_millis(ms)));
        assert_eq!(
            shown,
            [
                "0s", "<0.1s", "0.1s", "4.2s", "9.9s", "10s", "42s", "1m12s", "2h03m"
            ]
        );
    }

    #[test]
    fn what_grows_shows_whole_seconds() {
        let shown =
            [0, 900, 4_249, 59_999, 60_000, 3_600_000].map(|ms| growing(Duration::from_millis(ms)));
        assert_eq!(shown, ["0s", "0s", "4s", "59s", "1m00s", "1h00m"]);
    }
}
