//! The current state of an input: which rows of the ingested files hold the newest version of a key that lives.
//!
//! Batches are walked from the newest back to one that holds the table whole. Of most rows only the key is read, and
//! of a table that was written whole and not changed since nothing is.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use star_contract::{Column, ColumnType, Input};
use totesys_lake::{BatchNumber, Bucket, FileEntry, KeySet, Lake, LakeError, Manifest, TableEntry};

use crate::HostError;
use crate::open_file::key_columns;
use crate::row_key::RowKeys;

/// Rows read from a file at a time: only keys.
const ROWS: usize = 64 * 1024;

/// A listed file of ingested rows, and which of them count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) file: FileEntry,
    /// One for each row of the file; `None` when all count.
    pub(crate) rows: Option<BooleanArray>,
}

/// The current state of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Folded {
    /// In the order to push them: the oldest batch first. A file of which no row counts is not among them.
    pub(crate) fragments: Vec<Fragment>,
    /// The rows that count.
    pub(crate) rows: u64,
}

/// The newest row of each living key, from manifests that stand newest first and reach back to a batch that holds the
/// table whole, or to the first one. A row that the codec could not hold has never been a row: the version before it
/// stands, unless the table was read whole since.
///
/// What decides is how a table was ingested, not how the input wants it: a candidate may want as changes what the live
/// component gets as a snapshot.
///
/// # Errors
/// When the manifests do not reach that far, one of them lacks the table, or a file cannot be read.
pub(crate) async fn fold(lake: &Lake, manifests: &[Manifest], input: &Input) -> Result<Folded, HostError> {
    fold_files(lake, manifests, input).await
}

/// Where the keys of listed files are read.
trait KeyFiles {
    async fn keys(&self, file: &FileEntry, columns: &[Column]) -> Result<Vec<RecordBatch>, HostError>;
}

impl KeyFiles for Lake {
    async fn keys(&self, file: &FileEntry, columns: &[Column]) -> Result<Vec<RecordBatch>, HostError> {
        let rows = self.read_rows(Bucket::Ingestion, file, columns, ROWS).await?;
        Ok(rows.collect::<Result<_, LakeError>>()?)
    }
}

async fn fold_files(files: &impl KeyFiles, manifests: &[Manifest], input: &Input) -> Result<Folded, HostError> {
    let entries = entries(manifests, &input.table)?;
    let columns = key_columns(input);
    let mut keys = Keys::of(&columns);
    // Only the newest set at or after a row's batch says whether the row lives: of two such sets the older one knows
    // less. A key that the older one lacks and the newer one has came back in between, with a newer row. Walking from
    // the newest batch, that is the first set met. It need not judge the rows of its own batch: they were seen under
    // the same snapshot.
    let mut newest_set: Option<&KeySet> = None;
    let mut batches = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        if let Some(set) = newest_set.filter(|_| !entry.files.is_empty() && !keys.judges_living()) {
            keys.begin_living(set.rows);
            for file in &set.files {
                for rows in files.keys(file, &columns).await? {
                    keys.live(&rows, &input.key)?;
                }
            }
        }
        // Nothing is compared with the keys of the oldest batch.
        let oldest = at + 1 == entries.len();
        let mut fragments = Vec::with_capacity(entry.files.len());
        for file in &entry.files {
            if oldest && keys.take_all() {
                fragments.push((file.rows, Fragment { file: file.clone(), rows: None }));
                continue;
            }
            let mut counts = Vec::with_capacity(usize::try_from(file.rows).unwrap_or_default());
            for rows in files.keys(file, &columns).await? {
                keys.judge(&rows, &input.key, !oldest, &mut counts)?;
            }
            fragments.extend(fragment(file, counts));
        }
        batches.push(fragments);
        newest_set = newest_set.or(entry.keys.as_ref());
    }
    let mut folded = Folded::default();
    for (rows, fragment) in batches.into_iter().rev().flatten() {
        folded.rows += rows;
        folded.fragments.push(fragment);
    }
    Ok(folded)
}

/// A table's entries that say anything of its current state, the newest first.
fn entries<'a>(manifests: &'a [Manifest], table: &str) -> Result<Vec<&'a TableEntry>, HostError> {
    let (mut entries, mut next) = (Vec::new(), None);
    for manifest in manifests {
        if let Some(missing) = next.filter(|next| *next != manifest.batch.0) {
            return Err(HostError::NoManifest { batch: missing });
        }
        let Some(entry) = manifest.tables.get(table) else {
            return Err(HostError::UnknownTable {
                table: table.to_owned(),
                known: manifest.tables.keys().cloned().collect(),
            });
        };
        // A snapshot that did not change is whole nevertheless: its files are an earlier batch's.
        if entry.changed || entry.whole {
            entries.push(entry);
        }
        if entry.begins_anew() || manifest.batch <= BatchNumber::FIRST {
            return Ok(entries);
        }
        next = Some(manifest.batch.0 - 1);
    }
    Err(next.map_or(HostError::NothingLoaded, |batch| HostError::NoManifest { batch }))
}

