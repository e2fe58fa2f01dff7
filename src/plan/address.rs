//! Parts of web addresses.

use std::fmt::Write as _;

/// A text as the part of an address that it is to be, whatever is in it: between two slashes, or behind a question mark.
///
/// ```
/// assert_eq!(clusterctl::plan::as_part("web 1/../é"), "web%201%2F%2E%2E%2F%C3%A9");
/// ```
pub fn as_part(text: &str) -> String {
    let mut part = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            // Writing to a text does not fail. A dot is no step up when it is written so.
            let _ = write!(part, "%{byte:02X}");
        }
    }
    part
}
