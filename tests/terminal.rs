//! One use of `ui` each, for the tests of it in a pseudo-terminal.

use std::io::Read;
use std::process::ExitCode;

use secrecy::{ExposeSecret, SecretString};

use git_vsts::ui::{Color, Error, Interrupt, Question, Settings, Ui};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let mut settings = Settings { color: Color::Never, ..Settings::default() };
    for argument in arguments {
        match argument.as_str() {
            "--color" => settings.color = Color::Always,
            "--quiet" => settings.quiet = true,
            "--no-input" => settings.no_input = true,
            _ => return ExitCode::from(2),
        }
    }
    let ui = Ui::process(settings);
    match run(&ui, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::BrokenPipe) => ExitCode::from(9),
        Err(Error::Interrupted(signal)) => {
            ui.status(format_args!("stopped"));
            Interrupt::install().expect("installed").end(signal)
        }
        Err(error) => {
            ui.error(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(ui: &Ui, command: &str) -> Result<(), Error> {
    let interrupt = Interrupt::install()?;
    match command {
        "ask" => {
            let answer = ui.ask(question(None, &valid))?;
            ui.out(format_args!("{answer:?}"))
        }
        "ask-default" => {
            let answer = ui.ask(question(Some("web"), &valid))?;
            ui.out(format_args!("{answer:?}"))
        }
        "secret" => {
            let secret = ui.ask_secret("Token", "--pat-stdin")?;
            show(ui, &secret)
        }
        "confirm" => {
            let yes = ui.confirm("Create shop/web?", true, "--create")?;
            ui.out(format_args!("{yes}"))
        }
        "select" => choose(ui, &["shop", "tools", "web"], 1),
        "fuzzy" => {
            choose(ui, &["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"], 1)
        }
        "stdin" => {
            let secret = ui.read_secret_from_stdin(64)?;
            show(ui, &secret)
        }
        "out" => (0..100_000).try_for_each(|line| ui.out(format_args!("line {line}"))),
        "status" => {
            (0..1_000).for_each(|line| ui.status(format_args!("line {line}")));
            Ok(())
        }
        // The work is done when a byte comes, so that a test says how long it takes.
        "work" => {
            let progress = ui.progress("Writing objects");
            progress.set(1, Some(2));
            progress.bytes(1_258_291);
            ui.status(format_args!("started"));
            wait_for_byte();
            ui.status(format_args!("halfway"));
            wait_for_byte();
            drop(progress);
            ui.status(format_args!("done"));
            Ok(())
        }
        "hold" => {
            let _hold = interrupt.hold();
            ui.status(format_args!("holding"));
            while interrupt.interrupted().is_none() {
                std::thread::yield_now();
            }
            interrupt.check()
        }
        "hold-deaf" => {
            let _hold = interrupt.hold();
            ui.status(format_args!("holding"));
            while interrupt.interrupted().is_none() {
                std::thread::yield_now();
            }
            ui.status(format_args!("noted"));
            loop {
                std::thread::park();
            }
        }
        "wait" => {
            ui.status(format_args!("waiting"));
            loop {
                std::thread::park();
            }
        }
        _ => {
            ui.error(format_args!("no such command"));
            Ok(())
        }
    }
}

fn valid(answer: &str) -> Result<(), String> {
    if answer.contains(' ') { Err("a name has no spaces".to_owned()) } else { Ok(()) }
}

fn question<'a>(
    default: Option<&str>,
    validate: &'a dyn Fn(&str) -> Result<(), String>,
) -> Question<'a> {
    Question { prompt: "Organization", default: default.map(str::to_owned), flag: "ORG", validate }
}

fn choose(ui: &Ui, items: &[&str], default: usize) -> Result<(), Error> {
    let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
    let index = ui.choose("Project", &items, default, "--project")?;
    ui.out(format_args!("{index}"))
}

/// As bytes, in which `ui` conceals nothing.
fn show(ui: &Ui, secret: &SecretString) -> Result<(), Error> {
    ui.out_bytes(format!("{:?}\n", secret.expose_secret()).as_bytes())
}

fn wait_for_byte() {
    let _ = std::io::stdin().read(&mut [0]);
}
