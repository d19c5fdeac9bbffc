//! What SIGINT, SIGTERM and SIGHUP do.
//!
//! A signal ends the process at once, and as that signal's own default would: a shell loop or a
//! `make` above us stops only if it sees a death by signal, an exit with 130 does not do. Two
//! things come before: the terminal is put back as it was found, and work that must not be cut in
//! half may hold the end back ([`Interrupt::hold`]).

use std::{
    io,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Error, platform};
use crate::text::visible;

/// How long a repetition of the same signal counts as the same wish.
///
/// git waits for `git vsts` and passes on what the terminal has already sent to both
/// (`run-command.c`, `cleanup_children`), so that one Ctrl-C arrives twice within a millisecond.
const ECHO: Duration = Duration::from_millis(250);

/// How long a question waits for the signal that woke it to end the process.
const GRACE: Duration = Duration::from_secs(1);

/// How long the end of the process waits for other threads to let go of the terminal. A question on
/// the main thread does so at once, for that is the one the kernel wakes; on another it may sleep
/// on, and does no harm.
const LETTING_GO: Duration = Duration::from_millis(200);

static STATE: Mutex<State> = Mutex::new(State {
    installed: false,
    question: None,
    holds: 0,
    first: None,
    progress_lines: 0,
    drawing: 0,
    ending: false,
    last_words: None,
    child: None,
});

/// The same as `State::first`, readable without the lock: 0, or the index into [`Signal::ALL`] plus
/// 1.
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// Process-wide, since signals and the terminal's modes are.
struct State {
    installed: bool,
    /// What is being asked now.
    question: Option<Open>,
    holds: usize,
    first: Option<(Signal, Instant)>,
    /// How many progress lines are drawn now.
    progress_lines: usize,
    /// How many threads are writing progress lines to the terminal at this moment.
    drawing: usize,
    /// The terminal has been put back: nothing more is drawn.
    ending: bool,
    /// What is told when a signal ends the process now.
    last_words: Option<String>,
    /// The process that a signal ends with this one.
    child: Option<u32>,
}

/// A question that waits for its answer.
struct Open {
    /// The terminal as it was before.
    modes: platform::Modes,
    reader: Reader,
}

/// Who reads the keys of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// `console`, which sets the terminal's modes around each key: woken by a signal it puts back
    /// those of the question, over whatever has been set meanwhile.
    Console,
    /// Somebody who leaves the modes alone.
    Still,
}