/// A file with its rows that count, and how many they are; none when none does.
fn fragment(file: &FileEntry, counts: Vec<bool>) -> Option<(u64, Fragment)> {
    let counted = counts.iter().filter(|counts| **counts).count();
    let rows = (counted < counts.len()).then(|| BooleanArray::from(counts));
    (counted > 0).then(|| (counted as u64, Fragment { file: file.clone(), rows }))
}

/// What is known of keys while batches are walked. A key of one integer, which is what large tables have, is kept as
/// such; any other as text.
enum Keys {
    Integers(Known<i64>),
    Texts(Known<String>),
}

impl Keys {
    fn of(columns: &[Column]) -> Self {
        match columns {
            [Column { column_type: ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64, .. }] => {
                Self::Integers(Known::default())
            }
            _ => Self::Texts(Known::default()),
        }
    }

    /// Whether every row counts, whatever its key.
    fn take_all(&self) -> bool {
        match self {
            Self::Integers(known) => known.take_all(),
            Self::Texts(known) => known.take_all(),
        }
    }

    fn judges_living(&self) -> bool {
        match self {
            Self::Integers(known) => known.living.is_some(),
            Self::Texts(known) => known.living.is_some(),
        }
    }

    /// From now on a row counts only if its key lives; so many do.
    fn begin_living(&mut self, keys: u64) {
        let keys = usize::try_from(keys).unwrap_or_default();
        match self {
            Self::Integers(known) => known.living = Some(HashSet::with_capacity(keys)),
            Self::Texts(known) => known.living = Some(HashSet::with_capacity(keys)),
        }
    }

    /// These keys live.
    fn live(&mut self, rows: &RecordBatch, key: &[String]) -> Result<(), HostError> {
        match self {
            Self::Integers(known) => known.living.get_or_insert_default().extend(integers(rows, key)?),
            Self::Texts(known) => {
                let living = known.living.get_or_insert_default();
                each_text(rows, key, |text| {
                    living.insert(text.to_owned());
                })?;
            }
        }
        Ok(())
    }

    /// Says of each row whether it counts, and remembers its key if there are older batches to come.
    fn judge(
        &mut self,
        rows: &RecordBatch,
        key: &[String],
        remember: bool,
        counts: &mut Vec<bool>,
    ) -> Result<(), HostError> {
        match self {
            Self::Integers(known) => {
                counts.extend(integers(rows, key)?.iter().map(|number| known.counts(number, remember)));
                Ok(())
            }
            Self::Texts(known) => each_text(rows, key, |text| counts.push(known.counts(text, remember))),
        }
    }
}

/// What is known of keys of one kind.
#[derive(Default)]
struct Known<K> {
    /// Keys of newer batches.
    seen: HashSet<K>,
    /// Every key that lives, once a newer batch has said so.
    living: Option<HashSet<K>>,
}

impl<K: Hash + Eq> Known<K> {
    fn take_all(&self) -> bool {
        self.seen.is_empty() && self.living.is_none()
    }

    fn counts<Q>(&mut self, key: &Q, remember: bool) -> bool
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
    {
        // The key of a row that is gone need not be remembered: the same set judges all older rows.
        let lives = self.living.as_ref().is_none_or(|living| living.contains(key));
        lives && !self.seen.contains(key) && (!remember || self.seen.insert(key.to_owned()))
    }
}

fn integers(rows: &RecordBatch, key: &[String]) -> Result<Vec<i64>, HostError> {
    let column = key.first().and_then(|key| rows.column_by_name(key)).ok_or_else(|| lacking(key))?;
    Ok(match column.data_type() {
        DataType::Int16 => column.as_primitive::<Int16Type>().values().iter().map(|key| i64::from(*key)).collect(),
        DataType::Int32 => column.as_primitive::<Int32Type>().values().iter().map(|key| i64::from(*key)).collect(),
        DataType::Int64 => column.as_primitive::<Int64Type>().values().to_vec(),
        _ => return Err(lacking(key)),
    })
}

fn each_text(rows: &RecordBatch, key: &[String], mut each: impl FnMut(&str)) -> Result<(), HostError> {
    let keys = RowKeys::of(rows, key).ok_or_else(|| lacking(key))?;
    let mut text = String::new();
    for row in 0..rows.num_rows() {
        keys.write(row, &mut text);
        each(&text);
    }
    Ok(())
}

/// A file is read with exactly the columns of the key, so nobody should ever see this.
fn lacking(key: &[String]) -> HostError {
    LakeError::ColumnMissing { column: key.join(", ") }.into()
}

#[cfg(test)]
mod tests;
