//! The story: read a plan, rehearse it, begin it, lose the runner, go on, look, take everything back.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{cluster, say};

pub(crate) fn tell(folder: &Path) -> Result<(), String> {
    let cluster = cluster::up(folder)?;
    let told = chapters(&cluster.folder);
    cluster::down(folder)?;
    told?;
    say("\nThe practice servers are stopped, and their folder is gone.");
    Ok(())
}

fn chapters(folder: &Path) -> Result<(), String> {
    say("# Three practice servers run. This is the plan that makes a cluster of them.\n");
    clusterctl(folder, &["show", "convert.json"], 0)?;
    say("\n# What if the second server did not start in time? Nothing is touched to find out.\n");
    clusterctl(
        folder,
        &["rehearse", "convert.json", "--fault", "timeout@ucd2:start"],
        0,
    )?;
    say("\n# Now for real; but the runner is killed in the midst of it.\n");
    killed_in_the_midst(folder)?;
    clusterctl(folder, &["runs", "show"], 0)?;
    say("\n# Whoever goes on has the journal and the servers, and that is enough.\n");
    clusterctl(folder, &["resume", "latest"], 0)?;
    say("\n# All three are nodes of a cluster now. And back again:\n");
    clusterctl(folder, &["undo", "latest", "--yes"], 0)?;
    clusterctl(folder, &["runs", "list"], 0)
}

fn command(folder: &Path, args: &[&str]) -> Result<Command, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command.arg("clusterctl").args(args).current_dir(folder);
    command.env("CLUSTERCTL_STATE_DIR", folder.join("runs"));
    Ok(command)
}

fn clusterctl(folder: &Path, args: &[&str], wanted: i32) -> Result<(), String> {
    say(&format!("$ clusterctl {}", args.join(" ")));
    let status = command(folder, args)?
        .status()
        .map_err(|error| error.to_string())?;
    if status.code() == Some(wanted) {
        return Ok(());
    }
    Err(format!(
        "`clusterctl {}` ended with {status}",
        args.join(" ")
    ))
}

/// Begins the plan, and ends the runner as soon as the second server is being stopped.
fn killed_in_the_midst(folder: &Path) -> Result<(), String> {
    use std::io::{BufRead as _, BufReader};
    say("$ clusterctl apply convert.json --yes");
    let mut child = command(folder, &["apply", "convert.json", "--yes"])?
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let progress = child.stderr.take().map(BufReader::new);
    for line in progress
        .into_iter()
        .flat_map(BufReader::lines)
        .map_while(Result::ok)
    {
        say(&line);
        if line.starts_with("ucd2: begun") {
            break;
        }
    }
    child.kill().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    say("Killed\n");
    Ok(())
}
