//! A request whose body is written piece by piece, in bounded memory, while the answer may
//! already come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinHandle};
use url::Url;

use super::pace::Pace;
use super::{Asked, Client, Error, Method, Request, Response, host};

/// Up to this many bytes go with a `Content-Length`, more are chunked, as git does it
/// (`http.postBuffer`, git-config(1)): servers and proxies are used to that.
const WHOLE: usize = 1 << 20;
/// The bytes that are handed over at once.
const CHUNK: usize = 64 << 10;
/// The chunks that wait at most for the network.
const WAITING: usize = 4;
/// The bytes that the network takes at once. They count as sent then, though hyper and the system
/// hold some of them back: hyper sixteen pieces, so small ones keep the count close to the truth.
const PIECE: usize = 8 << 10;

/// How often it is told how far a body has come.
const TICK: Duration = Duration::from_millis(100);

type Answer = Result<reqwest::Response, reqwest::Error>;

/// A request whose body is being written.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    request: Request,
    host: String,
    buffer: BytesMut,
    streaming: Option<Streaming>,
    flow: Arc<Flow>,
    written: u64,
}

/// What the network took of a body.
#[derive(Debug, Default)]
struct Flow {
    taken: AtomicU64,
    /// The bytes of all of the body, once that is known.
    whole: AtomicU64,
    /// Nothing more comes, and what came is all of it.
    has_ended: AtomicBool,
    is_through: Notify,
}

impl Flow {
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    fn take(&self, bytes: usize) {
        let taken = self.taken.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64;
        if taken == self.whole.load(Ordering::SeqCst) {
            self.is_through.notify_one();
        }
    }

    /// Says that the body has this many bytes, and waits until the last is taken.
    async fn through(&self, whole: u64) {
        self.whole.store(whole, Ordering::SeqCst);
        if self.taken() < whole {
            self.is_through.notified().await;
        }
    }
}

/// The body as the network takes it.
struct Body {
    chunks: mpsc::Receiver<Bytes>,
    pending: Bytes,
    /// The bytes that are left, where that is known before the request begins.
    left: Option<u64>,
    flow: Arc<Flow>,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.pending.is_empty() {
            match ready!(self.chunks.poll_recv(context)) {
                Some(chunk) => self.pending = chunk,
                None if self.flow.has_ended.load(Ordering::SeqCst) => return Poll::Ready(None),
                // With an end the server would take what came so far for all of it.
                None => return Poll::Ready(Some(Err(io::Error::other("the upload was given up")))),
            }
        }
        let length = self.pending.len().min(PIECE);
        let piece = self.pending.split_to(length);
        self.left = self.left.map(|left| left - length as u64);
        self.flow.take(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Streaming {
    asked: Asked,
    /// `None` once the body has ended.
    body: Option<mpsc::Sender<Bytes>>,
    answer: JoinHandle<Answer>,
    /// The answer, if its head came before the end of the body.
    early: Option<Result<Answer, JoinError>>,
    /// The rest of the body is not wanted: the answer is a refusal, or the connection has ended.
    is_over: bool,
}

impl Streaming {
    /// Hands a chunk to the network, unless the answer says that it is not wanted.
    ///
    /// The answer is waited for beside it: a server that refuses an upload need not read on, and
    /// its reason would be lost behind a silence. One that accepts may begin to answer while it
    /// still reads, as receive-pack does with its progress.
    async fn hand_over(&mut self, chunk: Bytes) {
        let Self { body: Some(body), answer, early, is_over, .. } = self else { return };
        let sending = body.send(chunk);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                sent = &mut sending => {
                    *is_over = sent.is_err();
                    return;
                }
                answered = &mut *answer, if early.is_none() => {
                    *is_over = !is_success(&answered);
                    *early = Some(answered);
                    if *is_over {
                        return;
                    }
                }
            }
        }
    }

    /// Ends the body and waits until the network has taken it all, or the answer is there.
    async fn end(&mut self, flow: &Flow, written: u64) {
        flow.has_ended.store(true, Ordering::SeqCst);
        self.body = None;
        if self.early.is_some() {
            return;
        }
        tokio::select! {
            answered = &mut self.answer => self.early = Some(answered),
            () = flow.through(written) => {}
        }
    }

    async fn answer(&mut self) -> Result<Answer, JoinError> {
        match self.early.take() {
            Some(answer) => answer,
            None => (&mut self.answer).await,
        }
    }
}

fn is_success(answered: &Result<Answer, JoinError>) -> bool {
    matches!(answered, Ok(Ok(answer)) if answer.status().is_success())
}

