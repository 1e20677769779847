//! What is said of a stage and of the settings.

use std::path::Path;

use host_lambda::HostError;
use host_lambda::settings::{Settings, SettingsError};
use totesys_lake::LakeError;
use totesys_postgres::ConnectionError;
use totesys_sandbox::SandboxError;
use totesys_secrets::SecretError;
use totesys_source::SourceError;
use totesys_warehouse::WarehouseError;

use super::{Kinds as _, arrow, example, json, nobody_answers, pin};

kinds! {
    HostError in "host-lambda/src/error.rs":
    Settings, Connection, Secret, Source, Lake, Sandbox, Warehouse, EmptyCatalog, UnknownCatalog, NotCompiled, MalformedCatalog, OtherSource,
    Disagreement, Baseline, NothingLoaded, NotEmpty, UnknownTable, UnreadableKeys, RebuildOvertaken, RebuildPending, RebuildGap,
    NoRebuild, CatalogOvertaken, Unlisted, Overtaken, TableMoved, NoBackfill, NoChunk, ChunksMissing, TableNotIngested, NoLongerDescribed, Columns, TooManyRefused, Rows,
    NotInQuarantine, NoCatalogRecord, NoManifest, Worker, UnknownStar,
}

kinds! {
    SettingsError in "host-lambda/src/settings.rs": Unreadable, Invalid, Missing,
}

fn star() -> String {
    "payments".to_owned()
}

fn table() -> String {
    "payment".to_owned()
}

/// The errors of other crates are pinned with those; here is one of each, as a stage passes it on.
async fn passed_on() -> [HostError; 10] {
    let file = LakeError::FileMissing { bucket: "totesys-ingestion".into(), key: "data/payment/a.parquet".into() };
    [
        Settings::default().source_connection(&|_| None).expect_err("no source is set"),
        HostError::from(ConnectionError::PasswordMissing { place: "totesys@localhost:5432/totesys".into() }),
        HostError::from(nobody_answers().await),
        HostError::from(SecretError::Unusable { secret: "acme-totesys/source".into(), problem: "it has no `host`" }),
        HostError::from(SourceError::TableMissing { schema: "public".into(), table: table() }),
        HostError::from(SourceError::from(nobody_answers().await)),
        HostError::from(file),
        HostError::from(SandboxError::Key),
        HostError::from(WarehouseError::OutOfOrder { star: star(), newest: 6, offered: 8 }),
        HostError::from(WarehouseError::Connect(Box::new(nobody_answers().await))),
    ]
}

#[tokio::test]
async fn everything_that_stops_a_stage_is_worded() {
    let own = [
        HostError::EmptyCatalog,
        HostError::UnknownCatalog { number: 4 },
        HostError::NotCompiled { star: star(), engine: "wasmtime-1".into() },
        HostError::MalformedCatalog { star: star(), what: "component digest" },
        HostError::OtherSource {
            expected: "7400000000000000000".into(),
            expected_database: "totesys".into(),
            found: "7500000000000000000".into(),
            found_database: "copy".into(),
        },
        HostError::Disagreement { table: table(), what: "its key".into() },
        HostError::Baseline { batch: 7, source: json() },
        HostError::NothingLoaded,
        HostError::NotEmpty { table: "fact_payment".into(), rows: 40 },
        HostError::UnknownTable { table: "payments".into(), known: vec!["payment".into(), "staff".into()] },
        HostError::UnreadableKeys { table: table(), rows: 3 },
        HostError::RebuildOvertaken { star: star() },
        HostError::RebuildPending { star: star() },
        HostError::RebuildGap { star: star(), from: 8, latest: 6 },
        HostError::NoRebuild { star: star() },
        HostError::CatalogOvertaken { number: 4 },
        HostError::Unlisted { file: "parquets/fact_payment/day=2024-09-02/a.parquet".into() },
        HostError::Overtaken { batch: 7 },
        HostError::TableMoved { table: table(), reason: "rewritten" },
        HostError::NoBackfill { plan: "0123456789abcdef".into() },
        HostError::NoChunk { plan: "0123456789abcdef".into(), chunk: 120, chunks: 120 },
        HostError::ChunksMissing { plan: "0123456789abcdef".into(), read: 17, chunks: 120 },
        HostError::TableNotIngested { batch: 7, table: table(), star: star() },
        HostError::NoLongerDescribed { star: star(), table: "fact_payment".into(), batch: 7 },
        HostError::Columns { table: "fact_payment".into(), source: arrow() },
        HostError::TooManyRefused {
            star: star(),
            batch: 7,
            delivered_as: "changes",
            refused: 300,
            delivered: 400,
            share: 0.2,
        },
        HostError::Rows { table: table(), source: arrow() },
        HostError::NotInQuarantine { id: "refused/payments/7/1/payment".into() },
        HostError::NoCatalogRecord { batch: 7, number: 2 },
        HostError::NoManifest { batch: 7 },
        HostError::Worker,
        HostError::UnknownStar("payment".into()),
    ];
    let passed_on = passed_on().await;
    let errors = passed_on.iter().chain(&own);
    pin::<HostError>("host_errors", errors.map(|error| example(error.kind_name(), error, error.hint())));
}

#[test]
fn every_kind_of_unusable_setting_is_worded() {
    let nothing = || std::iter::empty::<(String, String)>();
    let short = Settings::parse("[catalog]\npublishers = ['0123']\n", "totesys.toml", nothing()).unwrap();
    let missing = Settings::default().warehouse_connection(&|_| None);
    let Err(HostError::Settings(missing)) = missing else { panic!("no warehouse is set") };
    let errors = [
        Settings::read(Some(Path::new("no/such/totesys.toml")), nothing()).expect_err("there is no such file"),
        short.publishers().expect_err("the key is too short"),
        SettingsError::Invalid { place: "totesys.toml, line 3".into(), problem: "unknown field `urll`".into() },
        missing,
    ];
    pin::<SettingsError>("settings_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
