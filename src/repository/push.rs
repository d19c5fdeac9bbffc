//! A push: what is asked for, the hook, the pack, and what became of each reference.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use git2::Oid;
use thiserror::Error;

use super::advertisement::{self, Advertised, Advertisement};
use super::hooks::{self, Call};
use super::lease::Lease;
use super::pack::{self, Engine, Pack, Packer, Stage};
use super::pkt_line;
use super::plan::{self, Refspecs, Update};
use super::report::{Reader, Report};
use super::transport::Access;
use super::{Git, GitError, Handover, Repository};
use crate::http::{self, Reason, Refusal, Response, Wait};

/// The most bytes of one line of the server that are kept.
const LINE_LIMIT: usize = 4096;
/// The bytes of an answer that are read at once.
const PIECE: usize = 8 << 10;

/// What is pushed where.
pub struct Push<'a> {
    /// The remote, if it has a name.
    pub remote: Option<&'a str>,
    /// Its URL as it is configured, after rewriting.
    pub url: &'a str,
    /// What is pushed.
    pub refspecs: &'a Refspecs,
    /// Finds out what would happen, and sends nothing.
    pub dry_run: bool,
    /// Runs no hook.
    pub no_verify: bool,
    /// What must be at the server still, so that commits may be lost.
    pub leases: &'a [Lease],
    /// Every reference is changed, or none is.
    pub atomic: bool,
    /// What is told to the server beside the references (`push.pushOption`).
    pub options: &'a [String],
    /// Nobody is there to read how far the server has come.
    pub quiet: bool,
    /// Who makes the pack.
    pub engine: Engine,
    /// Runs the hook, and may make the pack.
    pub git: Option<&'a Git>,
    /// Where hooks are, if not where they usually are: `core.hooksPath`, as git has it.
    pub hooks: Option<&'a Path>,
    /// Waits where the server asks for patience before it says what it has.
    pub wait: Wait<'a>,
}

/// What happens during a push.
pub enum Event<'a> {
    /// It is known who makes the pack, and why.
    Packer(Packer),
    /// Another program was started, by the number of its process, and has to end with this one; or it has ended.
    Child(Option<u32>),
    /// The hook has run; or there is none, or none was wanted.
    Hooked,
    /// Objects are being counted and compressed.
    Packing {
        /// What is done with them.
        stage: Stage,
        /// How many so far.
        done: usize,
        /// Of how many; 0 if that is not known.
        total: usize,
    },
    /// The network took so much of what is sent.
    Sending {
        /// How many so far.
        bytes: u64,
    },
    /// The last of it is about to go. From now on the server may do it.
    Ending,
    /// All was sent.
    Sent,
    /// A line of the server's, as it came.
    Remote(&'a str),
    /// A line of the server's that the next one is to overwrite.
    RemoteProgress(&'a str),
    /// The server did not say what became of each reference, for this reason if it is known, and is asked what it has.
    LookingAgain(Option<&'a http::Error>),
}

/// What became of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it as it was to be; nothing had to be done if that is its kind.
    Done,
    /// It would have been sent, but for `dry_run`.
    Planned,
    /// The server refused it; its own words.
    Refused(String),
    /// It was refused here; the update's kind says why.
    Held,
    /// It was not sent, since another one can't be and all or none was wanted.
    Withheld,
    /// The server said nothing of it that can be understood, and it could not be asked, or somebody else changed it
    /// as well.
    Unknown,
    /// The server did not say what became of it, and has it as it was so far.
    Unchanged,
}

/// A reference of a push, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What was to be.
    pub update: Update,
    /// What became of it.
    pub outcome: Outcome,
}

impl Pushed {
    /// Whether the server has it as it was to be.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }
}

/// A push that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of each reference.
    pub references: Vec<Pushed>,
    /// Whether the server had no reference before.
    pub was_empty: bool,
}

