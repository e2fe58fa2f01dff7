//! Configurations of SSH from seeds: blocks, criteria, quotes, tokens, files that include files, and mistakes.

use std::fmt::Write as _;
use std::path::Path;

use crate::generate::Draw;

pub(super) const HOSTS: [&str; 16] = [
    "web1",
    "web2",
    "Web1",
    "db1",
    "db1.example.com",
    "web1.example.com",
    "a",
    "host-with-dash",
    "127.1",
    "010.0.0.7",
    "10.0.0.7",
    "::1",
    "FE80::0001",
    "1.2.3",
    "x_y",
    "none",
];

const PATTERNS: [&str; 22] = [
    "*",
    "*",
    "web*",
    "web?",
    "!web1",
    "!*",
    "*.example.com",
    "*1",
    "??b1",
    "Web*",
    "db1",
    "a",
    "!db1",
    "10.*",
    "127.1",
    "*:*",
    "?",
    "web1",
    "web2",
    "*a*",
    "**",
    "*-*-*",
];

const NAMES: [&str; 12] = [
    "%h.example.com",
    "%h",
    "real.Example.COM",
    "10.1.2.3",
    "%%x",
    "web1",
    "db1",
    "0x7f.1",
    "::ffff:1.2.3.4",
    "UPPER",
    "two words",
    "web2.example.com",
];

const USERS: [&str; 8] = [
    "deploy", "root", "Deploy", "de ploy", "%u", "u-1", "a,b", "nobody",
];

const PATHS: [&str; 20] = [
    "~/.ssh/id_x",
    "~/k/%h",
    "/keys/%r@%h-%p",
    "/keys/%d/%u/%i/%%",
    "/keys/%n.%k",
    "relative/key",
    "~root/key",
    "~",
    "~/",
    "~//x",
    "${A_FOLDER}/k",
    "/x/${EMPTY}/y",
    "/with space/k",
    "/%C",
    "/%l/%L",
    "none",
    "NONE",
    "/a#b",
    "/tick'mark",
    "/back\\slash",
];

const FLAGS: [&str; 8] = ["yes", "no", "true", "false", "Yes", "NO", "TRUE", "nO"];

const FLAG_OPTIONS: [&str; 18] = [
    "BatchMode",
    "CheckHostIP",
    "GSSAPIAuthentication",
    "HashKnownHosts",
    "HostbasedAuthentication",
    "IdentitiesOnly",
    "KbdInteractiveAuthentication",
    "ChallengeResponseAuthentication",
    "NoHostAuthenticationForLocalhost",
    "PasswordAuthentication",
    "ProxyUseFdpass",
    "PubkeyAuthentication",
    "DSAAuthentication",
    "TCPKeepAlive",
    "KeepAlive",
    "ForwardAgent",
    "VisualHostKey",
    "ExitOnForwardFailure",
];

/// Options without an effect here, with values that OpenSSH takes.
const IDLE: [&str; 10] = [
    "LogLevel INFO",
    "ControlMaster auto",
    "ControlPath ~/.ssh/%C",
    "ForwardX11 no",
    "RequestTTY force",
    "EscapeChar none",
    "UpdateHostKeys yes",
    "Protocol 2",
    "Cipher blowfish",
    "RekeyLimit 1G 1h",
];

const MISTAKES: [&str; 32] = [
    "Port 0",
    "Port 65536",
    "Port x",
    "Port 22 23",
    "Port \"22",
    "User",
    "User ''",
    "User a b",
    "HostName",
    "HostName %x",
    "HostName 50%",
    "IdentityFile",
    "StrictHostKeyChecking maybe",
    "ConnectTimeout 5x",
    "ConnectTimeout -1",
    "ServerAliveCountMax -1",
    "ServerAliveCountMax 0x10",
    "BatchMode perhaps",
    "ProxyJump a:b:c",
    "ProxyJump @x",
    "ProxyCommand nc 'x",
    "UserKnownHostsFile none x",
    "UserKnownHostsFile ''",
    "IdentityAgent ${NOT_THERE}",
    "IdentityAgent $no-name",
    "SendEnv A=B",
    "SetEnv A",
    "Match",
    "Match host",
    "Match nothing x",
    "Match all host a",
    "Bogus yes",
];

