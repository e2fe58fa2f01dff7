//! `lb drain` and `lb enable`: nobody loses a request, and nothing is left half done.

use std::thread;

use super::haproxy::{Crowd, HaProxy, POOL, Web, cluster};
use crate::real::lab::{Lab, Told};
use crate::world::bench::wait_until;

/// The bits of a server that is drained, and of one that is out.
pub(super) const DRAINED: u32 = 8;
pub(super) const OUT: u32 = 1;

/// Three servers, a HAProxy before them, and a cluster file.
pub(super) struct Scene {
    pub(super) lab: Lab,
    pub(super) web: Vec<Web>,
    pub(super) haproxy: HaProxy,
    pub(super) file: String,
}

impl Scene {
    pub(super) fn new(more: &str) -> Self {
        let lab = Lab::new();
        let web = ["ucd1", "ucd2", "ucd3"].map(Web::start);
        let haproxy = HaProxy::start(&lab, "haproxy", &web, &HaProxy::usual());
        haproxy.until_all_are_up();
        let file = cluster(&lab, &["lb1"], haproxy.socket.to_str().unwrap(), more);
        Self {
            lab,
            web: web.into(),
            haproxy,
            file,
        }
    }

    pub(super) fn call(&self, words: &[&str]) -> Told {
        let words: Vec<&str> = ["-c", &self.file]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        self.lab.call(&words)
    }
}

#[test]
fn a_server_is_taken_out_and_put_back_while_users_come() {
    let scene = Scene::new("");
    let crowd = Crowd::comes(&scene.haproxy);
    let told = scene.call(&["lb", "drain", "ucd1", "--yes"]).is(0);
    assert!(
        told.err.contains("lb1: done: Take ucd1 out of pool web"),
        "{told:#?}"
    );
    assert_eq!(scene.haproxy.admin("ucd1"), OUT);
    let told = scene.call(&["lb", "drain", "ucd1", "--yes"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    scene.call(&["lb", "enable", "ucd1", "--yes"]).is(0);
    assert_eq!(scene.haproxy.admin("ucd1"), 0);
    let told = scene.call(&["lb", "enable", "ucd1", "--yes"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    // Taken back, it is out again; and that taken back, too.
    scene.call(&["undo", "latest", "--yes"]).is(0);
    assert_eq!(scene.haproxy.admin("ucd1"), OUT);
    crowd.goes();
}

#[test]
fn a_preview_changes_nothing() {
    let scene = Scene::new("");
    let plan = scene.lab.path("plan.json");
    let plan = plan.to_str().unwrap();
    scene
        .call(&["lb", "drain", "ucd1", "--plan", "--detailed-exitcode"])
        .is(10);
    scene.call(&["lb", "drain", "ucd1", "--out", plan]).is(0);
    assert_eq!(scene.haproxy.admin("ucd1"), 0);
    // What was saved does not run once the world is another.
    scene
        .haproxy
        .ask(&format!("set server {POOL}/ucd1 state maint"));
    let told = scene.call(&["apply", plan, "--yes"]).is(21);
    assert!(told.err.contains("ucd1 in pool web"), "{told:#?}");
    scene
        .haproxy
        .ask(&format!("set server {POOL}/ucd1 state ready"));
    scene.call(&["apply", plan, "--yes"]).is(0);
    assert_eq!(scene.haproxy.admin("ucd1"), OUT);
}

#[test]
fn a_request_in_flight_is_waited_for_and_its_user_stays_until_then() {
    let scene = Scene::new("");
    let mut user = scene.haproxy.user();
    let (_, name) = user.get("/");
    let home = scene.web.iter().find(|web| web.name == name).unwrap();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let told = user.get("/slow");
            (user, told)
        });
        scene.haproxy.until_it_works_on_a_request(&name);
        let drain = ["-c", &scene.file, "lb", "drain", &name, "--yes"];
        let drain = scene.lab.start(&drain);
        wait_until("it is drained", || scene.haproxy.admin(&name) == DRAINED);
        wait_until("the request is seen", || {
            drain.complained().contains(&format!(
                "the number of requests at {name} from pool {POOL} is 1"
            ))
        });
        // Whoever is new comes elsewhere; it still is not taken out.
        for _ in 0..6 {
            assert_ne!(scene.haproxy.user().get("/").1, name);
        }
        assert_eq!(scene.haproxy.admin(&name), DRAINED);
        home.answers_the_slow();
        let (mut user, told) = slow.join().unwrap();
        assert_eq!(told, (200, name.clone()));
        drain.end().is(0);
        assert_eq!(scene.haproxy.admin(&name), OUT);
        // Its user goes elsewhere, and notices nothing.
        let (status, other) = user.get("/");
        assert_eq!(status, 200);
        assert_ne!(other, name);
    });
}

