//! How a question looks and how its answer is typed.
//!
//! Menus are dialoguer's. Lines are read here, key by key, since dialoguer's `Input` hears neither
//! Escape nor Ctrl-D and its `Password` asks for ever at the end of input.

use std::{fmt, io};

use console::{Key, Term, measure_text_width, style, truncate_str};
use dialoguer::{FuzzySelect, Select, theme::Theme};
use secrecy::{SecretString, zeroize::Zeroizing};

use super::SECRET_LIMIT;
use crate::text::visible;

/// From here on a menu is searched by typing; below, arrows do.
const LONG_LIST: usize = 8;

/// Rows of a menu that are shown at a time; further ones scroll.
const ROWS: usize = 10;

/// A question whose answer is a line of text.
pub struct Question<'a> {
    /// What is asked for, without a colon: `Organization`.
    pub prompt: &'a str,
    /// What an empty answer means; without one an empty answer is asked again.
    pub default: Option<String>,
    /// The argument, flag or variable that answers it without a terminal: `ORG`, `--repo`.
    pub flag: &'a str,
    /// Says in a short sentence what is wrong with an answer; then it is asked again.
    pub validate: &'a dyn Fn(&str) -> Result<(), String>,
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prompt, default, flag, validate: _ } = self;
        f.debug_struct("Question")
            .field("prompt", prompt)
            .field("default", default)
            .field("flag", flag)
            .finish_non_exhaustive()
    }
}

/// What came of a line that was typed unseen.
#[derive(Debug)]
pub(super) enum Typed {
    Line(SecretString),
    Empty,
    /// Escape, Ctrl-D on an empty line, or the end of the terminal.
    Cancelled,
    NotText,
    TooLong,
}

/// How questions look: `? Organization: contoso`, before and after the answer. dialoguer's own
/// themes put a space before the colon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) color: bool,
}

impl Look {
    /// The front of every question's line. The prompt is shown visibly: it may hold a name from a
    /// URL.
    pub(super) fn heading(self, prompt: &str) -> String {
        format!("{} {}", self.accent("?"), visible(prompt))
    }

    /// The line that stays behind once a question is answered.
    pub(super) fn answered(self, prompt: &str, answer: &str) -> String {
        format!("{}: {}", self.heading(prompt), self.accent(&visible(answer)))
    }

    /// The line that stays behind once a yes or no is answered; such a prompt is a sentence of its
    /// own.
    pub(super) fn confirmed(self, prompt: &str, yes: bool) -> String {
        let answer = if yes { "yes" } else { "no" };
        format!("{} {}", self.heading(prompt), self.accent(answer))
    }

    /// Forced, since `console` would else look at the environment.
    fn accent(self, text: &str) -> String {
        style(text).cyan().force_styling(self.color).to_string()
    }
}

impl Theme for Look {
    fn format_prompt(&self, f: &mut dyn fmt::Write, prompt: &str) -> fmt::Result {
        write!(f, "{}:", self.heading(prompt))
    }

    fn format_select_prompt_item(
        &self,
        f: &mut dyn fmt::Write,
        text: &str,
        active: bool,
    ) -> fmt::Result {
        match active {
            true => write!(f, "{}", self.accent(&format!("> {text}"))),
            false => write!(f, "  {text}"),
        }
    }

    fn format_fuzzy_select_prompt(
        &self,
        f: &mut dyn fmt::Write,
        prompt: &str,
        search_term: &str,
        bytes_pos: usize,
    ) -> fmt::Result {
        let (before, after) = search_term.split_at(bytes_pos);
        write!(f, "{}: {before}|{after}", self.heading(prompt))
    }
}

