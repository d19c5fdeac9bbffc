//! Where git's global configuration says that `git vsts` is the credential helper of an organization.
//!
//! The file is the user's. What we write stands at its end, each section marked by a comment, so that it can be told
//! from everything else and taken back byte for byte. An empty helper comes first: it ends the list of helpers before
//! it for that organization alone (gitcredentials(7)), so that whatever serves other organizations goes on doing so.

mod file;
#[cfg(unix)]
mod owner;
mod program;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::text::visible;

pub use file::GlobalFile;
pub use program::{Program, Spot};

/// Why git's configuration was left as it is, or `git vsts` can't be named in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no home directory that the file could be in.
    #[error("there is no home directory for git's global configuration")]
    NoHome,
    /// Something that is no file stands in its place.
    #[error("git's global configuration is {path}, which is no file")]
    NoFile {
        /// The path, made visible.
        path: String,
    },
    /// `GIT_CONFIG_GLOBAL` names something that is no file, such as `/dev/null` (git-config(1), "ENVIRONMENT").
    #[error("git's global configuration is {path}, which is no file")]
    NamedNoFile {
        /// The path, made visible.
        path: String,
    },
    /// `GIT_CONFIG_GLOBAL` is empty: git opens a file without a name, and finds none.
    #[error("git reads no global configuration, since `GIT_CONFIG_GLOBAL` is empty")]
    SwitchedOff,
    /// It could not be read.
    #[error("{path} can't be read")]
    Unreadable {
        /// The path, made visible.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It, or its folder, may not be written.
    #[error("{path} can't be written")]
    Unwritable {
        /// The path, made visible.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its owner has taken the right to write it away.
    #[error("{path} is read-only")]
    ReadOnly {
        /// The path, made visible.
        path: String,
    },
    /// Another program is at work on it, or was stopped in the middle.
    #[error("{path} is locked by {path}.lock")]
    Locked {
        /// The path, made visible.
        path: String,
    },
    /// It is in an encoding that git does not read.
    #[error("{path} is not text that git can read: it looks like UTF-16")]
    Encoding {
        /// The path, made visible.
        path: String,
    },
    /// git can't read what is in it.
    #[error("git can't read {path}")]
    Malformed {
        /// The path, made visible.
        path: String,
        /// What git said, made visible.
        said: String,
    },
    /// git would understand the file otherwise than it is meant, so it was not written.
    #[error("{path} ends in the middle of a line that goes on, so nothing can be put at its end")]
    Unfinished {
        /// The path, made visible.
        path: String,
    },
    /// The program's path has a character that a line of the configuration can't hold.
    #[error("the path of this program has a character that git's configuration can't hold: {path}")]
    Character {
        /// The path, made visible.
        path: String,
    },
    /// The file of the program is no longer there.
    #[error("{path} is no longer there")]
    Gone {
        /// The path, made visible.
        path: String,
    },
    /// Somebody else could put another program in its place.
    #[error("others than its owner can write {path}")]
    WritableByOthers {
        /// The file or the folder, made visible.
        path: String,
    },
    /// It is neither this user's nor root's, so that its owner can do with it as they like.
    #[error("{path} belongs to somebody else")]
    SomebodyElses {
        /// The file, the folder or the link, made visible.
        path: String,
    },
}

/// Where a section's marking comment begins.
const MARK: &str = "\t# Written by `git vsts setup";
/// The option that made a section for a whole host.
const WHOLE: &str = " --all-organizations";
/// What a mark says where the file had no line end at its end before, so that one was added; the line's [`hash`] in
/// brackets follows.
const LINE_END: &str = ", with the line end above";
/// How a mark ends.
const MARK_END: &str = "; `git vsts setup --undo` takes it back";
const EMPTY_HELPER: &str = "\thelper =";
const USE_PATH: &str = "\tuseHttpPath = true";

/// Of which kind a section of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One organization, by one of its addresses.
    Organization,
    /// Every organization of a host.
    Host,
}

/// What a section of ours serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The URL in its name.
    pub url: String,
    /// Of which kind it is.
    pub reach: Reach,
}

/// The content of a configuration file, and the sections of ours in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Vec<u8>>,
}

/// A section of ours, by its lines.
struct Found {
    section: Section,
    header: usize,
    /// The line after its last one.
    end: usize,
    /// Its lines that are as we wrote them, the header aside.
    ours: Vec<usize>,
    /// The helper's value, if that line is as we wrote it.
    helper: Option<Vec<u8>>,
    /// The hash of the line before that got its line end from us.
    ended: Option<String>,
    /// Whether somebody else set something in it.
    is_shared: bool,
}

