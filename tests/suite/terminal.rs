//! `ui` in a pseudo-terminal, and with its streams closed, full or redirected: what only a process
//! of its own shows. The process is the example `terminal`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use expectrl::process::unix::{Signal, WaitStatus};
use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};

/// Far more than anything here takes; a hang ends as a failure.
const PATIENCE: Duration = Duration::from_secs(10);

fn tool() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let tool = target.join("examples/terminal");
    // `cargo test` builds it, `cargo test --test suite` does not.
    assert!(tool.exists(), "run `cargo build --example terminal` first");
    tool
}

/// A person at a terminal of 80 columns with a tool before them.
struct Terminal {
    session: OsSession,
    transcript: Vec<u8>,
}

impl Terminal {
    fn run(arguments: &str) -> Self {
        Self::shell(&format!("exec {} {arguments}", tool().display()))
    }

    /// `script` in a terminal as a login leaves it; expectrl's own is without echo.
    fn shell(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("stty sane cols 80 rows 24 && {script}"));
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(PATIENCE));
        Self { session, transcript: Vec::new() }
    }

    fn see(&mut self, text: &str) {
        match self.session.expect(text) {
            Ok(found) => {
                self.transcript.extend(found.before());
                self.transcript.extend(text.as_bytes());
            }
            Err(error) => {
                panic!("{error}: waited for {text:?} after {:?}", screen(&self.transcript))
            }
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
    }

    fn kill(&mut self, signal: Signal) {
        self.session.get_process_mut().signal(signal).unwrap();
    }

    fn echoes(&self) -> bool {
        self.session.get_process().get_echo().unwrap()
    }

    /// Waits for the end, and tells how it came, what stands on the screen, and the transcript.
    fn end(mut self) -> Ended {
        match self.session.expect(Eof) {
            Ok(found) => self.transcript.extend(found.as_bytes()),
            Err(error) => {
                panic!("{error}: waited for the end after {:?}", screen(&self.transcript))
            }
        }
        let status = match self.session.get_process().wait().unwrap() {
            WaitStatus::Exited(_, status) => format!("status {status}"),
            WaitStatus::Signaled(_, signal, _) => signal.to_string(),
            other => format!("{other:?}"),
        };
        let transcript = String::from_utf8_lossy(&self.transcript).into_owned();
        Ended { status, screen: screen(&self.transcript), echoes: self.echoes(), transcript }
    }
}

struct Ended {
    status: String,
    screen: String,
    echoes: bool,
    transcript: String,
}

/// What a terminal of 80 columns shows after `bytes`.
fn screen(bytes: &[u8]) -> String {
    let mut terminal = vt100::Parser::new(200, 80, 0);
    terminal.process(bytes);
    terminal.screen().contents().trim_end().to_owned()
}

#[test]
fn an_answered_line_stays_behind() {
    let mut terminal = Terminal::run("ask");
    terminal.see("? Organization: ");
    terminal.type_in("contsoo\x7f\x7f\x7foso\r");
    let ended = terminal.end();
    assert_eq!(ended.screen, "? Organization: contoso\n\"contoso\"");
    assert_eq!((ended.status.as_str(), ended.echoes), ("status 0", true));
}

#[test]
fn an_empty_answer_is_the_default_and_white_space_goes() {
    for (keys, screen) in [
        ("\r", "? Organization: web\n\"web\""),
        ("  shop \r", "? Organization: shop\n\"shop\""),
        (
            "s hop\rshop\r",
            "? Organization: s hop\n  a name has no spaces\n? Organization: shop\n\"shop\"",
        ),
    ] {
        let mut terminal = Terminal::run("ask-default");
        terminal.see("? Organization (web): ");
        terminal.type_in(keys);
        assert_eq!(terminal.end().screen, screen, "{keys:?}");
    }
}

