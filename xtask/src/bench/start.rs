//! The functions' cold start: the package as it is deployed, unpacked and started again and again, with a Runtime API,
//! an S3 server and Secrets Manager in this process and a private PostgreSQL.

mod figures;
mod function;
mod http;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use totesys_embedded_s3::EmbeddedS3;
use totesys_postgres::Connection;

use super::data::{self, connect, execute};
use super::field::emptied;
use crate::cluster::{Cluster, Tuning};
use crate::package;
use crate::place::{Place, home, say};

use figures::OfStage;
use function::{Deployment, Function};
use http::Listener;

pub(super) use figures::Starts;

const SOURCE: &str = "bench_start_source";
const WAREHOUSE: &str = "bench_start_warehouse";
const SOURCE_SECRET: &str = "bench/source";
const WAREHOUSE_SECRET: &str = "bench/warehouse";

/// How many orders there are; each execution finds one in a hundred changed.
const ORDERS: u64 = 10_000;

/// How many executions are measured. The one before them reads the whole source and makes the warehouse.
const EXECUTIONS: usize = 15;

/// Starts the functions of an execution anew, again and again.
pub(super) async fn starts(settings: Settings) -> Result<Starts> {
    let folder = home().join("bench/start");
    emptied(&folder)?;
    let folder = folder.canonicalize()?;
    let package = tokio::task::block_in_place(package::for_this_machine)?;
    let program = package.unpack(&folder)?;
    let cluster = tokio::task::block_in_place(|| Cluster::start(&home().join("bench/cluster"), Tuning::Durable))?;
    data::prepare(&cluster, SOURCE, ORDERS).await?;
    data::recreate(&connect(&cluster.url("postgres")).await?, WAREHOUSE).await?;
    let lake = EmbeddedS3::open(&folder.join("lake")).await?;
    let publisher = published(settings, folder.join("lake")).await?;
    let secrets = secrets(&cluster).await?;
    let program_bytes = program.metadata()?.len();
    let measuring = Measuring {
        deployment: Deployment { program, lake, secrets, publisher },
        folder,
        source: connect(&cluster.url(SOURCE)).await?,
    };
    let mut stages: Vec<OfStage> =
        ["extract", "transform", "load"].map(|stage| OfStage { stage, ..OfStage::default() }).into();
    for execution in 0..=EXECUTIONS {
        let colds = measuring.execute(execution).await?;
        if execution > 0 {
            let each = stages.iter_mut().zip(colds).map(|(of, cold)| {
                of.colds.push(cold);
                format!("{} {:.0} ms", of.stage, cold.both().milliseconds)
            });
            say(&format!("start {execution}: {}", each.collect::<Vec<_>>().join(", ")));
        }
    }
    Ok(Starts { zip_bytes: package.bytes.len() as u64, program_bytes, stages })
}

/// Puts the components live; gives their publisher.
async fn published(mut settings: Settings, lake: PathBuf) -> Result<String> {
    settings.lake = Default::default();
    settings.lake.folder = Some(lake);
    let place = Place::open_lake(settings, false).await?;
    place.make_ready().await?;
    Ok(place.public_key())
}

/// Serves the databases' addresses as Secrets Manager does; gives the endpoint.
async fn secrets(cluster: &Cluster) -> Result<String> {
    let listener = Listener::open().await?;
    let endpoint = format!("http://{}", listener.address()?);
    let kept = BTreeMap::from([(SOURCE_SECRET, cluster.url(SOURCE)), (WAREHOUSE_SECRET, cluster.url(WAREHOUSE))]);
    tokio::spawn(async move {
        loop {
            // Nobody asks while the other functions work.
            let Ok(asked) = listener.next().await else { continue };
            let wanted = asked.body["SecretId"].as_str().unwrap_or_default().to_owned();
            let body = json!({ "Name": wanted, "SecretString": kept.get(wanted.as_str()) });
            // Who asked may have gone.
            let _ = asked.answer(200, &[], &body).await;
        }
    });
    Ok(endpoint)
}

struct Measuring {
    deployment: Deployment,
    folder: PathBuf,
    source: Connection,
}

impl Measuring {
    /// Does what the state machine does over some changed orders, with a new process for each function.
    async fn execute(&self, execution: usize) -> Result<[figures::Cold; 3]> {
        let change = format!(
            "UPDATE sales_order SET units_sold = units_sold + 1, last_updated = clock_timestamp() AT TIME ZONE 'UTC'
             WHERE sales_order_id % 100 = {}",
            execution % 100
        );
        execute(&self.source, &change).await?;
        let own = Some(("TOTESYS_SOURCE_SECRET", SOURCE_SECRET));
        let (_, extract, begun) = self.first_call("extract", own, json!({})).await?;
        let (catalog, stars) = (&begun["catalog"], &begun["stars"]);
        let (first, others) = stars.as_array().and_then(|stars| stars.split_first()).context("no star is due")?;
        let request = |star: &Value| json!({ "catalog": catalog, "star": star });
        let (mut function, transform, done) = self.first_call("transform", None, request(first)).await?;
        ensure!(done["batches"] == 1, "the transform did {done}");
        for star in others {
            function = function.call(request(star)).await?;
        }
        let own = Some(("TOTESYS_WAREHOUSE_SECRET", WAREHOUSE_SECRET));
        let request = json!({ "catalog": catalog, "stars": stars });
        let (_, load, loaded) = self.first_call("load", own, request).await?;
        ensure!(loaded["batches"] == others.len() + 1, "the load did {loaded}");
        Ok([extract, transform, load])
    }

    /// A new process of a stage, with what belongs to it alone.
    async fn first_call(
        &self,
        stage: &'static str,
        own: Option<(&'static str, &'static str)>,
        request: Value,
    ) -> Result<(Function, figures::Cold, Value)> {
        let folder = self.folder.join(stage);
        emptied(&folder)?;
        let variables: Vec<_> = [("TOTESYS_STAGE", stage)].into_iter().chain(own).collect();
        Function::first_call(&self.deployment, &folder, &variables, request).await
    }
}
