//! Git over HTTP: the service's talk in front of `git http-backend`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};

use crate::authentication::{self, NotSignedIn};
use crate::packet::{FLUSH, band, packet, section, split};
use crate::refusal::{
    Refusal, git_not_signed_in, not_found_page, put, respond, sign_in_once, stranger, text,
};
use crate::server::unserved;
use crate::state::{PushRules, RepositoryState, Shared};
use crate::upload::Upload;

/// What upload-pack says that it can do; no `agent`, no `ofs-delta`, no `object-format`.
const FETCH_CAPABILITIES: &str = "multi_ack thin-pack side-band side-band-64k no-progress \
    multi_ack_detailed no-done shallow allow-tip-sha1-in-want filter";

const ZERO: &str = "0000000000000000000000000000000000000000";

/// The program behind it all. It is asked for once, not for every double.
///
/// # Panics
///
/// When git is not there.
pub(crate) fn http_backend() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let asked = Process::new("git").arg("--exec-path").output().expect("git is installed");
        let folder = String::from_utf8(asked.stdout).expect("git's folder is UTF-8");
        Path::new(folder.trim()).join("git-http-backend")
    };
    FOUND.get_or_init(find).clone()
}

/// `upload-pack` or `receive-pack`, and reading or writing with them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Fetch,
    Push,
}

impl Service {
    fn of(name: &str) -> Option<Service> {
        match name {
            "git-upload-pack" => Some(Service::Fetch),
            "git-receive-pack" => Some(Service::Push),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Service::Fetch => "git-upload-pack",
            Service::Push => "git-receive-pack",
        }
    }
}

/// Which repository is meant; whether it is there is not known yet.
pub(crate) struct Place {
    pub(crate) organization: String,
    pub(crate) project: String,
    pub(crate) repository: String,
}

impl Place {
    /// And what follows the repository. `before` is the organization and perhaps the project, which
    /// may be left out where its repository has the same name; `after` may begin with `_full` or
    /// `_optimized`.
    pub(crate) fn new<'a>(before: &[String], after: &'a [String]) -> Option<(Place, &'a [String])> {
        let after = match after.first().map(String::as_str) {
            Some("_full" | "_optimized") => &after[1..],
            _ => after,
        };
        let (repository, rest) = after.split_first()?;
        let place = Place {
            organization: before.first()?.clone(),
            project: before.get(1).unwrap_or(repository).clone(),
            repository: repository.clone(),
        };
        Some((place, rest))
    }
}

/// What git asks for below `_git`.
pub(crate) struct Address {
    place: Place,
    /// `info/refs`, `git-upload-pack` or `git-receive-pack`.
    action: String,
}

impl Address {
    pub(crate) fn new(before: &[String], after: &[String]) -> Option<Address> {
        let (place, rest) = Place::new(before, after)?;
        let action = rest.join("/");
        let is_known = action == "info/refs" || Service::of(&action).is_some();
        is_known.then_some(Address { place, action })
    }
}

/// A repository that the caller may use.
pub(crate) struct Found {
    pub(crate) directory: PathBuf,
    rules: PushRules,
    organization: String,
    repository_id: String,
}

/// Answers a request of git.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    address: Address,
    mut upload: Upload,
) -> Response {
    let asked = parts.uri.query().unwrap_or_default();
    let asked = asked.split('&').find_map(|pair| pair.strip_prefix("service="));
    let advertises = address.action == "info/refs";
    let named = if advertises { asked.unwrap_or_default() } else { &address.action };
    // Without a service it is the "dumb" protocol, which the service does not have.
    let Some(service) = Service::of(named) else { return unserved(shared, parts) };
    if advertises != (parts.method == "GET") {
        return unserved(shared, parts);
    }
    let found = match find(shared, parts, &address.place, service) {
        Ok(found) => found,
        Err(refusal) => {
            drain_if_small(parts, &mut upload).await;
            return *refusal;
        }
    };
    let packed = parts.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let upload = if packed { upload.unpack() } else { upload };
    let answered = match (advertises, service) {
        (true, _) => advertisement(shared, &found, service).await,
        (false, Service::Fetch) => fetch(shared, &found, upload).await,
        (false, Service::Push) => push(shared, &found, upload).await,
    };
    answered.unwrap_or_else(|fault| text(500, &format!("TF400898: {fault}")))
}

/// A refusal needs no body, but closing the connection over a few bytes would make every request
/// after it slower; a pack is left alone.
pub(crate) async fn drain_if_small(parts: &Parts, upload: &mut Upload) {
    let length = parts.headers.get("content-length").and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length < 65_536) {
        let _ = upload.drain().await;
    }
}

