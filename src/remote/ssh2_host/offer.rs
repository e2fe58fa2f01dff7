//! What a server says that it could use, asked when agreeing with it failed.
//!
//! libssh2 gives one and the same error for a server that knows nothing of what is offered here, for one that hung up,
//! and for one that speaks of something else. What the server itself offers tells them apart, and tells a person which
//! of its options to change.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::greeting;
use crate::remote::{Patience, RemoteError};

/// What both sides choose one of, in the order in which a server lists it.
pub(super) const NAMES: [&str; 6] = [
    "key exchange",
    "kind of host key",
    "cipher",
    "cipher",
    "checksum",
    "checksum",
];

/// How long a server may take to say what it offers.
const LONGEST: Duration = Duration::from_secs(2);

/// No list of a server is as long as this.
const MOST: usize = 64 * 1024;

const KEXINIT: u8 = 20;

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The names for each of the choices.
    Lists(Vec<Vec<String>>),
    /// What comes is no packet of SSH's.
    Garbage,
    /// The server hung up, fell silent, or does not answer any more.
    Nothing,
}

/// Asks a server over a new connection to it.
pub(super) fn ask(
    connection: Result<TcpStream, RemoteError>,
    patience: &Patience<'_>,
) -> Result<Offer, RemoteError> {
    let asked = connection.and_then(|mut socket| {
        greeting::expect(&socket, LONGEST, patience)?;
        Ok(hear(&mut socket, patience))
    });
    super::wire::not_cancelled(patience)?;
    Ok(asked.unwrap_or(Offer::Nothing))
}

fn hear(socket: &mut TcpStream, patience: &Patience<'_>) -> Offer {
    let deadline = Instant::now() + LONGEST.min(patience.left());
    if socket.write_all(b"SSH-2.0-clusterctl\r\n").is_err() {
        return Offer::Nothing;
    }
    let mut said = Vec::new();
    let mut bytes = [0; 4096];
    while said.len() < MOST {
        match offer(&said) {
            Some(offer) => return offer,
            None if Instant::now() >= deadline || super::wire::not_cancelled(patience).is_err() => {
                break;
            }
            None => {}
        }
        match socket.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                greeting::wait(socket, deadline.saturating_duration_since(Instant::now()));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    Offer::Nothing
}

/// What a server offers that has said this; `None` as long as more has to come.
fn offer(said: &[u8]) -> Option<Offer> {
    let line = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
    let mut rest = said;
    loop {
        let end = line(rest)?;
        let greets = rest.starts_with(b"SSH-");
        rest = &rest[end + 1..];
        if greets {
            break;
        }
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if !(NAMES.len() * 4..MOST).contains(&length) {
        return Some(Offer::Garbage);
    }
    let packet = rest.get(..length)?;
    Some(lists(packet).map_or(Offer::Garbage, Offer::Lists))
}

fn lists(packet: &[u8]) -> Option<Vec<Vec<String>>> {
    let (padding, rest) = packet.split_first()?;
    let rest = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    let (kind, rest) = rest.split_first()?;
    let mut rest = rest.get(16..)?;
    let mut names = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (list, after) = after.split_at_checked(length)?;
        rest = after;
        let list = std::str::from_utf8(list).ok()?;
        Some(list.split(',').map(str::to_owned).collect())
    };
    (*kind == KEXINIT).then_some(())?;
    NAMES.iter().map(|_| names()).collect()
}

/// Which choice has nothing in common with what is offered here, and what the server offers for it.
pub(super) fn missing<'a>(
    ours: &[Vec<String>],
    theirs: &'a [Vec<String>],
) -> Option<(usize, Vec<&'a str>)> {
    let common = |choice: usize| {
        let ours = ours[choice].iter();
        ours.clone().find(|name| theirs[choice].contains(name))
    };
    // A cipher that checks itself needs no checksum.
    let checks_itself = |choice: usize| {
        common(choice).is_some_and(|cipher| cipher.contains("gcm") || cipher.contains("poly1305"))
    };
    let choice = (0..ours.len().min(theirs.len())).find(|choice| {
        let is_needed = *choice < 4 || !checks_itself(choice - 2);
        is_needed && common(*choice).is_none()
    })?;
    // These are signs that stand in the list for want of another place.
    let is_sign = |name: &&str| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    let names = theirs[choice].iter().map(String::as_str);
    Some((choice, names.filter(|name| !is_sign(name)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(lists: [&str; 6]) -> Vec<u8> {
        let mut body = vec![4, KEXINIT];
        body.extend([7; 16]);
        for list in lists {
            body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            body.extend(list.as_bytes());
        }
        body.extend([0; 13 + 4]);
        let mut packet = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        packet.extend(body);
        packet
    }

    fn named(lists: [&str; 6]) -> Vec<Vec<String>> {
        let list = |list: &str| list.split(',').map(str::to_owned).collect();
        lists.into_iter().map(list).collect()
    }

    const LISTS: [&str; 6] = ["k1,k2,kex-strict-s", "h", "c1,c2", "c1", "m1", "m1,m2"];

    #[test]
    fn lists_are_heard_only_when_they_are_whole() {
        let mut said = b"Welcome\r\nSSH-2.0-x\r\n".to_vec();
        said.extend(packet(LISTS));
        for end in 0..said.len() {
            assert_eq!(offer(&said[..end]), None, "{end}");
        }
        assert_eq!(offer(&said), Some(Offer::Lists(named(LISTS))));
    }

    #[test]
    fn what_is_no_packet_is_garbage() {
        let mut other = packet(LISTS);
        other[5] = 1;
        let mut long = packet(LISTS);
        long[22] = 200;
        let mut padded = packet(LISTS);
        padded[4] = 250;
        for said in [
            b"no packet at all".to_vec(),
            vec![0; 8],
            other,
            long,
            padded,
        ] {
            let said = [b"SSH-2.0-x\r\n".as_slice(), &said].concat();
            assert_eq!(offer(&said), Some(Offer::Garbage), "{said:?}");
        }
    }

    #[test]
    fn the_first_choice_without_anything_in_common_is_missing() {
        let theirs = named(LISTS);
        let of = |ours| missing(&named(ours), &theirs);
        assert_eq!(of(["k0,k2", "h", "c2", "c1", "m1", "m2"]), None);
        let kinds = of(["k0", "h0", "c2", "c1", "m1", "m2"]);
        assert_eq!(kinds, Some((0, vec!["k1", "k2"])));
        let sums = of(["k1", "h", "c2", "c1", "m1", "m0"]);
        assert_eq!(sums, Some((5, vec!["m1", "m2"])));
        let gcm = named(["k", "h", "aes128-gcm@x", "aes128-gcm@x", "m", "m"]);
        let ours = ["k", "h", "aes128-gcm@x", "aes128-gcm@x", "m0", "m0"];
        assert_eq!(missing(&named(ours), &gcm), None);
    }
}
