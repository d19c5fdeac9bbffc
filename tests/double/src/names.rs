//! Names: what the service takes as one, how one is compared and written into an address.

use std::hash::{DefaultHasher, Hash, Hasher};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Unreserved characters of RFC 3986 section 2.3 stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters that no project and no repository may have in its name
/// (organizations/settings/naming-restrictions in Microsoft's documentation).
const FORBIDDEN: &str = "/:\\~&%;@'\"?<>|#$*}{,+=[]";

const RESERVED: [&str; 19] = [
    "aux",
    "con",
    "defaultcollection",
    "nul",
    "prn",
    "server",
    "signalr",
    "web",
    "app_browsers",
    "app_code",
    "app_data",
    "app_globalresources",
    "app_localresources",
    "app_themes",
    "app_webresources",
    "bin",
    "web.config",
    "com10",
    "lpt10",
];

/// One segment of an address; a blank becomes `%20`, never `+`.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Whether two names are one to the service, which keeps their spelling but compares without case.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// Whether a segment is read as an id instead of a name.
pub(crate) fn is_id(segment: &str) -> bool {
    segment.len() == 36
        && segment.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether the service takes that name for a new project.
pub(crate) fn is_project_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_device = matches!(lower.strip_prefix("com").or(lower.strip_prefix("lpt")),
        Some(number) if number.len() == 1 && number.bytes().all(|byte| (b'1'..=b'9').contains(&byte)));
    is_repository_name(name) && !is_device && !RESERVED.contains(&lower.as_str())
}

/// Whether the service takes that name for a new repository.
pub(crate) fn is_repository_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.chars().count() <= 64
        && !name.starts_with(['_', '.'])
        && !name.ends_with('.')
        && !name.chars().any(|letter| letter.is_control() || FORBIDDEN.contains(letter))
}

/// A GUID that is the same in every run, so that a test may compare whole answers.
pub(crate) fn stable_id(parts: &[&str]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        parts.hash(&mut hasher);
        hasher.finish()
    };
    let digits = format!("{:016x}{:016x}", half(1), half(2));
    format!(
        "{}-{}-4{}-a{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    )
}
