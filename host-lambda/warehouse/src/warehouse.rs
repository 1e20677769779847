//! A connection to the warehouse.

use std::collections::BTreeMap;

use star_contract::{Description, Role};
use totesys_postgres::{Connection, ConnectionSettings};

use crate::apply::Extent;
use crate::batch::CheckedBatch;
use crate::error::while_doing;
use crate::evolve::steps;
use crate::found::Found;
use crate::load::Work;
use crate::place::{PREPARE, Places, WarehouseOptions};
use crate::shape::Shape;
use crate::star::{Star, stars};
use crate::{Begun, LakeStamp, LedgerRow, Load, StarBatch, WarehouseError, WarehouseSummary};
use crate::{apply, generation, ledger, side, stamp, summary};

/// A warehouse, connected and stamped.
#[derive(Debug)]
pub struct Warehouse {
    connection: Connection,
    options: WarehouseOptions,
    places: Places,
    stars: Vec<Star>,
}

impl Warehouse {
    /// Connects. The first connection creates the schemas and stores the stamp; a later one with
    /// another stamp is refused.
    ///
    /// # Errors
    /// No connection, a missing right, an unusable name, another lake's warehouse.
    pub async fn connect(
        settings: &ConnectionSettings,
        options: &WarehouseOptions,
        stamp: &LakeStamp,
    ) -> Result<Self, WarehouseError> {
        let mut connection = session(settings, options).await?;
        let (places, standing) = Places::find(&connection, options).await?;
        stamp::check(&mut connection, &places, standing, stamp).await?;
        Ok(Self { connection, options: options.clone(), places, stars: Vec::new() })
    }

    /// Connects to a warehouse that is there; without one nothing is made, and there is none.
    ///
    /// # Errors
    /// No connection, an unusable name, another lake's warehouse, one that lost its stamp.
    pub async fn connect_existing(
        settings: &ConnectionSettings,
        options: &WarehouseOptions,
        stamp: &LakeStamp,
    ) -> Result<Option<Self>, WarehouseError> {
        let connection = session(settings, options).await?;
        let (places, standing) = Places::find(&connection, options).await?;
        if !standing.stamped {
            return match places.has_side(&*connection, "loads").await? {
                true => Err(side::missing(places.side("stamp"), places.side("loads"))),
                false => Ok(None),
            };
        }
        stamp::compare(&connection, &places, stamp).await?;
        Ok(Some(Self { connection, options: options.clone(), places, stars: Vec::new() }))
    }

    /// Creates what these stars need and is not there, and adds what descriptions have gained: schema,
    /// tables, foreign keys, side tables and views, in one transaction. Reads only when nothing is to do.
    ///
    /// `owners` names, for each dimension that several stars write, the one that may change its rows.
    ///
    /// # Errors
    /// Descriptions that do not fit together or with the tables there are; a missing right.
    pub async fn prepare(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
    ) -> Result<(), WarehouseError> {
        let mut stars = stars(descriptions, owners, &self.places)?;
        let mut found = Found::read(&*self.connection, &self.places).await?;
        if !steps(&stars, &self.places, &found)?.is_empty() {
            let doing = || while_doing("bringing the tables in line with their descriptions", &self.places.schema);
            let transaction = self.connection.transaction().await.map_err(doing())?;
            self.places.lock(&transaction, PREPARE).await?;
            // Another process may have done it while this one waited: what is to do is found out once more.
            found = apply::bring_in_line(&transaction, &self.places, &stars, Extent::All).await?;
            transaction.commit().await.map_err(doing())?;
            tracing::info!("warehouse tables brought in line with their descriptions");
        }
        apply::keep_known_references(&mut stars, &self.places, &found);
        self.stars = stars;
        Ok(())
    }

