//! A server that does as it is told, and tells all that happens to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::LONG;
use super::authority::Identity;

/// What happens to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody came.
    Came,
    /// Somebody asked this.
    Asked(Asked),
    /// Somebody went, or was sent away.
    Went,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What a server does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// It says this, and listens on.
    Say(String),
    /// It says this, and says nothing more until the other one goes.
    Hang(String),
    /// It says this, and closes the connection.
    Close(String),
    /// It says this, and then goes on for ever.
    Endless(String),
}

/// An answer with a length.
pub(crate) fn answer(status: u16, body: &str) -> Reply {
    let length = body.len();
    Reply::Say(format!(
        "HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// An answer that sends elsewhere.
pub(crate) fn redirection(status: u16, location: &str) -> Reply {
    Reply::Say(format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// What a server answers, given what was asked and how often somebody asked before.
type Script = Arc<dyn Fn(&Asked, usize) -> Reply + Send + Sync>;

/// What a server does with somebody who came, before it listens.
type Welcome = Box<dyn Fn(TcpStream, usize) -> Option<Box<dyn Stream>> + Send + Sync>;

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    identity: Arc<Mutex<Option<Identity>>>,
    events: Receiver<Event>,
}

impl Server {
    /// One that speaks TLS.
    pub(crate) fn tls(
        identity: &Identity,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let identity = Arc::new(Mutex::new(Some(identity.clone())));
        let now = Arc::clone(&identity);
        let welcome = move |visitor: TcpStream, _| -> Option<Box<dyn Stream>> {
            let acceptor = now.lock().unwrap().as_ref().unwrap().acceptor();
            Some(Box::new(acceptor.accept(visitor).ok()?))
        };
        Self::start("https", identity, Box::new(welcome), Arc::new(script))
    }

    /// One that speaks none.
    pub(crate) fn plain(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let welcome =
            |visitor: TcpStream, _| -> Option<Box<dyn Stream>> { Some(Box::new(visitor)) };
        Self::start("http", Arc::default(), Box::new(welcome), Arc::new(script))
    }

    /// One that sends the first who come away before they can ask.
    pub(crate) fn rude(
        identity: &Identity,
        times: usize,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let acceptor = identity.acceptor();
        let welcome = move |visitor: TcpStream, before: usize| -> Option<Box<dyn Stream>> {
            if before < times {
                return None;
            }
            Some(Box::new(acceptor.accept(visitor).ok()?))
        };
        Self::start("https", Arc::default(), Box::new(welcome), Arc::new(script))
    }

    /// One that knows none but old versions of TLS.
    pub(crate) fn of_the_last_century(identity: &Identity) -> Self {
        let acceptor = identity.old_acceptor();
        let welcome = move |visitor: TcpStream, _| -> Option<Box<dyn Stream>> {
            Some(Box::new(acceptor.accept(visitor).ok()?))
        };
        let script = |_: &Asked, _| answer(200, "");
        Self::start("https", Arc::default(), Box::new(welcome), Arc::new(script))
    }

    /// One that takes what is said to it and never says anything.
    pub(crate) fn mute() -> Self {
        let welcome = |mut visitor: TcpStream, _| -> Option<Box<dyn Stream>> {
            let _ = io::copy(&mut visitor, &mut io::sink());
            None
        };
        let script = |_: &Asked, _| Reply::Close(String::new());
        Self::start("https", Arc::default(), Box::new(welcome), Arc::new(script))
    }

    fn start(
        scheme: &'static str,
        identity: Arc<Mutex<Option<Identity>>>,
        welcome: Welcome,
        script: Script,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, events) = channel();
        let (welcome, asked) = (Arc::new(welcome), Arc::new(Mutex::new(0)));
        thread::spawn(move || {
            for (before, visitor) in listener.incoming().flatten().enumerate() {
                let (welcome, script) = (Arc::clone(&welcome), Arc::clone(&script));
                let (tell, asked) = (tell.clone(), Arc::clone(&asked));
                thread::spawn(move || {
                    let _ = tell.send(Event::Came);
                    if let Some(stream) = welcome(visitor, before) {
                        let _ = converse(stream, &script, &asked, &tell);
                    }
                    let _ = tell.send(Event::Went);
                });
            }
        });
        Self {
            address,
            scheme,
            identity,
            events,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The pin of a certificate for this server.
    pub(crate) fn pin(&self, identity: &Identity) -> String {
        format!(
            "rest.pins.\"{}\" = \"{}\"",
            self.address,
            identity.fingerprint()
        )
    }

    /// Whoever comes from now on is shown this certificate.
    pub(crate) fn becomes(&self, identity: &Identity) {
        *self.identity.lock().unwrap() = Some(identity.clone());
    }

    /// Waits for what happens next.
    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(LONG).unwrap()
    }

    /// Waits until something is asked.
    pub(crate) fn asked(&self) -> Asked {
        loop {
            if let Event::Asked(asked) = self.next() {
                return asked;
            }
        }
    }

    /// Waits until somebody goes.
    pub(crate) fn waits_until_somebody_goes(&self) {
        while self.next() != Event::Went {}
    }

    /// What happened up to now and was not looked at: whoever got an answer has been heard.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.events.try_iter().collect()
    }

    /// How many came and how many questions they asked, of what happened up to now.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let events = self.so_far();
        let came = events.iter().filter(|event| **event == Event::Came);
        let asked = events
            .iter()
            .filter(|event| matches!(event, Event::Asked(_)));
        (came.count(), asked.count())
    }
}

fn converse(
    stream: Box<dyn Stream>,
    script: &Script,
    count: &Mutex<usize>,
    tell: &Sender<Event>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = read(&mut stream)? {
        let before = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let reply = script(&asked, before);
        let _ = tell.send(Event::Asked(asked));
        let out = stream.get_mut();
        match reply {
            Reply::Say(text) => out.write_all(text.as_bytes())?,
            Reply::Close(text) => return out.write_all(text.as_bytes()),
            Reply::Hang(text) => {
                out.write_all(text.as_bytes())?;
                out.flush()?;
                return io::copy(&mut stream, &mut io::sink()).map(drop);
            }
            Reply::Endless(text) => {
                out.write_all(text.as_bytes())?;
                loop {
                    out.write_all(&[b'x'; 8192])?;
                }
            }
        }
    }
    Ok(())
}

fn read(from: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut asked = Asked {
        head,
        body: String::new(),
    };
    let length = asked.header("content-length").unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    from.read_exact(&mut body)?;
    asked.body = String::from_utf8(body).unwrap();
    Ok(Some(asked))
}
