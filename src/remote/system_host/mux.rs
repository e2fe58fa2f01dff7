//! What a master understands: the few messages of OpenSSH's `PROTOCOL.mux` that end it.
//!
//! Whom the socket leads to is not asked of the system: it would name the process that first listened, which handed the
//! socket on when it went into the background.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;

const HELLO: u32 = 0x0000_0001;
const VERSION: u32 = 4;
const ALIVE_CHECK: u32 = 0x1000_0004;
const IS_ALIVE: u32 = 0x8000_0005;
const TERMINATE: u32 = 0x1000_0005;

/// How long a master may take to answer.
const LONGEST: Duration = Duration::from_secs(1);

/// The longest message that is read.
const MOST: u32 = 64 << 10;

/// A conversation with a master.
pub(super) struct Mux(UnixStream);

impl Mux {
    pub(super) fn with(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LONGEST))?;
        stream.set_write_timeout(Some(LONGEST))?;
        let mut mux = Self(stream);
        mux.say(&[HELLO, VERSION])?;
        match mux.hear()?.as_slice() {
            [HELLO, VERSION, ..] => Ok(mux),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The master's process.
    pub(super) fn pid(&mut self) -> io::Result<Pid> {
        self.say(&[ALIVE_CHECK, 1])?;
        let heard = self.hear()?;
        let pid = match heard.as_slice() {
            [IS_ALIVE, 1, pid, ..] => i32::try_from(*pid).ok().and_then(Pid::from_raw),
            _ => None,
        };
        pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Asks it to end.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.say(&[TERMINATE, 2])
    }

    fn say(&mut self, numbers: &[u32]) -> io::Result<()> {
        let length = u32::try_from(4 * numbers.len()).unwrap_or_default();
        let all = std::iter::once(&length).chain(numbers);
        let bytes: Vec<u8> = all.flat_map(|number| number.to_be_bytes()).collect();
        self.0.write_all(&bytes)
    }

    fn hear(&mut self) -> io::Result<Vec<u32>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length).min(MOST);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.0.read_exact(&mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().copied().map(u32::from_be_bytes).collect())
    }
}
