//! A runbook's commands do by hand what the program does.

use std::process::Command;

use super::drain::{OUT, Scene};

/// The blocks of commands of a page, in order.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut inside = None::<String>;
    for line in page.lines() {
        match (&mut inside, line) {
            (None, "```sh") => inside = Some(String::new()),
            (Some(_), "```") => blocks.extend(inside.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn the_page_of_a_drain_works() {
    let scene = Scene::new("");
    let plan = scene.lab.path("plan.json");
    let plan = plan.to_str().unwrap();
    scene.call(&["lb", "drain", "ucd1", "--out", plan]).is(0);
    let page = scene.call(&["show", plan, "--format", "md"]).is(0).out;
    let run = |block: &str| {
        let told = Command::new("/bin/sh")
            .args(["-c", block])
            .output()
            .unwrap();
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    let orders: Vec<String> = blocks(&page)
        .into_iter()
        .filter(|block| block.contains("set server web/ucd1 state"))
        .collect();
    let order = |state: &str| {
        let wanted = format!("set server web/ucd1 state {state}'");
        orders.iter().find(|block| block.contains(&wanted)).unwrap()
    };
    let looks: Vec<String> = blocks(&page)
        .into_iter()
        .filter(|block| block.contains("echo ok"))
        .collect();
    assert!(!looks.is_empty());
    let said = |at: usize| run(&looks[at]);
    // Enabled, others serve; then drained; then without requests; then drained and without requests; then out.
    assert_eq!(
        (said(0), said(1)),
        ("ok\n".into(), "ok\n".into()),
        "{looks:#?}"
    );
    assert_eq!(said(2), "STOP\n");
    run(order("drain"));
    assert_eq!(
        (said(0), said(2)),
        ("STOP\n".into(), "ok\n".into()),
        "{looks:#?}"
    );
    run(order("maint"));
    assert_eq!(scene.haproxy.admin("ucd1"), OUT);
    assert_eq!(said(2), "STOP\n");
    run(order("ready"));
    assert_eq!((scene.haproxy.admin("ucd1"), said(0)), (0, "ok\n".into()));
}