/// Asks for a line; `None` if it was cancelled.
pub(super) fn ask_line(
    term: &Term,
    look: Look,
    prompt: &str,
    default: Option<&str>,
    width: usize,
) -> io::Result<Option<String>> {
    let heading = match default {
        Some(default) => format!("{} ({}): ", look.heading(prompt), visible(default)),
        None => format!("{}: ", look.heading(prompt)),
    };
    let room = width.saturating_sub(measure_text_width(&heading) + 1).max(10);
    let mut line = Line::default();
    loop {
        // Redrawn whole, and never wider than the terminal: nothing depends on how it wraps.
        let (shown, back) = line.window(room);
        term.write_str(&format!("\r\x1b[K{heading}{shown}"))?;
        term.move_cursor_left(back)?;
        term.flush()?;
        let key = term.read_key()?;
        swallow_rest(term, &key)?;
        match line.press(&key) {
            Pressed::More => continue,
            Pressed::Cancel => {
                term.write_line("")?;
                return Ok(None);
            }
            Pressed::Enter => {}
        }
        let text = line.text();
        let answer = match (text.trim(), default) {
            ("", None) => continue,
            ("", Some(default)) => default.to_owned(),
            (text, _) => text.to_owned(),
        };
        term.write_line(&format!("\r\x1b[K{}", look.answered(prompt, &answer)))?;
        return Ok(Some(answer));
    }
}

/// `console` gives up on a control sequence after three characters and would hand out the rest as
/// text: the `5D` of Ctrl-Left, the `0~` of the mark before a paste. Reads up to the byte that ends
/// one (ECMA-48, 5.4).
fn swallow_rest(term: &Term, key: &Key) -> io::Result<()> {
    let is_final = |c: &char| ('@'..='~').contains(c);
    if let Key::UnknownEscSeq(sequence) = key
        && let ['[', middle @ ..] = sequence.as_slice()
        && !middle.is_empty()
        && !middle.iter().any(is_final)
    {
        while let Key::Char(c) = term.read_key()? {
            if is_final(&c) {
                break;
            }
        }
    }
    Ok(())
}

/// Asks for a yes or no, answered by one key; `None` if it was cancelled.
pub(super) fn confirm(
    term: &Term,
    look: Look,
    prompt: &str,
    default: bool,
) -> io::Result<Option<bool>> {
    let keys = if default { "[Y/n]" } else { "[y/N]" };
    term.write_str(&format!("{} {keys} ", look.heading(prompt)))?;
    term.flush()?;
    let yes = loop {
        match term.read_key()? {
            Key::Char('y' | 'Y') => break true,
            Key::Char('n' | 'N') => break false,
            Key::Enter => break default,
            Key::Escape | Key::Char('\x04') => {
                term.write_line("")?;
                return Ok(None);
            }
            _ => {}
        }
    };
    term.write_line(&format!("\r\x1b[K{}", look.confirmed(prompt, yes)))?;
    Ok(Some(yes))
}

/// Shows a menu; `None` if it was cancelled. `term` is a terminal: `FuzzySelect` spins for ever on
/// anything else.
pub(super) fn choose(
    term: &Term,
    look: Look,
    prompt: &str,
    items: &[String],
    default: usize,
    width: usize,
) -> io::Result<Option<usize>> {
    // A line that wraps is not cleared whole.
    let room = width.saturating_sub(3).max(10);
    let shown: Vec<String> =
        items.iter().map(|item| truncate_str(&visible(item), room, "…").into_owned()).collect();
    let chosen = if items.len() < LONG_LIST {
        Select::with_theme(&look)
            .with_prompt(prompt)
            .items(&shown)
            .default(default)
            .report(false)
            .interact_on_opt(term)
            .map_err(io::Error::from)?
    } else {
        search(term, look, prompt, &shown, default)?
    };
    match chosen {
        Some(index) => term.write_line(&look.answered(prompt, &items[index]))?,
        None => term.write_line(&format!("{}: ", look.heading(prompt)))?,
    }
    Ok(chosen)
}

fn search(
    term: &Term,
    look: Look,
    prompt: &str,
    items: &[String],
    default: usize,
) -> io::Result<Option<usize>> {
    // `FuzzySelect` starts at the first row whatever the default: one beyond the last row would be
    // chosen unseen.
    let front = if default < ROWS { 0 } else { default };
    let order: Vec<usize> =
        std::iter::once(front).chain((0..items.len()).filter(|index| *index != front)).collect();
    // It also finds what was chosen by its text alone; a number tells twins apart.
    let listed: Vec<String> = order
        .iter()
        .enumerate()
        .map(|(row, index)| {
            let twins = order[..row].iter().filter(|other| items[**other] == items[*index]).count();
            match twins {
                0 => items[*index].clone(),
                _ => format!("{} ({})", items[*index], twins + 1),
            }
        })
        .collect();
    let chosen = FuzzySelect::with_theme(&look)
        .with_prompt(prompt)
        .items(&listed)
        .default(if front == 0 { default } else { 0 })
        .max_length(ROWS)
        .highlight_matches(false)
        .report(false)
        .interact_on_opt(term)
        .map_err(io::Error::from)?;
    Ok(chosen.map(|row| order[row]))
}

