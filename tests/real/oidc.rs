//! A sign-in at a server of OAuth that nobody here wrote: npm's oidc-provider, see `oidc/server.mjs`.
//! What we read into the standards is held against what somebody else did.
//!
//! `GIT_VSTS_OIDC_PROVIDER` is the folder that it is installed in. The organization is the double's,
//! which is told of each access token before the program gets it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use double::Token;
use serde_json::Value;

use crate::chromium;
use crate::sandbox::Sandbox;

/// The tenant of the double's organization.
const TENANT: &str = "4d5eec41-5e32-464f-a026-2af287746f91";
const SCOPES: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default offline_access openid profile";
/// How long the server may take to answer a program that certainly asked it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server, which is Microsoft's sign-in to all programs of a sandbox.
struct Provider {
    process: Child,
    answers: Receiver<Value>,
}

impl Provider {
    /// Access tokens last so many seconds. `issuer`: who its answer in the browser says to be from,
    /// if not itself.
    fn start(sandbox: &Sandbox, lifetime: u32, issuer: &str) -> Self {
        let folder = std::env::var("GIT_VSTS_OIDC_PROVIDER").expect("see tests/run");
        let place = sandbox.home().join("oidc");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("server.mjs"), include_str!("oidc/server.mjs")).unwrap();
        // A module is looked for beside the file that names it.
        let modules = Path::new(&folder).join("node_modules");
        symlink(modules, place.join("node_modules")).unwrap();
        let mut command = sandbox.command("node", ["server.mjs"], &place);
        command
            .env("TENANT", TENANT)
            .env("CLIENT", git_vsts::signin::microsoft::CLIENT)
            .env("SCOPES", SCOPES)
            .env("LIFETIME", lifetime.to_string())
            .env("ISSUER", issuer)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().expect("node");
        let mut go_on = process.stdin.take().expect("it is piped");
        let mut said = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let origin = said.next().expect("it starts").expect("a text");
        sandbox.set("GIT_VSTS_LOGIN_URL", &origin);
        let contoso = sandbox.contoso();
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                let answer: Value = serde_json::from_str(&line).expect("JSON");
                if let Some(token) = answer["access_token"].as_str() {
                    contoso.bearer(Token::new().account("ada@contoso.com").reads(token));
                }
                let _ = sender.send(answer);
                let _ = go_on.write_all(b"\n");
            }
        });
        Self { process, answers }
    }

    /// The next answer of the token endpoint. Its secrets are none that may be printed.
    #[track_caller]
    fn answer(&self, sandbox: &Sandbox) -> Value {
        let answer = self.answers.recv_timeout(PATIENCE).expect("an answer");
        for name in ["access_token", "refresh_token", "id_token"] {
            answer[name].as_str().into_iter().for_each(|secret| sandbox.secret(secret));
        }
        answer
    }

    /// The same, which has to be of this grant, and tokens: the one that renews.
    #[track_caller]
    fn tokens(&self, sandbox: &Sandbox, grant: &str) -> String {
        let answer = self.answer(sandbox);
        assert_eq!(answer["grant"], grant, "{answer}");
        assert_eq!(answer["status"], 200, "{answer}");
        answer["refresh_token"].as_str().expect("one that renews").to_owned()
    }

    /// That it was asked for no more.
    #[track_caller]
    fn is_asked_no_more(&self) {
        let more: Vec<_> = self.answers.try_iter().collect();
        assert_eq!(more, Vec::<Value>::new());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Signs in in the browser; what the terminal shows, the status, and the heading of the last page.
fn web(sandbox: &Sandbox, edit: &str, button: &str, more: &[&str]) -> (String, i32, String) {
    let browser = chromium::install(sandbox, "", edit);
    let arguments = [&["login", "contoso", "--web"], more].concat();
    let dialogue = sandbox.on_terminal(arguments).expect("Opening ");
    let chromium = browser.started();
    chromium.press(button);
    let heading = chromium.reads_one_of(&["Signed in", "Not signed in"]);
    let (shown, status) = dialogue.end();
    (shown, status, heading)
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn it_signs_in_in_the_browser_and_a_token_is_made() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    let (shown, status, heading) = web(&sandbox, "", "#sign-in", &[]);
    let _ = provider.tokens(&sandbox, "authorization_code");
    sandbox.check(&shown);
    assert_eq!(heading, "Signed in as ada@contoso.com", "{shown}");
    assert!(shown.contains("\nSigned in to contoso as ada@contoso.com; kept a token"), "{shown}");
    assert_eq!(status, 0);
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
    provider.is_asked_no_more();
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn it_signs_in_by_an_answer_in_the_address_too() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    let edit = "s/response_mode=form_post/response_mode=query/";
    let (shown, status, heading) = web(&sandbox, edit, "#sign-in", &[]);
    assert_eq!((&*heading, status), ("Signed in as ada@contoso.com", 0), "{shown}");
    let _ = provider.tokens(&sandbox, "authorization_code");
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn a_person_who_cancels_is_not_signed_in() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    let (shown, status, heading) = web(&sandbox, "", "#cancel", &[]);
    assert_eq!((&*heading, status), ("Not signed in", 4), "{shown}");
    assert!(shown.contains("error: Microsoft refused the sign-in: it was declined\n"), "{shown}");
    provider.is_asked_no_more();
}

/// A challenge that is not of our verifier: the server computes it, and not we.
#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn it_refuses_a_code_with_the_challenge_of_somebody_else() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    // RFC 7636, appendix B.
    let other = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let edit = format!("s/code_challenge=[^&]*/code_challenge={other}/");
    let (shown, status, heading) = web(&sandbox, &edit, "#sign-in", &[]);
    assert_eq!((&*heading, status), ("Not signed in", 4), "{shown}");
    let answer = provider.answer(&sandbox);
    assert_eq!((&answer["status"], &answer["error"]), (&400.into(), &"invalid_grant".into()));
    provider.is_asked_no_more();
    assert!(!sandbox.credentials().exists());
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn a_code_that_names_another_issuer_is_not_redeemed() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "https://login.fabrikam.example");
    let (shown, status, heading) = web(&sandbox, "", "#sign-in", &[]);
    assert_eq!((&*heading, status), ("Not signed in", 4), "{shown}");
    let said =
        "error: the answer in the browser is of another sign-in, https://login.fabrikam.example";
    assert!(shown.contains(said), "{shown}");
    provider.is_asked_no_more();
}

