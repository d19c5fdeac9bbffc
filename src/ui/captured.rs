//! A terminal made of buffers and prepared answers, for tests.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use secrecy::{SecretSlice, SecretString};

use super::Error;

/// What a test answers to one question; see [`Ui::captured`](super::Ui::captured).
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) question: String,
    pub(super) reply: Reply,
}

#[derive(Clone, Debug)]
pub(super) enum Reply {
    Text(String),
    Secret(SecretString),
    Yes(bool),
    Item(String),
    Cancel,
    Stdin(SecretSlice<u8>),
}

impl Answer {
    /// A line typed; an empty one takes the default.
    pub fn text(question: &str, text: &str) -> Self {
        Self::new(question, Reply::Text(text.to_owned()))
    }

    /// A line typed unseen.
    pub fn secret(question: &str, secret: &str) -> Self {
        Self::new(question, Reply::Secret(secret.into()))
    }

    /// A yes or no.
    pub fn confirm(question: &str, yes: bool) -> Self {
        Self::new(question, Reply::Yes(yes))
    }

    /// The item chosen from a menu, by its text.
    pub fn choose(question: &str, item: &str) -> Self {
        Self::new(question, Reply::Item(item.to_owned()))
    }

    /// Escape.
    pub fn cancel(question: &str) -> Self {
        Self::new(question, Reply::Cancel)
    }

    /// All that stdin holds, text or not.
    pub fn stdin(bytes: impl AsRef<[u8]>) -> Self {
        Self::new("stdin", Reply::Stdin(bytes.as_ref().to_vec().into()))
    }

    fn new(question: &str, reply: Reply) -> Self {
        Self { question: question.to_owned(), reply }
    }
}

#[derive(Debug)]
pub(super) struct Captured {
    pub(super) stdout_is_terminal: AtomicBool,
    stdout: Mutex<Vec<u8>>,
    stderr: Mutex<String>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Captured {
    pub(super) fn new(answers: Vec<Answer>) -> Self {
        Self {
            stdout_is_terminal: AtomicBool::new(false),
            stdout: Mutex::default(),
            stderr: Mutex::default(),
            answers: Mutex::new(answers.into()),
        }
    }

    pub(super) fn write_stdout(&self, bytes: &[u8]) {
        lock(&self.stdout).extend_from_slice(bytes);
    }

    pub(super) fn write_stderr(&self, text: &str) {
        lock(&self.stderr).push_str(text);
    }

    pub(super) fn stdout(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stdout)).into_owned()
    }

    pub(super) fn stderr(&self) -> String {
        lock(&self.stderr).clone()
    }

    pub(super) fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal.load(Ordering::Relaxed)
    }

    /// The next answer, if it is one to `question`.
    pub(super) fn answer<T>(
        &self,
        question: &str,
        take: impl FnOnce(Reply) -> Option<T>,
    ) -> Result<T, Error> {
        let unexpected = || Error::UnexpectedQuestion { question: question.to_owned() };
        let next = lock(&self.answers)
            .pop_front_if(|answer| answer.question == question)
            .ok_or_else(unexpected)?;
        match next.reply {
            Reply::Cancel => Err(Error::Cancelled),
            reply => take(reply).ok_or_else(unexpected),
        }
    }

    pub(super) fn stdin_bytes(&self) -> Result<SecretSlice<u8>, Error> {
        self.answer("stdin", |reply| match reply {
            Reply::Stdin(bytes) => Some(bytes),
            _ => None,
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let questions: Vec<String> =
            lock(&self.answers).iter().map(|answer| answer.question.clone()).collect();
        if questions.is_empty() { Ok(()) } else { Err(Error::LeftOverAnswers { questions }) }
    }
}

/// The buffers of a test that failed elsewhere are still whole.
fn lock<T: fmt::Debug>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
