//! A script's answer in parts, each with a name and a length.

use std::collections::BTreeMap;

/// The parts of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sections<'a>(BTreeMap<&'a str, &'a [u8]>);

impl<'a> Sections<'a> {
    /// The parts; `None` when the answer is not whole.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Option<Self> {
        let mut parts = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let head = std::str::from_utf8(&bytes[..end]).ok()?;
            let (name, length) = head.split_once(' ')?;
            let length: usize = length.parse().ok()?;
            let rest = &bytes[end + 1..];
            let part = rest.get(..length)?;
            bytes = rest.get(length..)?.strip_prefix(b"\n")?;
            parts.insert(name, part);
        }
        Some(Self(parts))
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name).copied()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_whatever_they_contain() {
        let parts = Sections::parse(b"a 0\n\nb 5\nx 1\ny\nc 1\n\xff\n").unwrap();
        assert_eq!(parts.text("a"), Some(""));
        assert_eq!(parts.text("b"), Some("x 1\ny"));
        assert_eq!(
            (parts.bytes("c"), parts.text("c")),
            (Some(&b"\xff"[..]), None)
        );
        assert_eq!(parts.bytes("d"), None);
        for torn in [
            "a", "a 1", "a 1\n", "a 1\nx", "a 9\nx\n", "a x\n", "a -1\n\n",
        ] {
            assert_eq!(Sections::parse(torn.as_bytes()), None, "{torn:?}");
        }
    }
}
