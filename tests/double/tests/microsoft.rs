//! Microsoft's sign-in and the token API, as the double plays them.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Reply, ask};
use double::{Answer, Double, Microsoft, Organization, Rule, Step, Token};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CLIENT: &str = "872cd9fa-d31f-45e0-9eab-6e460a02d1f1";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const OTHER_TENANT: &str = "99999999-8888-7777-6666-555555555555";
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default offline_access openid profile";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const ADA: &str = "ada@contoso.com";
const GRANT_OF_DEVICES: &str = "urn:ietf:params:oauth:grant-type:device_code";

struct Contoso {
    double: Double,
    contoso: Organization,
    microsoft: Microsoft,
}

impl Contoso {
    fn new() -> Contoso {
        let double = Double::start();
        let contoso = double.organization("contoso").tenant(TENANT).person(ADA, "Ada Lovelace");
        let microsoft = double.microsoft();
        Contoso { double, contoso, microsoft }
    }

    /// An address to sign in at, with changes: an empty value leaves a parameter out.
    fn authorize(&self, tenant: &str, redirect: &str, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let usual = [
            ("client_id", CLIENT),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("response_mode", "form_post"),
            ("scope", SCOPE),
            ("state", "a&b=\"c\""),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("prompt", "select_account"),
        ];
        let query = form(&changed(&usual, changes));
        format!("{}/{tenant}/oauth2/v2.0/authorize?{query}", self.double.url())
    }

    fn post(&self, tenant: &str, part: &str, fields: &[(&str, &str)]) -> Reply {
        let kind = "application/x-www-form-urlencoded";
        ask("POST", &format!("/{tenant}/oauth2/v2.0/{part}"))
            .header("Content-Type", kind)
            .bytes(form(fields).into_bytes())
            .send(self.double.url())
    }

    /// Redeems a code, with changes as in [`Contoso::authorize`].
    fn redeem(&self, code: &str, redirect: &str, changes: &[(&str, &str)]) -> Reply {
        let usual = [
            ("client_id", CLIENT),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", VERIFIER),
        ];
        self.post(TENANT, "token", &changed(&usual, changes))
    }

    fn renew(&self, refresh_token: &str) -> Reply {
        let fields = [
            ("client_id", CLIENT),
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("scope", SCOPE),
        ];
        self.post(TENANT, "token", &fields)
    }

