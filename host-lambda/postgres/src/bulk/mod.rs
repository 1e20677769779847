//! Connections that stream whole tables: rows become record batches on the thread that reads the socket.

mod socket;
mod tap;

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::mpsc::SyncSender;

use arrow_array::RecordBatch;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection::{Transport, drive};
use crate::settings::{ConnectionSettings, Host};
use crate::{CodecError, ConnectionError, CopyDecoder, DecodeSummary, PostgresError, RefusedValue};

use socket::Socket;
use tap::{Course, Diversion, Failure, Tap};

/// An open connection with a thread of its own, which ends with this value.
pub struct BulkConnection {
    client: Client,
    diversion: Diversion,
    driver: AbortHandle,
}

/// What a COPY gave besides batches.
#[derive(Debug)]
pub struct CopiedOut {
    /// What the stream held.
    pub summary: DecodeSummary,
    /// Rows with a value their column cannot hold.
    pub refused: Vec<RefusedValue>,
}

/// Why a COPY did not come to its end. The connection is of no use afterwards.
#[derive(Debug, thiserror::Error)]
pub enum CopyOutError {
    /// The server or the connection failed.
    #[error(transparent)]
    Server(#[from] PostgresError),
    /// The stream cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Whoever took the batches is gone.
    #[error("nobody takes the rows any more")]
    ReceiverGone,
}

impl BulkConnection {
    /// Runs `COPY … TO STDOUT (FORMAT binary)` and sends the rows as batches. While `batches` is full, the server waits.
    ///
    /// # Errors
    /// When the server refuses, the stream cannot be decoded, or the receiver is gone.
    pub async fn copy_out(
        &self,
        statement: &str,
        decoder: CopyDecoder,
        batches: SyncSender<RecordBatch>,
    ) -> Result<CopiedOut, CopyOutError> {
        self.diversion.set(Course { decoder, batches, failure: None });
        let streamed = self.stream(statement).await;
        let course = self.diversion.take();
        let Some(Course { mut decoder, batches, failure }) = course else { return Err(CopyOutError::ReceiverGone) };
        match failure {
            Some(Failure::Codec(error)) => return Err(error.into()),
            Some(Failure::ReceiverGone) => return Err(CopyOutError::ReceiverGone),
            None => streamed.map_err(PostgresError::from)?,
        }
        let refused = decoder.take_refused();
        let mut rest = Vec::new();
        let summary = decoder.finish(&mut rest)?;
        // The receiver may take its time, and the runtime's own threads may all be waiting for rows.
        let (done, sent) = oneshot::channel();
        let send = move || {
            let taken = rest.into_iter().try_for_each(|batch| batches.send(batch)).is_ok();
            // Whoever waited may be gone.
            let _ = done.send(taken);
        };
        std::thread::Builder::new().spawn(send).map_err(|_| CopyOutError::ReceiverGone)?;
        if sent.await == Ok(true) { Ok(CopiedOut { summary, refused }) } else { Err(CopyOutError::ReceiverGone) }
    }

    /// Waits for the stream's end; its content goes another way.
    async fn stream(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        let mut stream = pin!(self.client.copy_out(statement).await?);
        while stream.next().await.transpose()?.is_some() {}
        Ok(())
    }
}

impl std::fmt::Debug for BulkConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BulkConnection").field("closed", &self.client.is_closed()).finish_non_exhaustive()
    }
}

impl Deref for BulkConnection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for BulkConnection {
    fn drop(&mut self) {
        // In the middle of a COPY it would not notice before the end.
        self.diversion.calm();
        self.driver.abort();
    }
}

impl ConnectionSettings {
    /// Connects for streaming, on a thread of its own. `application_name` is what the server's views call the
    /// session, unless settings name it.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect_bulk(&self, application_name: &str) -> Result<BulkConnection, ConnectionError> {
        let (settings, name) = (self.clone(), application_name.to_owned());
        let (send, opened) = oneshot::channel();
        let failed =
            |source| ConnectionError::Refused { place: self.to_string(), source: PostgresError::local(source) };
        let place = self.to_string();
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(source) => {
                    let source = PostgresError::local(source);
                    return drop(send.send(Err(ConnectionError::Refused { place, source })));
                }
            };
            runtime.block_on(async {
                let diversion = Diversion::default();
                let opening = settings.by_transport(|transport| settings.open(transport, &name, &diversion));
                let (client, driver) = match opening.await {
                    Ok(opened) => opened,
                    // Whoever asked may have given up.
                    Err(error) => return drop(send.send(Err(error))),
                };
                let driver = tokio::spawn(driver);
                let connection = BulkConnection { client, diversion, driver: driver.abort_handle() };
                drop(send.send(Ok(connection)));
                // An error says only that it was aborted, which is how connections end here.
                let _ = driver.await;
            });
        };
        std::thread::Builder::new().name("postgres-bulk".to_owned()).spawn(work).map_err(failed)?;
        opened.await.unwrap_or_else(|_| Err(failed(io::Error::other("the thread ended"))))
    }

    async fn open(
        &self,
        transport: Transport,
        application_name: &str,
        diversion: &Diversion,
    ) -> Result<(Client, Driver), ConnectionError> {
        let place = || self.to_string();
        let unreachable =
            |source| ConnectionError::Unreachable { place: place(), source: PostgresError::local(source) };
        let socket = Socket::connect(&self.host, self.port, diversion.streams.clone()).await.map_err(unreachable)?;
        let config = self.config(application_name, transport.driver_mode());
        let explain = |error| self.explain(error);
        let (Transport::Tls(_), Host::Tcp(name)) = (transport, &self.host) else {
            let tap = Tap::new(socket, diversion.clone(), 0);
            let (client, driver) = config.connect_raw(tap, NoTls).await.map_err(explain)?;
            return Ok((client, Box::pin(drive(driver))));
        };
        let mut tls = MakeRustlsConnect::new(self.tls.client_config()?);
        let connect = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls, name).map_err(|error| {
            ConnectionError::Tls { place: place(), mode: self.tls.mode.name(), source: error.into() }
        })?;
        // The server's first byte says whether it encrypts.
        let tap = Tap::new(socket, diversion.clone(), 1);
        let (client, driver) = config.connect_raw(tap, Tapped(connect)).await.map_err(explain)?;
        Ok((client, Box::pin(drive(driver))))
    }
}

/// What keeps a connection going.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes an encrypted stream under which nothing is tapped, and taps what comes out of it.
struct Tapped<T>(T);

impl<T> TlsConnect<Tap<Socket>> for Tapped<T>
where
    T: TlsConnect<Socket> + Send + 'static,
    T::Error: Send,
    T::Future: Send,
    T::Stream: Send,
{
    type Stream = Tap<T::Stream>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: Tap<Socket>) -> Self::Future {
        Box::pin(async move {
            let (socket, diversion) = stream.into_parts()?;
            let stream = self.0.connect(socket).await.map_err(Into::into)?;
            Ok(Tap::new(stream, diversion, 0))
        })
    }
}
