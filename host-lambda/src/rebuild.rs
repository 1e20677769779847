//! A star computed again from the ingested batches, in a generation of its own, and swapped in.
//!
//! Transformations of the new generation are recorded beside those of the one before, and the whole warehouse is
//! filled once more in a shadow of itself: the star from its new transformations, the others from those they have, in
//! the order in which they were loaded first. So record ids and what waits for what come out as they did. The new
//! generation counts from the catalog record on that names it; then one transaction swaps the tables. Whatever is
//! interrupted is gone on with by the same call.

use std::time::{Duration, Instant};

use serde::Serialize;
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, CatalogRecord, Committed, Generation, Micros, RebuildRecord, StarLedger, TransformationRecord,
};
use totesys_warehouse::{FormerTables, LakeStamp, SwapReport, TableSummary, Warehouse, WarehouseError};

use crate::catalog::Pinned;
use crate::load::Recorded;
use crate::{HostError, Pipeline};

/// How long a swap is tried for that batches loaded meanwhile or readers stand in the way of; once the catalog names
/// the generation, the star waits for it.
const PATIENCE: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(300)];

/// How long is waited before it is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether a swap is only gone through.
#[derive(Debug, Clone, Copy)]
enum Swap {
    Rehearsed,
    Done,
}

/// A rebuild that is ready to be swapped in.
#[derive(Debug, Serialize)]
pub struct Rebuild {
    /// The star.
    pub star: String,
    /// The generation of its transformations.
    pub generation: u64,
    /// The live component it was computed with.
    pub digest: String,
    /// The first batch that was transformed again.
    pub from: u64,
    /// The newest batch it covers.
    pub through: u64,
    /// Rows the component refused of the batches that were transformed again.
    pub refused: u64,
    /// Changes that are still refused after the newest batch.
    pub open: u64,
    /// Rows of each of the star's tables: as they are, and as they would be.
    pub tables: Vec<RebuiltTable>,
    /// Whether the catalog has it already, and only the swap is left.
    pub committed: bool,
}

/// A table before and after.
#[derive(Debug, Serialize)]
pub struct RebuiltTable {
    /// The table.
    pub table: String,
    /// Its rows now; of a fact, all versions.
    pub rows_now: u64,
    /// Its rows when the rebuild is swapped in.
    pub rows_then: u64,
    /// Facts that will wait for a dimension row.
    pub waiting_then: u64,
}

impl Pipeline {
    /// Transforms a star's batches again with its live component, and loads the result into the shadow. The warehouse
    /// is as it was; a rebuild that was interrupted is gone on with.
    ///
    /// # Errors
    /// When the component fails on a batch, a batch lacks what it reads, former tables are still kept, or the role may
    /// not make schemas.
    pub async fn rebuild(&self, star: &str, from: Option<u64>) -> Result<Rebuild, HostError> {
        let pinned = self.pin().await?;
        pinned.entry(star)?;
        let stamp = self.stamp().await?.ok_or(HostError::NothingLoaded)?;
        let mut warehouse = self.warehouse(&stamp).await?;
        if let Some(FormerTables { schema, .. }) = warehouse.former().await? {
            return Err(WarehouseError::FormerKept { schema }.into());
        }
        self.refuse_beside_another(&warehouse, &pinned, star).await?;
        // A warehouse that is empty has yet to be filled, whatever the generation.
        let behind = warehouse.generation(star).await? < pinned.ledger(star).current();
        let committed = behind && warehouse.loaded(star).await?.is_some();
        if let Some(from) = from.filter(|_| committed)
            && pinned.ledger(star).first().0 != from
        {
            return Err(HostError::RebuildOvertaken { star: star.to_owned() });
        }
        let pinned = if committed { pinned } else { self.begin_rebuild(pinned, star, from.map(BatchNumber)).await? };
        self.transform_again(&pinned, star).await?;
        let shadow = self.fill_shadow(&mut warehouse, &stamp, &pinned, star).await?;
        self.preview(&warehouse, &shadow, &pinned, star, committed).await
    }

    /// A star that waits for a swap would be loaded into the shadow as it is in no warehouse yet.
    async fn refuse_beside_another(&self, warehouse: &Warehouse, pinned: &Pinned, star: &str) -> Result<(), HostError> {
        for other in pinned.stars().into_iter().filter(|other| *other != star) {
            let behind = warehouse.generation(other).await? < pinned.ledger(other).current();
            if behind && warehouse.loaded(other).await?.is_some() {
                return Err(HostError::RebuildPending { star: other.to_owned() });
            }
        }
        Ok(())
    }

