//! The body of a request while it comes in: counted, and unpacked where it is gzip.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, BodyDataStream, Bytes};
use flate2::write::GzDecoder;
use futures_util::StreamExt;

/// As much of a body is kept for [`Request::body`](crate::Request::body); a pack is not a thing to
/// hold in memory twice.
const KEPT: usize = 64 * 1024;

/// What is known of a body so far; shared with the log, since a request is logged before its body
/// is there.
#[derive(Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    kept: Mutex<Vec<u8>>,
}

impl Meter {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn kept(&self) -> Vec<u8> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, chunk: &[u8]) {
        self.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..room]);
    }
}

/// The body of one request.
pub(crate) struct Upload {
    stream: BodyDataStream,
    meter: Arc<Meter>,
    unpacking: Option<GzDecoder<Vec<u8>>>,
    /// Read ahead and given back.
    ahead: Bytes,
}

impl Upload {
    pub(crate) fn new(body: Body, meter: Arc<Meter>) -> Upload {
        let stream = body.into_data_stream();
        Upload { stream, meter, unpacking: None, ahead: Bytes::new() }
    }

    /// From here on [`Upload::chunk`] gives what the gzip stream holds.
    pub(crate) fn unpack(mut self) -> Upload {
        self.unpacking = Some(GzDecoder::new(Vec::new()));
        self
    }

    /// The next part, or nothing at the end.
    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if !self.ahead.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ahead)));
        }
        while let Some(chunk) = self.stream.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            self.meter.count(&chunk);
            let chunk = match &mut self.unpacking {
                None => chunk,
                Some(decoder) => {
                    decoder.write_all(&chunk)?;
                    // The decoder holds back what it has until it is flushed.
                    decoder.flush()?;
                    Bytes::from(std::mem::take(decoder.get_mut()))
                }
            };
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        match self.unpacking.take() {
            None => Ok(None),
            Some(decoder) => {
                let rest = decoder.finish()?;
                Ok((!rest.is_empty()).then(|| Bytes::from(rest)))
            }
        }
    }

    /// Puts bytes back in front of what is still to come.
    pub(crate) fn give_back(&mut self, bytes: Bytes) {
        let mut ahead = bytes.to_vec();
        ahead.extend_from_slice(&self.ahead);
        self.ahead = Bytes::from(ahead);
    }

    /// Reads on until `limit` bytes came or the end; more than the limit can come, since a part is
    /// read whole.
    pub(crate) async fn read(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        while (read.len() as u64) < limit {
            match self.chunk().await? {
                Some(chunk) => read.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(read)
    }

    /// Reads to the end and keeps nothing.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }
}
