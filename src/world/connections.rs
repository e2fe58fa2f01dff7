//! Connections to nodes: made when they are needed, kept, and made again when they broke.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::trouble::ends_the_connection;
use crate::config::NodeName;
use crate::remote::{
    Bulk, Exit, Host, Line, Load, Patience, RemoteError, RemoteErrorKind, Streams,
};
use crate::transfer::Pull;

/// Makes connections to nodes.
pub trait Connect: Send + Sync {
    /// A new connection to the node.
    fn connect(
        &self,
        node: &NodeName,
        patience: &Patience<'_>,
    ) -> Result<Arc<dyn Host>, RemoteError>;

    /// Connections for a stream to a node that is connected to already, where others than that one
    /// bring it over faster.
    fn connect_for_bulk(
        &self,
        _node: &NodeName,
        _host: &Arc<dyn Host>,
        _load: Load,
        _patience: &Patience<'_>,
    ) -> Bulk {
        Bulk::Same
    }

    /// The way from a node to another one, for content that it gets from there by itself.
    fn pull(
        &self,
        node: &NodeName,
        from: &NodeName,
        _patience: &Patience<'_>,
    ) -> Result<Pull, RemoteError> {
        let what = format!("nothing is known of how {node} could pull from {from} by itself");
        Err(RemoteError::new(RemoteErrorKind::Unsupported, what))
    }
}

/// One kept connection for each node.
pub(super) struct Connections {
    connector: Arc<dyn Connect>,
    /// A lock a node, so that a node that does not answer keeps nobody from the others.
    kept: BTreeMap<NodeName, Mutex<Option<Arc<dyn Host>>>>,
}

impl Connections {
    pub(super) fn new<'n>(
        connector: Arc<dyn Connect>,
        nodes: impl IntoIterator<Item = &'n NodeName>,
    ) -> Self {
        let none = |node: &NodeName| (node.clone(), Mutex::default());
        Self {
            connector,
            kept: nodes.into_iter().map(none).collect(),
        }
    }

    /// Takes a connection over that somebody has made already.
    pub(super) fn take_over(&self, node: &NodeName, host: Arc<dyn Host>) {
        if let Some(kept) = self.kept.get(node) {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(host);
        }
    }

    /// Connections for a stream.
    pub(super) fn bulk(&self, node: &NodeName, load: Load, patience: &Patience<'_>) -> Bulk {
        match self.host(node, patience) {
            Ok(host) => self.connector.connect_for_bulk(node, &host, load, patience),
            // Whoever sends by it is told what is wrong.
            Err(_) => Bulk::Same,
        }
    }

    /// Runs a command on the node.
    pub(super) fn exec(
        &self,
        node: &NodeName,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let host = self.host(node, patience)?;
        let ended = host.exec(line, streams, patience);
        if let Err(error) = &ended
            && ends_the_connection(error.kind)
        {
            self.forget(node, &host);
        }
        ended
    }

    fn host(&self, node: &NodeName, patience: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        let Some(kept) = self.kept.get(node) else {
            return self.connector.connect(node, patience);
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = &*kept {
            return Ok(Arc::clone(host));
        }
        let host = self.connector.connect(node, patience)?;
        *kept = Some(Arc::clone(&host));
        Ok(host)
    }

    /// The next command gets a new connection, unless another thread has made one by now.
    fn forget(&self, node: &NodeName, broken: &Arc<dyn Host>) {
        let Some(kept) = self.kept.get(node) else {
            return;
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|host| Arc::ptr_eq(host, broken)) {
            *kept = None;
        }
    }
}
