//! The terminal: streams, status lines, questions, progress. Nothing else in this crate writes to
//! stdout or stderr, reads stdin, or takes signals, and nothing here reads the environment: what
//! the person wants comes in as [`Settings`].
//!
//! Data goes to stdout, everything else to stderr. A question goes to a person at a terminal;
//! without one it is an error that names what would have answered it; in a test it takes a prepared
//! answer.
//!
//! No text that goes out here holds a secret: not one that was typed or piped in here, and none that
//! [`Ui::conceal`] was told of.

mod captured;
mod concealed;
mod interrupt;
mod progress;
mod question;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(not(unix))]
#[path = "windows.rs"]
mod platform;

use std::{
    fmt::{self, Write as _},
    io::{self, BufRead, IsTerminal, Read, Write as _},
    sync::{Arc, atomic::Ordering},
};

use console::{Color as Paint, Term, style};
use indicatif::MultiProgress;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

pub use self::{
    captured::Answer,
    interrupt::{Hold, Interrupt, LastWords, Signal},
    progress::Progress,
    question::Question,
};
use self::{
    captured::{Captured, Reply},
    concealed::Concealed,
    interrupt::{Asking, Reader},
    progress::Screen,
    question::{Look, Typed},
};
use crate::text::visible;

/// Bytes of the longest secret that is read, typed or from stdin; an Entra token has about 2,500.
pub const SECRET_LIMIT: usize = 64 * 1024;

/// Characters of a line from the server that are shown.
const REMOTE_LINE_LIMIT: usize = 1_000;

/// Lines of one message from the server that are shown.
const REMOTE_LINES: usize = 100;

/// When to colour what goes to stderr. Stdout is data and never coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` or a dumb terminal speaks against it.
    #[default]
    Auto,
    /// Always, whatever `NO_COLOR` says: a flag stands above the environment (no-color.org).
    Always,
    /// Never.
    Never,
}

/// What the command line and the environment say about the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// `-q`: no status lines, no lines of the server, no progress.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// `--no-input`, or what amounts to it in the environment: no question is asked.
    pub no_input: bool,
    /// `--color`.
    pub color: Color,
    /// Whether `NO_COLOR` is set to anything but the empty string.
    pub no_color_env: bool,
    /// Whether `TERM` is `dumb`: no colour, no progress.
    pub dumb_terminal: bool,
    /// Columns of the terminal, where they are not to be asked of it.
    pub width: Option<u16>,
}

/// What can go wrong between this program and the person or script that runs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A question, and nobody to ask. Nothing was read.
    #[error("there is no terminal to ask \"{}\" on, and {flag} is not given", visible(question))]
    NotATerminal {
        /// The question's prompt.
        question: String,
        /// The argument, flag or variable that answers it.
        flag: String,
    },
    /// A question, and somebody to ask, who wants no questions. Nothing was read.
    #[error("\"{}\" may not be asked, and {flag} is not given", visible(question))]
    Forbidden {
        /// The question's prompt.
        question: String,
        /// The argument, flag or variable that answers it.
        flag: String,
    },
    /// The person left a question with Escape or Ctrl-D.
    #[error("cancelled")]
    Cancelled,
    /// A signal arrived, and the work that held the end back has stopped; [`Interrupt::end`] is
    /// what is left to do.
    #[error("interrupted")]
    Interrupted(Signal),
    /// Whoever read stdout has closed it. No fault, and nothing to print: `git vsts list | head
    /// -1`.
    #[error("stdout is closed")]
    BrokenPipe,
    /// What was typed or came on stdin is not UTF-8.
    #[error("the answer is not UTF-8")]
    NotText,
    /// A secret longer than its limit.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
    /// A secret was to come on stdin, and stdin holds nothing or is closed.
    #[error("stdin is empty")]
    StdinEmpty,
    /// A secret was to come on stdin, and stdin is a terminal, which would show it.
    #[error("stdin is a terminal, which would show the token")]
    StdinIsTerminal,
    /// A stream failed.
    #[error("{what}: {source}")]
    Io {
        /// What could not be done.
        what: &'static str,
        /// The system's word on it.
        source: io::Error,
    },
    /// In a test: a question other than the one the next answer is for.
    #[error("unexpected question \"{question}\"")]
    UnexpectedQuestion {
        /// The question's prompt.
        question: String,
    },
    /// In a test: questions that were expected and not asked.
    #[error("never asked: {}", questions.join(", "))]
    LeftOverAnswers {
        /// Their prompts.
        questions: Vec<String>,
    },
}

