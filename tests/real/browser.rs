//! A sign-in in a real browser, which is started by the program, and the page that it ends on.
//!
//! Where `GIT_VSTS_PICTURES` names a folder, pictures of that page are put there, to be looked at.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use crate::chromium::{self, Chromium};
use crate::sandbox::Sandbox;

const ADA: &str = "ada@contoso.com";

/// What the person does on Microsoft's form.
fn sign_in(chromium: &Chromium) {
    chromium.type_into("input[name=password]", "any");
    chromium.press("button[value=sign-in]");
}

/// That nothing of the answer is in the address bar, in what Back leads to, or in the page, and that
/// the browser has nothing to say against the page.
#[track_caller]
fn nothing_is_left(chromium: &Chromium, path: &str) {
    let address = Url::parse(&chromium.address()).unwrap();
    let found = (address.scheme(), address.host_str(), address.path(), address.query());
    assert_eq!(found, ("http", Some("localhost"), path, None));
    assert_eq!(address.fragment(), None);
    let history = chromium.devtools("Page.getNavigationHistory", &json!({}));
    let entries = history["entries"].as_array().unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        let url = entry["url"].as_str().unwrap();
        assert!(!url.contains("code=") && !url.contains("session_state"), "{url}");
    }
    let page = chromium.value("document.documentElement.outerHTML").to_string();
    for word in ["1.AX", "session_state", "<script", "<form", "<input"] {
        assert!(!page.contains(word), "{page}");
    }
    // Of Microsoft's pages it may say what it likes.
    let said = chromium.console().into_iter();
    let of_ours: Vec<_> = said.filter(|line| line.contains("localhost")).collect();
    assert_eq!(of_ours, Vec::<String>::new());
}

/// The page in light and in dark, on a wide and on a narrow screen: it has our style, can be read, and
/// nothing of it is cut.
#[track_caller]
fn is_readable(chromium: &Chromium, name: &str) {
    for (scheme, text) in [("light", "rgb(0, 0, 0)"), ("dark", "rgb(255, 255, 255)")] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        chromium.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
        for width in [1280, 320] {
            let size =
                json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false });
            chromium.devtools("Emulation.setDeviceMetricsOverride", &size);
            assert_eq!(chromium.value("getComputedStyle(document.body).color"), text);
            assert_eq!(chromium.value("getComputedStyle(document.body).paddingLeft"), "24px");
            let cut = chromium.value("document.documentElement.scrollWidth > innerWidth");
            assert_eq!(cut, Value::Bool(false), "{scheme} {width}");
            if let Some(folder) = std::env::var_os("GIT_VSTS_PICTURES") {
                let file = Path::new(&folder).join(format!("{name}-{scheme}-{width}.png"));
                std::fs::write(file, chromium.picture()).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "needs chromium and chromedriver: see tests/run"]
fn a_person_signs_in_in_the_browser_that_the_program_starts() {
    let sandbox = Sandbox::new();
    // As if Microsoft's page came from the internet, from which a browser may not lead everywhere.
    let host = sandbox.azure.url().trim_start_matches("http://");
    let space = format!("--ip-address-space-overrides={host}=public");
    let browser = chromium::install(&sandbox, &space, "");
    let dialogue = sandbox.on_terminal(["login", "contoso", "--web"]).expect("Opening ");
    let chromium = browser.started();
    sign_in(&chromium);
    assert_eq!(chromium.reads("Signed in"), format!("Signed in as {ADA}"));
    chromium.reads("You may close this tab and go back to the terminal.");
    let (shown, status) = dialogue.end();
    assert!(shown.contains("\nSigned in to contoso as ada@contoso.com; kept a token"), "{shown}");
    assert_eq!(status, 0, "{shown}");
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
    nothing_is_left(&chromium, "/");
    is_readable(&chromium, "signed-in");
}

#[test]
#[ignore = "needs chromium and chromedriver: see tests/run"]
fn an_answer_in_the_address_does_not_stay_there() {
    let sandbox = Sandbox::new();
    let edit = "s/response_mode=form_post/response_mode=query/";
    let browser = chromium::install(&sandbox, "", edit);
    let dialogue = sandbox.on_terminal(["login", "contoso", "--web"]).expect("Opening ");
    let chromium = browser.started();
    assert!(chromium.address().contains("response_mode=query"), "{}", chromium.address());
    sign_in(&chromium);
    assert_eq!(chromium.reads("Signed in"), format!("Signed in as {ADA}"));
    let (shown, status) = dialogue.end();
    assert_eq!(status, 0, "{shown}");
    nothing_is_left(&chromium, "/signed-in");
}

/// A page of https sends a form to one of http, which a browser takes from loopback alone.
#[test]
#[ignore = "needs chromium and chromedriver: see tests/run"]
fn a_person_signs_in_at_the_real_address_of_microsoft() {
    let sandbox = Sandbox::new();
    sandbox.hosted();
    sandbox.set("GIT_VSTS_LOGIN_URL", "");
    // The way of the program itself, which hands its environment on.
    let arguments = "--proxy-server=\"$HTTPS_PROXY\" --ignore-certificate-errors";
    let browser = chromium::install(&sandbox, arguments, "");
    let dialogue = sandbox.on_terminal(["login", "contoso", "--web"]).expect("Opening ");
    let chromium = browser.started();
    let address = chromium.address();
    assert!(address.starts_with("https://login.microsoftonline.com/"), "{address}");
    sign_in(&chromium);
    assert_eq!(chromium.reads("Signed in"), format!("Signed in as {ADA}"));
    let (shown, status) = dialogue.end();
    assert_eq!(status, 0, "{shown}");
    nothing_is_left(&chromium, "/");
}

#[test]
#[ignore = "needs chromium and chromedriver: see tests/run"]
fn a_person_who_cancels_reads_that_nobody_was_signed_in() {
    let sandbox = Sandbox::new();
    let browser = chromium::install(&sandbox, "", "");
    let dialogue = sandbox.on_terminal(["login", "contoso", "--web"]).expect("Opening ");
    let chromium = browser.started();
    chromium.press("button[value=cancel]");
    chromium.reads("Not signed in");
    chromium.reads("The terminal says why, and what to do.");
    let (shown, status) = dialogue.end();
    assert!(
        shown.contains("error: Microsoft refused the sign-in: it was declined (AADSTS65004)"),
        "{shown}"
    );
    assert_eq!(status, 4, "{shown}");
    assert!(!sandbox.credentials().exists());
    nothing_is_left(&chromium, "/");
    is_readable(&chromium, "cancelled");
}

#[test]
#[ignore = "needs chromium and chromedriver: see tests/run"]
fn a_long_name_of_an_account_is_not_cut() {
    let sandbox = Sandbox::new();
    let account = "augusta.ada.king-noel.countess.of.lovelace@analytical-engines.contoso.com";
    sandbox.contoso().person(account, "Augusta Ada King-Noel");
    let browser = chromium::install(&sandbox, "", "");
    let dialogue = sandbox.on_terminal(["login", "contoso", "--web"]).expect("Opening ");
    let chromium = browser.started();
    chromium.press(&format!("input[value='{account}']"));
    sign_in(&chromium);
    assert_eq!(chromium.reads("Signed in"), format!("Signed in as {account}"));
    let (shown, status) = dialogue.end();
    assert_eq!(status, 0, "{shown}");
    is_readable(&chromium, "long");
}
