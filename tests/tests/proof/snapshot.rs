//! The real snapshot in, and every value of every column compared with SQL over the source.

use totesys_tests::truth::{COUNTS, assert_same};
use totesys_tests::{Data, Totesys, snapshot_folder};

#[tokio::test(flavor = "multi_thread")]
async fn the_real_snapshot_arrives_whole() {
    // `cargo xtask test` fails without the snapshot unless it is told `--no-snapshot`.
    if snapshot_folder().is_none() {
        return;
    }
    let totesys = Totesys::start(Data::Snapshot).await;
    totesys.run().await;
    for (table, rows) in COUNTS {
        assert_eq!(totesys.warehouse_number(&format!("SELECT count(*) FROM {table}")).await, *rows, "{table}");
    }
    assert_same(&totesys.warehouse, &totesys.source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_arrives_whole() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    assert_same(&totesys.warehouse, &totesys.source).await;
}

/// The columns of the eleven tables: name, type, and whether it may be NULL.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_exactly_those_of_the_domain() {
    let totesys = Totesys::start(Data::Empty).await;
    totesys.run().await;
    let query = "SELECT c.table_name || ' ' || string_agg(c.column_name || ':' || c.data_type
                     || CASE WHEN numeric_precision_radix = 10 AND numeric_precision IS NOT NULL
                             THEN format('(%s,%s)', numeric_precision, numeric_scale) ELSE '' END
                     || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END, ' ' ORDER BY ordinal_position)
                 FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
                 WHERE table_schema = 'totesys' AND table_type = 'BASE TABLE' GROUP BY c.table_name ORDER BY 1";
    let tables: Vec<String> = totesys.warehouse_rows(query).await.into_iter().flatten().flatten().collect();
    insta::assert_snapshot!(tables.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_tables_make_an_empty_warehouse() {
    let totesys = Totesys::start(Data::Empty).await;
    totesys.run().await;
    let query = "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = 'totesys' AND table_type = 'BASE TABLE'";
    assert_eq!(totesys.warehouse_number(query).await, 11);
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM dim_date").await, 0);
    totesys.run().await;
}
