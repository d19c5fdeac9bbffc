//! Text that others wrote, made fit to be shown.
//!
//! A server's message, a project's name, a URL in somebody's repository: each may carry escape codes that retitle
//! or clear a terminal, a carriage return that overwrites what stood there, or characters that turn the reading
//! direction (CVE-2024-52005, CVE-2024-50349, CVE-2021-42574). What is printed goes through here first, whether
//! stdout is a terminal or not: a log is read on one later.

use std::fmt::Write as _;

/// What stands where something was left out.
const CUT: char = '…';

/// Makes `text` safe to show on one line.
///
/// Control characters (C0, DEL, C1), line and paragraph separators, and characters that are invisible or change the
/// reading direction become `\n`, `\r`, `\x1b` or `\u{202e}`; a tab becomes a blank. All else, backslashes too, stays:
/// the result is for eyes, and can't be turned back.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        push_visible(&mut shown, character);
    }
    shown
}

/// [`visible`], for bytes that ought to be UTF-8: each sequence that is not becomes U+FFFD.
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible(&String::from_utf8_lossy(bytes))
}

/// [`visible`], in no more than `limit` characters; what is cut ends in `…`, and no escape is cut in two.
///
/// Reads no further than it shows, so a megabyte without a newline costs nothing.
pub fn visible_within(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    // Where to cut back to, so that the mark of the cut still fits.
    let mut room_for_mark = 0;
    for character in text.chars() {
        let start = shown.len();
        push_visible(&mut shown, character);
        length += shown[start..].chars().count();
        if length > limit {
            shown.truncate(room_for_mark);
            if limit > 0 {
                shown.push(CUT);
            }
            return shown;
        }
        if length < limit {
            room_for_mark = shown.len();
        }
    }
    shown
}

/// The lines of `text`, each as [`visible_within`] `columns` characters; after `count` lines one `…` stands for the rest.
///
/// A line ends at LF or CR LF. A CR alone ends nothing: it is how one line hides another. Empty lines at the end
/// are no lines.
pub fn lines(text: &str, count: usize, columns: usize) -> impl Iterator<Item = String> {
    let text = text.trim_end_matches(['\r', '\n']);
    let mut rest = (!text.is_empty()).then(|| text.split('\n')).into_iter().flatten();
    let mut taken = 0;
    std::iter::from_fn(move || {
        if taken > count {
            return None;
        }
        let line = rest.next()?;
        taken += 1;
        if taken > count {
            return Some(CUT.to_string());
        }
        Some(visible_within(line.strip_suffix('\r').unwrap_or(line), columns))
    })
}

fn push_visible(shown: &mut String, character: char) {
    match character {
        '\t' => shown.push(' '),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        // Writing to a String can't fail.
        control if control.is_control() => drop(write!(shown, "\\x{:02x}", u32::from(control))),
        hidden if is_hidden(hidden) => drop(write!(shown, "\\u{{{:x}}}", u32::from(hidden))),
        other => shown.push(other),
    }
}

/// Whether a character shows nothing or moves others: Unicode's Default_Ignorable_Code_Point and Bidi_Control, the
/// separators, interlinear annotation, musical and shorthand formats, and noncharacters.
///
/// The variation selectors of emoji (U+FE00–FE0F) stay, since honest text is full of them.
fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    matches!(code,
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164
        | 0xFDD0..=0xFDEF | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
        || code & 0xFFFE == 0xFFFE
}

/// A word as a shell takes it: in single quotes where it needs any (POSIX, 2.2.2 Single-Quotes).
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    let word = visible(word);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_move_the_cursor_or_hide_is_shown_as_an_escape() {
        for (given, shown) in [
            ("plain", "plain"),
            ("Grüße, 世界 ⚠\u{fe0f} 🎉", "Grüße, 世界 ⚠\u{fe0f} 🎉"),
            ("C:\\folder", "C:\\folder"),
            ("a\tb", "a b"),
            ("\0", "\\x00"),
            ("\u{1b}]0;owned\u{7}", "\\x1b]0;owned\\x07"),
            ("\u{1b}[2J", "\\x1b[2J"),
            ("over\rwritten\u{8}", "over\\rwritten\\x08"),
            ("a\nb", "a\\nb"),
            ("\u{7f}\u{9b}\u{9d}", "\\x7f\\x9b\\x9d"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            (
                "\u{202a}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}",
                "\\u{202a}\\u{2066}\\u{2069}\\u{200e}\\u{200f}\\u{61c}",
            ),
            (
                "a\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}b",
                "a\\u{200b}\\u{200c}\\u{200d}\\u{2060}\\u{feff}b",
            ),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("soft\u{ad}hyphen", "soft\\u{ad}hyphen"),
            ("\u{e0041}\u{fffe}\u{10ffff}", "\\u{e0041}\\u{fffe}\\u{10ffff}"),
            ("\u{fff9}a\u{fffb}\u{3164}", "\\u{fff9}a\\u{fffb}\\u{3164}"),
        ] {
            assert_eq!(visible(given), shown);
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        assert_eq!(visible_bytes(b"a\xff\x1b[0m\xc2\x9b"), "a\u{fffd}\\x1b[0m\\x9b");
    }

    #[test]
    fn long_text_is_cut_with_a_mark_and_never_inside_an_escape() {
        for (given, limit, shown) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("ab\u{1b}", 6, "ab\\x1b"),
            ("ab\u{1b}", 5, "ab…"),
            ("ab\u{1b}c", 6, "ab…"),
            ("\u{1b}\u{1b}", 4, "…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("", 0, ""),
        ] {
            assert_eq!(visible_within(given, limit), shown, "{given:?} within {limit}");
        }
        assert_eq!(visible_within(&"x".repeat(1 << 20), 10), "xxxxxxxxx…");
    }

    #[test]
    fn lines_are_bounded_in_number_and_length() {
        let all = |text, count, columns| lines(text, count, columns).collect::<Vec<_>>();
        assert_eq!(all("", 5, 5), [""; 0]);
        assert_eq!(all("\r\n\n", 5, 5), [""; 0]);
        assert_eq!(all("one\r\ntwo\n", 5, 5), ["one", "two"]);
        assert_eq!(all("one\n\ntwo", 5, 5), ["one", "", "two"]);
        assert_eq!(all("a\rb\nlonger line", 5, 5), ["a\\rb", "long…"]);
        assert_eq!(all("1\n2\n3\n4", 2, 5), ["1", "2", "…"]);
        assert_eq!(all("1\n2", 2, 5), ["1", "2"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_visible_needs_to_be_made_visible_again(text in any::<String>(), limit in 0usize..40) {
            let shown = visible(&text);
            prop_assert_eq!(visible(&shown), shown);
            prop_assert!(visible_within(&text, limit).chars().count() <= limit);
            prop_assert!(lines(&text, 3, limit).count() <= 4);
        }
    }
}
