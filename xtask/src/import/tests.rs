use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use totesys_postgres::Connection;

use super::*;
use crate::hint;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/sample")
}

/// A database of the test's own on the server that `TOTESYS_TEST_SERVER` names.
struct Database {
    server: Connection,
    settings: ConnectionSettings,
}

impl Database {
    async fn create(name: &str) -> Self {
        let url = std::env::var("TOTESYS_TEST_SERVER").expect("TOTESYS_TEST_SERVER is the URL of a superuser");
        let settings = ConnectionSettings::parse(&url, &|_| None).unwrap();
        let server = settings.connect("test").await.unwrap();
        let name = format!("xtask_{name}_{}", std::process::id());
        for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            server.batch_execute(&statement).await.unwrap();
        }
        Self { server, settings: settings.with_database(&name) }
    }

    async fn import(&self, directory: &Path) -> Result<ImportReport> {
        import(directory, &self.settings, "public", &Progress::new()).await
    }

    async fn ask(&self, query: &str) -> String {
        self.settings.connect("test").await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    async fn drop(self) {
        self.server.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.settings.database())).await.unwrap();
    }
}

fn counts(report: &ImportReport) -> Vec<(&str, u64)> {
    report.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect()
}

#[tokio::test]
async fn the_sample_loads_with_all_its_traps() {
    let database = Database::create("sample").await;
    let report = database.import(&sample()).await.unwrap();
    assert_eq!(
        counts(&report),
        [
            ("address", 15),
            ("currency", 3),
            ("department", 8),
            ("design", 30),
            ("payment_type", 4),
            ("counterparty", 12),
            ("staff", 12),
            ("sales_order", 120),
            ("purchase_order", 50),
            ("transaction", 170),
            ("payment", 170),
        ]
    );
    for (trap, holds) in [
        (
            "tied timestamps",
            "SELECT max(n) >= 10 FROM (SELECT count(*) n FROM payment WHERE paid GROUP BY last_updated) t",
        ),
        (
            "payments settle at 07:55",
            "SELECT bool_and(to_char(last_updated, 'HH24:MI') = '07:55') FROM payment WHERE paid",
        ),
        ("a third is never paid", "SELECT count(*) BETWEEN 55 AND 59 FROM payment WHERE NOT paid"),
        ("a typo to keep", "SELECT count(*) = 1 FROM department WHERE location = 'Leds'"),
        ("a department nowhere", "SELECT count(*) = 1 FROM department WHERE location IS NULL"),
        (
            "nobody in Sales",
            "SELECT count(*) = 0 FROM staff JOIN department USING (department_id) WHERE department_name = 'Sales'",
        ),
        ("far deliveries", "SELECT max(agreed_delivery_date::date - created_at::date) = 624 FROM sales_order"),
        ("no refunds", "SELECT count(*) = 0 FROM payment WHERE payment_type_id IN (2, 4)"),
        ("None is a text", "SELECT count(*) = 1 FROM address WHERE address_line_2 = 'None' AND district = 'None'"),
        ("NULL is a text", "SELECT count(*) = 1 FROM address WHERE address_line_2 = 'NULL' AND district = 'NULL'"),
        ("NULL is missing", "SELECT count(*) >= 1 FROM address WHERE address_line_2 IS NULL AND district IS NULL"),
        ("quotes and commas", "SELECT count(*) = 1 FROM address WHERE address_line_1 LIKE '%, \"%\", %'"),
        ("apostrophes", "SELECT count(*) = 1 FROM staff WHERE last_name = 'O''Toole'"),
        (
            "whole seconds",
            "SELECT count(*) > 5 FROM sales_order WHERE extract(microseconds FROM created_at)::int % 1000000 = 0",
        ),
        (
            "last millisecond",
            "SELECT count(*) > 5 FROM sales_order WHERE extract(milliseconds FROM created_at)::int % 1000 = 999",
        ),
        ("leap day", "SELECT count(*) > 0 FROM sales_order WHERE created_at::date = '2024-02-29'"),
        ("1 March", "SELECT count(*) > 0 FROM sales_order WHERE created_at::date = '2024-03-01'"),
        ("31 December", "SELECT count(*) > 0 FROM sales_order WHERE created_at::date = '2024-12-31'"),
        (
            "one moment per order, transaction and payment",
            "SELECT count(*) = 170 FROM transaction t LEFT JOIN sales_order s USING (sales_order_id) \
             LEFT JOIN purchase_order p USING (purchase_order_id) JOIN payment y USING (transaction_id) \
             WHERE t.created_at = y.created_at AND t.created_at = coalesce(s.created_at, p.created_at)",
        ),
        (
            "every design is older than its orders",
            "SELECT bool_and(d.created_at <= s.created_at) FROM sales_order s JOIN design d USING (design_id)",
        ),
    ] {
        assert_eq!(database.ask(&format!("SELECT ({holds})::text")).await, "true", "{trap}");
    }
    let next = "SELECT nextval(pg_get_serial_sequence('sales_order', 'sales_order_id'))::text";
    assert_eq!(database.ask(next).await, "121");
    assert_eq!(database.ask("SELECT count(*)::text FROM _prisma_migrations").await, "1");
    let order = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'design'::regclass AND attnum > 0";
    assert_eq!(database.ask(order).await, "design_id created_at design_name file_location file_name last_updated");

    let error = database.import(&sample()).await.unwrap_err();
    assert!(error.to_string().starts_with("schema `public` already has a table `"), "{error}");
    assert!(hint::of(&error).is_some());
    database.drop().await;
}