/// The repository, if the caller may read it, or write to it.
pub(crate) fn find(
    shared: &Shared,
    parts: &Parts,
    place: &Place,
    service: Service,
) -> Result<Found, Refusal> {
    let mut state = shared.lock();
    state.refusals += 1;
    let turn = state.refusals;
    let organization =
        state.serving(&place.organization).ok_or_else(|| Box::new(not_found_page()))?;
    let found = organization.repository(Some(&place.project), &place.repository);
    let caller = authentication::caller(&state, organization, &parts.headers);
    let is_open =
        service == Service::Fetch && found.is_some_and(|(project, _)| project.is_public());
    let caller_id = match caller {
        Ok(caller) => {
            let scope = match service {
                Service::Fetch => "vso.code",
                Service::Push => "vso.code_write",
            };
            if !caller.token.allows_any(&[scope]) {
                return Err(Box::new(git_not_signed_in(organization, turn, None)));
            }
            caller.person.id
        }
        Err(NotSignedIn::Anonymous) if is_open => String::new(),
        Err(NotSignedIn::NeverSeen { who }) => {
            return Err(Box::new(text(403, &sign_in_once(&who))));
        }
        Err(NotSignedIn::Stranger { id }) => return Err(Box::new(as_page(stranger(&id)))),
        Err(why) => return Err(Box::new(git_not_signed_in(organization, turn, Some(&why)))),
    };
    let Some((_, repository)) = found.filter(|(_, repository)| !repository.disabled) else {
        return Err(Box::new(text(404, &missing_repository(&place.repository))));
    };
    if repository.rules.read_only && service == Service::Push {
        return Err(Box::new(read_only(&caller_id)));
    }
    Ok(Found {
        directory: repository.directory.clone(),
        rules: repository.rules.clone(),
        organization: organization.name.clone(),
        repository_id: repository.id.clone(),
    })
}

/// What the service says of a repository that is not there, is disabled, or may not be seen.
pub(crate) fn missing_repository(name_or_id: &str) -> String {
    format!(
        "TF401019: The Git repository with name or identifier {name_or_id} does not exist or you \
         do not have permissions for the operation you are attempting."
    )
}

