//! Every row in quarantine with its reason, in a file or on stdout.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use host_lambda::{Pipeline, QuarantinedRow};

use crate::arguments::Export;
use crate::place::say;

/// The columns of the CSV.
const HEADER: &str = "id,held,star,table,code,column,text,batch,observed_at,overtaken,component,row";

/// Writes JSON lines or CSV.
pub(crate) async fn export(pipeline: &Pipeline, arguments: &Export) -> Result<()> {
    let star = arguments.star.as_deref();
    let Some(folder) = arguments.target.as_deref().filter(|target| *target != Path::new("-")) else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        write(pipeline, star, arguments.csv, &mut out).await?;
        return Ok(out.flush()?);
    };
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let path = folder.join(if arguments.csv { "quarantine.csv" } else { "quarantine.jsonl" });
    // Rows are for their owner's eyes.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let mut out = BufWriter::new(file.with_context(|| format!("{} cannot be written", path.display()))?);
    let rows = write(pipeline, star, arguments.csv, &mut out).await?;
    out.flush().with_context(|| format!("{} cannot be written", path.display()))?;
    say(&format!("{rows} rows in {}", path.display()));
    Ok(())
}

async fn write(pipeline: &Pipeline, star: Option<&str>, csv: bool, out: &mut impl Write) -> Result<u64> {
    if csv {
        writeln!(out, "{HEADER}")?;
    }
    let mut rows = 0;
    let take = |row: QuarantinedRow| -> Result<()> {
        rows += 1;
        let line = if csv { line(&row)? } else { serde_json::to_string(&row)? };
        Ok(writeln!(out, "{line}")?)
    };
    pipeline.quarantined_rows(star, take).await?;
    Ok(rows)
}

/// A row as a line of CSV, its values as one JSON object: tables differ in their columns.
fn line(row: &QuarantinedRow) -> Result<String> {
    let value = serde_json::to_value(row)?;
    let field = |name: &str| match &value[name] {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    };
    Ok(HEADER.split(',').map(field).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use host_lambda::{Held, QuarantineEntry};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_every_field_quoted_where_it_must_be() -> Result<()> {
        let row = QuarantinedRow {
            entry: QuarantineEntry {
                id: "refused/sales/3/0/sales_order".into(),
                held: Held::Refused,
                star: Some("sales".into()),
                table: "sales_order".into(),
                code: "malformed-date".into(),
                batch: 3,
                observed_at: 7,
                overtaken: true,
            },
            component: None,
            column: Some("a,b".into()),
            text: Some("say \"soon\"".into()),
            row: json!({ "id": "7" }).as_object().cloned().unwrap_or_default(),
        };
        let expected = r#"refused/sales/3/0/sales_order,refused,sales,sales_order,malformed-date,"a,b","say ""soon""",3,7,true,,"{""id"":""7""}""#;
        assert_eq!(line(&row)?, expected);
        Ok(())
    }
}
