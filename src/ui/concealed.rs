//! The second net under the secrets of a run: whatever is printed, they are not in it.
//!
//! The first net is their type, which prints nothing. But a server can send back what it was sent,
//! in a message, a title, a redirect, a line of the side band; all of that is foreign text, and it
//! is printed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// Bytes of a secret that are recognised. A shorter text would be too likely an ordinary word: a
/// person who types the organization's name in place of the token still wants to read that name.
const PIECE: usize = 12;

/// What stands for a secret.
const STARS: &str = "***";

/// What a URL's query shows as it is (RFC 3986, section 2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Secrets that no text may hold, whole or in part: a message may be cut in the middle of one.
///
/// Of each is kept a keyed hash of every piece of it, in the forms in which it travels, so that the
/// net itself holds nothing that could leak.
#[derive(Debug, Default)]
pub(super) struct Concealed {
    key: RandomState,
    pieces: Mutex<HashSet<u64>>,
}

impl Concealed {
    /// Keeps a secret out of all text from now on.
    pub(super) fn add(&self, secret: &SecretString) {
        let mut pieces = self.pieces();
        for form in forms(secret.expose_secret().trim().as_bytes()) {
            pieces.extend(form.windows(PIECE).map(|piece| self.key.hash_one(piece)));
        }
    }

    /// The text, with stars for each part of it that belongs to a secret.
    pub(super) fn conceal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let pieces = self.pieces();
        let mut shown = Vec::new();
        // What was copied or starred so far, and where the stars end.
        let (mut done, mut end) = (0, 0);
        for (at, piece) in text.as_bytes().windows(PIECE).enumerate() {
            if pieces.is_empty() || !pieces.contains(&self.key.hash_one(piece)) {
                continue;
            }
            if at >= end {
                shown.extend_from_slice(&text.as_bytes()[done..at]);
                shown.extend_from_slice(STARS.as_bytes());
            }
            end = at + PIECE;
            done = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        shown.extend_from_slice(&text.as_bytes()[done..]);
        // A piece may begin or end within a character, if the secret is not ASCII.
        Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        // A set is whole between two of its own calls.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The forms in which a secret travels: plain, escaped for a URL, and in base64, whatever stands
/// before it there (`user:secret`).
fn forms(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![
        Zeroizing::new(secret.to_vec()),
        Zeroizing::new(percent_encode(secret, &RESERVED).to_string().into_bytes()),
    ];
    for before in 0..3 {
        let text = Zeroizing::new([&vec![0; before][..], secret].concat());
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = Zeroizing::new(alphabet.encode(&*text));
            // The characters at both ends also hold bits of what stands beside it.
            let first = [0, 2, 3][before];
            let last = encoded.len() - usize::from(text.len() % 3 != 0);
            forms.push(Zeroizing::new(encoded.as_bytes()[first.min(last)..last].to_vec()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "s3cr+t/with.some-42~characters";

    fn concealed(secret: &str) -> Concealed {
        let concealed = Concealed::default();
        concealed.add(&secret.to_owned().into());
        concealed
    }

    #[test]
    fn a_secret_is_concealed_in_every_form_in_which_it_travels() {
        let concealed = concealed(SECRET);
        for (text, shown) in [
            (SECRET.to_owned(), "***".to_owned()),
            (format!("token {SECRET}, again {SECRET}"), "token ***, again ***".to_owned()),
            ("s3cr%2Bt%2Fwith.some-42~characters".to_owned(), "***".to_owned()),
            (STANDARD.encode(SECRET), "***".to_owned()),
            ("nothing of it".to_owned(), "nothing of it".to_owned()),
            ("Grüße: s3cr+t/with.some-42~charactersß".to_owned(), "Grüße: ***ß".to_owned()),
        ] {
            assert_eq!(concealed.conceal(&text), shown, "{text}");
        }
    }

    #[test]
    fn the_base64_of_a_pair_is_concealed_whatever_the_user_is() {
        let concealed = concealed(SECRET);
        for user in ["", "a", "ad", "ada", "ada@contoso.com"] {
            for end in ["", "x", "xy"] {
                let pair = format!("{user}:{SECRET}{end}");
                for encoded in [STANDARD.encode(&pair), URL_SAFE_NO_PAD.encode(&pair)] {
                    let shown = concealed.conceal(&encoded);
                    // Of the secret, no more is left than the bits that share a character.
                    assert!(shown.contains(STARS), "{pair}");
                    assert!(shown.len() <= STARS.len() + user.len() * 4 / 3 + 8, "{shown}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_secret_is_concealed_too() {
        let concealed = concealed(SECRET);
        assert_eq!(concealed.conceal(&SECRET[3..]), "***");
        assert_eq!(concealed.conceal(&format!("{}…", &SECRET[..20])), "***…");
        assert_eq!(concealed.conceal(&SECRET[..PIECE]), "***");
        assert_eq!(concealed.conceal(&SECRET[..PIECE - 1]), &SECRET[..PIECE - 1]);
    }

    #[test]
    fn what_surrounds_a_pasted_secret_is_no_part_of_it() {
        let concealed = concealed(&format!("\u{1b}[200~{SECRET}\u{1b}[201~\r\n"));
        assert_eq!(concealed.conceal(&format!("<{SECRET}>")), "<***>");
        assert_eq!(
            concealed.conceal(&STANDARD.encode(format!(":{SECRET}"))).matches("***").count(),
            1
        );
    }

    #[test]
    fn a_word_typed_in_place_of_a_token_can_still_be_read() {
        let text = "contoso did not accept the sign-in";
        assert_eq!(concealed("contoso").conceal(text), text);
        assert_eq!(Concealed::default().conceal(text), text);
    }

    #[test]
    fn a_secret_that_is_no_ascii_does_no_harm() {
        let concealed = concealed("ßßßßßßßßßßßß");
        assert!(!concealed.conceal("a ßßßßßßßßßßßß b").contains('ß'));
        assert_eq!(concealed.conceal("Grüße an alle Leute"), "Grüße an alle Leute");
    }
}
