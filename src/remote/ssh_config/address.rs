//! Names of hosts that are addresses, in their usual spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host_config::AddressFamily;

/// The name to connect to: an address as the system spells it, any other name in small letters.
pub(super) fn canonical(name: &str, family: AddressFamily) -> String {
    let address = v4(name).map(IpAddr::V4);
    let address = address.or_else(|| name.parse::<Ipv6Addr>().ok().map(IpAddr::V6));
    let address = match family {
        AddressFamily::Inet => address.map(|address| address.to_canonical()),
        _ => address,
    };
    let allowed = |address: &IpAddr| match family {
        AddressFamily::Any => true,
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
    };
    match address.filter(allowed) {
        Some(address) => address.to_string(),
        None if looks_like_address(name) => name.to_owned(),
        None => name.to_ascii_lowercase(),
    }
}

fn looks_like_address(name: &str) -> bool {
    name.contains(['%', ':']) || name.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// An address of one to four numbers, which may be octal or hexadecimal; the last fills what is left.
fn v4(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = name.split('.').collect();
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut address: u32 = 0;
    for part in first {
        let number = number(part).filter(|number| *number < 256)?;
        address = address << 8 | number;
    }
    let bits = 8 * (4 - u32::try_from(first.len()).ok()?);
    let last = number(last).filter(|last| bits == 32 || *last < 1 << bits)?;
    let address = address.checked_shl(bits).unwrap_or(0);
    Some(Ipv4Addr::from(address | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let fine = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    fine.then(|| u32::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spelled_as_the_system_spells_them() {
        for (name, expected) in [
            ("Web1.Example.COM", "web1.example.com"),
            ("127.1", "127.0.0.1"),
            ("010.0.0.1", "8.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("256.1.1.1", "256.1.1.1"),
            ("1.2.3.4.5", "1.2.3.4.5"),
            ("::0001", "::1"),
            ("::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
            ("FE80::1%eth0", "FE80::1%eth0"),
        ] {
            assert_eq!(canonical(name, AddressFamily::Any), expected, "{name}");
        }
    }
}
