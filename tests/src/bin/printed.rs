//! Runs a pipeline over planted values with everything switched on that can be printed, and provokes errors. A proof
//! test reads what this prints.
//!
//! `printed human|json` logs as every program of ours does; `printed bare` without our own bounds on what is logged.

use std::error::Error;
use std::fmt::Debug;

use host_lambda::settings::{LogFormat, LogSettings, Settings};
use host_lambda::telemetry;
use totesys_lake::{Bucket, Lake};
use totesys_postgres::ConnectionSettings;
use totesys_tests::{Data, LocalLake, Totesys, planted};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let format = std::env::args().nth(1).unwrap_or_default();
    let log = |format| telemetry::start(&LogSettings { format, level: "trace".into() });
    match format.as_str() {
        "human" => log(LogFormat::Human)?,
        "json" => log(LogFormat::Json)?,
        _ => tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init(),
    }
    let totesys = Totesys::start(Data::Sample).await;
    plant(&totesys).await;
    Box::pin(batches(&totesys)).await;
    connections(&totesys).await;
    lakes().await?;
    println!("everything was printed");
    Ok(())
}

/// Puts the values into the source.
async fn plant(totesys: &Totesys) {
    for (table, column, value) in planted::COLUMNS {
        totesys.source.execute(&format!("UPDATE {table} SET {column} = '{value}'")).await;
    }
    let refused = format!(
        "UPDATE sales_order SET agreed_delivery_date = '{}' WHERE sales_order_id = 1;
         UPDATE sales_order SET unit_price = 'NaN', agreed_payment_date = '{}' WHERE sales_order_id = 2",
        planted::REFUSED_DATE,
        planted::BESIDE_NAN,
    );
    totesys.source.execute(&refused).await;
}

/// Batches that succeed, and batches that fail on what rows say.
async fn batches(totesys: &Totesys) {
    report(&Box::pin(totesys.pipeline.run()).await.map_err(|error| (error.hint(), error)));
    println!("{:?}", totesys.pipeline.status().await);
    for (trouble, mended, value) in [
        (
            "ALTER TABLE totesys.dim_staff ADD CONSTRAINT planted CHECK (first_name NOT LIKE '%check') NOT VALID",
            "ALTER TABLE totesys.dim_staff DROP CONSTRAINT planted",
            planted::BREAKS_CHECK,
        ),
        (
            "CREATE FUNCTION totesys.quote() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'the name is %', NEW.first_name; END $$;
             CREATE TRIGGER quote BEFORE UPDATE ON totesys.dim_staff FOR EACH ROW EXECUTE FUNCTION totesys.quote()",
            "DROP FUNCTION totesys.quote() CASCADE",
            planted::QUOTED_BY_TRIGGER,
        ),
        (
            "CREATE FUNCTION totesys.quote() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'not %', NEW.first_name USING ERRCODE = 'insufficient_privilege'; END $$;
             CREATE TRIGGER quote BEFORE UPDATE ON totesys.dim_staff FOR EACH ROW EXECUTE FUNCTION totesys.quote()",
            "DROP FUNCTION totesys.quote() CASCADE",
            planted::QUOTED_BY_TRIGGER,
        ),
        (
            "CREATE FUNCTION totesys.quote() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM NEW.first_name::integer; RETURN NEW; END $$;
             CREATE TRIGGER quote BEFORE UPDATE ON totesys.dim_staff FOR EACH ROW EXECUTE FUNCTION totesys.quote()",
            "DROP FUNCTION totesys.quote() CASCADE",
            planted::QUOTED_BY_TRIGGER,
        ),
    ] {
        totesys.warehouse.execute(trouble).await;
        totesys.source.execute(&format!("UPDATE staff SET first_name = '{value}' || staff_id || 'check'")).await;
        let run = Box::pin(totesys.pipeline.run()).await.expect("the source and the lake are well");
        assert!(!run.failures.is_empty(), "this was to fail: {trouble}");
        for failure in run.failures {
            println!("provoked: {}", failure.star);
            report::<()>(&Err((failure.error.hint(), failure.error)));
        }
        totesys.warehouse.execute(mended).await;
    }
    // What waited is taken up, and a file that something else wrote is not.
    println!("{:?}", totesys.run().await);
    let files = totesys.lake.list(Bucket::TransformedData, "parquets/dim_staff/", None).await.expect("files");
    for file in &files {
        std::fs::write(totesys.file_of(Bucket::TransformedData, &file.key), planted::IN_FILE).expect("a file");
    }
    totesys.warehouse.execute("DROP SCHEMA totesys CASCADE; DROP SCHEMA totesys_totesys CASCADE").await;
    let run = Box::pin(totesys.pipeline.run()).await.expect("the source and the lake are well");
    assert!(!run.failures.is_empty(), "the files are damaged");
    for failure in run.failures {
        report::<()>(&Err((failure.error.hint(), failure.error)));
    }
}