    /// Makes a rebuild count and swaps its tables in, by one transaction.
    ///
    /// # Errors
    /// When the star's live component is another by now, and what the warehouse refuses.
    pub async fn swap_rebuild(&self, rebuild: &Rebuild) -> Result<SwapReport, HostError> {
        let star = rebuild.star.as_str();
        let stamp = self.stamp().await?.ok_or(HostError::NothingLoaded)?;
        let mut warehouse = self.warehouse(&stamp).await?;
        let mut pinned = self.pin().await?;
        if pinned.ledger(star).current() != rebuild.generation {
            let begun = self.lake.newest_rebuild(star).await?.map(totesys_lake::Stored::into_record);
            let begun = begun.filter(|begun| begun.generation == rebuild.generation && fits(begun, &pinned, star));
            let begun = begun.ok_or_else(|| HostError::RebuildOvertaken { star: star.to_owned() })?;
            pinned = with_ledger(pinned, &ledger_of(&begun));
            // Once the catalog names the generation the star waits for the swap: what could refuse it is met before.
            self.swap(&mut warehouse, &stamp, &pinned, star, Swap::Rehearsed).await?;
            failpoint::pass("rebuild:before-catalog");
            let note = format!("rebuild of {star} from batch {}: generation {}", rebuild.from, rebuild.generation);
            pinned = self.append(pinned, note).await?;
            failpoint::pass("rebuild:cataloged");
        }
        self.swap(&mut warehouse, &stamp, &pinned, star, Swap::Done).await
    }

