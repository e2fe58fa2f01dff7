//! The scripts by which servers, agents and relays are started and stopped.

use std::path::Path;

/// Starts in the background, at once and without a word of how it went; asks it to stop, and does not wait.
const SCRIPT: &str = r#"#!/bin/sh
home=@HOME@
case $1 in
run) exec @OWN@ ucd @VERB@ "$home" @MAIN@ ;;
start)
    setsid --fork @OWN@ ucd @VERB@ "$home" @MAIN@ >>"$home/var/log/stdout" 2>&1
    exit 0
    ;;
stop)
    pid=$(cat "$home/@PID@" 2>/dev/null) || exit 1
    case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
    *"ucd @VERB@ $home "*) exec kill "$pid" ;;
    esac
    exit 1
    ;;
*)
    echo 'Usage: container {run|start|stop|stop -force}'
    exit 1
    ;;
esac
"#;

/// A script for something installed in `home`: by what it is run, what its process is known by, and where that says its number.
pub(super) fn script(home: &Path, verb: &str, main: &str, pid: &str) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let filled = SCRIPT
        .replace("@OWN@", &quoted(&own))
        .replace("@HOME@", &quoted(home))
        .replace("@VERB@", verb)
        .replace("@MAIN@", main)
        .replace("@PID@", pid);
    Ok(filled)
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
