//! Connections that fail, in words a newcomer can act on.

use totesys_postgres::{ConnectionError, ConnectionSettings, PostgresError, PostgresErrorKind};
use totesys_tests::TestDatabase;

fn parse(url: &str) -> ConnectionSettings {
    ConnectionSettings::parse(url, &|_| None).unwrap()
}

#[tokio::test]
async fn failures_to_connect_are_told_apart() {
    let database = TestDatabase::create().await;
    let missing = database.settings().with_database("totesys no such database");
    let error = missing.connect("test").await.unwrap_err();
    assert!(matches!(error, ConnectionError::NoSuchDatabase { .. }), "{error:?}");

    let error = parse("postgresql://a:hunter2@127.0.0.1:1/x").connect("test").await.unwrap_err();
    assert!(matches!(error, ConnectionError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "no PostgreSQL server can be reached at a@127.0.0.1:1/x");
    assert!(error.is_transient() && !format!("{error:?}").contains("hunter2"));

    let separator = if database.url().contains('?') { '&' } else { '?' };
    let nobody = parse(&format!("{}{separator}user=totesys_nobody&password=hunter2", database.url()));
    let error = nobody.connect("test").await.unwrap_err();
    assert!(matches!(error, ConnectionError::WrongPassword { .. }), "{error:?}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgresql://a@{}/x?connect_timeout=1", silent.local_addr().unwrap());
    let error = parse(&url).connect("test").await.unwrap_err();
    assert!(matches!(error, ConnectionError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn required_encryption_is_not_given_up() {
    // Answers the request for TLS with a plain no.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = plain.accept().await.unwrap();
        socket.read_exact(&mut [0; 8]).await.unwrap();
        socket.write_all(b"N").await.unwrap();
    });
    let error = parse(&format!("postgresql://a@{address}/x?sslmode=require")).connect("test").await.unwrap_err();
    assert!(matches!(error, ConnectionError::Tls { mode: "require", .. }), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn errors_of_statements_never_quote_rows() {
    let database = TestDatabase::create().await;
    let client = database.connect().await;
    client
        .batch_execute(
            "CREATE TABLE secret (id int PRIMARY KEY, note text CHECK (note <> 'hunter2'));
             INSERT INTO secret VALUES (4711, 'x');
             CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN IF new.id = 9 THEN RAISE EXCEPTION 'hunter2'; END IF; RETURN new; END $$;
             CREATE TRIGGER t BEFORE INSERT ON secret FOR EACH ROW EXECUTE FUNCTION complain()",
        )
        .await
        .unwrap();
    for (statement, kind, expected) in [
        (
            "INSERT INTO secret VALUES (4711, 'y')",
            PostgresErrorKind::ConstraintViolation,
            "unique_violation, table `secret`, constraint `secret_pkey` (23505)",
        ),
        (
            "INSERT INTO secret VALUES (5, 'hunter2')",
            PostgresErrorKind::ConstraintViolation,
            "check_violation, table `secret`, constraint `secret_note_check` (23514)",
        ),
        ("SELECT 'hunter2'::int", PostgresErrorKind::DataException, "invalid_text_representation (22P02)"),
        ("INSERT INTO secret VALUES (9, '')", PostgresErrorKind::Other, "raise_exception (P0001)"),
        ("SELECT * FROM nowhere", PostgresErrorKind::Other, "relation \"nowhere\" does not exist (42P01)"),
    ] {
        let error = PostgresError::from(client.batch_execute(statement).await.unwrap_err());
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, expected));
        let everything = format!("{error:?}");
        assert!(!everything.contains("4711") && !everything.contains("hunter2"), "{everything}");
    }
}

#[tokio::test]
async fn a_statement_can_be_cancelled_from_elsewhere() {
    let database = TestDatabase::create().await;
    let client = database.connect().await;
    let token = client.cancel_token();
    let cancelling = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        token.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(client.batch_execute("SELECT pg_sleep(60)"), cancelling);
    let error = PostgresError::from(slept.unwrap_err());
    assert_eq!(error.kind(), PostgresErrorKind::Cancelled);
    assert!(!error.is_transient(), "a timeout would run out again");
}
