//! Calls that may never return, run in a thread of their own and given up in time.
//!
//! A Secret Service that hangs, or a prompt that nobody answers, blocks its caller for ever: neither zbus
//! nor secret-service has a limit. Nothing can end such a call, so its thread is left behind and the
//! process asks the keychain nothing more.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::Error;

/// One thread that owns `L`, a connection to a keychain, and works for one caller at a time.
///
/// One and the same thread does everything: Credential Manager may not show a value to one thread that
/// another has just written (windows-native-keyring-store, "Warnings").
pub(super) struct Worker<L> {
    jobs: OnceLock<Sender<Job<L>>>,
    patience: Patience,
    given_up: &'static OnceLock<u64>,
}

type Job<L> = Box<dyn FnOnce(&mut L) + Send>;

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// While no person is involved.
    pub(super) answer: Duration,
    /// Once a person may have been asked for a password.
    pub(super) unlock: Duration,
}

/// What a job tells its caller.
enum News<T> {
    MayPrompt,
    Done(Result<T, Error>),
}

/// A job's way to ask whether it may do what can show a prompt.
#[cfg_attr(windows, allow(dead_code, reason = "Credential Manager shows no prompt"))]
pub(super) struct Permission(Option<Box<dyn Fn() -> Result<(), Error> + Send>>);

#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "not every system's keychain asks both")
)]
impl Permission {
    /// Returns once the person has been told that a prompt may appear.
    ///
    /// # Errors
    /// [`Error::Locked`] when nobody may be asked.
    pub(super) fn obtain(&self) -> Result<(), Error> {
        self.0.as_ref().map_or(Err(Error::Locked), |tell| tell())
    }

    /// Whether [`obtain`](Permission::obtain) would succeed; tells nobody.
    pub(super) fn may_unlock(&self) -> bool {
        self.0.is_some()
    }
}

impl<L: Default + 'static> Worker<L> {
    /// A worker whose thread starts with its first job. `given_up` is set at the first time-out and shared
    /// by all workers that would wait for the same silent service.
    pub(super) fn new(patience: Patience, given_up: &'static OnceLock<u64>) -> Self {
        Self { jobs: OnceLock::new(), patience, given_up }
    }

    /// Runs `job` and does not wait for it; the next one does.
    #[cfg(target_os = "linux")]
    pub(super) fn begin(&self, job: impl FnOnce(&mut L) + Send + 'static) {
        // A thread that has ended is noticed by whoever waits.
        let _ = self.jobs.get_or_init(start).send(Box::new(job));
    }

    /// Runs `job` and waits for it. `tell`, if any, is called in the caller's thread before a prompt may
    /// appear; without it the job may not unlock anything.
    pub(super) fn run<T: Send + 'static>(
        &self,
        tell: Option<&dyn Fn()>,
        job: impl FnOnce(&mut L, &Permission) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if let Some(&seconds) = self.given_up.get() {
            return Err(Error::TimedOut { seconds });
        }
        let (news, heard) = mpsc::channel();
        let (proceed, told) = mpsc::channel();
        let permission = Permission(tell.map(|_| asks_first(news.clone(), told)));
        let job: Job<L> = Box::new(move |link| {
            // The caller may have given up; then nobody is there to hear.
            let _ = news.send(News::Done(job(link, &permission)));
        });
        self.jobs.get_or_init(start).send(job).map_err(|_| thread_ended())?;
        self.listen(&heard, &proceed, tell)
    }

    fn listen<T>(
        &self,
        heard: &Receiver<News<T>>,
        proceed: &Sender<()>,
        tell: Option<&dyn Fn()>,
    ) -> Result<T, Error> {
        let mut limit = self.patience.answer;
        loop {
            match heard.recv_timeout(limit) {
                Ok(News::Done(result)) => return result,
                Ok(News::MayPrompt) => {
                    if let Some(tell) = tell {
                        tell();
                    }
                    limit = self.patience.unlock;
                    proceed.send(()).map_err(|_| thread_ended())?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = *self.given_up.get_or_init(|| limit.as_secs());
                    return Err(Error::TimedOut { seconds });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(thread_ended()),
            }
        }
    }
}

/// Announces a prompt and waits until the caller has told the person.
fn asks_first<T: Send + 'static>(
    news: Sender<News<T>>,
    told: Receiver<()>,
) -> Box<dyn Fn() -> Result<(), Error> + Send> {
    Box::new(move || {
        news.send(News::MayPrompt).map_err(|_| thread_ended())?;
        told.recv().map_err(|_| thread_ended())
    })
}

fn start<L: Default + 'static>() -> Sender<Job<L>> {
    let (jobs, work) = mpsc::channel::<Job<L>>();
    thread::spawn(move || {
        let mut link = L::default();
        for job in work {
            job(&mut link);
        }
    });
    jobs
}

fn thread_ended() -> Error {
    Error::Other { reason: "its thread ended".into() }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn worker(answer: Duration, unlock: Duration) -> Worker<u32> {
        Worker::new(Patience { answer, unlock }, Box::leak(Box::default()))
    }

    #[test]
    fn jobs_share_one_link() {
        let worker = worker(LONG, LONG);
        let add = |link: &mut u32, _: &Permission| {
            *link += 1;
            Ok(*link)
        };
        assert_eq!(worker.run(None, add).unwrap(), 1);
        assert_eq!(worker.run(None, add).unwrap(), 2);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_begun_is_done_before_the_next_job() {
        let worker = worker(LONG, LONG);
        worker.begin(|link| *link = 7);
        assert_eq!(worker.run(None, |link, _| Ok(*link)).unwrap(), 7);
    }

    #[test]
    fn a_job_that_hangs_is_given_up_and_nothing_is_asked_after_it() {
        let worker = worker(SHORT, LONG);
        let (_open, never) = mpsc::channel::<()>();
        let hung = worker.run(None, move |_, _| never.recv().map_err(|_| Error::Locked));
        assert!(matches!(hung, Err(Error::TimedOut { seconds: 0 })), "{hung:?}");
        let later = worker.run(None, |_, _| -> Result<(), Error> { panic!("asked again") });
        assert!(matches!(later, Err(Error::TimedOut { seconds: 0 })), "{later:?}");
    }

    #[test]
    fn a_prompt_is_announced_first_and_waited_for_longer() {
        let worker = worker(LONG, SHORT);
        let (open, never) = mpsc::channel::<()>();
        let told = Cell::new(0);
        let tell = || told.set(told.get() + 1);
        let result = worker.run(Some(&tell), move |_, permission| {
            permission.obtain()?;
            never.recv().map_err(|_| Error::Locked)
        });
        assert!(matches!(result, Err(Error::TimedOut { seconds: 0 })), "{result:?}");
        assert_eq!(told.get(), 1);
        drop(open);
    }

    #[test]
    fn without_a_person_a_prompt_is_not_permitted() {
        let result = worker(LONG, LONG).run(None, |_, permission| {
            assert!(!permission.may_unlock());
            permission.obtain()
        });
        assert!(matches!(result, Err(Error::Locked)), "{result:?}");
    }

    #[test]
    fn a_job_that_panics_is_an_error_now_and_later() {
        let worker = worker(LONG, LONG);
        let now = worker.run(None, |_, _| -> Result<(), Error> { panic!("on purpose") });
        assert_eq!(now.unwrap_err().to_string(), "the keychain failed (its thread ended)");
        let later = worker.run(None, |_, _| Ok(()));
        assert_eq!(later.unwrap_err().to_string(), "the keychain failed (its thread ended)");
    }
}