fn as_page(mut response: Response) -> Response {
    response.headers_mut().remove(CONTENT_TYPE);
    put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

/// The beginning of an advertisement with the refusal in a packet, and the refusal once more: as
/// text, so that git prints the framing too.
fn read_only(caller_id: &str) -> Response {
    let message = format!(
        "TF401027: You need the Git 'GenericContribute' permission to perform this action. \
         Details: identity 'Build\\{caller_id}', scope 'repository'."
    );
    let body = [
        packet("# service=git-receive-pack\n"),
        FLUSH.repeat(2),
        packet(format!("{message}\n")),
        message.into_bytes(),
    ]
    .concat();
    respond(403, "text/plain; charset=utf-8", body)
}

fn backend(shared: &Shared, directory: &Path, method: &str, action: &str, query: &str) -> Command {
    let mut command = Command::new(&shared.http_backend);
    command.env_clear();
    // git finds its own programs through it, and Windows its libraries.
    for name in ["PATH", "SystemRoot", "TMPDIR", "TEMP"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("GIT_PROJECT_ROOT", directory)
        .env("PATH_INFO", format!("/{action}"))
        .env("REQUEST_METHOD", method)
        .env("QUERY_STRING", query)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_HTTP_MAX_REQUEST_BUFFER", "1g")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("HOME", &shared.root)
        .env("LC_ALL", "C")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if method == "POST" {
        command.env("CONTENT_TYPE", format!("application/x-{action}-request"));
    }
    command
}

async fn advertisement(shared: &Shared, found: &Found, service: Service) -> io::Result<Response> {
    let query = format!("service={}", service.name());
    let mut command = backend(shared, &found.directory, "GET", "info/refs", &query);
    command.stdin(Stdio::null());
    let output = command.output().await?;
    let (_, body) = head_and_body(&output.stdout)?;
    let mut written = Vec::new();
    for content in split(body)? {
        let Some(content) = content else {
            written.extend_from_slice(FLUSH);
            continue;
        };
        match content.iter().position(|byte| *byte == 0) {
            None => written.extend(packet(content)),
            Some(end) => {
                let real = String::from_utf8_lossy(&content[end + 1..]);
                let offered = capabilities(service, &found.rules, &real);
                let line = [&content[..=end], offered.as_bytes(), b"\n"].concat();
                written.extend(packet(line));
            }
        }
    }
    let kind = format!("application/x-{}-advertisement", service.name());
    let mut response = respond(200, &kind, written);
    put(&mut response, CACHE_CONTROL, "no-cache, max-age=0, must-revalidate");
    Ok(response)
}

/// What the service says instead of what git says.
fn capabilities(service: Service, rules: &PushRules, real: &str) -> String {
    let offered = match service {
        Service::Fetch => {
            let head = real.split_whitespace().find(|capability| capability.starts_with("symref="));
            [Some(FETCH_CAPABILITIES), head].into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        Service::Push => {
            let mut offered = vec!["report-status", "delete-refs"];
            if !rules.no_side_band {
                offered.push("side-band-64k");
            }
            offered.extend(rules.more_capabilities.iter().map(String::as_str));
            offered.join(" ")
        }
    };
    // A blank first, as git's own clients send it: a reader has to split at blanks, not at one.
    format!(" {offered}")
}

/// The CGI header of http-backend and what follows it.
fn head_and_body(output: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("git http-backend gave no answer"))?;
    Ok((&output[..end], &output[end + 4..]))
}

async fn fetch(shared: &Shared, found: &Found, mut upload: Upload) -> io::Result<Response> {
    let first = section(&mut upload).await?;
    let offers_multi_ack = first.first().is_none_or(|line| {
        String::from_utf8_lossy(line).split_whitespace().any(|word| word.starts_with("multi_ack"))
    });
    if !offers_multi_ack {
        let message = "TF401041: The Git protocol sent is not as expected (Clients must support \
                       multi-ack.)";
        return Ok(text(400, message));
    }
    let mut child = backend(shared, &found.directory, "POST", "git-upload-pack", "").spawn()?;
    let mut again: Vec<u8> = first.iter().flat_map(packet).collect();
    again.extend_from_slice(FLUSH);
    feed(&mut child, again, Some(upload))?;
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    let mut output = Vec::new();
    while head_and_body(&output).is_err() {
        if stdout.read_buf(&mut output).await? == 0 {
            break;
        }
    }
    let (_, body) = head_and_body(&output)?;
    let body = Body::from_stream(stream::unfold(
        (child, stdout, Some(Bytes::copy_from_slice(body))),
        next_part,
    ));
    let mut response = respond(200, "application/x-git-upload-pack-result", body);
    put(&mut response, CACHE_CONTROL, "no-cache, max-age=0, must-revalidate");
    Ok(response)
}

/// The child goes with the stream, so that git ends when the client leaves.
type Output = (Child, ChildStdout, Option<Bytes>);

async fn next_part(output: Output) -> Option<(io::Result<Bytes>, Output)> {
    let (child, mut stdout, first) = output;
    if let Some(first) = first.filter(|first| !first.is_empty()) {
        return Some((Ok(first), (child, stdout, None)));
    }
    let mut part = Vec::with_capacity(64 * 1024);
    match stdout.read_buf(&mut part).await {
        Ok(0) => None,
        Ok(_) => Some((Ok(Bytes::from(part)), (child, stdout, None))),
        Err(fault) => Some((Err(fault), (child, stdout, None))),
    }
}

/// Writes to git while its answer is already read; both ways must run for neither to block.
fn feed(child: &mut Child, first: Vec<u8>, rest: Option<Upload>) -> io::Result<()> {
    let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no input"))?;
    tokio::spawn(async move {
        stdin.write_all(&first).await?;
        if let Some(mut rest) = rest {
            while let Some(chunk) = rest.chunk().await? {
                stdin.write_all(&chunk).await?;
            }
        }
        stdin.shutdown().await
    });
    Ok(())
}

/// One line of a push: what a ref was and what it is to be.
struct Update {
    old: String,
    new: String,
    reference: Vec<u8>,
}

impl Update {
    fn of(line: &[u8]) -> io::Result<Update> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "bad command");
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let mut id = || {
            let word = words.next().ok_or_else(bad)?;
            String::from_utf8(word.to_vec()).map_err(|_| bad())
        };
        let (old, new) = (id()?, id()?);
        let reference = words.next().ok_or_else(bad)?.to_vec();
        Ok(Update { old, new, reference })
    }

    fn is_deletion(&self) -> bool {
        self.new == ZERO
    }

    fn refusal(&self, rules: &PushRules) -> Option<String> {
        let reference = String::from_utf8_lossy(&self.reference);
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => reference.starts_with(beginning),
            None => reference == pattern,
        };
        let rule = rules.policies.iter().find(|(pattern, _)| fits(pattern));
        rule.map(|(_, reason)| reason.clone())
    }

    fn command(&self) -> Vec<u8> {
        [format!("{} {} ", self.old, self.new).as_bytes(), &self.reference].concat()
    }
}

