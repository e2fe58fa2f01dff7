//! Secrets on their way into an effect, and out of what a person sees.

use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::config::{MASK, Secret, SecretRef, SecretStore, mask, needles};
use crate::engine::{Fault, FaultKind};
use crate::plan::Value;

/// Resolves values, and remembers every secret among them, so that none is shown.
pub(super) struct Vault {
    store: Arc<SecretStore>,
    known: Mutex<Vec<Arc<Secret>>>,
}

impl Vault {
    pub(super) fn new(store: Arc<SecretStore>) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// The value itself.
    pub(super) fn text(&self, value: &Value) -> Result<Zeroizing<String>, Fault> {
        match value {
            Value::Text(text) => Ok(Zeroizing::new(text.clone())),
            Value::Secret(reference) => {
                Ok(Zeroizing::new(self.secret(reference)?.expose().to_owned()))
            }
            Value::FromStep { step, output } => Err(Fault::new(
                FaultKind::Failed,
                format!("the output `{output}` of {step} was never filled in"),
            )),
        }
    }

    /// The values, one after the other.
    pub(super) fn joined(&self, values: &[Value]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let parts: Vec<_> = values
            .iter()
            .map(|value| self.text(value))
            .collect::<Result<_, _>>()?;
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let length = parts.iter().map(|part| part.len()).sum();
        let mut all = Zeroizing::new(Vec::with_capacity(length));
        for part in parts {
            all.extend_from_slice(part.as_bytes());
        }
        Ok(all)
    }

    /// Resolves a secret and remembers that it must not be shown.
    pub(super) fn secret(&self, reference: &SecretRef) -> Result<Arc<Secret>, Fault> {
        let secret = self
            .store
            .resolve(reference)
            .map_err(|error| Fault::new(FaultKind::Secret, error.to_string()))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&secret) {
            known.push(Arc::clone(&secret));
        }
        Ok(secret)
    }

    /// The text with every secret that was resolved so far replaced, whole or by the line.
    pub(super) fn mask(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        mask(text, known.iter().map(AsRef::as_ref))
    }

    /// The same for bytes; `None` when there is no secret in them.
    pub(super) fn mask_bytes(&self, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut masked: Option<Zeroizing<Vec<u8>>> = None;
        for needle in needles(known.iter().map(AsRef::as_ref)) {
            let text = masked.as_deref().map_or(bytes, Vec::as_slice);
            let finder = memchr::memmem::Finder::new(needle);
            let found: Vec<usize> = finder.find_iter(text).collect();
            if found.is_empty() {
                continue;
            }
            let mut fresh = Zeroizing::new(Vec::with_capacity(text.len() + 4 * found.len()));
            let mut from = 0;
            for at in found {
                fresh.extend_from_slice(&text[from..at]);
                fresh.extend_from_slice(MASK.as_bytes());
                from = at + needle.len();
            }
            fresh.extend_from_slice(&text[from..]);
            masked = Some(fresh);
        }
        masked
    }
}