#[test]
fn keys_that_console_does_not_know_leave_nothing_in_a_line() {
    let mut terminal = Terminal::run("ask");
    terminal.see("? Organization: ");
    // A paste between its marks, Ctrl-Left, F5, Left and Right.
    terminal.type_in("\x1b[200~contoso\x1b[201~\x1b[1;5D\x1b[15~\x1b[D\x1b[C\r");
    assert_eq!(terminal.end().screen, "? Organization: contoso\n\"contoso\"");
}

#[test]
fn a_line_longer_than_the_terminal_is_wide_comes_back_whole() {
    let address = format!("https://dev.azure.com/contoso/{}", "x".repeat(150));
    let mut terminal = Terminal::run("ask");
    terminal.see("? Organization: ");
    terminal.type_in(&format!("{address}\r"));
    assert_eq!(terminal.end().screen, format!("? Organization: {address}\n\"{address}\""));
}

#[test]
fn escape_and_control_d_cancel() {
    for (command, prompt, keys, screen) in [
        ("ask", "Organization: ", "\x1b", "? Organization: \nerror: cancelled"),
        ("ask", "Organization: ", "\x04", "? Organization: \nerror: cancelled"),
        ("secret", "Token: ", "\x1b", "? Token: \nerror: cancelled"),
        ("secret", "Token: ", "\x04", "? Token: \nerror: cancelled"),
        ("confirm", "[Y/n] ", "\x1b", "? Create shop/web? [Y/n] \nerror: cancelled"),
        ("confirm", "[Y/n] ", "\x04", "? Create shop/web? [Y/n] \nerror: cancelled"),
        ("select", "web", "\x1b", "? Project: \nerror: cancelled"),
        ("fuzzy", "theta", "\x1b", "? Project: \nerror: cancelled"),
    ] {
        let mut terminal = Terminal::run(command);
        terminal.see(prompt);
        terminal.type_in(keys);
        let ended = terminal.end();
        assert_eq!(ended.screen, screen, "{keys:?} in {command}");
        assert_eq!(
            (ended.status.as_str(), ended.echoes),
            ("status 1", true),
            "{keys:?} in {command}"
        );
    }
}

#[test]
fn a_secret_is_not_shown() {
    let mut terminal = Terminal::run("secret");
    terminal.see("? Token: ");
    assert!(!terminal.echoes());
    terminal.type_in("s3c");
    terminal.type_in("ret\r");
    let ended = terminal.end();
    assert_eq!(ended.screen, "? Token: ********\n\"s3cret\"");
    // Once, and that is the tool's own proof of what it got.
    assert_eq!(ended.transcript.matches("s3c").count(), 1, "{:?}", ended.transcript);
    assert!(ended.echoes);
}

#[test]
fn the_marks_of_a_paste_come_back_around_an_intact_secret() {
    let mut terminal = Terminal::run("secret");
    terminal.see("? Token: ");
    terminal.type_in("\x1b[200~TOKEN\x1b[201~\r");
    assert_eq!(terminal.end().screen, "? Token: ********\n\"\\u{1b}[200~TOKEN\\u{1b}[201~\"");
}

#[test]
fn an_empty_secret_is_asked_again() {
    let mut terminal = Terminal::run("secret");
    terminal.see("? Token: ");
    terminal.type_in("\r");
    terminal.see("? Token: ");
    terminal.type_in("s3cret\r");
    assert_eq!(terminal.end().screen, "? Token: \n? Token: ********\n\"s3cret\"");
}

#[test]
fn a_secret_longer_than_the_kernels_line_comes_back_whole() {
    let secret = "x".repeat(5_000);
    let mut terminal = Terminal::run("secret");
    terminal.see("? Token: ");
    // In portions as a terminal has them: the kernel holds no more than 4096 bytes that nobody has
    // read.
    for portion in secret.as_bytes().chunks(1_000) {
        terminal.type_in(std::str::from_utf8(portion).unwrap());
    }
    terminal.type_in("\r");
    assert_eq!(terminal.end().screen, format!("? Token: ********\n\"{secret}\""));
}