/// A folder of files, the first of which is read.
pub(super) fn files(draw: &mut Draw, folder: &Path) -> Vec<(String, String)> {
    let count = if draw.chance(40) {
        1 + draw.below(3)
    } else {
        0
    };
    let mut files = Vec::new();
    let mut root = Writer::new(draw, folder, 0..count);
    root.write(14);
    files.push(("config".to_owned(), root.text));
    for number in 0..count {
        // A file includes only later ones, so that there is an end.
        let mut writer = Writer::new(draw, folder, number + 1..count);
        writer.write(6);
        files.push((format!("part{number}.conf"), writer.text));
    }
    files
}

/// One file while it is written.
struct Writer<'a> {
    draw: &'a mut Draw,
    folder: &'a Path,
    parts: std::ops::Range<usize>,
    text: String,
}

impl<'a> Writer<'a> {
    fn new(draw: &'a mut Draw, folder: &'a Path, parts: std::ops::Range<usize>) -> Self {
        Self {
            draw,
            folder,
            parts,
            text: String::new(),
        }
    }

    fn write(&mut self, most: usize) {
        for _ in 0..=self.draw.below(most) {
            match self.draw.below(100) {
                0..20 => self.host(),
                20..34 => self.matches(),
                34..40 if !self.parts.is_empty() => self.include(),
                40..44 => self.noise(),
                44..46 => self.unknown(),
                46 => {
                    let mistake = *self.draw.pick(&MISTAKES);
                    self.text.push_str(mistake);
                    self.end(false);
                }
                _ => self.option(),
            }
        }
    }

    /// A keyword in any spelling, and what separates it from its value.
    fn keyword(&mut self, name: &str) {
        let indent = *self.draw.pick(&["", "", "", "  ", "\t", " \t "]);
        let name = match self.draw.below(8) {
            0 => name.to_lowercase(),
            1 => name.to_uppercase(),
            2 => format!("\"{name}\""),
            _ => name.to_owned(),
        };
        let between = if name.starts_with('"') {
            *self.draw.pick(&[" ", "\t", "  "])
        } else {
            *self
                .draw
                .pick(&[" ", " ", " ", "\t", "=", " = ", "= ", " =", "  "])
        };
        let _ = write!(self.text, "{indent}{name}{between}");
    }

    /// The end of a line, perhaps after a comment.
    fn end(&mut self, comment: bool) {
        if comment && self.draw.chance(10) {
            self.text.push_str(" # and a comment 'with a quote");
        }
        let end = *self
            .draw
            .pick(&["\n", "\n", "\n", "\n", " \n", "\t\n", "\r\n", "\x0c\n"]);
        self.text.push_str(end);
    }

    /// A word as it is, in quotes or with backslashes.
    fn word(&mut self, word: &str) {
        let awkward = word.is_empty() || word.contains([' ', '#', '\'', '"', '\\']);
        let escaped = word.replace('\\', r"\\");
        let text = match self.draw.below(if awkward { 3 } else { 8 }) {
            0 => format!("\"{}\"", escaped.replace('"', "\\\"")),
            1 => format!("'{}'", escaped.replace('\'', "\\'")),
            2 if word.contains('#') => format!("\"{escaped}\""),
            2 => escaped
                .replace(' ', "\\ ")
                .replace('\'', "\\'")
                .replace('"', "\\\""),
            3 if word.len() > 1 && word.is_ascii() => {
                let (head, tail) = word.split_at(1);
                format!("{head}\"{tail}\"")
            }
            _ => word.to_owned(),
        };
        self.text.push_str(&text);
    }

    fn words(&mut self, from: &[&str], most: usize) {
        for number in 0..=self.draw.below(most) {
            if number > 0 {
                self.text
                    .push_str(if self.draw.chance(80) { " " } else { "\t " });
            }
            let word = *self.draw.pick(from);
            self.word(word);
        }
    }

    fn host(&mut self) {
        self.keyword("Host");
        self.words(&PATTERNS, 4);
        self.end(true);
    }

    fn matches(&mut self) {
        self.keyword("Match");
        match self.draw.below(12) {
            0 => self.text.push_str("all"),
            1 => self.text.push_str("!all"),
            _ => {
                for number in 0..=self.draw.below(3) {
                    if number > 0 {
                        self.text.push(' ');
                    }
                    self.criterion();
                }
            }
        }
        if self.draw.chance(10) {
            self.text.push_str(" # why");
        }
        self.text.push('\n');
    }

