//! git's credential protocol: what git says to a helper, and what a helper answers (git-credential(1),
//! "INPUT/OUTPUT FORMAT"; gitcredentials(7), "CUSTOM HELPERS").
//!
//! A description is read as bytes. What another reader would take for the end of a line, or of a value, is how a
//! secret was once had for another host (CVE-2020-5260, CVE-2024-52006, CVE-2024-50338): a line ends at LF and nowhere
//! else, and a description with such a byte anywhere is refused whole.

use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// The longest line of a description, in bytes, without its end. An Entra token has about 2,500.
pub const LONGEST_LINE: usize = 64 * 1024;
/// The longest description, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// What `git vsts credential capability` says, in the format of `git credential capability` (git-credential(1),
/// "CAPABILITY INPUT/OUTPUT FORMAT").
pub const CAPABILITIES: &str = "version 0\ncapability authtype\ncapability state\n";

/// What git says about the credential that it looks for, has proved or has been refused.
///
/// Attributes that decide nothing here are ignored, as are those that nobody knows yet: `wwwauth[]`, `continue`, `quit`.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// How the server is reached: `https`.
    pub protocol: Option<String>,
    /// The server, with its port where the URL has one.
    pub host: Option<String>,
    /// The path of the repository, decoded by git; only with `credential.useHttpPath`.
    pub path: Option<String>,
    /// The user part of the URL, or the account that was answered or typed. Never empty.
    pub username: Option<String>,
    /// The secret of Basic.
    pub password: Option<SecretString>,
    /// The scheme that `credential` is for.
    pub authtype: Option<String>,
    /// The secret of `authtype`, encoded for that scheme.
    pub credential: Option<SecretString>,
    /// Whether `credential` is of no use later.
    pub ephemeral: bool,
    /// When the password or the credential ends.
    pub expires: Option<Timestamp>,
    /// What the helper that made the password said would renew it.
    pub refresh_token: Option<SecretString>,
    /// Whether git understands an `authtype` and a `credential` (git 2.46).
    pub understands_authtype: bool,
    /// Whether git gives back the `state[]` of an answer (git 2.46).
    pub understands_state: bool,
    /// What helpers, each with a prefix of its own, want to hear again.
    pub states: Vec<String>,
}