#[test]
fn a_yes_or_no_takes_one_key_and_has_a_default() {
    for (key, screen) in [
        ("\r", "? Create shop/web? yes\ntrue"),
        ("n", "? Create shop/web? no\nfalse"),
        ("Y", "? Create shop/web? yes\ntrue"),
        ("xn", "? Create shop/web? no\nfalse"),
    ] {
        let mut terminal = Terminal::run("confirm");
        terminal.see("? Create shop/web? [Y/n] ");
        terminal.type_in(key);
        assert_eq!(terminal.end().screen, screen, "{key:?}");
    }
}

#[test]
fn a_short_menu_is_chosen_from_with_the_arrows() {
    for (keys, screen) in [
        ("\r", "? Project: tools\n1"),
        ("\x1b[B\r", "? Project: web\n2"),
        ("\x1b[A\r", "? Project: shop\n0"),
    ] {
        let mut terminal = Terminal::run("select");
        terminal.see("? Project:");
        terminal.see("  shop");
        terminal.see("> tools");
        terminal.see("  web");
        terminal.type_in(keys);
        let ended = terminal.end();
        assert_eq!(ended.screen, screen, "{keys:?}");
        assert!(ended.transcript.rfind("\x1b[?25h") > ended.transcript.rfind("\x1b[?25l"));
    }
}

#[test]
fn a_long_menu_is_searched_by_typing() {
    for (keys, screen) in [
        ("\r", "? Project: beta\n1"),
        ("zet\r", "? Project: zeta\n5"),
        ("zzz\x7f\x7feta\r", "? Project: zeta\n5"),
    ] {
        let mut terminal = Terminal::run("fuzzy");
        terminal.see("? Project: |");
        terminal.see("> beta");
        terminal.see("  theta");
        terminal.type_in(keys);
        let ended = terminal.end();
        assert_eq!(ended.screen, screen, "{keys:?}");
        assert!(ended.transcript.rfind("\x1b[?25h") > ended.transcript.rfind("\x1b[?25l"));
    }
}

#[test]
fn colour_is_used_where_it_is_asked_for() {
    let mut terminal = Terminal::run("ask --color");
    terminal.see("\x1b[36m?\x1b[0m Organization: ");
    terminal.type_in("contoso\r");
    terminal.see("\x1b[36m?\x1b[0m Organization: \x1b[36mcontoso\x1b[0m");
    assert_eq!(terminal.end().status, "status 0");
}

#[test]
fn a_signal_in_a_question_puts_the_terminal_back_and_kills() {
    for (command, seen) in [
        ("ask", "Organization: "),
        ("secret", "Token: "),
        ("confirm", "[Y/n] "),
        ("select", "web"),
        ("fuzzy", "theta"),
    ] {
        for (signal, death) in [
            (None, "SIGINT"),
            (Some(Signal::SIGINT), "SIGINT"),
            (Some(Signal::SIGTERM), "SIGTERM"),
            (Some(Signal::SIGHUP), "SIGHUP"),
        ] {
            let mut terminal = Terminal::run(command);
            terminal.see(seen);
            assert!(!terminal.echoes(), "{command}");
            match signal {
                None => terminal.type_in("\x03"),
                Some(signal) => terminal.kill(signal),
            }
            let ended = terminal.end();
            assert_eq!(
                (ended.status.as_str(), ended.echoes),
                (death, true),
                "{command}, {signal:?}"
            );
            let shown = ended.transcript.rfind("\x1b[?25h");
            assert!(
                shown.is_some() && shown > ended.transcript.rfind("\x1b[?25l"),
                "{command}, {signal:?}"
            );
        }
    }
}

#[test]
fn all_modes_of_the_terminal_come_back_after_a_signal() {
    let tool = tool();
    let mut terminal =
        Terminal::shell(&format!("stty -g; {} fuzzy; echo status $?; stty -g", tool.display()));
    terminal.see("theta");
    terminal.type_in("\x03");
    let screen = terminal.end().screen;
    let lines: Vec<&str> = screen.lines().collect();
    let status = lines.iter().position(|line| *line == "status 130").expect(&screen);
    assert_eq!(lines[0], lines[status + 1], "{screen}");
}

