//! What a repository at the server has (gitprotocol-pack(5), "Reference Discovery").
//!
//! It is read here and not by libgit2, whose binding panics on a reference whose name is no UTF-8,
//! and so that a push that changes nothing opens no second connection and packs nothing.

use std::collections::BTreeMap;

use git2::Oid;

use super::pkt_line::Lines;

/// The bytes that are looked through at once.
const PIECE: usize = 64 << 10;

/// References in full, and what they point at. One whose name is no UTF-8 is left out: nothing here
/// can name it.
pub type Advertised = BTreeMap<String, Oid>;

/// What a server said that it has, and that it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// Its references.
    pub references: Advertised,
    /// Objects of other repositories that it has as well (`.have`).
    pub others: Vec<Oid>,
    /// What it can do (gitprotocol-capabilities(5)), parted by blanks.
    pub capabilities: String,
}

impl Advertisement {
    /// The objects that it is known to have.
    pub fn objects(&self) -> impl Iterator<Item = Oid> {
        self.references.values().chain(&self.others).copied()
    }

    /// Whether it can do something.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.split(' ').any(|met| met == capability)
    }
}

/// In the place of a name: an object of another repository whose objects are shared.
const HAVE: &str = ".have";

/// Why an advertisement can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ended in the middle.
    #[error("its list of references is cut short")]
    Cut,
    /// It is not git's protocol.
    #[error("its list of references is malformed")]
    Malformed,
    /// The server says why it has none (`ERR`).
    #[error("{0}")]
    Refused(String),
}

/// Reads an advertisement of receive-pack, whole.
///
/// # Errors
/// [`enum@Error`]
pub fn read(bytes: &[u8]) -> Result<Advertisement, Error> {
    let mut advertised = Advertisement::default();
    let mut flushes = 0;
    let mut fault = None;
    let mut lines = Lines::default();
    let mut take = |line: Option<&[u8]>| match line {
        None => flushes += 1,
        Some(_) if fault.is_some() => {}
        Some(line) => {
            if let Some((_, said)) = split_at_nul(line) {
                advertised.capabilities = String::from_utf8_lossy(said.trim_ascii()).into_owned();
            }
            match reference(line) {
                Ok(Some((name, id))) if name == HAVE => advertised.others.push(id),
                Ok(Some((name, id))) => drop(advertised.references.insert(name, id)),
                Ok(None) => {}
                Err(error) => fault = Some(error),
            }
        }
    };
    // In pieces, since it keeps a copy of each: a million references are 60 MB.
    bytes.chunks(PIECE).for_each(|piece| lines.feed(piece, &mut take));
    match fault {
        Some(fault) => Err(fault),
        None if lines.damaged => Err(Error::Malformed),
        // One flush ends the line that names the service, one the list.
        None if !lines.is_at_end() || flushes < 2 => Err(Error::Cut),
        None => Ok(advertised),
    }
}

/// `ID SP NAME [NUL CAPABILITIES] [LF]`; nothing for the lines that are about something else.
fn reference(line: &[u8]) -> Result<Option<(String, Oid)>, Error> {
    if let Some(reason) = line.strip_prefix(b"ERR ") {
        return Err(Error::Refused(crate::text::visible_bytes(reason.trim_ascii_end())));
    }
    if line.starts_with(b"#") || line.starts_with(b"shallow ") || line.starts_with(b"version ") {
        return Ok(None);
    }
    let line = split_at_nul(line).map_or(line, |(line, _)| line);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (id, name) = line.split_at_checked(40).ok_or(Error::Malformed)?;
    let id = str::from_utf8(id).ok().and_then(|id| id.parse().ok()).ok_or(Error::Malformed)?;
    let name = name.strip_prefix(b" ").ok_or(Error::Malformed)?;
    // An empty repository has one line for its capabilities.
    if name == b"capabilities^{}" {
        return Ok(None);
    }
    Ok(str::from_utf8(name).ok().map(|name| (name.to_owned(), id)))
}

fn split_at_nul(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == 0)?;
    Some((&line[..at], &line[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn line(data: &[u8]) -> Vec<u8> {
        [format!("{:04x}", data.len() + 4).as_bytes(), data].concat()
    }

    fn advertisement(lines: &[&[u8]]) -> Vec<u8> {
        let head = [line(b"# service=git-receive-pack\n"), b"0000".to_vec()].concat();
        let body: Vec<u8> = lines.iter().flat_map(|data| line(data)).collect();
        [head, body, b"0000".to_vec()].concat()
    }

    #[test]
    fn references_are_read_with_and_without_capabilities() {
        let main = format!("{ONE} refs/heads/main\0report-status delete-refs\n");
        let tag = format!("{ONE} refs/tags/v1\n");
        let latin = [ONE.as_bytes(), b" refs/heads/\xff\n"].concat();
        let have = format!("{ONE} .have\n");
        let read =
            read(&advertisement(&[main.as_bytes(), &latin, tag.as_bytes(), have.as_bytes()]));
        let one: Oid = ONE.parse().unwrap();
        let expected = [("refs/heads/main", one), ("refs/tags/v1", one)];
        let read = read.unwrap();
        assert_eq!(read.references, expected.map(|(name, id)| (name.to_owned(), id)).into());
        assert_eq!(read.objects().collect::<Vec<_>>(), [one; 3]);
        let can = ["report-status", "delete-refs", "delete", "atomic", ""];
        assert_eq!(can.map(|it| read.can(it)), [true, true, false, false, false]);
    }

    #[test]
    fn an_empty_repository_has_no_reference() {
        let none = format!("{ZERO} capabilities^{{}}\0report-status\n");
        let read = read(&advertisement(&[none.as_bytes()])).unwrap();
        assert_eq!(read.references, Advertised::new());
        assert!(read.can("report-status"));
    }

    #[test]
    fn what_is_not_whole_is_not_believed() {
        let main = format!("{ONE} refs/heads/main\0report-status\n");
        let whole = advertisement(&[main.as_bytes()]);
        assert!(read(&whole).is_ok());
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Error::Cut), "{end}");
        }
        for bytes in [
            &b"<html>"[..],
            b"zzzz",
            b"0001",
            b"0003",
            b"fff1",
            b"ffff",
            &advertisement(&[b"no reference\n"]),
        ] {
            assert_eq!(read(bytes), Err(Error::Malformed), "{}", String::from_utf8_lossy(bytes));
        }
        let refused = advertisement(&[b"ERR gone\x1b[2J\n"]);
        assert_eq!(read(&refused), Err(Error::Refused("gone\\x1b[2J".to_owned())));
    }
}
