//! Fills an empty source with any number of orders, in the real proportions and over the real span of time.
//!
//! The rows are made in the server, from their keys and the seed, over two connections, in tables of a schema of
//! their own that have no keys yet; keys, indexes and foreign keys are then made as they were, and the tables take
//! the place of the empty ones in one transaction. What an interrupted fill leaves is that schema alone, and the
//! next one begins by dropping it.

mod rows;

use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all};
use serde::Serialize;
use totesys_postgres::{ConnectionSettings, quote_identifier, quote_literal};

use crate::SimulateError;
use crate::schema::{self, Found, SCHEMA, TABLES};
use crate::session::Session;

use rows::Span;

/// The tables that grow with the number of orders, in two lanes that take about equally long.
const LANES: [[&str; 2]; 2] = [["payment", "purchase_order"], ["sales_order", "transaction"]];

/// The server's defaults suit many small sessions. Where it can, it looks whether anybody still waits for the rows.
const TUNING: &str = "SET maintenance_work_mem = '256MB'; SET work_mem = '64MB'; SET synchronous_commit = off;
    SELECT set_config('client_connection_check_interval', '1s', false)
    WHERE current_setting('server_version_num')::integer >= 140000";

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FillReport {
    /// Sales orders.
    pub sales_orders: u64,
    /// Purchase orders.
    pub purchase_orders: u64,
    /// Transactions, and as many payments.
    pub transactions: u64,
    /// How long it took until the rows were in, in seconds.
    pub rows_seconds: f64,
    /// How long keys, indexes, foreign keys and statistics took, in seconds.
    pub keys_seconds: f64,
}

/// Something the server enforces or keeps, as statements.
struct Rule {
    table: String,
    name: String,
    definition: String,
}

/// Fills a source that has no rows, or no tables, with so many sales orders and what belongs to them.
///
/// Empty tables that are there are replaced by new ones, so rights on them have to be granted again.
///
/// # Errors
/// When the source has rows, the keys would not fit, or a statement fails.
pub async fn fill(
    settings: &ConnectionSettings,
    schema: &str,
    orders: u64,
    seed: u64,
) -> Result<FillReport, SimulateError> {
    let span = Span::new(orders).ok_or(SimulateError::BadOrders { orders, most: rows::MOST_ORDERS })?;
    let first = Session::open(settings, schema).await?;
    refuse_rows(&first, schema).await?;
    let draft = format!("{schema}_filling");
    let (one, other) = try_join(Session::open(settings, &draft), Session::open(settings, &draft)).await?;
    for session in [&one, &other] {
        session.run("preparing the session", TUNING).await?;
    }
    let started = Instant::now();
    let name = quote_identifier(&draft);
    let tables = format!(
        "BEGIN; DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; {SCHEMA}; {}; COMMIT",
        schema::base(seed)
    );
    one.run("making the tables of Totesys", &tables).await?;
    let (foreign_keys, keys, indexes) = take_rules(&one, &draft).await?;

    let work = Work { span: &span, seed, keys: &keys, indexes: &indexes, started };
    let (a, b) = try_join(work.fill(&one, LANES[0]), work.fill(&other, LANES[1])).await?;
    let rows_seconds = a.max(b).as_secs_f64();

    restore_foreign_keys(&one, &other, &foreign_keys).await?;
    one.run("gathering statistics", &format!("ANALYZE {}", TABLES.join(", "))).await?;
    take_place(&one, schema, &draft).await?;
    Ok(FillReport {
        sales_orders: span.sales,
        purchase_orders: span.purchases,
        transactions: span.transactions(),
        rows_seconds,
        keys_seconds: started.elapsed().as_secs_f64() - rows_seconds,
    })
}

/// What the two lanes share.
struct Work<'a> {
    span: &'a Span,
    seed: u64,
    keys: &'a [Rule],
    indexes: &'a [Rule],
    started: Instant,
}

impl Work<'_> {
    /// Fills tables and makes their keys and indexes; gives when the last rows were in.
    async fn fill(&self, session: &Session, tables: [&'static str; 2]) -> Result<Duration, SimulateError> {
        let mut rows_done = Duration::ZERO;
        for table in tables {
            session.run("writing rows", &self.span.statement(table, self.seed)).await?;
            rows_done = self.started.elapsed();
            for rule in self.keys.iter().filter(|rule| rule.table == table) {
                let (name, key) = (quote_identifier(&rule.name), &rule.definition);
                session.run("making a key", &format!("ALTER TABLE {table} ADD CONSTRAINT {name} {key}")).await?;
            }
            for rule in self.indexes.iter().filter(|rule| rule.table == table) {
                session.run("making an index", &rule.definition).await?;
            }
        }
        Ok(rows_done)
    }
}

