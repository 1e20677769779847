//! Objects in and out of files, in pieces large enough for the parts of a lake.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::task::JoinHandle;

/// Read or written at once: each piece goes to a thread that may block.
const PIECE: usize = 1 << 20;

/// What the name of a file under way begins with.
const UNDER_WAY: &str = ".under-way-";

/// Numbers files under way; only one server writes into a folder.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Removes what a server that was killed had under way. A file may have become an object already: it has two names
/// then, and writing to the one would change the other.
pub(crate) fn clear(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNDER_WAY) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file that becomes an object when it is whole, and is gone otherwise.
pub(crate) struct Unfinished {
    path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Writes a body to a file of its own in `folder`.
    pub(crate) async fn write<E>(
        folder: &Path,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> io::Result<Self>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = folder.join(format!("{UNDER_WAY}{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        // Never one that is there: it may be an object's other name.
        let mut file = File::create_new(&path)?;
        let unfinished = Self { path, finished: false };
        let (mut pieces, mut held) = (Vec::new(), 0);
        loop {
            let piece = body.next().await.transpose().map_err(io::Error::other)?;
            let ended = piece.is_none();
            held += piece.as_ref().map_or(0, Bytes::len);
            pieces.extend(piece);
            if held >= PIECE || ended {
                (file, held) = (written(file, std::mem::take(&mut pieces)).await?, 0);
            }
            if ended {
                return Ok(unfinished);
            }
        }
    }

    /// The bytes so far.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(&self.path)?.len())
    }

    /// Puts the file in its place. With `new` only if nothing is there: false otherwise. One step either way, whoever
    /// else is at it.
    pub(crate) fn finish(mut self, place: &Path, new: bool) -> io::Result<bool> {
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if !new {
            std::fs::rename(&self.path, place)?;
            self.finished = true;
            return Ok(true);
        }
        match std::fs::hard_link(&self.path, place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !place.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // What is left behind the next server removes.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

async fn written(mut file: File, pieces: Vec<Bytes>) -> io::Result<File> {
    blocking(move || {
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        Ok(file)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The content of a file, which is read one piece ahead.
pub(crate) struct Content {
    ahead: Option<JoinHandle<io::Result<(File, Bytes)>>>,
}

impl Content {
    /// A file's content and length.
    pub(crate) async fn open(path: PathBuf) -> io::Result<(Self, u64)> {
        let (file, length) = blocking(move || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok((file, metadata.len()))
        })
        .await?;
        Ok((Self { ahead: Some(read(file)) }, length))
    }
}

fn read(mut file: File) -> JoinHandle<io::Result<(File, Bytes)>> {
    tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(PIECE);
        Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
        Ok((file, piece.into()))
    })
}

impl Stream for Content {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(ahead) = &mut self.ahead else { return Poll::Ready(None) };
        let read_ahead = ready!(Pin::new(ahead).poll(cx));
        self.ahead = None;
        Poll::Ready(match read_ahead.map_err(io::Error::other).flatten() {
            Ok((_, piece)) if piece.is_empty() => None,
            Ok((file, piece)) => {
                self.ahead = Some(read(file));
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        })
    }
}