async fn push(shared: &Arc<Shared>, found: &Found, mut upload: Upload) -> io::Result<Response> {
    let lines = section(&mut upload).await?;
    let is_shallow = |line: &Vec<u8>| line.starts_with(b"shallow ");
    let (shallow, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_shallow);
    let Some(first) = lines.first() else {
        // git's four bytes before a long push, which only ask whether it may.
        upload.drain().await?;
        return Ok(push_result(Vec::new()));
    };
    let wanted = String::from_utf8_lossy(first.split(|byte| *byte == 0).nth(1).unwrap_or_default());
    let wants = |name: &str| wanted.split_whitespace().any(|capability| capability == name);
    let updates: io::Result<Vec<Update>> = lines.iter().map(|line| Update::of(line)).collect();
    let updates = updates?;
    if wants("push-options") {
        // Nothing here acts on them.
        section(&mut upload).await?;
    }
    let objects = objects_in_pack(&mut upload).await?;

    let brings_secrets =
        found.rules.secret_scanning && updates.iter().any(|update| !update.is_deletion());
    let report = if brings_secrets {
        upload.drain().await?;
        secrets_report(&updates)
    } else {
        receive(shared, found, (&shallow, &updates), wants("atomic"), upload).await?
    };
    Ok(push_result(answer_push(found, &report, wants("side-band-64k"), objects)))
}

fn push_result(body: Vec<u8>) -> Response {
    let mut response = respond(200, "application/x-git-receive-pack-result", body);
    put(&mut response, CACHE_CONTROL, "no-cache, max-age=0, must-revalidate");
    response
}

/// How many objects the pack has, from its head (gitformat-pack(5)); nothing is taken from it.
async fn objects_in_pack(upload: &mut Upload) -> io::Result<Option<u32>> {
    let head = upload.read(12).await?;
    let count = head.get(8..12).filter(|_| head.starts_with(b"PACK"));
    let count = count.and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
    upload.give_back(Bytes::from(head));
    Ok(count)
}

/// Lines of a report, without their packets.
type Report = Vec<Vec<u8>>;

fn secrets_report(updates: &[Update]) -> Report {
    let commit =
        updates.iter().find(|update| !update.is_deletion()).map_or(ZERO, |update| &update.new);
    let text = format!(
        "VS403654: The push was rejected because it contains one or more secrets.\n\n\
         Resolve the following secrets before pushing again. For help, see \
         https://aka.ms/advancedsecurity/secret-scanning/push-protection.\n\n\
         Secrets:\n\ncommit: {commit}\npaths: /settings.json(51,74-113) : SEC101/003 : GoogleApiKey"
    );
    let mut report = vec![format!("unpack error {text}").into_bytes()];
    report.extend(updates.iter().map(|update| refused(update, &text)));
    report
}

fn refused(update: &Update, reason: &str) -> Vec<u8> {
    [b"ng ", update.reference.as_slice(), b" ", reason.as_bytes()].concat()
}

/// Gives git what is not refused, and puts the two reports together in the client's order.
async fn receive(
    shared: &Arc<Shared>,
    found: &Found,
    (shallow, updates): (&[Vec<u8>], &[Update]),
    atomic: bool,
    mut upload: Upload,
) -> io::Result<Report> {
    let refusals: Vec<Option<String>> =
        updates.iter().map(|update| update.refusal(&found.rules)).collect();
    let all_fall = atomic && refusals.iter().any(Option::is_some);
    let with_refusals = || updates.iter().zip(&refusals);
    let accepted: Vec<&Update> = with_refusals()
        .filter(|(_, refusal)| !all_fall && refusal.is_none())
        .map(|(update, _)| update)
        .collect();
    let has_pack = accepted.iter().any(|update| !update.is_deletion());
    if !has_pack {
        // git takes a pack for what only deletions follow as junk.
        upload.drain().await?;
    }
    let real = if accepted.is_empty() {
        vec![b"unpack ok".to_vec()]
    } else {
        let rest = has_pack.then_some(upload);
        // Asked before: HEAD may name a branch that comes with this push, but not as the first.
        let was_empty = change_repository(shared, found, |it| it.default_branch().is_none());
        let report = run_receive_pack(shared, found, (shallow, &accepted), atomic, rest).await?;
        if was_empty == Some(true) {
            adopt_default_branch(shared, found, &accepted, &report)?;
        }
        report
    };
    let mut report: Report = real.iter().take(1).cloned().collect();
    for (update, refusal) in with_refusals() {
        report.extend(match refusal {
            Some(reason) => Some(refused(update, reason)),
            None if all_fall => Some(refused(update, "atomic push failure")),
            None => line_of(&real, update).cloned(),
        });
    }
    Ok(report)
}