#[test]
fn when_requests_are_left_it_is_put_back_or_the_loss_is_accepted() {
    let scene = Scene::new("");
    thread::scope(|scope| {
        let mut user = scene.haproxy.user();
        let (_, name) = user.get("/");
        let home = scene.web.iter().find(|web| web.name == name).unwrap();
        let slow = scope.spawn(move || user.get("/slow"));
        scene.haproxy.until_it_works_on_a_request(&name);
        let drain = [
            "lb", "drain", &name, "--yes", "--grace", "0s", "--within", "2s",
        ];
        let told = scene.call(&drain).is(41);
        assert!(told.err.contains("was not seen: found 1"), "{told:#?}");
        assert_eq!(scene.haproxy.admin(&name), 0);
        let accepted = ["--on-drain-timeout", "accept-loss"];
        let told = scene.call(&[&drain[..], &accepted].concat()).is(0);
        assert!(told.err.contains("was not seen: found 1"), "{told:#?}");
        assert_eq!(scene.haproxy.admin(&name), OUT);
        home.answers_the_slow();
        assert_eq!(slow.join().unwrap().0, 200);
    });
}

#[test]
fn the_last_that_serves_stays_in_service() {
    let scene = Scene::new("");
    let told = scene.call(&["lb", "drain", "ucd*", "--yes"]).is(30);
    assert!(
        told.err
            .contains("without ucd3, 0 of the servers in pool web would serve; at least 1 must"),
        "{told:#?}"
    );
    for name in ["ucd1", "ucd2", "ucd3"] {
        assert_eq!(scene.haproxy.admin(name), 0, "{name}");
    }
    scene.call(&["lb", "drain", "ucd1,ucd2", "--yes"]).is(0);
    scene
        .call(&["lb", "drain", "ucd3", "--yes", "--min-in-service", "0"])
        .is(0);
    assert_eq!(scene.haproxy.admin("ucd3"), OUT);
}

#[test]
fn one_that_others_do_not_serve_for_any_more_is_not_drained() {
    let scene = Scene::new("min_in_service = 2");
    let plan = scene.lab.path("plan.json");
    let plan = plan.to_str().unwrap();
    scene.call(&["lb", "drain", "ucd1", "--out", plan]).is(0);
    // Between plan and run, somebody else takes another one out.
    scene
        .haproxy
        .ask(&format!("set server {POOL}/ucd2 state maint"));
    let told = scene.call(&["apply", plan, "--yes"]).is(21);
    assert!(
        told.err
            .contains("the number of servers but ucd1 that serve in pool web"),
        "{told:#?}"
    );
    assert_eq!(scene.haproxy.admin("ucd1"), 0);
}

#[test]
fn one_that_does_not_answer_goes_back_to_where_it_was() {
    let lab = Lab::new();
    let web = ["ucd1", "ucd2", "ucd3"].map(Web::start);
    let mut wishes = HaProxy::usual();
    // Nobody listens at that port: as if its service was stopped.
    wishes.server = "check port 1 inter 100ms rise 1 fall 2";
    let haproxy = HaProxy::start(&lab, "haproxy", &web, &wishes);
    let file = cluster(&lab, &["lb1"], haproxy.socket.to_str().unwrap(), "");
    haproxy.ask(&format!("set server {POOL}/ucd1 state maint"));
    let told = lab
        .call(&[
            "-c", &file, "lb", "enable", "ucd1", "--yes", "--within", "2s",
        ])
        .is(41);
    assert!(
        told.err.contains("the health of ucd1 in pool web"),
        "{told:#?}"
    );
    assert_eq!(haproxy.admin("ucd1"), OUT);
}

#[test]
fn a_runner_that_dies_while_it_waits_leaves_what_can_be_resumed_or_undone() {
    let scene = Scene::new("");
    thread::scope(|scope| {
        let mut user = scene.haproxy.user();
        let (_, name) = user.get("/");
        let home = scene.web.iter().find(|web| web.name == name).unwrap();
        let slow = scope.spawn(move || user.get("/slow"));
        scene.haproxy.until_it_works_on_a_request(&name);
        let drain = ["-c", &scene.file, "lb", "drain", &name, "--yes"];
        let going = scene.lab.start(&drain);
        wait_until("it is drained", || scene.haproxy.admin(&name) == DRAINED);
        going.signal(rustix::process::Signal::KILL);
        going.end().is(137);
        assert_eq!(scene.haproxy.admin(&name), DRAINED);
        home.answers_the_slow();
        assert_eq!(slow.join().unwrap().0, 200);
        scene.call(&["resume", "latest", "--yes"]).is(0);
        assert_eq!(scene.haproxy.admin(&name), OUT);
        scene.call(&["undo", "latest", "--yes"]).is(0);
        assert_eq!(scene.haproxy.admin(&name), 0);
    });
}
