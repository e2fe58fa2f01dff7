//! A cluster, read from its file and checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::cluster_file::{BalancerTable, ClusterFile, FORMAT, NodeSettings};
use super::config_error::Findings;
use super::document::Document;
use super::nearest::nearest;
use super::schema::shape;
use super::source::Source;
use super::{
    Address, Balancer, ClusterName, ConfigError, Hooks, NodeName, Product, ResolvedNode, RestTrust,
    RunSettings, SecretName, SecretRef, SecretStore, Selection, SelectionError, WebUrl,
};

/// The largest cluster file: room for tens of thousands of nodes.
const LARGEST: usize = 16 * 1024 * 1024;

/// The port of SSH.
const PORT: u16 = 22;

/// With so few dots, no document nests too deep for an ordinary stack.
const FEW_DOTS: usize = 500;

/// Room for the deepest document that the parser lets pass, many times over.
/// The system hands out only what is used of it.
const DEEP_STACK: usize = 128 * 1024 * 1024;

/// A cluster: its nodes with their settings, where its secrets are found, and
/// how runs behave.
///
/// ```
/// use clusterctl::config::Cluster;
///
/// let cluster = Cluster::parse("name = 'demo'\n[nodes.ucd1]\naddress = '10.0.0.11'", "cluster.toml")?;
/// let node = cluster.node(&"ucd1".parse()?).ok_or("no such node")?;
/// assert_eq!(node.port, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    name: ClusterName,
    product: Option<Product>,
    url: Option<WebUrl>,
    credentials: Option<SecretName>,
    nodes: BTreeMap<NodeName, ResolvedNode>,
    secrets: BTreeMap<SecretName, SecretRef>,
    ssh_config: Option<PathBuf>,
    rest: RestTrust,
    balancer: Option<Balancer>,
    hooks: Hooks,
    run: RunSettings,
    folder: PathBuf,
}

impl Cluster {
    /// Reads and checks a cluster file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read(path)?;
        let mut cluster = Self::parse_bytes(&bytes, &path.display().to_string())?;
        path.parent()
            .unwrap_or(Path::new(""))
            .clone_into(&mut cluster.folder);
        Ok(cluster)
    }

    /// Checks the text of a cluster file; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        Self::parse_bytes(text.as_bytes(), origin)
    }

    /// Checks the bytes of a cluster file; `origin` is what errors call it.
    pub fn parse_bytes(bytes: &[u8], origin: &str) -> Result<Self, ConfigError> {
        let text = match text_of(bytes) {
            Ok(text) => text,
            Err((valid, at, message)) => {
                let mut findings = Findings::default();
                findings.add(at..at, message);
                return Err(findings.into_error(&Source::new(valid), origin));
            }
        };
        let source = Source::new(text);
        parse_deep(text, &source).map_err(|findings| findings.into_error(&source, origin))
    }

    /// A cluster of this machine alone, for verbs that need no cluster file.
    pub fn this_machine() -> Self {
        let settings = NodeSettings::default();
        let local = NodeName::local();
        let node = ResolvedNode::new(&local, &settings, &settings);
        Self {
            name: ClusterName::this_machine(),
            product: None,
            url: None,
            credentials: None,
            nodes: BTreeMap::from([(local, node)]),
            secrets: BTreeMap::new(),
            ssh_config: None,
            rest: RestTrust::default(),
            balancer: None,
            hooks: Hooks::default(),
            run: RunSettings::default(),
            folder: PathBuf::new(),
        }
    }

    /// The name of the cluster.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// The product that runs on the cluster, if it names one.
    pub fn product(&self) -> Option<Product> {
        self.product
    }

    /// The address by which users reach the product, if the file gives it.
    pub fn url(&self) -> Option<&WebUrl> {
        self.url.as_ref()
    }

    /// The secret by which the product is asked, if the file names one.
    pub fn credentials(&self) -> Option<&SecretName> {
        self.credentials.as_ref()
    }

    /// The node with this name.
    pub fn node(&self, name: &NodeName) -> Option<&ResolvedNode> {
        self.nodes.get(name)
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &ResolvedNode> {
        self.nodes.values()
    }

    /// The nodes that a selection such as `a,@tag,!b*` means, in the order of
    /// their names.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&ResolvedNode>, SelectionError> {
        selection.of(&self.nodes)
    }

    /// Where the secret with this name is found.
    pub fn secret(&self, name: &SecretName) -> Option<&SecretRef> {
        self.secrets.get(name)
    }

    /// Where the secrets are found, in the order of their names.
    pub fn secrets(&self) -> impl ExactSizeIterator<Item = (&SecretName, &SecretRef)> {
        self.secrets.iter()
    }

    /// A store for the secrets of this cluster, which neither asks anybody nor
    /// was given any yet.
    pub fn secret_store(&self) -> SecretStore {
        SecretStore::new(self.secrets.values()).relative_to(&self.folder)
    }

    /// The one `ssh_config` to read instead of the user's own and the system's, if the file names one.
    pub fn ssh_config(&self) -> Option<PathBuf> {
        self.ssh_config.as_ref().map(|file| self.folder.join(file))
    }

    /// Whom calls of REST interfaces trust.
    pub fn rest_trust(&self) -> RestTrust {
        let RestTrust { authorities, pins } = self.rest.clone();
        RestTrust {
            authorities: authorities.map(|file| self.folder.join(file)),
            pins,
        }
    }

    /// The balancer in front of the servers, if the file names one.
    pub fn balancer(&self) -> Option<&Balancer> {
        self.balancer.as_ref()
    }

    /// The user's own commands around steps.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// How runs behave.
    pub fn run(&self) -> RunSettings {
        self.run
    }

    /// The folder of the cluster file; relative paths in it start there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |problem: &str, hint: Option<&str>, source| ConfigError::Unreadable {
        path: path.to_owned(),
        problem: problem.to_owned(),
        hint: hint.map(str::to_owned),
        source,
    };
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let hint = "name the cluster file with --cluster FILE";
            unreadable("there is no such file", Some(hint), Some(error))
        } else {
            unreadable(&format!("can't be read: {error}"), None, Some(error))
        }
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        let hint = format!(
            "name the file in it: {}",
            path.join("cluster.toml").display()
        );
        return Err(unreadable("this is a folder", Some(&hint), None));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > LARGEST {
        let problem = format!("the file is larger than {} MiB", LARGEST / 1024 / 1024);
        return Err(unreadable(&problem, Some("is this a cluster file?"), None));
    }
    Ok(bytes)
}

