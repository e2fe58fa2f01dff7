//! A small HTTP server: a thread for each visitor, who may ask again and again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use openssl::ssl::SslAcceptor;

/// How long a visitor may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// No head and no body is longer.
const LARGEST: u64 = 1 << 20;

/// What a visitor asks for.
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path, without what follows a question mark.
    pub(crate) path: String,
    /// What follows it.
    pub(crate) query: BTreeMap<String, String>,
    /// Who asks, and the password.
    pub(crate) who: Option<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self {
            status: 200,
            kind: "application/json",
            body: value.to_string().into_bytes(),
        }
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain",
            body: text.into().into_bytes(),
        }
    }

    pub(crate) fn html(text: impl Into<String>) -> Self {
        Self {
            kind: "text/html",
            ..Self::text(200, text)
        }
    }

    pub(crate) fn nothing() -> Self {
        Self::text(204, "")
    }
}

/// What answers.
pub(crate) type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// Answers everybody who comes, for as long as the process lives.
pub(crate) fn serve(listener: TcpListener, tls: Option<SslAcceptor>, handler: Handler) {
    let tls = tls.map(Arc::new);
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let (tls, handler) = (tls.clone(), Arc::clone(&handler));
            thread::spawn(move || {
                // A visitor who goes away misses the answer.
                let _ = welcome(visitor, tls.as_deref(), &handler);
            });
        }
    });
}

fn welcome(visitor: TcpStream, tls: Option<&SslAcceptor>, handler: &Handler) -> io::Result<()> {
    visitor.set_read_timeout(Some(SILENCE))?;
    visitor.set_write_timeout(Some(SILENCE))?;
    visitor.set_nodelay(true)?;
    match tls {
        None => converse(visitor, handler),
        Some(tls) => converse(tls.accept(visitor).map_err(io::Error::other)?, handler),
    }
}

fn converse(visitor: impl Read + Write, handler: &Handler) -> io::Result<()> {
    let mut visitor = BufReader::new(visitor);
    while let Some((request, goes_on)) = read(&mut visitor)? {
        let Answer { status, kind, body } = handler(&request);
        let reason = match status {
            200 => "OK",
            204 => "No Content",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            503 => "Service Unavailable",
            _ => "Answer",
        };
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        if status == 401 {
            head.push_str("WWW-Authenticate: Basic realm=\"UrbanCode Deploy\"\r\n");
        }
        if status != 204 {
            // Writing to a text does not fail.
            let _ = write!(
                head,
                "Content-Type: {kind}\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        head.push_str("\r\n");
        let out = visitor.get_mut();
        out.write_all(head.as_bytes())?;
        if status != 204 && request.method != "HEAD" {
            out.write_all(&body)?;
        }
        out.flush()?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// The next request, and whether another may follow.
fn read(from: &mut impl BufRead) -> io::Result<Option<(Request, bool)>> {
    let mut from = from.take(LARGEST);
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::Error::other("this is no request"));
    };
    let mut goes_on = words.next() != Some("HTTP/1.0");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: plain(path),
        query: query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (plain(key), plain(value)))
            .collect(),
        who: None,
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "connection" if value.eq_ignore_ascii_case("close") => goes_on = false,
            "authorization" => request.who = basic(value),
            _ => {}
        }
    }
    request.body = vec![0; usize::try_from(LARGEST.min(length)).unwrap_or_default()];
    from.read_exact(&mut request.body)?;
    Ok(Some((request, goes_on)))
}

/// A part of an address as it was before it was made fit for one.
fn plain(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let code = (byte == b'%').then(|| {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        });
        match code {
            None if byte == b'+' => bytes.push(b' '),
            None => bytes.push(byte),
            Some(code) => bytes.push(code.unwrap_or(b'?')),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn basic(value: &str) -> Option<(String, String)> {
    let code = value.strip_prefix("Basic ")?;
    let text = base64::engine::general_purpose::STANDARD
        .decode(code)
        .ok()?;
    let text = String::from_utf8(text).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
