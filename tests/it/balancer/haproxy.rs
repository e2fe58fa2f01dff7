//! A real HAProxy before servers that answer with their names.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::real::lab::Lab;
use crate::real::processes::{PATIENCE, ended};
use crate::rest::server::{Server, answer};
use crate::world::bench::wait_until;

/// The pool that every HAProxy here has.
pub(crate) const POOL: &str = "web";

/// A HAProxy that runs, and where it is spoken to.
pub(crate) struct HaProxy {
    child: Child,
    pub(crate) socket: PathBuf,
    front: PathBuf,
}

/// What stands in its configuration beyond what always does.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    /// What the runtime interface lets one do.
    pub(crate) level: Option<&'static str>,
    /// Lines of the pool.
    pub(crate) pool: String,
    /// What follows a server.
    pub(crate) server: &'static str,
    /// Where it listens besides its socket.
    pub(crate) front: Option<SocketAddr>,
}

/// A server behind the balancer. It answers `/` with its name, and `/slow` when it is told to.
pub(crate) struct Web {
    pub(crate) name: String,
    server: Server,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Web {
    pub(crate) fn start(name: &str) -> Self {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let (own, waits) = (name.to_owned(), Arc::clone(&gate));
        let server = Server::plain(move |asked, _| {
            if asked.head.starts_with("GET /slow") {
                let (open, changed) = &*waits;
                let open = open.lock().unwrap();
                drop(changed.wait_timeout_while(open, PATIENCE, |open| !*open));
            }
            answer(200, &own)
        });
        Self {
            name: name.to_owned(),
            server,
            gate,
        }
    }

    /// Slow answers come now.
    pub(crate) fn answers_the_slow(&self) {
        let (open, changed) = &*self.gate;
        *open.lock().unwrap() = true;
        changed.notify_all();
    }
}

impl HaProxy {
    /// Starts one in a folder of the lab.
    pub(crate) fn start(lab: &Lab, name: &str, servers: &[Web], wishes: &Wishes) -> Self {
        let address = |web: &Web| (web.name.clone(), web.server.address);
        let servers: Vec<_> = servers.iter().map(address).collect();
        Self::before(lab, name, &servers, wishes)
    }

