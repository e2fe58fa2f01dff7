//! How agents and relays hold a line to a server: by JMS, or by web sockets, past the servers that do not answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use serde::{Deserialize, Serialize};

use super::server::Wire;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who comes to a server. One says so in a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Guest {
    Agent {
        id: String,
        name: String,
        version: String,
        life: String,
    },
    Relay {
        id: String,
        name: String,
        version: String,
        host: String,
        port: u16,
    },
    /// Whoever comes next on this line comes by a relay.
    Via { relay: String },
}

/// A list of servers, as an agent or a relay has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Servers {
    pub(crate) wire: Wire,
    pub(crate) addresses: Vec<(String, u16)>,
    /// Whether the first one is taken by lot.
    pub(crate) by_lot: bool,
}

impl Servers {
    /// Reads `failover:(ah3://HOST:PORT,...)?randomize=false`, `random:(wss://HOST:PORT,...)`, or a single one of those.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (list, options) = match text.split_once('(') {
            Some((_, rest)) => rest
                .split_once(')')
                .ok_or_else(|| format!("{text}: there is no closing parenthesis"))?,
            None => (text, ""),
        };
        let wire = if list.contains("wss://") {
            Wire::WebSocket
        } else {
            Wire::Jms
        };
        Ok(Self {
            wire,
            addresses: addresses(list)?,
            by_lot: !options.contains("randomize=false"),
        })
    }

    /// In which order they are tried first.
    pub(crate) fn first(&self) -> Result<usize, String> {
        let mut lot = [0];
        openssl::rand::rand_bytes(&mut lot).map_err(|error| error.to_string())?;
        let length = self.addresses.len().max(1);
        Ok(if self.by_lot {
            usize::from(lot[0]) % length
        } else {
            0
        })
    }
}

/// Reads `HOST:PORT,HOST:PORT`, each with or without what stands before `://`.
pub(crate) fn addresses(list: &str) -> Result<Vec<(String, u16)>, String> {
    let all = list.split(',').filter(|part| !part.is_empty());
    all.map(|part| {
        let plain = part.split_once("://").map_or(part, |(_, rest)| rest);
        let parsed = plain
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        parsed.ok_or_else(|| format!("{part} is no address"))
    })
    .collect()
}

pub(crate) fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it is nowhere");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks a proxy to lead to a server.
pub(crate) fn dial_by(
    proxy: &(String, u16),
    (host, port): &(String, u16),
) -> io::Result<TcpStream> {
    let mut stream = dial(&proxy.0, proxy.1)?;
    write!(
        stream,
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
    )?;
    // Byte by byte: what follows the head is not the proxy's.
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 200") {
        return Ok(stream);
    }
    Err(io::Error::other("the proxy refuses"))
}

/// Comes to a server, and holds the line until the server goes. `there` is told when the server has answered.
pub(crate) fn hold(
    stream: TcpStream,
    host: &str,
    wire: Wire,
    who: &Guest,
    there: impl FnOnce(&str),
) -> io::Result<()> {
    match wire {
        Wire::Jms => talk(stream, who, there),
        Wire::WebSocket => talk(secured(stream, host)?, who, there),
    }
}

/// Web sockets: those who speak by them know each other by their own keys, not by who signed them.
pub(crate) fn secured(stream: TcpStream, host: &str) -> io::Result<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_verify(SslVerifyMode::NONE);
    let stream = connector.build().connect(host, stream);
    stream.map_err(io::Error::other)
}

fn talk(stream: impl Read + Write, who: &Guest, there: impl FnOnce(&str)) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut server = String::new();
    stream.read_line(&mut server)?;
    if server.trim().is_empty() {
        return Err(io::Error::other("it says nothing"));
    }
    let line = serde_json::to_string(who).map_err(io::Error::other)?;
    writeln!(stream.get_mut(), "{line}")?;
    stream.get_mut().flush()?;
    there(server.trim());
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}
