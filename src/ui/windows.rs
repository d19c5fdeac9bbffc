//! The parts of `ui` that Unix does otherwise. A console has no modes that outlive the process
//! here, and one kind of event for all: `ctrlc`'s.

use std::{
    fs::File,
    io::{self, Write},
    os::windows::io::AsHandle,
};

use console::Term;
use secrecy::{SecretString, zeroize::Zeroizing};

use super::{interrupt::Signal, question::Typed};

/// Nothing to remember: `console` puts back what it changes for each key.
#[derive(Clone)]
pub(super) struct Modes;

impl Modes {
    pub(super) fn now() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn for_question(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn restore(&self) {}
}

/// Stdin without std's buffer, where a secret would stay.
pub(super) fn stdin_file() -> io::Result<File> {
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}

pub(super) fn write_to_stderr(bytes: &[u8]) {
    let _ = io::stderr().write_all(bytes);
}

/// Reads a line that is not shown, after `prompt` has been. An empty one is a refusal, for the
/// console's line input knows neither Escape nor Ctrl-D.
pub(super) fn read_hidden(prompt: &dyn Fn()) -> io::Result<Typed> {
    prompt();
    let term = Term::stderr();
    let line = Zeroizing::new(term.read_secure_line()?);
    // It ends the prompt's line, where the stars belong.
    term.move_cursor_up(1)?;
    prompt();
    Ok(if line.is_empty() {
        Typed::Cancelled
    } else {
        Typed::Line(SecretString::from(line.as_str()))
    })
}

/// Calls `arrived` on a thread of its own for each console event.
pub(super) fn watch_signals(arrived: fn(Signal)) -> io::Result<()> {
    ctrlc::set_handler(move || arrived(Signal::Interrupt)).map_err(io::Error::other)
}

/// Ends the process with the status that a shell expects.
pub(super) fn die(signal: Signal) -> ! {
    std::process::exit(signal.exit_status().into())
}

/// Does nothing: what ends a process here, a console event, comes to all that share the console
/// ("CTRL+C and CTRL+BREAK Signals", learn.microsoft.com).
pub(super) fn terminate(_: u32) {}
