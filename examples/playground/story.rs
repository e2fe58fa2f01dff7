//! The story: look at the cluster, restart it while users come, lose the runner in the midst of it, go on.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::crowd::Crowd;
use crate::say;
use crate::site::{SERVERS, Site, down};

pub(crate) fn tell(folder: &Path) -> Result<(), String> {
    say("Starting a practice cluster: three servers, a balancer, ten agents and a relay ...");
    let site = Site::up(folder, SERVERS)?;
    let told = chapters(&site);
    down(&site.folder)?;
    told?;
    say("\nThe practice cluster is stopped, and its folder is gone.");
    Ok(())
}

fn chapters(site: &Site) -> Result<(), String> {
    say("\n# This is the cluster.\n");
    clusterctl(site, &["status"], 0)?;
    say("\n# What would a restart of the second server do? Nothing is touched to find out.\n");
    clusterctl(site, &["restart", "--on", "ucd2", "--plan"], 0)?;
    say(
        "\n# Now all of them, while users come through the balancer; and the program is killed in the midst of it.\n",
    );
    let crowd = Crowd::comes(&site.front());
    killed_in_the_midst(site)?;
    clusterctl(site, &["lb", "check"], 3)?;
    say("\n# Whoever goes on has the journal and the servers, and that is enough.\n");
    clusterctl(site, &["resume", "latest", "--yes"], 0)?;
    let (asked, failed) = crowd.goes();
    say(&format!(
        "\n# The users had {asked} answers meanwhile, and {failed} times none.\n"
    ));
    clusterctl(site, &["status"], 0)?;
    clusterctl(site, &["runs", "list"], 0)
}

fn command(site: &Site, args: &[&str]) -> Result<Command, String> {
    say(&format!("$ clusterctl {}", args.join(" ")));
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command
        .arg("clusterctl")
        .args(args)
        .current_dir(&site.folder)
        .env("CLUSTERCTL_STATE_DIR", site.folder.join("runs"));
    Ok(command)
}

/// Calls the program, which must end with this exit code.
fn clusterctl(site: &Site, args: &[&str], wanted: i32) -> Result<(), String> {
    let status = command(site, args)?
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

/// Begins to restart all, and ends the runner as soon as the second server is stopped.
fn killed_in_the_midst(site: &Site) -> Result<(), String> {
    let mut child = command(site, &["restart", "--yes"])?
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let progress = child.stderr.take().map(BufReader::new);
    let lines = progress.into_iter().flat_map(BufReader::lines);
    for line in lines.map_while(Result::ok) {
        say(&line);
        if line.contains("ucd2: done: Stop the server") {
            break;
        }
    }
    child.kill().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    say("Killed\n");
    Ok(())
}
