//! Attributes in an XML file: looked up, and changed without touching any other byte.

use std::ops::Range;

use roxmltree::{Document, Node};
use zeroize::Zeroizing;

/// Why an XML file can't be used or changed. Never holds a value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it has a document type declaration, which could make anything of it")]
    Dtd,
    #[error("it is not well-formed XML: something is wrong in line {0}, column {1}")]
    Malformed(u32, u32),
    #[error("`{0}` is not of the form name or name[attribute=value]")]
    Step(String),
    #[error("{0} elements match {1}, and exactly one must")]
    Matches(usize, String),
    #[error("`{0}` is no name that an attribute can have")]
    Name(String),
    #[error("XML can't hold a control character, and the value of `{0}` has one")]
    Control(String),
    #[error("`{0}` can't be changed without changing something else")]
    Unsafe(String),
}

/// The value of an attribute; `None` where the element or the attribute is not there.
pub(super) fn attribute(
    bytes: &[u8],
    element: &[String],
    name: &str,
) -> Result<Option<Zeroizing<String>>, XmlError> {
    let text = text(bytes)?;
    let document = parse(text)?;
    match find(&document, text, element)?[..] {
        [] => Ok(None),
        [found] => {
            Ok(attribute_of(found, text, name).map(|(_, value)| Zeroizing::new(value.to_owned())))
        }
        ref several => Err(XmlError::Matches(several.len(), element.join("/"))),
    }
}

/// The file with an attribute set to a value.
pub(super) fn set(
    bytes: &[u8],
    element: &[String],
    name: &str,
    value: &str,
) -> Result<Zeroizing<Vec<u8>>, XmlError> {
    check_name(name)?;
    let text = text(bytes)?;
    let document = parse(text)?;
    let found = match find(&document, text, element)?[..] {
        [found] => found,
        ref other => return Err(XmlError::Matches(other.len(), element.join("/"))),
    };
    let ascii = !is_declared_utf8(text);
    let (range, fresh) = match attribute_of(found, text, name) {
        Some((_, now)) if now == value => return Ok(Zeroizing::new(bytes.to_vec())),
        Some((range, _)) => {
            let quote = text[..range.start].chars().next_back().unwrap_or('"');
            (range, escaped(name, value, quote, ascii)?)
        }
        None => {
            let end = end_of_attributes(found);
            let value = escaped(name, value, '"', ascii)?;
            (end..end, Zeroizing::new(format!(" {name}=\"{}\"", *value)))
        }
    };
    let mut edited = Zeroizing::new(Vec::with_capacity(text.len() + fresh.len()));
    edited.extend_from_slice(&bytes[..range.start]);
    edited.extend_from_slice(fresh.as_bytes());
    edited.extend_from_slice(&bytes[range.end..]);
    match attribute(&edited, element, name) {
        Ok(Some(read)) if *read == value => Ok(edited),
        // The attribute is the one that tells the element from others.
        Ok(None) | Err(XmlError::Matches(..)) => Ok(edited),
        _ => Err(XmlError::Unsafe(name.to_owned())),
    }
}

fn text(bytes: &[u8]) -> Result<&str, XmlError> {
    std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)
}

fn parse(text: &str) -> Result<Document<'_>, XmlError> {
    Document::parse(text).map_err(|error| match error {
        roxmltree::Error::DtdDetected => XmlError::Dtd,
        error => {
            let place = error.pos();
            XmlError::Malformed(place.row, place.col)
        }
    })
}

/// A file that says that it is in another encoding gets values in ASCII, which is the same in all that XML files use.
fn is_declared_utf8(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let Some((declaration, _)) = text.strip_prefix("<?xml").and_then(|t| t.split_once("?>")) else {
        return true;
    };
    let lower = declaration.to_ascii_lowercase();
    !lower.contains("encoding") || lower.contains("utf-8") || lower.contains("utf8")
}

