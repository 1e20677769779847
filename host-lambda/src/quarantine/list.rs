//! What is in quarantine, for those who ask: row by row, with and without values.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use star_contract::{Column, Input};
use totesys_lake::{Bucket, FileEntry, OpenRow, OpenRows, StarLedger, StopRecord, TransformationRecord};
use totesys_warehouse::{WaitingFact, Warehouse};

use super::row_id::RowId;
use super::{cell, lines};
use crate::open_file::wanted_rows;
use crate::{HostError, Pipeline, row_key};

/// Why a row is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// A component refuses it; it is offered again.
    Refused,
    /// The codec could not hold it.
    Unreadable,
    /// It refers to a dimension row that is missing.
    Waiting,
    /// It is one of too many that were refused: its star's batch is stopped.
    Stopped,
}

/// A row in quarantine, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantineEntry {
    /// What [`Pipeline::quarantined`] takes.
    pub id: String,
    /// Why it is there.
    pub held: Held,
    /// The star; none for what no star has seen.
    pub star: Option<String>,
    /// The source table; for a waiting row the fact.
    pub table: String,
    /// The reason, in constant words.
    pub code: String,
    /// The batch that observed it.
    pub batch: u64,
    /// When that batch's snapshot was taken, in microseconds since 1970.
    pub observed_at: i64,
    /// Whether a newer version of its key was delivered since.
    pub overtaken: bool,
}

/// A row in quarantine with everything that is known of it: row data.
#[derive(Clone, Serialize)]
pub struct QuarantinedRow {
    /// What it is.
    #[serde(flatten)]
    pub entry: QuarantineEntry,
    /// The digest of the component that refused it first.
    pub component: Option<String>,
    /// The column at fault.
    pub column: Option<String>,
    /// The reason in words.
    pub text: Option<String>,
    /// The row.
    pub row: Map<String, Value>,
}

/// Open rows of one file: a star's, or nobody's when the codec could not hold them.
struct Opened {
    star: Option<StarLedger>,
    open: OpenRows,
}

/// Everything in quarantine, as the records have it.
struct Contents {
    opened: Vec<Opened>,
    stopped: Vec<StopRecord>,
    waiting: Vec<WaitingFact>,
    warehouse: Option<Warehouse>,
}

impl Opened {
    fn entry(&self, row: &OpenRow) -> QuarantineEntry {
        let OpenRows { batch, observed_at, table, from, .. } = &self.open;
        let (table, number) = (table.clone(), from + u64::from(row.row));
        let (id, held) = match self.star.clone() {
            Some(star) => (
                RowId::Refused { star: star.star().to_owned(), batch: batch.0, table: table.clone(), number },
                Held::Refused,
            ),
            None => (RowId::Unreadable { batch: batch.0, table: table.clone(), number }, Held::Unreadable),
        };
        QuarantineEntry {
            id: id.to_string(),
            held,
            star: self.star.as_ref().map(|star| star.star().to_owned()),
            table,
            code: row.code.clone(),
            batch: batch.0,
            observed_at: observed_at.0,
            overtaken: row.overtaken,
        }
    }

    /// The place in the file of a row by its number, if it is open.
    fn place(&self, number: u64) -> Option<u32> {
        let row = u32::try_from(number.checked_sub(self.open.from)?).ok()?;
        self.open.has(row).then_some(row)
    }
}

fn waiting_entry(waiting: &WaitingFact) -> QuarantineEntry {
    let WaitingFact { star, fact, batch, number, snapshot_micros, reason } = waiting;
    QuarantineEntry {
        id: RowId::Waiting { fact: fact.clone(), batch: *batch, number: *number }.to_string(),
        held: Held::Waiting,
        star: Some(star.clone()),
        table: fact.clone(),
        code: reason.clone(),
        batch: *batch,
        observed_at: *snapshot_micros,
        overtaken: false,
    }
}

fn text(line: &Value, field: &str) -> Option<String> {
    line.get(field).and_then(Value::as_str).map(str::to_owned)
}

fn row_of(line: &Value) -> Map<String, Value> {
    line.get("row").and_then(Value::as_object).cloned().unwrap_or_default()
}

impl Pipeline {
    /// What is in quarantine, of all stars or of one and the tables it reads: in the order observed, without values.
    ///
    /// # Errors
    /// When the lake or the warehouse cannot be read, or there is no such star.
    pub async fn quarantine(&self, star: Option<&str>) -> Result<Vec<QuarantineEntry>, HostError> {
        let contents = self.contents(star).await?;
        let opened = contents.opened.iter().flat_map(|opened| opened.open.rows().map(|row| opened.entry(&row)));
        let mut entries: Vec<QuarantineEntry> = opened.collect();
        for stopped in &contents.stopped {
            entries.extend(self.stopped_rows(stopped).await?.into_iter().map(|row| row.entry));
        }
        entries.extend(contents.waiting.iter().map(waiting_entry));
        Ok(entries)
    }