impl Error {
    fn io(what: &'static str, source: io::Error) -> Self {
        Self::Io { what, source }
    }
}

/// The terminal, or what stands for it in a test. A handle: clones write to the same place.
#[derive(Clone, Debug)]
pub struct Ui {
    settings: Settings,
    color: bool,
    place: Arc<Place>,
    concealed: Arc<Concealed>,
}

#[derive(Debug)]
enum Place {
    Process { stdin_is_terminal: bool, stdout_is_terminal: bool, screen: Option<MultiProgress> },
    Captured(Captured),
}

impl Ui {
    /// The process's own stdin, stdout and stderr.
    pub fn process(settings: Settings) -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        let color = match settings.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stderr_is_terminal && !settings.no_color_env && !settings.dumb_terminal,
        };
        let place = Place::Process {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            screen: stderr_is_terminal.then(|| Screen::lines(settings.width)),
        };
        Self { settings, color, place: Arc::new(place), concealed: Arc::default() }
    }

    /// A terminal for tests. Questions take `answers` in order, each under exactly its own prompt;
    /// what is written is kept. stdin and stderr pass for terminals, stdout for none.
    pub fn captured(settings: Settings, answers: Vec<Answer>) -> Self {
        let color = settings.color == Color::Always;
        let place = Arc::new(Place::Captured(Captured::new(answers)));
        Self { settings, color, place, concealed: Arc::default() }
    }

    /// Lets the stdout of a captured one pass for a terminal; the process's own is what it is.
    pub fn pretend_stdout_is_terminal(self) -> Self {
        if let Place::Captured(captured) = &*self.place {
            captured.stdout_is_terminal.store(true, Ordering::Relaxed);
        }
        self
    }

    /// What a captured one wrote to stdout; empty for the process's own.
    pub fn captured_stdout(&self) -> String {
        self.captured_place().map(Captured::stdout).unwrap_or_default()
    }

    /// What a captured one wrote to stderr, with a line for each question answered; empty for the
    /// process's own.
    pub fn captured_stderr(&self) -> String {
        self.captured_place().map(Captured::stderr).unwrap_or_default()
    }

    /// Whether all answers of a captured one were asked for.
    ///
    /// # Errors
    /// [`Error::LeftOverAnswers`] names the others.
    pub fn check(&self) -> Result<(), Error> {
        self.captured_place().map_or(Ok(()), Captured::check)
    }

    fn captured_place(&self) -> Option<&Captured> {
        match &*self.place {
            Place::Captured(captured) => Some(captured),
            Place::Process { .. } => None,
        }
    }

    /// Keeps a secret out of all text that is printed from now on, in whatever form it may come back
    /// from a server. What is shorter than 12 bytes is no secret, but may be a word. A secret that is
    /// read here needs no telling.
    pub fn conceal(&self, secret: &SecretString) {
        self.concealed.add(secret);
    }

    /// Whether a question would be asked: stdin and stderr are terminals, and nothing forbids it. A
    /// terminal that is only reachable as `/dev/tty` does not count: a script that redirects our
    /// streams wants no questions.
    pub fn can_ask(&self) -> bool {
        !self.settings.no_input && self.is_terminal()
    }

    fn is_terminal(&self) -> bool {
        match &*self.place {
            Place::Process { stdin_is_terminal, screen, .. } => {
                *stdin_is_terminal && screen.is_some()
            }
            Place::Captured(_) => true,
        }
    }

    /// Whether no question may be asked by whatever means: `--no-input`, or what amounts to it.
    pub fn is_forbidden_to_ask(&self) -> bool {
        self.settings.no_input
    }

    /// Whether data written to stdout is read by a person.
    pub fn stdout_is_terminal(&self) -> bool {
        match &*self.place {
            Place::Process { stdout_is_terminal, .. } => *stdout_is_terminal,
            Place::Captured(captured) => captured.stdout_is_terminal(),
        }
    }

    /// One line of data on stdout, at once; secrets are concealed in it.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] where the reader is gone, [`Error::Io`] where the line could not be
    /// written (a full disk).
    pub fn out(&self, line: fmt::Arguments<'_>) -> Result<(), Error> {
        let mut text = Zeroizing::new(String::new());
        // The one way to fail is a `Display` of ours that does; the rest of the line still counts.
        let _ = text.write_fmt(line);
        text.push('\n');
        self.out_bytes(self.concealed.conceal(&text).as_bytes())
    }

    /// Data on stdout as it is, at once: a completion script.
    ///
    /// # Errors
    /// As [`out`](Self::out).
    pub fn out_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        };
        let written = match &*self.place {
            Place::Captured(captured) => {
                captured.write_stdout(bytes);
                Ok(())
            }
            Place::Process { stdout_is_terminal: true, screen: Some(screen), .. } => {
                screen.suspend(write)
            }
            Place::Process { .. } => write(),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::BrokenPipe,
            _ => Error::io("cannot write to stdout", error),
        })
    }

    /// A secret on stdout, and what belongs to it: an answer to whoever asked for it.
    ///
    /// # Errors
    /// As [`out`](Self::out).
    pub fn out_secret(&self, text: &SecretString) -> Result<(), Error> {
        self.out_bytes(text.expose_secret().as_bytes())
    }

    /// What a person has to act on, also with `-q`.
    pub fn instruction(&self, text: fmt::Arguments<'_>) {
        self.tell("", None, text);
    }

    /// Whether nothing but the result, warnings and errors is wanted.
    pub fn is_quiet(&self) -> bool {
        self.settings.quiet
    }

    /// A short sentence about what was done; nothing with `-q`.
    pub fn status(&self, text: fmt::Arguments<'_>) {
        if !self.settings.quiet {
            self.tell("", None, text);
        }
    }

    /// What only `-v` wants to know.
    pub fn detail(&self, text: fmt::Arguments<'_>) {
        if self.settings.verbose > 0 {
            self.tell("", None, text);
        }
    }

    /// `warning: …`; further lines of `text` are indented below the first.
    pub fn warning(&self, text: fmt::Arguments<'_>) {
        self.tell("warning: ", Some(Paint::Yellow), text);
    }

    /// `error: …`; further lines of `text` are indented below the first.
    pub fn error(&self, text: fmt::Arguments<'_>) {
        self.tell("error: ", Some(Paint::Red), text);
    }

    /// What caused the error that was told last: `  caused by: …`.
    pub fn cause(&self, text: fmt::Arguments<'_>) {
        self.tell("  caused by: ", None, text);
    }

    /// `hint: …`; further lines of `text` are indented below the first.
    pub fn hint(&self, text: fmt::Arguments<'_>) {
        self.tell("hint: ", Some(Paint::Cyan), text);
    }

    /// What the server says beside the protocol (side band 2, gitprotocol-pack(5)): `remote: `
    /// before each line, control characters visible, no more than 1,000 characters of a line and
    /// 100 lines. Nothing with `-q`, as git has it.
    pub fn remote_line(&self, text: &str) {
        if self.settings.quiet {
            return;
        }
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let mut lines = text.split('\n');
        for line in lines.by_ref().take(REMOTE_LINES) {
            self.write_stderr(&format!("remote: {}\n", bounded(line)));
        }
        let left = lines.count();
        if left > 0 {
            self.write_stderr(&format!("remote: … ({left} more lines)\n"));
        }
    }

    /// Asks for a line of text: `? Organization: `. White space around an answer goes, an empty one
    /// takes the default, and one that `validate` refuses is asked again.
    ///
    /// # Errors
    /// [`Error::NotATerminal`] or [`Error::Forbidden`] at once, [`Error::Cancelled`],
    /// [`Error::Io`].
    pub fn ask(&self, question: Question<'_>) -> Result<String, Error> {
        self.require_terminal(question.prompt, question.flag)?;
        loop {
            let answer = self.ask_once(&question)?;
            match (question.validate)(&answer) {
                Ok(()) => return Ok(answer),
                Err(reason) => self.tell("  ", None, format_args!("{reason}")),
            }
        }
    }

    fn ask_once(&self, question: &Question<'_>) -> Result<String, Error> {
        let Question { prompt, default, .. } = question;
        match &*self.place {
            Place::Captured(captured) => {
                let text = captured.answer(prompt, |reply| match reply {
                    Reply::Text(text) => Some(text.trim().to_owned()),
                    _ => None,
                })?;
                let answer = match (text.as_str(), default) {
                    ("", None) => {
                        return Err(Error::UnexpectedQuestion { question: (*prompt).to_owned() });
                    }
                    ("", Some(default)) => default.clone(),
                    _ => text,
                };
                captured.write_stderr(&format!("{}\n", self.look().answered(prompt, &answer)));
                Ok(answer)
            }
            Place::Process { .. } => self.on_terminal(Reader::Console, |term| {
                question::ask_line(term, self.look(), prompt, default.as_deref(), self.width(term))
            }),
        }
    }

    /// Asks for a secret, unseen. It is returned as it was typed or pasted, marks of a paste and
    /// white space included.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and [`Error::NotText`], [`Error::TooLong`] ([`SECRET_LIMIT`]).
    pub fn ask_secret(&self, prompt: &str, flag: &str) -> Result<SecretString, Error> {
        self.require_terminal(prompt, flag)?;
        let heading = format!("{}: ", self.look().heading(prompt));
        let typed = match &*self.place {
            Place::Captured(captured) => {
                let secret = captured.answer(prompt, |reply| match reply {
                    Reply::Secret(secret) => Some(secret),
                    _ => None,
                })?;
                captured.write_stderr(&format!("{heading}********\n"));
                Typed::Line(secret)
            }
            Place::Process { .. } => self.on_terminal(Reader::Still, |term| {
                loop {
                    let typed = platform::read_hidden(&|| {
                        let _ = term.write_str(&heading);
                    })?;
                    // As many stars for every secret: its length is part of it.
                    term.write_line(if matches!(typed, Typed::Line(_)) { "********" } else { "" })?;
                    match typed {
                        Typed::Empty => continue,
                        typed => return Ok(Some(typed)),
                    }
                }
            })?,
        };
        match typed {
            Typed::Line(secret) => {
                self.conceal(&secret);
                Ok(secret)
            }
            Typed::Empty | Typed::Cancelled => Err(Error::Cancelled),
            Typed::NotText => Err(Error::NotText),
            Typed::TooLong => Err(Error::TooLong { limit: SECRET_LIMIT }),
        }
    }

    /// Asks for a yes or no, answered by a single key: `? Create shop/web? [Y/n] `. The prompt is a
    /// whole question.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn confirm(&self, prompt: &str, default: bool, flag: &str) -> Result<bool, Error> {
        self.require_terminal(prompt, flag)?;
        match &*self.place {
            Place::Captured(captured) => {
                let yes = captured.answer(prompt, |reply| match reply {
                    Reply::Yes(yes) => Some(yes),
                    _ => None,
                })?;
                captured.write_stderr(&format!("{}\n", self.look().confirmed(prompt, yes)));
                Ok(yes)
            }
            Place::Process { .. } => self.on_terminal(Reader::Console, |term| {
                question::confirm(term, self.look(), prompt, default)
            }),
        }
    }

    /// Lets one of `items` be chosen with the arrows, in a long list also by typing part of it;
    /// returns its index. Items are shown visibly. `default` is marked at first.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); [`Error::Io`] where there is no item.
    pub fn choose(
        &self,
        prompt: &str,
        items: &[String],
        default: usize,
        flag: &str,
    ) -> Result<usize, Error> {
        self.require_terminal(prompt, flag)?;
        // They may be names that a server has made up.
        let items: &[String] =
            &items.iter().map(|item| self.concealed.conceal(item).into_owned()).collect::<Vec<_>>();
        let Some(last) = items.len().checked_sub(1) else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "there is nothing to choose");
            return Err(Error::io("cannot ask on the terminal", source));
        };
        match &*self.place {
            Place::Captured(captured) => {
                let index = captured.answer(prompt, |reply| match reply {
                    Reply::Item(text) => items.iter().position(|item| *item == text),
                    _ => None,
                })?;
                let line = self.look().answered(prompt, &items[index]);
                captured.write_stderr(&format!("{line}\n"));
                Ok(index)
            }
            Place::Process { .. } => self.on_terminal(Reader::Console, |term| {
                let width = self.width(term);
                question::choose(term, self.look(), prompt, items, default.min(last), width)
            }),
        }
    }

    /// All of stdin, for `--pat-stdin`: up to its end, and no more than `limit` bytes. White space
    /// and line ends are left to the caller.
    ///
    /// # Errors
    /// [`Error::StdinIsTerminal`], [`Error::StdinEmpty`], [`Error::TooLong`], [`Error::NotText`],
    /// [`Error::Io`].
    pub fn read_secret_from_stdin(&self, limit: usize) -> Result<SecretString, Error> {
        let secret = match &*self.place {
            Place::Captured(captured) => {
                let bytes = captured.stdin_bytes()?;
                str::from_utf8(bytes.expose_secret()).map_err(|_| Error::NotText)?.into()
            }
            Place::Process { stdin_is_terminal: true, .. } => return Err(Error::StdinIsTerminal),
            Place::Process { .. } => read_stdin(limit)?,
        };
        match secret.expose_secret().len() {
            0 => Err(Error::StdinEmpty),
            length if length > limit => Err(Error::TooLong { limit }),
            _ => {
                self.conceal(&secret);
                Ok(secret)
            }
        }
    }

    /// Stdin as it comes, for a protocol that knows its own end and limits. A secret in it is for the
    /// caller to conceal.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn stdin(&self) -> Result<Box<dyn BufRead>, Error> {
        match &*self.place {
            Place::Captured(captured) => {
                let bytes = captured.stdin_bytes()?;
                Ok(Box::new(io::Cursor::new(bytes.expose_secret().to_owned())))
            }
            Place::Process { .. } => {
                let stdin = platform::stdin_file();
                let stdin = stdin.map_err(|source| Error::io("cannot read stdin", source))?;
                Ok(Box::new(io::BufReader::new(stdin)))
            }
        }
    }

    /// Tells how far the work `title` has come, on a terminal without `-q`, and only once it has
    /// taken 250 ms.
    pub fn progress(&self, title: &str) -> Progress {
        let Settings { quiet, dumb_terminal, .. } = self.settings;
        match &*self.place {
            Place::Process { screen: Some(screen), .. } if !quiet && !dumb_terminal => {
                Progress::slow(screen.clone(), title, self.color)
            }
            _ => Progress::hidden(),
        }
    }

    fn require_terminal(&self, question: &str, flag: &str) -> Result<(), Error> {
        if self.can_ask() {
            return Ok(());
        }
        let (question, flag) = (question.to_owned(), flag.to_owned());
        Err(match self.is_terminal() {
            true => Error::Forbidden { question, flag },
            false => Error::NotATerminal { question, flag },
        })
    }

    /// Asks, with the terminal put back whatever happens, and no progress drawn meanwhile.
    fn on_terminal<T>(
        &self,
        reader: Reader,
        ask: impl FnOnce(&Term) -> io::Result<Option<T>>,
    ) -> Result<T, Error> {
        let asking = Asking::begin(reader)?;
        let answer = self.undisturbed(|| ask(&Term::stderr()));
        match answer {
            Ok(answer) => {
                asking.answered();
                answer.ok_or(Error::Cancelled)
            }
            Err(error) => Err(asking.failed(error)),
        }
    }

    fn undisturbed<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.place {
            Place::Process { screen: Some(screen), .. } => screen.suspend(write),
            _ => write(),
        }
    }

    fn look(&self) -> Look {
        Look { color: self.color }
    }

    fn width(&self, term: &Term) -> usize {
        self.settings.width.unwrap_or_else(|| term.size().1).into()
    }

    fn tell(&self, prefix: &str, paint: Option<Paint>, text: fmt::Arguments<'_>) {
        let mut message = String::new();
        // As in `out`; and `to_string` would panic.
        let _ = message.write_fmt(text);
        // Much of it is foreign: a remote's name, a path, a server's words.
        let lines: Vec<String> = message.trim_end().split('\n').map(visible).collect();
        let indented = lines.join(&format!("\n{:1$}", "", prefix.len()));
        let prefix = match paint {
            Some(paint) => style(prefix).fg(paint).bold().force_styling(self.color).to_string(),
            None => prefix.to_owned(),
        };
        self.write_stderr(&format!("{prefix}{indented}\n"));
    }

    /// Whole lines, in one write: other processes write to the same terminal. A stderr that takes
    /// nothing is no reason to stop the work, and there is nowhere to say so.
    fn write_stderr(&self, text: &str) {
        let text = &*self.concealed.conceal(text);
        match &*self.place {
            Place::Captured(captured) => captured.write_stderr(text),
            Place::Process { .. } => {
                let _ = self.undisturbed(|| io::stderr().write_all(text.as_bytes()));
            }
        }
    }
}

