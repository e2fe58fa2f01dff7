//! A plan such as a planner would make: a stand-alone server becomes the first
//! node of a cluster, and two more nodes get the same setting.

use clusterctl::config::RuntimeSocket;
use clusterctl::plan::{
    Action, BackupRef, Class, Condition, Expect, Hook, Lane, Method, Millis, OnTimeout, Plan,
    PoolFact, PoolState, Probe, Proof, PropertyEdit, Reading, ServiceState, Sha256, Stage, Value,
};

use crate::build::{self, Making, argv, lane, path, secret, service, step};

const PAGE: &str = "Converting a stand-alone server to high availability";
const FILE: &str = "/opt/ucd/server/conf/server/installed.properties";

const DIFF: &str = "\
--- /opt/ucd/server/conf/server/installed.properties
+++ /opt/ucd/server/conf/server/installed.properties
@@ -12,4 +12,5 @@
 hibernate.connection.username=ucd
-hibernate.connection.password=********
+hibernate.connection.password=******** (changed)
+com.urbancode.ds.UDeployServer.multiserver=true
 install.server.web.host=ucd1.example.com
 server.appdata.dir=/srv/ucd/appdata
";

/// The whole plan.
pub(crate) fn convert() -> Plan {
    let mut plan = build::plan(
        "convert",
        "Make ucd1 the first node of the cluster ucd-prod",
        &[
            ("ucd1", "ucd1.example.com"),
            ("ucd2", "ucd2.example.com"),
            ("ucd3", "10.0.0.13"),
        ],
    );
    "ucd1 serves alone; ucd2 and ucd3 are installed and stopped".clone_into(&mut plan.starts_as);
    plan.hooks.before_step = Some(Hook {
        command: argv("/usr/local/bin/announce --channel ops"),
        deadline: Millis::secs(30),
    });
    plan.stages = vec![
        build::stage("convert ucd1", vec![lane("ucd1", first())]),
        Stage {
            width: 2,
            max_failures: 1,
            bake: Millis::secs(300),
            on_failure: clusterctl::plan::OnFailure::ReturnLane,
            ..build::stage(
                "bring in the other nodes",
                vec![other("ucd2"), other("ucd3")],
            )
        },
        build::stage("settings of the product", vec![lane("ucd1", settings())]),
    ];
    plan
}

fn pool(server: &str, to: PoolState) -> Action {
    Action::Balancer {
        socket: RuntimeSocket::default(),
        pool: "ucd-https".parse().unwrap(),
        server: server.parse().unwrap(),
        to,
    }
}

fn in_pool(server: &str, state: &str) -> Condition {
    Condition::is(
        Probe::Balancer {
            socket: RuntimeSocket::default(),
            pool: "ucd-https".parse().unwrap(),
            server: server.parse().unwrap(),
            of: PoolFact::State,
        },
        Reading::text(state),
    )
}

fn to(state: ServiceState) -> Action {
    Action::Service {
        service: service("ucd"),
        to: state,
    }
}

fn serves(state: ServiceState) -> Condition {
    let probe = Probe::Service {
        service: service("ucd"),
    };
    Condition::is(probe, Reading::Service(state))
}

fn listens(state: &str) -> Condition {
    let probe = Probe::Port {
        host: "localhost".to_owned(),
        port: 8443,
    };
    Condition::is(probe, Reading::text(state))
}

fn fingerprint(of: &str) -> Condition {
    let probe = Probe::File {
        path: path(FILE),
        masked: vec!["hibernate.connection.password".to_owned()],
    };
    Condition::is(probe, Reading::Digest(Sha256::of(of)))
}

fn key(key: &str, value: Value, reading: Reading) -> Condition {
    let probe = Probe::PropertyIs {
        path: path(FILE),
        key: key.to_owned(),
        value,
        utf8: false,
    };
    Condition::is(probe, reading)
}

fn kept(id: &str) -> Action {
    Action::Restore {
        path: path(FILE),
        backup: BackupRef {
            run: None,
            step: id.parse().unwrap(),
        },
    }
}

