//! Tables too large for one extraction, read in chunks while the source lives on.

mod interrupted;
mod random;

use std::collections::BTreeSet;

use host_lambda::{Extraction, HostError, Pipeline};
use totesys_lake::{Attempt, BackfillEnd, BatchNumber, Committed, Lake, Manifest, Micros};
use totesys_sandbox::Limits;
use totesys_tests::truth::assert_current;
use totesys_tests::{Data, Totesys};

/// A page, which is also a chunk.
const PAGE: u64 = 8192;

/// Orders enough for ten pages and more, and numbers for their units that only grow: of two versions of an order the
/// one with more units is the newer one.
const MANY_ORDERS: &str = "
    INSERT INTO sales_order SELECT sales_order_id + 1000 * n, created_at, last_updated, design_id, staff_id,
      counterparty_id, units_sold, unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
      agreed_delivery_location_id FROM sales_order, generate_series(1, 6) n;
    CREATE SEQUENCE tick MINVALUE 1000000";

/// A source with many orders.
async fn totesys() -> Totesys {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute(MANY_ORDERS).await;
    totesys
}

/// A pipeline that reads the orders page by page, and every other table at once.
fn by_pages(totesys: &Totesys) -> Pipeline {
    totesys.pipeline_within(Limits::default()).with_chunks(4 * PAGE, PAGE)
}

/// What an extraction plans.
async fn planned(pipeline: &Pipeline) -> (String, u32) {
    match pipeline.extract().await.unwrap() {
        Extraction::Backfill { plan, chunks } => (plan, chunks),
        other => panic!("no backfill was planned: {other:?}"),
    }
}

async fn read_all(pipeline: &Pipeline, plan: &str, chunks: u32) {
    for chunk in 0..chunks {
        pipeline.extract_chunk(plan, chunk).await.unwrap();
    }
}

fn update(orders: &str) -> String {
    format!("UPDATE sales_order SET units_sold = nextval('tick') WHERE {orders}")
}

fn insert(orders: std::ops::Range<i32>) -> String {
    format!(
        "INSERT INTO sales_order SELECT n, created_at, last_updated, design_id, staff_id, counterparty_id,
           nextval('tick'), unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
           agreed_delivery_location_id FROM sales_order, generate_series({}, {}) n WHERE sales_order_id = 1",
        orders.start,
        orders.end - 1
    )
}

fn on_pages(pages: std::ops::Range<u32>) -> String {
    format!("ctid >= '({},0)' AND ctid < '({},0)'", pages.start, pages.end)
}

/// The page of every order.
async fn pages(totesys: &Totesys) -> Vec<(i32, u32)> {
    let places = totesys.source_rows("SELECT sales_order_id, (ctid::text::point)[0] FROM sales_order ORDER BY 1").await;
    let numbers = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().flatten();
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    };
    places.into_iter().map(|row| numbers(row).unwrap()).collect()
}

/// How many orders moved to earlier pages between two looks, and how many to later ones.
fn moves(before: &[(i32, u32)], after: &[(i32, u32)]) -> (usize, usize) {
    let now = |order| after.iter().find(|(other, _)| *other == order).map(|(_, page)| *page);
    let moved: Vec<_> = before.iter().filter_map(|(order, page)| Some((*page, now(*order)?))).collect();
    (
        moved.iter().filter(|(before, after)| after < before).count(),
        moved.iter().filter(|(before, after)| after > before).count(),
    )
}

/// Versions of an order stand in the order in which they were made, and none twice; so do their times.
async fn assert_versions_in_order(totesys: &Totesys) {
    for wrong in [
        "SELECT count(*) FROM (SELECT units_sold <= lag(units_sold) OVER
           (PARTITION BY sales_order_id ORDER BY sales_record_id) AS wrong FROM fact_sales_order) v WHERE wrong",
        "SELECT count(*) FROM fact_sales_order_history WHERE valid_to < valid_from",
    ] {
        assert_eq!(totesys.warehouse_number(wrong).await, 0, "{wrong}");
    }
}