/// Addresses that cannot be used, and passwords that are wrong.
async fn connections(totesys: &Totesys) {
    let none = |_: &str| None;
    let secret = planted::URL_PASSWORD;
    for url in [
        format!("postgresql://u:{secret}@127.0.0.1:1/d"),
        format!("postgresql://u:{secret}@localhost:not-a-port/d"),
        format!("postgresql://u:{secret}/more@127.0.0.1:1/d"),
        format!("postgresql://u:{secret}@more@127.0.0.1:1/d"),
        format!("postgresql://u:more@{secret}@127.0.0.1:1/d"),
        format!("postgresql://u:{secret}#more@127.0.0.1:1/d"),
        format!("postgresql://u:{secret}?more@127.0.0.1:1/d"),
        format!("postgresql://u:{secret}%zz@127.0.0.1:1/d"),
        format!("postgresql://u:more:{secret}@127.0.0.1:1/d"),
        format!("postgresql://127.0.0.1:1/d?user=u&password={secret}&sslmode=perhaps"),
        format!("postgresql://127.0.0.1:1/d?user=u&pasword={secret}"),
        format!("postgresql://127.0.0.1:1/d?user=u&password={secret}"),
        format!("mysql://u:{secret}@127.0.0.1/d"),
        format!("u:{secret}@127.0.0.1"),
    ] {
        match ConnectionSettings::parse(&url, &none) {
            Err(error) => report::<()>(&Err((error.hint(), error))),
            Ok(settings) => {
                println!("{settings:?}");
                let connected = settings.connect("printed").await;
                report(&connected.map(drop).map_err(|error| (error.hint(), error)));
            }
        }
        for file in [
            format!("[source]\nurl = '{url}'\nnothing = 1\n"),
            format!("[source]\nurl = ['{url}']\n"),
            format!("[source]\nurl = '{url}\n"),
            format!("[source]\nurl = {url}\n"),
            format!("[source]\nurl = '{url}'\n"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("totesys.toml");
            std::fs::write(&path, file).expect("a file");
            for variables in [vec![], vec![("TOTESYS_WAREHOUSE_URL".to_owned(), url.clone())]] {
                let read = Settings::read(Some(&path), variables.into_iter());
                report(&read.map_err(|error| (error.hint(), error)));
            }
        }
        let variables = [("TOTESYS_SOURCE_CONNECTIONS".to_owned(), url.clone())];
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("empty.toml"), "").expect("a file");
        let read = Settings::read(Some(&folder.path().join("empty.toml")), variables.into_iter());
        report(&read.map_err(|error| (error.hint(), error)));
    }
    // A server that asks for a password and gets a wrong one, from the URL and from the environment.
    let port = totesys.source_rows("SHOW port").await[0][0].clone().unwrap_or_default();
    for (url, password) in [
        (format!("postgresql://postgres:{secret}@127.0.0.1:{port}/postgres?sslmode=disable"), None),
        (format!("postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"), Some(planted::ENV_PASSWORD)),
    ] {
        let environment = |name: &str| password.filter(|_| name == "PGPASSWORD").map(str::to_owned);
        let settings = ConnectionSettings::parse(&url, &environment).expect("the URL is good");
        println!("{settings:?}");
        let connected = settings.connect("printed").await;
        assert!(connected.is_err(), "the password is wrong");
        report(&connected.map(drop).map_err(|error| (error.hint(), error)));
    }
}

/// A lake whose secret key is wrong.
async fn lakes() -> anyhow::Result<()> {
    let local = LocalLake::start().await?;
    let mut settings = local.settings();
    settings.credentials = settings.credentials.map(|(access, _)| (access, planted::SECRET_KEY.to_owned()));
    println!("{settings:?}");
    let lake = Lake::open(settings).await?;
    println!("{lake:?}");
    let listed = lake.list(Bucket::Code, "", None).await;
    assert!(listed.is_err(), "the key is wrong");
    report(&listed.map_err(|error| (error.hint(), error)));
    Ok(())
}

/// Prints an outcome in every way there is.
fn report<T: Debug>(outcome: &Result<T, (Option<String>, impl Error)>) {
    match outcome {
        Ok(value) => println!("{value:?}"),
        Err((hint, error)) => {
            println!("{error}\n{error:?}\n{error:#?}\n{hint:?}");
            let mut cause = error.source();
            while let Some(error) = cause {
                println!("because: {error}\n{error:?}");
                cause = error.source();
            }
            tracing::error!(%error, ?error, "provoked");
        }
    }
}