#[expect(clippy::too_many_lines, reason = "a list: one step after the other")]
fn first() -> Vec<Making> {
    let multiserver = "com.urbancode.ds.UDeployServer.multiserver";
    let password = "hibernate.connection.password";
    vec![
        step(
            "convert/ucd1/drain",
            "take ucd1 out of the pool ucd-https",
            pool("ucd1", PoolState::Drained),
        )
        .class(Class::Disrupt)
        .why(
            "Nobody should work on a server that is about to stop.",
            PAGE,
        )
        .guard(in_pool("ucd1", "enabled"))
        .shown_by([in_pool("ucd1", "drained")])
        .undo(
            pool("ucd1", PoolState::Enabled),
            [in_pool("ucd1", "enabled")],
        )
        .temporary(2 * 3600)
        .leaves("out of the pool, running"),
        step(
            "convert/ucd1/stop",
            "stop the server",
            to(ServiceState::Stopped),
        )
        .class(Class::Disrupt)
        .why("Step 3: stop the server.", PAGE)
        .guard(serves(ServiceState::Running))
        .shown_by([serves(ServiceState::Stopped), listens("closed")])
        .undo(to(ServiceState::Running), [serves(ServiceState::Running)])
        .temporary(3600)
        .timeout(600)
        .leaves("out of the pool, stopped"),
        step(
            "convert/ucd1/multiserver",
            "switch the server to multi-server operation",
            Action::EditProperties {
                path: path(FILE),
                utf8: false,
                edits: vec![
                    PropertyEdit::Set {
                        key: password.to_owned(),
                        value: Value::Secret(secret("UCD_DB_PASSWORD")),
                        line: None,
                    },
                    PropertyEdit::Set {
                        key: multiserver.to_owned(),
                        value: "true".into(),
                        line: None,
                    },
                ],
            },
        )
        .why("Step 4: add the line to installed.properties.", PAGE)
        .guard(fingerprint("before"))
        .guard(serves(ServiceState::Stopped))
        .shown_by([
            key(multiserver, "true".into(), Reading::Same),
            key(
                password,
                Value::Secret(secret("UCD_DB_PASSWORD")),
                Reading::Same,
            ),
        ])
        .undo(kept("convert/ucd1/multiserver"), [fingerprint("before")])
        .preview(DIFF)
        .leaves("out of the pool, stopped, set up for a cluster"),
        step(
            "convert/ucd1/start",
            "start the server",
            to(ServiceState::Running),
        )
        .class(Class::Disrupt)
        .why("Step 5: start the server.", PAGE)
        .shown_by([serves(ServiceState::Running)])
        .undo(to(ServiceState::Stopped), [serves(ServiceState::Stopped)])
        .ends("convert/ucd1/stop")
        .timeout(120)
        .leaves("out of the pool, starting"),
        step(
            "convert/ucd1/answers",
            "wait until the server answers",
            up(),
        )
        .class(Class::Read)
        .why("It takes a while until it does.", PAGE)
        .shown_by([answers()])
        .timeout(900)
        .leaves("out of the pool, running as first node"),
        step(
            "convert/ucd1/enable",
            "put ucd1 back into the pool ucd-https",
            pool("ucd1", PoolState::Enabled),
        )
        .class(Class::Disrupt)
        .why("Users reach the server through the balancer.", PAGE)
        .guard(answers())
        .shown_by([in_pool("ucd1", "enabled")])
        .undo(
            pool("ucd1", PoolState::Drained),
            [in_pool("ucd1", "drained")],
        )
        .ends("convert/ucd1/drain")
        .leaves("in the pool, running as first node"),
    ]
}

fn answers() -> Condition {
    let probe = Probe::Rest {
        item: None,
        url: "https://localhost:8443/rest/state".to_owned(),
        credentials: None,
        pointer: None,
        counts: false,
    };
    Condition::is(probe, Reading::Number(200))
}