/// Why nothing is known of any reference.
#[derive(Debug, Error)]
pub enum Error {
    /// The server was not reached, or refused to talk.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// It can't be told what to push.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The hook did not let it happen.
    #[error(transparent)]
    Hook(#[from] hooks::Error),
    /// What the server has can't be read.
    #[error("the server's answer can't be understood: {0}")]
    Advertisement(#[from] advertisement::Error),
    /// There is no pack.
    #[error(transparent)]
    Pack(pack::Error),
    /// git, which was to do all of it, pushed nothing.
    #[error(transparent)]
    Handover(GitError),
    /// The server can't change all or nothing.
    #[error("the server can't change all references or none")]
    NotAtomic,
    /// The server takes no push options.
    #[error("the server takes no push options")]
    NoOptions,
    /// The server, or what stands before it, takes no request of that size.
    #[error("{refusal}")]
    TooLarge {
        /// What it said.
        refusal: Box<Refusal>,
        /// A commit about halfway and the reference that it goes to, to be pushed first; none
        /// where no reference has more than one commit that is not there.
        part: Option<(Oid, String)>,
    },
    /// The connection ended after the pack was sent, so the server may have taken it.
    #[error("it is not known what the server did with the push")]
    Unknown(#[source] http::Error),
}

impl From<pack::Error> for Error {
    fn from(error: pack::Error) -> Self {
        match error {
            pack::Error::Http(error) => Self::Http(error),
            error => Self::Pack(error),
        }
    }
}

/// A push of which it is known what it would change.
pub struct Prepared {
    server: Advertisement,
    updates: Vec<Update>,
}

impl Prepared {
    fn sent(&self) -> impl Iterator<Item = &Update> {
        self.updates.iter().filter(|update| update.kind.is_sent())
    }

    /// Whether nothing is to be sent, since nothing is to be changed or not all of it can be.
    pub fn is_over(&self, push: &Push<'_>) -> bool {
        let (sent, changes) =
            (self.sent().count(), self.updates.iter().filter(|it| it.is_change()));
        sent == 0 || push.dry_run || push.atomic && sent < changes.count()
    }

    /// What it comes to if nothing is sent.
    pub fn unsent(self, push: &Push<'_>) -> Answer {
        let is_withheld =
            push.atomic && self.updates.iter().any(|it| it.is_change() && !it.kind.is_sent());
        let was_empty = self.server.references.is_empty();
        Answer { references: unsent(self.updates, push.dry_run && !is_withheld), was_empty }
    }

    /// What is to be changed, as arguments of git: from what the server was seen to have, since it may have been
    /// changed while the hook ran, and by its name where `by_name`.
    pub fn arguments(&self, by_name: bool) -> (Vec<String>, Vec<String>) {
        let lease = |Update { old, reference, .. }: &Update| match old.is_zero() {
            true => format!("--force-with-lease={reference}:"),
            false => format!("--force-with-lease={reference}:{old}"),
        };
        let refspec = |Update { new, reference, source, .. }: &Update| match source {
            None => format!(":{reference}"),
            Some(name) if by_name && name.starts_with("refs/") => format!("{name}:{reference}"),
            Some(_) => format!("{new}:{reference}"),
        };
        (self.sent().map(lease).collect(), self.sent().map(refspec).collect())
    }

    /// Lets git push it, and asks the server where git does not say what became of it.
    ///
    /// # Errors
    /// As [`Repository::hand_over`], where the server has everything as it was.
    pub fn hand_over(
        self,
        repository: &Repository,
        handover: &Handover<'_>,
        access: &Access,
        wait: Wait<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Answer, GitError> {
        let was_empty = self.server.references.is_empty();
        let told = repository.hand_over(handover, &self.updates, on);
        let by_name: HashMap<&str, &Pushed> =
            told.iter().flatten().map(|it| (it.update.reference.as_str(), it)).collect();
        let mut references = unsent(self.updates.clone(), true);
        for pushed in references.iter_mut().filter(|it| it.outcome == Outcome::Planned) {
            *pushed = match by_name.get(pushed.update.reference.as_str()) {
                Some(told) => (*told).clone(),
                None => Pushed { outcome: Outcome::Unknown, ..pushed.clone() },
            };
        }
        if let Err(error @ (GitError::Missing | GitError::Unusable { .. })) = told {
            // It has not begun.
            return Err(error);
        }
        if references.iter().any(|it| it.outcome == Outcome::Unknown) {
            on(Event::LookingAgain(None));
            look_again(&mut references, access, wait);
        }
        let mut changes = references.iter().filter(|it| it.update.kind.is_sent());
        match told {
            Err(error) if changes.all(|it| it.outcome == Outcome::Unchanged) => Err(error),
            _ => Ok(Answer { references, was_empty }),
        }
    }
}

impl Repository {
    /// Pushes. Every reference that was asked for is accounted for.
    ///
    /// # Errors
    /// [`enum@Error`], if nothing was changed at the server or nothing is known of it.
    pub fn push(
        &self,
        push: &Push<'_>,
        access: &Access,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Answer, Error> {
        let prepared = self.prepare(push, access, on)?;
        if prepared.is_over(push) {
            return Ok(prepared.unsent(push));
        }
        let was_empty = prepared.server.references.is_empty();
        Ok(Answer { references: self.send(prepared, push, access, on)?, was_empty })
    }

    /// Finds out what is to be done, and lets the hook judge it. Nothing was changed then.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn prepare(
        &self,
        push: &Push<'_>,
        access: &Access,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Prepared, Error> {
        let server = advertisement::read(&access.ask(push.wait)?)?;
        let mut updates = self.plan(push.refspecs, push.remote, &server.references)?;
        if !push.refspecs.force {
            let remote = push.remote.and_then(|name| push.refspecs.settings.remotes.get(name));
            self.apply(push.leases, remote, &mut updates)?;
        }
        if !push.no_verify {
            let name = push.remote.unwrap_or(push.url);
            let call = Call { git: push.git, folder: push.hooks, name, url: push.url };
            let sent: Vec<&Update> = updates.iter().filter(|it| it.kind.is_sent()).collect();
            self.pre_push(&call, &sent)?;
        }
        on(Event::Hooked);
        Ok(Prepared { server, updates })
    }

    fn send(
        &self,
        prepared: Prepared,
        push: &Push<'_>,
        access: &Access,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Pushed>, Error> {
        let sent: Vec<&Update> = prepared.sent().collect();
        let server = &prepared.server;
        // One alone is changed or not in any case.
        let atomic = push.atomic && sent.len() > 1;
        if atomic && !server.can("atomic") {
            return Err(Error::NotAtomic);
        }
        if !push.options.is_empty() && !server.can("push-options") {
            return Err(Error::NoOptions);
        }
        let wanted = sent.iter().map(|update| update.new).filter(|id| !id.is_zero()).collect();
        let pack = self.pack(wanted, server, push.engine, push.git)?;
        let request = Request { updates: &sent, server, atomic, options: push.options };
        let commands = request.commands(&self.shallow(), push.quiet);
        let exchanged = self.exchange(access, &commands, &pack, on);
        let (report, lost) = exchanged.map_err(|error| self.in_parts(error, &sent, server))?;
        let mut pushed = judged(prepared.updates, &report);
        if pushed.iter().any(|pushed| pushed.outcome == Outcome::Unknown) {
            on(Event::LookingAgain(lost.as_ref()));
            let is_told = look_again(&mut pushed, access, push.wait) || !report.is_empty();
            if let Some(lost) = lost.filter(|_| !is_told) {
                return Err(Error::Unknown(lost));
            }
            // An error that ended the talk is the reason where it kept the server from the change.
            for pushed in pushed.iter_mut().filter(|it| it.outcome == Outcome::Unchanged) {
                if let Some(reason) = &report.fatal {
                    pushed.outcome = Outcome::Refused(reason.clone());
                }
            }
        }
        Ok(pushed)
    }

    /// Sends what is asked for and the pack, and reads what the server says of it, as far as that comes.
    fn exchange(
        &self,
        access: &Access,
        commands: &[u8],
        pack: &Pack<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Report, Option<http::Error>), Error> {
        if let Some(packer) = pack.packer() {
            on(Event::Packer(packer));
        }
        let mut upload = access.start()?;
        upload.write(commands)?;
        let on = RefCell::new(on);
        let mut send = |piece: &[u8]| {
            upload.write(piece)?;
            on.borrow_mut()(Event::Sending { bytes: upload.sent() });
            Ok(())
        };
        self.write_pack(pack, &mut send, &mut |event| on.borrow_mut()(event))?;
        let on = on.into_inner();
        on(Event::Ending);
        upload.end(&mut |bytes| on(Event::Sending { bytes }))?;
        on(Event::Sent);
        let mut reader = Reader::default();
        let lost = match access.end(&mut upload) {
            Ok(answer) => read(answer, &mut reader, on).err(),
            // Of a request that it did not get whole a server has done nothing.
            Err(error) if upload.is_sent() && may_have_done(&error) => Some(error),
            Err(error) => return Err(error.into()),
        };
        Ok((reader.finish(), lost))
    }

    /// The commits at which the history here is cut off (gitrepository-layout(5), `shallow`).
    fn shallow(&self) -> Vec<Oid> {
        let file = std::fs::read_to_string(self.inner.commondir().join("shallow"));
        file.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Says of a push that is too large what its first half is.
    fn in_parts(&self, error: Error, sent: &[&Update], server: &Advertisement) -> Error {
        match error {
            Error::Http(http::Error::Refused(refusal)) if refusal.reason == Reason::TooLarge => {
                let branches = sent.iter().filter(|it| it.reference.starts_with("refs/heads/"));
                let part = branches.into_iter().find_map(|update| {
                    let half = self.halfway(update.new, server).ok().flatten()?;
                    Some((half, update.reference.clone()))
                });
                Error::TooLarge { refusal, part }
            }
            error => error,
        }
    }

    /// The commit in the middle of those that lead to `tip` and are not at the server, but not
    /// `tip` itself.
    fn halfway(&self, tip: Oid, server: &Advertisement) -> Result<Option<Oid>, git2::Error> {
        let mut walk = self.inner.revwalk()?;
        walk.push(tip)?;
        walk.simplify_first_parent()?;
        let known = self.known(server.objects()).unwrap_or_default();
        for id in known.into_iter().filter(|id| self.inner.find_commit(*id).is_ok()) {
            walk.hide(id)?;
        }
        let missing = walk.collect::<Result<Vec<_>, _>>()?;
        Ok(missing.get(missing.len() / 2).copied().filter(|half| *half != tip))
    }
}

/// What is asked of the server before the pack.
struct Request<'a> {
    updates: &'a [&'a Update],
    server: &'a Advertisement,
    atomic: bool,
    options: &'a [String],
}

impl Request<'_> {
    /// Where the history here ends, a line a reference, and the options (gitprotocol-pack(5), "Reference Update
    /// Request"). The old value stands in it, so that what moved meanwhile is refused.
    fn commands(&self, shallow: &[Oid], quiet: bool) -> Vec<u8> {
        let wished = [
            (true, "report-status"),
            (true, "side-band-64k"),
            (true, "object-format=sha1"),
            (quiet, "quiet"),
            (self.atomic, "atomic"),
            (!self.options.is_empty(), "push-options"),
        ];
        let wished = wished.into_iter().filter(|(is_wished, it)| *is_wished && self.server.can(it));
        let mut capabilities: String = wished.map(|(_, it)| format!(" {it}")).collect();
        if self.server.capabilities.contains("agent=") {
            capabilities += concat!(" agent=git-vsts/", env!("CARGO_PKG_VERSION"));
        }
        let mut request = Vec::new();
        for id in shallow {
            request.extend(pkt_line::line(&format!("shallow {id}")));
        }
        for (index, Update { old, new, reference, .. }) in self.updates.iter().enumerate() {
            let capabilities = if index == 0 { format!("\0{capabilities}") } else { String::new() };
            request.extend(pkt_line::line(&format!("{old} {new} {reference}{capabilities}")));
        }
        request.extend(pkt_line::FLUSH);
        if !self.options.is_empty() {
            for option in self.options {
                request.extend(pkt_line::line(option));
            }
            request.extend(pkt_line::FLUSH);
        }
        request
    }
}

fn read(
    mut answer: Response,
    reader: &mut Reader,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<(), http::Error> {
    let mut piece = vec![0; PIECE];
    let mut line = Vec::new();
    // A line that comes byte by byte is no silence, and need never end.
    let mut last = (Instant::now(), 0);
    let read = loop {
        match answer.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                reader.feed(&piece[..count], &mut |text| split_lines(&mut line, text, on));
            }
            Err(error) => break Err(error),
        }
        if reader.is_over() {
            break Ok(());
        }
        if reader.lines() > last.1 {
            last = (Instant::now(), reader.lines());
        } else if last.0.elapsed() > answer.patience() {
            break Err(answer.slow());
        }
    };
    if !line.is_empty() {
        on(Event::Remote(&String::from_utf8_lossy(&line)));
    }
    read
}

/// Asks the server what it has, where it did not say what it did. Whether it could be asked.
fn look_again(pushed: &mut [Pushed], access: &Access, wait: Wait<'_>) -> bool {
    let asked = access.ask(wait).ok().and_then(|bytes| advertisement::read(&bytes).ok());
    let Some(server) = asked else { return false };
    for pushed in pushed.iter_mut().filter(|pushed| pushed.outcome == Outcome::Unknown) {
        pushed.outcome = found(&pushed.update, &server.references);
    }
    true
}

fn found(update: &Update, references: &Advertised) -> Outcome {
    match references.get(&update.reference).copied().unwrap_or(Oid::ZERO_SHA1) {
        now if now == update.new => Outcome::Done,
        now if now == update.old => Outcome::Unchanged,
        _ => Outcome::Unknown,
    }
}

/// Whether a server may have taken a pack whose answer is missing: the connection was cut, it broke
/// down over it, or what stands before it lost patience (RFC 9110, section 15.6). A 503 is said
/// before any work is done.
fn may_have_done(error: &http::Error) -> bool {
    error.refusal().is_none_or(|refusal| matches!(refusal.status, 500 | 502 | 504))
}

/// Cuts the server's text into lines. One that ends with CR alone is overwritten by the next on a terminal, as git's own
/// progress is.
fn split_lines(pending: &mut Vec<u8>, data: &[u8], on: &mut dyn FnMut(Event<'_>)) {
    for &byte in data {
        match byte {
            b'\n' => {
                let line = pending.strip_suffix(b"\r").unwrap_or(pending);
                on(Event::Remote(&String::from_utf8_lossy(line)));
                pending.clear();
            }
            _ => {
                if let Some(line) = pending.strip_suffix(b"\r") {
                    on(Event::RemoteProgress(&String::from_utf8_lossy(line)));
                    pending.clear();
                }
                pending.push(byte);
                if pending.len() >= LINE_LIMIT {
                    on(Event::Remote(&String::from_utf8_lossy(pending)));
                    pending.clear();
                }
            }
        }
    }
}

fn unsent(updates: Vec<Update>, dry_run: bool) -> Vec<Pushed> {
    updates
        .into_iter()
        .map(|update| {
            let outcome = match update.kind {
                plan::Kind::UpToDate => Outcome::Done,
                kind if kind.is_sent() && dry_run => Outcome::Planned,
                kind if kind.is_sent() => Outcome::Withheld,
                _ => Outcome::Held,
            };
            Pushed { update, outcome }
        })
        .collect()
}

fn judged(updates: Vec<Update>, report: &Report) -> Vec<Pushed> {
    unsent(updates, true)
        .into_iter()
        .map(|pushed| match pushed.outcome {
            Outcome::Planned => {
                let outcome = outcome(&pushed.update.reference, report);
                Pushed { outcome, ..pushed }
            }
            _ => pushed,
        })
        .collect()
}

/// What the report says of one reference. Where unpacking failed, that is the reason: the lines of
/// the references repeat it at best.
fn outcome(reference: &str, report: &Report) -> Outcome {
    if let Some(Err(reason)) = &report.unpack {
        return Outcome::Refused(reason.clone());
    }
    match report.of(reference) {
        Some(Err(reason)) => Outcome::Refused(reason.clone()),
        Some(Ok(())) if report.unpack == Some(Ok(())) => Outcome::Done,
        // What ended the talk may have come after the change.
        _ => Outcome::Unknown,
    }
}