impl Text {
    /// The text of a file.
    pub fn new(bytes: &[u8]) -> Self {
        Self { lines: bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() }
    }

    /// What the file is to hold.
    pub fn into_bytes(self) -> Vec<u8> {
        self.lines.concat()
    }

    /// Every section of ours.
    pub fn sections(&self) -> Vec<Section> {
        self.found().into_iter().map(|found| found.section).collect()
    }

    /// Puts a section at the end, unless it is there with this helper.
    pub fn add(&mut self, section: &Section, helper: &[u8]) {
        let is_there = |found: &Found| {
            found.section == *section
                && found.helper.as_deref() == Some(helper)
                && found.ours.len() == 4
        };
        if !self.found().iter().any(is_there) {
            self.renew(section, helper);
        }
    }

    /// Puts a section at the end, where no other follows it.
    pub fn renew(&mut self, section: &Section, helper: &[u8]) {
        self.remove(|met| met.url == section.url);
        let line_end = self.line_end();
        let unfinished = self.lines.last_mut().filter(|last| !last.ends_with(b"\n"));
        let ended = unfinished.map(|last| {
            let hash = hash(last);
            last.extend(line_end);
            hash
        });
        let mark = mark(section.reach, ended.as_deref());
        let mut line = |line: &[u8]| self.lines.push([line, line_end].concat());
        line(&header(&section.url));
        line(mark.as_bytes());
        line(EMPTY_HELPER.as_bytes());
        line(&[b"\thelper = ", &quoted(helper)[..]].concat());
        line(USE_PATH.as_bytes());
    }

    /// Takes out the sections of ours that are chosen, and says whether there was one. What somebody else put into one
    /// stays, in a section of its name.
    pub fn remove(&mut self, chosen: impl Fn(&Section) -> bool) -> bool {
        let mut any = false;
        // From the end, so that the numbers of the lines before stay.
        for found in self.found().into_iter().rev().filter(|found| chosen(&found.section)) {
            any = true;
            for line in found.ours.iter().rev() {
                self.lines.remove(*line);
            }
            if !found.is_shared {
                self.lines.remove(found.header);
                if let Some(ended) = &found.ended {
                    self.take_line_end_back(found.header, ended);
                }
            }
        }
        any
    }

    /// Takes the line end back that was added before a section of ours that is gone. What stands there now needs it, so
    /// another section of ours remembers it. The end of any other line than that which got it is not ours to take.
    fn take_line_end_back(&mut self, at: usize, ended: &str) {
        let Some(before) = at.checked_sub(1) else { return };
        let line = &self.lines[before];
        // A carriage return can have been the line's own, or have come with the line end.
        let mut lengths = split_line_end(line).0.len()..line.len();
        let Some(length) = lengths.find(|length| hash(&line[..*length]) == ended) else { return };
        if at == self.lines.len() {
            self.lines[before].truncate(length);
        } else if let Some(next) = self.found().into_iter().find(|found| found.header == at) {
            let mark = mark(next.section.reach, Some(ended));
            let line_end = split_line_end(&self.lines[at + 1]).1;
            self.lines[at + 1] = [mark.as_bytes(), line_end].concat();
        }
    }

    /// How lines end here, as editors tell it: as on Windows where all of them do.
    fn line_end(&self) -> &'static [u8] {
        let mut ended = self.lines.iter().filter(|line| line.ends_with(b"\n")).peekable();
        match ended.peek().is_some() && ended.all(|line| line.ends_with(b"\r\n")) {
            true => b"\r\n",
            false => b"\n",
        }
    }

    /// The lines, from 1, that name `git vsts` as a helper and are in no section of ours.
    pub fn written_by_others(&self) -> Vec<usize> {
        let ours: Vec<usize> = self.found().into_iter().flat_map(|found| found.ours).collect();
        let is_theirs = |at: &usize| !ours.contains(at) && names_this_program(&self.lines[*at]);
        (0..self.lines.len()).filter(is_theirs).map(|at| at + 1).collect()
    }

    /// Whether nothing follows the sections of ours.
    pub fn is_last(&self, url: &str) -> bool {
        let found = self.found();
        let Some(first) = found.iter().position(|found| found.section.url == url) else {
            return false;
        };
        let mut end = found[first].end;
        for next in &found[first + 1..] {
            if next.header != end {
                return false;
            }
            end = next.end;
        }
        end == self.lines.len()
    }

    fn found(&self) -> Vec<Found> {
        let mut all = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let Some(url) = url_of(line) else { continue };
            let Some((reach, ended)) = self.lines.get(at + 1).and_then(|it| read_mark(it)) else {
                continue;
            };
            let mut found = Found {
                section: Section { url, reach },
                header: at,
                end: at + 1,
                ours: Vec::new(),
                helper: None,
                ended,
                is_shared: false,
            };
            for (index, line) in self.lines.iter().enumerate().skip(at + 1) {
                let text = line.trim_ascii();
                if text.starts_with(b"[") {
                    break;
                }
                found.read(index, line);
            }
            all.push(found);
        }
        all
    }
}

