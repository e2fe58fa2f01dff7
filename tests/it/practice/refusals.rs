//! For what reasons a server does not start.

use std::fs;

use super::farm::Farm;

const OPEN: &str = "installed.properties";
const SECURED: &str = "secured-installed.properties";

#[test]
fn servers_refuse_to_start_for_the_reasons_that_the_product_has() {
    let farm = Farm::of(&["a"]);
    let refuses = |code: i32, words: &str| {
        let (ended, said) = farm.refused("a");
        assert!(
            ended == code && said.contains(words),
            "{words}: {ended} {said}"
        );
    };
    farm.set("a", OPEN, "database.type", "derby");
    refuses(1, "Embedded database is already running");
    farm.set("a", OPEN, "database.type", "access");
    refuses(1, "access is not a supported database type.");
    farm.set("a", OPEN, "database.type", "mysql");
    farm.set("a", OPEN, "agentcomm.uri", "");
    refuses(1, "Please provide a property for 'agentcomm.uri'");
    let uri = format!("wss\\://{}\\:7919", farm.address("a").ip);
    farm.set("a", OPEN, "agentcomm.uri", &uri);
    farm.set("a", SECURED, "encryption.keystore.password", "other");
    refuses(1, "Keystore was tampered with, or password was incorrect");
    farm.set("a", SECURED, "encryption.keystore.password", "changeit");
    farm.set("a", SECURED, "tomcat.keystore.password", "other");
    refuses(1, "keystore password was incorrect");
    farm.set("a", SECURED, "tomcat.keystore.password", "changeit");
    let (driver, away) = ("lib/ext/practice-jdbc.jar", "lib/ext/driver.off");
    let home = farm.home("a");
    fs::rename(home.join(driver), home.join(away)).unwrap();
    refuses(1, "Error: The JDBC driver was not located in lib/ext.");
    fs::rename(home.join(away), home.join(driver)).unwrap();
    // An application data folder that is not mounted looks like an empty one.
    let (appdata, away) = (farm.path("appdata"), farm.path("away"));
    fs::rename(&appdata, &away).unwrap();
    fs::create_dir(&appdata).unwrap();
    refuses(1, "encryption.keystore: No such file or directory");
    fs::remove_dir(&appdata).unwrap();
    fs::rename(&away, &appdata).unwrap();
    farm.start("a");
    let (code, said) = farm.refused("a");
    assert!(
        code == 1 && said.contains("java.net.BindException"),
        "{code} {said}"
    );
}

#[test]
fn servers_of_another_version_than_the_database_do_not_start() {
    let farm = Farm::of(&["a"]);
    farm.start("a");
    farm.end("a", rustix::process::Signal::TERM);
    let version = |is: &str| {
        let path = farm.home("a").join("conf/installed.version");
        fs::write(path, format!("installed.version={is}\n")).unwrap();
        farm.refused("a")
    };
    let (code, said) = version("7.0.1.0.1");
    assert!(
        code == 2 && said.contains("DB version is newer than UCD server version, exiting!"),
        "{code} {said}"
    );
    let (code, said) = version("7.0.10.0.1");
    assert!(
        code == 1 && said.contains("needs an upgrade"),
        "{code} {said}"
    );
}
