//! How each shell asks, and what it takes for an answer.
//!
//! What to read at its start a shell gets from clap_complete. What it is answered is ours: bash and
//! PowerShell put an answer into the line as it is, so that one with a `$` in it would be run.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap_complete::engine::{self, CompletionCandidate};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

/// What PowerShell is to read: clap_complete's has it run the line that is being typed.
const POWERSHELL: &str = include_str!("../../completions/git-vsts.ps1");

/// What a shell says beside the words.
#[derive(Debug)]
pub(super) struct Question {
    /// Which of the words is asked about, counted from the line's first; the last if unset.
    pub(super) index: Option<usize>,
    /// How many words of the line we were not given.
    pub(super) left_out: usize,
    /// What bash and zsh split the answer at.
    pub(super) separator: Option<String>,
}

/// Whether a shell, by its name or path, is one that can be answered.
pub(super) fn knows(shell: &Path) -> bool {
    let name = shell.file_stem().unwrap_or_default().to_string_lossy();
    Shells::builtins().completer(&name).is_some()
}

/// Lends the shells.
pub(super) fn with<T>(question: &Question, ask: impl FnOnce(Shells<'_>) -> T) -> T {
    let shell = |shell, form| Shell { shell, form, question };
    ask(Shells(&[
        &shell(&Bash, Form::Bare),
        &shell(&Elvish, Form::Values),
        &shell(&Fish, Form::Tabbed),
        &shell(&Powershell, Form::BareTabbed),
        &shell(&Zsh, Form::Coloned),
    ]))
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Values that go into the line as they are.
    Bare,
    /// The same, a line each, with help behind a tab.
    BareTabbed,
    /// Values that the shell quotes.
    Values,
    /// The same, a line each, with help behind a tab.
    Tabbed,
    /// The same, with help behind a colon.
    Coloned,
}

struct Shell<'a> {
    shell: &'a dyn EnvCompleter,
    form: Form,
    question: &'a Question,
}

impl EnvCompleter for Shell<'_> {
    fn name(&self) -> &'static str {
        self.shell.name()
    }

    fn is(&self, name: &str) -> bool {
        self.shell.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        buffer: &mut dyn Write,
    ) -> io::Result<()> {
        match self.form {
            Form::BareTabbed => buffer.write_all(POWERSHELL.as_bytes()),
            _ => self.shell.write_registration(variable, name, program, completer, buffer),
        }
    }

    fn write_complete(
        &self,
        definition: &mut clap::Command,
        mut words: Vec<OsString>,
        directory: Option<&Path>,
        buffer: &mut dyn Write,
    ) -> io::Result<()> {
        let given = self.question.index.map(|index| index.saturating_sub(self.question.left_out));
        let mut index = given.unwrap_or(words.len() - 1);
        // Some shells don't give an empty last word.
        if words.len() == index {
            words.push(OsString::new());
        }
        if self.form == Form::Bare {
            index = join_values(&mut words, index);
        }
        // A dash alone would have the short form of those that have one, which says less.
        if let Some(word) = words.get_mut(index)
            && word == "-"
        {
            word.push("-");
        }
        let is_empty = words.get(index).is_some_and(|word| word.is_empty());
        let mut found = engine::complete(definition, words, index, directory)?;
        let is_option =
            |it: &CompletionCandidate| it.get_value().as_encoded_bytes().starts_with(b"-");
        // Of options there are many, and a dash asks for them.
        if is_empty && !found.iter().all(is_option) {
            found.retain(|it| !is_option(it));
        }
        found.retain(|it| it.get_value().to_str().is_some_and(|value| self.form.takes(value)));
        for (index, candidate) in found.iter().enumerate() {
            self.write(index, candidate, buffer)?;
        }
        Ok(())
    }
}

impl Shell<'_> {
    fn write(
        &self,
        index: usize,
        candidate: &CompletionCandidate,
        buffer: &mut dyn Write,
    ) -> io::Result<()> {
        let separator = self.question.separator.as_deref().unwrap_or("\n");
        let value = candidate.get_value().to_string_lossy();
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        match self.form {
            Form::Tabbed | Form::BareTabbed if help.is_empty() => writeln!(buffer, "{value}"),
            Form::Tabbed | Form::BareTabbed => writeln!(buffer, "{value}\t{help}"),
            _ if index > 0 => write!(buffer, "{separator}{}", self.form.shown(&value, help)),
            _ => write!(buffer, "{}", self.form.shown(&value, help)),
        }
    }
}

impl Form {
    fn shown(self, value: &str, help: &str) -> String {
        let escaped = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
        match self {
            Self::Coloned if help.is_empty() => escaped(value),
            Self::Coloned => format!("{}:{}", escaped(value), help.replace('\\', r"\\")),
            _ => value.to_owned(),
        }
    }

    /// Whether a value is put into the line as that value.
    fn takes(self, value: &str) -> bool {
        let is_plain =
            |character: char| character.is_alphanumeric() || "-_./%+=@#:".contains(character);
        match self {
            Self::Bare | Self::BareTabbed => {
                value.chars().all(is_plain) && !value.starts_with(['#', '=', '@', '%', ':'])
            }
            _ => !value.chars().any(char::is_control),
        }
    }
}

/// bash makes three words of `--org=contoso`, and replaces the last of them alone. Gives where the word
/// that is asked about is afterwards.
fn join_values(words: &mut Vec<OsString>, index: usize) -> usize {
    let mut left = index;
    for at in (2..words.len().min(index)).rev() {
        if words[at] == "=" && words[at - 1].as_encoded_bytes().starts_with(b"--") {
            words.remove(at);
            left -= 1;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shell_is_given_what_it_would_run_or_split() {
        for (value, is_bare, is_quoted) in [
            ("main", true, true),
            ("ada/änderung-1.0_x", true, true),
            ("fix/#12", true, true),
            ("HEAD:refs/heads/main", true, true),
            ("+main", true, true),
            ("#main", false, true),
            ("@{x}", false, true),
            ("$(touch x)", false, true),
            ("`touch x`", false, true),
            ("a b", false, true),
            ("a;b", false, true),
            ("a'b", false, true),
            ("a\"b", false, true),
            ("a&b", false, true),
            ("a|b", false, true),
            ("a>b", false, true),
            ("a!b", false, true),
            ("a*", false, true),
            ("{a,b}", false, true),
            ("~ada", false, true),
            ("a\\b", false, true),
            ("a\nb", false, false),
            ("a\tb", false, false),
            ("a\u{b}b", false, false),
            ("a\u{1b}[2Jb", false, false),
        ] {
            for form in [Form::Bare, Form::BareTabbed] {
                assert_eq!(form.takes(value), is_bare, "{value:?}");
            }
            for form in [Form::Values, Form::Tabbed, Form::Coloned] {
                assert_eq!(form.takes(value), is_quoted, "{value:?}");
            }
        }
    }

    #[test]
    fn a_value_that_bash_split_is_joined() {
        for (line, index, joined, left) in [
            ("git-vsts push --org = con", 4, "git-vsts push --org con", 3),
            ("git-vsts push --org = con x", 5, "git-vsts push --org con x", 4),
            ("git-vsts push --org =", 3, "git-vsts push --org =", 3),
            ("git-vsts push a = b", 4, "git-vsts push a = b", 4),
        ] {
            let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(join_values(&mut words, index), left, "{line}");
            assert_eq!(words.join(" ".as_ref()), OsString::from(joined), "{line}");
        }
    }
}
