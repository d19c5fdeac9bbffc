//! How far a long piece of work has come: one line at the bottom of the terminal, gone when it is
//! done.

use std::{
    cell::Cell,
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::interrupt::{self, ProgressLine};
use crate::text::visible;

/// Work that is done sooner shows nothing: a line that only flashes disturbs.
const SLOW: Duration = Duration::from_millis(250);

const TICK: Duration = Duration::from_millis(100);

/// A line that tells how far work has come; see [`Ui::progress`](super::Ui::progress). Dropped, it
/// is cleared. Methods cost little enough for a callback of libgit2.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    color: bool,
    /// When bytes were told first, and how many.
    began: Cell<Option<(Instant, u64)>>,
    /// Draws the bar once the work is slow; ends early when the sender is gone.
    reveal: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(super) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), color: false, began: Cell::new(None), reveal: None }
    }

    /// Whether nobody sees it.
    pub fn is_hidden(&self) -> bool {
        self.reveal.is_none()
    }

    pub(super) fn slow(lines: MultiProgress, title: &str, color: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(spinner(color))
            .with_prefix(visible(title));
        let (done, work) = mpsc::channel::<()>();
        let drawn = bar.clone();
        let thread = thread::Builder::new().name("progress".into()).spawn(move || {
            if work.recv_timeout(SLOW) == Err(RecvTimeoutError::Timeout) {
                let _line = ProgressLine::drawn();
                let drawn = lines.add(drawn);
                drawn.tick();
                drawn.enable_steady_tick(TICK);
                // Until the work is done.
                let _ = work.recv();
                drawn.finish_and_clear();
                lines.remove(&drawn);
            }
        });
        // Without a thread the work goes on unseen.
        let reveal = thread.ok().map(|thread| (done, thread));
        Self { bar, color, began: Cell::new(None), reveal }
    }

    /// What is being done now. The steps and bytes of what was done before are gone.
    pub fn title(&self, title: &str) {
        if self.bar.prefix() != title {
            self.bar.set_prefix(visible(title));
            self.bar.set_message("");
            self.set(0, None);
        }
    }

    /// `position` of `total` steps. Without a total, or with 0, no steps are shown.
    pub fn set(&self, position: u64, total: Option<u64>) {
        let total = total.filter(|total| *total > 0);
        if total != self.bar.length() {
            match total {
                Some(total) => {
                    self.bar.set_length(total);
                    self.bar.set_style(steps(self.color));
                }
                None => {
                    self.bar.unset_length();
                    self.bar.set_style(spinner(self.color));
                }
            }
        }
        self.bar.set_position(position);
    }

    /// How many bytes went so far, and by that how fast they go.
    pub fn bytes(&self, bytes: u64) {
        let now = Instant::now();
        let (began, before) = self.began.get().unwrap_or((now, bytes));
        self.began.set(Some((began, before)));
        self.bar.set_message(moved(bytes, bytes.saturating_sub(before), now - began));
    }

    /// A few words in place of the bytes, shown visibly.
    pub fn message(&self, text: &str) {
        self.bar.set_message(visible(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.reveal.take() {
            drop(done);
            // Joined, so that no line is drawn after this.
            let _ = thread.join();
        }
    }
}

fn steps(color: bool) -> ProgressStyle {
    template(if color { "{prefix} {bar:16.cyan} {msg}" } else { "{prefix} {bar:16} {msg}" })
        .progress_chars("█ ")
}

fn spinner(color: bool) -> ProgressStyle {
    template(if color { "{prefix} {spinner:.cyan} {msg}" } else { "{prefix} {spinner} {msg}" })
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("both templates are fixed")
}

/// `1.2 MiB, 640.0 KiB/s`: the rate once there is one that means something.
fn moved(bytes: u64, since: u64, time: Duration) -> String {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match milliseconds {
        0..1000 => size(bytes),
        _ => format!("{}, {}/s", size(bytes), size(since.saturating_mul(1000) / milliseconds)),
    }
}

/// `1.2 MiB`, as git shows it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Stderr, whose failures are nobody's: indicatif unwraps what drawing returns when it makes room
/// for other output, and would panic where the terminal is gone.
#[derive(Debug)]
pub(super) struct Screen {
    term: Term,
    width: Option<u16>,
}

impl Screen {
    /// As many lines as there is work going on, at most ten times a second. `width` in columns if
    /// not the terminal's.
    pub(super) fn lines(width: Option<u16>) -> MultiProgress {
        let screen = Self { term: Term::buffered_stderr(), width };
        MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(screen), 10))
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width.unwrap_or_else(|| self.term.size().1)
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let _ = self.term.move_cursor_up(n);
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        let _ = self.term.move_cursor_down(n);
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        let _ = self.term.move_cursor_right(n);
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        let _ = self.term.move_cursor_left(n);
        Ok(())
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        let _ = self.term.write_line(s);
        Ok(())
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        let _ = self.term.write_str(s);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let _ = self.term.clear_line();
        Ok(())
    }

    /// The only one that writes; the others fill a buffer.
    fn flush(&self) -> io::Result<()> {
        interrupt::draw(|| {
            let _ = self.term.flush();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_git_does() {
        let table = [
            (1, "1 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.2 MiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (3 << 50, "3072.0 TiB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn a_rate_is_shown_once_it_means_something() {
        let table = [
            (2048, 2048, 999, "2.0 KiB"),
            (4096, 2048, 1000, "4.0 KiB, 2.0 KiB/s"),
            (3 << 20, 3 << 20, 1500, "3.0 MiB, 2.0 MiB/s"),
            (5, 0, 5000, "5 bytes, 0 bytes/s"),
        ];
        for (bytes, since, milliseconds, expected) in table {
            assert_eq!(moved(bytes, since, Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn another_title_takes_back_what_was_shown_below_the_one_before() {
        let progress = Progress::hidden();
        progress.title("Writing objects");
        progress.set(3, Some(10));
        progress.bytes(2048);
        progress.title("Writing objects");
        assert_eq!((progress.bar.position(), progress.bar.length()), (3, Some(10)));
        assert_eq!(progress.bar.message(), "2.0 KiB");
        progress.title("Waiting for the server");
        assert_eq!((progress.bar.position(), progress.bar.length()), (0, None));
        assert_eq!(progress.bar.message(), "");
    }
}
