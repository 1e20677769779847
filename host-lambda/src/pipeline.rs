//! What the stages share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use totesys_lake::Lake;
use totesys_postgres::ConnectionSettings;
use totesys_sandbox::{PublicKey, Sandbox, StarLimits};
use totesys_source::SourceOptions;
use totesys_warehouse::{LakeStamp, Warehouse, WarehouseOptions};

use crate::artefacts::ArtefactFolder;
use crate::settings::QuarantineSettings;
use crate::{Chunks, Full, HostError, Observer, Retries};

/// Where a pipeline reads and writes. A stage that does not touch a database needs no settings for it.
#[derive(Clone)]
pub struct Places {
    /// The source.
    pub source: Option<ConnectionSettings>,
    /// How it is read.
    pub source_options: SourceOptions,
    /// The warehouse.
    pub warehouse: Option<ConnectionSettings>,
    /// How it is written.
    pub warehouse_options: WarehouseOptions,
    /// Publishers whose components run.
    pub publishers: Vec<PublicKey>,
}

/// The stages over one source, lake and warehouse.
pub struct Pipeline {
    pub(crate) lake: Arc<Lake>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) publishers: Vec<PublicKey>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) retries: Retries,
    pub(crate) full: Full,
    pub(crate) chunks: Option<Chunks>,
    pub(crate) quarantine: QuarantineSettings,
    pub(crate) artefacts: Option<ArtefactFolder>,
    pub(crate) automatic_rollback: bool,
    /// Star, batch and component that the former component is known not to help.
    pub(crate) beyond_help: Mutex<BTreeSet<(String, u64, String)>>,
    source: Option<ConnectionSettings>,
    pub(crate) source_options: SourceOptions,
    warehouse: Option<ConnectionSettings>,
    pub(crate) warehouse_options: WarehouseOptions,
}

impl Pipeline {
    /// A pipeline; nothing is connected yet.
    ///
    /// # Errors
    /// When the sandbox cannot start on this machine.
    pub fn new(
        lake: Arc<Lake>,
        places: Places,
        limits: impl Into<StarLimits>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, HostError> {
        Ok(Self {
            lake,
            sandbox: Arc::new(Sandbox::new(limits)?),
            publishers: places.publishers,
            observer,
            retries: Retries::default(),
            full: Full::No,
            chunks: None,
            quarantine: QuarantineSettings::default(),
            artefacts: None,
            automatic_rollback: false,
            beyond_help: Mutex::default(),
            source: places.source,
            source_options: places.source_options,
            warehouse: places.warehouse,
            warehouse_options: places.warehouse_options,
        })
    }

    /// The same with other bounds on what may be refused.
    #[must_use]
    pub fn with_quarantine(self, quarantine: QuarantineSettings) -> Self {
        Self { quarantine, ..self }
    }

    /// The same with artefacts kept in a folder of this machine.
    #[must_use]
    pub fn with_artefacts_in(self, folder: PathBuf) -> Self {
        Self { artefacts: Some(ArtefactFolder::new(folder)), ..self }
    }

    /// The same, going back to a star's former component when a new one fails on its first batch and the former does
    /// not.
    #[must_use]
    pub fn with_automatic_rollback(self, automatic_rollback: bool) -> Self {
        Self { automatic_rollback, ..self }
    }

    /// The same with other retries.
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// The same, reading tables whole that need not be.
    #[must_use]
    pub fn with_full(self, full: Full) -> Self {
        Self { full, ..self }
    }

    /// The same, reading tables of more than so many bytes of pages in chunks of so many bytes, where all of such a
    /// table is to be read. Off unless it is asked for; [`Chunks::DEFAULT_BYTES`] is a good size.
    #[must_use]
    pub fn with_chunks(self, above_bytes: u64, chunk_bytes: u64) -> Self {
        Self { chunks: Some(Chunks { above_bytes, chunk_bytes }), ..self }
    }

    pub(crate) fn source(&self) -> Result<&ConnectionSettings, HostError> {
        let hint = "set it in totesys.toml, as TOTESYS_SOURCE_URL or through PG* variables";
        self.source.as_ref().ok_or(crate::settings::SettingsError::Missing { key: "source.url", hint }.into())
    }

    /// A connection to the warehouse, checked against the lake it is filled from.
    pub(crate) async fn warehouse(&self, stamp: &LakeStamp) -> Result<Warehouse, HostError> {
        self.warehouse_at(stamp, &self.warehouse_options).await
    }

    /// The same in other schemas.
    pub(crate) async fn warehouse_at(
        &self,
        stamp: &LakeStamp,
        options: &WarehouseOptions,
    ) -> Result<Warehouse, HostError> {
        Ok(Warehouse::connect(self.warehouse_settings()?, options, stamp).await?)
    }

    /// The warehouse if it was ever made: nothing is made for who only looks.
    pub(crate) async fn existing_warehouse(&self) -> Result<Option<Warehouse>, HostError> {
        let Some(stamp) = self.stamp().await? else { return Ok(None) };
        let settings = self.warehouse_settings()?;
        Ok(Warehouse::connect_existing(settings, &self.warehouse_options, &stamp).await?)
    }

    fn warehouse_settings(&self) -> Result<&ConnectionSettings, HostError> {
        let hint = "set it in totesys.toml, as TOTESYS_WAREHOUSE_URL or through PG* variables";
        self.warehouse.as_ref().ok_or(crate::settings::SettingsError::Missing { key: "warehouse.url", hint }.into())
    }

    /// The lake's identity as the warehouse keeps it; none before the first batch.
    pub(crate) async fn stamp(&self) -> Result<Option<LakeStamp>, HostError> {
        let Some(identity) = self.lake.identity().await? else { return Ok(None) };
        let Some(source) = identity.source else { return Ok(None) };
        Ok(Some(LakeStamp {
            lake_id: identity.lake_id,
            system_identifier: source.system_identifier,
            database: source.database,
        }))
    }
}