/// A step of the way from the root.
struct Step<'a> {
    name: &'a str,
    with: Option<(&'a str, &'a str)>,
}

impl<'a> Step<'a> {
    fn read(step: &'a str) -> Result<Self, XmlError> {
        let wrong = || XmlError::Step(step.to_owned());
        let (name, with) = match step.split_once('[') {
            None => (step, None),
            Some((name, rest)) => {
                let inner = rest.strip_suffix(']').ok_or_else(wrong)?;
                (name, Some(inner.split_once('=').ok_or_else(wrong)?))
            }
        };
        let no_name = |name: &str| name.is_empty() || name.contains(['[', ']', '=', '/']);
        if no_name(name) || with.is_some_and(|(attribute, _)| no_name(attribute)) {
            return Err(wrong());
        }
        Ok(Self { name, with })
    }

    fn fits(&self, node: Node<'_, '_>, text: &str) -> bool {
        let with = |(name, wanted)| {
            attribute_of(node, text, name).is_some_and(|(_, value)| value == wanted)
        };
        name_of(node, text) == self.name && self.with.is_none_or(with)
    }
}

fn find<'a, 'input>(
    document: &'a Document<'input>,
    text: &str,
    element: &[String],
) -> Result<Vec<Node<'a, 'input>>, XmlError> {
    let mut found = vec![document.root()];
    for step in element {
        let step = Step::read(step)?;
        found = found
            .into_iter()
            .flat_map(|node| node.children())
            .filter(|node| node.is_element() && step.fits(*node, text))
            .collect();
    }
    if element.is_empty() {
        return Err(XmlError::Step(String::new()));
    }
    Ok(found)
}

/// The name as it is written, with its prefix.
fn name_of<'t>(node: Node<'_, '_>, text: &'t str) -> &'t str {
    let written = text.get(node.range().start + 1..).unwrap_or_default();
    let end = written.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/');
    &written[..end.unwrap_or(written.len())]
}

/// Where an attribute's value is written, and what it is.
fn attribute_of<'a>(node: Node<'a, '_>, text: &str, name: &str) -> Option<(Range<usize>, &'a str)> {
    node.attributes()
        .find(|attribute| text.get(attribute.range_qname()) == Some(name))
        .map(|attribute| (attribute.range_value(), attribute.value()))
}

/// Where another attribute can stand.
fn end_of_attributes(node: Node<'_, '_>) -> usize {
    let text = node.document().input_text();
    let after_name = node.range().start + 1 + name_of(node, text).len();
    node.attributes()
        .map(|attribute| attribute.range().end)
        .fold(after_name, usize::max)
}

fn check_name(name: &str) -> Result<(), XmlError> {
    let first = |c: char| c.is_alphabetic() || c == '_';
    let next = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
    if name.starts_with(first) && name.chars().all(next) && !name.starts_with("xmlns") {
        Ok(())
    } else {
        Err(XmlError::Name(name.to_owned()))
    }
}

