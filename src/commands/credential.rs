use std::ffi::OsString;

use clap::Args;
use jiff::Timestamp;
use secrecy::SecretString;

use super::login;
use crate::context::{ANSWERS_ONLY, Context, SignIn, Source, Token};
use crate::credential::protocol::{Answer, CAPABILITIES, Description, Scheme};
use crate::credential::{self, Kept};
use crate::error::{Error, Kind};
use crate::remote::{Asked, Organization, organization_name};

/// What git is told to say again begins with it, so that no other helper takes it for its own
/// (git-credential(1)).
const OURS: &str = "git-vsts:";

/// What an action does about a description.
type Act = fn(&Context, &Description) -> Result<(), Error>;

/// Answer git's credential protocol, for git to run
///
/// git runs it where `credential.helper` names it, and says on standard input which credential it
/// looks for, has proved or has been refused (gitcredentials(7)). It answers for Azure DevOps alone,
/// never asks anybody anything, and has nothing to say where nobody is signed in.
#[derive(Args, Debug)]
pub struct Credential {
    /// What git wants: `get`, `store`, `erase` or `capability`
    #[arg(value_name = "ACTION")]
    pub action: OsString,
}

impl Credential {
    /// Whatever goes wrong is told in one line and ends with success: git goes on to its next helper,
    /// or asks.
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        context.answer_git();
        let (act, failed): (Act, _) = match self.action.to_str() {
            Some("get") => (get, "git vsts can't tell git what is kept"),
            Some("store" | "erase") if context.environment.get(ANSWERS_ONLY).is_some() => {
                return Ok(());
            }
            Some("store") => (store, "git vsts can't keep what git has proved"),
            Some("erase") => (erase, "git vsts can't forget what was refused"),
            Some("capability") => return Ok(context.ui.out_bytes(CAPABILITIES.as_bytes())?),
            // A later git may have others (gitcredentials(7)).
            _ => return Ok(()),
        };
        match read(context).and_then(|description| act(context, &description)) {
            Err(error) if matches!(error.kind(), Kind::BrokenPipe | Kind::Interrupted(_)) => {
                Err(error)
            }
            Err(error) => {
                context.ui.warning(format_args!("{failed}: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

fn read(context: &Context) -> Result<Description, Error> {
    Description::read(&mut context.ui.stdin()?).map_err(|error| {
        Error::new(Kind::Failed, error).context("the description on stdin can't be used")
    })
}

/// What a description is about.
struct Subject<'d> {
    protocol: &'d str,
    host: &'d str,
    username: Option<&'d str>,
    /// The one that the path or the host names.
    organization: Option<Organization>,
}

impl<'d> Subject<'d> {
    /// `None` if it is none of our business, or not said in full: an absent host is no wildcard
    /// (CVE-2020-11008).
    fn of(context: &Context, description: &'d Description) -> Option<Self> {
        let (protocol, host) = (description.protocol.as_deref()?, description.host.as_deref()?);
        match context.service.asked(protocol, host, description.path.as_deref()) {
            Asked::Elsewhere => None,
            Asked::Azure(organization) => {
                let username = description.username.as_deref();
                Some(Self { protocol, host, username, organization })
            }
        }
    }

    /// Whether an organization is reached at the host that was asked for.
    fn is_host_of(&self, context: &Context, organization: &Organization) -> bool {
        let url = organization.url();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let asked = context.service.asked(self.protocol, self.host, Some(path));
        asked == Asked::Azure(Some(organization.clone()))
    }

    /// The organization that the user part names, if it names one and not an account. The clone URLs
    /// of the service have it there.
    fn organization_of_user(&self, context: &Context) -> Option<Organization> {
        let username = self.username.filter(|username| organization_name(username).is_ok())?;
        let organization = context.service.organization(username).ok()?;
        self.is_host_of(context, &organization).then_some(organization)
    }

    /// Every organization signed in at the host.
    fn signed_in(&self, context: &Context) -> Result<Vec<Organization>, Error> {
        let keys = context.keychain()?.accounts()?;
        let organizations = keys.iter().filter_map(|key| context.service.organization(key).ok());
        Ok(organizations.filter(|it| self.is_host_of(context, it)).collect())
    }

    /// Whether a sign-in is one of the user who was asked for. Where neither path nor host named the
    /// organization, the user part may have named another one, so an account that nobody knows is
    /// not taken for it.
    fn is_user(&self, organization: &Organization, account: Option<&str>) -> bool {
        let Some(username) = self.username.map(str::to_lowercase) else { return true };
        match account {
            _ if username == organization.name().to_lowercase() => true,
            Some(account) => username == account.to_lowercase(),
            None => self.organization.is_some(),
        }
    }
}

fn get(context: &Context, description: &Description) -> Result<(), Error> {
    let Some(subject) = Subject::of(context, description) else { return Ok(()) };
    let Some((organization, sign_in)) = find(context, &subject)? else { return Ok(()) };
    let account = sign_in.account.as_deref().or(subject.username);
    let Some((secret, expires)) = valid(context, organization.as_ref(), &sign_in) else {
        return Ok(());
    };
    let (scheme, refresh_token) = match &sign_in.credential {
        credential::Credential::Pat(_) => (Scheme::Basic, None),
        credential::Credential::Entra(entra) => (
            if description.understands_authtype { Scheme::Bearer } else { Scheme::Basic },
            entra.refresh_token_of_git(),
        ),
    };
    let state = state_of(secret);
    // The service takes any user name beside a password, and git none that is empty.
    let any = organization.as_ref().map_or("git-vsts", Organization::name);
    let answer = Answer {
        username: account.or(Some(any).filter(|_| scheme == Scheme::Basic)),
        scheme,
        secret,
        expires,
        refresh_token,
        state: description.understands_state.then_some(&*state),
    };
    let text = answer.to_text().map_err(|error| Error::new(Kind::Failed, error))?;
    Ok(context.ui.out_secret(&text)?)
}

/// The sign-in that is asked for, and its organization if that is known: one of the environment may
/// be for any.
fn find(
    context: &Context,
    subject: &Subject<'_>,
) -> Result<Option<(Option<Organization>, SignIn)>, Error> {
    let of = |organization: Organization| {
        let sign_in = context.sign_in(&organization)?.filter(|sign_in| {
            let is_kept = matches!(sign_in.source, Source::Store(_));
            !is_kept || subject.is_user(&organization, sign_in.account.as_deref())
        });
        Ok(sign_in.map(|sign_in| (Some(organization), sign_in)))
    };
    if let Some(organization) = &subject.organization {
        return of(organization.clone());
    }
    if let Some(organization) = subject.organization_of_user(context)
        && let Some(found) = of(organization)?
    {
        return Ok(Some(found));
    }
    // Any name will do to tell the service's own host from that of a Server.
    let is_hosted = context.service.organization("organization");
    if is_hosted.is_ok_and(|organization| subject.is_host_of(context, &organization))
        && let Some(Token { variable, token }) = context.environment_token_for_any()?
    {
        let credential = credential::Credential::pat(token);
        let source = Source::Environment(variable);
        return Ok(Some((None, SignIn { credential, account: None, source })));
    }
    match subject.signed_in(context)?.as_slice() {
        [] => Ok(None),
        [organization] => of(organization.clone()),
        _ => {
            let (protocol, host) = (subject.protocol, subject.host);
            context.ui.warning(format_args!(
                "several organizations of {host} are signed in, and git did not say which it needs: \
                 let it with `git vsts setup`, \
                 or put the name before the host: {protocol}://ORG@{host}/…"
            ));
            Ok(None)
        }
    }
}

/// What signs, unless it is known to have ended. That is told, since git can only say that it got
/// nothing.
fn valid<'s>(
    context: &Context,
    organization: Option<&Organization>,
    sign_in: &'s SignIn,
) -> Option<(&'s SecretString, Option<Timestamp>)> {
    let signing = sign_in.credential.signing_secret();
    let ended = match signing {
        Some((_, Some(expires))) if expires <= context.clock.now() => {
            expires.strftime("expired on %-d %b %Y").to_string()
        }
        Some(signing) => return Some(signing),
        None => "has to be renewed".to_owned(),
    };
    // What can end was kept, and for an organization.
    if let Some(organization) = organization {
        context.ui.warning(format_args!(
            "the token for {organization} {ended}; sign in again with `git vsts login {organization}`"
        ));
    }
    None
}

/// What git is told to say again of an answer: which secret it was. Whoever gives that back with
/// another secret, one that was typed since, has not got it from here.
fn state_of(secret: &SecretString) -> String {
    format!("{OURS}{}", credential::fingerprint(secret))
}

fn store(context: &Context, description: &Description) -> Result<(), Error> {
    let Some(subject) = Subject::of(context, description) else { return Ok(()) };
    let now = context.clock.now();
    let Some(new) = credential::Credential::from_git(description, now) else { return Ok(()) };
    let Some((secret, expires)) = new.signing_secret() else { return Ok(()) };
    context.ui.conceal(secret);
    // What came from here is kept already, or is not to be. git before 2.46 does not say so.
    if description.states.contains(&state_of(secret)) || context.environment.holds(secret) {
        return Ok(());
    }
    let Some((organization, before)) = known(context, &subject)? else { return Ok(()) };
    let label = credential::label(&organization);
    let (kept, replaced) = match before {
        Some((record, before)) if before.credential.is_signed_by(secret) => {
            let known = before.credential.signing_secret().and_then(|(_, expires)| expires);
            if let Some(expires) = expires.filter(|expires| known != Some(*expires)) {
                let kept = Kept { credential: before.credential.ending(expires), ..before };
                let record_of_kept = kept.to_record();
                let keychain = context.keychain()?;
                keychain.replace(&organization.key(), &label, &record, Some(&record_of_kept))?;
            }
            return Ok(());
        }
        // Another process renewed while git was at work with it.
        Some((_, before)) if before.credential.was_signed_by(secret) => return Ok(()),
        // An access token of somebody else's does not replace what can be used tomorrow.
        Some((_, before)) if before.credential.lasts(now) && !new.lasts(now) => return Ok(()),
        before => {
            let kept = Kept {
                organization: organization.url(),
                account: subject
                    .username
                    .filter(|username| !username.eq_ignore_ascii_case(organization.name()))
                    .unwrap_or_default()
                    .to_owned(),
                credential: new,
            };
            (kept, before)
        }
    };
    context.keychain()?.write(&organization.key(), &label, &kept.to_record())?;
    if let Some((_, replaced)) = replaced {
        login::tell_where_it_lives(context, &organization, &replaced);
    }
    Ok(())
}

/// What is kept: as the store holds it, and read.
type Record = (SecretString, Kept);

/// The organization that a credential is to be kept for, and what is kept for it so far.
///
/// A user part may be anything that a person typed, so it counts only where it names an organization
/// that is signed in.
fn known(
    context: &Context,
    subject: &Subject<'_>,
) -> Result<Option<(Organization, Option<Record>)>, Error> {
    if let Some(organization) = &subject.organization {
        return Ok(Some((organization.clone(), context.kept_as_record(organization)?)));
    }
    let Some(organization) = subject.organization_of_user(context) else { return Ok(None) };
    let kept = context.kept_as_record(&organization)?;
    Ok(kept.map(|kept| (organization, Some(kept))))
}

fn erase(context: &Context, description: &Description) -> Result<(), Error> {
    let Some(subject) = Subject::of(context, description) else { return Ok(()) };
    let refused = description.credential.as_ref().or(description.password.as_ref());
    let organizations = match &subject.organization {
        Some(organization) => vec![organization.clone()],
        None => subject.signed_in(context)?,
    };
    let mut matching = Vec::new();
    for organization in organizations {
        let Some((record, kept)) = context.kept_as_record(&organization)? else { continue };
        let account = Some(kept.account.as_str()).filter(|account| !account.is_empty());
        // Somebody may have signed in anew meanwhile, and only the old secret was refused.
        let is_refused = refused.is_none_or(|secret| kept.credential.is_signed_by(secret));
        if is_refused && subject.is_user(&organization, account) {
            matching.push((organization, record, kept));
        }
    }
    let Ok([(organization, record, kept)]) = <[_; 1]>::try_from(matching) else { return Ok(()) };
    // Without a secret git wants all of it forgotten.
    let left = kept.credential.without_refused().filter(|_| refused.is_some());
    let left = left.map(|credential| Kept { credential, ..kept }.to_record());
    // Or what was kept since then would be lost.
    let label = credential::label(&organization);
    context.keychain()?.replace(&organization.key(), &label, &record, left.as_ref())?;
    Ok(())
}

/// What the fuzz target asks of every answer as well.
#[cfg(test)]
#[path = "../../tests/fuzz/property.rs"]
mod property;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::context::{Clock, Environment};
    use crate::ui::{self, Ui};

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, _: Duration) {
            panic!("a helper waits for nothing")
        }
    }