fn line_of<'a>(report: &'a Report, update: &Update) -> Option<&'a Vec<u8>> {
    report.iter().find(|line| {
        let named = line.split(|byte| *byte == b' ').nth(1);
        named == Some(&update.reference)
    })
}

/// Without a side band, so that git's own progress is not mixed with what the service says.
async fn run_receive_pack(
    shared: &Shared,
    found: &Found,
    (shallow, updates): (&[Vec<u8>], &[&Update]),
    atomic: bool,
    rest: Option<Upload>,
) -> io::Result<Report> {
    let mut request: Vec<u8> = shallow.iter().flat_map(packet).collect();
    for (number, update) in updates.iter().enumerate() {
        let mut line = update.command();
        if number == 0 {
            let asked = if atomic { "\0 report-status atomic" } else { "\0 report-status" };
            line.extend_from_slice(asked.as_bytes());
        }
        request.extend(packet(line));
    }
    request.extend_from_slice(FLUSH);
    let mut command = backend(shared, &found.directory, "POST", "git-receive-pack", "");
    if found.rules.forbids_force {
        command
            .env("GIT_CONFIG_COUNT", "2")
            .env("GIT_CONFIG_KEY_1", "receive.denyNonFastForwards")
            .env("GIT_CONFIG_VALUE_1", "true");
    }
    let mut child = command.spawn()?;
    feed(&mut child, request, rest)?;
    let output = child.wait_with_output().await?;
    let (_, body) = head_and_body(&output.stdout)?;
    let lines = split(body)?.into_iter().flatten();
    Ok(lines.map(|line| in_the_service_words(line.strip_suffix(b"\n").unwrap_or(line))).collect())
}

/// git checks for a rewind itself; the service knows it as a missing permission.
fn in_the_service_words(line: &[u8]) -> Vec<u8> {
    let permission = b"TF401027: You need the Git 'ForcePush' permission to perform this action.";
    match line.strip_suffix(b"non-fast-forward") {
        Some(start) if line.starts_with(b"ng ") => [start, permission].concat(),
        _ => line.to_vec(),
    }
}

/// The first branch that comes into an empty repository becomes its default.
fn adopt_default_branch(
    shared: &Shared,
    found: &Found,
    updates: &[&Update],
    report: &Report,
) -> io::Result<()> {
    let arrived = updates.iter().find(|update| {
        !update.is_deletion()
            && update.reference.starts_with(b"refs/heads/")
            && line_of(report, update).is_some_and(|line| line.starts_with(b"ok "))
    });
    let Some(update) = arrived else { return Ok(()) };
    let branch = String::from_utf8_lossy(&update.reference);
    change_repository(shared, found, |it| it.set_default_branch(&branch)).unwrap_or(Ok(()))
}

/// Nothing, if it was deleted while git was at work.
fn change_repository<T>(
    shared: &Shared,
    found: &Found,
    change: impl FnOnce(&mut RepositoryState) -> T,
) -> Option<T> {
    let mut state = shared.lock();
    let organization = state.organization_mut(&found.organization)?;
    let projects = organization.projects.iter_mut();
    let mut repositories = projects.flat_map(|project| &mut project.repositories);
    repositories.find(|candidate| candidate.id == found.repository_id).map(change)
}

/// The report as it goes over the line, with the progress that the service shows.
fn answer_push(found: &Found, report: &Report, side_band: bool, objects: Option<u32>) -> Vec<u8> {
    let lines = report.iter().map(|line| packet([line.as_slice(), b"\n"].concat()));
    let report = [lines.collect::<Vec<_>>().concat(), FLUSH.to_vec()].concat();
    if !side_band {
        return report;
    }
    let mut answer = Vec::new();
    if let Some(objects) = objects {
        let mut progress = vec![format!("Analyzing objects... ({objects}/{objects}) (5 ms)\n")];
        if found.rules.secret_scanning {
            let line = "Checking for credentials and other secrets... (1/1) done (49 ms)\n";
            progress.push(line.to_owned());
        } else {
            progress.push("Storing packfile... done (62 ms)\n".to_owned());
            progress.push("Storing index... done (53 ms)\n".to_owned());
        }
        answer.extend(progress.iter().flat_map(|line| band(2, line.as_bytes())));
    }
    answer.extend(band(1, &report));
    answer.extend_from_slice(FLUSH);
    answer
}