/// The bytes as text; if they are none, the text before the first byte that is
/// wrong, its place, and what to say.
fn text_of(bytes: &[u8]) -> Result<&str, (&str, usize, String)> {
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        return Err((
            "",
            0,
            "the file is UTF-16\nhint: save it as UTF-8".to_owned(),
        ));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let valid = bytes
            .get(..at)
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default();
        let byte = bytes.get(at).copied().unwrap_or_default();
        (
            valid,
            at,
            format!("the byte 0x{byte:02x} is no UTF-8\nhint: save the file as UTF-8"),
        )
    })
}

/// Gives the parser as much stack as the text may need. Dropping a document
/// recurses once a level; brackets nest no deeper than the parser's own limit,
/// but inside each of them a dotted key adds a level with every dot.
fn parse_deep(text: &str, source: &Source<'_>) -> Result<Cluster, Findings> {
    if text.bytes().filter(|byte| *byte == b'.').count() <= FEW_DOTS {
        return parse(text, source);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK);
        let parsed = thread
            .spawn_scoped(scope, || parse(text, source))
            .ok()
            .and_then(|thread| thread.join().ok());
        parsed.unwrap_or_else(|| {
            let mut findings = Findings::default();
            findings.add(
                0..0,
                "the file can't be parsed: no thread could be started for it",
            );
            Err(findings)
        })
    })
}

fn parse(text: &str, source: &Source<'_>) -> Result<Cluster, Findings> {
    let mut document = Document::parse(text, source)?;
    let mut findings = Findings::default();
    if let Some(format) = document
        .integer("format")
        .filter(|format| *format != i64::from(FORMAT))
    {
        let message = if format > i64::from(FORMAT) {
            format!(
                "the file has format {format}; this program knows format {FORMAT}\nhint: use a newer clusterctl"
            )
        } else {
            format!("there is no format {format}\nhint: format = {FORMAT}")
        };
        findings.add(document.span(&["format"]), message);
        return Err(findings);
    }
    document.check(shape(), &mut findings);
    let file: Option<ClusterFile> = document.read(&mut findings);
    let Some(file) = file else {
        return Err(findings);
    };
    let cluster = resolve(file, &document, &mut findings);
    if findings.is_empty() {
        Ok(cluster)
    } else {
        Err(findings)
    }
}