    /// Gives every row in quarantine with its values to `take`, until that fails.
    ///
    /// # Errors
    /// As for [`Pipeline::quarantine`], and what `take` says.
    pub async fn quarantined_rows<E: From<HostError>>(
        &self,
        star: Option<&str>,
        mut take: impl FnMut(QuarantinedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let contents = self.contents(star).await?;
        for opened in &contents.opened {
            let rows = self.opened_rows(opened, |row| opened.open.has(row)).await?;
            rows.into_iter().try_for_each(&mut take)?;
        }
        for stopped in &contents.stopped {
            self.stopped_rows(stopped).await?.into_iter().try_for_each(&mut take)?;
        }
        for waiting in &contents.waiting {
            if let Some(row) = waiting_row(contents.warehouse.as_ref(), waiting).await? {
                take(row)?;
            }
        }
        Ok(())
    }

    /// One row in quarantine with everything that is known of it.
    ///
    /// # Errors
    /// When nothing in quarantine has this id, or it cannot be read.
    pub async fn quarantined(&self, id: &str) -> Result<QuarantinedRow, HostError> {
        let missing = || HostError::NotInQuarantine { id: id.chars().take(200).collect() };
        let wanted: RowId = id.parse()?;
        let contents = self.contents(None).await?;
        let (of_star, number) = match &wanted {
            RowId::Refused { star, batch, table, number } => (Some((Some(star), batch, table)), *number),
            RowId::Unreadable { batch, table, number } => (Some((None, batch, table)), *number),
            RowId::Stopped { number, .. } => (None, *number),
            RowId::Waiting { .. } => (None, 0),
        };
        if let Some((star, batch, table)) = of_star {
            let mut opened = contents.opened.iter().filter(|opened| {
                opened.star.as_ref().map(StarLedger::star) == star.map(String::as_str)
                    && opened.open.batch.0 == *batch
                    && opened.open.table == *table
            });
            let found = opened.find_map(|opened| Some((opened, opened.place(number)?))).ok_or_else(missing)?;
            return self.opened_rows(found.0, |row| row == found.1).await?.pop().ok_or_else(missing);
        }
        if let RowId::Waiting { fact, batch, number } = &wanted {
            let same =
                |waiting: &&WaitingFact| waiting.fact == *fact && waiting.batch == *batch && waiting.number == *number;
            let waiting = contents.waiting.iter().find(same).ok_or_else(missing)?;
            return waiting_row(contents.warehouse.as_ref(), waiting).await?.ok_or_else(missing);
        }
        for stopped in &contents.stopped {
            let rows = self.stopped_rows(stopped).await?;
            if let Some(row) = rows.into_iter().find(|row| row.entry.id == id) {
                return Ok(row);
            }
        }
        Err(missing())
    }

    async fn contents(&self, star: Option<&str>) -> Result<Contents, HostError> {
        let pinned = self.pin().await?;
        let only = star.map(|star| pinned.entry(star)).transpose()?;
        let (mut opened, mut stopped) = (Vec::new(), Vec::new());
        for name in pinned.record.stars.keys().filter(|name| star.is_none_or(|star| star == *name)) {
            let newest = self.lake.newest_transformation(pinned.ledger(name)).await?;
            let done = newest.as_ref().map_or(0, |record| record.batch.0);
            stopped.extend(self.current_stop(name, done).await?);
            let open = newest.map(|record| record.into_record().open).unwrap_or_default();
            opened.extend(open.into_iter().map(|open| Opened { star: Some(pinned.ledger(name)), open }));
        }
        let manifest = self.lake.newest_manifest().await?.map(|manifest| manifest.into_record().unreadable);
        let read = |open: &OpenRows| only.is_none_or(|entry| entry.description.input(&open.table).is_some());
        let unreadable = manifest.unwrap_or_default().into_iter().filter(read);
        opened.extend(unreadable.map(|open| Opened { star: None, open }));
        let warehouse = self.prepared_warehouse(&pinned).await?;
        let waiting = match &warehouse {
            Some(warehouse) => warehouse.waiting_facts(star).await?,
            None => Vec::new(),
        };
        Ok(Contents { opened, stopped, waiting, warehouse })
    }

    /// How the batch after those a star has transformed was stopped, if it was.
    pub(crate) async fn current_stop(&self, star: &str, transformed: u64) -> Result<Option<StopRecord>, HostError> {
        let newest = self.lake.newest_stop(star).await?;
        Ok(newest.filter(|stop| stop.batch.0 > transformed).map(|stop| stop.into_record()))
    }

    async fn opened_rows(
        &self,
        opened: &Opened,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<QuarantinedRow>, HostError> {
        match &opened.star {
            Some(star) => self.refused_rows(opened, star, wanted).await,
            None => self.unreadable_rows(opened, wanted).await,
        }
    }

    async fn unreadable_rows(
        &self,
        opened: &Opened,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<QuarantinedRow>, HostError> {
        let lines = lines(self.lake.read_file(Bucket::Ingestion, &opened.open.file).await?);
        let rows = (0_u32..).zip(lines).filter(|(row, _)| wanted(*row)).filter_map(|(row, line)| {
            let entry = opened.entry(&opened.open.row(row)?);
            Some(QuarantinedRow {
                entry,
                component: None,
                column: text(&line, "column"),
                text: None,
                row: row_of(&line),
            })
        });
        Ok(rows.collect())
    }

    /// The rows stand in a Parquet file, the words about them in the JSON lines of their batch.
    async fn refused_rows(
        &self,
        opened: &Opened,
        star: &StarLedger,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<QuarantinedRow>, HostError> {
        let OpenRows { batch, table, file, .. } = &opened.open;
        let missing = || HostError::NoManifest { batch: batch.0 };
        let record = self.lake.transformation(star, *batch).await?.ok_or_else(missing)?.into_record();
        let columns = self.batch(*batch).await?.tables.remove(table).ok_or_else(missing)?.columns;
        let key = self.key_of(&record, table).await?;
        let said = self.said(&record, table, &key).await?;
        let bytes = self.lake.read_file(Bucket::TransformedData, file).await?;
        let mut rows = Vec::new();
        for (places, batch) in wanted_rows(table, bytes, &columns, wanted)? {
            for (at, place) in places.into_iter().enumerate() {
                let Some(open) = opened.open.row(place) else { continue };
                let values = columns.iter().zip(batch.columns());
                let row: Map<String, Value> =
                    values.map(|(column, values): (&Column, _)| (column.name.clone(), cell(values, at))).collect();
                let words = row_key::of_texts(&row, &key).and_then(|key| said.get(&key).cloned()).unwrap_or_default();
                rows.push(QuarantinedRow {
                    entry: opened.entry(&open),
                    component: Some(record.digest.clone()),
                    column: words.0,
                    text: words.1,
                    row,
                });
            }
        }
        Ok(rows)
    }

    async fn key_of(&self, record: &TransformationRecord, table: &str) -> Result<Vec<String>, HostError> {
        let catalog = self.lake.catalog(record.catalog).await?;
        let entry = catalog.as_ref().and_then(|catalog| catalog.stars.get(&record.star));
        let input: Option<&Input> = entry.and_then(|entry| entry.description.input(table));
        Ok(input.map(|input| input.key.clone()).unwrap_or_default())
    }

    /// Column and words of each refusal of a table, by the row's key.
    async fn said(
        &self,
        record: &TransformationRecord,
        table: &str,
        key: &[String],
    ) -> Result<HashMap<String, (Option<String>, Option<String>)>, HostError> {
        let mut said = HashMap::new();
        for line in self.lines_of(&record.quarantine).await? {
            if line.get("table").and_then(Value::as_str) == Some(table)
                && let Some(key) = row_key::of_texts(&row_of(&line), key)
            {
                said.entry(key).or_insert_with(|| (text(&line, "column"), text(&line, "text")));
            }
        }
        Ok(said)
    }

    async fn stopped_rows(&self, stop: &StopRecord) -> Result<Vec<QuarantinedRow>, HostError> {
        let lines = self.lines_of(&stop.quarantine).await?;
        let row = |(number, line): (u64, Value)| {
            let id = RowId::Stopped { star: stop.star.clone(), batch: stop.batch.0, number };
            let entry = QuarantineEntry {
                id: id.to_string(),
                held: Held::Stopped,
                star: Some(stop.star.clone()),
                table: text(&line, "table").unwrap_or_default(),
                code: text(&line, "code").unwrap_or_default(),
                batch: stop.batch.0,
                observed_at: stop.observed_at.0,
                overtaken: false,
            };
            let (column, text) = (text(&line, "column"), text(&line, "text"));
            QuarantinedRow { entry, component: Some(stop.digest.clone()), column, text, row: row_of(&line) }
        };
        Ok((0_u64..).zip(lines).map(row).collect())
    }

    async fn lines_of(&self, files: &[FileEntry]) -> Result<Vec<Value>, HostError> {
        let mut all = Vec::new();
        for file in files {
            all.extend(lines(self.lake.read_file(Bucket::TransformedData, file).await?));
        }
        Ok(all)
    }
}

async fn waiting_row(
    warehouse: Option<&Warehouse>,
    waiting: &WaitingFact,
) -> Result<Option<QuarantinedRow>, HostError> {
    let Some(warehouse) = warehouse else { return Ok(None) };
    let found = warehouse.waiting_fact(&waiting.fact, waiting.batch, waiting.number).await?;
    Ok(found.map(|(waiting, values)| QuarantinedRow {
        entry: waiting_entry(&waiting),
        component: None,
        column: None,
        text: None,
        row: values.into_iter().map(|(column, value)| (column, json!(value))).collect(),
    }))
}
