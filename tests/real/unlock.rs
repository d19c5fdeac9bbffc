//! A person at a terminal may unlock the keychain, and is told before it asks. Nobody else is.

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::keychain::connect;
use crate::session::{Answer, Session};

/// A locked session with a sign-in kept, a repository to push, and a person who does this once when
/// the keychain asks.
fn attended(answer: Answer) -> Session {
    let (mut session, _) = Session::signed_in();
    connect(&session);
    session.expect_question(answer);
    session.lock();
    session
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_person_who_unlocks_is_told_first_and_gets_the_work_done() {
    let session = attended(Answer::Password);
    let sandbox = &session.sandbox;
    assert_eq!(sandbox.run(["push"]).status, 1, "nobody at a terminal, nobody asked");
    let (shown, status) = sandbox.on_terminal(["push"]).end();
    assert_data_eq!(
        shown,
        str![[r#"
The keychain is locked; it asks for its password in a window
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
https://azure/contoso/shop/_git/web
"#]]
        .raw()
    );
    assert_eq!(status, 0);
    assert_eq!(sandbox.run(["push"]).status, 0, "it stays unlocked");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_person_who_unlocks_can_list_sign_in_and_forget() {
    let mut session = attended(Answer::Password);
    let (shown, status) = session.sandbox.on_terminal(["status"]).end();
    assert_data_eq!(
        shown,
        str![[r#"
The keychain is locked; it asks for its password in a window
contoso: signed in as ada@contoso.com by the personal access token in the keychain, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
"#]]
        .raw()
    );
    assert_eq!(status, 0);

    session.expect_question(Answer::Password);
    session.lock();
    let sandbox = &session.sandbox;
    let token = sandbox.token("contoso");
    let (shown, status) = sandbox
        .on_terminal(["login", "contoso", "--pat"])
        .expect("Token for contoso:")
        .answer(&token)
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
The keychain is locked; it asks for its password in a window
A personal access token signs you in. In the browser, make one at
https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage". It is shown there once:
copy it and paste it here, where nothing of it is shown.
? Token for contoso: ********
Signed in to contoso as ada@contoso.com; kept the token in this computer's keychain
"#]]
        .raw()
    );
    assert_eq!(status, 0);
    assert!(session.lookup("contoso").contains(&token));

    session.expect_question(Answer::Password);
    session.lock();
    let (shown, status) = session.sandbox.on_terminal(["logout", "contoso"]).end();
    assert_data_eq!(
        shown,
        str![[r#"
The keychain is locked; it asks for its password in a window
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
"#]]
        .raw()
    );
    assert_eq!((status, session.items()), (0, 0));
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_person_who_cancels_changes_nothing() {
    let mut session = attended(Answer::Cancel);
    let (shown, status) = session.sandbox.on_terminal(["push"]).end();
    assert_data_eq!(shown, str![[r#"
The keychain is locked; it asks for its password in a window
error: the keychain is locked, and the question for its password was dismissed or could not be shown
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
"#]].raw());
    assert_eq!(status, 1);

    session.expect_question(Answer::Cancel);
    session.lock();
    // Before the token is typed: it would have been in vain.
    let (shown, status) = session.sandbox.on_terminal(["login", "contoso", "--pat"]).end();
    assert_data_eq!(shown, str![[r#"
The keychain is locked; it asks for its password in a window
error: a token for contoso can't be kept
  caused by: the keychain is locked, and the question for its password was dismissed or could not be shown
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
"#]].raw());
    assert_eq!(status, 1);
    assert_eq!(session.sandbox.requests(), [""; 0]);
    session.restore();
    assert_eq!(session.items(), 1);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_question_that_can_not_be_shown_is_told_apart_from_nothing_kept() {
    let (mut session, _) = Session::signed_in();
    connect(&session);
    session.lock();
    for arguments in [&["push"][..], &["status"], &["logout", "contoso"]] {
        let (shown, status) = session.sandbox.on_terminal(arguments).end();
        let dismissed = "error: the keychain is locked, and the question for its password was dismissed or could not be shown";
        assert!(shown.contains(dismissed), "{shown}");
        assert_eq!(status, 1);
    }
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_person_who_does_not_answer_can_interrupt() {
    let session = attended(Answer::Never);
    let (shown, status) = session
        .sandbox
        .on_terminal(["push"])
        .expect("asks for its password in a window")
        .press("\u{3}")
        .end();
    assert_data_eq!(
        shown,
        str!["The keychain is locked; it asks for its password in a window"].raw()
    );
    assert_eq!(status, 130);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn whoever_forbids_questions_is_not_asked_by_the_keychain_either() {
    let session = attended(Answer::Password);
    let sandbox = &session.sandbox;
    let (shown, status) = sandbox.on_terminal(["push", "--no-input"]).end();
    assert_data_eq!(shown, str![[r#"
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
"#]].raw());
    assert_eq!(status, 1);
    for (name, value) in [("CI", "true"), ("GIT_TERMINAL_PROMPT", "0")] {
        sandbox.set(name, value);
        let (shown, status) = sandbox.on_terminal(["push"]).end();
        assert!(shown.starts_with("error: the keychain is locked\n"), "{name}: {shown}");
        assert_eq!(status, 1, "{name}");
        sandbox.set(name, "");
    }
    assert_eq!(sandbox.on_terminal(["push"]).end().1, 0, "the question was still to be had");
}
