//! Cluster files as cases. Each file in `config/valid` is accepted. Each file in
//! `config/invalid` is refused with exactly the text beside it; run the tests
//! with `UPDATE_EXPECTED=1` to write those texts anew, and read them.

use clusterctl::config::{Cluster, ConfigError};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/config")
        .join(name)
}

fn files(name: &str, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn valid_files_are_accepted() {
    let files = files("valid", "toml");
    assert!(!files.is_empty());
    for path in files {
        if let Err(error) = Cluster::load(&path) {
            panic!("{} is valid, but:\n{error}", path.display());
        }
    }
}

#[test]
fn invalid_files_are_refused_with_the_text_beside_them() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for path in files("invalid", "toml") {
        let bytes = fs::read(&path).unwrap();
        let Err(error) = Cluster::parse_bytes(&bytes, file_name(&path)) else {
            panic!("{} was accepted", path.display());
        };
        assert!(!error.problems().is_empty(), "{}", path.display());
        let text = format!("{error}\n");
        assert!(
            !text.contains("hunter2"),
            "{} shows the secret:\n{text}",
            path.display()
        );
        assert!(
            !format!("{error:?}").contains("hunter2"),
            "{}",
            path.display()
        );
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &text).unwrap();
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&text) {
            wrong.push(format!("{} should be:\n{text}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_forgotten() {
    for entry in fs::read_dir(folder("valid")).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.extension()
                .is_some_and(|extension| extension == "toml"),
            "{}",
            path.display()
        );
    }
    for entry in fs::read_dir(folder("invalid")).unwrap() {
        let path = entry.unwrap().path();
        let partner = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => path.with_extension("txt"),
            Some("txt") => path.with_extension("toml"),
            _ => panic!("{} is neither case nor expected text", path.display()),
        };
        assert!(
            partner.exists(),
            "{} lacks {}",
            path.display(),
            partner.display()
        );
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(here.join("main.rs")).unwrap();
    let modules: BTreeSet<_> = main
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    for entry in fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && file_name(&path) != "main.rs"
        {
            let module = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                modules.contains(module),
                "tests/it/main.rs lacks `mod {module};`"
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Cluster::load(&folder.path().join("cluster.toml")).unwrap_err();
    assert!(
        missing
            .to_string()
            .ends_with("there is no such file\nhint: name the cluster file with --cluster FILE"),
        "{missing}"
    );
    let is_folder = Cluster::load(folder.path()).unwrap_err();
    assert!(
        is_folder
            .to_string()
            .contains("this is a folder\nhint: name the file in it: "),
        "{is_folder}"
    );
    let huge = folder.path().join("huge.toml");
    fs::File::create(&huge).unwrap().set_len(1 << 34).unwrap();
    let error = Cluster::load(&huge).unwrap_err();
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}

#[test]
fn relative_paths_start_in_the_folder_of_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.toml");
    fs::write(
        &path,
        "name = 'a'\n[nodes.local]\n[secrets]\ndb = 'file:db'",
    )
    .unwrap();
    fs::write(folder.path().join("db"), "canary\n").unwrap();
    fs::set_permissions(folder.path().join("db"), fs::Permissions::from_mode(0o600)).unwrap();
    let cluster = Cluster::load(&path).unwrap();
    let (_, reference) = cluster.secrets().next().unwrap();
    assert_eq!(
        cluster.secret_store().resolve(reference).unwrap().expose(),
        "canary"
    );
}

#[test]
fn nodes_get_the_defaults_and_their_own() {
    let cluster = Cluster::load(&folder("valid").join("full.toml")).unwrap();
    let node = |name: &str| cluster.node(&name.parse().unwrap()).unwrap();
    let (first, second) = (node("ucd1"), node("ucd2"));
    assert_eq!(first.address.to_string(), "10.0.0.11");
    assert_eq!(
        second.address.to_string(),
        "ucd2",
        "a node without an address is found by its name"
    );
    assert_eq!((first.port, second.port), (None, Some(2222)));
    assert_eq!(first.user.as_deref(), Some("deploy"));
    assert_eq!(second.user.as_deref(), Some("root"));
    assert_eq!(first.tags.len(), 2);
    assert_eq!(second.tags.len(), 1);
    let start = second.service.start.as_ref().unwrap();
    assert_eq!(start.as_slice(), ["/etc/init.d/server", "start"]);
    let stop = second.service.stop.as_ref().unwrap();
    assert_eq!(
        stop.as_slice(),
        ["systemctl", "stop", "ucd"],
        "a command of its own leaves the others"
    );
    assert!(node("local").is_local());
    assert_eq!(
        cluster
            .hooks()
            .on_end
            .as_ref()
            .unwrap()
            .deadline
            .to_string(),
        "2m"
    );
}

#[test]
fn nesting_never_ends_the_program() {
    let dotted = vec!["a"; 79].join(".");
    let mut inline = String::from("name = 'a'\n[nodes.local]\n[secrets]\n");
    for _ in 0..78 {
        inline += &dotted;
        inline += " = {";
    }
    inline += &"}".repeat(78);
    for text in [
        inline,
        "[".repeat(1_000_000),
        format!("a = {}", "[".repeat(1_000_000)),
        format!("a = {}{}", "[".repeat(79), "]".repeat(79)),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        "a = {b".repeat(100_000),
    ] {
        let error = Cluster::parse(&text, "deep").unwrap_err();
        assert!(!error.problems().is_empty());
        assert!(
            error.to_string().len() < 20_000,
            "{}",
            error.to_string().len()
        );
    }
}

#[test]
fn ten_thousand_nodes_are_no_burden() {
    let mut text = String::from("name = 'agents'\n");
    for number in 0..10_000 {
        writeln!(
            text,
            "[nodes.agent{number}]\naddress = '10.{}.{}.1'\ntags = ['agent']",
            number / 250,
            number % 250
        )
        .unwrap();
    }
    let begin = std::time::Instant::now();
    let cluster = Cluster::parse(&text, "many").unwrap();
    println!(
        "{} bytes, {} nodes: {:?}",
        text.len(),
        cluster.nodes().len(),
        begin.elapsed()
    );
    assert_eq!(cluster.nodes().len(), 10_000);
    assert!(begin.elapsed().as_secs() < 10);
}

#[test]
fn many_mistakes_are_counted_and_answered_soon() {
    let mut text = String::from("name = 'agents'\n");
    for number in 0..5_000 {
        writeln!(
            text,
            "[nodes.agent{number}]\nadress = 'a{number}'\naddress = 'a b'"
        )
        .unwrap();
    }
    let begin = std::time::Instant::now();
    let error = Cluster::parse(&text, "many").unwrap_err();
    println!("{} problems: {:?}", error.problems().len(), begin.elapsed());
    assert!(
        error
            .to_string()
            .ends_with("\n\n5000 more problems are not shown"),
        "{}",
        error.problems().len()
    );
    assert!(begin.elapsed().as_secs() < 20);
}