    /// What is answered where a token is there for every organization of the service.
    fn answer(stdin: impl AsRef<[u8]>) -> String {
        answer_of_service("", stdin)
    }

    /// The same, where another base stands instead of the hosted service.
    fn answer_of_service(base: &str, stdin: impl AsRef<[u8]>) -> String {
        let ui = Ui::captured(ui::Settings::default(), vec![ui::Answer::stdin(stdin)]);
        let environment =
            Environment::from_pairs([("GIT_VSTS_PAT", "token"), ("GIT_VSTS_AZURE_URL", base)]);
        let context = Context::new(ui.clone(), environment, Box::new(Stopped), "/".into()).unwrap();
        Credential { action: "get".into() }.run(&context).unwrap();
        ui.captured_stdout()
    }

    #[test]
    fn http_is_answered_for_exactly_the_base_on_loopback() {
        for (asked, username) in [
            ("protocol=http\nhost=127.0.0.1:8080\npath=azure/contoso/_git/web\n", "contoso"),
            ("protocol=http\nhost=127.0.0.1:8080\nusername=contoso\n", "contoso"),
            ("protocol=http\nhost=127.0.0.1:8080\n", "git-vsts"),
            ("protocol=http\nhost=127.0.0.1:8080\npath=azurex/contoso/_git/web\n", ""),
            ("protocol=http\nhost=127.0.0.1:8081\npath=azure/contoso\n", ""),
            ("protocol=http\nhost=localhost:8080\npath=azure/contoso\n", ""),
            ("protocol=https\nhost=127.0.0.1:8080\npath=azure/contoso\n", ""),
            ("protocol=https\nhost=dev.azure.com\npath=contoso\n", ""),
            ("protocol=https\nhost=contoso.visualstudio.com\n", ""),
        ] {
            let expected = match username {
                "" => String::new(),
                _ => format!("username={username}\npassword=token\n"),
            };
            let answer = answer_of_service("http://127.0.0.1:8080/azure", asked);
            assert_eq!(answer, expected, "{asked:?}");
        }
    }

