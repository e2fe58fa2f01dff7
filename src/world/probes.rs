//! Probes of a node that look at no file: services, commands, ports, free space.

use super::node::{Answer, Node, Script, nonsense};
use super::scripts;
use super::sections::Sections;
use super::trouble::said;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::plan::{Argv, Millis, Reading, RemotePath, Service, ServiceState};

/// How long the node may take to say that the time was up.
const GRACE: std::time::Duration = std::time::Duration::from_secs(15);

/// The longest answer that makes sense.
const LONGEST: usize = 64 << 10;

/// The exit code of a status command that means that the service is stopped.
const STOPPED: i64 = 3;

/// Whether a service runs, as its status command says.
pub(super) fn service(
    node: &Node<'_>,
    service: &Service,
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    Ok(match exit_code(node, &service.status, watch)? {
        0 => Reading::Service(ServiceState::Running),
        STOPPED => Reading::Service(ServiceState::Stopped),
        code => Reading::Text(format!("exit code {code}")),
    })
}

/// The exit code of a command that changes nothing.
pub(super) fn exit_code(node: &Node<'_>, argv: &Argv, watch: &Watch<'_>) -> Result<i64, Fault> {
    let shown = argv.posix();
    let failed = |why: &str| {
        let what = format!("`{shown}` can't be started: {why}");
        Fault::new(FaultKind::Failed, what)
    };
    if argv.words().is_empty() {
        return Err(failed("it has no words"));
    }
    let mut arguments = vec![milliseconds(watch)];
    arguments.extend(argv.words().iter().cloned());
    let code = ask(node, scripts::command_look(), &arguments, "code", watch)?;
    match code.as_str() {
        "missing" => Err(failed("there is no such program")),
        "timed-out" => Err(watch.timed_out(&format!("`{shown}`"))),
        code => code
            .parse()
            .map_err(|_| failed(&format!("the node says `{code}`"))),
    }
}

/// Whether something listens at a port, as the node sees it.
pub(super) fn listens(
    node: &Node<'_>,
    host: &str,
    port: u16,
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    let arguments = [milliseconds(watch), host.to_owned(), port.to_string()];
    let found = ask(node, scripts::port_look(), &arguments, "port", watch)?;
    match found.as_str() {
        "open" | "closed" => Ok(Reading::text(found)),
        "unknown" => Err(Fault::new(
            FaultKind::Failed,
            format!("the address of {host} is not known on the node"),
        )),
        _ => Err(
            Fault::new(FaultKind::Failed, "nothing on the node can try a port")
                .hint("install bash, python3, nc or perl there"),
        ),
    }
}

/// The process whose command line has these words.
pub(super) fn process(
    node: &Node<'_>,
    words: &[String],
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    let script = scripts::process_look();
    let input = words.join("\n") + "\n";
    let answer = node.look(script, &[], input.as_bytes(), LONGEST, watch)?;
    match answer.code {
        0 => {}
        76 => {
            let what = "there is no /proc on the node, by which processes are found";
            return Err(Fault::new(FaultKind::Failed, what));
        }
        _ => return Err(nonsense(script, &answer)),
    }
    let count = part(&answer, "count").and_then(|count| count.parse::<u64>().ok());
    Ok(match count.ok_or_else(|| nonsense(script, &answer))? {
        0 => Reading::Absent,
        1 => Reading::Text(part(&answer, "process").ok_or_else(|| nonsense(script, &answer))?),
        count => Reading::Text(format!("{count} processes")),
    })
}

/// Free space under a path, in bytes.
pub(super) fn free_space(
    node: &Node<'_>,
    path: &RemotePath,
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    let script = scripts::space_look();
    let answer = node.look(script, &[path.to_string()], &[], LONGEST, watch)?;
    match answer.code {
        0 => {}
        73 => return Err(said(&answer.err, "read", path.local())),
        _ => return Err(nonsense(script, &answer)),
    }
    let bytes = part(&answer, "bytes").and_then(|bytes| bytes.parse().ok());
    let bytes = bytes.ok_or_else(|| nonsense(script, &answer))?;
    Ok(Reading::Number(bytes))
}

/// Asks a script that ends by itself when the time is up.
fn ask(
    node: &Node<'_>,
    script: Script,
    arguments: &[String],
    name: &str,
    watch: &Watch<'_>,
) -> Result<String, Fault> {
    let longer = watch.longer(GRACE);
    let answer = node.look(script, arguments, &[], LONGEST, &longer)?;
    match answer.code {
        0 => part(&answer, name).ok_or_else(|| nonsense(script, &answer)),
        69 => Err(Fault::new(
            FaultKind::Failed,
            "there is no program `setsid` on the node",
        )
        .hint("install it: it is a part of util-linux and of busybox")),
        _ => Err(nonsense(script, &answer)),
    }
}

fn part(answer: &Answer, name: &str) -> Option<String> {
    Sections::parse(&answer.out)?.text(name).map(str::to_owned)
}

fn milliseconds(watch: &Watch<'_>) -> String {
    Millis::from(watch.left()).0.to_string()
}
