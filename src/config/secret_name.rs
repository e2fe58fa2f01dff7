//! The name under which the configuration keeps a reference to a secret.

super::word::word_type! {
    /// The name of a secret in the table `secrets`.
    SecretName, "secret name"
}