/// Makes the access token that is kept one that has ended.
fn age(sandbox: &Sandbox) {
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    let (before, rest) = kept.split_once("\"expires\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    fs::write(
        sandbox.credentials(),
        format!("{before}\"expires\":\"2020-01-01T00:00:00Z\"{after}"),
    )
    .unwrap();
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn a_sign_in_is_renewed_by_tokens_that_are_good_once() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    let (shown, status, _) = web(&sandbox, "", "#sign-in", &["--credential", "entra"]);
    assert_eq!(status, 0, "{shown}");
    let mut before = vec![provider.tokens(&sandbox, "authorization_code")];
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    age(&sandbox);
    let output = sandbox.run(["push", "--quiet"]);
    assert_eq!(output.status, 0, "{output}");
    before.push(provider.tokens(&sandbox, "refresh_token"));
    age(&sandbox);
    let helpers: Vec<_> = (0..5)
        .map(|_| {
            let mut command = sandbox.command("git", ["ls-remote", "origin"], &sandbox.work());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for helper in helpers {
        let output = helper.wait_with_output().unwrap();
        assert!(output.stdout.ends_with(b"refs/heads/main\n"), "{output:?}");
    }
    // One of them for all: a token that renews is good once.
    before.push(provider.tokens(&sandbox, "refresh_token"));
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    let last = before.pop().unwrap();
    assert!(kept.contains(&last) && before.iter().all(|token| !kept.contains(token)));
    before.push(last);
    before.sort_unstable();
    before.dedup();
    assert_eq!(before.len(), 3, "each renewal brought another");
    provider.is_asked_no_more();
}

#[test]
#[ignore = "needs node, npm's oidc-provider, chromium and chromedriver: see tests/run"]
fn it_signs_in_by_a_code_on_another_device() {
    let sandbox = Sandbox::new();
    let provider = Provider::start(&sandbox, 3600, "");
    let browser = chromium::install(&sandbox, "", "");
    let dialogue = sandbox.on_terminal(["login", "contoso", "--device"]);
    let (dialogue, page) = dialogue.expect("On any device, open ").line();
    let (dialogue, code) = dialogue.expect("and type the code ").line();
    let answer = provider.answer(&sandbox);
    assert_eq!(answer["error"], "authorization_pending", "{answer}");
    // The other device.
    let script = sandbox.home().join("chromium.sh").display().to_string();
    let mut command = sandbox.command(&script, [&page], &sandbox.home());
    let mut other = command.spawn().unwrap();
    let chromium = browser.started();
    chromium.type_into("input[name=user_code]", &code);
    chromium.press("button[type=submit]");
    chromium.reads("Confirm Device");
    chromium.press("button[type=submit]");
    chromium.press("#sign-in");
    chromium.reads("Sign-in Success");
    let (shown, status) = dialogue.end();
    assert!(shown.contains("\nSigned in to contoso as ada@contoso.com; kept a token"), "{shown}");
    assert_eq!(status, 0);
    let mut answer = provider.answer(&sandbox);
    while answer["error"] == "authorization_pending" {
        answer = provider.answer(&sandbox);
    }
    assert_eq!(answer["status"], 200, "{answer}");
    sandbox.check(&shown);
    drop(chromium);
    let _ = other.wait();
}
