//! The source's schema changes: what cannot be read stops the batch, what can is taken, what is new is said once.

use std::fs::File;
use std::sync::Arc;

use host_lambda::{Extraction, HostError};
use totesys_lake::Bucket;
use totesys_tests::{Data, Totesys};

/// A change that stops the batch, and how to take it back.
const STOPPING: &[(&str, &str)] = &[
    ("ALTER TABLE design RENAME file_name TO filename", "ALTER TABLE design RENAME filename TO file_name"),
    (
        "ALTER TABLE sales_order ALTER units_sold TYPE text",
        "ALTER TABLE sales_order ALTER units_sold TYPE integer USING units_sold::integer",
    ),
    (
        "ALTER TABLE sales_order ALTER units_sold TYPE numeric(12,0)",
        "ALTER TABLE sales_order ALTER units_sold TYPE integer",
    ),
    (
        "ALTER TABLE sales_order ALTER unit_price TYPE double precision",
        "ALTER TABLE sales_order ALTER unit_price TYPE numeric(10,2)",
    ),
    (
        "ALTER TABLE payment ALTER paid TYPE integer USING paid::integer",
        "ALTER TABLE payment ALTER paid TYPE boolean USING paid <> 0",
    ),
    (
        "ALTER TABLE staff ALTER email_address TYPE jsonb USING to_jsonb(email_address)",
        "ALTER TABLE staff ALTER email_address TYPE text USING email_address #>> '{}'",
    ),
    (
        "ALTER TABLE sales_order ALTER agreed_payment_date TYPE date USING agreed_payment_date::date",
        "ALTER TABLE sales_order ALTER agreed_payment_date TYPE text",
    ),
    ("ALTER TABLE payment ALTER created_at TYPE timestamptz", "ALTER TABLE payment ALTER created_at TYPE timestamp(3)"),
    ("ALTER TABLE department RENAME TO departments", "ALTER TABLE departments RENAME TO department"),
    (
        "ALTER TABLE currency RENAME TO currencies; CREATE VIEW currency AS SELECT * FROM currencies",
        "DROP VIEW currency; ALTER TABLE currencies RENAME TO currency",
    ),
];

/// Kind and fields, message and hint.
fn said(error: &HostError) -> String {
    let HostError::Source(source) = error else { panic!("the source is at fault: {error:?}") };
    format!("{source:?}\n  {error}\n  hint: {}", error.hint().unwrap_or_default())
}

