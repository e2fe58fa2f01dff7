//! Credentials on the wire, and every form in which a server may repeat them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::error::{RestError, RestErrorKind};
use crate::config::Secret;

/// The header that shows who calls: `user:password` in the way of HTTP Basic, a token as its bearer.
pub(super) fn header(secret: &Secret) -> Result<HeaderValue, RestError> {
    let text = secret.expose();
    let bad = |problem: &str| {
        let what = format!("the credentials can't be sent: {problem}");
        RestError::new(RestErrorKind::BadCredentials, what)
            .hint("make the secret `user:password`, or a token without a colon")
    };
    if text.is_empty() {
        return Err(bad("the secret is empty"));
    }
    let value = if text.contains(':') {
        format!("Basic {}", *encoded(text))
    } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        format!("Bearer {text}")
    } else {
        return Err(bad("a token has no blanks and no line breaks"));
    };
    let value = Zeroizing::new(value);
    let mut header =
        HeaderValue::from_str(&value).map_err(|_| bad("they are nothing for a header"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Everything that must not be seen of credentials, however a server repeats it.
pub(super) fn disguises(secret: &Secret) -> Vec<Secret> {
    let whole = secret.expose();
    let password = whole.split_once(':').map(|(_, password)| password);
    let mut forms = Vec::new();
    for part in [Some(whole), password].into_iter().flatten() {
        let json = Zeroizing::new(serde_json::Value::from(part).to_string());
        forms.push(Secret::new(encoded(part).to_string()));
        forms.push(Secret::new(json[1..json.len() - 1].to_owned()));
        forms.push(Secret::new(part.to_owned()));
    }
    forms
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secret: &str) -> String {
        let header = header(&Secret::new(secret.to_owned())).unwrap();
        assert!(header.is_sensitive());
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn passwords_and_tokens() {
        assert_eq!(shown("admin:admin"), "Basic YWRtaW46YWRtaW4=");
        assert_eq!(shown("a:b:c é"), "Basic YTpiOmMgw6k=");
        assert_eq!(shown("abc.def"), "Bearer abc.def");
    }

    #[test]
    fn what_can_not_be_sent() {
        for secret in ["", "canary\n", "canary canary", "canaryé"] {
            let error = header(&Secret::new(secret.to_owned())).unwrap_err();
            assert_eq!(error.kind, RestErrorKind::BadCredentials);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