/// Told when a question's reader becomes [`Reader::Still`], and when something has been drawn.
static LET_GO: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    // A thread that panicked with the lock has left plain values; to lose Ctrl-C over it would be
    // worse.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wish that this process end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C. On Windows every console event arrives as this one.
    Interrupt,
    /// SIGTERM: `kill`, a CI system that cancels a job.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Signal {
    /// In order of precedence: where several arrive at once the first of these is the one that
    /// counts. SIGINT stands last, since `console` raises one of its own when another signal wakes
    /// it from waiting for a key.
    pub(super) const ALL: [Self; 3] = [Self::Terminate, Self::HangUp, Self::Interrupt];

    /// What a shell shows as the status of a process that died of it: 130, 143, 129 (128 plus
    /// POSIX's number).
    pub fn exit_status(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The process's answer to signals; a cheap handle to what exists once.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt(());

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP (those that the parent did not have us ignore, as
    /// `nohup` does); a second call only returns another handle.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses the handlers or their thread.
    pub fn install() -> Result<Self, Error> {
        let mut state = state();
        if !state.installed {
            platform::watch_signals(arrived)
                .map_err(|source| Error::io("cannot watch for signals", source))?;
            state.installed = true;
        }
        Ok(Self(()))
    }

    /// The signal that arrived while the end was held back; `None` so far. One atomic load, for
    /// inner loops.
    pub fn interrupted(&self) -> Option<Signal> {
        FIRST.load(Ordering::Relaxed).checked_sub(1).and_then(|at| Signal::ALL.get(at).copied())
    }

    /// [`interrupted`](Self::interrupted) for `?`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once a signal has arrived.
    pub fn check(&self) -> Result<(), Error> {
        match self.interrupted() {
            None => Ok(()),
            Some(signal) => Err(Error::Interrupted(signal)),
        }
    }

    /// Holds the end back while the guard lives: the first signal is only noted, and the work must
    /// see it through [`interrupted`](Self::interrupted), stop, and leave with
    /// [`Error::Interrupted`]. A second one ends the process whatever is held, unless it is the
    /// first one's echo (the same within 250 ms).
    pub fn hold(&self) -> Hold {
        state().holds += 1;
        Hold(())
    }

    /// While the result lives a signal that ends the process tells this before, as an error is told.
    pub fn last_words(&self, text: &str) -> LastWords {
        let words = LastWords(());
        words.change(text);
        words
    }

    /// Puts the terminal back and ends the process as `signal` would: what `main` does with
    /// [`Error::Interrupted`] once all is cleaned up. On Windows an exit with status 130.
    pub fn end(&self, signal: Signal) -> ! {
        end(state(), signal)
    }
}

/// Until it is dropped a first signal does not end the process; see [`Interrupt::hold`].
#[derive(Debug)]
#[must_use = "nothing is held back once this is dropped"]
pub struct Hold(());

impl Drop for Hold {
    fn drop(&mut self) {
        state().holds -= 1;
    }
}

/// What is told when a signal ends the process; see [`Interrupt::last_words`].
#[derive(Debug)]
#[must_use = "nothing is told once this is dropped"]
pub struct LastWords(());

impl LastWords {
    /// Tells something else from now on.
    pub fn change(&self, text: &str) {
        state().last_words = Some(visible(text));
    }

    /// Names a process that is not to outlive this one, or none: a terminal sends its Ctrl-C to both, `kill` does not.
    pub fn with_child(&self, id: Option<u32>) {
        state().child = id;
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let mut state = state();
        (state.last_words, state.child) = (None, None);
    }
}

/// Called on the thread that watches for signals, never inside a signal handler: it may lock and
/// write.
fn arrived(signal: Signal) {
    let mut state = state();
    match verdict(state.question.is_some(), state.holds > 0, state.first, signal, Instant::now()) {
        Verdict::End => end(state, signal),
        Verdict::Note => {
            state.first = Some((signal, Instant::now()));
            let index = Signal::ALL.iter().position(|other| *other == signal).unwrap_or(0);
            FIRST.store(index + 1, Ordering::Relaxed);
        }
        Verdict::Ignore => {}
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    End,
    Note,
    Ignore,
}

fn verdict(
    asking: bool,
    held: bool,
    first: Option<(Signal, Instant)>,
    signal: Signal,
    now: Instant,
) -> Verdict {
    match first {
        // Nobody looks at a flag while a question waits for a key.
        _ if asking || !held && first.is_none() => Verdict::End,
        None => Verdict::Note,
        Some((same, at)) if same == signal && now.saturating_duration_since(at) < ECHO => {
            Verdict::Ignore
        }
        Some(_) => Verdict::End,
    }
}

fn end(mut state: MutexGuard<'static, State>, signal: Signal) -> ! {
    state.ending = true;
    let busy = |state: &mut State| {
        state.drawing > 0
            || state.question.as_ref().is_some_and(|open| open.reader == Reader::Console)
    };
    let (mut state, _) =
        LET_GO.wait_timeout_while(state, LETTING_GO, busy).unwrap_or_else(PoisonError::into_inner);
    if let Some(open) = state.question.take() {
        open.modes.restore();
        // A menu hides the cursor; the new line keeps the shell's prompt off the question.
        platform::write_to_stderr(b"\x1b[?25h\r\n");
    }
    if state.progress_lines > 0 {
        platform::write_to_stderr(b"\r\x1b[K");
    }
    if let Some(child) = state.child.take() {
        platform::terminate(child);
    }
    if let Some(words) = state.last_words.take() {
        platform::write_to_stderr(format!("error: {words}\n").as_bytes());
    }
    platform::die(signal)
}

/// While it lives the end of the process clears the progress line.
#[derive(Debug)]
pub(super) struct ProgressLine(());

impl ProgressLine {
    pub(super) fn drawn() -> Self {
        state().progress_lines += 1;
        Self(())
    }
}

/// Runs `write`, which draws progress; not once the process is ending, when the line would stay
/// behind.
pub(super) fn draw(write: impl FnOnce()) {
    {
        let mut state = state();
        if state.ending {
            return;
        }
        state.drawing += 1;
    }
    // Without the lock: a terminal stopped by Ctrl-S may block it for long, and signals must get
    // through.
    write();
    state().drawing -= 1;
    LET_GO.notify_all();
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        state().progress_lines -= 1;
    }
}

/// A question that is being asked. Dropped, whether by return, error or panic, it puts the terminal
/// back; a signal meanwhile does the same and ends the process.
pub(super) struct Asking {
    modes: platform::Modes,
    answered: bool,
}

impl Asking {
    /// Remembers the terminal's modes, and sets those for a question.
    pub(super) fn begin(reader: Reader) -> Result<Self, Error> {
        let interrupt = Interrupt::install()?;
        // Noted, and the work did not stop: it must not be heard as an answer.
        interrupt.check()?;
        let unusable = |source| Error::io("cannot use the terminal", source);
        let modes = platform::Modes::now().map_err(unusable)?;
        state().question = Some(Open { modes: modes.clone(), reader });
        let asking = Self { modes, answered: false };
        asking.modes.for_question().map_err(unusable)?;
        Ok(asking)
    }

    /// The error of a question, sorted.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::Interrupted => {
                // `console` reports Ctrl-C to us as an error and to the process as a signal. The
                // watching thread ends the process; whoever went on here would ask the next
                // question in between. The wait is bounded for the parent that has SIGINT ignored:
                // then no signal comes.
                if let Some(open) = &mut state().question {
                    open.reader = Reader::Still;
                }
                LET_GO.notify_all();
                thread::sleep(GRACE);
                Error::Interrupted(Signal::Interrupt)
            }
            io::ErrorKind::UnexpectedEof => Error::Cancelled,
            _ => Error::io("cannot ask on the terminal", error),
        }
    }

    /// Says that the question ended in order, so that the cursor is where it belongs.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        state().question = None;
        self.modes.restore();
        if !self.answered {
            platform::write_to_stderr(b"\x1b[?25h");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signal_does() {
        let now = Instant::now();
        let ago = |milliseconds| Some(now - Duration::from_millis(milliseconds));
        let int = |at: Option<Instant>| at.map(|at| (Signal::Interrupt, at));
        let table = [
            ("with nothing held", false, false, None, Verdict::End),
            ("a first one, held back", false, true, None, Verdict::Note),
            ("git's echo of it", false, true, int(ago(1)), Verdict::Ignore),
            ("git's echo after the work let go", false, false, int(ago(1)), Verdict::Ignore),
            ("a second one", false, true, int(ago(250)), Verdict::End),
            ("a second one after the work let go", false, false, int(ago(250)), Verdict::End),
            (
                "another kind at once",
                false,
                true,
                ago(1).map(|at| (Signal::Terminate, at)),
                Verdict::End,
            ),
            ("in a question", true, false, None, Verdict::End),
            ("in a question while work is held", true, true, None, Verdict::End),
        ];
        for (name, asking, held, first, expected) in table {
            assert_eq!(verdict(asking, held, first, Signal::Interrupt, now), expected, "{name}");
        }
    }

    #[test]
    fn statuses_are_those_a_shell_shows() {
        assert_eq!(Signal::ALL.map(Signal::exit_status), [143, 129, 130]);
    }
}