/// The manifests of all batches, the first one first.
async fn manifests(lake: &Lake) -> Vec<Manifest> {
    let mut manifests = Vec::new();
    while let Some(manifest) = lake.manifest(BatchNumber(manifests.len() as u64 + 1)).await.unwrap() {
        manifests.push(manifest.into_record());
    }
    manifests
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_at_different_times_end_as_one_extraction_and_a_batch() {
    let totesys = totesys().await;
    let mut twin = Totesys::start(Data::Empty).await;
    twin.share_source(&totesys);
    // Room in early pages.
    for pages in [2..5, 7..8] {
        let room = format!("DELETE FROM sales_order WHERE sales_order_id % 3 > 0 AND {}", on_pages(pages));
        totesys.source.execute(&room).await;
    }
    totesys.source.execute("VACUUM sales_order").await;
    let (early, late) = (totesys.source.connect().await, totesys.source.connect().await);
    early.batch_execute(&format!("BEGIN; {}; {}", update("sales_order_id = 1"), insert(20_000..20_003))).await.unwrap();
    twin.run().await;
    let pipeline = by_pages(&totesys);
    let (plan, chunks) = planned(&pipeline).await;
    assert!(chunks >= 9, "{chunks} chunks");
    late.batch_execute(&format!("BEGIN; {}", update("sales_order_id IN (2, 6001)"))).await.unwrap();

    // A key that no chunk before has met, on a page with room for the new version.
    let renamed = "UPDATE sales_order SET sales_order_id = 40001, units_sold = nextval('tick')
                   WHERE sales_order_id = (SELECT min(sales_order_id) FROM sales_order WHERE ";
    totesys.source.execute(&format!("{renamed}{})", on_pages(7..8))).await;

    let last = chunks - 1;
    let (mut back, mut on) = (0, 0);
    let chunk = async |number: u32| pipeline.extract_chunk(&plan, number).await.unwrap();
    let mut between = async |changes: String| {
        let before = pages(&totesys).await;
        totesys.source.execute(&changes).await;
        let moved = moves(&before, &pages(&totesys).await);
        (back, on) = (back + moved.0, on + moved.1);
    };
    // Whole pages of late rows, those not read yet and those just read, into the room of early ones.
    chunk(last).await;
    chunk(2).await;
    between(format!("{} AND sales_order_id <> 6001", update(&on_pages(last - 1..last + 1)))).await;
    chunk(last - 1).await;
    chunk(3).await;
    // Early rows, read and not read, to wherever there is room.
    between(format!("{} AND sales_order_id > 2", update(&on_pages(0..1)))).await;
    between(update(&on_pages(2..3))).await;
    chunk(0).await;
    // Rows come and go, a new address and a new designer's orders among them.
    between(
        "INSERT INTO staff VALUES (900, 'Ada', 'New', 1, 'ada@totes.example', now(), now());
         UPDATE address SET city = 'Elsewhere' WHERE address_id = 3;
         UPDATE department SET location = 'York' WHERE department_id = 2"
            .to_owned(),
    )
    .await;
    between(insert(10_000..10_150)).await;
    between("UPDATE sales_order SET staff_id = 900, units_sold = nextval('tick') WHERE sales_order_id % 50 = 7".into())
        .await;
    between("DELETE FROM sales_order WHERE sales_order_id % 9 = 4 AND sales_order_id > 6".to_owned()).await;
    early.batch_execute("COMMIT").await.unwrap();
    for number in (0..chunks).filter(|number| ![last, 2, last - 1, 3, 0].contains(number)) {
        chunk(number).await;
        between(update(&format!("sales_order_id % 97 = {number} AND sales_order_id > 2"))).await;
    }
    between(insert(4..5).replace("n,", "n + 30000,")).await;
    between("DELETE FROM sales_order WHERE sales_order_id IN (10001, 30004, 40001)".to_owned()).await;
    let finished = pipeline.finish_backfill(&plan).await.unwrap();
    assert_eq!((finished.batches, finished.first, finished.last), (u64::from(chunks) + 1, 1, u64::from(chunks) + 1));
    assert!(back > 20 && on > 20, "rows that moved: {back} back, {on} on");

    // What the chunks saw goes through the stages by itself, then comes an ordinary batch.
    for star in totesys_tests::STARS {
        pipeline.transform(star).await.unwrap();
        pipeline.load(star).await.unwrap();
    }
    assert_versions_in_order(&totesys).await;
    let Extraction::Batch { batch, tables, .. } = totesys.run().await.extraction else { panic!("no batch") };
    assert_eq!(batch, finished.last + 1);
    assert!(!tables["sales_order"].whole && tables["sales_order"].rows < 800, "{tables:?}");
    // What was under way all the time comes when it ends.
    late.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    twin.run().await;
    for warehouse in [&totesys.warehouse, &twin.warehouse] {
        assert_current(warehouse, &totesys.source).await;
    }
    assert_versions_in_order(&totesys).await;
    // Who was gone in the twin's warehouse is gone here, if ever there.
    let gone = "SELECT DISTINCT sales_order_id::text FROM fact_sales_order_history h
                WHERE NOT EXISTS (SELECT FROM fact_sales_order_current c WHERE c.sales_order_id = h.sales_order_id)
                  AND deleted_at IS NULL AND NOT EXISTS (SELECT FROM fact_sales_order_history d
                    WHERE d.sales_order_id = h.sales_order_id AND d.deleted_at IS NOT NULL)";
    for pipeline in [&totesys, &twin] {
        assert!(pipeline.warehouse_rows(gone).await.is_empty());
    }
    let noticed =
        "SELECT count(*) FROM fact_sales_order_history WHERE sales_order_id = 40001 AND deleted_at IS NOT NULL";
    assert_eq!(totesys.warehouse_number(noticed).await, 1, "read by a chunk, and deleted since");

    // From here on sums say whether a key is gone.
    totesys.source.execute(&update("sales_order_id = 5")).await;
    totesys.run().await;
    let newest = manifests(&totesys.lake).await.pop().unwrap();
    assert!(newest.tables["sales_order"].changed && newest.tables["sales_order"].keys.is_none());
    totesys.source.execute("DELETE FROM sales_order WHERE sales_order_id = 5").await;
    totesys.run().await;
    assert_current(&totesys.warehouse, &totesys.source).await;
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_a_chain_of_batches_that_know_nothing_of_what_is_gone() {
    let totesys = totesys().await;
    // Transactions, to which payments refer, are read in chunks as well.
    let pipeline = totesys.pipeline_within(Limits::default()).with_chunks(PAGE, PAGE);
    let (plan, chunks) = planned(&pipeline).await;
    // Read from the end on, so that no table's batches stand in the order of their numbers.
    for chunk in (0..chunks).rev() {
        let read = pipeline.extract_chunk(&plan, chunk).await.unwrap();
        assert!(!read.already && read.rows > 0 && read.bytes > 0, "{read:?}");
    }
    pipeline.finish_backfill(&plan).await.unwrap();
    let (opening, batches) = {
        let mut all = manifests(&totesys.lake).await;
        (all.remove(0), all)
    };
    assert_eq!(batches.len(), chunks as usize);
    let mut order = Vec::new();
    let mut before = opening.clone();
    for manifest in batches {
        assert!(manifest.taken_at >= before.taken_at && manifest.attempt == opening.attempt);
        for number in ["xmin", "xmax", "system_identifier"] {
            assert_eq!(manifest.baseline[number], opening.baseline[number]);
        }
        let changed: Vec<_> = manifest.tables.iter().filter(|(_, entry)| entry.changed).collect();
        let [(table, entry)] = changed.as_slice() else { panic!("one table a batch: {changed:?}") };
        assert!(manifest.tables.values().all(|entry| entry.keys.is_none()));
        let changes = manifest.tables.values().filter(|entry| entry.delivery == star_contract::Delivery::Changes);
        assert_eq!(changes.filter(|entry| entry.whole || !entry.files.is_empty()).count(), 1);
        assert!(manifest.baseline["tables"][table.as_str()]["keys"].is_null());
        order.push(((*table).clone(), entry.backfill.as_ref().unwrap().chunk.unwrap()));
        before = manifest;
    }
    let tables: Vec<&str> = order.chunk_by(|a, b| a.0 == b.0).map(|of_table| of_table[0].0.as_str()).collect();
    assert_eq!(tables[0], "transaction", "what facts refer to comes first");
    assert_eq!(tables.iter().collect::<BTreeSet<_>>().len(), tables.len());
    assert!(order.chunk_by(|a, b| a.0 == b.0).all(|of_table| of_table.is_sorted_by(|a, b| a.1 > b.1)), "{order:?}");
    assert!(before.baseline["tables"].as_object().unwrap().values().all(|shape| shape.get("partial").is_none()));
    assert!(opening.baseline["tables"]["sales_order"]["partial"].as_bool().unwrap());

    // Done is done.
    let again = pipeline.finish_backfill(&plan).await.unwrap();
    assert_eq!(again.batches, u64::from(chunks) + 1);
    assert!(pipeline.extract_chunk(&plan, 0).await.unwrap().already);
    totesys.run().await;
    assert_current(&totesys.warehouse, &totesys.source).await;
    let waited = "SELECT count(*) FROM totesys_totesys.fact_payment_waiting";
    assert_eq!(totesys.warehouse_number(waited).await, 0);
    // A file of a chunk is explained by the batch it came into.
    let entry = &before.tables[&order.last().unwrap().0];
    let bytes = pipeline.stored_file(&entry.files[0].key).await.unwrap();
    let origin = pipeline.explain_file("file", bytes).await.unwrap();
    assert_eq!(origin.ingested_in.unwrap().batch, u64::from(chunks) + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_extracted_meanwhile() {
    let totesys = totesys().await;
    let pipeline = by_pages(&totesys);
    let (plan, chunks) = planned(&pipeline).await;
    pipeline.extract_chunk(&plan, 3).await.unwrap();
    let again = pipeline.extract_chunk(&plan, 3).await.unwrap();
    assert!(again.already && again.chunk == 3 && again.table == "sales_order" && again.rows > 0);
    let objects = totesys.objects().await;
    for other in [&pipeline, &totesys.pipeline] {
        let extraction = other.extract().await.unwrap();
        let Extraction::BackfillUnderWay { plan: known, chunks: all, read: 1 } = extraction else {
            panic!("{extraction:?}")
        };
        assert_eq!((known, all), (plan.clone(), chunks));
    }
    assert_eq!(totesys.objects().await, objects);
    let status = pipeline.status().await.unwrap().backfill.unwrap();
    assert_eq!((status.plan, status.chunks, status.read), (plan.clone(), chunks, 1));

    let refused = |error: HostError| error.to_string();
    for (error, message) in [
        (pipeline.finish_backfill(&plan).await.map(drop), format!("has read 1 of its {chunks} chunks")),
        (pipeline.extract_chunk(&plan, chunks).await.map(drop), format!("has {chunks} chunks, from 0 on")),
        (pipeline.extract_chunk("0123456789abcdef", 0).await.map(drop), "no backfill `0123456789abcdef`".to_owned()),
        (pipeline.finish_backfill("").await.map(drop), "no backfill ``".to_owned()),
    ] {
        let error = error.unwrap_err();
        assert!(error.hint().is_some());
        let said = refused(error);
        assert!(said.contains(&message), "{said}");
    }
    // A run by itself goes on with it.
    let report = totesys.run().await;
    assert!(matches!(report.extraction, Extraction::BackfillUnderWay { read: 1, .. }));
    assert_current(&totesys.warehouse, &totesys.source).await;
    // The next batch compares keys for the first time; then there is nothing to do.
    let Extraction::Batch { tables, .. } = pipeline.run().await.unwrap().extraction else { panic!("no batch") };
    assert!(tables.contains_key("sales_order"));
    assert!(matches!(pipeline.run().await.unwrap().extraction, Extraction::NothingNew { .. }));
    assert!(pipeline.status().await.unwrap().backfill.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_rewritten_or_changed_is_planned_anew() {
    for (change, reason) in [
        ("VACUUM FULL sales_order", "rewritten"),
        ("CLUSTER sales_order USING sales_order_pkey", "rewritten"),
        ("ALTER TABLE sales_order ADD COLUMN note text DEFAULT 'none'", "table-changed-shape"),
    ] {
        let totesys = totesys().await;
        // One chunk before the change; or all of them, which is the moment before the end.
        for all in [false, true] {
            let pipeline = by_pages(&totesys);
            let (plan, chunks) = planned(&pipeline).await;
            read_all(&pipeline, &plan, if all { chunks } else { 1 }).await;
            totesys.source.execute(&update("sales_order_id < 50")).await;
            let change = if all { change.replace("note", "another") } else { change.to_owned() };
            totesys.source.execute(&change).await;
            let error = match all {
                false => pipeline.extract_chunk(&plan, 1).await.unwrap_err(),
                true => pipeline.finish_backfill(&plan).await.unwrap_err(),
            };
            let HostError::TableMoved { table, reason: found } = &error else { panic!("{change}: {error:?}") };
            assert_eq!((table.as_str(), *found), ("sales_order", reason), "{change}");
            assert!(!error.is_transient() && error.hint().is_some());
            for over in
                [pipeline.extract_chunk(&plan, 2).await.map(drop), pipeline.finish_backfill(&plan).await.map(drop)]
            {
                // What was read before is there still.
                assert!(matches!(over, Err(HostError::NoBackfill { .. })) || (all && over.is_ok()), "{over:?}");
            }
        }
        assert_eq!(manifests(&totesys.lake).await.len(), 0);
        let trouble = totesys.pipeline.status().await.unwrap().trouble.unwrap();
        assert!(trouble.reason.contains(reason), "{trouble:?}");
        let pipeline = by_pages(&totesys);
        assert!(matches!(pipeline.run().await.unwrap().extraction, Extraction::Backfill { .. }));
        assert_current(&totesys.warehouse, &totesys.source).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_run_s_batch_or_an_end_makes_room_for_another_plan() {
    let totesys = totesys().await;
    let pipeline = by_pages(&totesys);
    // An extraction that began before the plan was made, and had the first batch's number.
    let (plan, chunks) = planned(&pipeline).await;
    let planned_first = totesys.lake.newest_backfill().await.unwrap().unwrap().into_record();
    let theirs = Manifest { attempt: Attempt::random().unwrap(), ..planned_first.opening };
    assert_eq!(totesys.lake.commit_manifest(&theirs).await.unwrap(), Committed::Ours);
    assert!(matches!(pipeline.extract_chunk(&plan, 0).await, Err(HostError::NoBackfill { .. })));
    // Its baseline takes the orders for partly read, as that of an interrupted backfill does.
    let (second, chunks_again) = planned(&pipeline).await;
    assert!(second != plan && chunks_again == chunks);
    assert!(matches!(pipeline.extract_chunk(&plan, 0).await, Err(HostError::NoBackfill { .. })));
    // It is interrupted when some of its batches are there, and then given up.
    read_all(&pipeline, &second, chunks).await;
    let record = totesys.lake.newest_backfill().await.unwrap().unwrap();
    assert_eq!(totesys.lake.commit_manifest(&record.opening).await.unwrap(), Committed::Ours);
    let (plan, attempt) = (record.attempt.clone(), Attempt::random().unwrap());
    let end = BackfillEnd { plan, attempt, ended_at: Micros::now(), failed: Some("given up".to_owned()) };
    totesys.lake.commit_backfill_end(&end).await.unwrap();
    assert!(matches!(pipeline.finish_backfill(&second).await, Err(HostError::NoBackfill { .. })));
    totesys.source.execute(&update("sales_order_id < 50")).await;
    let report = pipeline.run().await.unwrap();
    let Extraction::Backfill { plan: third, .. } = &report.extraction else { panic!("{:?}", report.extraction) };
    assert!(*third != second && report.failures.is_empty(), "{:?}", report.failures);
    assert_current(&totesys.warehouse, &totesys.source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plans_at_once_are_one() {
    let totesys = totesys().await;
    let pipelines: Vec<Pipeline> = (0..4).map(|_| by_pages(&totesys)).collect();
    let outcomes = futures_util::future::join_all(pipelines.iter().map(Pipeline::extract)).await;
    let (mut planned, mut names) = (0, BTreeSet::new());
    for outcome in outcomes {
        match outcome.unwrap() {
            Extraction::Backfill { plan, .. } => {
                planned += 1;
                names.insert(plan);
            }
            Extraction::BackfillUnderWay { plan, .. } => {
                names.insert(plan);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((planned, names.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_wait_under_their_batch() {
    let totesys = Totesys::start(Data::Sample).await;
    // What the codec cannot hold is copied with the order, to page after page.
    totesys.source.execute("UPDATE sales_order SET unit_price = 'NaN' WHERE sales_order_id = 7").await;
    totesys.source.execute(MANY_ORDERS).await;
    let pipeline = by_pages(&totesys);
    let (plan, chunks) = planned(&pipeline).await;
    read_all(&pipeline, &plan, chunks).await;
    pipeline.finish_backfill(&plan).await.unwrap();
    let all = manifests(&totesys.lake).await;
    let open: Vec<u64> = all.last().unwrap().unreadable.iter().map(|open| open.batch.0).collect();
    assert!(open.len() > 3 && open.is_sorted_by(|a, b| a < b), "a file each: {open:?}");
    assert!(open.iter().all(|batch| all[usize::try_from(*batch).unwrap() - 1].quarantine.len() == 1));
    totesys.run().await;
    assert_eq!(totesys.pipeline.status().await.unwrap().unreadable["sales_order"], 7);
    assert_eq!(pipeline.quarantine(None).await.unwrap().len(), 7);
    totesys.source.execute("UPDATE sales_order SET unit_price = 4.20 WHERE unit_price = 'NaN'").await;
    totesys.run().await;
    assert!(totesys.pipeline.status().await.unwrap().unreadable.is_empty());
    assert_current(&totesys.warehouse, &totesys.source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_has_rows_gets_what_is_new_and_loses_what_is_gone() {
    let totesys = totesys().await;
    totesys.run().await;
    totesys.source.execute(&update("sales_order_id % 7 = 1")).await;
    totesys.source.execute("DELETE FROM sales_order WHERE sales_order_id % 7 = 2").await;
    let full = totesys.pipeline_into(&totesys.warehouse, Some(host_lambda::Full::Everything)).with_chunks(PAGE, PAGE);
    let (plan, chunks) = planned(&full).await;
    read_all(&full, &plan, chunks).await;
    full.finish_backfill(&plan).await.unwrap();
    let deletions = "SELECT count(*) FROM totesys_totesys.fact_sales_order_deletions";
    for star in totesys_tests::STARS {
        full.transform(star).await.unwrap();
        full.load(star).await.unwrap();
    }
    assert_eq!(totesys.warehouse_number(deletions).await, 0, "chunks say nothing of what is gone");
    let further = "SELECT count(*) - count(DISTINCT sales_order_id) FROM fact_sales_order";
    let updated = totesys.source_rows("SELECT count(*) FROM sales_order WHERE units_sold >= 1000000").await;
    assert_eq!(Some(totesys.warehouse_number(further).await.to_string()), updated[0][0]);
    totesys.source.execute("DELETE FROM sales_order WHERE sales_order_id = 1").await;
    totesys.run().await;
    assert!(totesys.warehouse_number(deletions).await > 100);
    assert_current(&totesys.warehouse, &totesys.source).await;
}