async fn refuse_rows(session: &Session, schema: &str) -> Result<(), SimulateError> {
    match schema::look(session, schema).await? {
        Found::Rows(table) => Err(SimulateError::NotEmpty { schema: schema.to_owned(), table: table.to_owned() }),
        Found::Empty | Found::Nothing => Ok(()),
    }
}

/// Drops the keys and indexes of the large tables and says how to make them again.
async fn take_rules(session: &Session, draft: &str) -> Result<(Vec<Rule>, Vec<Rule>, Vec<Rule>), SimulateError> {
    let doing = "reading keys and indexes";
    let namespace = format!("(SELECT oid FROM pg_namespace WHERE nspname = {})", quote_literal(draft));
    let large: Vec<String> = LANES.iter().flatten().map(|table| quote_literal(table)).collect();
    let large = large.join(", ");
    let constraints = |kind: &str| {
        format!(
            "SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
             WHERE c.relnamespace = {namespace} AND c.relname IN ({large}) AND k.contype = '{kind}' ORDER BY 1, 2"
        )
    };
    let foreign_keys = rules(session.run(doing, &constraints("f")).await?);
    let keys = rules(session.run(doing, &constraints("p")).await?);
    let indexes = format!(
        "SELECT c.relname, x.relname, pg_get_indexdef(x.oid)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
         WHERE c.relnamespace = {namespace} AND c.relname IN ({large}) AND NOT i.indisprimary ORDER BY 1, 2"
    );
    let indexes = rules(session.run(doing, &indexes).await?);
    let mut drops: Vec<String> = [&foreign_keys, &keys]
        .into_iter()
        .flatten()
        .map(|rule| format!("ALTER TABLE {} DROP CONSTRAINT {}", rule.table, quote_identifier(&rule.name)))
        .collect();
    drops.extend(indexes.iter().map(|rule| format!("DROP INDEX {}", quote_identifier(&rule.name))));
    session.run("setting keys and indexes aside", &drops.join("; ")).await?;
    Ok((foreign_keys, keys, indexes))
}

fn rules(rows: Vec<Vec<Option<String>>>) -> Vec<Rule> {
    let rule = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().flatten();
        Some(Rule { table: cells.next()?, name: cells.next()?, definition: cells.next()? })
    };
    rows.into_iter().filter_map(rule).collect()
}

/// Foreign keys are declared at once, which locks both tables, and checked side by side, which does not.
async fn restore_foreign_keys(one: &Session, other: &Session, rules: &[Rule]) -> Result<(), SimulateError> {
    for rule in rules {
        let (table, name, definition) = (&rule.table, quote_identifier(&rule.name), &rule.definition);
        let statement = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID");
        one.run("declaring a foreign key", &statement).await?;
    }
    let lanes = [(one, LANES[0]), (other, LANES[1])];
    try_join_all(lanes.map(|(session, tables)| async move {
        for rule in tables.iter().flat_map(|table| rules.iter().filter(move |rule| rule.table == **table)) {
            let (table, name) = (&rule.table, quote_identifier(&rule.name));
            let statement = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
            session.run("checking a foreign key", &statement).await?;
        }
        Ok::<_, SimulateError>(())
    }))
    .await?;
    Ok(())
}

/// The filled tables become those of the schema, if that is still empty.
async fn take_place(session: &Session, schema: &str, draft: &str) -> Result<(), SimulateError> {
    let (target, source) = (quote_identifier(schema), quote_identifier(draft));
    session.run("taking the tables' place", &format!("BEGIN; SET LOCAL search_path = {target}")).await?;
    // A failure leaves the transaction open, and the session ends with it.
    if schema::look(session, schema).await? == Found::Empty {
        let locked = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", TABLES.join(", "));
        session.run("taking the tables' place", &locked).await?;
    }
    refuse_rows(session, schema).await?;
    let mut script = vec![format!("CREATE SCHEMA IF NOT EXISTS {target}")];
    let all = || TABLES.into_iter().chain(["_prisma_migrations"]);
    script.extend(all().rev().map(|table| format!("DROP TABLE IF EXISTS {target}.{table}")));
    let types = ["PaymentTypeName", "TransactionType"].map(quote_identifier);
    script.extend(types.iter().map(|name| format!("DROP TYPE IF EXISTS {target}.{name}")));
    script.extend(types.iter().map(|name| format!("ALTER TYPE {source}.{name} SET SCHEMA {target}")));
    script.extend(all().map(|table| format!("ALTER TABLE {source}.{table} SET SCHEMA {target}")));
    script.push(format!("DROP SCHEMA {source}; COMMIT"));
    session.run("taking the tables' place", &script.join("; ")).await?;
    Ok(())
}
