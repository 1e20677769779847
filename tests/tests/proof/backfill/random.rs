//! Whatever happens between chunks, and in whatever order they are read.

use host_lambda::Pipeline;
use totesys_postgres::Connection;
use totesys_sandbox::Limits;
use totesys_simulate::Random;
use totesys_tests::Totesys;
use totesys_tests::truth::assert_current;

use super::{PAGE, assert_versions_in_order, insert, on_pages, planned, totesys, update};

/// Something that happens in the source while it is read.
async fn happen(totesys: &Totesys, random: &mut Random, open: &mut Vec<Connection>, next: &mut i32) {
    let pages = 12;
    let page = u32::try_from(random.between(0, pages - 1)).unwrap();
    let part = on_pages(page..page + 1);
    let some = format!("sales_order_id % 13 = {} AND sales_order_id NOT BETWEEN 1 AND 120", random.between(0, 12));
    let statement = match random.between(0, 9) {
        // Orders up to 120 belong to transactions that hold them up.
        0..=2 => update(&format!("{part} AND {some}")),
        3 => update(&some),
        4 => format!("DELETE FROM sales_order WHERE {part} AND {some}"),
        5 | 6 => {
            let count = i32::try_from(random.between(1, 60)).unwrap();
            *next += count;
            insert(*next - count..*next)
        }
        7 => "VACUUM sales_order".to_owned(),
        8 => {
            let (payment, city) = (random.between(1, 170), random.between(1, 9));
            format!(
                "UPDATE payment SET paid = NOT paid WHERE payment_id > {payment};
                 UPDATE purchase_order SET item_quantity = item_quantity + 1 WHERE purchase_order_id % 3 = 0;
                 UPDATE address SET city = 'City {city}' WHERE address_id = {city};
                 UPDATE transaction SET sales_order_id = NULL WHERE transaction_id = {payment}"
            )
        }
        _ => {
            if random.chance(0.5) {
                if let Some(session) = open.pop() {
                    session.batch_execute(if random.chance(0.8) { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
                }
            } else if open.len() < 4 {
                let session = totesys.source.connect().await;
                // Each session has orders of its own, so that none waits for another.
                let mine = i64::try_from(open.len()).unwrap() * 30;
                let order = random.between(mine + 1, mine + 30);
                let (inner, outer) = (update(&format!("sales_order_id = {order}")), *next);
                *next += 2;
                let begun = format!(
                    "BEGIN; {}; SAVEPOINT a; {inner}; {}; RELEASE a",
                    insert(outer..outer + 1),
                    insert(outer + 1..outer + 2)
                );
                session.batch_execute(&begun).await.unwrap();
                open.push(session);
            }
            return;
        }
    };
    totesys.source.execute(&statement).await;
}

async fn whatever_happens(seed: u64) {
    let totesys = totesys().await;
    let mut random = Random::new(seed);
    let (mut open, mut next) = (Vec::new(), 50_000);
    // Room on early pages for rows of late ones, while nothing that is under way keeps it from being used.
    let room = format!("DELETE FROM sales_order WHERE sales_order_id % 3 > 0 AND {}", on_pages(3..7));
    totesys.source.execute(&room).await;
    totesys.source.execute("VACUUM sales_order").await;
    for _ in 0..random.between(0, 6) {
        happen(&totesys, &mut random, &mut open, &mut next).await;
    }
    let pipeline: Pipeline = totesys.pipeline_within(Limits::default()).with_chunks(PAGE, 2 * PAGE);
    let (plan, chunks) = planned(&pipeline).await;
    let mut left: Vec<u32> = (0..chunks).collect();
    while !left.is_empty() {
        for _ in 0..random.between(0, 3) {
            happen(&totesys, &mut random, &mut open, &mut next).await;
        }
        let at = usize::try_from(random.between(0, i64::try_from(left.len()).unwrap() - 1)).unwrap();
        pipeline.extract_chunk(&plan, left[at]).await.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        if random.chance(0.9) {
            left.swap_remove(at);
        }
    }
    happen(&totesys, &mut random, &mut open, &mut next).await;
    pipeline.finish_backfill(&plan).await.unwrap();
    happen(&totesys, &mut random, &mut open, &mut next).await;
    totesys.run().await;
    for session in open {
        session.batch_execute("COMMIT").await.unwrap();
    }
    totesys.run().await;
    assert_current(&totesys.warehouse, &totesys.source).await;
    assert_versions_in_order(&totesys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_and_the_warehouse_agree_in_the_end() {
    let seed = std::env::var("TOTESYS_BACKFILL_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in seed.map_or(1..=2, |seed: u64| seed..=seed) {
        whatever_happens(seed).await;
    }
}