    /// Starts one before servers of these names and addresses.
    pub(crate) fn before(
        lab: &Lab,
        name: &str,
        servers: &[(String, SocketAddr)],
        wishes: &Wishes,
    ) -> Self {
        let folder = lab.path(name);
        fs::create_dir(&folder).unwrap();
        let (socket, front) = (folder.join("admin.sock"), folder.join("front.sock"));
        let mut text = format!(
            "global\n  stats socket {} mode 600 level {}\n\
             defaults\n  mode http\n  option redispatch\n  timeout connect 5s\n  timeout client 2m\n  timeout server 2m\n\
             frontend front\n  bind {} mode 600\n{}  default_backend {POOL}\n\
             backend {POOL}\n{}",
            socket.display(),
            wishes.level.unwrap_or("admin"),
            front.display(),
            wishes
                .front
                .map_or_else(String::new, |at| format!("  bind {at}\n")),
            wishes.pool
        );
        for (name, address) in servers {
            let server = wishes.server;
            let _ = writeln!(text, "  server {name} {address} cookie {name} {server}");
        }
        let file = folder.join("haproxy.cfg");
        fs::write(&file, text).unwrap();
        let said = fs::File::create(folder.join("said")).unwrap();
        let program = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("haproxy is missing: .ci/install installs it");
        let child = Command::new(program)
            .args(["-db", "-f", file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let haproxy = Self {
            child,
            socket,
            front,
        };
        wait_until("HAProxy listens", || {
            UnixStream::connect(&haproxy.socket).is_ok()
        });
        haproxy
    }

    /// The usual one: three servers that are checked often, and a cookie.
    pub(crate) fn usual() -> Wishes {
        Wishes {
            pool: "  cookie SRV insert indirect nocache\n".to_owned(),
            server: "check inter 100ms rise 1 fall 2",
            ..Wishes::default()
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it answers to a line, by a connection of the test's own.
    pub(crate) fn ask(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The bits of a server's `srv_admin_state`.
    pub(crate) fn admin(&self, server: &str) -> u32 {
        let states = self.ask(&format!("show servers state {POOL}"));
        let row = states.lines().map(|row| row.split(' ').collect::<Vec<_>>());
        let row = row
            .filter(|row| row.len() > 6)
            .find(|row| row[3] == server)
            .unwrap();
        row[6].parse().unwrap()
    }

    /// Waits until it has seen all servers answer.
    pub(crate) fn until_all_are_up(&self) {
        wait_until("all servers are up", || {
            let stat = self.ask("show stat -1 4 -1");
            let rows = stat.lines().filter(|row| row.starts_with(POOL));
            rows.clone().count() > 0 && rows.clone().all(|row| row.contains(",UP,"))
        });
    }

    /// Waits until a server has a request that has not ended.
    pub(crate) fn until_it_works_on_a_request(&self, server: &str) {
        let start = format!("{POOL},{server},");
        wait_until("the request is there", || {
            let shown = self.ask("show stat -1 4 -1");
            let row = shown.lines().find(|row| row.starts_with(&start));
            row.unwrap().split(',').nth(4) == Some("1")
        });
    }

    /// Somebody who comes through it.
    pub(crate) fn user(&self) -> User {
        User {
            front: self.front.clone(),
            cookie: None,
        }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = ended(&mut self.child, PATIENCE);
    }
}

/// Somebody with a browser, who keeps the cookie that came last.
pub(crate) struct User {
    front: PathBuf,
    cookie: Option<String>,
}

impl User {
    /// What a page says, and with which status it comes.
    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        let Ok(stream) = UnixStream::connect(&self.front) else {
            return (0, "nobody listens".to_owned());
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let cookie = self.cookie.iter().fold(String::new(), |text, cookie| {
            text + "Cookie: " + cookie + "\r\n"
        });
        let mut stream = BufReader::new(stream);
        let asked =
            format!("GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n{cookie}\r\n");
        if stream.get_mut().write_all(asked.as_bytes()).is_err() {
            return (0, "it went away".to_owned());
        }
        let mut head = String::new();
        while stream.read_line(&mut head).is_ok_and(|count| count > 2) {}
        let mut body = String::new();
        let _ = stream.read_to_string(&mut body);
        for line in head.lines() {
            if let Some(value) = line.to_lowercase().strip_prefix("set-cookie: ") {
                let at = line.len() - value.len();
                self.cookie = line[at..].split(';').next().map(str::to_owned);
            }
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.unwrap_or(0), body)
    }
}

/// Many who come all the time, a new one each time; whoever got no answer is counted.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    asks: JoinHandle<(u32, Vec<(u16, String)>)>,
}

impl Crowd {
    pub(crate) fn comes(haproxy: &HaProxy) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (goes, front) = (Arc::clone(&stop), haproxy.front.clone());
        let asks = thread::spawn(move || {
            let (mut count, mut failed) = (0, Vec::new());
            while !goes.load(Ordering::Relaxed) {
                let mut user = User {
                    front: front.clone(),
                    cookie: None,
                };
                let told = user.get("/");
                count += 1;
                if told.0 != 200 {
                    failed.push(told);
                }
            }
            (count, failed)
        });
        Self { stop, asks }
    }

    /// How many answers they got, once all of them went. None may have failed.
    #[track_caller]
    pub(crate) fn goes(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        let (count, failed) = self.asks.join().unwrap();
        assert_eq!(failed, [], "of {count}");
        assert!(count > 0);
        count
    }
}

/// A cluster file of three servers and a balancer on these nodes, each with its own folder on this machine.
pub(crate) fn cluster(lab: &Lab, nodes: &[&str], socket: &str, more: &str) -> String {
    let names = nodes
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let mut text = format!(
        "name = \"web\"\n[balancer]\nkind = \"haproxy\"\nnodes = [{names}]\npools = [\"{POOL}\"]\nsocket = \"{socket}\"\n\
         drain_grace = \"1s\"\n{more}\n"
    );
    for node in nodes {
        let folder = lab.path("nodes").join(node);
        let _ = writeln!(
            text,
            "[nodes.{node}]\naddress = \"local\"\nstate_dir = \"{}\"",
            folder.display()
        );
    }
    for server in ["ucd1", "ucd2", "ucd3"] {
        let _ = writeln!(text, "[nodes.{server}]");
    }
    let path = lab.path("cluster.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
