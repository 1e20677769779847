use std::sync::Arc;

use bytes::Bytes;
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Bucket, BucketNames, Lake, LakeError, Put};
use totesys_tests::LocalLake;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_conditional_puts_of_one_key_exactly_one_wins() {
    let local = LocalLake::start().await.unwrap();
    // A second client, as another process would have.
    let other = Arc::new(Lake::open(local.settings()).await.unwrap());
    let lake = Arc::new(local.lake);
    for round in 0..4 {
        let puts: Vec<_> = (0..64_u32)
            .map(|writer| {
                let lake = if writer % 2 == 0 { lake.clone() } else { other.clone() };
                tokio::spawn(async move {
                    // Large enough that the bodies overlap in time.
                    let body = Bytes::from(format!("{writer:05}").repeat(20_000));
                    (writer, lake.put_new(Bucket::Ingestion, &format!("race/{round}"), body, "text/plain").await)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for put in puts {
            let (writer, put) = put.await.unwrap();
            if put.unwrap() == Put::Created {
                winners.push(writer);
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let stored = lake.get(Bucket::Ingestion, &format!("race/{round}")).await.unwrap();
        assert_eq!(stored, Bytes::from(format!("{:05}", winners[0]).repeat(20_000)));
    }
}

#[tokio::test]
async fn an_object_is_never_overwritten() {
    let local = LocalLake::start().await.unwrap();
    let put = |body: &'static [u8]| local.lake.put_new(Bucket::Code, "once", Bytes::from_static(body), "text/plain");
    assert_eq!(put(b"first").await.unwrap(), Put::Created);
    assert_eq!(put(b"second").await.unwrap(), Put::AlreadyThere);
    assert_eq!(local.lake.get(Bucket::Code, "once").await.unwrap(), Bytes::from_static(b"first"));
    local.lake.create_buckets().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_go_past_the_first_thousand() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    let count = 1_230;
    let numbers: Vec<u32> = (0..count).collect();
    for some in numbers.chunks(50) {
        let puts = some.iter().map(|number| async move {
            lake.put_new(Bucket::LoadTimes, &format!("many/{number:05}"), Bytes::from_static(b"abc"), "text/plain")
                .await
        });
        for put in futures_util::future::join_all(puts).await {
            assert_eq!(put.unwrap(), Put::Created);
        }
    }
    lake.put_new(Bucket::LoadTimes, "other/0", Bytes::new(), "text/plain").await.unwrap();

    let all = lake.list(Bucket::LoadTimes, "many/", None).await.unwrap();
    let keys: Vec<_> = all.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, (0..count).map(|number| format!("many/{number:05}")).collect::<Vec<_>>());
    assert!(all.iter().all(|entry| entry.bytes == 3));
    for at_most in [0, 1, 999, 1000, 1001, 1229, 5000] {
        let some = lake.list(Bucket::LoadTimes, "many/", Some(at_most)).await.unwrap();
        assert_eq!(some, all[..at_most.min(all.len())]);
    }
    assert_eq!(lake.list(Bucket::LoadTimes, "none/", None).await.unwrap(), []);
}

#[tokio::test]
async fn a_key_that_is_not_plain_is_refused_here_and_by_the_server() {
    let local = LocalLake::start().await.unwrap();
    for key in ["with space", "ümlaut", "a//b", "../up", "a/../b", "/a", "a%2Fb"] {
        let put = local.lake.put_new(Bucket::Code, key, Bytes::new(), "text/plain").await;
        assert!(matches!(put, Err(LakeError::Key { .. })), "{key}: {put:?}");
    }
    let long = "k".repeat(400);
    let error = local.lake.put_new(Bucket::Code, &long, Bytes::new(), "text/plain").await.unwrap_err();
    assert!(matches!(&error, LakeError::Failed { code: Some(code), .. } if code == "KeyTooLongError"), "{error:?}");
    assert!(error.hint().is_some());
    assert_eq!(local.lake.list(Bucket::Code, "", None).await.unwrap(), []);
}

#[tokio::test]
async fn errors_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::open(folder.path()).await.unwrap();
    let mut settings = LocalLake::start().await.unwrap().settings();
    settings.endpoint = Some(server.endpoint().to_owned());
    settings.credentials = Some((server.access_key().to_owned(), server.secret_key().to_owned()));
    let without_buckets = Lake::open(settings.clone()).await.unwrap();
    for error in [
        without_buckets.get(Bucket::Ingestion, "x").await.unwrap_err(),
        without_buckets.list(Bucket::Ingestion, "x", None).await.unwrap_err(),
        without_buckets.put_new(Bucket::Ingestion, "x", Bytes::new(), "text/plain").await.unwrap_err(),
    ] {
        assert!(matches!(error, LakeError::NoSuchBucket { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("totesys-ingestion"));
    }
    without_buckets.create_buckets().await.unwrap();
    let error = without_buckets.get(Bucket::Ingestion, "x").await.unwrap_err();
    assert!(matches!(error, LakeError::NotFound { .. }));
    assert_eq!(error.to_string(), "no such object: get s3://totesys-ingestion/x");

    settings.buckets = BucketNames::with_prefix("Not_A_Bucket");
    assert!(matches!(Lake::open(settings).await, Err(LakeError::BucketName { .. })));
}