/// A line being typed.
#[derive(Debug, Default)]
struct Line {
    characters: Vec<char>,
    cursor: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Pressed {
    More,
    Enter,
    Cancel,
}

impl Line {
    /// The keys of Emacs and of the kernel's own line editing, as far as `console` tells them
    /// apart.
    fn press(&mut self, key: &Key) -> Pressed {
        match key {
            Key::Enter => return Pressed::Enter,
            Key::Escape => return Pressed::Cancel,
            Key::Char('\x04') if self.characters.is_empty() => return Pressed::Cancel,
            Key::Char('\x15') => {
                self.characters.drain(..self.cursor);
                self.cursor = 0;
            }
            Key::Char('\x17') => self.erase_word(),
            Key::Char('\x0b') => self.characters.truncate(self.cursor),
            Key::Char(c) if !c.is_control() => {
                self.characters.insert(self.cursor, *c);
                self.cursor += 1;
            }
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.characters.remove(self.cursor);
            }
            Key::Del | Key::Char('\x04') if self.cursor < self.characters.len() => {
                self.characters.remove(self.cursor);
            }
            Key::ArrowLeft => self.cursor = self.cursor.saturating_sub(1),
            Key::ArrowRight => self.cursor = (self.cursor + 1).min(self.characters.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.characters.len(),
            _ => {}
        }
        Pressed::More
    }

    fn erase_word(&mut self) {
        let before = &self.characters[..self.cursor];
        let word_end = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |at| at + 1);
        let word_start =
            before[..word_end].iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1);
        self.characters.drain(word_start..self.cursor);
        self.cursor = word_start;
    }

    fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// The part around the cursor that fits into `room` columns, and how many columns of it stand
    /// behind the cursor.
    fn window(&self, room: usize) -> (String, usize) {
        let columns = |c: &char| measure_text_width(c.encode_utf8(&mut [0; 4]));
        let mut start = self.cursor;
        let mut used = 0;
        while start > 0 && used + columns(&self.characters[start - 1]) <= room {
            start -= 1;
            used += columns(&self.characters[start]);
        }
        let mut end = self.cursor;
        let mut back = 0;
        while end < self.characters.len() && used + back + columns(&self.characters[end]) <= room {
            back += columns(&self.characters[end]);
            end += 1;
        }
        (self.characters[start..end].iter().collect(), back)
    }
}

/// A line being typed unseen, as bytes come from the terminal. Nothing of it is interpreted but the
/// keys that end or mend a line: the marks that a terminal puts around a paste (`ESC [200~`) are
/// the caller's to take off.
pub(super) struct HiddenLine(Zeroizing<Vec<u8>>);

// Windows reads whole lines.
#[cfg_attr(not(unix), allow(dead_code))]
impl HiddenLine {
    pub(super) fn new() -> Self {
        // Whole from the start: a vector that grows leaves copies of the secret behind.
        Self(Zeroizing::new(Vec::with_capacity(SECRET_LIMIT)))
    }

