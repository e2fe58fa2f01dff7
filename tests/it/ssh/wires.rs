//! Servers that are no SSH server, and a wire that can be cut or hold what goes through it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::real::processes::PATIENCE;

/// An address of this machine's that nothing else uses, with a port that is free there.
pub(crate) fn listener() -> TcpListener {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() * 64 + COUNT.fetch_add(1, Ordering::Relaxed);
    let address = Ipv4Addr::from(0x7f40_0001 + number % 0x003f_fff0);
    TcpListener::bind((address, 0)).unwrap()
}

/// Something that accepts connections until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    open: Arc<(Mutex<Vec<TcpStream>>, Condvar)>,
}

impl Listener {
    /// Gives every connection to a function; it stays open until the function ends, and longer if that keeps it.
    fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let open = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let listener = Self {
            address,
            ends: Arc::clone(&ends),
            open: Arc::clone(&open),
        };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in socket.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                open.0.lock().unwrap().push(stream.try_clone().unwrap());
                open.1.notify_all();
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        listener
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until this many connections are there that were not cut.
    pub(crate) fn accepted(&self, count: usize) {
        let open = self.open.0.lock().unwrap();
        let too_few = |open: &mut Vec<_>| open.len() < count;
        let waited = self.open.1.wait_timeout_while(open, PATIENCE, too_few);
        assert!(!waited.unwrap().1.timed_out(), "nobody connected");
    }

    /// Cuts all connections there are; new ones are taken.
    pub(crate) fn cut(&self) {
        for stream in self.open.0.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

/// Accepts, and never says a word.
pub(crate) fn silent() -> Listener {
    Listener::new(|mut stream| {
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    })
}

/// Says these bytes, then reads what comes until the other side ends.
pub(crate) fn saying(bytes: &'static [u8]) -> Listener {
    Listener::new(move |mut stream| {
        let _ = stream.write_all(bytes);
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    })
}

/// Closes every connection at once.
pub(crate) fn closing() -> Listener {
    Listener::new(|stream| {
        let _ = stream.shutdown(Shutdown::Both);
    })
}

/// A wire to a server.
pub(crate) struct Wire {
    listener: Listener,
    flow: Arc<Flow>,
}

#[derive(Default)]
struct Flow {
    held: Mutex<bool>,
    changed: Condvar,
    /// Bytes from the server to the client.
    carried: AtomicUsize,
    /// Bytes from the client to the server.
    sent: AtomicUsize,
    /// How long everything takes in each direction.
    length: Duration,
    /// How many bytes a second go to the server at the most.
    pace: Option<u32>,
    /// After how many of them the connections that there are break, once.
    breaks_after: Mutex<Option<usize>>,
}

impl Wire {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Self::as_long_as(Duration::ZERO, server)
    }

    /// A wire on which everything takes so long in each direction.
    pub(crate) fn as_long_as(length: Duration, server: SocketAddr) -> Self {
        let flow = Flow {
            length,
            ..Flow::default()
        };
        Self::with(flow, server)
    }

    /// A wire on which no more than so many bytes a second go to the server.
    pub(crate) fn as_slow_as(pace: u32, server: SocketAddr) -> Self {
        let flow = Flow {
            pace: Some(pace),
            ..Flow::default()
        };
        Self::with(flow, server)
    }

    fn with(flow: Flow, server: SocketAddr) -> Self {
        let flow = Arc::new(flow);
        let shared = Arc::clone(&flow);
        let listener = Listener::new(move |client| {
            let Ok(server) = TcpStream::connect(server) else {
                return;
            };
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let flow = Arc::clone(&shared);
            let other = thread::spawn(move || carry(up, server, &flow, false));
            carry(down, client, &shared, true);
            let _ = other.join();
        });
        Self { listener, flow }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Breaks all connections there are.
    pub(crate) fn cut(&self) {
        self.listener.cut();
        self.flow();
    }

    /// Breaks the connection on which the server says so many bytes more than until now, before what it says then; that
    /// happens once. Servers and networks break off between packets.
    pub(crate) fn cut_after(&self, bytes: usize) {
        *self.flow.breaks_after.lock().unwrap() = Some(self.carried() + bytes);
    }

    /// Whether it has done so.
    pub(crate) fn has_broken(&self) -> bool {
        self.flow.breaks_after.lock().unwrap().is_none()
    }

    /// Holds everything that goes through, as a network does whose cable is pulled.
    pub(crate) fn hold(&self) {
        *self.flow.held.lock().unwrap() = true;
    }

    /// Lets it go on.
    pub(crate) fn flow(&self) {
        *self.flow.held.lock().unwrap() = false;
        self.flow.changed.notify_all();
    }

    /// How many bytes the server has said.
    pub(crate) fn carried(&self) -> usize {
        self.flow.carried.load(Ordering::SeqCst)
    }

    /// How many bytes the server was sent.
    pub(crate) fn sent(&self) -> usize {
        self.flow.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, flow: &Flow, down: bool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        let mut held = flow.held.lock().unwrap();
        while *held {
            held = flow.changed.wait(held).unwrap();
        }
        drop(held);
        thread::sleep(flow.length);
        if let Some(pace) = flow.pace.filter(|_| !down) {
            let count = u32::try_from(count).unwrap();
            thread::sleep(Duration::from_secs(1) * count / pace);
        }
        if down {
            // Whoever has read it finds it counted.
            let carried = flow.carried.fetch_add(count, Ordering::SeqCst) + count;
            let mut breaks = flow.breaks_after.lock().unwrap();
            if breaks.is_some_and(|after| carried >= after) {
                *breaks = None;
                break;
            }
        } else {
            flow.sent.fetch_add(count, Ordering::SeqCst);
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
