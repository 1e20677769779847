//! `docs/questions.md`: every query of the page runs and gives what the page says.

use totesys_tests::{Data, Totesys, snapshot_folder};

const PAGE: &str = include_str!("../../../docs/questions.md");

/// A block of SQL, under its heading, with the answer below it.
struct Question {
    heading: &'static str,
    sql: &'static str,
    /// Whether it changes the source instead of asking the warehouse.
    for_source: bool,
    /// The header, then the rows.
    answer: Vec<Vec<String>>,
}

/// The page's SQL in its order.
fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    let mut rest = PAGE;
    while let Some(at) = rest.find("```sql") {
        let heading = PAGE[..PAGE.len() - rest.len() + at].lines().rfind(|line| line.starts_with('#'));
        let (kind, body) = rest[at + "```sql".len()..].split_once('\n').expect("a line ends");
        let (sql, after) = body.split_once("```").expect("the block ends");
        let table = after.trim_start().lines().take_while(|line| line.starts_with('|'));
        let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let answer: Vec<Vec<String>> = table.filter(|line| !line.starts_with("|--")).map(cells).collect();
        questions.push(Question { heading: heading.unwrap_or(""), sql, for_source: kind.trim() == "source", answer });
        rest = after;
    }
    questions
}

/// The answer with its header, NULL as nothing.
async fn ask(totesys: &Totesys, sql: &str) -> Vec<Vec<String>> {
    let connection = totesys.warehouse.connect().await;
    connection.batch_execute("SET search_path = totesys; SET TimeZone = 'UTC'").await.unwrap();
    let prepared = connection.prepare(sql).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let header = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
    let rows = totesys.warehouse_rows(sql).await;
    let text = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    std::iter::once(header).chain(rows.into_iter().map(text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_page_gives_what_the_page_says() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let mut asked = 0;
    for Question { heading, sql, for_source, answer } in questions() {
        if for_source {
            totesys.source.execute(sql).await;
            totesys.run().await;
            continue;
        }
        assert!(answer.len() > 1, "{heading}: the page shows no answer");
        assert_eq!(ask(&totesys, sql).await, answer, "{heading}\n{sql}");
        asked += 1;
    }
    assert!(asked >= 13, "{asked} questions were found");
}

/// Questions and their answer over the real snapshot, as SQL over the source that shares nothing with the page's.
const OVER_THE_SNAPSHOT: &[(&str, &str)] = &[
    (
        "### Revenue and units by design",
        "SELECT c.currency_code, d.design_name, (SELECT sum(units_sold) FROM sales_order o WHERE o.design_id = d.design_id
           AND o.currency_id = c.currency_id) AS units, (SELECT sum(units_sold * unit_price) FROM sales_order o
           WHERE o.design_id = d.design_id AND o.currency_id = c.currency_id) AS revenue
         FROM currency c CROSS JOIN design d
         WHERE EXISTS (SELECT FROM sales_order o WHERE o.design_id = d.design_id AND o.currency_id = c.currency_id)
         ORDER BY 1, 4 DESC, d.design_id",
    ),
    (
        "### Revenue and units by weekday",
        "SELECT 'GBP', w, (ARRAY['Monday','Tuesday','Wednesday','Thursday','Friday','Saturday','Sunday'])[w], units, revenue
         FROM (SELECT 1 + (created_at::date - DATE '2001-01-01') % 7 AS w, sum(units_sold) AS units,
                      sum(units_sold * unit_price) AS revenue
               FROM sales_order WHERE currency_id = (SELECT currency_id FROM currency WHERE currency_code = 'GBP')
               GROUP BY 1) days ORDER BY w",
    ),
    (
        "### Revenue and units by quarter",
        "SELECT currency_code, date_part('year', quarter), (date_part('month', quarter) + 2) / 3, units, revenue
         FROM (SELECT currency_id, date_trunc('quarter', created_at) AS quarter, sum(units_sold) AS units,
                      sum(units_sold * unit_price) AS revenue FROM sales_order GROUP BY 1, 2) quarters
         JOIN currency USING (currency_id) ORDER BY 1, 2, 3",
    ),
    (
        "### Spend by supplier",
        "SELECT currency_code, name, orders, spend
         FROM (SELECT currency_id, counterparty_id, count(*) AS orders, sum(item_unit_price * item_quantity) AS spend
               FROM purchase_order GROUP BY 1, 2) spent
         JOIN currency USING (currency_id)
         JOIN (SELECT counterparty_id AS id, counterparty_legal_name AS name FROM counterparty) supplier
           ON id = counterparty_id ORDER BY 1, 4 DESC, counterparty_id",
    ),
    (
        "### Paid and overdue amounts",
        "SELECT currency_code, transaction_type,
           sum(CASE WHEN paid THEN payment_amount END),
           sum(CASE WHEN NOT paid AND payment_date >= '2024-12-01' THEN payment_amount END),
           sum(CASE WHEN NOT paid AND payment_date < '2024-12-01' THEN payment_amount END),
           sum(CASE WHEN NOT paid AND payment_date < '2024-12-01' THEN 1 ELSE 0 END)
         FROM payment p, transaction t, currency c
         WHERE p.transaction_id = t.transaction_id AND p.currency_id = c.currency_id
         GROUP BY 1, 2 ORDER BY 1, t.transaction_type::text",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn over_the_real_snapshot_the_answers_are_what_the_source_says() {
    if snapshot_folder().is_none() {
        return;
    }
    let totesys = Totesys::start(Data::Snapshot).await;
    totesys.run().await;
    for (heading, over_source) in OVER_THE_SNAPSHOT {
        let question = questions().into_iter().find(|question| question.heading == *heading).expect(heading);
        // The whole answer, not its first rows.
        let sql = question.sql.lines().filter(|line| !line.starts_with("LIMIT")).collect::<Vec<_>>().join("\n");
        let (found, expected) = (totesys.warehouse_rows(&sql).await, totesys.source_rows(over_source).await);
        assert!(found.len() > 4, "{heading}");
        assert_eq!(found, expected, "{heading}");
    }
}
