//! `import`: a snapshot into the source.

use anyhow::Result;
use host_lambda::settings::Settings;

use super::import;
use crate::arguments::Import;
use crate::place::Databases;
use crate::progress::Progress;

/// Imports the snapshot into the source of the settings, or of the private cluster.
pub(crate) async fn verb(settings: Settings, demo: bool, arguments: &Import) -> Result<()> {
    let databases = Databases::open(&settings, demo).await?;
    let report = import(&arguments.directory, databases.source()?, &settings.source.schema, &Progress::new()).await?;
    if arguments.output.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for table in &report.tables {
        println!("{:<16} {:>10} rows", table.table, table.rows);
    }
    println!("imported into {}", databases.source()?);
    Ok(())
}
