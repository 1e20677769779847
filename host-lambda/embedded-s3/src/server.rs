//! The HTTP side: a thread of its own, so that it serves whatever its opener's runtime is doing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::EmbeddedS3Error;
use crate::credentials::Credentials;
use crate::objects::Objects;

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts serving the buckets in a folder on a free loopback port.
    pub(crate) fn start(buckets: &Path, credentials: &Credentials) -> Result<Self, EmbeddedS3Error> {
        let objects = Objects::open(buckets)?;
        let mut builder = S3ServiceBuilder::new(objects);
        builder.set_auth(SimpleAuth::from_single(credentials.access_key.as_str(), credentials.secret_key.as_str()));
        let service = builder.build();

        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(EmbeddedS3Error::Start)?;
        listener.set_nonblocking(true).map_err(EmbeddedS3Error::Start)?;
        let address = listener.local_addr().map_err(EmbeddedS3Error::Start)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("embedded-s3")
            .enable_all()
            .build()
            .map_err(EmbeddedS3Error::Start)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).map_err(EmbeddedS3Error::Start)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("embedded-s3".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, service) => {}
                        _ = stopped => {}
                    }
                });
                // Dropping the runtime waits for file operations in flight.
            })
            .map_err(EmbeddedS3Error::Start)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when no request can touch the folder any more.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the local S3 server ended in a panic");
        }
    }
}

async fn accept(listener: TcpListener, service: S3Service) {
    let http = auto::Builder::new(TokioExecutor::new()).http1_only();
    // Connections end with the set when the server stops.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Without it every small answer waits 40 ms for the client's delayed acknowledgement.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(error = %error, "a connection to the local S3 server stays slow");
                }
                let connection = http.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(error, "a connection to the local S3 server broke");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: those of finished connections come back.
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the local S3 server cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}
