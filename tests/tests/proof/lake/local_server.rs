use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Bucket, Lake, LakeError, LakeSettings};
use totesys_tests::LocalLake;

#[tokio::test]
async fn a_second_opener_uses_the_first_ones_server() {
    let local = LocalLake::start().await.unwrap();
    assert!(local.server.is_server());
    let second = EmbeddedS3::open(local.folder()).await.unwrap();
    assert!(!second.is_server());
    assert_eq!(second.endpoint(), local.server.endpoint());
    assert_eq!(second.secret_key(), local.server.secret_key());

    local.lake.put_new(Bucket::Code, "seen-by-both", Bytes::from_static(b"x"), "text/plain").await.unwrap();
    drop(second);
    local.lake.get(Bucket::Code, "seen-by-both").await.unwrap();
}

#[tokio::test]
async fn the_next_server_finds_objects_and_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let mut secret = None;
    for round in 0..3 {
        let server = EmbeddedS3::open(folder.path()).await.unwrap();
        assert!(server.is_server(), "round {round}");
        assert_eq!(secret.get_or_insert_with(|| server.secret_key().to_owned()), server.secret_key());
    }
    let mode = std::fs::metadata(folder.path().join("credentials.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_a_killed_server_left_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    drop(EmbeddedS3::open(folder.path()).await.unwrap());
    std::fs::write(folder.path().join("endpoint"), "http://127.0.0.1:1").unwrap();
    let server = EmbeddedS3::open(folder.path()).await.unwrap();
    assert!(server.is_server());
    assert_eq!(std::fs::read_to_string(folder.path().join("endpoint")).unwrap(), server.endpoint());
}

#[tokio::test]
async fn an_object_whose_server_was_killed_as_it_was_made_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        let server = EmbeddedS3::open(folder.path()).await.unwrap();
        let (access, secret) = (server.access_key(), server.secret_key());
        let lake = Lake::open(LakeSettings::on_server("totesys", server.endpoint(), access, secret)).await.unwrap();
        (server, lake)
    };
    let (server, lake) = open().await;
    lake.create_buckets().await.unwrap();
    lake.put_new(Bucket::Code, "first", Bytes::from_static(b"as it was"), "text/plain").await.unwrap();
    drop(server);
    // Killed between giving the file its place and taking its other name away.
    let buckets = folder.path().join("buckets");
    for number in 0..8 {
        let other_name = buckets.join(format!(".under-way-{number}"));
        std::fs::hard_link(buckets.join("totesys-code/first"), other_name).unwrap();
    }
    let (_server, lake) = open().await;
    for key in ["second", "third", "fourth"] {
        lake.put_new(Bucket::Code, key, Bytes::from_static(b"another"), "text/plain").await.unwrap();
    }
    assert_eq!(lake.get(Bucket::Code, "first").await.unwrap(), "as it was");
    assert_eq!(lake.get(Bucket::Code, "fourth").await.unwrap(), "another");
}

#[tokio::test]
async fn simultaneous_openers_agree_on_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.path().to_owned();
            tokio::spawn(async move { EmbeddedS3::open(&folder).await.unwrap() })
        })
        .collect();
    let mut servers = Vec::new();
    for opener in opened {
        servers.push(opener.await.unwrap());
    }
    assert_eq!(servers.iter().filter(|server| server.is_server()).count(), 1);
    assert!(servers.iter().all(|server| server.endpoint() == servers[0].endpoint()));
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let local = LocalLake::start().await.unwrap();
    let (access, secret) = local.settings().credentials.unwrap();
    for credentials in [(access, "wrong".to_owned()), ("WRONG".to_owned(), secret)] {
        let mut settings = local.settings();
        settings.credentials = Some(credentials);
        let lake = Lake::open(settings).await.unwrap();
        for error in [
            lake.list(Bucket::Code, "", None).await.unwrap_err(),
            lake.get(Bucket::Code, "any").await.unwrap_err(),
            lake.put_new(Bucket::Code, "any", Bytes::new(), "text/plain").await.unwrap_err(),
        ] {
            assert!(matches!(error, LakeError::WrongCredentials { .. }), "{error:?}");
            assert!(error.hint().unwrap().contains("secret key"));
        }
    }
}

#[tokio::test]
async fn a_stopped_server_is_unreachable_and_the_hint_says_where() {
    let local = LocalLake::start().await.unwrap();
    let LocalLake { lake, server, .. } = local;
    let endpoint = server.endpoint().to_owned();
    drop(server);
    let error = lake.list(Bucket::Code, "", None).await.unwrap_err();
    assert!(matches!(error, LakeError::Unreachable { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains(&endpoint));
}