#[test]
fn a_signal_outside_a_question_kills_at_once() {
    for (signal, death) in
        [(Signal::SIGINT, "SIGINT"), (Signal::SIGTERM, "SIGTERM"), (Signal::SIGHUP, "SIGHUP")]
    {
        let mut terminal = Terminal::run("wait");
        terminal.see("waiting");
        terminal.kill(signal);
        let ended = terminal.end();
        assert_eq!((ended.status.as_str(), ended.screen.as_str()), (death, "waiting"));
    }
}

#[test]
fn work_that_holds_the_end_back_stops_itself_and_still_dies_by_the_signal() {
    for (signal, death) in [(Signal::SIGINT, "SIGINT"), (Signal::SIGTERM, "SIGTERM")] {
        let mut terminal = Terminal::run("hold");
        terminal.see("holding");
        terminal.kill(signal);
        let ended = terminal.end();
        assert_eq!((ended.status.as_str(), ended.screen.as_str()), (death, "holding\nstopped"));
    }
}

#[test]
fn a_second_control_c_kills_work_that_does_not_stop() {
    let mut terminal = Terminal::run("hold-deaf");
    terminal.see("holding");
    let first = Instant::now();
    terminal.type_in("\x03");
    terminal.see("noted");
    // A person presses it until it helps. What comes as fast as the echo that git sends does not
    // count.
    terminal.session.set_expect_timeout(Some(Duration::from_millis(20)));
    while terminal.session.expect(Eof).is_err() {
        assert!(first.elapsed() < PATIENCE);
        terminal.kill(Signal::SIGINT);
    }
    assert!(first.elapsed() >= Duration::from_millis(250), "{:?}", first.elapsed());
    assert_eq!(terminal.end().status, "SIGINT");
}

#[test]
fn another_signal_kills_at_once_what_holds_the_first_back() {
    let mut terminal = Terminal::run("hold-deaf");
    terminal.see("holding");
    terminal.kill(Signal::SIGINT);
    terminal.see("noted");
    terminal.kill(Signal::SIGTERM);
    assert_eq!(terminal.end().status, "SIGTERM");
}

#[test]
fn a_signal_that_the_parent_ignores_stays_ignored() {
    let mut terminal = Terminal::shell(&format!("trap '' HUP; exec {} wait", tool().display()));
    terminal.see("waiting");
    terminal.kill(Signal::SIGHUP);
    terminal.kill(Signal::SIGTERM);
    assert_eq!(terminal.end().status, "SIGTERM");
}

#[test]
fn progress_appears_once_work_is_slow_and_goes_with_it() {
    let before = Instant::now();
    let mut terminal = Terminal::run("work");
    terminal.see("started\r\n");
    terminal.see("Writing objects ████████         1.2 MiB");
    assert!(before.elapsed() >= Duration::from_millis(250), "{:?}", before.elapsed());
    terminal.type_in("\n");
    terminal.see("halfway\r\n");
    terminal.see("Writing objects ████████         1.2 MiB");
    terminal.type_in("\n");
    terminal.see("done");
    let ended = terminal.end();
    // The blank lines are the kernel's echo of Enter, which ends the row that progress stands on.
    let lines: Vec<&str> =
        ended.screen.lines().filter(|line| !line.starts_with("Writing")).collect();
    assert_eq!(
        lines.iter().filter(|line| !line.is_empty()).collect::<Vec<_>>(),
        [&"started", &"halfway", &"done"]
    );
    assert_eq!(ended.status, "status 0");
}

#[test]
fn progress_does_not_appear_for_quick_work_or_with_quiet() {
    for (arguments, screen) in [("work", "started\n\n\nhalfway\ndone"), ("work --quiet", "")] {
        let mut terminal = Terminal::run(arguments);
        // Typed ahead: the work is done before it is slow.
        terminal.type_in("\n\n");
        let ended = terminal.end();
        assert!(!ended.transcript.contains("Writing"), "{arguments}: {:?}", ended.transcript);
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        assert_eq!(lines(&ended.screen), lines(screen), "{arguments}");
    }
}

