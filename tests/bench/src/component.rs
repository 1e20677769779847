//! A star's code in the sandbox and natively, over the same pushes in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arrow_array::RecordBatch;
use author_kit::{Outcome, Session};
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use star_contract::{Delivery, MAX_PUSH_ROWS};
use totesys_lake::{Bucket, Lake, read_parquet};
use totesys_sandbox::{Sandbox, Transformer, VerifiedArtifact};

use crate::live;

/// Pushes every input row of the newest batch through both; they alternate, so that noise meets both alike.
pub(crate) async fn compare(lake: &Lake, settings: &Settings, star: &str) -> Result<Value> {
    ensure!(star == "sales", "only `sales` is linked natively");
    let manifest = lake.newest_manifest().await?.context("the lake has no batch")?;
    let entry = live::entry(lake, star).await?;
    let (artefact, claim, signature) = live::published(&entry)?;
    let code = lake.get_artefact(artefact).await?;
    let artifact = VerifiedArtifact::verify(claim, code.to_vec(), &signature, &settings.publishers()?)?;
    let description = Arc::new(entry.description.clone());
    let wasm = Sandbox::new(settings.sandbox.clone())?.load(&artifact)?.begin(1, Arc::clone(&description))?;
    let mut race = Race { wasm, native: Session::new(Box::new(sales::star())), took: [Duration::ZERO; 2], rows: 0 };
    for delivery in [Delivery::Snapshot, Delivery::Changes] {
        for input in description.inputs.iter().filter(|input| input.delivery == delivery) {
            let table = manifest.tables.get(&input.table).context("an input was not ingested")?;
            for file in &table.files {
                let bytes = lake.read_file(Bucket::Ingestion, file).await?;
                for rows in read_parquet(bytes, &input.columns, MAX_PUSH_ROWS)? {
                    race.push(&input.table, &rows?)?;
                }
            }
        }
    }
    race.finish()
}

struct Race {
    wasm: Transformer,
    native: Session,
    /// In the sandbox and natively.
    took: [Duration; 2],
    rows: usize,
}

impl Race {
    fn push(&mut self, table: &str, rows: &RecordBatch) -> Result<()> {
        let stream = live::stream(rows)?;
        self.rows += rows.num_rows();
        let started = Instant::now();
        let wasm = self.wasm.exchange(table, &stream, rows.num_rows())?;
        self.took[0] += started.elapsed();
        // The sandbox copies the stream into the component's memory; natively it is handed over.
        let started = Instant::now();
        let native = self.native.push(table, stream)?;
        self.took[1] += started.elapsed();
        same(&wasm, &native)
    }

    fn finish(mut self) -> Result<Value> {
        let started = Instant::now();
        let wasm = self.wasm.conclude()?;
        self.took[0] += started.elapsed();
        let started = Instant::now();
        let native = self.native.finish()?;
        self.took[1] += started.elapsed();
        same(&wasm, &native)?;
        let [wasm, native] = self.took.map(|took| took.as_secs_f64());
        Ok(json!({ "rows": self.rows, "seconds": wasm, "native_seconds": native, "ratio": wasm / native }))
    }
}

fn same(wasm: &Outcome, native: &Outcome) -> Result<()> {
    ensure!(wasm == native, "the sandbox and native code disagree");
    Ok(())
}
