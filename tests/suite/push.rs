//! `git vsts push`

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

#[test]
fn a_push_with_a_kept_sign_in_makes_two_requests() {
    let sandbox = Sandbox::connected();
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.requests(),
        [
            "GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 200",
            "POST /contoso/shop/_git/web/git-receive-pack 200",
        ]
    );
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "One");
}
