//! What a COPY streams, taken out of the server's messages before the driver sees them.
//!
//! The driver hands every row on as a message of its own, through two queues and from task to task. Here rows are
//! decoded where the socket is read, and the driver sees what it needs to know: that the COPY began, ended or failed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use crate::{CodecError, CopyDecoder};

/// Read from the socket at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// The kind of the messages that carry rows.
const COPY_DATA: u8 = b'd';

/// Where rows go.
pub(super) struct Course {
    pub(super) decoder: CopyDecoder,
    pub(super) batches: SyncSender<RecordBatch>,
    /// Why the stream was left.
    pub(super) failure: Option<Failure>,
}

/// Why a stream was left before its end.
pub(super) enum Failure {
    Codec(CodecError),
    ReceiverGone,
}

impl Course {
    fn feed(&mut self, rows: &[u8]) -> Result<(), Failure> {
        let mut ready = Vec::new();
        self.decoder.push(rows, &mut ready).map_err(Failure::Codec)?;
        ready.into_iter().try_for_each(|batch| self.batches.send(batch)).map_err(|_| Failure::ReceiverGone)
    }
}

/// The course that is set, if one is. Shared by the connection's task and whoever starts a COPY.
#[derive(Clone, Default)]
pub(super) struct Diversion {
    course: Arc<Mutex<Option<Course>>>,
    /// Whether rows come, for the socket.
    pub(super) streams: Arc<AtomicBool>,
}

impl Diversion {
    pub(super) fn set(&self, course: Course) {
        *self.lock() = Some(course);
    }

    pub(super) fn take(&self) -> Option<Course> {
        self.calm();
        self.lock().take()
    }

    /// Has the socket read as any other, so that its task takes note of what is asked of it.
    pub(super) fn calm(&self) {
        self.streams.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Course>> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of the server's messages out of which rows can be diverted.
pub(super) struct Tap<S> {
    stream: S,
    diversion: Diversion,
    buffer: Box<[u8]>,
    /// Read and not used yet.
    start: usize,
    end: usize,
    /// Bytes of the message at hand that go to the driver.
    passing: usize,
    /// Bytes of the message at hand that are rows.
    diverting: usize,
    /// Whether the message before was rows.
    streaming: bool,
}

impl<S> Tap<S> {
    /// `preamble` is the number of bytes before the first message.
    pub(super) fn new(stream: S, diversion: Diversion, preamble: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { stream, diversion, buffer, start: 0, end: 0, passing: preamble, diverting: 0, streaming: false }
    }

    /// The stream, which has been read no further than its messages were taken.
    pub(super) fn into_parts(self) -> io::Result<(S, Diversion)> {
        // What was sent before encryption began could have been sent by anybody.
        if self.start < self.end {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server went on before it was asked to"));
        }
        Ok((self.stream, self.diversion))
    }

    /// Looks at the head of the next message, if it is there.
    fn next_message(&mut self, diverts: bool) -> io::Result<bool> {
        let Some((head, _)) = self.buffer[self.start..self.end].split_first_chunk::<5>() else { return Ok(false) };
        let [kind, a, b, c, d] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(content) = length.checked_sub(4) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message shorter than its own length"));
        };
        if diverts && kind == COPY_DATA {
            self.start += head.len();
            if !self.streaming {
                self.streaming = true;
                self.diversion.streams.store(true, Ordering::Relaxed);
            }
            self.diverting = content;
        } else {
            if self.streaming {
                self.streaming = false;
                self.diversion.calm();
            }
            self.passing = head.len() + content;
        }
        Ok(true)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let diversion = this.diversion.clone();
        let mut course = diversion.lock();
        loop {
            let held = this.end - this.start;
            if this.passing > 0 && held > 0 {
                let count = this.passing.min(held).min(out.remaining());
                out.put_slice(&this.buffer[this.start..this.start + count]);
                this.start += count;
                this.passing -= count;
                return Poll::Ready(Ok(()));
            }
            if this.diverting > 0 && held > 0 {
                let count = this.diverting.min(held);
                let rows = &this.buffer[this.start..this.start + count];
                if let Some(course) = course.as_mut()
                    && let Err(failure) = course.feed(rows)
                {
                    course.failure = Some(failure);
                    return Poll::Ready(Err(io::Error::other("the rows were of no use")));
                }
                this.start += count;
                this.diverting -= count;
                continue;
            }
            if this.passing == 0 && this.diverting == 0 && this.next_message(course.is_some())? {
                continue;
            }
            this.buffer.copy_within(this.start..this.end, 0);
            (this.start, this.end) = (0, this.end - this.start);
            let mut room = ReadBuf::new(&mut this.buffer[this.end..]);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut room))?;
            match room.filled().len() {
                0 => return Poll::Ready(Ok(())),
                read => this.end += read,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Tap<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}
