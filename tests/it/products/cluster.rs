//! Practice servers that run, a HAProxy before them, and a cluster file that names both.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use crate::balancer::haproxy::{HaProxy, Wishes};
use crate::practice::farm::Farm;
use crate::real::lab::{Going, Lab, Told};
use crate::ssh::wires::listener;

pub(super) const NAMES: [&str; 3] = ["ucd1", "ucd2", "ucd3"];

/// The version of servers of which no other is wished.
const VERSION: &str = "7.0.3.0.1020";

/// The administrator's password, which must be seen nowhere.
pub(super) const PASSWORD: &str = "admin";

pub(super) struct Cluster {
    pub(super) lab: Lab,
    pub(super) farm: Farm,
    pub(super) haproxy: HaProxy,
    pub(super) file: String,
}

impl Cluster {
    /// Three servers of a version that run.
    pub(super) fn of_version(version: &str) -> Self {
        Self::before(Farm::of_version(version, &NAMES), &NAMES)
    }

    /// One server that runs, and knows of no other.
    pub(super) fn stand_alone() -> Self {
        let name = NAMES[0];
        Self::before(Farm::stand_alone(VERSION, name), &[name])
    }

    /// A balancer before servers, which are started.
    fn before(farm: Farm, names: &[&str]) -> Self {
        let lab = Lab::new();
        let front = listener().local_addr().unwrap().ip();
        let servers: Vec<_> = names
            .iter()
            .map(|name| {
                let address = farm.address(name);
                (
                    (*name).to_owned(),
                    (IpAddr::V4(address.ip), address.http).into(),
                )
            })
            .collect();
        let wishes = Wishes {
            pool: "  option httpchk GET /connTest.txt\n  cookie SRV insert indirect nocache\n"
                .to_owned(),
            front: Some((front, 8080).into()),
            ..HaProxy::usual()
        };
        let haproxy = HaProxy::before(&lab, "haproxy", &servers, &wishes);
        for name in names {
            // As its own script does it, which the program will call.
            farm.start_by_script(name);
        }
        haproxy.until_all_are_up();
        let mut text = format!(
            "name = \"practice\"\nproduct = \"urbancode\"\nurl = \"http://{front}:8080\"\ncredentials = \"admin\"\n\
             [secrets]\nadmin = \"env:UCD_ADMIN\"\n\
             [balancer]\nkind = \"haproxy\"\nnodes = [\"lb1\"]\npools = [\"web\"]\nsocket = \"{}\"\ndrain_grace = \"1s\"\n\
             [nodes.lb1]\naddress = \"local\"\nstate_dir = \"{}\"\n",
            haproxy.socket.display(),
            lab.path("nodes/lb1").display()
        );
        for name in names {
            let ip: Ipv4Addr = farm.address(name).ip;
            let _ = writeln!(
                text,
                "[nodes.{name}]\nrole = \"server\"\naddress = \"local\"\nstate_dir = \"{}\"\ninstall_dir = \"{}\"\nurl = \"http://{ip}:8080\"",
                lab.path("nodes").join(name).display(),
                farm.home(name).display()
            );
        }
        let path = lab.path("cluster.toml");
        fs::write(&path, text).unwrap();
        Self {
            file: path.to_str().unwrap().to_owned(),
            lab,
            farm,
            haproxy,
        }
    }

    pub(super) fn new() -> Self {
        Self::of_version(VERSION)
    }

    pub(super) fn start(&self, words: &[&str]) -> Going {
        self.start_as("admin:admin", words)
    }

    pub(super) fn start_as(&self, who: &str, words: &[&str]) -> Going {
        let mut command = self.lab.program("runner");
        command
            .env("UCD_ADMIN", who)
            .args(["-c", &self.file])
            .args(words);
        self.lab.start_command(command)
    }

    pub(super) fn call(&self, words: &[&str]) -> Told {
        self.start(words).end()
    }

    /// The number of a server's process.
    pub(super) fn pid(&self, name: &str) -> Option<u32> {
        let file = self.farm.home(name).join("var/server.pid");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// A setting of the system.
    pub(super) fn setting(&self, key: &str) -> serde_json::Value {
        self.farm.database()["settings"][key].clone()
    }

    /// Whether the cluster is kept from beginning new work.
    pub(super) fn is_in_maintenance(&self) -> bool {
        self.farm.database()["settings"]["maintenanceModeEnabled"] == true
    }
}
