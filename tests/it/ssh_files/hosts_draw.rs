//! Lists of known hosts from seeds: names in every form, markers, comments, and broken lines.

use std::fs;

use clusterctl::remote::{HostKey, KnownHosts};

use crate::generate::Draw;

pub(super) const HOSTS: [(&str, u16); 12] = [
    ("web1", 22),
    ("web2", 22),
    ("WEB1", 22),
    ("web1", 2222),
    ("web1.example.com", 22),
    ("web1.example.com", 2222),
    ("10.0.0.7", 22),
    ("::1", 22),
    ("::1", 2222),
    ("a", 22),
    ("alias", 22),
    ("nobody.example.org", 1),
];

const NAMES: [&str; 26] = [
    "web1",
    "web2",
    "Web1",
    "[web1]:2222",
    "[WEB1]:2222",
    "web1.example.com",
    "[web1.example.com]:2222",
    "10.0.0.7",
    "::1",
    "[::1]:2222",
    "a",
    "alias",
    "*",
    "web?",
    "*.example.com",
    "[*]:2222",
    "[web?]:*",
    "!web1",
    "!*.example.com",
    "!web2",
    "10.0.0.*",
    "nobody.example.*",
    "",
    "!",
    "*e*",
    "[web1]:22",
];

/// Keys that are whole, as their blobs.
pub(super) fn keys() -> Vec<HostKey> {
    let mut draw = Draw::new(0x5EED_0000_4E75);
    let mut keys: Vec<_> = (0..6)
        .map(|_| blob(&[b"ssh-ed25519", &bytes(&mut draw, 32)]))
        .collect();
    for _ in 0..2 {
        let mut modulus = bytes(&mut draw, 257);
        modulus[..2].copy_from_slice(&[0, 0xC1]);
        modulus[256] |= 1;
        keys.push(blob(&[b"ssh-rsa", &[1, 0, 1], &modulus]));
    }
    // The generator of the curve, so that the point lies on it.
    let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let point: Vec<u8> = (0..point.len() / 2)
        .map(|at| u8::from_str_radix(&point[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    keys.push(blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &point]));
    keys.iter()
        .map(|blob| HostKey::from_blob(blob).unwrap())
        .collect()
}

fn bytes(draw: &mut Draw, count: usize) -> Vec<u8> {
    (0..count)
        .map(|_| u8::try_from(draw.below(256)).unwrap())
        .collect()
}

fn blob(parts: &[&[u8]]) -> Vec<u8> {
    let part = |part: &&[u8]| {
        let length = u32::try_from(part.len()).unwrap().to_be_bytes();
        [&length[..], part].concat()
    };
    parts.iter().flat_map(part).collect()
}

/// What a list has for a name: unreadable or not.
fn line(key: &HostKey, name: &str, port: u16, hashed: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let hosts = KnownHosts::default();
    hosts.remember(&path, name, port, key, hashed).unwrap();
    fs::read_to_string(&path).unwrap().trim_end().to_owned()
}

/// A list.
pub(super) fn list(draw: &mut Draw, keys: &[HostKey]) -> Vec<u8> {
    let mut list = Vec::new();
    for _ in 0..draw.below(10) {
        let line = one(draw, keys);
        // We don't look whether a point lies on its curve.
        let may_spoil = !line.contains("ecdsa");
        let mut line = line.into_bytes();
        if draw.chance(4) && may_spoil {
            spoil(draw, &mut line);
        }
        list.extend(line);
        let end = *draw.pick(&["\n", "\n", "\n", "\r\n", " \n", "\n\n"]);
        list.extend(end.bytes());
    }
    if draw.chance(10) {
        list.pop();
    }
    list
}

fn one(draw: &mut Draw, keys: &[HostKey]) -> String {
    if draw.chance(8) {
        let noise = [
            "",
            "# a comment",
            "   # another",
            "web1",
            "web1 ssh-ed25519",
            "@revoked",
            "web1 #",
        ];
        return (*draw.pick(&noise)).to_owned();
    }
    let key = draw.pick(keys);
    let words = line(key, "x", 22, false);
    let mut words = words.split(' ').skip(1);
    let (mut kind, encoded) = (words.next().unwrap(), words.next().unwrap());
    if draw.chance(4) {
        kind = *draw.pick(&[
            "ssh-rsa",
            "ssh-ed25519",
            "ssh-dss",
            "ED25519",
            "ssh-x",
            "1024",
        ]);
    }
    let names = names(draw, key);
    let marker = match draw.below(20) {
        0 | 1 => "@revoked ",
        2 => "@cert-authority ",
        3 => *draw.pick(&[
            "@revoked\t",
            "@unknown ",
            "@ ",
            "@revoked @revoked ",
            "@Revoked ",
        ]),
        _ => "",
    };
    let space = *draw.pick(&[" ", " ", " ", "\t", "  "]);
    let indent = *draw.pick(&["", "", "", " ", "\t"]);
    let comment = *draw.pick(&["", "", " me@here", " # comment", "\tx y"]);
    format!("{indent}{marker}{names}{space}{kind}{space}{encoded}{comment}")
}

fn names(draw: &mut Draw, key: &HostKey) -> String {
    if draw.chance(30) {
        let (host, port) = *draw.pick(&HOSTS);
        let written = line(key, host, port, true);
        let mut name = written.split(' ').next().unwrap().to_owned();
        if draw.chance(6) {
            let broken = ["|1|", "|2|a|b", "|1|AAAA|AAAA", "|", "|1||x"];
            name = (*draw.pick(&broken)).to_owned();
        }
        return name;
    }
    let mut names = (*draw.pick(&NAMES)).to_owned();
    while draw.chance(40) {
        names.push(',');
        names.push_str(draw.pick::<&str>(&NAMES));
    }
    names
}

/// Changes, removes or adds a byte, but no line's end.
pub(super) fn spoil(draw: &mut Draw, line: &mut Vec<u8>) {
    if line.is_empty() {
        return;
    }
    let at = draw.below(line.len());
    let byte = *draw.pick(b" \t#@|*?!,=A/+:[]\r\x0b\0\xff");
    match draw.below(3) {
        0 => line[at] = byte,
        1 => drop(line.remove(at)),
        _ => line.insert(at, byte),
    }
}
