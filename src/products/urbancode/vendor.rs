//! What the vendor's manual and installer say: names, numbers and calls, each in one place.

/// The manual's page on what a server of a cluster does differently.
pub const PROCESSES_PAGE: &str = "High-availability server processes";
/// The manual's page on starting and stopping.
pub const RUN_PAGE: &str = "Running the server";
/// The manual's page on making a stand-alone server the first of a cluster.
pub const CONVERT_PAGE: &str = "Converting a stand-alone server to high availability";
/// The manual's page on making servers of a cluster reach each other.
pub const CONNECTIONS_PAGE: &str = "Creating cluster connections";
/// The manual's page on moving what the server keeps.
pub const RELOCATE_PAGE: &str = "Relocating CodeStation";

/// The file that says which version is installed, below the installation folder.
pub const VERSION_FILE: &str = "conf/installed.version";
/// Its key.
pub const VERSION_KEY: &str = "installed.version";
/// The properties of a server, below the installation folder.
pub const PROPERTIES: &str = "conf/server/installed.properties";
/// What makes a server one of several.
pub const MULTISERVER: &str = "com.urbancode.ds.UDeployServer.multiserver";
/// The kind of database.
pub const DATABASE: &str = "database.type";
/// The database that is part of a server, and can't be shared.
pub const EMBEDDED_DATABASE: &str = "derby";
/// Where the application data is, seen from the folder `bin`.
pub const APPDATA: &str = "server.appdata.dir";
/// The host by which users know the server.
pub const WEB_HOST: &str = "install.server.web.host";
/// Where agents and other servers reach this server by web sockets; from 7.0 on.
pub const AGENT_ADDRESS: &str = "agentcomm.uri";
/// The port of that, unless it was installed otherwise.
pub const WEB_SOCKET_PORT: u16 = 7919;
/// The port of JMS.
pub const JMS: &str = "server.jms.port";
/// The same, unless it was installed otherwise.
pub const JMS_PORT: u16 = 7918;
/// The script that starts and stops a server, below the installation folder.
pub const SCRIPT: &str = "bin/server";
/// The main class, which stands in the command line of every server.
pub const MAIN_CLASS: &str = "com.urbancode.ds.UDeployServer";

/// Where a server serves HTTPS, unless it was installed otherwise.
pub const HTTPS_PORT: u16 = 8443;

/// A page that everybody may read, and that every server has.
pub const CONNECTION_TEST: &str = "/connTest.txt";
/// The settings of the system, as everybody who may read something can.
pub const SETTINGS: &str = "/cli/systemConfiguration";
/// The settings of the system, as the product's own pages change them.
pub const SETTINGS_OF_PAGES: &str = "/rest/system/configuration";
/// The key of maintenance mode among the settings; there from 7.0.3 on.
pub const MAINTENANCE: &str = "maintenanceModeEnabled";
/// Settings that are read as a mask: written back, they would be lost.
pub const MASKED_SETTINGS: [&str; 1] = ["deployMailPassword"];
/// The address that agents are given, among the settings.
pub const AGENT_URL: &str = "externalURL";
/// The address that users are given.
pub const USER_URL: &str = "externalUserURL";
/// The license servers: `PORT@HOST`, one or more.
pub const LICENSE_SERVER: &str = "licenseServerUrl";
/// What runs now, and waits to be run.
pub const ACTIVITY: &str = "/rest/workflow/currentActivity?rowsPerPage=100&pageNumber=1";
/// The cluster connections, which the product's pages still call relays of the network; gone in 7.2 or later.
pub const CONNECTIONS: &str = "/rest/network/networkRelay";
/// The agents.
pub const AGENTS: &str = "/cli/agentCLI";
/// Whether an agent answers.
pub const TEST_AGENT: &str = "/cli/agentCLI/test";
/// How many agents are in which state: only whoever may see the settings is told.
pub const AGENT_STATUSES: &str = "/cli/agentCLI/statuses";
