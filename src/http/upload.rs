//! A request whose body is written piece by piece, in bounded memory, while the answer may
//! already come.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use url::Url;

use super::{Asked, Client, Error, Method, Request, Response, host};

/// Up to this many bytes go with a `Content-Length`, more are chunked, as git does it
/// (`http.postBuffer`, git-config(1)): servers and proxies are used to that.
const WHOLE: usize = 1 << 20;
/// The bytes of one chunk.
const CHUNK: usize = 64 << 10;
/// The chunks that wait at most for the network. Few, since all of them have to go out within one
/// limit of silence when the body has ended: nothing tells then how far they got.
const WAITING: usize = 4;

type Answer = Result<reqwest::Response, reqwest::Error>;

/// A request whose body is being written.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    request: Request,
    host: String,
    buffer: BytesMut,
    streaming: Option<Streaming>,
    sent: u64,
}

#[derive(Debug)]
struct Streaming {
    asked: Asked,
    body: mpsc::Sender<Result<Bytes, io::Error>>,
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
        let Self { body, answer, early, is_over, .. } = self;
        let sending = body.send(Ok(chunk));
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

    async fn answer(self) -> Result<Answer, JoinError> {
        let Self { body, answer, early, .. } = self;
        drop(body);
        match early {
            Some(answer) => answer,
            None => answer.await,
        }
    }
}

fn is_success(answered: &Result<Answer, JoinError>) -> bool {
    matches!(answered, Ok(Ok(answer)) if answer.status().is_success())
}

impl Upload {
    pub(super) fn start(client: &Client, request: Request) -> Result<Self, Error> {
        let host = host(&request.url);
        let client = client.clone();
        Ok(Self { client, request, host, buffer: BytesMut::new(), streaming: None, sent: 0 })
    }

    /// Takes the next bytes of the body. Where the server has answered already they are dropped:
    /// [`Upload::finish`] tells what it said.
    ///
    /// # Errors
    /// [`Error::Silent`] when the server reads nothing for too long.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
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
        self.sent
    }

    /// Ends the body and waits for the head of the answer, whatever it says.
    ///
    /// # Errors
    /// What kept it from being answered.
    pub fn finish(mut self) -> Result<Response, Error> {
        if self.streaming.is_none() {
            self.request.body = self.buffer.freeze();
            return self.client.send(self.request);
        }
        let last = self.buffer.split().freeze();
        if !last.is_empty() {
            self.stream(last)?;
        }
        let Some(streaming) = self.streaming else {
            unreachable!("set above, and by `stream`");
        };
        let asked = streaming.asked.clone();
        let answer = self.client.within(&self.host, streaming.answer())?;
        let answer = answer.map_err(|error| Error::Setup(error.to_string()))?;
        self.client.answered(asked, answer, self.host)
    }

    fn stream(&mut self, chunk: Bytes) -> Result<(), Error> {
        if self.streaming.is_none() {
            self.streaming = Some(self.open()?);
        }
        let Some(streaming) = self.streaming.as_mut() else { unreachable!("set above") };
        if streaming.is_over {
            return Ok(());
        }
        let length = chunk.len() as u64;
        self.client.within(&self.host, streaming.hand_over(chunk))?;
        if !streaming.is_over {
            self.sent += length;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Streaming, Error> {
        let (body, mut chunks) = mpsc::channel(WAITING);
        let chunks = stream::poll_fn(move |context| chunks.poll_recv(context));
        let placeholder = Request::new(Method::POST, Url::clone(&self.request.url));
        let request = std::mem::replace(&mut self.request, placeholder);
        let request = self.client.build(request, Some(reqwest::Body::wrap_stream(chunks)))?;
        let asked = Asked::now(&request);
        let answer = self.client.runtime().spawn(self.client.shared.inner.execute(request));
        Ok(Streaming { asked, body, answer, early: None, is_over: false })
    }
}
