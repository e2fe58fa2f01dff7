//! What the vendor's manual and installer say: names, numbers and calls, each in one place.

/// The manual's page on what a server of a cluster does differently.
pub const PROCESSES_PAGE: &str = "High-availability server processes";
/// The manual's page on starting and stopping.
pub const RUN_PAGE: &str = "Running the server";
/// The manual's page on making a stand-alone server the first of a cluster.
pub const CONVERT_PAGE: &str = "Converting a stand-alone server to high availability";

/// The file that says which version is installed, below the installation folder.
pub const VERSION_FILE: &str = "conf/installed.version";
/// Its key.
pub const VERSION_KEY: &str = "installed.version";
/// The properties of a server, below the installation folder.
pub const PROPERTIES: &str = "conf/server/installed.properties";
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
/// What runs now, and waits to be run.
pub const ACTIVITY: &str = "/rest/workflow/currentActivity?rowsPerPage=100&pageNumber=1";
/// How many agents are in which state: only whoever may see the settings is told.
pub const AGENT_STATUSES: &str = "/cli/agentCLI/statuses";