fn up() -> Action {
    Action::WaitUntil {
        until: answers(),
        every: Millis::secs(5),
        good: 3,
        within: Millis::secs(600),
        on_timeout: OnTimeout::Fail,
    }
}

fn other(name: &str) -> Lane {
    let id = |slug: &str| format!("convert/{name}/{slug}");
    let link = "/opt/ucd/server/appdata";
    let points =
        |state: &str| Condition::is(Probe::Path { path: path(link) }, Reading::text(state));
    lane(
        name,
        [
            step(
                &id("appdata"),
                "use the shared application data",
                Action::Link {
                    path: path(link),
                    target: "/srv/ucd/appdata".to_owned(),
                },
            )
            .why("Every node works on the same application data.", PAGE)
            .guard(Condition::is(
                Probe::Path { path: path(link) },
                Reading::Absent,
            ))
            .shown_by([points("link /srv/ucd/appdata")])
            .undo(
                Action::Remove { path: path(link) },
                [Condition::is(
                    Probe::Path { path: path(link) },
                    Reading::Absent,
                )],
            )
            .leaves("stopped, on shared storage"),
            step(&id("start"), "start the server", to(ServiceState::Running))
                .class(Class::Disrupt)
                .guard(serves(ServiceState::Stopped))
                .shown_by([serves(ServiceState::Running)])
                .undo(to(ServiceState::Stopped), [serves(ServiceState::Stopped)])
                .leaves("starting"),
            step(&id("answers"), "wait until the server answers", up())
                .class(Class::Read)
                .shown_by([answers()])
                .timeout(900)
                .leaves("running, not yet in the pool"),
        ],
    )
}

fn settings() -> Vec<Making> {
    let url = "https://ucd.example.com:8443/cli/systemConfiguration";
    vec![
        step(
            "convert/ucd1/external-url",
            "set the external URLs to the balancer's",
            Action::Rest { under: None,
                method: Method::Put,
                url: url.to_owned(),
                credentials: Some(secret("UCD_ADMIN")),
                body: Some(serde_json::json!({
                    "externalURL": "https://ucd.example.com:8443",
                    "externalUserURL": "https://ucd.example.com:8443",
                })),
                success: vec![200, 204], merge: None, },
        )
        .why("Step 6: set the External Agent URL and the External User URL.", PAGE)
        .class(Class::Irreversible)
        .gives(
            "url",
            Probe::Rest { item: None,
                url: url.to_owned(),
                credentials: Some(secret("UCD_ADMIN")),
                pointer: Some("/externalURL".to_owned()), counts: false, },
        )
        .for_good("Agents remember the address as soon as they have seen it.")
        .leaves("in the pool, known under the balancer's address"),
        step(
            "convert/ucd1/licence",
            "make the licence server highly available",
            Action::AskOperator {
                request: "Set up the licence servers ls1 and ls2 as a redundant pair, as their manual says, and enter both under Settings > Licenses.".to_owned(),
                evidence: "the number of the change".to_owned(),
            },
        )
        .why("Step 7: configure the license server for high availability.", PAGE)
        .proof(Proof::Answer)
        .timeout(86_400)
        .leaves("first node of the cluster, licensed redundantly"),
        step(
            "convert/ucd1/space",
            "look whether the shared storage has room",
            Action::Check {
                that: vec![Condition {
                    probe: Probe::FreeSpace { path: path("/srv/ucd") },
                    expect: Expect::AtLeast(50 << 30),
                }],
            },
        )
        .class(Class::Read)
        .why("Artifacts of all nodes are kept there.", PAGE)
        .leaves("first node of the cluster"),
    ]
}

/// The same plan with nothing to do.
pub(crate) fn nothing() -> Plan {
    let mut plan = convert();
    "Make ucd1 the first node of the cluster".clone_into(&mut plan.title);
    "ucd1 is the first node of the cluster ucd-prod already".clone_into(&mut plan.starts_as);
    plan.stages.clear();
    plan
}
