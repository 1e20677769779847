//! What is said of the source.

use totesys_postgres::CodecError;
use totesys_source::SourceError;
use totesys_tests::TestDatabase;

use super::{Kinds as _, example, nobody_answers, pin, refused};

kinds! {
    SourceError:
    Connection, Server, Table, TableMissing, NotATable, MissingRight, ColumnMissing, ColumnType, UnknownTable,
    NotReadOnly, ServerTooOld, Answer, ReplicaBehind, Codec, ReceiverGone,
}

#[tokio::test]
async fn every_kind_of_trouble_with_the_source_is_worded() {
    let database = TestDatabase::create().await;
    let session = database.connect().await;
    let table = || "payment".to_owned();
    let errors = [
        SourceError::Connection(nobody_answers().await),
        SourceError::Server { doing: "begin a transaction", source: refused(&session, "57P01").await },
        SourceError::Server { doing: "list its tables", source: refused(&session, "42P01").await },
        SourceError::Table { doing: "read", table: table(), source: refused(&session, "42501").await },
        SourceError::Table { doing: "lock", table: table(), source: refused(&session, "55P03").await },
        SourceError::TableMissing { schema: "public".into(), table: table() },
        SourceError::NotATable { table: table(), kind: "view" },
        SourceError::MissingRight { role: "reader".into(), schema: "public".into(), table: table() },
        SourceError::ColumnMissing { table: table(), column: "paid".into(), expected: "bool".into() },
        SourceError::ColumnType {
            table: table(),
            column: "paid".into(),
            expected: "bool".into(),
            found: "integer".into(),
        },
        SourceError::UnknownTable { table: table() },
        SourceError::NotReadOnly,
        SourceError::ServerTooOld { found: "12.22".into() },
        SourceError::Answer { about: "its snapshot" },
        SourceError::ReplicaBehind { seen: 900, found: 800 },
        SourceError::Codec { table: table(), source: Box::new(CodecError::Truncated { rows: 12 }) },
        SourceError::Codec { table: table(), source: Box::new(CodecError::Signature) },
        SourceError::ReceiverGone { table: table() },
    ];
    pin::<SourceError>("source_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