impl Found {
    fn read(&mut self, index: usize, line: &[u8]) {
        let text = split_line_end(line).0;
        let is_mark = index == self.header + 1;
        let helper = text.strip_prefix(b"\thelper = ").and_then(unquoted);
        let is_ours = match helper {
            Some(helper) if self.helper.is_none() && helper.ends_with(b" credential") => {
                self.helper = Some(helper);
                true
            }
            _ => is_mark || text == EMPTY_HELPER.as_bytes() || text == USE_PATH.as_bytes(),
        };
        if is_ours && self.ours.len() < 4 {
            self.ours.push(index);
            self.end = index + 1;
        } else if !is_remark(text) {
            self.is_shared = true;
        }
    }
}

/// Whether a line says nothing to git.
fn is_remark(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || line.starts_with(b"#") || line.starts_with(b";")
}

/// A line without its end, and that. An editor, or git itself (`core.autocrlf`), may have made it one of Windows.
fn split_line_end(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    line.split_at(text.unwrap_or(line).len())
}

/// What tells a line from others: the first 32 bits of its SHA-256, in hexadecimal digits.
fn hash(line: &[u8]) -> String {
    Sha256::digest(line).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn mark(reach: Reach, ended: Option<&str>) -> String {
    let whole = if reach == Reach::Host { WHOLE } else { "" };
    let line_end = ended.map(|hash| format!("{LINE_END} ({hash})")).unwrap_or_default();
    format!("{MARK}{whole}`{line_end}{MARK_END}")
}

fn read_mark(line: &[u8]) -> Option<(Reach, Option<String>)> {
    let line = std::str::from_utf8(split_line_end(line).0).ok()?;
    let ended = line.split_once(LINE_END).and_then(|(_, rest)| rest.get(2..10));
    let reaches = [Reach::Organization, Reach::Host].into_iter();
    let mut read = reaches.map(|reach| (reach, ended.map(str::to_owned)));
    read.find(|(reach, ended)| line == mark(*reach, ended.as_deref()))
}

/// Whether a line sets a helper that runs this program, by whatever name and in whatever quotes.
fn names_this_program(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).to_lowercase();
    let Some((name, value)) = text.split_once('=') else { return false };
    let name = name.rsplit(']').next().unwrap_or_default().trim();
    let value: String = value.chars().filter(|it| !matches!(it, '"' | '\'' | '\\')).collect();
    let value = value.trim().trim_start_matches('!').replace(".exe ", " ");
    let words: Vec<&str> = value.split_whitespace().collect();
    let is_program = words.iter().any(|word| word.ends_with("git-vsts"))
        || words.windows(2).any(|pair| pair[0].ends_with("git") && pair[1] == "vsts");
    name == "helper" && is_program && words.last() == Some(&"credential")
}

/// `[credential "URL"]` (git-config(1), "Syntax").
fn header(url: &str) -> Vec<u8> {
    format!("[credential \"{}\"]", url.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes()
}

fn url_of(line: &[u8]) -> Option<String> {
    let line = split_line_end(line).0;
    let name = line.strip_prefix(b"[credential \"")?.strip_suffix(b"\"]")?;
    let url = String::from_utf8(unquoted(&[b"\"", name, b"\""].concat())?).ok()?;
    (header(&url) == line).then_some(url)
}

/// A value of the configuration in quotes, so that nothing in it ends it (git-config(1), "Syntax").
fn quoted(value: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

/// What [`quoted`] was given, and none for what it does not write.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        value.push(if byte == b'\\' { bytes.next()? } else { byte });
    }
    (quoted(&value) == text).then_some(value)
}