/// Why a description is refused. It quotes nothing of it but the name of an attribute that is known.
#[derive(Debug, Error)]
pub enum Error {
    /// Not of the form `key=value`.
    #[error("line {line} has no `=`")]
    NoValue {
        /// Counted from 1.
        line: usize,
    },
    /// NUL, CR or another control character.
    #[error("line {line} has a control character in it")]
    Control {
        /// Counted from 1.
        line: usize,
    },
    /// An attribute that is known, and whose value is no text.
    #[error("the value of {key} is not UTF-8")]
    NotText {
        /// The attribute.
        key: &'static str,
    },
    /// An attribute that has one value was given twice.
    #[error("{key} is given twice")]
    Twice {
        /// The attribute.
        key: &'static str,
    },
    /// A line over [`LONGEST_LINE`].
    #[error("line {line} is longer than {LONGEST_LINE} bytes")]
    LineTooLong {
        /// Counted from 1.
        line: usize,
    },
    /// More than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// The stream failed.
    #[error("it can't be read")]
    Io(#[from] io::Error),
}

/// An attribute that may be given once.
type Set = fn(&mut Description, &str);

/// The attributes that have one value, and where it goes.
const SINGLE: [(&str, Set); 12] = [
    ("protocol", |it, value| it.protocol = Some(value.to_owned())),
    ("host", |it, value| it.host = Some(value.to_owned())),
    ("path", |it, value| it.path = Some(value.to_owned())),
    ("username", |it, value| it.username = Some(value.to_owned()).filter(|it| !it.is_empty())),
    ("password", |it, value| it.password = Some(value.into())),
    ("authtype", |it, value| it.authtype = Some(value.to_owned())),
    ("credential", |it, value| it.credential = Some(value.into())),
    ("ephemeral", |it, value| it.ephemeral = is_true(value)),
    ("password_expiry_utc", |it, value| it.expires = time(value)),
    ("oauth_refresh_token", |it, value| it.refresh_token = Some(value.into())),
    ("continue", |_, _| ()),
    ("quit", |_, _| ()),
];

/// The attributes that have several values.
const MULTIPLE: [&str; 2] = ["capability[]", "state[]"];

impl Description {
    /// Reads a description up to an empty line or the end of the stream, and nothing beyond it.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn read(stream: &mut dyn BufRead) -> Result<Self, Error> {
        let mut description = Self::default();
        let mut given = Vec::new();
        let mut left = LONGEST;
        let mut lines = 0;
        // Whole from the start, for a vector that grows leaves copies of a secret behind.
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE + 3));
        loop {
            line.clear();
            lines += 1;
            // Two bytes more than allowed are those of the line's end, a third one tells too long.
            let length =
                (&mut *stream).take(LONGEST_LINE as u64 + 3).read_until(b'\n', &mut line)?;
            left = left.checked_sub(length).ok_or(Error::TooLong)?;
            let text = without_end(&line);
            if text.len() > LONGEST_LINE {
                return Err(Error::LineTooLong { line: lines });
            }
            if text.is_empty() {
                return Ok(description);
            }
            description.take(text, lines, &mut given)?;
        }
    }

    fn take(
        &mut self,
        text: &[u8],
        line: usize,
        given: &mut Vec<&'static str>,
    ) -> Result<(), Error> {
        if text.iter().any(u8::is_ascii_control) {
            return Err(Error::Control { line });
        }
        let equals = text.iter().position(|byte| *byte == b'=').ok_or(Error::NoValue { line })?;
        let (key, value) = (&text[..equals], &text[equals + 1..]);
        if let Some((key, set)) = SINGLE.iter().find(|(known, _)| known.as_bytes() == key) {
            if given.contains(key) {
                return Err(Error::Twice { key });
            }
            given.push(key);
            set(self, known_text(key, value, line)?);
        } else if let Some(key) = MULTIPLE.iter().find(|known| known.as_bytes() == key) {
            self.add(key, known_text(key, value, line)?);
        }
        Ok(())
    }

    /// An empty value takes back what was given before it.
    fn add(&mut self, key: &str, value: &str) {
        match (key, value) {
            ("state[]", "") => self.states.clear(),
            ("state[]", state) => self.states.push(state.to_owned()),
            (_, "") => {
                self.understands_authtype = false;
                self.understands_state = false;
            }
            (_, "authtype") => self.understands_authtype = true,
            (_, "state") => self.understands_state = true,
            _ => (),
        }
    }
}

/// A line without the LF at its end and one CR before that. A CR anywhere else is a control character.
fn without_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

fn known_text<'v>(key: &'static str, value: &'v [u8], line: usize) -> Result<&'v str, Error> {
    let text = str::from_utf8(value).map_err(|_| Error::NotText { key })?;
    // Those of Latin-1 beyond ASCII, which are two bytes here.
    if text.chars().any(char::is_control) {
        return Err(Error::Control { line });
    }
    Ok(text)
}

/// git's booleans (git-config(1), "Values"). What is none of them is true: whoever says something of `ephemeral` does
/// not want it kept.
fn is_true(value: &str) -> bool {
    !["", "0", "false", "no", "off"].iter().any(|false_| value.eq_ignore_ascii_case(false_))
}

/// Seconds since 1970; what is no time is not known, as git has it.
fn time(value: &str) -> Option<Timestamp> {
    Timestamp::from_second(value.parse().ok()?).ok()
}

/// How the secret of an answer signs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As the password of Basic, which every git understands.
    Basic,
    /// As Bearer; only for a git that understands an `authtype`.
    Bearer,
}

