//! git packs (git-pack-objects(1)), and what it says meanwhile.

use std::io::{Read as _, Write as _};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use git2::Oid;

use super::super::git::failed;
use super::{Error, Event, Many, Repository, Sink, Stage};

/// The bytes that are taken from git at once.
const PIECE: usize = 64 << 10;
/// The pieces that wait at most to be sent.
const WAITING: usize = 4;
/// How often it is looked what git says, while it writes nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// The most bytes kept of what git says while it packs.
const SAID: usize = 4096;

impl Repository {
    /// As git does it for a push of its own (`send-pack.c`, `pack_objects`).
    pub(super) fn write_by_git(
        &self,
        many: &Many<'_>,
        sink: Sink<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let git = many.git;
        let mut arguments =
            vec!["pack-objects", "--all-progress-implied", "--revs", "--stdout", "--progress"];
        arguments.extend(&many.options);
        let mut command = git.command(self.directory(), &arguments);
        // Its progress is read, in whatever language the person has.
        command.env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| git.unusable(error))?;
        on(Event::Child(Some(child.id())));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(git.unusable(std::io::Error::other("it has no pipes")).into());
        };
        let (heard, hears) = mpsc::channel();
        let listener = thread::spawn(move || listen(stderr, &heard));
        let mut said = Vec::new();
        // One that fails at once does not read it; its status tells.
        let _ = name_objects(stdin, &many.wanted, &many.had);
        let (pieces, taken) = mpsc::sync_channel(WAITING);
        let reader = thread::spawn(move || read_pack(stdout, &pieces));
        let sent = loop {
            // What it says is told also while it counts, and writes nothing yet.
            hears.try_iter().for_each(|it: Said| it.tell(&mut said, on));
            match taken.recv_timeout(PAUSE) {
                Ok(Ok(piece)) => {
                    if let Err(error) = sink(&piece) {
                        break Err(Error::from(error));
                    }
                }
                Ok(Err(error)) => break Err(git.unusable(error).into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            }
        };
        // It would wait for ever for somebody to read the rest.
        drop(taken);
        let _ = reader.join();
        let status = child.wait().map_err(|error| git.unusable(error))?;
        on(Event::Child(None));
        sent?;
        // git has ended, and so has what it says.
        let _ = listener.join();
        hears.try_iter().for_each(|it| it.tell(&mut said, on));
        match status.success() {
            true => Ok(()),
            false => Err(failed(&arguments, status, &said).into()),
        }
    }
}

/// Hands on what git writes, until nobody takes it.
fn read_pack(mut stdout: ChildStdout, pieces: &mpsc::SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = stdout.read(&mut piece).map(|count| {
            piece.truncate(count);
            piece
        });
        let is_end = read.as_ref().is_ok_and(Vec::is_empty);
        let is_fault = read.is_err();
        if is_end || pieces.send(read).is_err() || is_fault {
            return;
        }
    }
}

/// `^ID` for what is there, `ID` for what shall be (git-pack-objects(1), `--revs`).
fn name_objects(mut stdin: ChildStdin, wanted: &[Oid], had: &[Oid]) -> std::io::Result<()> {
    let mut text = String::with_capacity(42 * (wanted.len() + had.len()));
    for id in had {
        text += &format!("^{id}\n");
    }
    for id in wanted {
        text += &format!("{id}\n");
    }
    stdin.write_all(text.as_bytes())
}

/// What git says on its standard error while it works.
pub enum Said {
    /// How far it has come.
    Step(Stage, usize, usize),
    /// A line of the server's, and whether the next one is to overwrite it.
    Remote(String, bool),
    /// Anything else.
    Line(Vec<u8>),
}

impl Said {
    /// Tells it, or keeps it with what else was said, as long as that is not too much.
    pub fn tell(self, said: &mut Vec<u8>, on: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Step(stage, done, total) => on(Event::Packing { stage, done, total }),
            Self::Remote(line, false) => on(Event::Remote(&line)),
            Self::Remote(line, true) => on(Event::RemoteProgress(&line)),
            Self::Line(line) => {
                said.extend_from_slice(&line);
                said.push(b'\n');
                // Why it failed stands at the end.
                said.drain(..said.len().saturating_sub(SAID));
            }
        }
    }
}

/// Reads what git says, to its end.
pub fn listen(mut stderr: ChildStderr, heard: &mpsc::Sender<Said>) {
    let (mut line, mut piece) = (Vec::new(), [0; 1024]);
    let tell = |line: &mut Vec<u8>, is_progress: bool| {
        let line = std::mem::take(line);
        let remote = line.strip_prefix(b"remote: ").map(String::from_utf8_lossy);
        let said = match (step(&line), remote) {
            (Some((stage, done, total)), _) => Said::Step(stage, done, total),
            (None, Some(remote)) => Said::Remote(remote.trim_end().to_owned(), is_progress),
            (None, None) => Said::Line(line),
        };
        // Nobody may be there to hear it.
        let _ = heard.send(said);
    };
    while let Ok(count @ 1..) = stderr.read(&mut piece) {
        for byte in &piece[..count] {
            match byte {
                b'\r' | b'\n' => tell(&mut line, *byte == b'\r'),
                byte if line.len() < SAID => line.push(*byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        tell(&mut line, false);
    }
}

/// `Compressing objects:  45% (450/1000)`, as git's progress has it; with 0 where there is no end yet.
fn step(line: &[u8]) -> Option<(Stage, usize, usize)> {
    let (title, rest) = str::from_utf8(line).ok()?.split_once(" objects: ")?;
    let stage = match title {
        "Enumerating" | "Counting" => Stage::Counting,
        "Compressing" => Stage::Compressing,
        "Writing" => Stage::Writing,
        _ => return None,
    };
    let steps = rest.split_once('(').and_then(|(_, steps)| steps.split_once(')'));
    let Some((steps, _)) = steps else {
        return Some((stage, rest.trim().trim_end_matches(", done.").parse().ok()?, 0));
    };
    let (done, total) = steps.split_once('/')?;
    Some((stage, done.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_s_progress_is_read_and_nothing_else_is() {
        use Stage::{Compressing, Counting, Writing};
        for (line, expected) in [
            ("Enumerating objects: 12", Some((Counting, 12, 0))),
            ("Enumerating objects: 12, done.", Some((Counting, 12, 0))),
            ("Counting objects:  45% (450/1000)", Some((Counting, 450, 1000))),
            ("Compressing objects: 100% (9/9), done.", Some((Compressing, 9, 9))),
            ("Writing objects:  50% (5/10), 1.00 MiB | 640.00 KiB/s", Some((Writing, 5, 10))),
            ("Delta compression using up to 2 threads", None),
            ("fatal: bad objects: (1/2)", None),
            ("Writing objects: x% (x/y)", None),
            ("", None),
        ] {
            assert_eq!(step(line.as_bytes()), expected, "{line}");
        }
    }
}