    /// Signs in at a tenant and gives the answer of the token endpoint.
    fn signed_in(&self, tenant: &str, account: &str) -> Value {
        let (redirect, answer) = listen();
        self.microsoft.sign_in_at(&self.authorize(tenant, &redirect, &[]), account);
        let code = value(&answer.join().expect("an answer").fields, "code");
        let reply = self.redeem(&code, &redirect, &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn access_token(&self) -> String {
        text(&self.signed_in(TENANT, ADA), "access_token")
    }

    fn device(&self) -> Value {
        let reply = self.post(TENANT, "devicecode", &[("client_id", CLIENT), ("scope", SCOPE)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn poll(&self, device: &Value, grant: &str) -> Reply {
        let code = text(device, "device_code");
        let fields = [("client_id", CLIENT), ("grant_type", grant), ("device_code", &code)];
        self.post(TENANT, "token", &fields)
    }

    /// The errors of so many polls, `-` for tokens.
    fn polls(&self, device: &Value, times: usize) -> Vec<String> {
        let error = |_| {
            let answer = self.poll(device, GRANT_OF_DEVICES).json();
            answer["error"].as_str().unwrap_or("-").to_owned()
        };
        (0..times).map(error).collect()
    }
}

fn changed<'a>(
    usual: &[(&'a str, &'a str)],
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let stays = |(name, _): &&(&str, &str)| !changes.iter().any(|(other, _)| other == name);
    let said = changes.iter().filter(|(_, value)| !value.is_empty());
    usual.iter().filter(stays).chain(said).copied().collect()
}

fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encode(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn fields(form: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn value(fields: &[(String, String)], name: &str) -> String {
    fields.iter().find(|(other, _)| other == name).map_or("-", |(_, value)| value).to_owned()
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_else(|| panic!("{key} in {object}")).to_owned()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("a token of three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("claims")
}

/// `error`, number and `suberror` of an answer of Microsoft.
fn fault(reply: &Reply) -> String {
    let body = reply.json();
    let suberror = body["suberror"].as_str().unwrap_or("-");
    format!("{} {} {} {suberror}", reply.status, text(&body, "error"), body["error_codes"])
}

struct Answered {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
}

/// A program that listens on loopback for one answer and sends the browser on once.
fn listen() -> (String, thread::JoinHandle<Answered>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answered = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a browser");
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        let request = loop {
            let read = stream.read(&mut buffer).expect("a request");
            request.extend_from_slice(&buffer[..read]);
            if let Some(whole) = whole(&request) {
                break whole;
            }
        };
        let page = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nDone.";
        stream.write_all(page).expect("a browser that waits");
        request
    });
    (format!("http://localhost:{port}"), answered)
}

fn whole(request: &[u8]) -> Option<Answered> {
    let request = std::str::from_utf8(request).ok()?;
    let (head, body) = request.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if body.len() < length.map_or(0, |length| length.parse().expect("a number")) {
        return None;
    }
    let mut line = head.lines().next()?.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?.to_owned());
    let form =
        if body.is_empty() { target.split_once('?').map_or("", |(_, query)| query) } else { body };
    Some(Answered { fields: fields(form), method, target })
}

#[test]
fn a_person_signs_in_and_the_program_gets_tokens() {
    let here = Contoso::new();
    for (mode, method, target) in [("form_post", "POST", "/"), ("query", "GET", "/?code=")] {
        let (redirect, answer) = listen();
        let address = here.authorize(TENANT, &redirect, &[("response_mode", mode)]);
        let landing = here.microsoft.sign_in_at(&address, ADA);
        assert_eq!((landing.status, landing.page.as_str()), (200, "Done."), "{mode}");
        assert!(landing.address.starts_with(&redirect), "{}", landing.address);
        let answer = answer.join().expect("an answer");
        assert_eq!(answer.method, method);
        assert!(answer.target.starts_with(target), "{}", answer.target);
        assert_eq!(value(&answer.fields, "state"), "a&b=\"c\"");
        assert_eq!(value(&answer.fields, "iss"), "-", "Microsoft names no issuer");

        let reply = here.redeem(&value(&answer.fields, "code"), &redirect, &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tokens = reply.json();
        assert_eq!(
            (&tokens["token_type"], &tokens["expires_in"], &tokens["ext_expires_in"]),
            (&json!("Bearer"), &json!(3599), &json!(3599))
        );
        let access = text(&tokens, "access_token");
        assert!((1_500..3_000).contains(&access.len()), "{}", access.len());
        let access = claims(&access);
        assert_eq!(
            (&access["tid"], &access["upn"], &access["aud"]),
            (&json!(TENANT), &json!(ADA), &json!("499b84ac-1321-427f-aa17-267ca6975798"))
        );
        let id = claims(&text(&tokens, "id_token"));
        assert_eq!((&id["preferred_username"], &id["aud"]), (&json!(ADA), &json!(CLIENT)));
        assert!(tokens["refresh_token"].is_string());
    }
    let requests = here.double.requests();
    let asked: Vec<_> = requests
        .iter()
        .take(3)
        .map(|one| {
            let part = one.path.rsplit('/').next().unwrap_or_default();
            (one.method.as_str(), part, one.header("user-agent"), one.header("origin"))
        })
        .collect();
    let (browser, page) = (Some("browser"), Some(here.double.url()));
    assert_eq!(
        asked,
        [
            ("GET", "authorize", browser, None),
            ("POST", "login", browser, page),
            ("POST", "token", None, None),
        ]
    );
    // The real host's address is as good to a person here.
    let (redirect, answer) = listen();
    let address = here.authorize(TENANT, &redirect, &[]);
    let address = address.replace(here.double.url(), "https://login.microsoftonline.com");
    assert_eq!(here.microsoft.sign_in_at(&address, ADA).page, "Done.");
    assert_eq!(value(&answer.join().expect("an answer").fields, "error"), "-");
}

#[test]
fn microsoft_refuses_a_request_that_is_not_sound() {
    let here = Contoso::new();
    let loopback = "http://localhost:1";
    let zero = "00000000-0000-0000-0000-000000000000";
    for (tenant, redirect, changes, expected) in [
        (OTHER_TENANT, loopback, vec![], "page AADSTS90002"),
        (zero, loopback, vec![], "page AADSTS900021"),
        ("consumers", loopback, vec![], "page AADSTS9002332"),
        ("contoso", loopback, vec![], "page AADSTS900023"),
        ("fabrikam.com", loopback, vec![], "page AADSTS90002"),
        (TENANT, loopback, vec![("client_id", "another")], "page AADSTS700016"),
        (TENANT, "http://127.0.0.1:1", vec![], "page AADSTS50011"),
        (TENANT, "http://localhost:1/other", vec![], "page AADSTS50011"),
        (TENANT, loopback, vec![("prompt", "a"), ("prompt", "b")], "page AADSTS9000411"),
        (TENANT, loopback, vec![("response_mode", "other")], "page AADSTS90023"),
        (
            TENANT,
            loopback,
            vec![("response_type", "token")],
            "unsupported_response_type AADSTS700054",
        ),
        (TENANT, loopback, vec![("code_challenge_method", "plain")], "invalid_request AADSTS50147"),
        (TENANT, loopback, vec![("code_challenge", "")], "invalid_request AADSTS50147"),
        (TENANT, loopback, vec![("scope", "")], "invalid_request AADSTS900144"),
        (TENANT, loopback, vec![("scope", "code")], "invalid_scope AADSTS70011"),
        (
            TENANT,
            loopback,
            vec![("scope", "https://graph/.default")],
            "invalid_request AADSTS65002",
        ),
        (TENANT, loopback, vec![("prompt", "none")], "login_required AADSTS50058"),
        ("contoso.com", loopback, vec![], "form"),
        ("organizations", loopback, vec![], "form"),
        ("common", "http://localhost:2", vec![], "form"),
    ] {
        let mode = changes.iter().any(|(name, _)| *name == "response_mode");
        let query = [("response_mode", "query")];
        let changes = [if mode { &[][..] } else { &query }, &changes].concat();
        let address = here.authorize(tenant, redirect, &changes);
        let path = address.strip_prefix(here.double.url()).expect("an address of the double");
        let reply = ask("GET", path).send(here.double.url());
        let said = match reply.header("location") {
            Some(location) => {
                let answer = fields(location.split_once("/?").expect("a query").1);
                assert_eq!(value(&answer, "state"), "a&b=\"c\"");
                format!("{} {}", value(&answer, "error"), value(&answer, "error_description"))
            }
            None if reply.text().contains("<form ") => "form".to_owned(),
            None => {
                format!("page {}", &reply.text()[reply.text().find("AADSTS").expect("a code")..])
            }
        };
        assert_eq!(said.split(':').next(), Some(expected), "{tenant} {redirect} {changes:?}");
    }
    let configuration = |tenant: &str| {
        let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
        ask("GET", &path).send(here.double.url()).json()["issuer"].clone()
    };
    assert_eq!(configuration(TENANT), format!("{}/{TENANT}/v2.0", here.double.url()));
    assert_eq!(configuration("common"), format!("{}/{{tenantid}}/v2.0", here.double.url()));
}

#[test]
fn a_code_is_for_one_use_by_whom_it_was_made_for() {
    let here = Contoso::new();
    let (redirect, answer) = listen();
    here.microsoft.sign_in_at(&here.authorize(TENANT, &redirect, &[]), ADA);
    let code = value(&answer.join().expect("an answer").fields, "code");
    for (changes, expected) in [
        (vec![("client_id", "another")], "400 unauthorized_client [700016] -"),
        (vec![("client_secret", "s")], "401 invalid_client [700025] -"),
        (vec![("grant_type", "")], "400 invalid_request [900144] -"),
        (vec![("grant_type", "password")], "400 unsupported_grant_type [70003] -"),
        (vec![("code", "another")], "400 invalid_grant [9002313] -"),
        (vec![("code_verifier", "")], "400 invalid_request [900144] -"),
        (vec![("redirect_uri", "http://localhost:1")], "400 invalid_grant [50011] -"),
        (vec![("scope", "a"), ("scope", "b")], "400 invalid_request [9000411] -"),
    ] {
        assert_eq!(fault(&here.redeem(&code, &redirect, &changes)), expected, "{changes:?}");
    }
    let of_another_tenant = here.post(OTHER_TENANT, "token", &[("client_id", CLIENT)]);
    assert_eq!(fault(&of_another_tenant), "400 invalid_request [90002] -");

    let reply = here.redeem(&code, &redirect, &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("no-store, no-cache"));
    assert_eq!(reply.header("x-tfs-processid"), None, "that is Azure DevOps");
    let again = here.redeem(&code, &redirect, &[]);
    assert_eq!(fault(&again), "400 invalid_grant [54005] -");
    let description = text(&again.json(), "error_description");
    let lines: Vec<&str> =
        description.split("\r\n").filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(lines, ["AADSTS54005", "Trace ID", "Correlation ID", "Timestamp"]);

    let new_code = || {
        let (redirect, answer) = listen();
        here.microsoft.sign_in_at(&here.authorize(TENANT, &redirect, &[]), ADA);
        (value(&answer.join().expect("an answer").fields, "code"), redirect)
    };
    let (code, redirect) = new_code();
    let other = "x".repeat(43);
    let wrong = here.redeem(&code, &redirect, &[("code_verifier", &other)]);
    assert_eq!(fault(&wrong), "400 invalid_grant [501481] -");
    let (code, redirect) = new_code();
    here.microsoft.expire_codes();
    let late = here.redeem(&code, &redirect, &[]);
    assert_eq!(fault(&late), "400 invalid_grant [70008] token_expired");
}

#[test]
fn a_person_who_may_not_sign_in_is_told_on_the_page_or_at_the_redirect() {
    let here = Contoso::new();
    here.microsoft.account("eve@fabrikam.com", "Eve", OTHER_TENANT);
    let address =
        here.authorize(TENANT, "http://localhost:1", &[("login_hint", "eve@fabrikam.com")]);
    let path = address.strip_prefix(here.double.url()).expect("an address of the double");
    let page = ask("GET", path).send(here.double.url()).text();
    for account in [
        "value=\"ada@contoso.com\"> Ada Lovelace, ada@contoso.com",
        "value=\"eve@fabrikam.com\" checked> Eve, eve@fabrikam.com",
    ] {
        assert!(page.contains(account), "{page}");
    }
    assert!(!page.contains("<script"), "{page}");

    for (account, refused, expected) in [
        ("eve@fabrikam.com", None, "AADSTS50020"),
        ("nobody@contoso.com", None, "AADSTS50034"),
        (ADA, Some(53003), "AADSTS53003"),
    ] {
        if let Some(code) = refused {
            here.microsoft.refuse_times(Step::SignIn, code, 1);
        }
        let landing = here.microsoft.sign_in_at(&address, account);
        assert!(landing.address.starts_with(here.double.url()), "{}", landing.address);
        assert!(landing.page.contains(expected), "{account}: {}", landing.page);
    }

    let (redirect, answer) = listen();
    assert_eq!(here.microsoft.cancel_at(&here.authorize(TENANT, &redirect, &[])).page, "Done.");
    let cancelled = answer.join().expect("an answer").fields;
    let names = |fields: &[(String, String)]| {
        ["error", "error_subcode", "code"].map(|name| value(fields, name)).join(" ")
    };
    assert_eq!(names(&cancelled), "access_denied cancel -");

    here.microsoft.refuse(Step::Answer, 65001);
    let (redirect, answer) = listen();
    here.microsoft.sign_in_at(&here.authorize(TENANT, &redirect, &[]), ADA);
    assert_eq!(names(&answer.join().expect("an answer").fields), "consent_required - -");
}

#[test]
fn the_answer_names_an_issuer_if_it_is_to() {
    let here = Contoso::new();
    let issuer = || {
        let (redirect, answer) = listen();
        here.microsoft.sign_in_at(&here.authorize(TENANT, &redirect, &[]), ADA);
        value(&answer.join().expect("an answer").fields, "iss")
    };
    here.microsoft.names_issuer();
    assert_eq!(issuer(), format!("{}/{TENANT}/v2.0", here.double.url()));
    here.microsoft.names_other_issuer("https://evil.example");
    assert_eq!(issuer(), "https://evil.example");
}

#[test]
fn a_device_waits_for_its_person() {
    let here = Contoso::new();
    let device = here.device();
    let uri = format!("{}/common/oauth2/deviceauth", here.double.url());
    assert_eq!(
        (&device["verification_uri"], &device["expires_in"], &device["interval"]),
        (&json!(uri), &json!(900), &json!(5))
    );
    let code = text(&device, "user_code");
    assert_eq!(here.microsoft.user_codes(), [code.as_str()]);
    assert!(text(&device, "message").contains(&code));
    assert!(device.get("verification_uri_complete").is_none());
    assert_eq!(here.polls(&device, 2), ["authorization_pending", "authorization_pending"]);
    assert_eq!(here.microsoft.approve("WRONGCODE", ADA), Err(70018));
    assert_eq!(here.microsoft.approve(&code, "nobody@contoso.com"), Err(50034));
    assert_eq!(here.microsoft.approve(&code, ADA), Ok(()));
    let tokens = here.poll(&device, "device_code").json();
    assert_eq!(claims(&text(&tokens, "access_token"))["upn"], ADA);
    assert_eq!(here.polls(&device, 1), ["invalid_grant"]);

    let declined = here.device();
    assert_eq!(here.microsoft.decline(&text(&declined, "user_code")), Ok(()));
    assert_eq!(here.polls(&declined, 1), ["authorization_declined"]);
    let expired = here.device();
    here.microsoft.expire_codes();
    assert_eq!(here.polls(&expired, 1), ["expired_token"]);
    assert_eq!(here.polls(&json!({"device_code": "x"}), 1), ["bad_verification_code"]);

    // The person at the page, with another person's code and with theirs.
    here.microsoft.next_user_code("ABC234567").poll_interval(None);
    let device = here.device();
    assert!(device.get("interval").is_none());
    let sign_in = |code: &str| {
        let fields = [("code", code), ("login", ADA), ("password", "x")];
        ask("POST", "/common/oauth2/deviceauth")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .bytes(form(&fields).into_bytes())
            .send(here.double.url())
            .text()
    };
    assert!(sign_in("WRONGCODE").contains("AADSTS70018"));
    assert!(sign_in("abc234567").contains("You have signed in"));
    assert_eq!(here.polls(&device, 1), ["-"]);
}

#[test]
fn what_happens_at_the_other_device_can_be_told_beforehand() {
    let here = Contoso::new();
    let wait = "authorization_pending";
    here.microsoft.approves_after(2, ADA);
    assert_eq!(here.polls(&here.device(), 3), [wait, wait, "-"]);
    here.microsoft.slows_down();
    assert_eq!(here.polls(&here.device(), 3), ["slow_down", wait, "-"]);
    here.microsoft.declines_after(2);
    assert_eq!(here.polls(&here.device(), 3), ["slow_down", wait, "authorization_declined"]);
    here.microsoft.expires_after(2);
    assert_eq!(here.polls(&here.device(), 3), ["slow_down", wait, "expired_token"]);
    // A policy: only the browser is told.
    here.microsoft.approves_after(1, ADA).blocks_devices();
    let device = here.device();
    assert_eq!(here.microsoft.approve(&text(&device, "user_code"), ADA), Err(530033));
    assert_eq!(here.polls(&device, 4), ["slow_down", wait, wait, wait]);
    here.microsoft.refuse(Step::Poll, 50076).refuse(Step::DeviceCode, 700016);
    let refused = here.poll(&device, GRANT_OF_DEVICES);
    assert_eq!(fault(&refused), "400 interaction_required [50076] basic_action");
    assert!(refused.json()["claims"].is_string());
    let reply = here.post(TENANT, "devicecode", &[("client_id", CLIENT), ("scope", SCOPE)]);
    assert_eq!(fault(&reply), "400 unauthorized_client [700016] -");
}

#[test]
fn a_refresh_token_is_renewed_with_the_rest() {
    let here = Contoso::new();
    let first = text(&here.signed_in(TENANT, ADA), "refresh_token");
    let renewed = here.renew(&first).json();
    assert_ne!(text(&renewed, "refresh_token"), first);
    // Microsoft goes on taking the old one.
    assert_eq!(here.renew(&first).status, 200);

    here.microsoft.rotates();
    let second = text(&renewed, "refresh_token");
    let third = text(&here.renew(&second).json(), "refresh_token");
    assert_eq!(fault(&here.renew(&second)), "400 invalid_grant [70000] bad_token");
    let of_the_family = "400 invalid_grant [50173] bad_token";
    assert_eq!(fault(&here.renew(&third)), of_the_family);
    assert_eq!(here.microsoft.accepted("refresh_token"), 3);
    let redemptions = here.microsoft.redemptions();
    let told: Vec<_> = redemptions.iter().map(|one| (one.grant.as_str(), one.error)).collect();
    let refresh = "refresh_token";
    assert_eq!(
        told,
        [
            ("authorization_code", None),
            (refresh, None),
            (refresh, None),
            (refresh, None),
            (refresh, Some(70000)),
            (refresh, Some(50173)),
        ]
    );
    assert_eq!(redemptions[0].account.as_deref(), Some(ADA));

    let token = text(&here.signed_in(TENANT, ADA), "refresh_token");
    for (code, expected) in [
        (50173, "400 invalid_grant [50173] bad_token"),
        (700082, "400 invalid_grant [700082] bad_token"),
        (53003, "400 interaction_required [53003] message_only"),
        (90033, "503 temporarily_unavailable [90033] -"),
        (123, "400 invalid_grant [123] -"),
    ] {
        here.microsoft.refuse_times(Step::Renewal, code, 1);
        assert_eq!(fault(&here.renew(&token)), expected);
    }
    here.microsoft.refuse(Step::Code, 65001).permit();
    here.microsoft.withholds_refresh_tokens();
    let renewed = here.renew(&token).json();
    assert!(renewed["access_token"].is_string() && renewed.get("refresh_token").is_none());
    let token = text(&here.signed_in(TENANT, ADA), "access_token");
    assert!(!token.is_empty());

    let again = Contoso::new();
    let token = text(&again.signed_in(TENANT, ADA), "refresh_token");
    again.microsoft.revoke_refresh_tokens();
    assert_eq!(fault(&again.renew(&token)), of_the_family);
    again.double.answer(Rule::new("POST", "…/oauth2/v2.0/token"), Answer::aadsts(50076));
    assert_eq!(fault(&again.renew(&token)), "400 interaction_required [50076] basic_action");
}

#[test]
fn time_passes_when_a_test_says_so() {
    let here = Contoso::new();
    here.contoso.project("shop");
    let morning = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let at = |seconds: u64| here.double.clock_stands_at(morning + Duration::from_secs(seconds));
    at(0);
    let access = here.access_token();
    assert_eq!(claims(&access)["exp"], 1_795_003_599_u64);
    let device = here.device();
    let personal = here.contoso.token(Token::new().valid_days(1));
    let until = json!({"validTo": "2026-11-19T00:00:00.1234567Z"});
    let made = here.make_token(&access, "7.1-preview.1", until);
    assert_eq!(made["patToken"]["validFrom"], "2026-11-18T11:06:40Z");
    assert_eq!(made["patToken"]["validTo"], "2026-11-19T00:00:00.1234567Z");
    for (seconds, token, poll, expected) in [
        (899, &access, "authorization_pending", "200 -, 200 -"),
        (900, &access, "expired_token", "200 -, 200 -"),
        (3_598, &access, "expired_token", "200 -, 200 -"),
        (3_599, &access, "expired_token", "401 TF400813, 401 -"),
        (86_399, &personal, "expired_token", "200 -, 200 -"),
        (86_400, &personal, "expired_token", "401 TF400813, 401 -"),
    ] {
        at(seconds);
        assert_eq!(here.polls(&device, 1), [poll], "{seconds}");
        assert_eq!(answers(&here, token, true), expected, "{seconds}");
    }
}

/// How REST and git answer a token, sent as `Bearer` or as `Basic`.
fn answers(here: &Contoso, token: &str, bearer: bool) -> String {
    let with = |path: &str| match bearer {
        true => ask("GET", path).bearer(token).suppress().send(here.double.url()),
        false => ask("GET", path).token(token).suppress().send(here.double.url()),
    };
    let rest = with("/contoso/_apis/projects?api-version=7.1");
    let git = with("/contoso/shop/_git/shop/info/refs?service=git-receive-pack");
    let code = |reply: &Reply| {
        let text = reply.text();
        let code = text.find("TF40").map_or("-", |at| &text[at..at + 8]).to_owned();
        format!("{} {code}", reply.status)
    };
    format!("{}, {}", code(&rest), code(&git))
}

#[test]
fn the_service_takes_the_token_of_a_member_of_its_tenant() {
    let here = Contoso::new();
    here.contoso.project("shop").never_seen("new@contoso.com", "New");
    let fabrikam = here.double.organization("fabrikam").tenant(OTHER_TENANT);
    fabrikam.person("eve@fabrikam.com", "Eve");
    here.microsoft.account("out@contoso.com", "Out", TENANT);
    let token =
        |tenant: &str, account: &str| text(&here.signed_in(tenant, account), "access_token");

    let ada = token(TENANT, ADA);
    let outsider = token(TENANT, "out@contoso.com");
    let unseen = token(TENANT, "new@contoso.com");
    let other_tenant = token("organizations", "eve@fabrikam.com");
    let foreign = {
        let (redirect, answer) = listen();
        let address = here.authorize(TENANT, &redirect, &[("scope", "openid")]);
        here.microsoft.sign_in_at(&address, ADA);
        let code = value(&answer.join().expect("an answer").fields, "code");
        text(&here.redeem(&code, &redirect, &[]).json(), "access_token")
    };
    for (token, bearer, expected) in [
        (&ada, true, "200 -, 200 -"),
        (&ada, false, "200 -, 200 -"),
        (&outsider, true, "401 TF400813, 401 TF400813"),
        (&unseen, true, "403 TF401444, 403 TF401444"),
        (&other_tenant, true, "401 TF400813, 401 -"),
        (&other_tenant, false, "401 -, 401 -"),
        (&foreign, true, "401 -, 401 -"),
    ] {
        assert_eq!(answers(&here, token, bearer), expected, "{bearer} {:?}", claims(token));
    }
    // A guest signs in where the organization is at home.
    here.contoso.person("eve@fabrikam.com", "Eve");
    assert_eq!(answers(&here, &other_tenant, true), "401 TF400813, 401 -");
    assert_eq!(answers(&here, &token(TENANT, "eve@fabrikam.com"), true), "200 -, 200 -");

    here.microsoft.expire_access_tokens();
    assert_eq!(answers(&here, &ada, true), "401 TF400813, 401 -");
    assert_eq!(answers(&here, &ada, false), "401 -, 401 -");
    here.microsoft.access_tokens_last(60);
    assert_eq!(here.signed_in(TENANT, ADA)["expires_in"], 60);
}

#[test]
fn a_personal_account_passes_through_and_its_token_says_nothing() {
    let here = Contoso::new();
    let home = here.double.organization("home").personal_accounts();
    home.person("ada@outlook.com", "Ada");
    let token = text(&here.signed_in("organizations", "ada@outlook.com"), "access_token");
    assert!(!token.contains('.'), "no client can read it");
    let get = |path: &str, token: &str, passes: bool| {
        let request = ask("GET", path).bearer(token);
        let request = match passes {
            true => request.header("X-VSS-ForceMsaPassThrough", "true"),
            false => request,
        };
        request.send(here.double.url()).status
    };
    assert_eq!(get("/home/_apis/projects", &token, true), 200);
    assert_eq!(get("/home/_apis/projects", &token, false), 302);
    // A work account whose address is also a personal one is then taken for that.
    here.contoso.person("ada@outlook.com", "Ada");
    here.microsoft.personal_account("ada@outlook.com", "Ada");
    let token = text(&here.signed_in(TENANT, "ada@outlook.com"), "access_token");
    assert_eq!(get("/contoso/_apis/projects", &token, false), 200);
    assert_eq!(get("/contoso/_apis/projects", &token, true), 401);
}

#[test]
fn an_organization_tells_its_tenant_to_everybody() {
    let here = Contoso::new();
    let told = |method: &str| {
        let reply = ask(method, "/contoso").suppress().send(here.double.url());
        let tenant = reply.header("x-vss-resourcetenant").unwrap_or("-").to_owned();
        let challenges = reply.all("www-authenticate").join("\n");
        let bearer = challenges.lines().find(|line| line.starts_with("Bearer")).unwrap_or("-");
        format!("{} {tenant} {bearer}", reply.status)
    };
    let uri = format!("Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}");
    assert_eq!(told("HEAD"), format!("401 {TENANT} {uri}"));
    here.contoso.hides_tenant();
    assert_eq!(told("GET"), format!("401 - {uri}"));
    here.contoso.names_authority("https://evil.example/t");
    assert_eq!(told("GET"), "401 - Bearer authorization_uri=https://evil.example/t");
    for status in ["deleted", "disabled"] {
        here.contoso.account_status(status);
        let reply = ask("GET", "/contoso/_apis/projects").send(here.double.url());
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (404, Some("text/html; charset=utf-8"))
        );
    }
}

const PATS: &str = "/contoso/_apis/tokens/pats";

impl Contoso {
    fn make_token(&self, access: &str, version: &str, changes: Value) -> Value {
        let valid_to = std::time::SystemTime::now() + Duration::from_secs(20 * 86_400);
        let valid_to = jiff::Timestamp::try_from(valid_to).expect("a time").to_string();
        let mut body = json!({
            "displayName": "git vsts on host",
            "scope": "vso.code_manage vso.project",
            "validTo": valid_to,
            "allOrgs": false,
        });
        for (name, value) in changes.as_object().expect("changes") {
            body[name] = value.clone();
        }
        let path = format!("{PATS}?api-version={version}");
        let reply = ask("POST", &path).bearer(access).json(&body).send(self.double.url());
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

#[test]
fn a_token_is_made_listed_and_taken_back() {
    let here = Contoso::new();
    here.contoso.project("shop");
    let access = here.access_token();
    let answer = here.make_token(&access, "7.1-preview.1", json!({}));
    assert_eq!(answer["patTokenError"], "none");
    let made = &answer["patToken"];
    let (token, id) = (text(made, "token"), text(made, "authorizationId"));
    assert_eq!(made["scope"], "vso.code_manage vso.project");
    assert_eq!(made["targetAccounts"], json!([here.contoso.id()]));
    let known = here.contoso.tokens_made();
    assert_eq!(
        (known[0].name.as_str(), known[0].account.as_str(), known[0].scopes.as_str()),
        ("git vsts on host", ADA, "vso.code_manage vso.project")
    );
    assert_eq!((&known[0].id, &known[0].secret, known[0].revoked), (&id, &token, false));
    assert_eq!(known[0].valid_to, text(made, "validTo"));
    assert_eq!(answers(&here, &token, false), "200 -, 200 -");
    let processes = ask("GET", "/contoso/_apis/process/processes").token(&token).suppress();
    assert_eq!(processes.send(here.double.url()).status, 401, "its scopes do not reach there");

    let call = |method: &str, more: &str| {
        let path = format!("{PATS}?api-version=7.1-preview.1{more}");
        ask(method, &path).bearer(&access).send(here.double.url())
    };
    let count = |more: &str| call("GET", more).json()["patTokens"].as_array().map(Vec::len);
    assert_eq!(count(""), Some(1));
    let one = call("GET", &format!("&authorizationId={id}")).json();
    assert_eq!(one["patToken"]["token"], Value::Null);
    assert_eq!(call("DELETE", &format!("&authorizationId={id}")).status, 204);
    assert_eq!(call("DELETE", "&authorizationId=other").status, 404);
    assert_eq!((count(""), count("&displayFilterOption=revoked")), (Some(0), Some(1)));
    assert!(here.contoso.tokens_made()[0].revoked);
    assert_eq!(answers(&here, &token, false), "401 -, 401 -");
}

#[test]
fn only_a_person_signed_in_at_microsoft_makes_tokens() {
    let here = Contoso::new();
    let access = here.access_token();
    let personal = here.contoso.token(Token::new());
    let post = |path: &str| ask("POST", path).json(&json!({"displayName": "x"}));
    let preview = format!("{PATS}?api-version=7.1-preview.1");
    for (request, expected) in [
        (post(&preview).token(&personal), 203),
        (post(&preview).token(&personal).suppress(), 401),
        (post(&preview), 302),
        (post(&format!("{PATS}?api-version=7.1")).bearer(&access), 400),
        (post(&format!("{PATS}?api-version=7.2-preview.1")).token(&access), 200),
    ] {
        let raw = String::from_utf8_lossy(&request.raw()).into_owned();
        assert_eq!(request.send(here.double.url()).status, expected, "{raw}");
    }
}

#[test]
fn a_token_that_is_not_made_is_a_200_with_a_reason() {
    let here = Contoso::new();
    let access = here.access_token();
    let error = |changes: Value| {
        let answer = here.make_token(&access, "7.1-preview.1", changes);
        let is_made = answer["patToken"].is_object();
        assert_eq!(is_made, answer["patTokenError"] == "none", "{answer}");
        text(&answer, "patTokenError")
    };
    for (changes, expected) in [
        (json!({"displayName": ""}), "displayNameRequired"),
        (json!({"displayName": "a\nb"}), "invalidDisplayName"),
        (json!({"scope": "vso.nonsense"}), "invalidScope"),
        (json!({"scope": "vso.pats_manage"}), "invalidScope"),
        (json!({"validTo": "2020-01-01T00:00:00Z"}), "invalidValidTo"),
        (json!({"validTo": "2099-01-01T00:00:00Z"}), "invalidValidTo"),
        (json!({"validTo": "soon"}), "invalidValidTo"),
        (json!({"allOrgs": true}), "globalPATCreationBlocked"),
        (json!({"scope": "app_token"}), "none"),
        (json!({"validTo": null}), "none"),
    ] {
        assert_eq!(error(changes.clone()), expected, "{changes}");
    }
    let contoso = &here.contoso;
    contoso.caps_tokens_at(7).forbids_full_tokens();
    assert_eq!(error(json!({})), "patLifespanPolicyViolation");
    assert_eq!(error(json!({"scope": "app_token"})), "fullScopePatPolicyViolation");
    contoso.permits_tokens().allows_token_scopes("vso.packaging");
    assert_eq!(error(json!({})), "disablePatCreationPolicyViolation");
    assert_eq!(error(json!({"scope": "vso.packaging"})), "none");
    contoso.permits_tokens().forbids_tokens();
    assert_eq!(error(json!({})), "disablePatCreationPolicyViolation");
    let newer = here.make_token(&access, "7.2-preview.1", json!({}));
    assert!(newer["patTokenErrorMessage"].is_string(), "{newer}");
    contoso.token_error("somethingNobodyHasHeardOf");
    assert_eq!(error(json!({})), "somethingNobodyHasHeardOf");

    contoso.permits_tokens().shortens_tokens_to(7);
    let made = here.make_token(&access, "7.1-preview.1", json!({}));
    let valid_to = text(&made["patToken"], "validTo");
    let days = valid_to.parse::<jiff::Timestamp>().expect("a time").as_second()
        - jiff::Timestamp::now().as_second();
    assert!((6 * 86_400..=7 * 86_400).contains(&days), "{valid_to}");
}

#[test]
fn an_account_sees_its_organizations_and_what_became_of_them() {
    let here = Contoso::new();
    let with_ada = |name: &str| here.double.organization(name).person(ADA, "Ada Lovelace");
    with_ada("fabrikam").account_status("disabled");
    with_ada("tailspin").account_status("enabled");
    here.double.organization("other");
    let access = here.access_token();
    let get = |path: &str| ask("GET", path).bearer(&access).send(here.double.url()).json();
    let me = get("/_apis/profile/profiles/me?api-version=7.1");
    assert_eq!(me["emailAddress"], ADA);
    let list = get(&format!("/_apis/accounts?memberId={}&api-version=7.1", text(&me, "id")));
    let told: Vec<_> = list["value"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            format!("{} {}", text(one, "accountName"), one["accountStatus"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(told, ["contoso -", "fabrikam disabled", "tailspin enabled"]);
}

#[test]
fn every_secret_of_a_sign_in_is_known_and_none_is_in_the_log() {
    let here = Contoso::new();
    let (redirect, answer) = listen();
    let address = here.authorize(TENANT, &redirect, &[("client_info", "1")]);
    here.microsoft.sign_in_at(&address, ADA);
    let code = value(&answer.join().expect("an answer").fields, "code");
    let tokens = here.redeem(&code, &redirect, &[]).json();
    let device = here.device();
    let access = text(&tokens, "access_token");
    let made = here.make_token(&access, "7.1-preview.1", json!({}));
    let secrets = here.double.secrets();
    let lines: Vec<String> = here.double.requests().iter().map(ToString::to_string).collect();
    for secret in [
        code,
        VERIFIER.to_owned(),
        access,
        text(&tokens, "refresh_token"),
        text(&tokens, "id_token"),
        text(&device, "device_code"),
        text(&made["patToken"], "token"),
    ] {
        assert!(secrets.contains(&secret), "{secret}");
        assert!(!lines.iter().any(|line| line.contains(&secret)), "{secret}");
    }
    assert!(secrets.iter().all(|secret| !address.contains(secret)), "what is shown is no secret");
}
