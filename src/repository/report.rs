//! What receive-pack says of a push (gitprotocol-pack(5), "Reporting Status"), read from the
//! bytes of its answer.
//!
//! libgit2 reads the same bytes, but it forgets the reason why unpacking failed and the status of
//! each reference with it, and it takes a report without a line for a reference for a success.

use super::pkt_line::Lines;

/// The most references whose status is kept: more than any push that was asked for has.
const MOST: usize = 1_000_000;

/// What was said of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the pack was taken, or why it was not; absent if nothing was said.
    pub unpack: Option<Result<(), String>>,
    /// Each reference that was spoken of, in order, with the reason of a refusal.
    pub references: Vec<(String, Result<(), String>)>,
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
        self.references.iter().find(|(met, _)| met == name).map(|(_, status)| status)
    }
}

/// Reads a report piece by piece, in bounded memory.
#[derive(Debug, Default)]
pub struct Reader {
    outer: Lines,
    /// With a side-band the report is a stream of pkt-lines of its own within band 1.
    inner: Lines,
    report: Report,
    ended: bool,
}

impl Reader {
    /// Takes the next bytes of the answer; what is for a person to read (side-band 2) goes to `said`.
    pub fn feed(&mut self, bytes: &[u8], said: &mut dyn FnMut(&[u8])) {
        let Self { outer, inner, report, ended } = self;
        outer.feed(bytes, &mut |line| match line {
            Some([1, data @ ..]) => inner.feed(data, &mut |line| status(report, ended, line)),
            Some([2, text @ ..]) => said(text),
            Some([3, text @ ..]) => {
                report.fatal = Some(String::from_utf8_lossy(text).trim_end().to_owned());
            }
            line => status(report, ended, line),
        });
    }

    /// The report, once the answer has ended.
    pub fn finish(mut self) -> Report {
        let whole = self.ended && !self.outer.damaged && !self.inner.damaged;
        self.report.damaged = !whole;
        self.report
    }
}

/// Reads one line of the report proper; `None` is a flush, which ends it.
fn status(report: &mut Report, ended: &mut bool, line: Option<&[u8]>) {
    let Some(line) = line else {
        // The flush of the side-band itself comes when the report has ended already.
        *ended |= report.unpack.is_some();
        return;
    };
    let line = String::from_utf8_lossy(line);
    let line = line.strip_suffix('\n').unwrap_or(&line);
    if let Some(result) = line.strip_prefix("unpack ") {
        report.unpack = Some(match result {
            "ok" => Ok(()),
            reason => Err(reason.to_owned()),
        });
    } else if report.references.len() < MOST {
        if let Some(name) = line.strip_prefix("ok ") {
            report.references.push((name.to_owned(), Ok(())));
        } else if let Some(refused) = line.strip_prefix("ng ") {
            let (name, reason) = refused.split_once(' ').unwrap_or((refused, ""));
            report.references.push((name.to_owned(), Err(reason.to_owned())));
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
            references: vec![
                ("refs/heads/main".into(), Ok(())),
                ("refs/heads/x".into(), Err("TF402455: no".into())),
            ],
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
