//! A push over a bad network, and in bad surroundings: each fault ends in time, with a message that
//! says what happened and a status. What the service itself says is in `refusals`, a report that
//! leaves something open in `push`, and what HTTP and TLS can do wrong in the client's own tests.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use double::{Answer, Rule};
use git_vsts::error::Error;
use git_vsts::http::{Client, Limits, Settings, Stall};
use git_vsts::repository::{Access, Engine, Event, Push, Refspecs, Repository};
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

const INFO_REFS: &str = "…/info/refs";
const RECEIVE_PACK: &str = "…/git-receive-pack";

/// What a run said on stderr, without what the server says of each push, and its status.
fn said(output: &Output) -> String {
    let lines = output.stderr.lines();
    let own = lines.filter(|line| {
        !["remote: Analyzing objects", "remote: Storing "].iter().any(|it| line.starts_with(it))
    });
    format!("{}\n[{}]\n", own.collect::<Vec<_>>().join("\n"), output.status)
}

/// A file that no compression makes small.
fn noise(sandbox: &Sandbox, bytes: usize) {
    let mut noise = vec![0; bytes];
    getrandom::fill(&mut noise).unwrap();
    std::fs::write(sandbox.work().join("noise"), &noise).unwrap();
    sandbox.commit("file", "two\n", "Two");
}

/// A push in this process, for which the limits are as short as a test needs them: the built
/// binary's are minutes. What happened, and how it ended.
fn push_within(sandbox: &Sandbox, limits: Limits) -> String {
    let settings = Settings { limits, plain: true, ..Settings::default() };
    let url = sandbox.url("contoso/shop/_git/web");
    let token = sandbox.token("contoso");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
    let access = Access {
        client: Client::new(&settings).unwrap(),
        url: url.parse().unwrap(),
        authorization: Some(format!("Basic {basic}").into()),
        headers: Vec::new(),
    };
    let refspecs = Refspecs { named: vec!["main".to_owned()], ..Refspecs::default() };
    let push = Push {
        remote: None,
        url: &url,
        refspecs: &refspecs,
        dry_run: false,
        no_verify: true,
        atomic: false,
        leases: &[],
        options: &[],
        quiet: true,
        engine: Engine::Git2,
        git: None,
        hooks: None,
        wait: &|why, _| panic!("it waits: {why}"),
    };
    let repository = Repository::find(&sandbox.work()).unwrap().unwrap();
    let mut text = String::new();
    let pushed = repository.push(&push, &access, &mut |event| {
        if let Event::LookingAgain(why) = event {
            let why = why.map(ToString::to_string).unwrap_or_default();
            writeln!(text, "looks again: {why}").unwrap();
        }
    });
    match pushed {
        Ok(answer) => {
            answer.references.iter().for_each(|it| writeln!(text, "{:?}", it.outcome).unwrap())
        }
        Err(error) => {
            let error = Error::from(error);
            writeln!(text, "{error} [{}]", error.kind().status()).unwrap();
        }
    }
    let host = sandbox.azure.url().trim_start_matches("http://");
    text.replace(host, "azure")
}

