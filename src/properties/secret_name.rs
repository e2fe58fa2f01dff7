//! A last resort: does a key sound as if its value were a secret?
//!
//! Owns a rule about names in general; a product that knows its keys says so
//! itself. A rule of thumb that hides too much is better than one that hides
//! too little, but paths and aliases are what people look for in a diff.
//!
//! ```
//! use clusterctl::properties::looks_secret;
//! assert!(looks_secret("hibernate.connection.password"));
//! assert!(looks_secret("s3.secretAccessKey"));
//! assert!(!looks_secret("encryption.keystore.alias"));
//! ```

/// Words that make a secret wherever they stand in a word.
const ANYWHERE: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "secretkey",
];

/// Words that make a secret at the end of a word: `clientSecret`, `authtoken`.
const AT_THE_END: &[&str] = &[
    "secret",
    "secrets",
    "token",
    "tokens",
    "pwd",
    "keypass",
    "storepass",
];

/// What makes a secret of a `key` behind it: `private.key`, `API_KEY`.
const SECRET_KEYS: &[&str] = &[
    "private",
    "secret",
    "access",
    "api",
    "shared",
    "master",
    "signing",
    "encryption",
    "account",
    "auth",
    "hmac",
    "aes",
];

/// Whether a key's value is likely to be a secret, by its name alone.
pub fn looks_secret(key: &str) -> bool {
    let words = words(key);
    let by_word = words.iter().any(|word| {
        ANYWHERE.iter().any(|part| word.contains(part))
            || AT_THE_END.iter().any(|end| word.ends_with(end))
    });
    let by_pair = words.windows(2).any(|pair| match pair[1].as_str() {
        "key" | "keys" => SECRET_KEYS.iter().any(|end| pair[0].ends_with(end)),
        "word" | "phrase" => pair[0] == "pass",
        _ => false,
    });
    by_word || by_pair || words.last().is_some_and(|word| word == "pass")
}

/// The words of a name, in lower case: `trustStore_keyPass` has four.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<_> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(index + 1);
        let hump = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if hump || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for key in [
            "password",
            "db.password",
            "DB_PASSWORD",
            "dbpasswd",
            "keystore.passphrase",
            "keyPassphrase",
            "ldap.bind.pwd",
            "clientSecret",
            "client-secret",
            "server.secret.value",
            "agent.authToken",
            "jwt.token",
            "proxy.credentials",
            "apikey",
            "api.key",
            "API_KEY",
            "XAPIKey",
            "service.private key",
            "tls.private-key",
            "aws.secretAccessKey",
            "storage.AccessKey",
            "javax.net.ssl.trustStorePassword",
            "keystorePass",
            "server.keystore.pass",
            "encryption.key",
            "IBM UrbanCode Deploy/database.password",
        ] {
            assert!(looks_secret(key), "{key}");
        }
    }

    #[test]
    fn names_of_other_things() {
        for key in [
            "",
            "encryption.keystore.alias",
            "encryption.keystore",
            "server.keystore",
            "agentcomm.keystore",
            "tomcat.key.alias",
            "java.home",
            "secretary.name",
            "bypass.proxy",
            "passive.mode",
            "compass",
            "tokenizer.class",
            "monkey",
            "keyboard",
            "primary.key",
            "api.keystore",
            "hibernate.connection.username",
        ] {
            assert!(!looks_secret(key), "{key}");
        }
    }
}