#[test]
fn a_signal_clears_progress() {
    let mut terminal = Terminal::run("work");
    terminal.see("1.2 MiB");
    terminal.kill(Signal::SIGTERM);
    let ended = terminal.end();
    assert_eq!((ended.status.as_str(), ended.screen.as_str()), ("SIGTERM", "started"));
}

/// The tool without a terminal: status (or `-signal`), stdout, stderr.
fn piped(arguments: &[&str], stdin: impl Into<Stdio>) -> (i32, String, String) {
    let output = Command::new(tool()).args(arguments).stdin(stdin).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let status = output.status.code().or(output.status.signal().map(|signal| -signal));
    (status.unwrap(), text(output.stdout), text(output.stderr))
}

/// A pipe that holds `bytes` and then ends.
fn holding(bytes: &[u8]) -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(bytes).unwrap();
    reader.into()
}

#[test]
fn without_a_terminal_a_question_is_an_error_that_names_what_answers_it() {
    for (command, prompt, flag) in [
        ("ask", "Organization", "ORG"),
        ("secret", "Token", "--pat-stdin"),
        ("confirm", "Create shop/web?", "--create"),
        ("select", "Project", "--project"),
        ("fuzzy", "Project", "--project"),
    ] {
        let error = format!(
            "error: there is no terminal to ask \"{prompt}\" on, and {flag} is not given\n"
        );
        assert_eq!(piped(&[command], holding(b"y\n")), (1, String::new(), error), "{command}");
    }
}

#[test]
fn a_terminal_that_is_only_behind_dev_tty_is_not_asked() {
    let tool = tool();
    for (redirected, error) in [
        (
            "</dev/null",
            "error: there is no terminal to ask \"Token\" on, and --pat-stdin is not given",
        ),
        ("2>/dev/null", ""),
    ] {
        let ended = Terminal::shell(&format!("exec {} secret {redirected}", tool.display())).end();
        assert_eq!(
            (ended.status.as_str(), ended.screen.as_str()),
            ("status 1", error),
            "{redirected}"
        );
    }
}

#[test]
fn no_input_forbids_questions_on_a_terminal() {
    let ended = Terminal::run("fuzzy --no-input").end();
    assert_eq!(ended.screen, "error: \"Project\" may not be asked, and --project is not given");
}

#[test]
fn all_of_stdin_is_the_secret() {
    let refused = |reason: &str| (1, String::new(), format!("error: {reason}\n"));
    let read = |text: &str| (0, format!("{text}\n"), String::new());
    let exactly = [b'x'; 64];
    for (input, expected) in [
        (&b"token\n"[..], read(r#""token\n""#)),
        (b"one\r\ntwo", read(r#""one\r\ntwo""#)),
        (&exactly, read(&format!("\"{}\"", "x".repeat(64)))),
        (&[b'x'; 65], refused("the answer is longer than 64 bytes")),
        (b"tok\xffen", refused("the answer is not UTF-8")),
        (b"", refused("stdin is empty")),
    ] {
        assert_eq!(piped(&["stdin"], holding(input)), expected, "{input:?}");
    }
}

#[test]
fn a_secret_is_not_read_from_a_stdin_that_is_a_terminal() {
    let ended = Terminal::run("stdin").end();
    assert_eq!(ended.screen, "error: stdin is a terminal, which would show the token");
}

#[test]
fn a_closed_stdin_is_an_empty_one() {
    let script = format!("exec {} stdin <&-", tool().display());
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: stdin is empty\n");
}

#[test]
fn a_reader_that_closes_stdout_ends_it_quietly() {
    let mut child = Command::new(tool())
        .arg("out")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 7];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"line 0\n");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
        (Some(9), "")
    );
}

#[test]
fn a_closed_stderr_stops_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(tool()).arg("status").stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let script = format!("exec {} status 2>&- >&- <&-", tool().display());
    assert_eq!(Command::new("sh").arg("-c").arg(script).status().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(tool()).arg("out").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: cannot write to stdout: No space left on device (os error 28)\n"
    );
}