    /// The property would be empty if nothing were answered, or if it took everything.
    #[test]
    fn what_is_asked_of_every_answer_can_be_told_from_a_fault() {
        let asked = "protocol=https\nhost=dev.azure.com\npath=contoso\ncapability[]=state\n";
        let good = answer(asked);
        assert!(good.contains("password=token\n"), "{good}");
        assert_eq!(property::fault(asked.as_bytes(), &good), None);
        let twice = format!("{good}password=token\n");
        for (asked, answer) in [
            (asked, &twice),
            (asked, &good.replace("token\n", "token\r\n")),
            (asked, &good.replace("token\n", "token")),
            (asked, &"password=token\n".to_owned()),
            (asked, &"username=\npassword=token\n".to_owned()),
            ("protocol=https\nhost=evil.dev.azure.com\n", &good),
            ("protocol=https\nhost=a.b.visualstudio.com\n", &good),
            ("protocol=https\nhost=.visualstudio.com\n", &good),
            ("protocol=http\nhost=dev.azure.com\n", &good),
            ("protocol=https\nhost=evil\rhost=dev.azure.com\n", &good),
            ("protocol=https\nhost=dev.azure.com\nhost=dev.azure.com\n", &good),
            ("protocol=https\n\nhost=dev.azure.com\n", &good),
        ] {
            assert!(property::fault(asked.as_bytes(), answer).is_some(), "{asked:?} {answer:?}");
        }
    }

