//! A pasted personal access token.
//!
//! Its length and form are the service's business: there have been two forms, session tokens and
//! Server's differ, and the next one is not known. Only what can't be a token is told apart, since
//! the service would answer all of it with the same "no".

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// What terminals put around a paste (xterm's "bracketed paste mode").
const PASTE: [&str; 2] = ["\u{1b}[200~", "\u{1b}[201~"];

/// Why what was pasted can't be a token. It never quotes it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// Nothing was pasted.
    #[error("the token is empty")]
    Empty,
    /// A blank in the middle.
    #[error("the token has a blank in it, so it is more or less than a token")]
    Blank,
    /// A control character in the middle.
    #[error("the token has a control character in it")]
    Control,
    /// A whole header.
    #[error("that is the value of an Authorization header, not the token in it")]
    Header,
    /// A user name and a password.
    #[error("that is a user name and a password with a colon between, not a token alone")]
    Pair,
    /// The base64 of such a pair, as `Authorization: Basic` has it.
    #[error("that is the base64 form of `user:token`, not the token in it")]
    Base64,
    /// Quotes around it.
    #[error("the token has quotes around it")]
    Quotes,
    /// A URL.
    #[error("that is a URL, not a token")]
    Url,
    /// Something that no header can carry.
    #[error("the token has a character in it that is not ASCII")]
    NotAscii,
}

/// Reads what was pasted or piped: white space at its ends, a byte order mark and the marks of a
/// bracketed paste are dropped.
///
/// # Errors
/// [`enum@Error`] for what can't be a token.
pub fn read(pasted: &SecretString) -> Result<SecretString, Error> {
    let mut token = pasted.expose_secret();
    // In any order: a mark may stand within the white space, or white space within the marks.
    loop {
        let trimmed = token.trim().trim_matches('\u{feff}');
        let trimmed = trimmed.strip_prefix(PASTE[0]).unwrap_or(trimmed);
        let trimmed = trimmed.strip_suffix(PASTE[1]).unwrap_or(trimmed);
        if trimmed.len() == token.len() {
            break;
        }
        token = trimmed;
    }
    check(token)?;
    Ok(token.to_owned().into())
}

fn check(token: &str) -> Result<(), Error> {
    let lower = SecretString::from(token.to_ascii_lowercase());
    let lower = lower.expose_secret();
    let is_header = ["basic ", "bearer ", "authorization:"].iter().any(|it| lower.starts_with(it));
    if token.is_empty() {
        return Err(Error::Empty);
    }
    if is_header {
        return Err(Error::Header);
    }
    if token.starts_with(['"', '\'', '`']) || token.ends_with(['"', '\'', '`']) {
        return Err(Error::Quotes);
    }
    if token.contains("://") {
        return Err(Error::Url);
    }
    if token.chars().any(|character| character.is_control()) {
        return Err(Error::Control);
    }
    if token.chars().any(char::is_whitespace) {
        return Err(Error::Blank);
    }
    if !token.is_ascii() {
        return Err(Error::NotAscii);
    }
    if token.contains(':') {
        return Err(Error::Pair);
    }
    if is_base64_of_pair(token) {
        return Err(Error::Base64);
    }
    Ok(())
}

/// Whether it decodes to printable text with a colon in it. A token decodes to junk: of 39 or more
/// random bytes, hardly ever are all printable.
fn is_base64_of_pair(token: &str) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(token);
    let Ok(decoded) = decoded.map(secrecy::SecretSlice::from) else { return false };
    let bytes = decoded.expose_secret();
    bytes.contains(&b':') && bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_read(pasted: &str) -> Result<String, Error> {
        read(&pasted.to_owned().into()).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn what_surrounds_a_token_is_dropped() {
        for pasted in [
            "abc123",
            "abc123\n",
            "  abc123\r\n",
            "\u{feff}abc123",
            "\u{1b}[200~abc123\u{1b}[201~",
            "\u{1b}[200~abc123\n\u{1b}[201~\n",
            " \u{1b}[200~ \u{feff}abc123 \u{1b}[201~ ",
        ] {
            assert_eq!(try_read(pasted), Ok("abc123".to_owned()), "{pasted:?}");
        }
    }

    #[test]
    fn what_can_not_be_a_token_is_told_apart() {
        for (pasted, error) in [
            ("", Error::Empty),
            (" \r\n", Error::Empty),
            ("\u{1b}[200~\u{1b}[201~", Error::Empty),
            ("abc 123", Error::Blank),
            ("abc\u{a0}123", Error::Blank),
            ("abc\n123", Error::Control),
            ("abc\u{0}123", Error::Control),
            ("abc\u{1b}[A123", Error::Control),
            ("Basic OmFiYzEyMw==", Error::Header),
            ("bearer abc123", Error::Header),
            ("Authorization: Basic OmFiYzEyMw==", Error::Header),
            ("ada:abc123", Error::Pair),
            (":abc123", Error::Pair),
            ("OmFiYzEyMw==", Error::Base64),
            ("\"abc123\"", Error::Quotes),
            ("'abc123'", Error::Quotes),
            ("https://dev.azure.com/contoso", Error::Url),
            ("abc\u{e9}", Error::NotAscii),
        ] {
            assert_eq!(try_read(pasted), Err(error), "{pasted:?}");
        }
    }

    #[test]
    fn tokens_of_every_known_form_are_taken() {
        let new = format!("{}JQQJ99AKACAAAAAAAAAAAAASAZDO1a2b", "A".repeat(52));
        assert_eq!(new.len(), 84);
        for token in ["a2".repeat(26), new, "eyJ0eXAi.eyJhdWQi.c2ln-_".to_owned()] {
            assert_eq!(try_read(&token), Ok(token.clone()));
        }
    }
}