/// What a helper answers to `get`.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The account. git drops a password that has none, or an empty one.
    pub username: Option<&'a str>,
    /// What the secret is sent as.
    pub scheme: Scheme,
    /// The secret.
    pub secret: &'a SecretString,
    /// When it ends, if that is known.
    pub expires: Option<Timestamp>,
    /// What renews it, where git was the one who told.
    pub refresh_token: Option<&'a SecretString>,
    /// What to hear again with `store` and `erase`; only for a git that understands a `state`.
    pub state: Option<&'a str>,
}

/// A value that would end its line, or hide a part of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the {key} has a control character in it")]
pub struct Unspeakable {
    /// The attribute.
    pub key: &'static str,
}

impl Answer<'_> {
    /// The answer as git reads it.
    ///
    /// # Errors
    /// [`Unspeakable`]: a store may hold anything, and a line feed in an account would make a line of its own.
    pub fn to_text(&self) -> Result<SecretString, Unspeakable> {
        let expires = self.expires.map(|expires| expires.as_second().to_string());
        let secret = Some(self.secret.expose_secret());
        let of = |scheme: Scheme, value| Some(value).filter(|_| self.scheme == scheme);
        let attributes = [
            // Before what depends on them (git-credential(1)).
            ("capability[]", of(Scheme::Bearer, "authtype")),
            ("capability[]", self.state.map(|_| "state")),
            ("authtype", of(Scheme::Bearer, "Bearer")),
            ("credential", secret.filter(|_| self.scheme == Scheme::Bearer)),
            ("username", self.username),
            ("password", secret.filter(|_| self.scheme == Scheme::Basic)),
            ("oauth_refresh_token", self.refresh_token.map(SecretString::expose_secret)),
            ("password_expiry_utc", expires.as_deref()),
            ("state[]", self.state),
        ];
        let given = || attributes.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
        if let Some((key, _)) = given().find(|(_, value)| value.chars().any(char::is_control)) {
            return Err(Unspeakable { key });
        }
        let length = given().map(|(key, value)| key.len() + value.len() + 2).sum();
        // Whole from the start, as what was read.
        let mut text = String::with_capacity(length);
        for (key, value) in given() {
            text.extend([key, "=", value, "\n"]);
        }
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: impl AsRef<[u8]>) -> Result<Description, Error> {
        Description::read(&mut bytes.as_ref())
    }

    /// All that a description says, in one line.
    fn told(bytes: impl AsRef<[u8]>) -> String {
        let description = match read(bytes) {
            Ok(description) => description,
            Err(error) => return format!("refused: {error}"),
        };
        let secret =
            |it: &Option<SecretString>| it.as_ref().map(|secret| secret.expose_secret().to_owned());
        let flags = [
            (description.ephemeral, "ephemeral"),
            (description.understands_authtype, "+authtype"),
            (description.understands_state, "+state"),
        ];
        let texts = [
            description.protocol.clone(),
            description.host.clone(),
            description.path.clone(),
            description.username.clone(),
            secret(&description.password),
            description.authtype.clone(),
            secret(&description.credential),
            description.expires.map(|it| it.as_second().to_string()),
            secret(&description.refresh_token),
            Some(description.states.join(",")).filter(|states| !states.is_empty()),
        ];
        let texts = texts.into_iter().map(|it| it.unwrap_or_else(|| "-".into()));
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name.into());
        texts.chain(flags).collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn what_git_says_is_read_and_what_nobody_knows_is_passed_over() {
        for (given, expected) in [
            ("", "- - - - - - - - - -"),
            ("\n", "- - - - - - - - - -"),
            ("protocol=https\nhost=h\n\nhost=x\n", "https h - - - - - - - -"),
            ("protocol=https\r\nhost=h\r\n\r\nhost=x\r\n", "https h - - - - - - - -"),
            ("protocol=https\nhost=h", "https h - - - - - - - -"),
            ("host=\nprotocol=\n", "  - - - - - - - -"),
            ("path=a/b=c d\nusername=ada\npassword=p=q\n", "- - a/b=c d ada p=q - - - - -"),
            ("username=\n", "- - - - - - - - - -"),
            ("foo=bar\nfoo=baz\nfoo[]=x\n=y\nhost=h\n", "- h - - - - - - - -"),
            ("wwwauth[]=Basic\nwwwauth[]=Bearer\nhost=h\n", "- h - - - - - - - -"),
            ("foo=\u{e4}\nhost=h\n", "- h - - - - - - - -"),
            (
                "capability[]=authtype\ncapability[]=state\ncapability[]=new\n",
                "- - - - - - - - - - +authtype +state",
            ),
            ("capability[]=authtype\ncapability[]=\n", "- - - - - - - - - -"),
            ("state[]=a\nstate[]=\nstate[]=b\nstate[]=c\n", "- - - - - - - - - b,c"),
            (
                "authtype=Bearer\ncredential=t\nephemeral=1\npassword_expiry_utc=9999999999\n\
                 oauth_refresh_token=r\ncontinue=1\nquit=0\n",
                "- - - - - Bearer t 9999999999 r - ephemeral",
            ),
            ("ephemeral=false\npassword_expiry_utc=soon\n", "- - - - - - - - - -"),
            ("password_expiry_utc=99999999999999999999\n", "- - - - - - - - - -"),
        ] {
            assert_eq!(told(given), expected, "{given:?}");
        }
        assert_eq!(told(b"foo=\xff\nhost=h\n"), "- h - - - - - - - -");
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused_whole() {
        for (given, expected) in [
            ("host=a\nhost=dev.azure.com\n", "host is given twice"),
            ("password=a\nhost=h\npassword=a\n", "password is given twice"),
            ("quit=0\nquit=0\n", "quit is given twice"),
            ("host=evil.example\rhost=dev.azure.com\n", "line 1 has a control character in it"),
            ("host=h\r\r\n", "line 1 has a control character in it"),
            ("host=h\r", "line 1 has a control character in it"),
            ("protocol=https\n\rhost=h\n", "line 2 has a control character in it"),
            ("password=a\0b\n", "line 1 has a control character in it"),
            ("foo=\0\n", "line 1 has a control character in it"),
            ("host=h\u{85}\n", "line 1 has a control character in it"),
            ("username=\u{1b}]0;x\u{7}\n", "line 1 has a control character in it"),
            ("protocol\n", "line 1 has no `=`"),
        ] {
            assert_eq!(told(given), format!("refused: {expected}"), "{given:?}");
        }
        assert_eq!(told(b"host=\xff\n"), "refused: the value of host is not UTF-8");
    }

    #[test]
    fn a_description_has_its_limits() {
        let line =
            |key: &str, length: usize| format!("{key}={}\n", "x".repeat(length - key.len() - 1));
        let longest = line("wwwauth[]", LONGEST_LINE);
        assert_eq!(told(format!("{longest}host=h\n")), "- h - - - - - - - -");
        let crlf = longest.replace('\n', "\r\n");
        assert_eq!(told(format!("{crlf}host=h\n")), "- h - - - - - - - -");
        for length in [LONGEST_LINE + 1, LONGEST_LINE + 2, LONGEST_LINE + 3, LONGEST] {
            let text = format!("{}host=h\n", line("wwwauth[]", length));
            assert_eq!(told(text), "refused: line 1 is longer than 65536 bytes", "{length}");
        }
        assert_eq!(told(longest.repeat(17)), "refused: it is longer than 1048576 bytes");
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut stream: &[u8] = b"host=h\n\nmore";
        Description::read(&mut stream).unwrap();
        assert_eq!(stream, b"more");
    }

    fn answer<'a>(username: &'a str, scheme: Scheme, secret: &'a SecretString) -> Answer<'a> {
        let username = Some(username);
        Answer { username, scheme, secret, expires: None, refresh_token: None, state: None }
    }

    #[test]
    fn an_answer_says_what_is_known() {
        let (secret, refresh) = ("token".into(), "refresh".into());
        let plain = answer("ada", Scheme::Basic, &secret);
        assert_eq!(plain.to_text().unwrap().expose_secret(), "username=ada\npassword=token\n");
        let nameless = Answer { username: None, ..answer("", Scheme::Bearer, &secret) };
        assert_eq!(
            nameless.to_text().unwrap().expose_secret(),
            "capability[]=authtype\nauthtype=Bearer\ncredential=token\n"
        );
        let whole = Answer {
            expires: Some(Timestamp::from_second(9_999_999_999).unwrap()),
            refresh_token: Some(&refresh),
            state: Some("git-vsts:which"),
            ..answer("ada", Scheme::Bearer, &secret)
        };
        assert_eq!(
            whole.to_text().unwrap().expose_secret(),
            "capability[]=authtype\ncapability[]=state\nauthtype=Bearer\ncredential=token\nusername=ada\n\
             oauth_refresh_token=refresh\npassword_expiry_utc=9999999999\nstate[]=git-vsts:which\n"
        );
    }

    #[test]
    fn an_answer_that_would_be_read_as_another_is_not_given() {
        let (good, bad) = ("token".into(), "token\nhost=evil".into());
        let unspeakable = |answer: Answer<'_>| answer.to_text().unwrap_err().to_string();
        assert_eq!(
            unspeakable(answer("ada\npassword=x", Scheme::Basic, &good)),
            "the username has a control character in it"
        );
        assert_eq!(
            unspeakable(answer("ada", Scheme::Bearer, &bad)),
            "the credential has a control character in it"
        );
    }

    /// Lines of known attributes and of others, with what breaks a reader here and there.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let key = prop_oneof![
            proptest::sample::select(SINGLE.map(|(key, _)| key).to_vec()),
            proptest::sample::select(vec!["capability[]", "state[]", "wwwauth[]", "foo", ""]),
        ];
        let value = prop_oneof![
            "[ -~]{0,12}".prop_map(String::into_bytes),
            any::<Vec<u8>>(),
            Just(b"https".to_vec()),
            Just(b"dev.azure.com".to_vec()),
        ];
        let end = proptest::sample::select(vec!["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\0", ""]);
        let line = (key, value, end)
            .prop_map(|(key, value, end)| [key.as_bytes(), b"=", &value, end.as_bytes()].concat());
        proptest::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in any::<Vec<u8>>()) {
            let _ = read(bytes);
        }

        #[test]
        fn what_is_read_stands_on_a_line_of_its_own(bytes in stream()) {
            let Ok(description) = read(&bytes) else { return Ok(()) };
            // The slowest reader of all, which knows no line end but LF either.
            let lines: Vec<&[u8]> = bytes
                .split(|byte| *byte == b'\n')
                .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
                .take_while(|line| !line.is_empty())
                .collect();
            let values = |key: &str| {
                let key = format!("{key}=");
                lines.iter().filter_map(|line| line.strip_prefix(key.as_bytes())).collect::<Vec<_>>()
            };
            for (key, value) in [
                ("protocol", &description.protocol),
                ("host", &description.host),
                ("path", &description.path),
            ] {
                let met: Vec<&[u8]> = value.iter().map(String::as_bytes).collect();
                prop_assert_eq!(values(key), met);
            }
        }

        #[test]
        fn an_answer_has_one_line_for_each_key(
            username in any::<String>(),
            secret in any::<String>(),
            state in proptest::option::of(any::<String>()),
            bearer in any::<bool>(),
        ) {
            let scheme = if bearer { Scheme::Bearer } else { Scheme::Basic };
            let secret = SecretString::from(secret);
            let answer = Answer { state: state.as_deref(), ..answer(&username, scheme, &secret) };
            let Ok(text) = answer.to_text() else { return Ok(()) };
            let text = text.expose_secret();
            prop_assert!(text.ends_with('\n') && !text.contains(['\r', '\0']));
            let mut keys: Vec<&str> = text
                .lines()
                .map(|line| line.split_once('=').unwrap().0)
                .filter(|key| *key != "capability[]")
                .collect();
            let all = keys.len();
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(keys.len(), all);
            prop_assert_eq!(all, 2 + usize::from(bearer) + usize::from(state.is_some()));
        }
    }
}