/// Applies the defaults and checks what no single value can tell.
fn resolve(mut file: ClusterFile, document: &Document<'_>, findings: &mut Findings) -> Cluster {
    if file.nodes.is_empty() && findings.is_empty() {
        let message = "the cluster has no nodes\nhint: [nodes.local] is this machine";
        findings.add(document.span(&["nodes"]), message);
    }
    for (name, node) in &file.nodes {
        if name.is_local()
            && node
                .address
                .as_ref()
                .is_some_and(|address| *address != Address::Local)
        {
            let message = "the node `local` is always this machine\nhint: give the node another name, or take its address out";
            findings.add(document.span(&["nodes", name.as_str(), "address"]), message);
        }
    }
    for (name, reference) in &mut file.secrets {
        match reference {
            SecretRef::Prompt(label) if label.is_empty() => name.as_str().clone_into(label),
            SecretRef::Given(_) => findings.add(
                document.span(&["secrets", name.as_str()]),
                "a secret that is given with a command has no place in a file\nhint: use env, file, cmd or prompt here",
            ),
            _ => {}
        }
    }
    if file.run.lease.get() < file.run.heartbeat.get() * 2 {
        let written = |key| document.span(&["run", key]);
        let (lease, heartbeat) = (written("lease"), written("heartbeat"));
        findings.add(
            if lease.start >= heartbeat.start {
                lease
            } else {
                heartbeat
            },
            format!(
                "the lease of {} must be at least twice the heartbeat of {}",
                file.run.lease, file.run.heartbeat
            ),
        );
    }
    let nodes: BTreeMap<_, _> = file
        .nodes
        .iter()
        .map(|(name, own)| (name.clone(), ResolvedNode::new(name, own, &file.defaults)))
        .collect();
    shared_state(&nodes, document, findings);
    if let Some(name) = &file.credentials {
        check_secret(
            name,
            &file,
            (&["credentials"], "credentials"),
            document,
            findings,
        );
    }
    for (key, is_set) in [
        ("pool_name", file.defaults.pool_name.is_some()),
        ("url", file.defaults.url.is_some()),
    ] {
        if is_set {
            let message = format!(
                "no two nodes have one {key}, so it can't be a default\nhint: write it into the table of its node"
            );
            findings.add(document.span(&["defaults", key]), message);
        }
    }
    connections(&file, document, findings);
    let balancer = file
        .balancer
        .take()
        .map(|table| balanced(table, &nodes, document, findings));
    Cluster {
        name: file.name,
        product: file.product,
        url: file.url,
        credentials: file.credentials,
        nodes,
        secrets: file.secrets,
        ssh_config: file.ssh.config.map(|file| file.0),
        rest: RestTrust {
            authorities: file.rest.ca.map(|file| file.0),
            pins: file.rest.pins,
        },
        balancer,
        hooks: file.hooks,
        run: file.run,
        folder: PathBuf::new(),
    }
}

