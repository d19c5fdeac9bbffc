//! The rule for a transfer that hardly moves. A limit of silence alone does not end one: a byte now
//! and then starts it anew.

use std::time::{Duration, Instant};

/// How little is too little. git has the same as `http.lowSpeedLimit` and `http.lowSpeedTime`
/// (git-config(1)), and sets neither by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long a transfer is watched before it is judged.
    pub window: Duration,
    /// The fewest bytes that have to move meanwhile.
    pub bytes: u64,
}

/// How a transfer comes along, judged by one window after the other.
#[derive(Debug)]
pub(super) struct Pace {
    rule: Stall,
    since: Instant,
    before: u64,
}

impl Pace {
    /// A transfer that is watched from now on; `moved` bytes of it are through already.
    pub(super) fn new(rule: Stall, now: Instant, moved: u64) -> Self {
        Self { rule, since: now, before: moved }
    }

    /// When the window ends.
    pub(super) fn end(&self) -> Instant {
        self.since + self.rule.window
    }

    /// Whether the window is over and too little moved in it. After a good one the next begins.
    pub(super) fn has_stalled(&mut self, now: Instant, moved: u64) -> bool {
        if now < self.end() {
            return false;
        }
        let enough = moved.saturating_sub(self.before) >= self.rule.bytes;
        (self.since, self.before) = (now, moved);
        !enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;

    /// When a transfer ends by the rule, of which `bytes` move every `seconds`, within a day.
    fn ends(bytes: u64, seconds: u64) -> Option<u64> {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut pace = Pace::new(Limits::default().stall, start, 0);
        (0..86_400).find(|&second| pace.has_stalled(at(second), second / seconds * bytes))
    }

    #[test]
    fn a_slow_transfer_goes_on_and_one_that_hardly_moves_ends() {
        for (bytes, seconds, end) in [
            (0, 1, Some(120)),
            (1, 1, Some(120)),
            (100, 1, Some(120)),
            (1 << 20, 200, Some(120)),
            (200, 1, None),
            (2 << 10, 1, None),
            // The system takes the bytes of an upload in bursts.
            (128 << 10, 60, None),
            (16 << 10, 100, None),
        ] {
            assert_eq!(ends(bytes, seconds), end, "{bytes} bytes every {seconds} s");
        }
    }

    #[test]
    fn what_moved_before_a_window_does_not_count_in_it() {
        let start = Instant::now();
        let rule = Stall { window: Duration::from_secs(2), bytes: 10 };
        let mut pace = Pace::new(rule, start, 1_000);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!pace.has_stalled(at(1), 1_000));
        assert!(!pace.has_stalled(at(2), 1_010));
        assert!(!pace.has_stalled(at(3), 1_010));
        assert!(pace.has_stalled(at(4), 1_019));
    }
}