    /// Takes what one read returned; `None` while the line goes on. A lone Escape is the key;
    /// before anything else it begins a sequence.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Option<Typed> {
        if chunk == b"\x1b" {
            return Some(Typed::Cancelled);
        }
        for byte in chunk {
            match byte {
                b'\n' | b'\r' => return Some(self.end()),
                0x04 if self.0.is_empty() => return Some(Typed::Cancelled),
                0x08 | 0x7f => self.erase_character(),
                0x15 => self.0.clear(),
                _ if self.0.len() == SECRET_LIMIT => return Some(Typed::TooLong),
                byte => self.0.push(*byte),
            }
        }
        None
    }

    fn erase_character(&mut self) {
        while let Some(byte) = self.0.pop() {
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }

    fn end(&self) -> Typed {
        match str::from_utf8(&self.0) {
            Ok("") => Typed::Empty,
            Ok(line) => Typed::Line(SecretString::from(line)),
            Err(_) => Typed::NotText,
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn typed(keys: &[Key]) -> Line {
        let mut line = Line::default();
        for key in keys {
            assert_eq!(line.press(key), Pressed::More, "{key:?}");
        }
        line
    }

    fn keys(text: &str) -> Vec<Key> {
        text.chars()
            .map(|c| match c {
                '←' => Key::ArrowLeft,
                '→' => Key::ArrowRight,
                '⌫' => Key::Backspace,
                '⌦' => Key::Del,
                '⇤' => Key::Home,
                '⇥' => Key::End,
                _ => Key::Char(c),
            })
            .collect()
    }

    #[test]
    fn a_line_is_edited_where_the_cursor_stands() {
        let table = [
            ("contoso", "contoso"),
            ("contsoo⌫⌫⌫oso", "contoso"),
            ("cotoso←←←←n", "contoso"),
            ("←⌫xcontoso⇤⌦", "contoso"),
            ("ontoso⇤c⇥!", "contoso!"),
            ("→contoso→⌦", "contoso"),
            ("wrong\x15contoso", "contoso"),
            ("contoso and more⇤→→→→→→→\x0b", "contoso"),
            ("contoso fabrikam \x17x", "contoso x"),
            ("fabrikam\x17contoso", "contoso"),
            ("con\ttoso\x1f", "contoso"),
            ("xcontoso⇤\x04", "contoso"),
            ("日本⌫曜", "日曜"),
        ];
        for (input, expected) in table {
            assert_eq!(typed(&keys(input)).text(), expected, "{input:?}");
        }
    }

    #[test]
    fn escape_cancels_and_control_d_does_so_on_an_empty_line() {
        assert_eq!(typed(&keys("abc")).press(&Key::Escape), Pressed::Cancel);
        assert_eq!(typed(&keys("a")).press(&Key::Char('\x04')), Pressed::More);
        assert_eq!(typed(&keys("a⌫")).press(&Key::Char('\x04')), Pressed::Cancel);
    }

    #[test]
    fn a_line_wider_than_the_terminal_shows_what_is_around_the_cursor() {
        let table = [
            ("abcdef", 10, ("abcdef", 0)),
            ("abcdef", 4, ("cdef", 0)),
            ("abcdef⇤", 4, ("abcd", 4)),
            ("abcdef←", 4, ("bcde", 0)),
            ("abcdef⇤→", 4, ("abcd", 3)),
            ("日本語", 5, ("本語", 0)),
            ("日本語⇤", 5, ("日本", 4)),
            ("", 4, ("", 0)),
        ];
        for (input, room, (shown, back)) in table {
            assert_eq!(
                typed(&keys(input)).window(room),
                (shown.to_owned(), back),
                "{input:?} in {room}"
            );
        }
    }

    /// Feeds one chunk after the other and tells how it ended.
    fn hidden(chunks: &[&[u8]]) -> String {
        let mut line = HiddenLine::new();
        for chunk in chunks {
            match line.feed(chunk) {
                None => {}
                Some(Typed::Line(secret)) => return secret.expose_secret().to_owned(),
                Some(other) => return format!("{other:?}"),
            }
        }
        "more".to_owned()
    }

    #[test]
    fn a_line_typed_unseen_is_what_came_before_enter() {
        let table: [(&[&[u8]], &str); 15] = [
            (&[b"tok", b"en\n"], "token"),
            (&[b"token\rrest"], "token"),
            (&[b"token"], "more"),
            (&[b" token \n"], " token "),
            (&[b"\x1b[200~token\x1b[201~", b"\n"], "\x1b[200~token\x1b[201~"),
            (&[b"tokem\x7fn\n"], "token"),
            (&[b"tokem\x08n\n"], "token"),
            (&["toké\x7fen\n".as_bytes()], "token"),
            (&[b"\x7fwrong\x15token\n"], "token"),
            (&[b"tok\x04en\n"], "tok\x04en"),
            (&[b"\n"], "Empty"),
            (&[b"\x04"], "Cancelled"),
            (&[b"tok", b"\x1b"], "Cancelled"),
            (&[b"tok\xff\n"], "NotText"),
            (&[&[b'a'; SECRET_LIMIT], b"a"], "TooLong"),
        ];
        for (chunks, expected) in table {
            assert_eq!(hidden(chunks), expected, "{chunks:?}");
        }
    }
}