/// The line of a configuration file, from 1, where the how manyth variable of a name (from 0) is set.
pub fn line_of(file: &[u8], name: &str, nth: usize) -> Option<usize> {
    let sets = |line: &&[u8]| {
        let text = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
        // A variable may stand behind its section's name.
        let text = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((_, rest)) => rest.trim_start(),
            None => &text,
        };
        let rest = text.strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', '#', ';']))
    };
    let lines = file.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| sets(line)).nth(nth).map(|(index, _)| index + 1)
}

fn shown(path: &std::path::Path) -> String {
    visible(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELPER: &[u8] = b"!'/opt/it''s/git-vsts' credential";

    fn section(url: &str) -> Section {
        Section { url: url.to_owned(), reach: Reach::Organization }
    }

    fn added(before: &str, urls: &[&str]) -> Text {
        let mut text = Text::new(before.as_bytes());
        urls.iter().for_each(|url| text.add(&section(url), HELPER));
        text
    }

    fn shown(text: &Text) -> String {
        String::from_utf8(text.clone().into_bytes()).unwrap()
    }

    const CONTOSO: &str = "https://dev.azure.com/contoso";
    const FABRIKAM: &str = "https://dev.azure.com/fabrikam";

    #[test]
    fn a_section_stands_at_the_end_and_says_whose_it_is() {
        assert_eq!(
            shown(&added("[user]\n\tname = Ada", &[CONTOSO])),
            "[user]\n\tname = Ada\n\
             [credential \"https://dev.azure.com/contoso\"]\n\
             \t# Written by `git vsts setup`, with the line end above (4d7cd2f2); `git vsts setup --undo` takes it back\n\
             \thelper =\n\
             \thelper = \"!'/opt/it''s/git-vsts' credential\"\n\
             \tuseHttpPath = true\n"
        );
    }

    #[test]
    fn what_was_added_goes_again_byte_for_byte_in_any_order() {
        for before in [
            "",
            "\n",
            "[a]\n",
            "[a]\n\tb = c",
            "[a]\r\n\tb = c\r\n",
            "[a]\r\nb",
            "[a]\r",
            "\u{feff}# x\n\n",
        ] {
            for first in [CONTOSO, FABRIKAM] {
                let mut text = added(before, &[CONTOSO, FABRIKAM]);
                let again = added(&shown(&text), &[CONTOSO, FABRIKAM]);
                assert_eq!(again, text, "{before:?}");
                assert_eq!(text.sections(), [section(CONTOSO), section(FABRIKAM)]);
                assert!(text.remove(|met| met.url == first));
                assert_eq!(text.sections().len(), 1);
                assert!(text.remove(|_| true));
                assert_eq!(shown(&text), before, "{first}");
                assert!(!text.remove(|_| true));
            }
        }
    }

    #[test]
    fn a_line_end_is_taken_back_from_the_line_alone_that_got_it() {
        let own = shown(&added("[a]", &[CONTOSO, FABRIKAM]));
        for (changed, left) in [
            (own.replacen("[a]\n", "[a]\n[b]\n", 1), "[a]\n[b]\n"),
            (own.replacen("[a]\n", "[b]\n", 1), "[b]\n"),
            (own.replacen("[a]\n", "", 1), ""),
            (own.replacen("[a]\n", "[a]\n\n", 1), "[a]\n\n"),
            (format!("{own}[b]\n"), "[a]\n[b]\n"),
            (own, "[a]"),
        ] {
            let mut text = Text::new(changed.as_bytes());
            assert!(text.remove(|_| true));
            assert_eq!(shown(&text), left, "{changed}");
        }
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let before = "[a]\r\n\tb = c";
        let own = added(before, &[CONTOSO, FABRIKAM]);
        assert_eq!(shown(&own).replace("\r\n", "").matches(['\r', '\n']).count(), 0);
        // Somebody's editor has changed them all.
        for (before, windows) in
            [("[a]\n", true), ("[a]", true), ("[a]\r\n", false), ("[a]\r\nb", false)]
        {
            let text = shown(&added(before, &[CONTOSO, FABRIKAM]));
            let converted = |text: &str| match windows {
                true => text.replace('\n', "\r\n"),
                false => text.replace("\r\n", "\n"),
            };
            let text = converted(&text);
            assert_eq!(shown(&added(&text, &[CONTOSO, FABRIKAM])), text);
            let mut text = Text::new(text.as_bytes());
            assert_eq!(text.sections(), [section(CONTOSO), section(FABRIKAM)]);
            assert!(text.remove(|_| true));
            assert_eq!(shown(&text), converted(before));
        }
    }

    #[test]
    fn lines_that_somebody_wrote_to_run_this_program_are_found() {
        let mut text = added("", &[CONTOSO]);
        assert_eq!(text.written_by_others(), [0; 0]);
        let lines = [
            "[credential \"https://dev.azure.com\"]",
            "\thelper = \"!'/usr/bin/git-vsts' credential\"",
            "\thelper = !git vsts credential",
            "[credential] HELPER=/opt/git-vsts credential\r",
            "\thelper = \"!'C:/x y/git-vsts.exe' credential\"",
            "\thelper = !git-vsts status",
            "\thelper = store",
            "\t# helper = !git vsts credential",
            "\tusername = git-vsts credential",
        ];
        text = Text::new(format!("{}\n{}", lines.join("\n"), shown(&text)).as_bytes());
        assert_eq!(text.written_by_others(), [2, 3, 4, 5]);
    }

    #[test]
    fn what_somebody_else_wrote_stays() {
        let mut text = added("[a]", &[CONTOSO]);
        let own = shown(&text);
        for (changed, left) in [
            (format!("{own}[b]\n"), "[a]\n[b]\n".to_owned()),
            (format!("{own}\n# mine\n[b]\n"), "[a]\n\n# mine\n[b]\n".to_owned()),
            (
                format!("{own}\tusername = ada\n"),
                format!("[a]\n[credential \"{CONTOSO}\"]\n\tusername = ada\n"),
            ),
            (
                own.replace("useHttpPath = true", "useHttpPath = false"),
                format!("[a]\n[credential \"{CONTOSO}\"]\n\tuseHttpPath = false\n"),
            ),
            (
                own.replace("' credential\"", "' credential --mine\""),
                format!(
                    "[a]\n[credential \"{CONTOSO}\"]\n\thelper = \"!'/opt/it''s/git-vsts' credential --mine\"\n"
                ),
            ),
            (own.replace("\t# Written", "\t# Touched"), own.replace("\t# Written", "\t# Touched")),
        ] {
            text = Text::new(changed.as_bytes());
            text.remove(|_| true);
            assert_eq!(shown(&text), left, "{changed}");
        }
    }

    #[test]
    fn another_helper_replaces_ours_and_a_section_can_be_made_the_last_again() {
        let mut text = added("", &[CONTOSO, FABRIKAM]);
        assert!(text.is_last(CONTOSO) && text.is_last(FABRIKAM));
        text.add(&section(CONTOSO), b"!'/new/git-vsts' credential");
        assert_eq!(text.sections(), [section(FABRIKAM), section(CONTOSO)]);
        assert_eq!(shown(&text).matches("it''s").count(), 1);
        let mut followed =
            Text::new(format!("{}[credential]\n\thelper = store\n", shown(&text)).as_bytes());
        assert!(!followed.is_last(CONTOSO));
        followed.renew(&section(CONTOSO), HELPER);
        assert!(followed.is_last(CONTOSO));
        assert!(!followed.is_last(FABRIKAM));
        assert!(!followed.is_last("https://dev.azure.com/other"));
    }

    #[test]
    fn a_section_for_a_whole_host_is_told_from_one_for_an_organization() {
        let mut text = Text::new(b"");
        let host = Section { url: "https://dev.azure.com".to_owned(), reach: Reach::Host };
        text.add(&host, HELPER);
        text.add(&section(CONTOSO), HELPER);
        assert_eq!(text.sections(), [host, section(CONTOSO)]);
        assert!(text.remove(|met| met.reach == Reach::Organization));
        assert_eq!(text.sections().len(), 1);
    }

    #[test]
    fn the_line_of_a_setting_is_found() {
        let file =
            b"[credential]\n\thelper = a\n\thelpers = b\n# helper = c\n[x] HELPER\n[y]helper=d\n";
        let lines: Vec<_> = (0..4).map(|nth| line_of(file, "helper", nth)).collect();
        assert_eq!(lines, [Some(2), Some(5), Some(6), None]);
    }

    proptest! {
        #[test]
        fn any_file_is_as_it_was_after_undo(
            before in "(\\[(user|credential \"https://dev.azure.com\")\\]|\thelper =|\tuseHttpPath = true|#x|é|\r|\n|\r\n){0,12}",
            urls in proptest::collection::vec("https://[a-z\"\\\\]{1,4}", 0..4),
        ) {
            let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
            let mut text = added(&before, &urls);
            prop_assert_eq!(added(&shown(&text), &urls), text.clone());
            text.remove(|_| true);
            prop_assert_eq!(shown(&text), before);
        }
    }
}
