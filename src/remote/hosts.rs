//! Which hosts are Azure DevOps', and which only look so.

use super::error::Error;
use super::spelling::{Cut, shown};

pub(super) const HOSTED_HOST: &str = "dev.azure.com";
pub(super) const HOSTED_SSH_HOST: &str = "ssh.dev.azure.com";
/// What an organization's own host ends in: the form from when the service was Visual Studio Team Services.
pub(super) const OWN_HOST_SUFFIX: &str = ".visualstudio.com";
/// The label before [`OWN_HOST_SUFFIX`] that is the old SSH host and never an organization.
pub(super) const OLD_SSH_LABEL: &str = "vs-ssh";

/// Why a host that is not exactly one of the hosted service's is refused.
pub(super) fn not_ours(cut: &Cut<'_>) -> Error {
    let resembles = |text: &str| {
        let text = skeleton(text);
        ["dev.azure.com", "visualstudio.com"].iter().any(|host| text.contains(host))
    };
    let host = shown(cut.host);
    if resembles(cut.host) {
        if cut.host.chars().any(|character| character.is_control() || "% \\".contains(character)) {
            return Error::Host { host };
        }
        return Error::Lookalike { host };
    }
    if cut.user.is_some_and(resembles) {
        Error::Lookalike { host }
    } else {
        Error::Foreign { host }
    }
}

/// A host with what is read as a Latin letter replaced by that letter (after Unicode TR 39; those that spell our
/// hosts), punycode decoded, and other dots taken for dots. Only to choose the message: what is not exactly a listed
/// host is refused either way.
fn skeleton(host: &str) -> String {
    let host = host.to_lowercase();
    let host = if host.contains("xn--") { url::quirks::domain_to_unicode(&host) } else { host };
    host.chars()
        .filter(|character| !matches!(u32::from(*character), 0x300..=0x36F | 0x200B..=0x200F | 0xAD | 0x2060 | 0xFEFF))
        .map(|character| match character {
            'а' | 'α' | 'ɑ' | 'à' | 'á' | 'ä' | 'ạ' | 'ａ' => 'a',
            'с' | 'ϲ' | 'ç' | 'ｃ' => 'c',
            'ԁ' | 'ɗ' | 'ｄ' => 'd',
            'е' | 'ё' | 'є' | 'è' | 'é' | 'ë' | 'ẹ' | 'ｅ' => 'e',
            'і' | 'ї' | 'ι' | 'ı' | 'í' | 'ｉ' | '1' => 'i',
            'ӏ' | 'ⅼ' | 'ｌ' => 'l',
            'м' | 'ｍ' => 'm',
            'о' | 'ο' | 'օ' | 'ö' | 'ó' | 'ｏ' | '0' => 'o',
            'г' | 'ｒ' => 'r',
            'ѕ' | 'ｓ' => 's',
            'т' | 'τ' | 'ｔ' => 't',
            'υ' | 'ս' | 'ü' | 'ú' | 'ｕ' => 'u',
            'ν' | 'ѵ' | 'ｖ' => 'v',
            'ᴢ' | 'ʐ' | 'ｚ' => 'z',
            '。' | '．' | '｡' => '.',
            other => other,
        })
        .collect()
}

/// LABEL of `LABEL.visualstudio.com`; exactly one.
pub(super) fn own_label(host: &str) -> Option<&str> {
    let at = host.len().checked_sub(OWN_HOST_SUFFIX.len())?;
    let suffix = host.get(at..)?;
    let label = &host[..at];
    let is_label = !label.is_empty()
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-');
    (suffix.eq_ignore_ascii_case(OWN_HOST_SUFFIX) && is_label).then_some(label)
}
