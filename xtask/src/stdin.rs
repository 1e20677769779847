//! Reading stdin in such a way that Ctrl-C need not wait for the line.

use std::io::{BufRead as _, BufReader, Error, Read as _, Result};

use tokio::runtime::Handle;

use crate::hint::advise;

/// So much is read at the most, in bytes: nothing that is asked for is longer.
const LONGEST: u64 = 64 * 1024;

/// A line, or all that is piped in.
pub(crate) async fn read(all: bool) -> Result<String> {
    let (line, read) = tokio::sync::oneshot::channel();
    // A thread of its own: a line that nobody types holds up nothing but it.
    std::thread::spawn(move || {
        let mut text = String::new();
        let mut stdin = BufReader::new(std::io::stdin().lock().take(LONGEST));
        let done = if all { stdin.read_to_string(&mut text) } else { stdin.read_line(&mut text) };
        // Nobody waits any more after Ctrl-C.
        let _ = line.send(done.map(|_| text));
    });
    read.await.map_err(Error::other)?
}

/// A line that a person types in answer to a question. Ctrl-C is no answer.
pub(crate) fn answer() -> anyhow::Result<String> {
    let typed = async {
        tokio::select! {
            typed = read(false) => Ok(typed?),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                Err(advise("interrupted: not approved", "nothing of this was done; the same command asks again"))
            }
        }
    };
    tokio::task::block_in_place(|| Handle::current().block_on(typed))
}
