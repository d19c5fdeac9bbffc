//! What receive-pack says of a push (gitprotocol-pack(5), "Reporting Status"), read from the
//! bytes of its answer.
//!
//! libgit2 could read them, but it forgets the reason why unpacking failed and the status of
//! each reference with it, and it takes a report without a line for a reference for a success.

use std::collections::BTreeMap;

use super::pkt_line::Lines;

/// The most bytes of a report that are kept: the lines of a million references are well below it.
const MOST: usize = 64 << 20;

/// What was said of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the pack was taken, or why it was not; absent if nothing was said.
    pub unpack: Option<Result<(), String>>,
    /// Each reference that was spoken of, as it was first, with the reason of a refusal.
    pub references: BTreeMap<String, Result<(), String>>,
    /// An error that ended the talk (side-band 3).
    pub fatal: Option<String>,
    /// It was cut short or is no report, so what is missing from it is not known.
    pub damaged: bool,
}

impl Report {
    /// Whether nothing was said that could be understood.
    pub fn is_empty(&self) -> bool {
        self.unpack.is_none() && self.fatal.is_none() && self.references.is_empty()
    }

    /// What was said of one reference.
    pub fn of(&self, name: &str) -> Option<&Result<(), String>> {
        self.references.get(name)
    }
}

/// Reads a report piece by piece, in bounded memory.
#[derive(Debug, Default)]
pub struct Reader {
    outer: Lines,
    /// With a side-band the report is a stream of pkt-lines of its own within band 1.
    inner: Lines,
    status: Status,
    lines: u64,
    is_over: bool,
}

/// The report proper.
#[derive(Debug, Default)]
struct Status {
    report: Report,
    ended: bool,
    kept: usize,
}

impl Reader {
    /// Takes the next bytes of the answer; what is for a person to read (side-band 2) goes to `said`.
    pub fn feed(&mut self, bytes: &[u8], said: &mut dyn FnMut(&[u8])) {
        let Self { outer, inner, status, lines, is_over } = self;
        outer.feed(bytes, &mut |line| {
            *lines += 1;
            match line {
                _ if *is_over => {}
                Some([1, data @ ..]) => inner.feed(data, &mut |line| status.take(line)),
                Some([2, text @ ..]) => said(text),
                Some([3, text @ ..]) => {
                    let text = String::from_utf8_lossy(text).trim_end().to_owned();
                    status.report.fatal = Some(text);
                }
                line => {
                    *is_over = line.is_none();
                    status.take(line);
                }
            }
        });
    }

    /// How many lines were whole so far; those that only say that the server is alive
    /// (git-config(1), `receive.keepAlive`) count too.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether nothing that follows could change it: its end is there, or it is no report.
    pub fn is_over(&self) -> bool {
        self.is_over || self.outer.damaged || self.inner.damaged
    }

    /// The report, once the answer has ended.
    pub fn finish(mut self) -> Report {
        let whole = self.status.ended && !self.outer.damaged && !self.inner.damaged;
        self.status.report.damaged = !whole;
        self.status.report
    }
}

