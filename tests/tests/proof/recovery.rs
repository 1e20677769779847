//! Backups that were restored, tables that were moved, warehouses that start over, and what is said of it.

use std::collections::BTreeMap;

use host_lambda::{Extraction, Full};
use totesys_tests::{Data, STARS, TestDatabase, Totesys};

/// Three batches: everything; a silent update, a deletion and a new address; the deleted order again, another one gone.
async fn with_a_past() -> Totesys {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    for changes in [
        "UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id IN (1, 2);
         UPDATE address SET city = 'Elsewhere' WHERE address_id = 1;
         CREATE TABLE kept AS SELECT * FROM sales_order WHERE sales_order_id = 3;
         DELETE FROM sales_order WHERE sales_order_id = 3",
        "INSERT INTO sales_order SELECT * FROM kept; DELETE FROM sales_order WHERE sales_order_id = 4;
         UPDATE sales_order SET units_sold = 1 WHERE sales_order_id = 1",
    ] {
        totesys.source.execute(changes).await;
        totesys.run().await;
    }
    totesys
}

/// Everything in a warehouse but what says when and by whom it was loaded.
async fn lasting(warehouse: &TestDatabase) -> BTreeMap<String, Vec<String>> {
    let mut contents = warehouse.contents_without(&["loaded_at", "attempt"]).await;
    contents.remove("totesys_totesys.stamp");
    contents
}

/// Copies a database as a backup would, and later puts the copy in its place.
struct Backup<'a> {
    of: &'a TestDatabase,
    copy: String,
}

impl<'a> Backup<'a> {
    async fn of(database: &'a TestDatabase, other: &TestDatabase) -> Self {
        let copy = format!("{}_copy", database.settings().database());
        let sql = format!("CREATE DATABASE \"{copy}\" TEMPLATE \"{}\"", database.settings().database());
        other.execute(&sql).await;
        Self { of: database, copy }
    }

