//! git's own tests of credential helpers, run against ours.
//!
//! They are `t/t0303-credential-external.sh` and `t/lib-credential.sh` of git's source, of which
//! `tests/git-source` fetches what Debian carries; `GIT_VSTS_GIT_SOURCE` is where it is. Nothing of
//! it is changed but the hosts, which have to be some that we serve. The git on this computer drives
//! them.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::session::{Session, State};

/// The tests that fail by what DESIGN has decided. No other one may fail, and each of these has to:
/// one that passes leaves the list.
const EXCLUDED: [(&str, &str); 4] = [
    ("can store multiple users", ONE_ACCOUNT),
    ("remembers other user", ONE_ACCOUNT),
    (
        "can store empty username",
        "its password is empty, and that signs nothing at Azure DevOps; a user name is never empty, \
         since git drops the password of an answer that has none",
    ),
    (
        "gets authtype and credential only if request has authtype capability",
        "a git that knows no authtype gets the token as a password, which the service takes too",
    ),
];

const ONE_ACCOUNT: &str = "one account an organization: signing in as another one replaces it";

/// What stands for git's hosts. The name before `visualstudio.com` is the organization; at
/// `dev.azure.com` it is the path's first part.
const HOSTS: [(&str, &str); 10] = [
    ("http://path.tld/", "https://dev.azure.com/"),
    ("http://askpass-username@path.tld/", "https://askpass-username@dev.azure.com/"),
    ("protocol=http\n\t\thost=path.tld\n", "protocol=https\n\t\thost=dev.azure.com\n"),
    ("foo.git", "foo/_git/web"),
    ("bar.git", "bar/_git/web"),
    (".example.com", ".visualstudio.com"),
    ("example.com", "contoso.visualstudio.com"),
    ("other.tld", "other.visualstudio.com"),
    ("sso.tld", "sso.visualstudio.com"),
    ("timeout.tld", "timeout.visualstudio.com"),
];

/// What git's `make` would have told its tests, as far as these need it.
const BUILD_OPTIONS: &str = "\
SHELL_PATH=/bin/sh
TEST_SHELL_PATH=/bin/sh
PERL_PATH=perl
DIFF=diff
X=
";

/// git's own tool for its tests would have to be built; these need one thing of it, the boolean of
/// an environment variable that nobody sets.
const TEST_TOOL: &str = "#!/bin/sh
case \"$1 $3\" in
'env-helper --default=true') exit 0 ;;
'env-helper --default=false') exit 1 ;;
esac
echo \"test-tool is asked for: $*\" >&2
exit 125
";

/// The group of tests that `t0303` leaves out. Another one that it leaves out is for helpers that
/// forget by themselves after a time, which ours does not.
const AUTHTYPE: &str = "#!/bin/sh
test_description='authtype of external helpers'
. ./test-lib.sh
. \"$TEST_DIRECTORY\"/lib-credential.sh
helper_test_authtype \"$GIT_TEST_CREDENTIAL_HELPER\"
test_done
";

#[test]
#[ignore = "needs git's source and gnome-keyring: run tests/run"]
fn every_test_of_gits_own_passes_that_our_rules_do_not_exclude() {
    let session = Session::start(State::Unlocked);
    // What is kept is real, what is served is not: nothing here speaks to a server.
    session.sandbox.set("GIT_VSTS_AZURE_URL", "");
    let tests = prepare(&session);
    let mut results = run(&session, &tests, "t0303-credential-external.sh");
    results.extend(run(&session, &tests, "t0303-authtype.sh"));

    let mut wrong = String::new();
    for (name, told, passed) in &results {
        match EXCLUDED.iter().find(|(excluded, _)| excluded == name) {
            Some((_, reason)) if *passed => {
                writeln!(wrong, "passes, though it is listed: {name} ({reason})").unwrap();
            }
            None if !passed => write!(wrong, "fails: {name}\n{told}").unwrap(),
            _ => {}
        }
    }
    for (name, _) in EXCLUDED {
        if !results.iter().any(|(met, ..)| met == name) {
            writeln!(wrong, "is listed, and no test of git's: {name}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // As many as git 2.55 has.
    assert!(results.len() >= 29, "{results:?}");
}

/// A copy of git's tests in the session's home, with its hosts replaced.
fn prepare(session: &Session) -> PathBuf {
    let source = std::env::var_os("GIT_VSTS_GIT_SOURCE").expect("tests/run says where it is");
    let source = Path::new(&source).join("t");
    let root = session.sandbox.home().join("git");
    let tests = root.join("t");
    fs::create_dir_all(tests.join("helper")).unwrap();
    fs::create_dir(root.join("templates")).unwrap();
    for entry in fs::read_dir(&source).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "oid-info" || name.as_encoded_bytes().starts_with(b"test-lib") {
            symlink(entry.path(), tests.join(name)).unwrap();
        }
    }
    let library = fs::read_to_string(source.join("lib-credential.sh")).unwrap();
    let rewritten = HOSTS.iter().fold(library, |text, (host, ours)| {
        assert!(text.contains(host), "git's tests have no {host:?} any more");
        text.replace(host, ours)
    });
    fs::write(tests.join("lib-credential.sh"), rewritten).unwrap();
    fs::copy(
        source.join("t0303-credential-external.sh"),
        tests.join("t0303-credential-external.sh"),
    )
    .unwrap();
    fs::write(tests.join("t0303-authtype.sh"), AUTHTYPE).unwrap();
    let options =
        format!("{BUILD_OPTIONS}GIT_TEST_TEMPLATE_DIR={}\n", root.join("templates").display());
    fs::write(root.join("GIT-BUILD-OPTIONS"), options).unwrap();
    program(&tests.join("helper/test-tool"), TEST_TOOL);
    let helper =
        format!("#!/bin/sh\nexec '{}' credential \"$@\"\n", env!("CARGO_BIN_EXE_git-vsts"));
    program(&tests.join("helper/git-credential-vsts"), &helper);
    tests
}

fn program(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Each test of a script: its name without the helper's, what it told, and whether it passed.
fn run(session: &Session, tests: &Path, script: &str) -> Vec<(String, String, bool)> {
    let installed = "GIT_TEST_INSTALLED=$(dirname \"$(command -v git)\") exec sh \"$0\" --verbose --no-chain-lint";
    let mut command = session.sandbox.command("sh", ["-c", installed, script], tests);
    command.env("GIT_TEST_CREDENTIAL_HELPER", "vsts");
    // An older git does not say which it is built for.
    command.env("GIT_TEST_DEFAULT_HASH", "sha1");
    let output = command.output().expect("sh can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut results = Vec::new();
    let mut told = String::new();
    for line in text.lines() {
        let (rest, passed) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => {
                writeln!(told, "  {line}").unwrap();
                continue;
            }
        };
        let (_, name) = rest.split_once(" - ").expect("a number and a name");
        let name = name.strip_prefix("helper (vsts) ").unwrap_or(name);
        results.push((name.to_owned(), std::mem::take(&mut told), passed));
    }
    let plan = format!("1..{}", results.len());
    assert!(
        !results.is_empty() && text.lines().any(|line| line == plan),
        "{script} did not come to its end:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    results
}