/// The value as it is written between these quotes.
fn escaped(
    name: &str,
    value: &str,
    quote: char,
    ascii: bool,
) -> Result<Zeroizing<String>, XmlError> {
    use std::fmt::Write as _;
    // Room for the longest way to write each character: a buffer that grows leaves copies behind.
    let mut written = Zeroizing::new(String::with_capacity(value.len() * 10));
    for c in value.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '"' if quote == '"' => written.push_str("&quot;"),
            '\'' if quote == '\'' => written.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(written, "&#{};", u32::from(c));
            }
            c if u32::from(c) < 0x20 || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                return Err(XmlError::Control(name.to_owned()));
            }
            c if ascii && !c.is_ascii() => {
                let _ = write!(written, "&#{};", u32::from(c));
            }
            c => written.push(c),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n\
        <Server port=\"8005\"\r\n        shutdown = 'SHUTDOWN'>\r\n\
        <!-- <Connector port=\"1\"/> -->\r\n\
        <Service name=\"Catalina\">\r\n\
        <Connector port=\"8080\" protocol=\"HTTP/1.1\"/>\r\n\
        <Connector port=\"8443\" keystorePass='a&amp;b' />\r\n\
        <Engine/>\r\n</Service>\r\n</Server>\r\n";

    fn path(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    fn edited(element: &[&str], name: &str, value: &str) -> String {
        let bytes = set(SERVER.as_bytes(), &path(element), name, value).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn one_value_changes_and_no_other_byte() {
        let https = ["Server", "Service", "Connector[port=8443]"];
        assert_eq!(
            edited(&https, "keystorePass", "x<'\"&\n"),
            SERVER.replace("a&amp;b", "x&lt;&apos;\"&amp;&#10;")
        );
        assert_eq!(
            edited(&["Server"], "shutdown", "it's"),
            SERVER.replace("'SHUTDOWN'", "'it&apos;s'")
        );
        assert_eq!(
            edited(&["Server", "Service", "Engine"], "jvmRoute", "a\"ü"),
            SERVER.replace("<Engine/>", "<Engine jvmRoute=\"a&quot;ü\"/>")
        );
        assert_eq!(
            edited(&https, "secure", "true"),
            SERVER.replace("'a&amp;b' />", "'a&amp;b' secure=\"true\" />")
        );
        assert_eq!(
            edited(&https, "port", "9443"),
            SERVER.replace("8443", "9443"),
            "the attribute that tells the element from others can change too"
        );
        assert_eq!(edited(&["Server"], "port", "8005"), SERVER);
    }

    #[test]
    fn exactly_one_element_must_match() {
        let matches = |steps: &[&str]| set(SERVER.as_bytes(), &path(steps), "a", "b").unwrap_err();
        let several = matches(&["Server", "Service", "Connector"]);
        assert_eq!(
            several,
            XmlError::Matches(2, "Server/Service/Connector".to_owned())
        );
        let none = matches(&["Server", "Connector"]);
        assert_eq!(none, XmlError::Matches(0, "Server/Connector".to_owned()));
        let absent = attribute(SERVER.as_bytes(), &path(&["Server", "X"]), "a");
        assert_eq!(absent, Ok(None));
        for bad in ["", "a[", "a[b]", "[b=c]", "a[=c]", "a/b"] {
            assert_eq!(matches(&[bad]), XmlError::Step(bad.to_owned()));
        }
    }

    #[test]
    fn values_are_read_as_programs_read_them() {
        let https = path(&["Server", "Service", "Connector[port=8443]"]);
        let read = |name| attribute(SERVER.as_bytes(), &https, name).unwrap();
        assert_eq!(read("keystorePass").unwrap().as_str(), "a&b");
        assert_eq!(read("nothing"), None);
    }

    #[test]
    fn what_is_no_plain_xml_is_refused() {
        let one = |bytes: &[u8]| set(bytes, &path(&["a"]), "b", "c").unwrap_err();
        assert_eq!(one(b"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>"), XmlError::Dtd);
        assert_eq!(one(b"<a>\n<b></a>"), XmlError::Malformed(2, 4));
        assert_eq!(one(b"\xff\xfe<\0a\0"), XmlError::NotUtf8);
        assert_eq!(one(b""), XmlError::Malformed(1, 1));
        let bad_value = set(b"<a/>", &path(&["a"]), "b", "\0").unwrap_err();
        assert_eq!(bad_value, XmlError::Control("b".to_owned()));
        let bad_name = set(b"<a/>", &path(&["a"]), "b c", "x").unwrap_err();
        assert_eq!(bad_name, XmlError::Name("b c".to_owned()));
    }

    #[test]
    fn other_encodings_get_ascii() {
        let file = b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='x'/>";
        let edited = set(file, &path(&["a"]), "b", "\u{fc}").unwrap();
        assert!(edited.ends_with(b"<a b='&#252;'/>"));
    }
}
