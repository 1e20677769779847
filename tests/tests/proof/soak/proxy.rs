//! What stands between a run and its servers: it cuts connections and answers with errors, as a seed has it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use totesys_simulate::Random;

/// The longest head of a request that is waited for.
const HEAD_BYTES: usize = 64 << 10;

/// What was done to whom.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// While it is calm, everything passes.
    pub(super) calm: AtomicBool,
    /// PostgreSQL connections that were cut.
    pub(super) dropped: AtomicU64,
    /// S3 requests that were answered with 500 or 503, unheard.
    pub(super) refused: AtomicU64,
    /// S3 requests that were cut before anything of them arrived.
    pub(super) lost: AtomicU64,
    /// S3 requests that were carried out and whose answer was cut.
    pub(super) unanswered: AtomicU64,
}

impl Trouble {
    pub(super) fn count(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A proxy on a loopback port; it ends with this value.
pub(super) struct Proxy {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// In front of PostgreSQL: every fifth connection or so is to be cut after some bytes, if it carries so many.
    pub(super) async fn of_postgres(socket: PathBuf, trouble: Arc<Trouble>, seed: u64) -> Self {
        Self::start(seed, move |client, random| {
            let (socket, trouble) = (socket.clone(), Arc::clone(&trouble));
            let most = *random.pick(&[3_000, 30_000, 200_000]).expect("there are three");
            let bytes = random.between(1, most);
            let fated = random.chance(0.2) && !trouble.calm.load(Ordering::Relaxed);
            async move {
                let server = UnixStream::connect(socket).await?;
                let left = AtomicI64::new(if fated { bytes } else { i64::MAX });
                if carry(client, server, &left).await? {
                    trouble.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
        })
        .await
    }

    /// In front of S3, one request for each connection: every twelfth or so fails in one of three ways.
    pub(super) async fn of_s3(upstream: String, trouble: Arc<Trouble>, seed: u64) -> Self {
        Self::start(seed, move |client, random| {
            let (upstream, trouble) = (upstream.clone(), Arc::clone(&trouble));
            let fated = random.chance(0.08) && !trouble.calm.load(Ordering::Relaxed);
            let fate = if fated { random.between(1, 3) } else { 0 };
            let (status, bytes) = (random.chance(0.5), random.between(1, 2_000));
            async move { request(client, &upstream, fate, status, bytes, &trouble).await }
        })
        .await
    }

    async fn start<F, W>(seed: u64, serve: F) -> Self
    where
        F: Fn(TcpStream, &mut Random) -> W + Send + 'static,
        W: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let task = tokio::spawn(async move {
            let mut random = Random::new(seed);
            while let Ok((client, _)) = listener.accept().await {
                // A connection that fails is what this is for.
                tokio::spawn(serve(client, &mut random));
            }
        });
        Self { port, task }
    }
}

/// Carries bytes both ways until both ends have closed or the bytes are used up: then it is cut, and true.
async fn carry<S>(client: TcpStream, server: S, left: &AtomicI64) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite,
{
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = tokio::io::split(server);
    let there = pump(client_reads, server_writes, left);
    let back = pump(server_reads, client_writes, left);
    let (mut there, mut back) = (std::pin::pin!(there), std::pin::pin!(back));
    tokio::select! {
        cut = &mut there => if cut? { Ok(true) } else { back.await },
        cut = &mut back => if cut? { Ok(true) } else { there.await },
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, left: &AtomicI64) -> io::Result<bool> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(false);
        }
        let bytes = i64::try_from(read).unwrap_or(i64::MAX);
        let before = left.fetch_sub(bytes, Ordering::Relaxed);
        // What still fits goes through, so that the other end sees a message broken off in the middle.
        let passing = usize::try_from(before.clamp(0, bytes)).unwrap_or(read);
        to.write_all(&buffer[..passing]).await?;
        if passing < read {
            return Ok(true);
        }
    }
}

/// One request: 0 passes, 1 is answered with an error, 2 is lost, 3 is carried out and not answered.
async fn request(
    mut client: TcpStream,
    upstream: &str,
    fate: i64,
    busy: bool,
    bytes: i64,
    trouble: &Trouble,
) -> io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 2;
        }
        let mut piece = [0; 4096];
        let read = client.read(&mut piece).await?;
        if read == 0 || head.len() > HEAD_BYTES {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    };
    if fate == 1 {
        trouble.refused.fetch_add(1, Ordering::Relaxed);
        let status = if busy { "503 Slow Down" } else { "500 Internal Server Error" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).await;
    }
    if fate == 2 {
        trouble.lost.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    // Neither end keeps the connection, so that the next request has a fate of its own. The header is not signed.
    head.splice(end..end, *b"connection: close\r\n");
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&head).await?;
    if fate == 3 {
        // The request goes through whole; of the answer, some bytes or none.
        let (mut client_reads, mut client_writes) = client.into_split();
        let (mut server_reads, mut server_writes) = server.into_split();
        let sending = tokio::io::copy(&mut client_reads, &mut server_writes);
        let mut answer = vec![0; usize::try_from(bytes).unwrap_or(1)];
        let answered = tokio::select! {
            read = server_reads.read(&mut answer) => read?,
            sent = sending => {
                sent?;
                server_reads.read(&mut answer).await?
            }
        };
        trouble.unanswered.fetch_add(1, Ordering::Relaxed);
        return client_writes.write_all(&answer[..answered / 2]).await;
    }
    carry(client, server, &AtomicI64::new(i64::MAX)).await.map(|_| ())
}