    /// Swaps, or goes through all of a swap without doing it. Runs that had pinned the record before may load more
    /// meanwhile, and readers stand in the way of locks: both pass.
    async fn swap(
        &self,
        warehouse: &mut Warehouse,
        stamp: &LakeStamp,
        pinned: &Pinned,
        star: &str,
        swap: Swap,
    ) -> Result<SwapReport, HostError> {
        let generation = pinned.ledger(star).current();
        let descriptions: Vec<_> = pinned.descriptions().cloned().collect();
        let until = Instant::now() + PATIENCE[usize::from(matches!(swap, Swap::Done))];
        loop {
            self.transform_again(pinned, star).await?;
            self.fill_shadow(warehouse, stamp, pinned, star).await?;
            let owners = &pinned.record.owners;
            let swapped = match swap {
                Swap::Rehearsed => warehouse.rehearse_swap(&descriptions, owners, star, generation).await,
                Swap::Done => warehouse.swap_in(&descriptions, owners, star, generation).await,
            };
            match swapped {
                Err(error) if Instant::now() < until && (error.is_transient() || error.is_behind()) => {
                    tracing::info!(%error, "the swap is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                other => return Ok(other?),
            }
        }
    }

    /// The tables that a rebuild replaced, until they are accepted or put back.
    ///
    /// # Errors
    /// When the warehouse cannot be read.
    pub async fn former_tables(&self) -> Result<Option<FormerTables>, HostError> {
        let warehouse = self.existing_warehouse().await?.ok_or(HostError::NothingLoaded)?;
        Ok(warehouse.former().await?)
    }

    /// Drops the tables that a rebuild replaced; says which.
    ///
    /// # Errors
    /// When there are none, or others' objects depend on them.
    pub async fn accept_rebuild(&self, star: &str) -> Result<Vec<String>, HostError> {
        let mut warehouse = self.existing_warehouse().await?.ok_or(HostError::NothingLoaded)?;
        self.of_star(&warehouse, star).await?;
        Ok(warehouse.accept_rebuild().await?)
    }

    /// Puts the tables back that a rebuild replaced. The star goes on from there in a generation that stands on the
    /// one before the rebuild.
    ///
    /// # Errors
    /// When there are none, or others' objects depend on the rebuilt tables.
    pub async fn undo_rebuild(&self, star: &str) -> Result<u64, HostError> {
        let mut warehouse = self.existing_warehouse().await?.ok_or(HostError::NothingLoaded)?;
        let former = self.of_star(&warehouse, star).await?;
        let mut pinned = self.pin().await?;
        let ledger = pinned.ledger(star);
        let generation = if ledger.current() == former.generation {
            let before = StarLedger::new(star, ledger.generations().split_last().map_or(&[], |(_, before)| before));
            let newest = self.lake.newest_transformation(&before).await?.map_or(0, |record| record.batch.0);
            let from = BatchNumber(newest).next();
            let begun = self.reserve(&pinned, star, from, before.generations().to_vec()).await?;
            let next = before.then(Generation { number: begun.generation, from });
            let descriptions: Vec<_> = pinned.descriptions().cloned().collect();
            let owners = &pinned.record.owners;
            patiently(async || warehouse.rehearse_undo(&descriptions, owners, star, begun.generation).await).await?;
            let note = format!("rebuild of {star} undone: generation {}", begun.generation);
            pinned = self.append(with_ledger(pinned, &next), note).await?;
            begun.generation
        } else {
            // The catalog says so already: what was interrupted is done now.
            ledger.current()
        };
        let descriptions: Vec<_> = pinned.descriptions().cloned().collect();
        let owners = &pinned.record.owners;
        patiently(async || warehouse.undo_rebuild(&descriptions, owners, star, generation).await).await?;
        Ok(generation)
    }

    /// The former tables, if they are those of this star's rebuild.
    async fn of_star(&self, warehouse: &Warehouse, star: &str) -> Result<FormerTables, HostError> {
        let former = warehouse.former().await?.filter(|former| former.star == star);
        former.ok_or_else(|| HostError::NoRebuild { star: star.to_owned() })
    }

    /// The record as it would be with the rebuild in it: one that was begun and still fits, or a new one.
    async fn begin_rebuild(&self, pinned: Pinned, star: &str, from: Option<BatchNumber>) -> Result<Pinned, HostError> {
        let base = pinned.ledger(star);
        let newest = self.lake.newest_manifest().await?.ok_or(HostError::NothingLoaded)?.batch;
        let (first, latest) = match self.lake.newest_transformation(&base).await? {
            Some(last) => (self.first_transformed(&base, last.batch).await?, last.batch.next()),
            None => {
                let first = self.first_known(star, newest).await?;
                (first, first)
            }
        };
        let from = from.unwrap_or(first);
        if from > newest || from.0 == 0 {
            return Err(HostError::NoManifest { batch: from.0 });
        }
        // Between what is there and what is made anew no batch may be left out.
        if from > latest {
            return Err(HostError::RebuildGap { star: star.to_owned(), from: from.0, latest: latest.0 });
        }
        if let Some(begun) = self.lake.newest_rebuild(star).await?
            && begun.from == from
            && fits(&begun, &pinned, star)
        {
            tracing::info!(star, generation = begun.generation, "going on with a rebuild that was begun");
            return Ok(with_ledger(pinned, &ledger_of(&begun)));
        }
        let begun = self.reserve(&pinned, star, from, base.generations().to_vec()).await?;
        failpoint::pass("rebuild:begun");
        Ok(with_ledger(pinned, &ledger_of(&begun)))
    }

    /// Takes the next number of a generation of the star.
    async fn reserve(
        &self,
        pinned: &Pinned,
        star: &str,
        from: BatchNumber,
        on: Vec<Generation>,
    ) -> Result<RebuildRecord, HostError> {
        let begun = self.lake.newest_rebuild(star).await?.map_or(0, |begun| begun.generation);
        let record = RebuildRecord {
            star: star.to_owned(),
            generation: begun.max(pinned.ledger(star).current()) + 1,
            attempt: Attempt::random()?,
            from,
            on,
            digest: pinned.entry(star)?.digest.clone(),
            catalog: pinned.record.number,
            begun_at: Micros::now(),
        };
        match self.lake.commit_rebuild(&record).await? {
            Committed::Ours => Ok(record),
            Committed::Theirs(_) => Err(HostError::RebuildOvertaken { star: star.to_owned() }),
        }
    }

    /// Transforms every batch that the star's ledger lacks.
    async fn transform_again(&self, pinned: &Pinned, star: &str) -> Result<(), HostError> {
        let ledger = pinned.ledger(star);
        let Some(newest) = self.lake.newest_manifest().await?.map(|manifest| manifest.batch) else { return Ok(()) };
        let last = self.lake.newest_transformation(&ledger).await?;
        let mut next = last.map_or(ledger.first(), |last| last.batch.next());
        while next <= newest {
            self.transform_one(pinned, &ledger, next).await?;
            failpoint::pass("rebuild:transformed");
            next = next.next();
        }
        Ok(())
    }

    /// Loads what the shadow lacks; one that was begun for something else is made anew.
    async fn fill_shadow(
        &self,
        warehouse: &mut Warehouse,
        stamp: &LakeStamp,
        pinned: &Pinned,
        star: &str,
    ) -> Result<Warehouse, HostError> {
        let generation = pinned.ledger(star).current();
        let options = warehouse.shadow_options().await?;
        let begun = warehouse.shadow_is_for(star, generation).await?;
        let descriptions: Vec<_> = pinned.descriptions().cloned().collect();
        if !begun {
            warehouse.expect(&descriptions, &pinned.record.owners)?;
            warehouse.discard_shadow().await?;
        }
        let mut shadow = self.warehouse_at(stamp, &options).await?;
        if !begun {
            for other in pinned.stars() {
                let of_other = warehouse.generation(other).await?;
                shadow.set_generation(other, if other == star { generation } else { of_other }).await?;
            }
        }
        shadow.prepare(&descriptions, &pinned.record.owners).await?;
        let mut loaded = std::collections::BTreeMap::new();
        for star in pinned.stars() {
            loaded.insert(star.to_owned(), shadow.loaded(star).await?.map_or(0, |row| row.batch));
        }
        for (star, batch) in self.loads_in_order(pinned).await? {
            if loaded.get(&star).is_some_and(|loaded| *loaded >= batch.0) {
                continue;
            }
            self.load_one(&mut shadow, pinned, &pinned.ledger(&star), batch, Recorded::No).await?;
            failpoint::pass("rebuild:loaded");
        }
        Ok(shadow)
    }

    async fn preview(
        &self,
        warehouse: &Warehouse,
        shadow: &Warehouse,
        pinned: &Pinned,
        star: &str,
        committed: bool,
    ) -> Result<Rebuild, HostError> {
        let (entry, ledger) = (pinned.entry(star)?, pinned.ledger(star));
        let begun = self.lake.newest_rebuild(star).await?.filter(|begun| begun.generation == ledger.current());
        let from = ledger.first();
        let newest = self.lake.newest_transformation(&ledger).await?;
        let through = newest.as_ref().map_or(0, |record| record.batch.0);
        let mut refused = 0;
        for batch in from.0..=through {
            let record = self.lake.transformation(&ledger, BatchNumber(batch)).await?;
            refused += record.map_or(0, |record| record.refused);
        }
        let then = shadow.summary().await?.tables;
        let own = then.into_iter().filter(|table| entry.description.output(&table.table).is_some());
        let mut tables = Vec::new();
        for TableSummary { table, rows, waiting } in own {
            let rows_now = warehouse.count(&table).await?;
            tables.push(RebuiltTable { table, rows_now, rows_then: rows, waiting_then: waiting });
        }
        Ok(Rebuild {
            star: star.to_owned(),
            generation: ledger.current(),
            digest: begun.map_or_else(|| entry.digest.clone(), |begun| begun.into_record().digest),
            from: from.0,
            through,
            refused,
            open: newest.as_deref().map_or(0, TransformationRecord::open_rows),
            tables,
            committed,
        })
    }

    /// Appends the record, which must still follow the newest one.
    async fn append(&self, pinned: Pinned, note: String) -> Result<Pinned, HostError> {
        let newest = self.lake.newest_catalog().await?.ok_or(HostError::EmptyCatalog)?;
        if newest.number != pinned.record.number {
            return Err(HostError::CatalogOvertaken { number: newest.number });
        }
        let record = CatalogRecord { generations: pinned.record.generations, ..newest.next(&note)? };
        match self.lake.commit_catalog(&record).await? {
            Committed::Ours => Ok(Pinned { record }),
            Committed::Theirs(theirs) => Err(HostError::CatalogOvertaken { number: theirs.number }),
        }
    }
}

/// Does something again that readers stand in the way of.
async fn patiently<T>(mut work: impl AsyncFnMut() -> Result<T, WarehouseError>) -> Result<T, WarehouseError> {
    let until = Instant::now() + PATIENCE[1];
    loop {
        match work().await {
            Err(error) if Instant::now() < until && error.is_transient() => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}

/// Whether a rebuild that was begun is one of the star as it is now.
fn fits(begun: &RebuildRecord, pinned: &Pinned, star: &str) -> bool {
    let live = pinned.record.stars.get(star);
    live.is_some_and(|live| live.digest == begun.digest) && begun.on == pinned.ledger(star).generations()
}

fn ledger_of(begun: &RebuildRecord) -> StarLedger {
    StarLedger::new(&begun.star, &begun.on).then(Generation { number: begun.generation, from: begun.from })
}

/// The record as if this were the star's ledger.
fn with_ledger(mut pinned: Pinned, ledger: &StarLedger) -> Pinned {
    pinned.record.generations.insert(ledger.star().to_owned(), ledger.generations().to_vec());
    pinned
}
