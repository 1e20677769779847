//! The source that is measured: sales orders in realistic shape, made by the server itself.

use std::time::Instant;

use anyhow::{Context, Result};
use totesys_postgres::{Connection, ConnectionSettings, PostgresError, quote_identifier};

use crate::cluster::Cluster;
use crate::place::say;

/// The source's schema.
const SCHEMA: &str = include_str!("../../schema/totesys.sql");

/// The small tables behind the dimensions, as large as the real ones.
const SMALL_TABLES: &str = "
    INSERT INTO address (address_line_1, address_line_2, district, city, postal_code, country, phone, last_updated)
    SELECT n || ' Herzog Via', CASE WHEN n % 3 = 0 THEN 'Flat ' || n END, CASE WHEN n % 2 = 0 THEN 'Avon' END,
           'Town ' || n, lpad((n * 7919 % 99999)::text, 5, '0'), 'Country ' || n % 12, '1803 ' || 637401 + n, '2022-11-03'
    FROM generate_series(1, 30) n;
    INSERT INTO counterparty (counterparty_legal_name, legal_address_id, commercial_contact, last_updated)
    SELECT 'Trader ' || n || ' and Sons', 1 + n * 7 % 30, 'Contact ' || n, '2022-11-03' FROM generate_series(1, 20) n;
    INSERT INTO currency (currency_code, last_updated)
    VALUES ('GBP', '2022-11-03'), ('USD', '2022-11-03'), ('EUR', '2022-11-03');
    INSERT INTO department (department_name, location, manager, last_updated)
    SELECT 'Department ' || n, CASE WHEN n < 8 THEN 'Leeds' END, 'Manager ' || n, '2022-11-03' FROM generate_series(1, 8) n;
    INSERT INTO design (design_name, file_location, file_name, last_updated)
    SELECT 'Design ' || n % 40, '/usr/share', 'design-' || n || '-' || md5(n::text) || '.json', '2022-11-03'
    FROM generate_series(1, 424) n;
    INSERT INTO staff (first_name, last_name, department_id, email_address, last_updated)
    SELECT 'First' || n, 'Last' || n, 1 + n % 8, 'first' || n || '@terrifictotes.com', '2022-11-03'
    FROM generate_series(1, 20) n;";

/// Ten years of orders, whatever their number; every value has the range it has in the real data.
const ORDERS: &str = "
    INSERT INTO sales_order (sales_order_id, created_at, last_updated, design_id, staff_id, counterparty_id, units_sold,
        unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id)
    SELECT n, made, made, 1 + hash % 424, 1 + hash / 424 % 20, 1 + hash / 8480 % 20, 1000 + hash / 13 % 99000,
           2 + (hash / 17 % 200)::numeric / 100, 1 + hash / 31 % 3,
           to_char(made + (1 + hash / 37 % 9) * interval '1 day', 'YYYY-MM-DD'),
           to_char(made + (1 + hash / 41 % 9) * interval '1 day', 'YYYY-MM-DD'), 1 + hash / 43 % 30
    FROM (SELECT n, abs(hashint4(n::int)::bigint) AS hash,
                 (timestamp '2015-01-05 08:00' + n * (interval '3650 days' / $rows))::timestamp(3) AS made
          FROM generate_series(1, $rows) n) made";

/// What every contestant must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) rows: u64,
    pub(super) units: u64,
    pub(super) cents: u64,
    /// Bytes of the table's pages.
    pub(super) heap_bytes: u64,
}

/// Makes the source, unless the last one had as many rows.
pub(super) async fn prepare(cluster: &Cluster, database: &str, rows: u64) -> Result<()> {
    let administration = connect(&cluster.url("postgres")).await?;
    let comment = format!("{rows} sales orders");
    let found = administration
        .query_opt("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", &[&database])
        .await?
        .and_then(|row| row.get::<_, Option<String>>(0));
    if found.as_deref() == Some(comment.as_str()) {
        return Ok(());
    }
    let started = Instant::now();
    recreate(&administration, database).await?;
    let source = connect(&cluster.url(database)).await?;
    execute(&source, SCHEMA).await?;
    execute(&source, SMALL_TABLES).await?;
    // Checking keys row by row would take most of the time, and these rows are known to have them.
    execute(&source, "SET session_replication_role = replica; SET synchronous_commit = off").await?;
    execute(&source, &ORDERS.replace("$rows", &rows.to_string())).await?;
    // Twice: the second sees every page as visible to all and every index page settled.
    execute(&source, "VACUUM (FREEZE, ANALYZE)").await?;
    execute(&source, "CHECKPOINT").await?;
    let remember = format!("COMMENT ON DATABASE {} IS '{comment}'", quote_identifier(database));
    execute(&administration, &remember).await?;
    say(&format!("{rows} sales orders made in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Counts and sums the source.
pub(super) async fn expected(source: &Connection) -> Result<Expected> {
    let query = "SELECT count(*), sum(units_sold)::int8, (sum(unit_price) * 100)::int8,
                        pg_relation_size('sales_order') FROM sales_order";
    let row = source.query_one(query, &[]).await.map_err(PostgresError::from)?;
    let number = |position| row.get::<_, i64>(position).cast_unsigned();
    Ok(Expected { rows: number(0), units: number(1), cents: number(2), heap_bytes: number(3) })
}

/// Drops a database and makes it anew.
pub(super) async fn recreate(administration: &Connection, database: &str) -> Result<()> {
    let name = quote_identifier(database);
    execute(administration, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    execute(administration, &format!("CREATE DATABASE {name}")).await
}

/// A connection to a database by its URL.
pub(super) async fn connect(url: &str) -> Result<Connection> {
    Ok(ConnectionSettings::parse(url, &|_| None)?.connect("totesys bench").await?)
}

/// Runs statements, each committed on its own.
pub(super) async fn execute(connection: &Connection, sql: &str) -> Result<()> {
    let first = || sql.trim().lines().next().unwrap_or_default().to_owned();
    connection.batch_execute(sql).await.map_err(PostgresError::from).with_context(first)
}
