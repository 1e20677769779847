//! What is said of the warehouse.

use totesys_postgres::{CodecError, Connection};
use totesys_tests::TestDatabase;
use totesys_warehouse::{LakeStamp, WarehouseError};

use super::{Kinds as _, example, nobody_answers, pin, refused};

kinds! {
    WarehouseError:
    Connect, Database, Rights, NoSchema, Name, Stamp, Plan, ShapeChanged, NoSuchFact, UnfitKey, TableMissing,
    KindChanged, ForeignKeyBroken, ViewReplaced, UnknownStar, UnknownTable, BatchShape, Codec, Range, OutOfOrder,
    OtherGeneration, Disagreement, RebuildRights, NotOwner, ForcedRowSecurity, NoShadow, ShadowBehind, FormerKept, NoFormer, ForeignObjects,
    StillUsed, NoSuchDimension, IdsExhausted,
}

fn fact() -> String {
    "fact_payment".to_owned()
}

fn star() -> String {
    "payments".to_owned()
}

fn stamp(lake: &str) -> Box<LakeStamp> {
    Box::new(LakeStamp {
        lake_id: lake.to_owned(),
        system_identifier: "7400000000000000000".to_owned(),
        database: "totesys".to_owned(),
    })
}

async fn database(session: &Connection, doing: &'static str, sqlstate: &str) -> WarehouseError {
    let source = Box::new(refused(session, sqlstate).await);
    WarehouseError::Database { doing, subject: fact(), source }
}

#[tokio::test]
async fn every_kind_of_trouble_with_the_warehouse_is_worded() {
    let test_database = TestDatabase::create().await;
    let session = test_database.connect().await;
    let errors = [
        WarehouseError::Connect(Box::new(nobody_answers().await)),
        database(&session, "appending facts", "23505").await,
        database(&session, "waiting for another load", "55P03").await,
        WarehouseError::Rights {
            doing: "creating the schema and side tables",
            subject: "totesys".into(),
            source: Box::new(refused(&session, "42501").await),
        },
        WarehouseError::NoSchema { schema: "totesys".into() },
        WarehouseError::Name { name: "a".repeat(63), problem: "it is longer than 63 bytes" },
        WarehouseError::Name {
            name: "pg_totesys".into(),
            problem: "PostgreSQL keeps names that begin with `pg_` for itself",
        },
        WarehouseError::Stamp { found: stamp("fedcba9876543210"), expected: stamp("0123456789abcdef") },
        WarehouseError::Plan {
            star: star(),
            table: "fact_payment.currency_id".into(),
            problem: "it refers to what is not the key of a dimension",
        },
        WarehouseError::ShapeChanged {
            table: fact(),
            column: "payment_amount".into(),
            expected: "numeric".into(),
            found: "text".into(),
        },
        WarehouseError::NoSuchFact {
            fact: "fact_payments".into(),
            known: vec!["fact_payment".into(), "fact_sales_order".into()],
        },
        WarehouseError::UnfitKey { fact: fact(), key: vec!["payment_id integer".into(), "line integer".into()] },
        WarehouseError::TableMissing {
            table: "\"totesys_totesys\".\"stamp\"".into(),
            beside: "\"totesys_totesys\".\"loads\"".into(),
        },
        WarehouseError::KindChanged { name: fact(), expected: "table", found: "view" },
        WarehouseError::ForeignKeyBroken { table: fact(), column: "currency_id".into(), target: "dim_currency".into() },
        WarehouseError::ViewReplaced { view: "fact_payment_current".into() },
        WarehouseError::UnknownStar { star: star() },
        WarehouseError::UnknownTable { star: star(), table: fact() },
        WarehouseError::BatchShape { table: fact(), column: "payment_id".into(), problem: "is not of the key's type" },
        WarehouseError::Codec {
            table: fact(),
            source: Box::new(CodecError::UnexpectedNull { column: "payment_id".into() }),
        },
        WarehouseError::Range { star: star(), batch: u64::MAX },
        WarehouseError::OutOfOrder { star: star(), newest: 6, offered: 8 },
        WarehouseError::OtherGeneration { star: star(), found: 2, offered: 1 },
        WarehouseError::OtherGeneration { star: star(), found: 1, offered: 2 },
        WarehouseError::Disagreement {
            star: star(),
            owner: "sales".into(),
            dimension: "dim_currency".into(),
            key: "currency_id".into(),
            rows: 3,
            batch: 7,
        },
        WarehouseError::RebuildRights { schemas: vec!["totesys_rebuild".into(), "totesys_former".into()] },
        WarehouseError::NotOwner { objects: vec!["table totesys.fact_payment".into()] },
        WarehouseError::ForcedRowSecurity { tables: vec!["totesys.fact_payment".into()] },
        WarehouseError::NoShadow { star: star(), generation: 1, schema: "totesys_rebuild".into() },
        WarehouseError::ShadowBehind { star: star(), shadow: 6, main: 7 },
        WarehouseError::FormerKept { schema: "totesys_former".into() },
        WarehouseError::NoFormer { schema: "totesys_former".into() },
        WarehouseError::ForeignObjects {
            schema: "totesys_rebuild".into(),
            objects: vec!["table totesys_rebuild.note".into(), "view public.mine".into()],
        },
        WarehouseError::StillUsed {
            dependents: vec!["view public.mine".into(), "view public.yours".into()],
            instead: None,
        },
        WarehouseError::StillUsed {
            dependents: vec!["view public.mine".into()],
            instead: Some("totesys_former".into()),
        },
        WarehouseError::NoSuchDimension {
            dimension: "dim_currencies".into(),
            known: vec!["dim_currency".into(), "dim_date".into()],
        },
        WarehouseError::IdsExhausted { table: fact() },
    ];
    let examples = errors.iter().map(|error| example(error.kind_name(), error, error.hint()));
    pin::<WarehouseError>("warehouse_errors", examples);
}