/// What the settings of the balancer and of the nodes mean together.
fn balanced(
    table: BalancerTable,
    nodes: &BTreeMap<NodeName, ResolvedNode>,
    document: &Document<'_>,
    findings: &mut Findings,
) -> Balancer {
    if table.nodes.is_empty() {
        let message = "the balancer runs nowhere\nhint: name the nodes on which it runs, such as nodes = [\"lb1\"], and give each a table in [nodes]";
        findings.add(document.span(&["balancer", "nodes"]), message);
    }
    for name in table.nodes.iter().filter(|name| !nodes.contains_key(*name)) {
        let near = nearest(name.as_str(), nodes.keys().map(NodeName::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let message = format!(
            "`{name}` is no node of this file{near}\nhint: say where it is found: [nodes.{name}]"
        );
        findings.add(document.span(&["balancer", "nodes"]), message);
    }
    if table.pools.is_empty() {
        let message = "the balancer has no pools\nhint: name what stands behind `backend` or `listen` in haproxy.cfg, such as pools = [\"ucd-https\"]";
        findings.add(document.span(&["balancer", "pools"]), message);
    }
    for (at, pool) in table.pools.iter().enumerate() {
        if table.pools[..at].contains(pool) {
            let message = format!("the pool `{pool}` stands twice\nhint: keep one of them");
            findings.add(document.span(&["balancer", "pools"]), message);
        }
    }
    let mut seen = BTreeMap::new();
    for node in nodes
        .values()
        .filter(|node| !table.nodes.contains(&node.name))
    {
        let Some(name) = &node.pool_name else {
            continue;
        };
        if let Some(other) = seen.insert(name, &node.name) {
            let message = format!(
                "the nodes `{other}` and `{}` have one name in the balancer's pools, `{name}`\nhint: give each its own pool_name",
                node.name
            );
            let path = ["nodes", node.name.as_str(), "pool_name"];
            findings.add(document.span(&path), message);
        }
    }
    let least = table.drain_grace.get() + std::time::Duration::from_secs(2);
    if table.drain_timeout.get() < least {
        let message = format!(
            "a server can hardly be seen to have had no request for {} within {}\nhint: drain_timeout must be longer than drain_grace by two seconds and more",
            table.drain_grace, table.drain_timeout
        );
        findings.add(document.span(&["balancer", "drain_timeout"]), message);
    }
    Balancer {
        kind: table.kind,
        nodes: table.nodes,
        pools: table.pools,
        socket: table.socket,
        min_in_service: table.min_in_service,
        drain_grace: table.drain_grace,
        drain_timeout: table.drain_timeout,
    }
}

/// What the settings of connections mean together: each secret is there, and nothing about `sudo` is said in vain.
fn connections(file: &ClusterFile, document: &Document<'_>, findings: &mut Findings) {
    let tables = file
        .nodes
        .iter()
        .map(|(name, node)| (vec!["nodes", name.as_str()], node))
        .chain(std::iter::once((vec!["defaults"], &file.defaults)));
    for (path, settings) in tables {
        let names = [
            ("ssh", "password", &settings.ssh.password),
            ("ssh", "passphrase", &settings.ssh.passphrase),
            ("sudo", "password", &settings.sudo.password),
        ];
        let span = |table, key| {
            let path: Vec<&str> = path.iter().copied().chain([table, key]).collect();
            document.span(&path)
        };
        for (table, key, name) in names {
            let Some(name) = name else { continue };
            let path: Vec<&str> = path.iter().copied().chain([table, key]).collect();
            let shown = format!("{table}.{key}");
            check_secret(name, file, (&path, &shown), document, findings);
        }
        let somewhere = path.len() == 1 && file.nodes.values().any(|node| node.sudo.used.is_some());
        let said = settings.sudo.used.or(file.defaults.sudo.used).is_some();
        let in_vain = match (&settings.sudo.user, &settings.sudo.password) {
            _ if said || somewhere => None,
            (Some(_), _) => Some("user"),
            (None, Some(_)) => Some("password"),
            (None, None) => None,
        };
        if let Some(key) = in_vain {
            let message = "sudo is not used, so this has no effect\nhint: sudo.use = true";
            findings.add(span("sudo", key), message);
        }
    }
}

/// A setting names a secret of the file.
fn check_secret(
    name: &SecretName,
    file: &ClusterFile,
    (path, shown): (&[&str], &str),
    document: &Document<'_>,
    findings: &mut Findings,
) {
    if file.secrets.contains_key(name) {
        return;
    }
    let near = nearest(name.as_str(), file.secrets.keys().map(SecretName::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    // What stands here may be the secret itself: it is not repeated.
    let message = format!(
        "`{shown}` is the name of no secret in [secrets]{near}\nhint: say there where it is found, such as login_password = \"prompt\", and put that name here"
    );
    findings.add(document.span(path), message);
}

/// Two nodes with one folder of state would take each other's lock.
fn shared_state(
    nodes: &BTreeMap<NodeName, ResolvedNode>,
    document: &Document<'_>,
    findings: &mut Findings,
) {
    let mut seen = BTreeMap::new();
    for node in nodes.values() {
        let port = if node.is_local() {
            0
        } else {
            node.port.unwrap_or(PORT)
        };
        if let Some(other) = seen.insert((&node.address, port, &node.state_dir), &node.name) {
            findings.add(
                document.span(&["nodes", node.name.as_str(), "address"]),
                format!(
                    "the nodes `{other}` and `{}` have the same address and the same state_dir\n\
                     hint: correct the address, or give each a state_dir of its own",
                    node.name
                ),
            );
        }
    }
}
