//! `GIT_ASKPASS` (gitcredentials(7)): a program that asks in a window where there is no terminal.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

/// The most bytes that are read of an answer.
const LIMIT: u64 = 64 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The program can't be run.
    #[error("GIT_ASKPASS can't be run")]
    Unusable(#[source] io::Error),
    /// The person closed the window, or the program failed.
    #[error("GIT_ASKPASS ended without an answer ({0})")]
    Declined(ExitStatus),
    /// Nobody answered.
    #[error("GIT_ASKPASS had no answer after {0} s")]
    TimedOut(u64),
    /// The answer is no text.
    #[error("the answer of GIT_ASKPASS is not UTF-8")]
    NotText,
}

/// Has `program` ask for a secret, for at most `patience`. It gets the question as its one argument,
/// as git gives it, and none of the variables `withheld`.
///
/// # Errors
/// [`enum@Error`]
pub fn ask(
    program: &OsStr,
    question: &str,
    withheld: &[&str],
    patience: Duration,
) -> Result<SecretString, Error> {
    let mut command = Command::new(program);
    command.arg(question).stdin(Stdio::null()).stdout(Stdio::piped());
    for variable in withheld {
        command.env_remove(variable);
    }
    let mut child = command.spawn().map_err(Error::Unusable)?;
    let stdout = child.stdout.take().expect("it is piped");
    let (tell, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Zeroizing::new(Vec::new());
        let read = stdout.take(LIMIT).read_to_end(&mut text);
        // Whoever asked may have given up.
        let _ = tell.send(read.map(|_| text));
    });
    let Ok(answer) = answer.recv_timeout(patience) else {
        // It may have ended by itself just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Error::TimedOut(patience.as_secs()));
    };
    let text = answer.map_err(Error::Unusable)?;
    let status = child.wait().map_err(Error::Unusable)?;
    if !status.success() {
        return Err(Error::Declined(status));
    }
    let text = str::from_utf8(&text).map_err(|_| Error::NotText)?;
    Ok(text.to_owned().into())
}

#[cfg(all(test, unix))]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Programs that every system has stand for one that asks: what they print is the answer.
    fn answer(program: &str, question: &str, patience: Duration) -> Result<String, String> {
        let answer = ask(program.as_ref(), question, &["CARGO_PKG_VERSION"], patience);
        answer.map(|it| it.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_answer_is_what_the_program_prints() {
        let long = Duration::from_secs(60);
        let declined = "GIT_ASKPASS ended without an answer (exit status: 1)";
        for (program, question, expected) in [
            ("echo", "Token for contoso: ", Ok("Token for contoso: \n")),
            ("false", "Token for contoso: ", Err(declined)),
            ("printf", "\\377", Err("the answer of GIT_ASKPASS is not UTF-8")),
            ("/nowhere/askpass", "Token: ", Err("GIT_ASKPASS can't be run")),
            // What is withheld is not in its environment, what is not withheld is.
            ("printenv", "CARGO_PKG_VERSION", Err(declined)),
            ("printenv", "CARGO_PKG_NAME", Ok("git-vsts\n")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(answer(program, question, long), expected, "{program} {question}");
        }
    }

    #[test]
    fn a_program_that_never_answers_is_ended() {
        let silent = answer("sleep", "600", Duration::ZERO);
        assert_eq!(silent, Err("GIT_ASKPASS had no answer after 0 s".to_owned()));
    }
}
