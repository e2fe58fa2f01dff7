//! How a physical line ends: LF, CR or CR LF, as Java's line reader sees it.
//!
//! Owns the recognition of line ends in bytes; knows nothing of keys or values.
//!
//! ```
//! use clusterctl::properties::LineEnd;
//! assert_eq!(LineEnd::at(b"a\r\nb", 1), Some(LineEnd::CrLf));
//! assert_eq!(LineEnd::at(b"a\r\nb", 3), None);
//! ```

/// The bytes that end a physical line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// A line feed, as on Unix.
    Lf,
    /// A carriage return and a line feed, as on Windows.
    CrLf,
    /// A carriage return alone.
    Cr,
}

impl LineEnd {
    /// The line end that begins at this offset, if one does.
    pub fn at(bytes: &[u8], offset: usize) -> Option<Self> {
        match bytes.get(offset)? {
            b'\n' => Some(Self::Lf),
            b'\r' if bytes.get(offset + 1) == Some(&b'\n') => Some(Self::CrLf),
            b'\r' => Some(Self::Cr),
            _ => None,
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}
