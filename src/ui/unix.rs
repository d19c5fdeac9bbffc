//! The parts of `ui` that only Unix has: terminal modes, signals, reading without echo.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd,
    thread,
};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use secrecy::zeroize::Zeroizing;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

use super::{
    interrupt::Signal,
    question::{HiddenLine, Typed},
};

/// The modes of the terminal on stdin (termios(3)).
#[derive(Clone)]
pub(super) struct Modes(Termios);

impl Modes {
    pub(super) fn now() -> io::Result<Self> {
        Ok(Self(tcgetattr(rustix::stdio::stdin())?))
    }

    /// What holds while a question is asked: no echo, and keys one by one; Ctrl-C stays the
    /// kernel's.
    ///
    /// `console` sets what it needs for one key and takes it back after it. Between two keys, and
    /// before the first, the kernel would print what is typed, and move the cursor with a pasted
    /// line end. It also throws away what is typed into a password's prompt too early.
    pub(super) fn for_question(&self) -> io::Result<()> {
        let mut modes = self.0.clone();
        modes.local_modes -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
        modes.input_modes |= InputModes::ICRNL;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &modes)?)
    }

    /// Nothing can be done, nor said, where the terminal is gone. `Now`, since waiting for output
    /// to drain would let a terminal stopped by Ctrl-S hold up Ctrl-C.
    pub(super) fn restore(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Stdin without std's buffer, where a secret would stay.
pub(super) fn stdin_file() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Past std's lock, which a thread that never runs again may hold.
pub(super) fn write_to_stderr(bytes: &[u8]) {
    let _ = rustix::io::write(rustix::stdio::stderr(), bytes);
}

/// Reads a line that is not shown, in the modes of a question, after `prompt` has been. The
/// kernel's own lines would end at 4096 bytes (1024 on macOS) and know no Escape.
pub(super) fn read_hidden(prompt: &dyn Fn()) -> io::Result<Typed> {
    prompt();
    let mut line = HiddenLine::new();
    let mut chunk = Zeroizing::new([0; 1024]);
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut chunk[..]) {
            Ok(0) => return Ok(Typed::Cancelled),
            Ok(length) => {
                if let Some(typed) = line.feed(&chunk[..length]) {
                    return Ok(typed);
                }
            }
            // A signal that ends the process is on its way to the thread for that; any other is
            // none of ours.
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Calls `arrived` on a thread of its own for each signal.
///
/// Not the `ctrlc` crate: its callback is not told which signal came, so it could end neither as
/// SIGTERM nor with 143.
pub(super) fn watch_signals(arrived: fn(Signal)) -> io::Result<()> {
    // A system without /proc, or a parent with nothing to hide: all three are ours.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = Signal::ALL.map(number).into_iter().filter(|number| !is_ignored(&status, *number));
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        loop {
            let pending: Vec<i32> = signals.wait().collect();
            if let Some(signal) =
                Signal::ALL.into_iter().find(|signal| pending.contains(&number(*signal)))
            {
                arrived(signal);
            }
        }
    })?;
    Ok(())
}

/// Whether the parent had us ignore a signal, by `SigIgn` of proc(5). `nohup git vsts push` is to
/// outlive its terminal, and `git vsts push &` in a script is not to hear Ctrl-C.
fn is_ignored(status: &str, number: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// Ends the process by `signal`'s default action, so that the parent sees a death by signal.
pub(super) fn die(signal: Signal) -> ! {
    let _ = emulate_default_handler(number(signal));
    std::process::exit(signal.exit_status().into())
}

/// Asks another process to end. One that has ended already is not there, which is as good.
pub(super) fn terminate(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Interrupt => SIGINT,
        Signal::Terminate => SIGTERM,
        Signal::HangUp => SIGHUP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_parent_ignores_is_left_ignored() {
        let table = [
            ("SigIgn:\t0000000000000001\n", [true, false, false]),
            ("SigBlk:\t0000000000004003\nSigIgn:\t0000000000004002\n", [false, true, true]),
            ("SigIgn:\t0000000000000000\n", [false, false, false]),
            ("SigIgn:\tnonsense\n", [false, false, false]),
            ("", [false, false, false]),
        ];
        for (status, expected) in table {
            let ignored = [SIGHUP, SIGINT, SIGTERM].map(|number| is_ignored(status, number));
            assert_eq!(ignored, expected, "{status:?}");
        }
    }
}
