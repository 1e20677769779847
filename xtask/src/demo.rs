//! `demo`: the whole pipeline on sample data.

mod questions;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use host_lambda::Pipeline;
use host_lambda::settings::Settings;
use totesys_postgres::{ConnectionSettings, PostgresError, quote_identifier};

use crate::import::import;
use crate::place::{DEMO_DATABASES, Databases, Place, demo_lake, say, workspace};
use crate::progress::Progress;
use crate::run::{failed, sentences, timed};
use crate::watch::Watch;

/// What happens to the source between the two batches.
const CHANGES: &[(&str, &str)] = &[
    (
        "a delivery is moved by 9 days, silently: last_updated stays as it was",
        "UPDATE sales_order SET agreed_delivery_date = to_char(agreed_delivery_date::date + 9, 'YYYY-MM-DD')
         WHERE sales_order_id = 7",
    ),
    (
        "a supplier's address changes, and no counterparty row with it",
        "UPDATE address SET address_line_1 = '221B O''Hara Street', last_updated = now()
         WHERE address_id = (SELECT legal_address_id FROM counterparty WHERE counterparty_id = 3)",
    ),
    ("a department moves", "UPDATE department SET location = 'Leeds' WHERE department_name = 'Finance'"),
    (
        "two payments are made at 07:55, with one timestamp",
        "UPDATE payment SET paid = true, last_updated = '2024-09-02 07:55:00.123'
         WHERE payment_id IN (SELECT payment_id FROM payment WHERE NOT paid ORDER BY payment_id LIMIT 2)",
    ),
    ("a row is rewritten as it was", "UPDATE sales_order SET units_sold = units_sold WHERE sales_order_id = 8"),
];

/// Fills a source, runs a batch, changes the source, runs another, and asks the warehouse.
pub(crate) async fn demo(mut settings: Settings) -> Result<()> {
    // What the settings say of databases and buckets is for the real ones.
    settings.source = Default::default();
    settings.warehouse = Default::default();
    settings.lake = Default::default();
    say("1. a private PostgreSQL cluster, an empty lake, and the sample data in the source");
    start_afresh(&settings).await?;
    let place = Place::open(settings, true).await?;
    let sample = workspace().join("tests/data/sample");
    let imported = import(&sample, place.source()?, &place.settings.source.schema, &Progress::new()).await?;
    let rows: u64 = imported.tables.iter().map(|table| table.rows).sum();
    println!("source: {rows} rows in {} tables", imported.tables.len());

    say("\n2. the components: compiled to WebAssembly, signed, published (the first time takes minutes)");
    place.make_ready().await?;
    let watch = Arc::new(Watch::new(Progress::new()));
    let pipeline = place.pipeline(watch.clone())?;

    say("\n3. the first batch: everything");
    batch(&pipeline, &watch).await?;

    say("\n4. the source changes");
    change(place.source()?).await?;

    say("\n5. the second batch: what changed, and nothing else");
    batch(&pipeline, &watch).await?;

    say("\n6. a third run finds nothing new");
    batch(&pipeline, &watch).await?;

    say("\n7. what the warehouse says");
    questions::ask(place.warehouse()?, &place.settings.warehouse.schema).await?;
    say("");
    println!("files: {}", demo_lake().join("buckets").display());
    println!("more:  `cargo xtask status --demo`, `cargo xtask run --demo`, and the demo again starts afresh");
    Ok(())
}

/// Removes what an earlier demo left.
async fn start_afresh(settings: &Settings) -> Result<()> {
    let databases = Databases::open(settings, true).await?;
    let cluster = databases.cluster.as_ref().context("the private cluster is not running")?;
    let administration =
        ConnectionSettings::parse(&cluster.url("postgres"), &|_| None)?.connect("totesys demo").await?;
    for name in [DEMO_DATABASES.0, DEMO_DATABASES.1] {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name));
        administration.batch_execute(&statement).await.map_err(PostgresError::from)?;
    }
    remove(&demo_lake())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

async fn batch(pipeline: &Pipeline, watch: &Watch) -> Result<()> {
    let (report, took) = timed(pipeline, watch).await?;
    for line in sentences(&report, took) {
        println!("{line}");
    }
    failed(report)
}

async fn change(source: &ConnectionSettings) -> Result<()> {
    let connection = source.connect("totesys demo").await?;
    for (what, statement) in CHANGES {
        println!("- {what}");
        connection.batch_execute(statement).await.map_err(PostgresError::from)?;
    }
    Ok(())
}