    /// The newest loaded batch of a star.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn loaded(&self, star: &str) -> Result<Option<LedgerRow>, WarehouseError> {
        ledger::newest(&*self.connection, &self.places, star).await
    }

    /// Says which stars' tables are this warehouse's, without looking at it or making anything.
    ///
    /// # Errors
    /// Descriptions that do not fit together.
    pub fn expect(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
    ) -> Result<(), WarehouseError> {
        self.stars = stars(descriptions, owners, &self.places)?;
        Ok(())
    }

    /// The loaded batches of a star after one, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn loaded_since(&self, star: &str, batch: u64) -> Result<Vec<LedgerRow>, WarehouseError> {
        ledger::since(&*self.connection, &self.places, star, i64::try_from(batch).unwrap_or(i64::MAX)).await
    }

    /// Opens one batch of one star. Everything until [`Load::commit`] is one transaction; dropping the
    /// load undoes it. A second loader of the same star waits here until the first is done.
    ///
    /// # Errors
    /// A batch out of order or of another generation, a star that was not prepared, a lock not granted in time.
    pub async fn begin(&mut self, batch: StarBatch) -> Result<Begun<'_>, WarehouseError> {
        let Self { connection, places, stars, .. } = self;
        let Some(star) = stars.iter().find(|star| star.name == batch.star) else {
            return Err(WarehouseError::UnknownStar { star: batch.star });
        };
        let (offered, generation) = (batch.batch, batch.generation);
        let batch = CheckedBatch::try_from(batch)?;
        let transaction = connection.transaction().await.map_err(while_doing("opening a batch", &batch.star))?;
        places.lock_star(&transaction, &batch.star).await?;
        let newest = ledger::newest(&transaction, places, &batch.star).await?;
        let found = generation::of(&transaction, places, &batch.star).await?;
        if found != generation {
            // Where nothing was loaded, such as before a reload, a star begins with the generation it has by now.
            if newest.is_some() || found > generation {
                return Err(WarehouseError::OtherGeneration { star: batch.star, found, offered: generation });
            }
            generation::set(&transaction, places, &batch.star, generation).await?;
        }
        if let Some(row) = ledger::of_batch(&transaction, places, &batch.star, batch.number).await? {
            return Ok(Begun::AlreadyLoaded(row));
        }
        match newest {
            Some(LedgerRow { batch: newest, .. }) if newest.checked_add(1) != Some(offered) => {
                Err(WarehouseError::OutOfOrder { star: batch.star, newest, offered })
            }
            _ => Ok(Begun::Load(Load::new(Work { transaction, places, star, batch }))),
        }
    }

    /// The facts of the prepared stars, with their stars' names.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.stars.iter().flat_map(|star| star.tables_of(Role::Fact).map(|(_, shape)| (star.name.as_str(), shape)))
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn options(&self) -> &WarehouseOptions {
        &self.options
    }

    pub(crate) fn stars(&self) -> &[Star] {
        &self.stars
    }

    /// The connection to write over, and where.
    pub(crate) fn parts(&mut self) -> (&mut Connection, &Places) {
        (&mut self.connection, &self.places)
    }

    /// The same with the prepared stars.
    pub(crate) fn parts_and_stars(&mut self) -> (&mut Connection, &Places, &[Star]) {
        (&mut self.connection, &self.places, &self.stars)
    }

    /// Takes stars whose tables are known to be in line.
    pub(crate) fn take_stars(&mut self, stars: Vec<Star>) {
        self.stars = stars;
    }

    /// What the prepared stars' tables hold.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn summary(&self) -> Result<WarehouseSummary, WarehouseError> {
        summary::read(&*self.connection, &self.places, &self.stars).await
    }
}

async fn session(settings: &ConnectionSettings, options: &WarehouseOptions) -> Result<Connection, WarehouseError> {
    let connection =
        settings.connect("totesys warehouse").await.map_err(|source| WarehouseError::Connect(Box::new(source)))?;
    let session = format!(
        "SET search_path = pg_catalog, pg_temp; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; \
             SET client_min_messages = warning; SET jit = off; SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}",
        milliseconds(options.statement_timeout),
        milliseconds(options.lock_timeout),
        // A run that stands still must not hold the others up for longer than a statement may.
        milliseconds(options.statement_timeout),
    );
    connection.batch_execute(&session).await.map_err(while_doing("setting up the session", &options.schema))?;
    Ok(connection)
}

/// A timeout as PostgreSQL takes it: at least a millisecond unless it is zero, which is none.
fn milliseconds(timeout: std::time::Duration) -> i32 {
    let rounded = timeout.as_millis().max(u128::from(!timeout.is_zero()));
    i32::try_from(rounded).unwrap_or(i32::MAX)
}
