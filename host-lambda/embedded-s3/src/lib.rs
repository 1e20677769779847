//! An S3 server in this process, for runs on one machine.
//!
//! The lake speaks to it with the same client code it speaks to AWS with. It listens on the
//! loopback interface only, wants its own random credentials, and keeps everything in one folder:
//!
//! ```text
//! FOLDER/buckets/<bucket>/<key>   the objects, as plain files
//! FOLDER/credentials.json         the key pair, readable by the owner only
//! FOLDER/server.lock              held by the process that serves
//! FOLDER/endpoint                 where that process listens
//! ```

mod credentials;
mod error;
mod file;
mod objects;
mod server;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::EmbeddedS3Error;

use credentials::Credentials;
use server::Server;

/// How long an opener waits for the process that holds the lock to publish a live endpoint.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to the one server of a folder; the first to open it is the server.
pub struct EmbeddedS3 {
    endpoint: String,
    credentials: Credentials,
    serving: Option<Serving>,
}

/// What the serving process holds; dropped in this order, so that nobody else serves the folder
/// before this server has stopped.
struct Serving {
    published: PathBuf,
    server: Server,
    _lock: File,
}

impl EmbeddedS3 {
    /// Serves the folder, or connects to the process that does.
    ///
    /// # Errors
    /// When the folder cannot be used, or its server does not answer.
    pub async fn open(folder: &Path) -> Result<Self, EmbeddedS3Error> {
        let buckets = folder.join("buckets");
        std::fs::create_dir_all(&buckets).map_err(EmbeddedS3Error::file("create", &buckets))?;
        let lock_path = folder.join("server.lock");
        let published = folder.join("endpoint");
        let deadline = Instant::now() + PATIENCE;
        // The holder may stop or start while this waits, so both ways are tried until one works.
        loop {
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&lock_path)
                .map_err(EmbeddedS3Error::file("open", &lock_path))?;
            match lock.try_lock() {
                Ok(()) => return Self::serve(folder, &buckets, published, lock),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(EmbeddedS3Error::file("lock", &lock_path)(source)),
            }
            if let Some(endpoint) = live_endpoint(&published).await {
                let credentials = Credentials::read(folder)?;
                tracing::debug!(endpoint, "connected to the S3 server of another process");
                return Ok(Self { endpoint, credentials, serving: None });
            }
            if Instant::now() > deadline {
                return Err(EmbeddedS3Error::Silent { folder: folder.to_owned() });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn serve(folder: &Path, buckets: &Path, published: PathBuf, lock: File) -> Result<Self, EmbeddedS3Error> {
        // What a killed process left must not be taken for this server's.
        match std::fs::remove_file(&published) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(EmbeddedS3Error::file("remove", &published)(source));
            }
            _ => {}
        }
        let credentials = Credentials::read_or_create(folder)?;
        let server = Server::start(buckets, &credentials)?;
        let endpoint = format!("http://{}", server.address());
        let unfinished = folder.join("endpoint.new");
        std::fs::write(&unfinished, &endpoint).map_err(EmbeddedS3Error::file("write", &unfinished))?;
        std::fs::rename(&unfinished, &published).map_err(EmbeddedS3Error::file("write", &published))?;
        tracing::debug!(endpoint, "serving S3");
        Ok(Self { endpoint, credentials, serving: Some(Serving { published, server, _lock: lock }) })
    }

    /// Where the server listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access key the server accepts.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.credentials.access_key
    }

    /// The secret key the server accepts.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.credentials.secret_key
    }

    /// Whether this is the server, or a connection to another's.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.serving.is_some()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // First, so that nobody finds the address of a server that is about to stop. Left behind
        // it does no harm: the next server removes it.
        let _ = std::fs::remove_file(&self.published);
        self.server.stop();
    }
}

/// The published endpoint, if something listens there.
async fn live_endpoint(published: &Path) -> Option<String> {
    let endpoint = std::fs::read_to_string(published).ok()?;
    let address = endpoint.strip_prefix("http://")?;
    tokio::net::TcpStream::connect(address).await.ok()?;
    Some(endpoint)
}
