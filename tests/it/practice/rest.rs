//! What a server answers over HTTP.

use serde_json::json;

use super::farm::{Farm, VERSION};

#[test]
fn a_server_says_who_it_is_and_asks_who_asks() {
    let farm = Farm::of(&["a"]);
    farm.start("a");
    let none = |path: &str| farm.ask_as("a", None, "GET", path, None);
    assert!(none("/connTest.txt").text.starts_with("This static file"));
    let page = none("/").text;
    let version = format!("<span class=\"productVersion\">version {VERSION}</span>");
    assert!(page.contains(&version), "{page}");
    assert_eq!(none("/cli/systemConfiguration").status, 401);
    let wrong = farm.ask_as("a", Some("admin:no"), "GET", "/rest/server", None);
    assert_eq!(wrong.status, 401);
    assert_eq!(farm.ask("a", "GET", "/rest/nothing", None).status, 404);
    let members = farm.get("a", "/rest/server");
    assert_eq!(members.as_array().unwrap().len(), 1);
    assert_eq!(members[0]["port"], 7919);
}

#[test]
fn settings_are_changed_one_by_one_and_by_the_way_that_knows_them() {
    let farm = Farm::of_version("7.0.3.0.100", &["a"]);
    farm.start("a");
    let by_cli = |body| farm.ask("a", "PUT", "/cli/systemConfiguration", Some(&body));
    let shown = by_cli(json!({ "externalURL": "https://lb.example.com" })).json();
    assert_eq!(shown["externalURL"], "https://lb.example.com");
    assert_eq!(shown["deployMailPassword"], "****");
    assert_eq!(
        farm.database()["settings"]["deployMailPassword"],
        "mail-password"
    );
    // Maintenance is known to the other way alone.
    let on = json!({ "maintenanceModeEnabled": true });
    assert_eq!(by_cli(on.clone()).json()["maintenanceModeEnabled"], false);
    let changed = farm.ask("a", "PUT", "/rest/system/configuration", Some(&on));
    assert_eq!(changed.status, 204);
    let refused = farm.ask("a", "POST", "/practice/request", Some(&json!({})));
    assert_eq!(
        (refused.status, &*refused.text),
        (503, "Could Not Start: the server is in maintenance mode\n")
    );
    // Whoever writes back all that was read loses the password.
    let all = farm.get("a", "/cli/systemConfiguration");
    farm.ask("a", "PUT", "/rest/system/configuration", Some(&all));
    assert_eq!(farm.database()["settings"]["deployMailPassword"], "****");
    let old = Farm::of(&["a"]);
    old.start("a");
    assert!(
        old.get("a", "/cli/systemConfiguration")
            .get("maintenanceModeEnabled")
            .is_none()
    );
}

#[test]
fn cluster_connections_have_names_of_their_own_and_newer_versions_none_at_all() {
    let farm = Farm::of(&["a"]);
    farm.start("a");
    let path = "/rest/network/networkRelay";
    let put = |body| farm.ask("a", "PUT", path, Some(&body));
    let made =
        put(json!({ "name": "a", "host": "a.example.com", "port": "7918", "active": false }))
            .json();
    let twice = put(json!({ "name": "a", "host": "b.example.com", "port": 7918, "active": true }));
    assert_eq!(twice.status, 400);
    assert!(twice.text.contains("already exists"), "{twice:?}");
    let edit = json!({ "existingId": made["id"], "name": "a", "host": "a.example.com", "port": 7918, "active": true });
    put(edit).json();
    let all = farm.get("a", path);
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(all[0]["active"], true);
    let id = made["id"].as_str().unwrap();
    let gone = farm.ask("a", "DELETE", &format!("{path}/{id}"), None);
    assert_eq!(gone.status, 204);
    assert_eq!(farm.get("a", path), json!([]));
    let new = Farm::of_version("7.2.0.0.1", &["a"]);
    new.start("a");
    assert_eq!(new.ask("a", "GET", path, None).status, 404);
}
