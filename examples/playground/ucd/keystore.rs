//! Whether a password opens a keystore as `keytool` makes them.

use openssl::pkcs12::Pkcs12;
use openssl::sha::Sha1;

/// How files of the types JKS and JCEKS begin.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// What is mixed with the password.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// How long the sum at the end of such a file is.
const SUM: usize = 20;

pub(crate) fn opens(bytes: &[u8], password: &str) -> bool {
    if !(bytes.starts_with(&JKS) || bytes.starts_with(&JCEKS)) {
        let store = Pkcs12::from_der(bytes);
        return store.is_ok_and(|store| store.parse2(password).is_ok());
    }
    let Some(end) = bytes.len().checked_sub(SUM) else {
        return false;
    };
    let mut sum = Sha1::new();
    for unit in password.encode_utf16() {
        sum.update(&unit.to_be_bytes());
    }
    sum.update(WHITENER);
    sum.update(&bytes[..end]);
    sum.finish() == bytes[end..]
}
