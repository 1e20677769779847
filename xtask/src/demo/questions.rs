//! What the demo asks the warehouse.

use anyhow::Result;
use totesys_postgres::{Connection, ConnectionSettings, PostgresError, qualified};

/// The order whose delivery date was changed silently.
const CHANGED_ORDER: i32 = 7;

/// Prints rows per table, the versions of the changed order and the top designs in one currency.
pub(crate) async fn ask(warehouse: &ConnectionSettings, schema: &str) -> Result<()> {
    let connection = warehouse.connect("totesys demo").await?;
    rows_per_table(&connection, schema).await?;
    versions(&connection, schema).await?;
    top_designs(&connection, schema).await
}

async fn rows_per_table(connection: &Connection, schema: &str) -> Result<()> {
    let tables = connection
        .query(
            "SELECT table_name::text FROM information_schema.tables
             WHERE table_schema = $1 AND table_type = 'BASE TABLE' ORDER BY 1",
            &[&schema],
        )
        .await
        .map_err(PostgresError::from)?;
    println!("\nrows per table");
    for row in tables {
        let table: String = row.get(0);
        let count = format!("SELECT count(*) FROM {}", qualified(schema, &table));
        let rows: i64 = connection.query_one(&count, &[]).await.map_err(PostgresError::from)?.get(0);
        println!("  {table:<22} {rows:>6}");
    }
    Ok(())
}

async fn versions(connection: &Connection, schema: &str) -> Result<()> {
    let query = format!(
        "SELECT sales_record_id, agreed_delivery_date::text,
                to_char(last_updated_date + last_updated_time, 'YYYY-MM-DD HH24:MI:SS.MS'),
                to_char(valid_from, 'YYYY-MM-DD HH24:MI:SS'),
                coalesce(to_char(valid_to, 'YYYY-MM-DD HH24:MI:SS'), 'now')
         FROM {} WHERE sales_order_id = $1 ORDER BY sales_record_id",
        qualified(schema, "fact_sales_order_history")
    );
    println!("\nsales order {CHANGED_ORDER}: two versions under one last_updated");
    println!("  {:>9}  {:<10}  {:<23}  valid", "record id", "delivery", "last_updated");
    for row in connection.query(&query, &[&CHANGED_ORDER]).await.map_err(PostgresError::from)? {
        let (id, delivery, updated): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
        let (from, to): (String, String) = (row.get(3), row.get(4));
        println!("  {id:>9}  {delivery}  {updated}  {from} to {to}");
    }
    Ok(())
}

async fn top_designs(connection: &Connection, schema: &str) -> Result<()> {
    let query = format!(
        "SELECT design_name, sum(units_sold), sum(units_sold * unit_price)::text
         FROM {fact} JOIN {design} USING (design_id) JOIN {currency} USING (currency_id)
         WHERE currency_code = 'GBP' GROUP BY design_id, design_name ORDER BY sum(units_sold * unit_price) DESC LIMIT 5",
        fact = qualified(schema, "fact_sales_order_current"),
        design = qualified(schema, "dim_design"),
        currency = qualified(schema, "dim_currency"),
    );
    println!("\ntop designs by revenue in GBP");
    for row in connection.query(&query, &[]).await.map_err(PostgresError::from)? {
        let (design, units, revenue): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
        println!("  {design:<22} {units:>9} units {revenue:>16}");
    }
    Ok(())
}
