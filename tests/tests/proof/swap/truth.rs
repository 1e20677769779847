//! What the warehouse says, against what the batches were and what the source holds.

use std::collections::BTreeMap;

use totesys_tests::Totesys;

use super::batches::{Seen, Versions};

/// Facts and their record ids.
const FACTS: &[(&str, &str)] = &[
    ("fact_sales_order", "sales_record_id"),
    ("fact_purchase_order", "purchase_record_id"),
    ("fact_payment", "payment_record_id"),
    ("fact_order", "order_record_id"),
];

/// What is current, as the source and the warehouse select it.
const CURRENT: &[(&str, &str)] = &[
    (
        "SELECT sales_order_id, units_sold, currency_code
         FROM sales_order JOIN currency USING (currency_id) ORDER BY 1",
        "SELECT sales_order_id, units_sold, currency_code FROM fact_order_current ORDER BY 1",
    ),
    (
        "SELECT sales_order_id, agreed_delivery_date FROM sales_order ORDER BY 1",
        "SELECT sales_order_id, promised FROM dim_promise ORDER BY 1",
    ),
    (
        "SELECT sales_order_id, staff_id, units_sold, unit_price, design_id, agreed_delivery_location_id,
             agreed_delivery_date::date, created_at::date, created_at::time, last_updated::time
         FROM sales_order ORDER BY 1",
        "SELECT sales_order_id, sales_staff_id, units_sold, unit_price, design_id, agreed_delivery_location_id,
             agreed_delivery_date, created_date, created_time, last_updated_time
         FROM fact_sales_order_current ORDER BY 1",
    ),
    (
        "SELECT purchase_order_id, staff_id, item_code, item_quantity, item_unit_price FROM purchase_order ORDER BY 1",
        "SELECT purchase_order_id, staff_id, item_code, item_quantity, item_unit_price
         FROM fact_purchase_order_current ORDER BY 1",
    ),
    (
        "SELECT payment_id, transaction_id, payment_amount::numeric(10,2), paid FROM payment ORDER BY 1",
        "SELECT payment_id, transaction_id, payment_amount::numeric(10,2), paid FROM fact_payment_current ORDER BY 1",
    ),
];

/// Rows without NULLs.
async fn rows(totesys: &Totesys, query: &str) -> Vec<Vec<String>> {
    totesys.warehouse_rows(query).await.into_iter().map(|row| row.into_iter().map(Option::unwrap).collect()).collect()
}

/// Compares everything.
pub(super) async fn compare(totesys: &Totesys, seen: &Seen) {
    ledger(totesys, seen).await;
    for (fact, id) in FACTS {
        ids(totesys, fact, id).await;
    }
    // Each version of an order was given by the batch whose load gave its id.
    let explained = "SELECT l.batch, sales_order_id, units_sold, currency_code
                     FROM fact_order f JOIN totesys_totesys.fact_loads l
                     ON l.fact = 'fact_order' AND f.order_record_id BETWEEN l.first_id AND l.last_id";
    let explained = rows(totesys, explained).await;
    assert_eq!(explained.len() as i64, totesys.warehouse_number("SELECT count(*) FROM fact_order").await);
    for row in explained {
        let [batch, given @ ..] = row.as_slice() else { panic!("{row:?}") };
        let batch: u64 = batch.parse().unwrap();
        assert!(seen.given[&batch].iter().any(|known| known == given), "batch {batch} never gave {given:?}");
    }
    // No version stands twice in a row, and none is lost.
    let doubled = "SELECT count(*) FROM (
                       SELECT units_sold, currency_code,
                           lag(units_sold) OVER w AS units, lag(currency_code) OVER w AS code
                       FROM fact_order WINDOW w AS (PARTITION BY sales_order_id ORDER BY order_record_id)) v
                   WHERE units_sold = units AND currency_code = code";
    assert_eq!(totesys.warehouse_number(doubled).await, 0);
    versions(totesys, "fact_order", &seen.picky, seen).await;
    versions(totesys, "fact_sales_order", &seen.sales, seen).await;

    for (there, here) in CURRENT {
        let expected = totesys.source_rows(there).await;
        assert!(expected.len() > 50, "{there}");
        assert!(totesys.warehouse_rows(here).await == expected, "{here}\nis not what the source holds");
    }
    let newest = totesys.lake.newest_transformation("picky").await.unwrap().unwrap();
    assert_eq!((newest.batch.0, newest.open_rows()), (seen.batches, 0), "what was refused was taken at last");
}

/// Every batch of every star was loaded once, and is said to be of the component that made it.
async fn ledger(totesys: &Totesys, seen: &Seen) {
    let mut loads = BTreeMap::new();
    for row in rows(totesys, "SELECT star, batch, component_digest FROM totesys_totesys.loads").await {
        let [star, batch, digest]: [String; 3] = row.try_into().unwrap();
        let twice = loads.insert((star, batch.parse::<u64>().unwrap()), digest);
        assert_eq!(twice, None);
    }
    assert_eq!(loads, seen.made_by);
    let of_facts = rows(totesys, "SELECT star, batch, component_digest FROM totesys_totesys.fact_loads").await;
    assert!(of_facts.len() as u64 > seen.batches, "{} loads of facts", of_facts.len());
    for row in of_facts {
        let [star, batch, digest]: [String; 3] = row.try_into().unwrap();
        assert_eq!(digest, seen.made_by[&(star, batch.parse().unwrap())]);
    }
}

/// Record ids have no gaps, and each was given by one load.
async fn ids(totesys: &Totesys, fact: &str, id: &str) {
    let given = format!("SELECT * FROM totesys_totesys.fact_loads WHERE fact = '{fact}'");
    let query = format!(
        "SELECT min({id}), max({id}) - count(*), (SELECT sum(last_id - first_id + 1) FROM ({given}) g) - count(*),
             (SELECT count(*) FROM (
                 SELECT first_id, lag(last_id, 1, 0) OVER (ORDER BY first_id) AS before FROM ({given}) g
             ) follows WHERE first_id <> before + 1)
         FROM {fact}"
    );
    assert_eq!(rows(totesys, &query).await, [["1", "0", "0", "0"]], "{fact}");
}

/// A key that never had a malformed date has as many versions as the batches showed states of it.
async fn versions(totesys: &Totesys, fact: &str, delivered: &Versions, seen: &Seen) {
    let count = format!("SELECT sales_order_id, count(*) FROM {fact} GROUP BY 1");
    let number = |text: &String| text.parse::<i32>().unwrap();
    let found: BTreeMap<i32, i32> =
        rows(totesys, &count).await.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
    assert!(found.keys().eq(delivered.keys()), "{fact} has other keys than the batches");
    let (mut compared, mut changed) = (0, 0);
    for (key, states) in delivered.iter().filter(|(key, _)| !seen.malformed_keys.contains(key)) {
        assert_eq!(found[key] as usize, states.len(), "{fact} {key}: {states:?}");
        compared += 1;
        changed += usize::from(states.len() > 1);
    }
    assert!(compared > 50 && changed > 5, "{fact}: {compared} keys, {changed} of them with more than one version");
}