#[test]
fn a_server_that_is_silent_or_hardly_moves_ends_it_in_time() {
    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(60);
    let patient = Limits {
        connect: LONG,
        silence: LONG,
        stall: Stall { window: LONG, bytes: 1 },
        work: LONG,
        body: LONG,
        patience: LONG,
    };
    let stall = Stall { window: SHORT, bytes: 1 << 20 };
    let drip = |answer: Answer| answer.drip(1, Duration::from_millis(1));
    // A line of the greatest length, of which there is no end in sight.
    let line = [b"fff0\x02".to_vec(), vec![b' '; 65_515]].concat();
    let table = [
        ("silent", INFO_REFS, Answer::silent(), Limits { silence: SHORT, ..patient }),
        ("byte by byte", INFO_REFS, drip(Answer::real()), Limits { stall, ..patient }),
        ("silent", RECEIVE_PACK, Answer::silent(), Limits { work: SHORT, ..patient }),
        (
            "byte by byte",
            RECEIVE_PACK,
            drip(Answer::push_report(&[]).body(line)),
            Limits { work: SHORT, ..patient },
        ),
    ];
    let sandbox = Sandbox::connected();
    let mut shown = String::new();
    for (what, path, answer, limits) in table {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any(path), answer);
        let start = Instant::now();
        let text = push_within(&sandbox, limits);
        assert!(start.elapsed() < LONG / 2, "{what} at {path}: {:?}", start.elapsed());
        write!(shown, "# {what} at {path}\n{text}").unwrap();
    }
    assert_data_eq!(
        shown,
        str![[r#"
# silent at …/info/refs
azure was silent for 0 s [5]
# byte by byte at …/info/refs
the connection to azure hardly moves: fewer than 1024 KiB in 0 s [5]
# silent at …/git-receive-pack
looks again: azure was silent for 0 s
Unchanged
# byte by byte at …/git-receive-pack
looks again: the answer of azure was not complete after 0 s
Unchanged

"#]]
        .raw()
    );
}

#[test]
fn a_connection_that_is_cut_while_the_pack_goes_leaves_nothing_open() {
    let sandbox = Sandbox::connected();
    noise(&sandbox, 4 << 20);
    let mut shown = String::new();
    for (what, answer) in [
        ("reset", Answer::reset().after_reading(256 << 10)),
        ("closed", Answer::raw("").after_reading(256 << 10)),
        ("429", Answer::throttled(7).after_reading(256 << 10)),
    ] {
        sandbox.azure.clear_answers();
        sandbox.azure.clear_requests();
        sandbox.azure.answer(Rule::new("POST", RECEIVE_PACK), answer);
        let output = sandbox.run(["push"]);
        write!(shown, "# {what}\n{}", said(&output)).unwrap();
        let posts = sandbox.azure.requests().iter().filter(|it| it.method == "POST").count();
        assert_eq!(posts, 1, "{what}");
    }
    assert_data_eq!(shown, str![[r#"
# reset
error: the connection to azure was cut
hint: check the network, then run the same command again
[5]
# closed
error: the connection to azure was cut
hint: check the network, then run the same command again
[5]
# 429
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 7 s
[5]

"#]].raw());
}

/// The hint is followed to its end.
#[test]
fn a_push_that_is_too_large_is_split_by_the_command_that_is_named() {
    let sandbox = Sandbox::connected();
    for number in 0..5 {
        sandbox.commit("file", &format!("{number}\n"), &format!("Commit {number}"));
    }
    let too_large = || {
        sandbox.azure.answer(Rule::new("POST", RECEIVE_PACK).times(1), Answer::status(413));
        sandbox.run(["push"])
    };
    let output = too_large();
    assert_data_eq!(said(&output), str![[r#"
error: azure takes no request as large as this
hint: push it in parts: `git vsts push origin e49479cb1c29:refs/heads/main`, then the same command again
[1]

"#]].raw());
    let (_, command) = output.stderr.split_once("`git vsts ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let part = sandbox.run(command.split(' '));
    assert_eq!(part.status, 0, "{part}");
    assert_eq!(sandbox.server("shop", "web", &["rev-list", "--count", "main"]), "3");
    // Half of what is left, until there is one commit.
    assert!(too_large().stderr.contains("`git vsts push origin "));
    let _ = sandbox.run(["push", "origin", "main~1:refs/heads/main"]);
    assert_data_eq!(
        said(&too_large()),
        str![[r#"
error: azure takes no request as large as this
hint: one commit alone is too large: keep its large files with Git LFS, https://git-lfs.com
[1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.run(["push"]).status, 0);
}

#[test]
fn a_connection_that_is_cut_before_anything_is_sent_is_made_once_more() {
    let sandbox = Sandbox::connected();
    sandbox.azure.answer(Rule::any(INFO_REFS).times(1), Answer::reset());
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(
        sandbox.requests(),
        [
            "GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 0",
            "GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 200",
            "POST /contoso/shop/_git/web/git-receive-pack 200",
        ]
    );
}

/// Nobody there, in each place where somebody should be.
#[test]
fn what_can_t_be_reached_is_named() {
    let mut shown = String::new();
    let mut show = |what: &str, sandbox: &Sandbox| {
        let start = Instant::now();
        let output = sandbox.run(["push"]);
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        write!(shown, "# {what}\n{}", said(&output)).unwrap();
    };
    let connected = |url: &str| {
        let sandbox = Sandbox::connected();
        let _ =
            sandbox.git(["remote", "set-url", "origin", &format!("{url}/contoso/shop/_git/web")]);
        sandbox
    };

    let sandbox = connected("https://dev.example.invalid");
    sandbox.set("GIT_VSTS_AZURE_URL", "https://dev.example.invalid");
    sandbox.set("GIT_VSTS_PAT", &sandbox.token("contoso"));
    show("no such host", &sandbox);
    // A port that is nobody's: it was ours a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let sandbox = connected(&url);
    sandbox.set("GIT_VSTS_AZURE_URL", &url);
    sandbox.set("GIT_VSTS_PAT", &sandbox.token("contoso"));
    show("nobody listens", &sandbox);

    let hosted = || {
        let sandbox = connected("https://dev.azure.com");
        sandbox.hosted();
        sandbox.set("GIT_VSTS_PAT", &sandbox.token("contoso"));
        sandbox
    };
    let sandbox = hosted();
    sandbox.set("HTTPS_PROXY", &format!("http://ada:hunter2@127.0.0.1:{port}"));
    sandbox.secret("hunter2");
    show("no proxy", &sandbox);
    sandbox.set("HTTPS_PROXY", "http://ada:hunter2@proxy.invalid:3128");
    show("no such proxy", &sandbox);

    let sandbox = hosted();
    sandbox.set("SSL_CERT_FILE", "");
    sandbox.set("GIT_SSL_CAINFO", "");
    show("a certificate of nobody's", &sandbox);
    let shown = shown.replace(&port.to_string(), "PORT");
    assert_data_eq!(shown, str![[r#"
# no such host
error: dev.example.invalid could not be found
hint: check the network, and the proxy if you need one: `HTTPS_PROXY`
[5]
# nobody listens
error: 127.0.0.1:PORT refused the connection
hint: check the network, then run the same command again
[5]
# no proxy
error: the proxy 127.0.0.1:PORT can't be reached: nobody listens there
hint: check its address: `HTTPS_PROXY`, and `git config --show-origin --get-all http.proxy`
[5]
# no such proxy
error: the proxy proxy.invalid:3128 can't be reached: no such host
hint: check its address: `HTTPS_PROXY`, and `git config --show-origin --get-all http.proxy`
[5]
# a certificate of nobody's
error: the connection to dev.azure.com is not secure: nobody that this system trusts issued its certificate
hint: if your company's proxy issues certificates of its own, name its file: `git config --global http.sslCAInfo FILE`
[5]

"#]].raw());
}

#[test]
fn a_redirect_to_http_is_not_followed() {
    let sandbox = Sandbox::connected();
    let _ =
        sandbox.git(["remote", "set-url", "origin", "https://dev.azure.com/contoso/shop/_git/web"]);
    sandbox.hosted();
    sandbox.set("GIT_VSTS_PAT", &sandbox.token("contoso"));
    let down = format!("{}/contoso/shop/_git/web/info/refs", sandbox.azure.url());
    let mut shown = String::new();
    for target in [&*down, "http://dev.azure.com/contoso/shop/_git/web/info/refs"] {
        sandbox.azure.clear_answers();
        sandbox.azure.clear_requests();
        sandbox.azure.answer(Rule::any(INFO_REFS), Answer::redirect(target));
        shown.push_str(&said(&sandbox.run(["push"])));
        let asked = sandbox.azure.requests();
        assert!(asked.iter().all(|it| it.header("host") == Some("dev.azure.com")), "{asked:?}");
    }
    assert_data_eq!(
        shown,
        str![[r#"
error: dev.azure.com sends the request on to https://azure
hint: something on the way answered in its place: check the proxy and the address
[5]
error: dev.azure.com sends the request on to http://dev.azure.com
hint: something on the way answered in its place: check the proxy and the address
[5]

"#]]
        .raw()
    );
}

/// A quarter of a million, which is enough to tell: a million of them took 200 MB where git took 300.
#[cfg(target_os = "linux")]
#[test]
fn very_many_references_are_read_in_bounded_memory() {
    let sandbox = Sandbox::connected();
    let mut body = b"001f# service=git-receive-pack\n0000".to_vec();
    for number in 0..250_000 {
        let capabilities = if number == 0 { "\0report-status side-band-64k ofs-delta" } else { "" };
        let line = format!("{number:040x} refs/heads/{number:07}{capabilities}\n");
        body.extend(format!("{:04x}{line}", line.len() + 4).bytes());
    }
    body.extend(b"0000");
    let answer = Answer::status(200)
        .header("content-type", "application/x-git-receive-pack-advertisement")
        .body(body);
    sandbox.azure.answer(Rule::any(INFO_REFS), answer);
    // The address space, which is more than what is used of it.
    let script = format!("ulimit -v {}; exec git-vsts push --dry-run", 400 << 10);
    let start = Instant::now();
    let output = sandbox.finish(&mut sandbox.command("sh", ["-c", &script], &sandbox.work()), "");
    assert_eq!(said(&output), "main → origin/main (new, dry run)\n[0]\n", "{output}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.run(["push"]);
    let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
    let get = format!(
        "printf 'protocol=http\\nhost={host}\\npath=contoso\\n\\n' | git-vsts credential get"
    );
    for command in [&*get, "git-vsts push", "git-vsts push --json", "git-vsts status"] {
        // What reads is gone when the first word is written: it is told so by its own end.
        let script = format!(
            "mkfifo gone; {{ read -r _ < gone; {command}; echo \"[$?]\" >&2; }} | {{ exec <&-; echo > gone; }}; rm gone"
        );
        let output =
            sandbox.finish(&mut sandbox.command("sh", ["-c", &script], &sandbox.work()), "");
        assert!(!output.stderr.contains("panicked"), "{command}: {output}");
        assert!(output.stderr.ends_with("[0]\n"), "{command}: {output}");
    }
}

#[test]
fn a_folder_that_is_gone_is_named() {
    let sandbox = Sandbox::connected();
    let mut shown = String::new();
    for command in ["push", "status", "init contoso/shop/web", "remote-add", "credential get"] {
        let script = format!("mkdir gone && cd gone && rmdir ../gone && exec git-vsts {command}");
        let output =
            sandbox.finish(&mut sandbox.command("sh", ["-c", &script], &sandbox.work()), "\n");
        write!(shown, "$ git vsts {command}\n{output}").unwrap();
    }
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]
$ git vsts status
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]
$ git vsts init contoso/shop/web
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]
$ git vsts remote-add
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]
$ git vsts credential get
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]

"#]]
        .raw()
    );
}
