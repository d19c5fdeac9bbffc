//! Of the sign-in, against the double's Microsoft, with a clock that only moves where it is waited.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::thread;

use double::{Answer, Double, Rule};
use serde_json::json;

use super::*;
use crate::http::Settings;

const ADA: &str = "ada@contoso.com";
const LIMIT: Duration = Duration::from_secs(20);

/// How long it is waited between two polls, in seconds, and what kept the last one from being answered.
type Pause = (u64, Option<String>);

/// Microsoft, one account, and a clock.
struct World {
    double: Double,
    client: Client,
    now: Cell<Timestamp>,
}

impl World {
    fn new() -> Self {
        let double = Double::start();
        double.organization("contoso").person(ADA, "Ada Lovelace");
        let client = Client::new(&Settings { plain: true, ..Settings::default() }).unwrap();
        Self { double, client, now: Cell::new(Timestamp::now()) }
    }

    fn with<T>(&self, work: impl FnOnce(&Microsoft<'_>) -> T) -> T {
        let authority = Authority::new(self.double.url(), "organizations").unwrap();
        let now = || self.now.get();
        work(&Microsoft::new(&self.client, &authority, CLIENT, &now).unwrap())
    }

    /// A sign-in in the browser, to its end.
    fn sign_in(&self) -> Result<Tokens, Error> {
        self.with(|microsoft| {
            let attempt = microsoft.begin()?;
            let (player, address) = (self.double.microsoft(), attempt.url.to_string());
            let browser = thread::spawn(move || player.sign_in_at(&address, ADA));
            let ended = microsoft.end(attempt, LIMIT);
            let tokens = ended.map(|(tokens, landed)| {
                landed.show("Signed in", "");
                tokens
            });
            browser.join().unwrap();
            tokens
        })
    }

    /// A sign-in by a code, and the pauses between its polls in seconds, rounded up.
    fn by_code(&self) -> (Result<Tokens, Error>, Vec<u64>) {
        let (tokens, pauses) = self.by_code_with_trouble();
        (tokens, pauses.into_iter().map(|(seconds, _)| seconds).collect())
    }

    /// The same, with what was told of each.
    fn by_code_with_trouble(&self) -> (Result<Tokens, Error>, Vec<Pause>) {
        let pauses: RefCell<Vec<_>> = RefCell::default();
        let tokens = self.with(|microsoft| {
            let code = microsoft.device_code()?;
            microsoft.use_code(&code, &|time, progress| {
                let seconds = time.as_secs_f64().ceil() as u64;
                let trouble = progress.trouble.map(ToString::to_string);
                assert!(time <= progress.left && progress.left <= code.lifetime);
                pauses.borrow_mut().push((seconds, trouble));
                self.now.set(self.now.get().checked_add(time).unwrap());
            })
        });
        (tokens, pauses.into_inner())
    }

    /// The next answer to a request for tokens.
    fn answer_with_token(&self, answer: &serde_json::Value) {
        self.double.answer(Rule::any("…/oauth2/v2.0/token").times(1), Answer::json(200, answer));
    }
}

fn shown<T>(result: Result<T, Error>) -> String {
    result.map(drop).map_err(|error| error.to_string()).unwrap_err()
}

/// Whether pauses add up to the fifteen minutes of a code, of which what the requests took is part.
fn is_the_lifetime(pauses: &[u64]) -> bool {
    (800..=900).contains(&pauses.iter().sum::<u64>())
}

/// The one parameter of that name, or nothing.
fn parameter(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs().filter(|(met, _)| met == name);
    let value = pairs.next().map(|(_, value)| value.into_owned());
    assert!(pairs.next().is_none(), "{name} twice");
    value.unwrap_or_default()
}

#[test]
fn each_try_asks_with_a_state_of_its_own_for_an_answer_in_a_form() {
    let world = World::new();
    let mut states = BTreeSet::new();
    world.with(|microsoft| {
        for _ in 0..20 {
            let attempt = microsoft.begin().unwrap();
            for (name, expected) in [
                ("client_id", CLIENT),
                ("response_type", "code"),
                ("response_mode", "form_post"),
                ("prompt", "select_account"),
                ("code_challenge_method", "S256"),
                ("redirect_uri", &attempt.listener.redirect_uri()),
                ("scope", &SCOPES.join(" ")),
                ("client_secret", ""),
            ] {
                assert_eq!(parameter(&attempt.url, name), expected, "{name}");
            }
            states.insert(parameter(&attempt.url, "state"));
        }
    });
    assert_eq!(states.len(), 20);
    assert!(states.iter().all(|state| state.len() == 43));
}

#[test]
fn each_try_proves_itself_by_a_verifier_of_its_own() {
    let world = World::new();
    let redirect = RedirectUrl::new("http://localhost:1".to_owned()).unwrap();
    let mut challenges = BTreeSet::new();
    world.with(|microsoft| {
        for _ in 0..1000 {
            let (url, verifier) = microsoft.question(&redirect, &random());
            let verifier = verifier.expose_secret();
            // RFC 7636, section 4.1.
            let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert!((43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved));
            assert!(!url.as_str().contains(verifier), "it is told before its time");
            challenges.insert(parameter(&url, "code_challenge"));
        }
    });
    assert_eq!(challenges.len(), 1000);
}

#[test]
fn a_sign_in_in_the_browser_brings_tokens_and_a_name() {
    let world = World::new();
    let tokens = world.sign_in().unwrap();
    assert_eq!(tokens.account.as_deref(), Some(ADA));
    assert!(tokens.refresh_token.is_some());
    assert_eq!(tokens.is_personal(), Some(false));
    let lifetime = tokens.expires.duration_since(world.now.get()).as_secs();
    assert!((3000..=5400).contains(&lifetime), "{lifetime}");
    // The verifier has gone to the token endpoint, in the body, and nowhere else.
    let requests = world.double.requests();
    let body = |request: &double::Request| String::from_utf8(request.body.clone()).unwrap();
    let rest = |request| Some(body(request).split_once("code_verifier=")?.1.to_owned());
    let rest = requests.iter().find_map(rest).unwrap();
    let verifier = rest.split('&').next().unwrap();
    assert_eq!(verifier.len(), 43);
    let holds = |request: &&double::Request| {
        let head = format!("{request} {:?}", request.headers);
        head.contains(verifier) || body(request).contains(verifier)
    };
    let told: Vec<_> = requests.iter().filter(holds).collect();
    let [told] = *told else { panic!("{told:?}") };
    assert!(told.path.ends_with("/oauth2/v2.0/token") && told.query.is_empty(), "{told}");
    assert!(!format!("{:?}", told.headers).contains(verifier));
}

#[test]
fn a_code_of_another_authority_is_not_redeemed() {
    let world = World::new();
    world.double.microsoft().names_issuer();
    assert!(world.sign_in().is_ok());
    let world = World::new();
    world.double.microsoft().names_other_issuer("https://evil.example/\u{202e}tenant");
    assert_eq!(
        shown(world.sign_in()),
        "the answer in the browser is of another sign-in, https://evil.example/\\u{202e}tenant"
    );
    assert_eq!(world.double.microsoft().redemptions(), []);
}

#[test]
fn an_issuer_is_the_tenants_as_it_is_written() {
    const ID: &str = "4d5eec41-5e32-464f-a026-2af287746f91";
    const BASE: &str = "https://login.microsoftonline.com";
    let own = format!("{BASE}/{ID}/v2.0");
    for tenant in [ID, &ID.to_uppercase(), "organizations", NO_TENANT, "contoso.com"] {
        let authority = Authority::new(BASE, tenant).unwrap();
        assert!(authority.issues_as(&own), "{tenant}");
        for issuer in [
            "",
            BASE,
            &format!("{own}/"),
            &format!("{BASE}/{ID}"),
            &format!("{BASE}/{ID}/v1.0"),
            &format!("{BASE}//{ID}/v2.0"),
            &format!("{BASE}:443/{ID}/v2.0"),
            &format!("{BASE}/organizations/v2.0"),
            &format!("{BASE}/contoso.com/v2.0"),
            &format!("{BASE}/{ID}/../{ID}/v2.0"),
            &format!("{BASE}/{ID}/v2.0?x"),
            &format!("{BASE}.evil.example/{ID}/v2.0"),
            &format!("https://evil.example/{ID}/v2.0"),
            &format!("http://login.microsoftonline.com/{ID}/v2.0"),
            &format!("HTTPS://login.microsoftonline.com/{ID}/v2.0"),
        ] {
            assert!(!authority.issues_as(issuer), "{tenant}: {issuer}");
        }
    }
    let other = format!("{BASE}/11111111-2222-3333-4444-555555555555/v2.0");
    assert!(!Authority::new(BASE, ID).unwrap().issues_as(&other), "it is another tenant's");
    assert!(Authority::new(BASE, "organizations").unwrap().issues_as(&other));
}

#[test]
fn a_challenge_that_is_refused_is_not_tried_again_in_plain() {
    let world = World::new();
    world.double.microsoft().refuse(double::Step::Answer, 50_147);
    let error = world.sign_in().unwrap_err().to_string();
    let said = "Microsoft refused the sign-in: it did not accept how git vsts asked (AADSTS50147)";
    assert_eq!(error, said);
    let asked = world.double.requests();
    let asked = asked.iter().filter(|it| it.to_string().contains("/authorize")).count();
    assert_eq!((asked, world.double.microsoft().redemptions()), (1, vec![]));
}

#[test]
fn what_is_no_token_is_none_and_is_not_shown() {
    let good = json!({"token_type": "Bearer", "access_token": "hunter2", "expires_in": 3600});
    for (field, value) in [
        ("token_type", json!("pop")),
        ("token_type", json!(null)),
        ("access_token", json!("")),
        ("access_token", json!("hunter2\r\nX-Evil: 1")),
        ("access_token", json!("hunter2 hunter2")),
        ("access_token", json!(null)),
        ("expires_in", json!("hunter2")),
    ] {
        let world = World::new();
        let mut answer = good.clone();
        answer[field] = value;
        world.answer_with_token(&answer);
        let error = world.sign_in().unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 answered without a token that can be used");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let world = World::new();
    world.answer_with_token(&good);
    let tokens = world.sign_in().unwrap();
    assert!(tokens.refresh_token.is_none() && tokens.account.is_none());
    // The kind's name has no case (RFC 6749, section 5.1).
    let world = World::new();
    let kind = json!({"token_type": "bEARER", "access_token": "a", "refresh_token": "r\r\nX: 1"});
    world.answer_with_token(&kind);
    assert!(world.sign_in().unwrap().refresh_token.is_none(), "it would end a header");
}

#[test]
fn what_stands_in_the_way_is_told_apart_from_a_refusal() {
    for (answer, said) in [
        (Answer::status(503), "unavailable"),
        (Answer::html_page(), ""),
        (Answer::redirect("https://evil.example/"), "evil.example"),
        (Answer::reset(), ""),
        (Answer::json(200, &json!("x".repeat(LARGEST))), ""),
    ] {
        let world = World::new();
        world.double.answer(Rule::any("…/oauth2/v2.0/token"), answer);
        let error = world.sign_in().unwrap_err();
        assert!(matches!(error, Error::Http(_)), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_code_is_polled_no_faster_than_microsoft_says() {
    let world = World::new();
    world.double.microsoft().poll_interval(Some(5)).slows_down().approves_after(3, ADA);
    let (tokens, pauses) = world.by_code();
    assert!(tokens.is_ok(), "{tokens:?}");
    // What it asked for once is for good.
    assert_eq!(pauses, [10, 10, 10]);
    let world = World::new();
    // Without an interval it is five seconds (RFC 8628, section 3.2).
    world.double.microsoft().poll_interval(None).approves_after(2, ADA);
    assert_eq!(world.by_code().1, [5, 5]);
    for (asked, kept_to) in [(0, 1), (1, 1), (60, 60), (61, 60), (86_400, 60), (u64::MAX, 60)] {
        let world = World::new();
        world.double.microsoft().poll_interval(Some(asked)).approves_after(1, ADA);
        assert_eq!(world.by_code().1, [kept_to], "{asked}");
    }
}

#[test]
fn a_code_that_nobody_uses_ends_with_its_time() {
    let world = World::new();
    // Entra tells the browser alone that it is blocked.
    world.double.microsoft().poll_interval(Some(60)).blocks_devices();
    let (tokens, pauses) = world.by_code();
    assert_eq!(shown(tokens), "nobody used the code within 15 minutes");
    assert!(is_the_lifetime(&pauses), "{pauses:?}");
}

#[test]
fn a_code_is_waited_for_half_an_hour_at_most() {
    for (said, kept_to) in [(60, 60), (1800, 1800), (1801, 1800), (u64::MAX, 1800)] {
        let world = World::new();
        let answer = json!({"device_code": "d", "user_code": "ABCD", "expires_in": said,
            "verification_uri": "https://microsoft.com/devicelogin"});
        let rule = Rule::any("…/oauth2/v2.0/devicecode");
        world.double.answer(rule, Answer::json(200, &answer));
        let code = world.with(|microsoft| microsoft.device_code()).unwrap();
        assert_eq!(code.lifetime, Duration::from_secs(kept_to), "{said}");
    }
}

#[test]
fn a_code_that_is_declined_or_ended_by_microsoft_ends_the_wait() {
    let world = World::new();
    world.double.microsoft().declines_after(1);
    assert!(shown(world.by_code().0).starts_with("Microsoft refused the sign-in: it was declined"));
    let world = World::new();
    world.double.microsoft().expires_after(1);
    assert_eq!(shown(world.by_code().0), "nobody used the code within 15 minutes");
}

#[test]
fn a_network_that_is_gone_is_asked_more_seldom_until_the_code_ends() {
    let cut = |world: &World, times: usize, answer: Answer| {
        world.double.answer(Rule::any("…/oauth2/v2.0/token").times(times), answer);
    };
    let world = World::new();
    cut(&world, usize::MAX, Answer::reset());
    let (tokens, pauses) = world.by_code_with_trouble();
    assert!(matches!(tokens, Err(Error::Http(http::Error::Cut { .. }))), "{tokens:?}");
    let seconds: Vec<u64> = pauses.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(seconds[..6], [10, 20, 40, 60, 60, 60]);
    assert!(is_the_lifetime(&seconds), "{seconds:?}");
    assert!(pauses.iter().all(|(_, trouble)| trouble.is_some()));
    // One that comes back is found, and asked no sooner than before.
    let world = World::new();
    world.double.microsoft().poll_interval(Some(1)).approves_after(1, ADA);
    cut(&world, 2, Answer::reset());
    let (tokens, pauses) = world.by_code_with_trouble();
    assert!(tokens.is_ok(), "{tokens:?}");
    let told: Vec<_> = pauses.iter().map(|(time, trouble)| (*time, trouble.is_some())).collect();
    assert_eq!(told, [(2, true), (4, true), (4, false)]);
    // A server that is busy says for how long.
    let world = World::new();
    world.double.microsoft().approves_after(0, ADA);
    cut(&world, 1, Answer::status(503).header("Retry-After", "30"));
    let (tokens, pauses) = world.by_code();
    assert_eq!((tokens.is_ok(), pauses), (true, vec![30]));
}

#[test]
fn what_will_not_be_better_later_ends_the_wait_for_a_code() {
    for answer in [
        Answer::html_page(),
        Answer::redirect("https://hotel.example/"),
        Answer::status(407),
        Answer::json(200, &json!("x".repeat(LARGEST))),
        Answer::json(200, &json!({"access_token": "a\nb", "token_type": "Bearer"})),
        Answer::aadsts(53_003),
    ] {
        let world = World::new();
        world.double.answer(Rule::any("…/oauth2/v2.0/token"), answer);
        let (tokens, pauses) = world.by_code();
        assert!(tokens.is_err(), "{tokens:?}");
        assert!(pauses.is_empty(), "{pauses:?}");
    }
}

#[test]
fn a_policy_that_refuses_a_code_is_told_by_its_number() {
    for (code, said) in [
        (53_003, "a policy of the organization (conditional access) forbids it (AADSTS53003)"),
        (70_043, "the sign-in was revoked, or has ended (AADSTS70043)"),
        (50_076, "the account has to sign in anew, with a second factor (AADSTS50076)"),
    ] {
        let world = World::new();
        world.double.microsoft().refuse(double::Step::Poll, code);
        let told = shown(world.by_code().0);
        assert_eq!(told, format!("Microsoft refused the sign-in: {said}"));
    }
}

#[test]
fn a_clock_that_is_set_meanwhile_ends_no_code() {
    let world = World::new();
    world.double.microsoft().approves_after(3, ADA);
    let tokens = world.with(|microsoft| {
        let code = microsoft.device_code()?;
        let hours = Cell::new(24);
        microsoft.use_code(&code, &|_, progress| {
            assert!(progress.waited < Duration::from_secs(60), "{progress:?}");
            let jump = jiff::SignedDuration::from_hours(hours.replace(-48));
            world.now.set(world.now.get().checked_add(jump).unwrap());
        })
    });
    assert!(tokens.is_ok(), "{tokens:?}");
}

#[test]
fn a_code_is_shown_for_a_page_of_microsofts_alone() {
    let answer = |page: &str, code: &str| {
        json!({"device_code": "d", "user_code": code, "verification_uri": page, "expires_in": 900,
            "message": "\u{1b}[2Jcome here"})
    };
    let long = format!("https://microsoft.com/devicelogin?{}", "x".repeat(200));
    for page in [
        "https://evil.example/device",
        "http://microsoft.com/devicelogin",
        "https://microsoft.com.evil.example/",
        // On another port somebody else may listen.
        "https://microsoft.com:8443/devicelogin",
        "https://login.microsoftonline.com:444/common/oauth2/deviceauth",
    ] {
        let world = World::new();
        world.double.answer(
            Rule::any("…/oauth2/v2.0/devicecode"),
            Answer::json(200, &answer(page, "ABCD")),
        );
        let host = Url::parse(page).unwrap().host_str().unwrap().to_owned();
        assert_eq!(
            shown(world.with(|microsoft| microsoft.device_code())),
            format!("{host}, where the code is to be typed, is no host of Microsoft's sign-in")
        );
    }
    for (page, code) in [
        ("javascript:alert(1)", "ABCD"),
        ("https://login.contoso.com@microsoft.com/devicelogin", "ABCD"),
        (&*long, "ABCD"),
        ("https://microsoft.com/devicelogin", "AB\u{1b}[2JCD"),
        ("https://microsoft.com/devicelogin", "AB\u{202e}CD"),
        ("https://microsoft.com/devicelogin", "ABCD\nSigned in."),
        ("https://microsoft.com/devicelogin", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"),
        ("https://microsoft.com/devicelogin", ""),
    ] {
        let world = World::new();
        world
            .double
            .answer(Rule::any("…/oauth2/v2.0/devicecode"), Answer::json(200, &answer(page, code)));
        let told = shown(world.with(|microsoft| microsoft.device_code()));
        let expected = "127.0.0.1 answered without a code for another device that can be used";
        assert_eq!(told, expected, "{page} {code}");
    }
    // What a person reads of an address has no control characters, whatever was in it.
    let world = World::new();
    let odd = answer("https://microsoft.com/device\n\u{1b}[2J\u{202e}login", "ABCD");
    world.double.answer(Rule::any("…/oauth2/v2.0/devicecode"), Answer::json(200, &odd));
    let code = world.with(|microsoft| microsoft.device_code()).unwrap();
    assert_eq!(code.page.as_str(), "https://microsoft.com/device%1B[2J%E2%80%AElogin");
    let world = World::new();
    let right = answer("https://microsoft.com/devicelogin", "ABCD-EFGH");
    world.double.answer(Rule::any("…/oauth2/v2.0/devicecode"), Answer::json(200, &right));
    let code = world.with(|microsoft| microsoft.device_code()).unwrap();
    assert_eq!(
        (&*code.user_code, code.page.as_str()),
        ("ABCD-EFGH", "https://microsoft.com/devicelogin")
    );
}

#[test]
fn a_renewal_brings_the_next_refresh_token_and_says_when_it_is_the_end() {
    let world = World::new();
    world.double.microsoft().rotates();
    let first = world.sign_in().unwrap().refresh_token.unwrap();
    let second = world.with(|microsoft| microsoft.renew(&first)).unwrap();
    assert!(second.refresh_token.is_some_and(|it| it.expose_secret() != first.expose_secret()));
    // Used twice, it ends them all.
    let error = world.with(|microsoft| microsoft.renew(&first)).unwrap_err();
    assert!(error.is_end(), "{error}");
    let world = World::new();
    let token = world.sign_in().unwrap().refresh_token.unwrap();
    world.double.answer(Rule::any("…/oauth2/v2.0/token"), Answer::status(503));
    let error = world.with(|microsoft| microsoft.renew(&token)).unwrap_err();
    assert!(!error.is_end(), "{error}");
}

#[test]
fn the_tenant_is_the_one_that_the_organization_names() {
    const BASE: &str = "https://login.microsoftonline.com";
    let of = |tenant: Option<&str>, challenges: &[&str]| {
        let authority = Authority::of_organization(BASE, tenant, challenges);
        authority.map(|it| it.tenant().to_owned()).map_err(|error| error.to_string())
    };
    let uri = |uri: &str| format!("Bearer authorization_uri={uri}");
    for (tenant, challenge, expected) in [
        (Some("4D5EEC41-5E32-464F-A026-2AF287746F91"), "", "4d5eec41-5e32-464f-a026-2af287746f91"),
        (Some(NO_TENANT), "", "organizations"),
        (Some(" "), &*uri("https://login.windows.net/contoso.com"), "contoso.com"),
        (None, &uri("https://login.microsoftonline.com/contoso.com"), "contoso.com"),
        (
            None,
            &uri("\"https://login.microsoftonline.com/contoso.com\", Basic realm=\"x\""),
            "contoso.com",
        ),
        (
            None,
            "TFS-Federated, Bearer AUTHORIZATION_URI=https://sts.windows.net/contoso.com/",
            "contoso.com",
        ),
        (None, "Bearer", "organizations"),
        (None, "Basic realm=\"https://tfsprod.visualstudio.com/\"", "organizations"),
        (None, &uri("http://login.microsoftonline.com/contoso.com"), "organizations"),
    ] {
        assert_eq!(of(tenant, &[challenge]), Ok(expected.to_owned()), "{challenge}");
    }
    for (tenant, challenge, expected) in [
        (
            None,
            &*uri("https://evil.example/contoso.com"),
            "evil.example is no host of Microsoft's sign-in",
        ),
        (
            None,
            &uri("https://login.microsoftonline.com.evil.example/x"),
            "login.microsoftonline.com.evil.example is no host of Microsoft's sign-in",
        ),
        (Some("../evil"), "", "../evil is no tenant: it is an id or a domain"),
        (Some("a/b"), "", "a/b is no tenant: it is an id or a domain"),
        (
            None,
            &uri("https://login.microsoftonline.com/%2e%2e"),
            " is no tenant: it is an id or a domain",
        ),
    ] {
        assert_eq!(of(tenant, &[challenge]), Err(expected.to_owned()), "{challenge}");
    }
}