impl Upload {
    pub(super) fn start(client: &Client, request: Request) -> Result<Self, Error> {
        Ok(Self {
            client: client.clone(),
            host: host(&request.url),
            request,
            buffer: BytesMut::new(),
            streaming: None,
            flow: Arc::default(),
            written: 0,
        })
    }

    /// Takes the next bytes of the body. Where the server has answered already they are dropped:
    /// [`Upload::finish`] tells what it said.
    ///
    /// # Errors
    /// [`Error::Stalled`] when the network takes too little for too long.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.streaming.is_none() && self.buffer.len() <= WHOLE {
            return Ok(());
        }
        while self.buffer.len() >= CHUNK {
            let chunk = self.buffer.split_to(CHUNK).freeze();
            self.stream(chunk)?;
        }
        Ok(())
    }

    /// The bytes of the body that the network took so far.
    pub fn sent(&self) -> u64 {
        self.flow.taken()
    }

    /// Whether the network took all that was written, so that the server may have it. Of what it
    /// has not, nothing was done.
    pub fn is_sent(&self) -> bool {
        self.sent() == self.written
    }

    /// Ends the body and waits until the network took all of it, or the answer is there. `on` is
    /// told a few times a second how many bytes it took so far.
    ///
    /// # Errors
    /// [`Error::Stalled`] when the network takes too little for too long.
    pub fn end(&mut self, on: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let last = self.buffer.split().freeze();
        if self.streaming.is_none() {
            self.streaming = Some(self.open(Some(last.len()))?);
        }
        if !last.is_empty() {
            self.stream(last)?;
        }
        let Some(mut streaming) = self.streaming.take() else { unreachable!("opened above") };
        let ended = self.moving(streaming.end(&self.flow, self.written), on);
        self.streaming = Some(streaming);
        ended
    }

    /// Ends the body where that was not done yet, and waits for the head of the answer, whatever it
    /// says.
    ///
    /// # Errors
    /// What kept it from being answered.
    pub fn finish(&mut self) -> Result<Response, Error> {
        if self.streaming.as_ref().is_none_or(|streaming| streaming.body.is_some()) {
            self.end(&mut |_| {})?;
        }
        let Some(mut streaming) = self.streaming.take() else { unreachable!("opened by `end`") };
        let asked = streaming.asked.clone();
        // From here on the server works on what it got.
        let patience = self.client.shared.limits.work;
        let answer = self.client.within(patience, &self.host, streaming.answer())?;
        let answer = answer.map_err(|error| Error::Setup(error.to_string()))?;
        let answer = self.client.answered(asked, answer, self.host.clone())?;
        Ok(Response { silence: patience, ..answer })
    }

    fn stream(&mut self, chunk: Bytes) -> Result<(), Error> {
        let mut streaming = match self.streaming.take() {
            Some(streaming) => streaming,
            None => self.open(None)?,
        };
        let handed = match streaming.is_over {
            true => Ok(()),
            false => self.moving(streaming.hand_over(chunk), &mut |_| {}),
        };
        self.streaming = Some(streaming);
        handed
    }

    /// Waits for something that has an end as long as the body moves.
    pub(super) fn moving(
        &self,
        waiting: impl Future<Output = ()>,
        on: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
        let rule = self.client.shared.limits.stall;
        let stalled = || {
            let (bytes, seconds) = (rule.bytes, rule.window.as_secs());
            Error::Stalled { host: self.host.clone(), bytes, seconds }
        };
        self.client.runtime().block_on(async {
            tokio::pin!(waiting);
            let mut pace = Pace::new(rule, Instant::now(), self.flow.taken());
            loop {
                tokio::select! {
                    () = &mut waiting => return Ok(()),
                    () = tokio::time::sleep_until(pace.end().min(Instant::now() + TICK).into()) => {
                        on(self.flow.taken());
                        if pace.has_stalled(Instant::now(), self.flow.taken()) {
                            return Err(stalled());
                        }
                    }
                }
            }
        })
    }

    /// Begins the request; `length` is that of all of the body, if it is known.
    fn open(&mut self, length: Option<usize>) -> Result<Streaming, Error> {
        let (sender, chunks) = mpsc::channel(WAITING);
        let left = length.map(|length| length as u64);
        let body = Body { chunks, pending: Bytes::new(), left, flow: Arc::clone(&self.flow) };
        let placeholder = Request::new(Method::POST, Url::clone(&self.request.url));
        let request = std::mem::replace(&mut self.request, placeholder);
        // An empty body has its length said for it, see `build`.
        let body = (length != Some(0)).then(|| reqwest::Body::wrap(body));
        let request = self.client.build(request, body)?;
        let asked = Asked::now(&request);
        let answer = self.client.runtime().spawn(self.client.shared.inner.execute(request));
        Ok(Streaming { asked, body: Some(sender), answer, early: None, is_over: false })
    }
}
