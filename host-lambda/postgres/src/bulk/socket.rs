//! The socket under a bulk connection: it waits a moment for more when little has come.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::settings::Host;

/// How long the server may go on filling the socket before it is read again. A server sends 8 KiB at a time: to be
/// woken for each costs both sides more than the work itself.
const GATHERING: Duration = Duration::from_micros(300);

/// A read of at least so much is followed by the next one at once.
const PLENTY: usize = 64 * 1024;

/// How often nothing may have come before the socket is waited for in the usual way.
const PATIENCE: u32 = 8;

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connected socket. Its reads may sleep for fractions of a millisecond, so it belongs on a thread of its own.
pub(super) struct Socket {
    stream: Stream,
    /// The same socket, for reads that ask no reactor first.
    direct: std::fs::File,
    /// Set while a COPY streams.
    gathers: Arc<AtomicBool>,
    /// What the last read brought.
    last: usize,
}

impl Socket {
    /// Connects to a server; a name's addresses are tried in turn.
    pub(super) async fn connect(host: &Host, port: u16, gathers: Arc<AtomicBool>) -> io::Result<Self> {
        let (stream, direct) = match host {
            Host::Unix(folder) => {
                let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?.into_std()?;
                let direct = OwnedFd::from(stream.try_clone()?);
                (Stream::Unix(UnixStream::from_std(stream)?), direct)
            }
            Host::Tcp(name) => {
                let stream = connect_tcp(name, port).await?.into_std()?;
                stream.set_nodelay(true)?;
                let direct = OwnedFd::from(stream.try_clone()?);
                (Stream::Tcp(TcpStream::from_std(stream)?), direct)
            }
        };
        Ok(Self { stream, direct: direct.into(), gathers, last: PLENTY })
    }

    /// Reads what is there, having let more come if little came before.
    fn gathered(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waited = 0;
        loop {
            if self.last < PLENTY {
                std::thread::sleep(GATHERING);
            }
            match self.direct.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited < PATIENCE => {
                    waited += 1;
                    self.last = 0;
                }
                Ok(read) => {
                    // Who asks for little, as TLS does, and gets it, is not ahead of the server.
                    self.last = if read == buffer.len() { PLENTY } else { read };
                    return Ok(read);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Connects to the first of a name's addresses that takes it. A peer that is gone is noticed though nothing is sent.
async fn connect_tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    let mut refused = None;
    for address in tokio::net::lookup_host((name, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_keepalive(true)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let buffer = out.initialize_unfilled();
        if this.gathers.load(Ordering::Relaxed) {
            match this.gathered(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    out.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        loop {
            match &this.stream {
                Stream::Unix(stream) => ready!(stream.poll_read_ready(cx))?,
                Stream::Tcp(stream) => ready!(stream.poll_read_ready(cx))?,
            }
            let buffer = out.initialize_unfilled();
            let mut read = || this.direct.read(buffer);
            let read = match &this.stream {
                Stream::Unix(stream) => stream.try_io(Interest::READABLE, &mut read),
                Stream::Tcp(stream) => stream.try_io(Interest::READABLE, &mut read),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    out.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
