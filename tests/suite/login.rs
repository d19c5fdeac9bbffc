//! `git vsts login`

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

#[test]
fn a_token_from_stdin_is_proved_and_kept() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.requests(),
        ["GET /contoso/_apis/connectionData?api-version=7.1-preview 200"]
    );
}

#[test]
fn a_refused_token_is_not_kept() {
    let sandbox = Sandbox::new();
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], "stale\n");
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the token was not kept
  caused by: contoso did not accept the sign-in
hint: the token may have expired, be revoked, or be for another organization: make one at https://azure/contoso/_usersSettings/tokens
[exit 4]

"#]].raw());
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_token_is_asked_for_on_a_terminal() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let (shown, status) = sandbox
        .on_terminal(["login"])
        .expect("Organization:")
        .answer("contoso")
        .expect("Token for contoso:")
        .answer(&format!("\u{1b}[200~{token}\u{1b}[201~"))
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Organization: contoso
A personal access token signs you in. Make one at https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage", then paste it here.
? Token for contoso: ********
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
"#]]
        .raw()
    );
    assert_eq!(status, 0);
}