#[tokio::test]
async fn the_real_snapshot_loads_whole() {
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/totesys-2024-08-22");
    // Whether its absence matters is for whoever calls the tests to say.
    if !snapshot.is_dir() {
        return;
    }
    let database = Database::create("snapshot").await;
    let report = database.import(&snapshot).await.unwrap();
    assert_eq!(
        counts(&report),
        [
            ("address", 30),
            ("currency", 3),
            ("department", 8),
            ("design", 424),
            ("payment_type", 4),
            ("counterparty", 20),
            ("staff", 20),
            ("sales_order", 9845),
            ("purchase_order", 4114),
            ("transaction", 13959),
            ("payment", 13959),
        ]
    );
    database.drop().await;
}

/// The sample with one file changed.
fn changed(table: &str, change: impl Fn(&str) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for table in TABLES {
        fs::copy(sample().join(format!("{table}.csv")), folder.path().join(format!("{table}.csv"))).unwrap();
    }
    let file = folder.path().join(format!("{table}.csv"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, change(&text)).unwrap();
    folder
}

#[tokio::test]
async fn bad_files_are_refused_by_file_and_line_without_a_value() {
    let database = Database::create("bad").await;
    let secret = "s3cret";
    let unclosed = format!("\n1,\"{secret}");
    let cases: [(&str, &str, &str, &str); 9] = [
        ("currency", "currency_code", secret, "currency.csv line 1: table `currency` has no column `s3cret`"),
        ("currency", "currency_code,", "", "currency.csv line 1: column `currency_code` is missing"),
        ("currency", "currency_code", "currency_id", "currency.csv line 1: column `currency_id` is named twice"),
        (
            "currency",
            "\n2,",
            "\ns3cret,",
            "currency.csv line 3, column `currency_id`: the value is not of the column's type [22P02]",
        ),
        (
            "currency",
            "USD",
            secret,
            "currency.csv line 3, column `currency_code`: the text is longer than the column [22001]",
        ),
        (
            "currency",
            "\n3,EUR",
            "\n3,EUR,s3cret",
            "currency.csv line 4: the row has more or fewer values than the header, or a quote is not closed [22P04]",
        ),
        (
            "currency",
            "\n1,GBP",
            &unclosed,
            "the row has more or fewer values than the header, or a quote is not closed [22P04]",
        ),
        (
            "currency",
            "\n3,EUR",
            "\n2,EUR",
            "currency.csv line 4: the row repeats a key that must be unique (constraint currency_pkey) [23505]",
        ),
        (
            "counterparty",
            "Ltd,8,",
            "Ltd,888,",
            "counterparty.csv: a row refers to a row that is in no file (constraint counterparty_legal_address_id_fkey) [23503]",
        ),
    ];
    for (table, from, to, expected) in cases {
        let folder = changed(table, |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let error = database.import(folder.path()).await.unwrap_err();
        let (shown, hint) = (format!("{error:#}"), hint::of(&error));
        assert!(shown.ends_with(expected), "{shown}\n{expected}");
        // A header is no row: its column may be named.
        assert!(expected.contains(secret) || !format!("{error:?}{hint:?}").contains(secret), "{error:?}");
        assert!(hint.is_some(), "{shown}");
    }
    let folder = changed("currency", str::to_owned);
    fs::remove_file(folder.path().join("staff.csv")).unwrap();
    assert!(database.import(folder.path()).await.unwrap_err().to_string().ends_with(" lacks staff.csv"));
    let nowhere = database.import(Path::new("/no/such/folder")).await.unwrap_err();
    assert_eq!(nowhere.to_string(), "/no/such/folder is no folder");
    assert_eq!(database.ask("SELECT count(*)::text FROM pg_class WHERE relname = 'address'").await, "0", "all or none");
    database.drop().await;
}
