//! A sign-in with a Microsoft account where something goes wrong: nobody to ask, an answer that is lost, a browser that is
//! none, two at once.

use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

const ADA: &str = "ada@contoso.com";

/// Signs in by a code that is used at once.
fn device(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, ADA).poll_interval(Some(1));
    sandbox.run([&["login", "contoso", "--device"], arguments].concat())
}

#[test]
fn where_nobody_can_be_asked_no_sign_in_begins_by_itself() {
    let flagless: [&[&str]; 4] =
        [&[], &["--expires", "7"], &["--credential", "entra"], &["--tenant", "contoso.com"]];
    let sandbox = Sandbox::new();
    sandbox.set("DISPLAY", ":0");
    for arguments in flagless {
        let output = sandbox.run([&["login", "contoso"], arguments].concat());
        assert_eq!(output.status, 2, "{output}");
    }
    assert_data_eq!(
        sandbox.run(["login", "contoso", "--expires", "7"]).to_string(),
        str![[r#"
--- stderr
error: nobody can be asked how to sign in, and neither --web nor --device is given
hint: add `--device`, which shows a code for any device, or `--web` where this computer has a browser
[exit 2]

"#]].raw()
    );
    // On a terminal as well, where it is forbidden to ask.
    for (variable, value, flag) in
        [("CI", "1", None), ("GIT_TERMINAL_PROMPT", "0", None), ("CI", "", Some("--no-input"))]
    {
        sandbox.set(variable, value);
        for arguments in flagless {
            let arguments = ["login", "contoso"].iter().chain(arguments).copied().chain(flag);
            let (said, status) = sandbox.on_terminal(arguments).end();
            assert_eq!(status, 2, "{said}");
            assert!(said.contains("--device"), "{said}");
        }
        sandbox.set(variable, "");
    }
    assert_eq!(sandbox.requests(), [""; 0]);
    // Named by its flag it works without a terminal and with nobody to ask.
    sandbox.set("CI", "1");
    let output = device(&sandbox, &["--expires", "7"]);
    assert_eq!(output.status, 0, "{output}");
}