impl Status {
    /// Reads one line of the report; `None` is a flush, which ends it.
    fn take(&mut self, line: Option<&[u8]>) {
        let Some(line) = line else {
            // The flush of the side-band itself comes when the report has ended already.
            self.ended |= self.report.unpack.is_some();
            return;
        };
        self.kept += line.len();
        if self.kept > MOST {
            // Of what is left out nothing is known, as if it had not been said.
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let references = &mut self.report.references;
        if let Some(result) = line.strip_prefix("unpack ") {
            self.report.unpack = Some(match result {
                "ok" => Ok(()),
                reason => Err(reason.to_owned()),
            });
        } else if let Some(name) = line.strip_prefix("ok ") {
            references.entry(name.to_owned()).or_insert(Ok(()));
        } else if let Some(refused) = line.strip_prefix("ng ") {
            let (name, reason) = refused.split_once(' ').unwrap_or((refused, ""));
            references.entry(name.to_owned()).or_insert_with(|| Err(reason.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<u8> {
        format!("{:04x}{text}", text.len() + 4).into_bytes()
    }

    fn band(number: u8, data: &[u8]) -> Vec<u8> {
        let mut line = format!("{:04x}", data.len() + 5).into_bytes();
        line.push(number);
        line.extend_from_slice(data);
        line
    }

    /// The same bytes in one piece, and one by one.
    fn read(bytes: &[u8]) -> Report {
        let mut whole = Reader::default();
        whole.feed(bytes, &mut |_| ());
        let mut pieces = Reader::default();
        bytes.chunks(1).for_each(|piece| pieces.feed(piece, &mut |_| ()));
        let report = whole.finish();
        assert_eq!(report, pieces.finish());
        report
    }

    fn good() -> Vec<u8> {
        [
            line("unpack ok\n"),
            line("ok refs/heads/main\n"),
            line("ng refs/heads/x TF402455: no\n"),
            b"0000".to_vec(),
        ]
        .concat()
    }

    #[test]
    fn a_report_is_read_with_and_without_a_side_band() {
        let expected = Report {
            unpack: Some(Ok(())),
            references: BTreeMap::from([
                ("refs/heads/main".into(), Ok(())),
                ("refs/heads/x".into(), Err("TF402455: no".into())),
            ]),
            fatal: None,
            damaged: false,
        };
        assert_eq!(read(&good()), expected);
        let report = good();
        let (a, b) = report.split_at(11);
        let banded =
            [band(2, b"Analyzing objects... (3/3)\n"), band(1, a), band(1, b), b"0000".to_vec()]
                .concat();
        assert_eq!(read(&banded), expected);
    }

    #[test]
    fn the_reason_why_unpacking_failed_is_kept_whole() {
        let reason = "error VS403654: The push was rejected\nSecrets:\ncommit: 1";
        let bytes =
            [line(&format!("unpack {reason}\n")), line("ng refs/heads/main x\n"), b"0000".to_vec()]
                .concat();
        let report = read(&band(1, &bytes));
        assert_eq!(report.unpack, Some(Err(reason.into())));
        assert_eq!(report.of("refs/heads/main"), Some(&Err("x".into())));
    }

    #[test]
    fn what_is_no_whole_report_is_known_to_be_damaged() {
        let good = good();
        let cut = &good[..good.len() - 4];
        for bytes in [
            b"".as_slice(),
            b"0000",
            b"0001",
            b"0003",
            b"fff1",
            b"ffff",
            b"zzzz",
            b"<html>sign in</html>",
            b"+00f",
            cut,
            &good[..30],
        ] {
            assert!(read(bytes).damaged, "{}", String::from_utf8_lossy(bytes));
        }
        assert!(!read(&good).damaged);
    }

    /// How many bytes are read before it is known that the rest says nothing more.
    fn read_of(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader::default();
        let over = bytes.iter().position(|byte| {
            reader.feed(&[*byte], &mut |_| ());
            reader.is_over()
        });
        over.map(|last| last + 1)
    }

    #[test]
    fn what_comes_behind_the_end_is_not_waited_for() {
        let good = good();
        let more = [&good[..], b"0005\x02"].concat();
        assert_eq!(read_of(&more), Some(good.len()));
        assert_eq!(read(&more), read(&good));
        let banded = [band(2, b"\n"), band(1, &good), b"0000".to_vec()].concat();
        assert_eq!(read_of(&[&banded[..], &banded].concat()), Some(banded.len()));
        // One that was opened and never ends.
        assert_eq!(read_of(&banded[..banded.len() - 4]), None);
        for (garbage, known) in [(&b"HTTP/1.1 200"[..], 4), (b"0003", 4), (b"fff1", 4)] {
            assert_eq!(read_of(garbage), Some(known));
        }
        assert_eq!(read_of(&band(1, b"zzzz")), Some(9));
    }

    #[test]
    fn a_report_of_more_than_was_asked_for_takes_bounded_memory() {
        let mut reader = Reader::default();
        let mut feed = |text: &str| reader.feed(&line(text), &mut |_| ());
        feed("unpack ok\n");
        let reason = "x".repeat(65_000);
        let count = MOST / 65_000 + 100;
        for number in 0..count {
            feed(&format!("ng refs/heads/{number} {reason}\n"));
        }
        reader.feed(b"0000", &mut |_| ());
        let report = reader.finish();
        assert!(report.references.len() < count && !report.damaged);
        assert_eq!(report.of(&format!("refs/heads/{}", count - 1)), None);
    }

    #[test]
    fn what_was_said_first_of_a_reference_holds() {
        let lines = ["unpack ok\n", "ng refs/heads/x no\n", "ok refs/heads/x\n"].map(line);
        let report = read(&[lines.concat(), b"0000".to_vec()].concat());
        assert_eq!(report.of("refs/heads/x"), Some(&Err("no".into())));
    }

    #[test]
    fn an_error_of_the_side_band_is_kept() {
        assert_eq!(read(&band(3, b"out of disk\n")).fatal, Some("out of disk".into()));
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let bytes =
            [line("unpack ok\n"), b"000bok \xff\xfe\n\n".to_vec(), b"0000".to_vec()].concat();
        assert!(!read(&bytes).damaged);
    }
}