    async fn restore(self, other: &TestDatabase) {
        let name = self.of.settings().database().to_owned();
        other.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
        other.execute(&format!("ALTER DATABASE \"{}\" RENAME TO \"{name}\"", self.copy)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reloaded_warehouse_is_the_same_in_every_row_and_id() {
    let totesys = with_a_past().await;
    let fresh = TestDatabase::create().await;
    // The source is gone.
    let pipeline = totesys.pipeline_into(&fresh, None);
    let loads = pipeline.reload().await.unwrap();
    assert_eq!(loads.len(), 3 * STARS.len());
    assert_eq!(lasting(&fresh).await, lasting(&totesys.warehouse).await);
    let versions = totesys.warehouse_number("SELECT count(*) FROM fact_sales_order").await;
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await;
    assert!(versions > orders[0][0].as_ref().unwrap().parse::<i64>().unwrap(), "there is a history to keep");

    let error = pipeline.reload().await.unwrap_err();
    assert!(error.to_string().starts_with("the warehouse is not empty: `dim_"), "{error}");
    assert!(error.hint().unwrap().contains("warehouse.schema"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_warehouse_gets_the_missing_batches_again() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let backup = Backup::of(&totesys.warehouse, &totesys.source).await;
    totesys.source.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id IN (1, 2)").await;
    totesys.run().await;
    totesys.source.execute("DELETE FROM sales_order WHERE sales_order_id = 2").await;
    totesys.run().await;
    let before = lasting(&totesys.warehouse).await;
    backup.restore(&totesys.source).await;

    let status = totesys.pipeline.status().await.unwrap();
    let stands = status.stars.iter().map(|star| (star.loaded, star.recorded));
    assert_eq!(stands.collect::<Vec<_>>(), [(Some(1), Some(3)); 3]);
    let report = totesys.run().await;
    assert!(matches!(report.extraction, Extraction::NothingNew { .. }));
    assert_eq!(report.loads.len(), 2 * STARS.len());
    assert_eq!(lasting(&totesys.warehouse).await, before);
    assert!(totesys.pipeline.status().await.unwrap().stars.iter().all(|star| star.recorded.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_source_is_read_whole_and_the_gap_is_named() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let backup = Backup::of(&totesys.source, &totesys.warehouse).await;
    let later = "UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1;
                 INSERT INTO sales_order SELECT 900001, created_at, last_updated, design_id, staff_id, counterparty_id,
                   units_sold, unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
                   agreed_delivery_location_id FROM sales_order WHERE sales_order_id = 2";
    totesys.source.execute(later).await;
    totesys.run().await;
    let newest = totesys.pipeline.status().await.unwrap();
    assert_eq!(newest.gaps.len(), 0);
    backup.restore(&totesys.warehouse).await;
    let report = totesys.run().await;
    let Extraction::Batch { batch: 3, tables, taken_at } = report.extraction else { panic!("{:?}", report.extraction) };
    assert!(tables.values().all(|table| table.whole));
    let status = totesys.pipeline.status().await.unwrap();
    let gap = &status.gaps[0];
    assert_eq!((gap.reason.as_str(), Some(gap.from), gap.until), ("other-database", newest.newest_batch_at, taken_at));

    // What only the lost future had is gone from now on, and stays in the history.
    let orders = "SELECT sales_order_id::text, units_sold::text FROM sales_order ORDER BY sales_order_id";
    let current = "SELECT sales_order_id::text, units_sold::text FROM fact_sales_order_current ORDER BY sales_order_id";
    assert_eq!(totesys.warehouse_rows(current).await, totesys.source_rows(orders).await);
    let lost = "SELECT deleted_in FROM fact_sales_order_history WHERE sales_order_id = 900001";
    assert_eq!(totesys.warehouse_number(lost).await, 3);
    let versions = "SELECT count(*) FROM fact_sales_order WHERE sales_order_id = 1";
    assert_eq!(totesys.warehouse_number(versions).await, 3, "as it was, as it became, as it was again");
    // The gap stays on record.
    totesys.source.execute("UPDATE sales_order SET units_sold = 5 WHERE sales_order_id = 1").await;
    totesys.run().await;
    assert_eq!(totesys.pipeline.status().await.unwrap().gaps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_rows_are_neither_lost_nor_delivered_again() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys.source.execute("VACUUM FULL sales_order").await;
    totesys.source.execute("CLUSTER payment USING payment_pkey").await;
    totesys.source.execute("VACUUM (FREEZE) transaction").await;
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
    totesys.source.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1").await;
    totesys.source.execute("VACUUM FULL sales_order").await;
    let Extraction::Batch { tables, .. } = totesys.run().await.extraction else { panic!("a change was lost") };
    assert_eq!(tables["sales_order"].rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_can_be_read_whole_on_demand() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let contents = totesys.warehouse_rows("SELECT * FROM fact_sales_order ORDER BY 1").await;
    let asked = totesys.pipeline_into(&totesys.warehouse, Some(Full::Tables(vec!["sales_order".to_owned()])));
    let Extraction::Batch { tables, .. } = asked.run().await.unwrap().extraction else { panic!("nothing was read") };
    assert_eq!(
        tables.iter().map(|(table, read)| (table.as_str(), read.whole)).collect::<Vec<_>>(),
        [("sales_order", true)]
    );
    assert_eq!(totesys.warehouse_rows("SELECT * FROM fact_sales_order ORDER BY 1").await, contents);

    let everything = totesys.pipeline_into(&totesys.warehouse, Some(Full::Everything));
    let Extraction::Batch { tables, .. } = everything.run().await.unwrap().extraction else {
        panic!("nothing was read")
    };
    assert_eq!(tables.len(), 11);

    let unknown = totesys.pipeline_into(&totesys.warehouse, Some(Full::Tables(vec!["sales".to_owned()])));
    let error = unknown.run().await.unwrap_err();
    assert_eq!(error.to_string(), "table `sales` is read by no live component");
    assert!(error.hint().unwrap().contains("sales_order"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_waits_for_the_snapshot() {
    let totesys = Totesys::start(Data::Sample).await;
    let request = totesys_source::TableRequest {
        table: "payment".to_owned(),
        columns: Vec::new(),
        key: vec!["payment_id".to_owned()],
        delivery: star_contract::Delivery::Changes,
    };
    let snapshot = totesys_source::SourceSnapshot::open(&totesys.source.settings(), &Default::default(), &[request])
        .await
        .unwrap();
    let session = totesys.source.connect().await;
    let error = session.batch_execute("SET lock_timeout = '200ms'; TRUNCATE payment").await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE));
    snapshot.close().await.unwrap();
    session.batch_execute("TRUNCATE payment").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_keeps_extractions_from_being_made() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    assert!(totesys.pipeline.status().await.unwrap().trouble.is_none());
    totesys.source.execute("ALTER TABLE payment RENAME TO payments").await;
    totesys.pipeline.run().await.unwrap_err();
    let trouble = totesys.pipeline.status().await.unwrap().trouble.unwrap();
    assert_eq!(trouble.reason, "source: there is no table `public.payment` in the source database");
    totesys.source.execute("ALTER TABLE payments RENAME TO payment").await;
    totesys.run().await;
    assert!(totesys.pipeline.status().await.unwrap().trouble.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_one_order_can_be_asked_for() {
    let totesys = with_a_past().await;
    let key = |id: &str| vec![id.to_owned()];
    let found = totesys.pipeline.history("fact_sales_order", &key("1")).await.unwrap();
    let units = found.columns.iter().position(|column| column == "units_sold").unwrap();
    assert_eq!(
        found.versions[1..].iter().map(|row| row[units].as_deref()).collect::<Vec<_>>(),
        [Some("4321"), Some("1")]
    );
    assert!(totesys.pipeline.history("fact_sales_order", &key("123456")).await.unwrap().versions.is_empty());
    for (fact, key, message, hint) in [
        ("fact_sale", key("1"), "warehouse: there is no fact `fact_sale`", "the facts there are: fact_payment, "),
        (
            "fact_sales_order",
            key("one"),
            "warehouse: the key does not fit `fact_sales_order`",
            "sales_order_id integer",
        ),
        ("fact_sales_order", vec![], "warehouse: the key does not fit `fact_sales_order`", "sales_order_id integer"),
        ("dim_staff", key("1"), "warehouse: there is no fact `dim_staff`", "fact_sales_order"),
    ] {
        let error = totesys.pipeline.history(fact, &key).await.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_or_file_is_named_before_it_is_used() {
    for (bucket, prefix, star_fails) in [
        ("totesys-ingestion", "manifests/", false),
        ("totesys-ingestion", "data/sales_order/", true),
        ("totesys-transformed-data", "parquets/fact_sales_order/", true),
        ("totesys-transformation-times", "stars/sales/", true),
    ] {
        for damage in [Damage::Truncated, Damage::Altered, Damage::Missing] {
            let totesys = Totesys::start(Data::Sample).await;
            totesys.pipeline.extract().await.unwrap();
            if prefix.starts_with("parquets/") || prefix.starts_with("stars/") {
                totesys.pipeline.transform("sales").await.unwrap();
            }
            let damaged = totesys.damage(bucket, prefix, |path| damage.inflict(path));
            let outcome = totesys.pipeline.run().await;
            let said = match (&outcome, star_fails) {
                // A record that is missing was never written: the stage does its work again.
                (Ok(report), _) if matches!(damage, Damage::Missing) && !prefix.starts_with("data/") => {
                    if prefix.starts_with("parquets/") {
                        report.failures[0].error.to_string()
                    } else {
                        assert!(report.failures.is_empty(), "{prefix}: {:?}", report.failures);
                        continue;
                    }
                }
                (Ok(report), true) => {
                    report.failures.first().map(|failure| failure.error.to_string()).unwrap_or_default()
                }
                (Err(error), _) => error.to_string(),
                (Ok(_), false) => panic!("{prefix} {damage:?} went unnoticed"),
            };
            assert!(said.contains(&damaged), "{prefix} {damage:?}: {said}");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Truncated,
    Altered,
    Missing,
}

impl Damage {
    fn inflict(self, path: &std::path::Path) {
        let bytes = std::fs::read(path).unwrap();
        match self {
            Self::Truncated => std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Altered => {
                let mut altered = bytes;
                let middle = altered.len() / 2;
                altered[middle] ^= 0x15;
                std::fs::write(path, altered).unwrap();
            }
            Self::Missing => std::fs::remove_file(path).unwrap(),
        }
    }
}
