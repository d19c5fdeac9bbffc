//! pkt-lines, in which git's protocol frames all that it says (gitprotocol-common(5)).

/// The longest one, its length included.
const LONGEST: usize = 65_520;

/// The line that ends a list of others.
pub const FLUSH: &[u8] = b"0000";

/// A text as one line.
pub fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

/// Splits a stream of bytes into pkt-lines, in bounded memory.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// What came is no pkt-line, so nothing after it is read.
    pub damaged: bool,
}

impl Lines {
    /// Whether the bytes so far end with the end of a line.
    pub fn is_at_end(&self) -> bool {
        self.pending.is_empty() && !self.damaged
    }

    /// Takes the next bytes, and gives each line that is whole; `None` is a flush.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(Option<&[u8]>)) {
        if self.damaged {
            return;
        }
        self.pending.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(head) = self.pending.get(from..from + 4) {
            let length = str::from_utf8(head)
                .ok()
                .filter(|head| head.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|head| usize::from_str_radix(head, 16).ok());
            match length {
                Some(0) => {
                    take(None);
                    from += 4;
                }
                Some(length @ 4..=LONGEST) => {
                    let Some(line) = self.pending.get(from + 4..from + length) else { break };
                    take(Some(line));
                    from += length;
                }
                _ => {
                    self.damaged = true;
                    self.pending.clear();
                    return;
                }
            }
        }
        self.pending.drain(..from);
    }
}