/// The lake's objects, less the notes of what kept an extraction from being made.
async fn lasting(totesys: &Totesys) -> Vec<String> {
    let objects = totesys.objects().await;
    objects.into_iter().filter(|object| !object.starts_with("ExtractionTimes troubles/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stops_the_batch_before_anything_is_written() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut messages = Vec::new();
    for round in ["before the first batch", "after it"] {
        for (change, back) in STOPPING {
            // Rows have changed too, so that there would be a batch.
            totesys.source.execute("UPDATE sales_order SET unit_price = unit_price + 1 WHERE sales_order_id = 3").await;
            totesys.source.execute(change).await;
            let (objects, contents) = (lasting(&totesys).await, totesys.warehouse_contents().await);
            let error = Box::pin(totesys.pipeline.run()).await.expect_err(change);
            assert_eq!(lasting(&totesys).await, objects, "{round}: {change}");
            assert_eq!(totesys.warehouse_contents().await, contents, "{round}: {change}");
            if round == "after it" {
                messages.push(format!("{change}\n  {}", said(&error)));
            }
            totesys.source.execute(back).await;
        }
        totesys.run().await;
    }
    insta::assert_snapshot!(messages.join("\n"));
    let price = "SELECT unit_price FROM sales_order WHERE sales_order_id = 3";
    let current = "SELECT unit_price FROM fact_sales_order_current WHERE sales_order_id = 3";
    assert_eq!(totesys.warehouse_rows(current).await, totesys.source_rows(price).await);
}

/// A widened or otherwise harmless type, and the table it reads whole.
const TAKEN: &[(&str, &str)] = &[
    ("ALTER TABLE sales_order ALTER units_sold TYPE bigint", "sales_order"),
    ("ALTER TABLE sales_order ALTER unit_price TYPE numeric(12,2)", "sales_order"),
    ("ALTER TABLE sales_order ALTER unit_price TYPE numeric", "sales_order"),
    ("ALTER TABLE currency ALTER currency_code TYPE text", "currency"),
    ("ALTER TABLE currency ALTER currency_code TYPE varchar(40)", "currency"),
    ("ALTER TABLE purchase_order ALTER item_code TYPE varchar(200)", "purchase_order"),
    ("ALTER TABLE design ALTER created_at TYPE timestamp(6)", "design"),
    ("ALTER TABLE payment ALTER company_ac_number TYPE bigint", "payment"),
    ("ALTER TABLE department ALTER department_id TYPE bigint", "department"),
    ("ALTER TABLE department ALTER department_id TYPE integer", "department"),
    ("ALTER TABLE staff ADD COLUMN nickname text DEFAULT 'none'", "staff"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_widened_type_is_taken_and_its_table_read_whole() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let versions = "SELECT (SELECT count(*) FROM fact_sales_order), (SELECT count(*) FROM fact_purchase_order),
                    (SELECT count(*) FROM fact_payment), (SELECT md5(string_agg(f::text, ',')) FROM fact_sales_order f)";
    let before = totesys.warehouse_rows(versions).await;
    for (change, table) in TAKEN {
        totesys.source.execute(change).await;
        let report = totesys.run().await;
        let Extraction::Batch { tables, .. } = &report.extraction else { panic!("{change}: no batch") };
        let rows = totesys.source_rows(&format!("SELECT count(*) FROM {table}")).await;
        assert!(tables[*table].whole, "{change}");
        assert_eq!(Some(tables[*table].rows.to_string()), rows[0][0], "{change}");
        assert_eq!(tables.len(), 1, "{change}: {tables:?}");
        assert_eq!(totesys.warehouse_rows(versions).await, before, "{change}: the same rows are no new versions");
        assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_described_type_is_refused_row_by_row() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys
        .source
        .execute(
            "ALTER TABLE sales_order ALTER units_sold TYPE bigint, ALTER unit_price TYPE numeric(14,4);
             UPDATE sales_order SET units_sold = 3000000000 WHERE sales_order_id = 1;
             UPDATE sales_order SET units_sold = -3000000000 WHERE sales_order_id = 2;
             UPDATE sales_order SET unit_price = 123456789 WHERE sales_order_id = 3;
             UPDATE sales_order SET unit_price = 1.005 WHERE sales_order_id = 4;
             UPDATE sales_order SET units_sold = 2147483647, unit_price = 99999999.99 WHERE sales_order_id = 5",
        )
        .await;
    totesys.run().await;
    let mut refused = Vec::new();
    for object in totesys.lake.list(Bucket::Ingestion, "quarantine/", None).await.unwrap() {
        let text = totesys.lake.get(Bucket::Ingestion, &object.key).await.unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        refused.extend(lines.map(|line| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            let of = |name: &str| line["row"][name].as_str().unwrap_or_default().to_owned();
            let (column, code) = (line["column"].as_str().unwrap(), line["code"].as_str().unwrap());
            format!("{} | {column} | {code} | {}", of("sales_order_id"), of(column))
        }));
    }
    refused.sort();
    assert_eq!(
        refused,
        [
            "1 | units_sold | integer-out-of-range | 3000000000",
            "2 | units_sold | integer-out-of-range | -3000000000",
            "3 | unit_price | numeric-out-of-range | 123456789.0000",
            "4 | unit_price | numeric-out-of-range | 1.0050",
        ]
    );
    let versions =
        "SELECT sales_order_id, count(*) FROM fact_sales_order WHERE sales_order_id <= 5 GROUP BY 1 ORDER BY 1";
    let counts = |counts: [&str; 5]| {
        let row = |(order, count): (usize, &&str)| vec![Some((order + 1).to_string()), Some((*count).to_owned())];
        counts.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    assert_eq!(totesys.warehouse_rows(versions).await, counts(["1", "1", "1", "1", "2"]));
    // What fits again arrives as any version does.
    let mend = "UPDATE sales_order SET units_sold = 7, unit_price = 7.7 WHERE sales_order_id <= 4";
    totesys.source.execute(mend).await;
    totesys.run().await;
    assert_eq!(totesys.warehouse_rows(versions).await, counts(["2", "2", "2", "2", "2"]));
}

/// The log lines of some runs about tables and columns of the source.
async fn lines_of_runs(totesys: &Totesys, runs: usize) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = Arc::new(File::create(file.path()).unwrap());
    let subscriber = tracing_subscriber::fmt().json().with_writer(log).finish();
    {
        let _guard = tracing::subscriber::set_default(subscriber);
        for _ in 0..runs {
            totesys.run().await;
        }
    }
    let text = std::fs::read_to_string(file.path()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.map(|line| line["fields"].clone()).collect();
    assert!(!lines.is_empty(), "a run says something");
    let of = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let told = lines.iter().filter(|line| {
        let message = of(line, "message");
        message.contains("the source")
    });
    told.map(|line| {
        format!("{} | {} | {} | {}", of(line, "message"), of(line, "table"), of(line, "column"), of(line, "found"))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_gains_or_loses_is_said_once() {
    let totesys = Totesys::start(Data::Sample).await;
    assert!(lines_of_runs(&totesys, 2).await.is_empty(), "a first batch finds nothing changed");
    for (change, expected) in [
        // Tables that no component reads make no batch: the note must outlive runs that find nothing.
        (
            "CREATE TABLE refund (id int)",
            &["the source has a new table, which no component reads | refund | - | -"][..],
        ),
        (
            "CREATE TABLE \"Odd\"\"; name\" (id int); CREATE TABLE part PARTITION OF parted DEFAULT",
            &["the source has a new table, which no component reads | Odd\"; name | - | -"],
        ),
        (
            "ALTER TABLE design ADD COLUMN colour text; ALTER TABLE payment ADD COLUMN memo varchar(9)",
            &[
                "the source has a new column; it is ingested from now on | design | colour | text",
                "the source has a new column; it is ingested from now on | payment | memo | character varying(9)",
            ],
        ),
        (
            "ALTER TABLE department DROP COLUMN manager",
            &["a column that no component describes is gone from the source | department | manager | -"],
        ),
        (
            "ALTER TABLE sales_order ALTER units_sold TYPE bigint",
            &["a column of the source has another type | sales_order | units_sold | bigint"],
        ),
        // A batch of its own, so that a batch follows checks that had said something.
        ("CREATE TABLE late (id int)", &["the source has a new table, which no component reads | late | - | -"]),
        ("UPDATE sales_order SET units_sold = 4 WHERE sales_order_id = 4", &[]),
    ] {
        if change.contains("PARTITION OF") {
            // The table itself is old news by the time its partition comes.
            totesys.source.execute("CREATE TABLE parted (id int) PARTITION BY LIST (id)").await;
            assert_eq!(lines_of_runs(&totesys, 1).await.len(), 1);
        }
        totesys.source.execute(change).await;
        assert_eq!(lines_of_runs(&totesys, 3).await, expected, "{change}");
    }
}