    fn criterion(&mut self) {
        if self.draw.chance(20) {
            self.text.push('!');
        }
        let (name, from): (&str, &[&str]) = match self.draw.below(20) {
            0..8 => ("host", &PATTERNS),
            8..12 => ("originalhost", &PATTERNS),
            12..15 => (
                "user",
                &["deploy", "root", "!root", "*", "De*", "nobody", "de?loy"],
            ),
            15..17 => ("localuser", &["root", "nobody", "*", "r*t", "!root"]),
            17 => ("Exec", &["true", "false"]),
            18 => {
                self.text.push_str("final");
                return;
            }
            _ => {
                self.text.push_str("canonical");
                return;
            }
        };
        let between = *self.draw.pick(&[" ", " ", "=", "\t"]);
        let mut list = self.draw.pick(from).to_string();
        while self.draw.chance(35) && name != "Exec" {
            list.push(',');
            let more = *self.draw.pick(from);
            list.push_str(more);
        }
        let quote = if self.draw.chance(25) { "\"" } else { "" };
        let _ = write!(self.text, "{name}{between}{quote}{list}{quote}");
    }

    fn include(&mut self) {
        self.keyword("Include");
        let folder = self.folder.display().to_string();
        let part = self.parts.start + self.draw.below(self.parts.len());
        let mut names = vec![
            format!("{folder}/part{part}.conf"),
            format!("{folder}/nothing.conf"),
            format!("{folder}/part[{part}].c*f"),
        ];
        if self.parts.end == self.parts.start + 1 {
            names.push(format!("{folder}/part[{part}-9].conf"));
        }
        if self.parts.start == 0 {
            names.push(format!("{folder}/part*.conf"));
            names.push(format!("{folder}/*/../part?.conf"));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.words(&names, 2);
        self.end(true);
    }

    fn noise(&mut self) {
        let noise = *self.draw.pick(&[
            "",
            "# a comment",
            "   # another 'with a quote",
            "\"Port 7",
            "   ",
            "\t",
            "#Port 7",
        ]);
        self.text.push_str(noise);
        self.text.push('\n');
    }

    fn unknown(&mut self) {
        if self.draw.chance(70) {
            self.keyword("IgnoreUnknown");
            let list = *self
                .draw
                .pick(&["Use*,Foo", "usekeychain", "*", "!foo,*", "Foo,!Bar"]);
            self.word(list);
            self.end(true);
        }
        let keyword = *self.draw.pick(&["UseKeychain", "foo", "Bar"]);
        self.keyword(keyword);
        self.word("yes");
        self.end(true);
    }

    fn option(&mut self) {
        match self.draw.below(34) {
            0..4 => self.one("HostName", &NAMES),
            4..6 => self.one("User", &USERS),
            6..8 => self.one("Port", &["22", "2222", "65535", "1", "+22", "022"]),
            8..11 => self.one("IdentityFile", &PATHS),
            11 => self.one("CertificateFile", &["~/c-cert.pub", "/c", "/c"]),
            12 => self.agent(),
            13..15 => self.many("UserKnownHostsFile"),
            15 => self.many("GlobalKnownHostsFile"),
            16 => self.strict(),
            17 => self.one("HostKeyAlias", &["alias", "Alias", "%h", "10.0.0.7"]),
            18..20 => self.time(),
            20 => self.number(),
            21..23 => self.flag(),
            23..25 => self.algorithms(),
            25 => self.command(),
            26 => self.jump(),
            27 => self.variables(),
            28 => self.idle(),
            29 => self.one("AddressFamily", &["any", "inet", "INET6"]),
            30 => self.one("BindAddress", &["10.0.0.1", "::1"]),
            31 => self.one("VerifyHostKeyDNS", &["yes", "no", "ask", "True"]),
            32 => self.one(
                "PreferredAuthentications",
                &["publickey,password", "password"],
            ),
            _ => self.rare(),
        }
    }

    fn one(&mut self, name: &str, from: &[&str]) {
        self.keyword(name);
        let value = *self.draw.pick(from);
        self.word(value);
        self.end(true);
    }

    fn many(&mut self, name: &str) {
        self.keyword(name);
        if self.draw.chance(15) {
            self.word("none");
        } else {
            let files: Vec<&str> = PATHS
                .iter()
                .copied()
                .filter(|path| !path.eq_ignore_ascii_case("none"))
                .collect();
            self.words(&files, 3);
        }
        self.end(true);
    }

    fn agent(&mut self) {
        let agents = [
            "none",
            "SSH_AUTH_SOCK",
            "$A_FOLDER",
            "${A_FOLDER}/agent.%h",
            "~/agent-%u",
            "/run/%i",
            "$NOT_THERE",
        ];
        self.one("IdentityAgent", &agents);
    }

    fn strict(&mut self) {
        let values = [
            "yes",
            "no",
            "ask",
            "accept-new",
            "off",
            "Accept-New",
            "true",
        ];
        self.one("StrictHostKeyChecking", &values);
    }

    fn time(&mut self) {
        let name = *self
            .draw
            .pick(&["ConnectTimeout", "ServerAliveInterval", "SetupTimeOut"]);
        self.one(
            name,
            &[
                "10", "0", "1m", "1h30m5", "2D", "1w2d", "none", "90S", "5m3",
            ],
        );
    }

    fn number(&mut self) {
        let names = [
            "ConnectionAttempts",
            "ServerAliveCountMax",
            "NumberOfPasswordPrompts",
            "RequiredRSASize",
        ];
        let name = *self.draw.pick(&names);
        self.one(name, &["0", "1", "7", "2048", "2147483647", "+3", "007"]);
    }

    fn flag(&mut self) {
        let name = *self.draw.pick(&FLAG_OPTIONS);
        self.one(name, &FLAGS);
    }

    fn algorithms(&mut self) {
        let (name, values): (&str, &[&str]) = match self.draw.below(5) {
            0 => (
                "Ciphers",
                &[
                    "aes256-ctr,aes128-ctr",
                    "^aes128-ctr",
                    "+3des-cbc",
                    "-chacha*",
                    "-aes*,!aes128-ctr",
                ],
            ),
            1 => (
                "MACs",
                &["hmac-sha2-256", "^hmac-sha2-512", "-umac*", "+hmac-md5"],
            ),
            2 => (
                "KexAlgorithms",
                &[
                    "curve25519-sha256",
                    "^ecdh-sha2-nistp256",
                    "-diffie*",
                    "+diffie-hellman-group1-sha1",
                ],
            ),
            3 => (
                "HostKeyAlgorithms",
                &[
                    "ssh-ed25519",
                    "ecdsa*",
                    "^rsa*",
                    "+ssh-rsa",
                    "-*cert*",
                    "ssh-ed25519,ssh*",
                ],
            ),
            _ => (
                "PubkeyAcceptedAlgorithms",
                &["+ssh-rsa", "-sk*", "ssh-*", "^rsa-sha2-256"],
            ),
        };
        self.one(name, values);
    }

    fn command(&mut self) {
        let name = *self
            .draw
            .pick(&["ProxyCommand", "ProxyCommand", "KnownHostsCommand"]);
        self.keyword(name);
        let commands = [
            "none",
            "nc %h %p",
            "/bin/x 'a b' # not a comment",
            "= sh -c \"x\"",
            "NONE",
        ];
        let command = *self.draw.pick(&commands);
        self.text.push_str(command);
        self.end(false);
    }

    fn jump(&mut self) {
        self.keyword("ProxyJump");
        let jumps = [
            "none",
            "bastion",
            "me@bastion:2222",
            "a,b,c@d",
            "ssh://me@bastion:22",
            "[::1]:22",
            "10.0.0.1",
            "bastion # a comment",
            "None",
        ];
        let jump = *self.draw.pick(&jumps);
        self.text.push_str(jump);
        self.end(false);
    }

    fn variables(&mut self) {
        if self.draw.chance(50) {
            self.keyword("SendEnv");
            self.words(&["LANG", "LC_*", "-LC_*", "-L*", "A"], 3);
        } else {
            self.keyword("SetEnv");
            self.words(&["A=1", "B=two words", "A=2", "C="], 3);
        }
        self.end(true);
    }

    fn idle(&mut self) {
        let idle = *self.draw.pick(&IDLE);
        self.text.push_str(idle);
        self.end(false);
    }

    fn rare(&mut self) {
        let (name, value) = *self.draw.pick(&[
            ("BindInterface", "eth0"),
            ("PKCS11Provider", "/lib/p.so"),
            ("PKCS11Provider", "none"),
            ("SecurityKeyProvider", "/lib/sk.so"),
            ("RevokedHostKeys", "/r"),
            ("RevokedHostKeys", "none"),
            ("Compression", "yes"),
            ("Compression", "no"),
            ("CanonicalizeHostname", "no"),
            ("PubkeyAuthentication", "host-bound"),
            ("PubkeyAuthentication", "unbound"),
        ]);
        self.one(name, &[value]);
    }
}