    /// Hosts that are nearly those of the service, and some that are.
    fn host() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            proptest::sample::select(vec![
                "dev",
                "azure",
                "com",
                "visualstudio",
                "contoso",
                ".",
                ".",
                ".",
                "-",
                "@",
                ":443",
                ":80",
                "%",
                "%2e",
                "/",
                "\\",
                " ",
                "\u{430}",
                "DEV",
                "dev.azure.com",
                ".visualstudio.com",
                "evil.example",
                "xn--",
                "[",
                "]",
                "?",
                "#",
                "\u{2024}",
            ])
            .prop_map(str::to_owned),
            any::<String>(),
        ];
        proptest::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
    }

    /// Descriptions of lines that git would send, with what breaks a reader here and there.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let key = proptest::sample::select(vec![
            "protocol",
            "protocol",
            "host",
            "host",
            "path",
            "username",
            "password",
            "capability[]",
            "state[]",
            "wwwauth[]",
            "foo",
            "",
        ]);
        let value = prop_oneof![
            4 => Just(b"https".to_vec()),
            4 => Just(b"dev.azure.com".to_vec()),
            1 => Just(b"contoso.visualstudio.com".to_vec()),
            1 => proptest::sample::select(vec!["authtype", "state", "contoso", "evil.example", "http", ""])
                .prop_map(|text| text.as_bytes().to_vec()),
            1 => host().prop_map(String::into_bytes),
            1 => any::<Vec<u8>>(),
        ];
        let end = prop_oneof![
            12 => Just("\n"),
            1 => proptest::sample::select(vec!["\r\n", "\r", "\n\n", "\0", "", "\r\r\n", "\u{85}"]),
        ];
        let line = (key, value, end)
            .prop_map(|(key, value, end)| [key.as_bytes(), b"=", &value, end.as_bytes()].concat());
        let lines = proptest::collection::vec(line, 0..6);
        // Every other one would be answered, if it were not for the rest of it.
        (lines, any::<bool>(), any::<proptest::sample::Index>()).prop_map(
            |(mut lines, is_ours, at)| {
                if is_ours {
                    let at = at.index(lines.len() + 1);
                    lines.insert(at, b"protocol=https\nhost=dev.azure.com\n".to_vec());
                }
                lines.concat()
            },
        )
    }

    proptest! {
        #[test]
        fn no_host_but_those_of_the_service_is_answered(
            host in host(),
            protocol in "https|http|ssh|HTTPS|",
            path in proptest::option::of("[ -~]{0,20}"),
        ) {
            let path = path.map(|path| format!("path={path}\n")).unwrap_or_default();
            let answer = answer(format!("protocol={protocol}\nhost={host}\n{path}"));
            let name = host.to_ascii_lowercase();
            let name = name.strip_suffix(":443").unwrap_or(&name);
            let label = name.strip_suffix(".visualstudio.com");
            let is_label = label.is_some_and(|label| {
                label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
            if !(name == "dev.azure.com" || is_label) || !protocol.eq_ignore_ascii_case("https") {
                prop_assert_eq!(answer, "");
            } else if name == "dev.azure.com" {
                prop_assert!(answer.ends_with("\npassword=token\n"), "{}", answer);
            }
        }

        /// C8.
        #[test]
        fn no_label_before_within_or_after_a_host_makes_another_one_ours(
            host in proptest::sample::select(vec![
                "dev.azure.com", "contoso.visualstudio.com", "visualstudio.com",
            ]),
            added in proptest::collection::vec("[a-zA-Z0-9-]{1,12}|xn--[a-z0-9]{1,8}|vs-ssh|\u{430}", 1..4),
            at in any::<proptest::sample::Index>(),
        ) {
            let mut labels: Vec<&str> = host.split('.').collect();
            let at = at.index(labels.len() + 1);
            let is_label = host == "visualstudio.com" && at == 0 && added.len() == 1;
            labels.splice(at..at, added.iter().map(String::as_str));
            let asked = format!("protocol=https\nhost={}\npath=contoso\n", labels.join("."));
            let answer = answer(&asked);
            prop_assert_eq!(property::fault(asked.as_bytes(), &answer), None);
            // Not every label is an organization's name.
            prop_assert!(is_label || answer.is_empty(), "{}", answer);
        }

        #[test]
        fn no_input_breaks_it(stdin in any::<Vec<u8>>()) {
            prop_assert_eq!(answer(&stdin), "");
        }

        #[test]
        fn whatever_git_says_the_answer_is_one_for_us_and_has_each_key_once(stdin in stream()) {
            prop_assert_eq!(property::fault(&stdin, &answer(&stdin)), None);
        }
    }
}
