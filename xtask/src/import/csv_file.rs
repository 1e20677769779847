//! The files of a snapshot.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;

use crate::hint::advise;

/// How much of a file is sent at once.
const CHUNK: usize = 256 * 1024;

/// The longest header that is looked at.
const LONGEST_HEADER: u64 = 64 * 1024;

/// A CSV file for one table, its header read.
pub(super) struct CsvFile {
    pub(super) table: String,
    pub(super) path: PathBuf,
    pub(super) columns: Vec<String>,
}

/// The file of each table; all of them must be there before anything is loaded.
pub(super) fn open_all(directory: &Path, tables: &[&str]) -> Result<Vec<CsvFile>> {
    if !directory.is_dir() {
        return Err(advise(
            format!("{} is no folder", directory.display()),
            "name the folder that has a snapshot's CSV files",
        ));
    }
    let missing: Vec<String> =
        tables.iter().map(|table| format!("{table}.csv")).filter(|name| !directory.join(name).is_file()).collect();
    if !missing.is_empty() {
        return Err(advise(
            format!("{} lacks {}", directory.display(), missing.join(", ")),
            "a snapshot has one CSV file with a header for each of Totesys' eleven tables",
        ));
    }
    tables.iter().map(|table| CsvFile::open(directory, table)).collect()
}

impl CsvFile {
    fn open(directory: &Path, table: &str) -> Result<Self> {
        let path = directory.join(format!("{table}.csv"));
        let mut header = String::new();
        let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        BufReader::new(file.take(LONGEST_HEADER))
            .read_line(&mut header)
            .with_context(|| format!("the header of {} cannot be read", path.display()))?;
        let header = header.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if header.is_empty() {
            return Err(advise(format!("{} has no header", path.display()), "its first line must name the columns"));
        }
        let bare =
            |name: &str| name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).to_owned();
        let columns = header.split(',').map(bare).collect();
        Ok(Self { table: table.to_owned(), path, columns })
    }

    /// Lines below the header; fewer rows than that where a value spans lines.
    pub(super) fn estimate_rows(&self) -> Result<u64> {
        let mut lines = 0;
        for chunk in self.chunks()? {
            let chunk = chunk.with_context(|| format!("{} cannot be read", self.path.display()))?;
            lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        Ok(lines.saturating_sub(1))
    }

    /// The whole file, header included, piece by piece.
    pub(super) fn chunks(&self) -> Result<impl Iterator<Item = io::Result<Bytes>> + use<>> {
        let mut file = File::open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
        Ok(std::iter::from_fn(move || {
            let mut piece = Vec::with_capacity(CHUNK);
            match file.by_ref().take(CHUNK as u64).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some(Ok(Bytes::from(piece))),
                Err(error) => Some(Err(error)),
            }
        }))
    }
}