fn read_stdin(limit: usize) -> Result<SecretString, Error> {
    let unreadable = |source| Error::io("cannot read stdin", source);
    // One byte more than allowed tells too long; whole from the start, for a vector that grows
    // leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let stdin = platform::stdin_file().map_err(unreadable)?;
    stdin.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(Error::TooLong { limit });
    }
    str::from_utf8(&bytes).map(SecretString::from).map_err(|_| Error::NotText)
}

/// A line of foreign text, its control characters visible and its length bounded before that.
fn bounded(line: &str) -> String {
    match line.char_indices().nth(REMOTE_LINE_LIMIT) {
        None => visible(line),
        Some((end, _)) => {
            format!("{}… ({} more bytes)", visible(&line[..end]), line.len() - end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(settings: Settings) -> Ui {
        Ui::captured(settings, Vec::new())
    }

    fn question<'a>(prompt: &'a str, default: Option<&str>) -> Question<'a> {
        Question {
            prompt,
            default: default.map(str::to_owned),
            flag: "ORG",
            validate: &|answer| match answer {
                "-" => Err("a name, please".to_owned()),
                _ => Ok(()),
            },
        }
    }

    fn say_everything(ui: &Ui) {
        ui.status(format_args!("status"));
        ui.detail(format_args!("detail"));
        ui.warning(format_args!("warning"));
        ui.error(format_args!("error"));
        ui.hint(format_args!("hint"));
        ui.remote_line("remote");
    }

    #[test]
    fn what_is_said_depends_on_quiet_and_verbose() {
        let always = "warning: warning\nerror: error\nhint: hint\n";
        let table = [
            (false, 0, format!("status\n{always}remote: remote\n")),
            (true, 0, always.to_owned()),
            (false, 1, format!("status\ndetail\n{always}remote: remote\n")),
        ];
        for (quiet, verbose, expected) in table {
            let ui = captured(Settings { quiet, verbose, ..Settings::default() });
            say_everything(&ui);
            assert_eq!(ui.captured_stderr(), expected, "quiet {quiet}, verbose {verbose}");
            assert_eq!(ui.captured_stdout(), "");
        }
    }

    #[test]
    fn colour_is_on_the_prefix_alone() {
        let ui = captured(Settings { color: Color::Always, ..Settings::default() });
        ui.error(format_args!("no"));
        ui.hint(format_args!("so"));
        assert_eq!(
            ui.captured_stderr(),
            "\x1b[31m\x1b[1merror: \x1b[0mno\n\x1b[36m\x1b[1mhint: \x1b[0mso\n"
        );
    }

    #[test]
    fn further_lines_of_a_message_are_indented() {
        let ui = captured(Settings::default());
        ui.error(format_args!("one\ntwo\n"));
        ui.hint(format_args!("one\ntwo"));
        ui.status(format_args!("one\ntwo"));
        assert_eq!(
            ui.captured_stderr(),
            "error: one\n       two\nhint: one\n      two\none\ntwo\n"
        );
    }

    #[test]
    fn a_message_whose_display_fails_does_not_panic() {
        struct Broken;
        impl fmt::Display for Broken {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let ui = captured(Settings::default());
        ui.error(format_args!("before {Broken} after"));
        assert_eq!(ui.captured_stderr(), "error: before\n");
    }

    #[test]
    fn a_line_of_the_server_is_visible_and_bounded() {
        let long = "x".repeat(1_003);
        let lines = "y\n".repeat(102);
        let table = [
            (
                "Storing packfile... done (58 ms)\n",
                "remote: Storing packfile... done (58 ms)\n".into(),
            ),
            ("one\r\n", "remote: one\n".into()),
            ("one\ntwo", "remote: one\nremote: two\n".into()),
            ("", "remote: \n".into()),
            (
                "a\x1b]0;x\x07b\rc\u{9b}d",
                format!("remote: {}\n", visible("a\x1b]0;x\x07b\rc\u{9b}d")),
            ),
            (long.as_str(), format!("remote: {}… (3 more bytes)\n", &long[..1_000])),
            (lines.as_str(), format!("{}remote: … (2 more lines)\n", "remote: y\n".repeat(100))),
        ];
        for (text, expected) in table {
            let ui = captured(Settings::default());
            ui.remote_line(text);
            assert_eq!(ui.captured_stderr(), expected, "{text:?}");
        }
    }

    #[test]
    fn data_goes_to_stdout() {
        let ui = captured(Settings::default());
        ui.out(format_args!("{}", "one")).unwrap();
        ui.out_bytes(b"two").unwrap();
        assert_eq!(
            (ui.captured_stdout().as_str(), ui.captured_stderr().as_str()),
            ("one\ntwo", "")
        );
        assert!(!ui.stdout_is_terminal());
        assert!(ui.pretend_stdout_is_terminal().stdout_is_terminal());
    }

    #[test]
    fn prepared_answers_are_given_in_order() {
        let items = ["shop".to_owned(), "tools".to_owned()];
        let answers = vec![
            Answer::text("Organization", " contoso "),
            Answer::choose("Project", "tools"),
            Answer::confirm("Create tools/web?", true),
            Answer::secret("Token", " s3cret\n"),
            Answer::text("Repository", ""),
            Answer::stdin("from stdin\n"),
        ];
        let ui = Ui::captured(Settings::default(), answers);
        assert!(ui.can_ask());
        assert_eq!(ui.ask(question("Organization", None)).unwrap(), "contoso");
        assert_eq!(ui.choose("Project", &items, 0, "--project").unwrap(), 1);
        assert!(ui.confirm("Create tools/web?", false, "--create").unwrap());
        assert_eq!(ui.ask_secret("Token", "--pat-stdin").unwrap().expose_secret(), " s3cret\n");
        assert_eq!(ui.ask(question("Repository", Some("web"))).unwrap(), "web");
        let secret = ui.read_secret_from_stdin(SECRET_LIMIT).unwrap();
        assert_eq!(secret.expose_secret(), "from stdin\n");
        ui.check().unwrap();
        assert_eq!(
            ui.captured_stderr(),
            "? Organization: contoso\n? Project: tools\n? Create tools/web? yes\n? Token: ********\n\
             ? Repository: web\n"
        );
    }

    #[test]
    fn an_answer_that_is_refused_is_asked_again() {
        let answers =
            vec![Answer::text("Organization", "-"), Answer::text("Organization", "contoso")];
        let ui = Ui::captured(Settings::default(), answers);
        assert_eq!(ui.ask(question("Organization", None)).unwrap(), "contoso");
        assert_eq!(
            ui.captured_stderr(),
            "? Organization: -\n  a name, please\n? Organization: contoso\n"
        );
    }

    #[test]
    fn an_unexpected_question_is_an_error() {
        let asked = |answer: Answer| {
            let ui = Ui::captured(Settings::default(), vec![answer]);
            ui.ask(question("Organization", None)).map_err(|error| error.to_string())
        };
        let unexpected = Err("unexpected question \"Organization\"".to_owned());
        assert_eq!(asked(Answer::text("Project", "shop")), unexpected);
        assert_eq!(asked(Answer::confirm("Organization", true)), unexpected);
        assert_eq!(asked(Answer::text("Organization", "")), unexpected);
        let ui = captured(Settings::default());
        let item = ["shop".to_owned()];
        assert_eq!(
            ui.choose("Project", &item, 0, "--project").map_err(|error| error.to_string()),
            Err("unexpected question \"Project\"".to_owned())
        );
    }

    #[test]
    fn a_left_over_answer_fails_the_check() {
        let answers = vec![Answer::text("Organization", "contoso"), Answer::stdin("x")];
        let ui = Ui::captured(Settings::default(), answers);
        assert_eq!(
            ui.check().map_err(|error| error.to_string()),
            Err("never asked: Organization, stdin".to_owned())
        );
    }

    #[test]
    fn a_cancelled_question_is_told_apart() {
        let ui = Ui::captured(Settings::default(), vec![Answer::cancel("Token")]);
        assert!(matches!(ui.ask_secret("Token", "--pat-stdin"), Err(Error::Cancelled)));
    }

    #[test]
    fn without_input_every_question_names_what_answers_it() {
        let ui = captured(Settings { no_input: true, ..Settings::default() });
        let items = ["shop".to_owned()];
        let told = |error: Error| error.to_string();
        let table = [
            (
                ui.ask(question("Organization", Some("contoso"))).map_err(told),
                "Organization",
                "ORG",
            ),
            (
                ui.ask_secret("Token", "--pat-stdin").map(|_| String::new()).map_err(told),
                "Token",
                "--pat-stdin",
            ),
            (
                ui.confirm("Create it?", true, "--create").map(|_| String::new()).map_err(told),
                "Create it?",
                "--create",
            ),
            (
                ui.choose("Project", &items, 0, "--project").map(|_| String::new()).map_err(told),
                "Project",
                "--project",
            ),
        ];
        for (result, prompt, flag) in table {
            assert_eq!(
                result,
                Err(format!("\"{prompt}\" may not be asked, and {flag} is not given"))
            );
        }
        assert_eq!(ui.captured_stderr(), "");
    }

    #[test]
    fn a_secret_from_stdin_is_bounded_and_not_empty() {
        let read = |text: &str| {
            Ui::captured(Settings::default(), vec![Answer::stdin(text)])
                .read_secret_from_stdin(4)
                .map(|secret| secret.expose_secret().to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("abc\n"), Ok("abc\n".to_owned()));
        assert_eq!(read(""), Err("stdin is empty".to_owned()));
        assert_eq!(read("abcd\n"), Err("the answer is longer than 4 bytes".to_owned()));
    }

    #[test]
    fn progress_is_for_a_terminal_without_quiet() {
        let hidden = |terminal: bool, quiet: bool, dumb_terminal: bool| {
            let place = Place::Process {
                stdin_is_terminal: terminal,
                stdout_is_terminal: terminal,
                screen: terminal.then(|| Screen::lines(Some(80))),
            };
            let settings = Settings { quiet, dumb_terminal, ..Settings::default() };
            let concealed = Arc::default();
            let ui = Ui { settings, color: false, place: Arc::new(place), concealed };
            // Dropped before it is slow, so nothing is ever drawn.
            ui.progress("Writing objects").is_hidden()
        };
        assert!(!hidden(true, false, false));
        assert!(hidden(false, false, false));
        assert!(hidden(true, true, false));
        assert!(hidden(true, false, true));
    }

    #[test]
    fn no_secret_that_was_read_or_told_of_is_printed() {
        let answers = vec![
            Answer::secret("Token", "typed-token-1234"),
            Answer::stdin("piped-token-1234\n"),
            Answer::choose("Project", "***"),
        ];
        let ui = Ui::captured(Settings::default(), answers);
        ui.conceal(&"known-token-1234".into());
        ui.ask_secret("Token", "--pat-stdin").unwrap();
        ui.read_secret_from_stdin(SECRET_LIMIT).unwrap();
        let clone = ui.clone();
        for token in ["typed-token-1234", "piped-token-1234", "known-token-1234"] {
            clone.out(format_args!("<{token}>")).unwrap();
            clone.error(format_args!("<{token}>"));
            clone.remote_line(&format!("<{token}>"));
        }
        ui.choose("Project", &["typed-token-1234".to_owned()], 0, "--project").unwrap();
        assert_eq!(ui.captured_stdout(), "<***>\n".repeat(3));
        let told = "error: <***>\nremote: <***>\n".repeat(3);
        assert_eq!(ui.captured_stderr(), format!("? Token: ********\n{told}? Project: ***\n"));
    }

    #[test]
    fn names_in_a_question_are_shown_visibly() {
        let ui =
            Ui::captured(Settings::default(), vec![Answer::confirm("Use \x1b]0;x\x07?", true)]);
        ui.confirm("Use \x1b]0;x\x07?", true, "--yes").unwrap();
        assert_eq!(ui.captured_stderr(), format!("? {} yes\n", visible("Use \x1b]0;x\x07?")));
    }
}
