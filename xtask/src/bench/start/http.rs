//! As much of an HTTP server as AWS's clients need: one request a connection.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How long a request may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port of this machine.
pub(super) struct Listener(TcpListener);

impl Listener {
    /// Listens on a free port.
    pub(super) async fn open() -> Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0").await.context("no port is free")?))
    }

    /// `127.0.0.1:<port>`.
    pub(super) fn address(&self) -> Result<String> {
        Ok(self.0.local_addr()?.to_string())
    }

    /// The next request, if it comes in time.
    pub(super) async fn next(&self) -> Result<Asked> {
        tokio::time::timeout(PATIENCE, self.accept()).await.with_context(|| format!("no request for {PATIENCE:?}"))?
    }

    async fn accept(&self) -> Result<Asked> {
        let (connection, _) = self.0.accept().await?;
        let mut connection = BufReader::new(connection);
        let path = line(&mut connection).await?.split(' ').nth(1).context("no request line")?.to_owned();
        let mut length = 0;
        loop {
            let header = line(&mut connection).await?.to_lowercase();
            match header.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("transfer-encoding", _)) => bail!("the body of {path} comes in pieces"),
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await?;
        Ok(Asked { path, body: serde_json::from_slice(&body).unwrap_or_default(), connection })
    }
}

async fn line(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) path: String,
    /// Null when it is no JSON.
    pub(super) body: Value,
    connection: BufReader<TcpStream>,
}

impl Asked {
    /// Answers with JSON.
    pub(super) async fn answer(mut self, status: u16, headers: &[(&str, &str)], body: &Value) -> Result<()> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers.iter().chain(&[("content-type", "application/json")]) {
            answer += &format!("{name}: {value}\r\n");
        }
        answer += &format!("\r\n{body}");
        self.connection.write_all(answer.as_bytes()).await?;
        Ok(self.connection.shutdown().await?)
    }
}
