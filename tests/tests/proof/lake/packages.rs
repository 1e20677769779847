//! What a deployment stores beside the components: packages, templates and its record.

use std::collections::BTreeMap;

use bytes::Bytes;
use totesys_lake::{Attempt, Bucket, Committed, DeploymentRecord, LakeError, Micros, sha256_hex};
use totesys_tests::LocalLake;

fn deployment(number: u64, code: &str, template: &str) -> DeploymentRecord {
    DeploymentRecord {
        number,
        attempt: Attempt::random().unwrap(),
        at: Micros::now(),
        code: code.to_owned(),
        templates: BTreeMap::from([("acme-pipeline".to_owned(), template.to_owned())]),
        note: "a test".to_owned(),
    }
}

#[tokio::test]
async fn packages_and_templates_lie_under_their_digests_and_can_be_let_go_of() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    let zip = Bytes::from_static(b"PK-not-really");
    let package = lake.put_package(zip.clone()).await.unwrap();
    assert_eq!(package, format!("functions/{}.zip", sha256_hex(&zip)));
    assert_eq!(lake.put_package(zip).await.unwrap(), package, "it is there already");
    let template = lake.put_template("{}").await.unwrap();
    assert_eq!(template, format!("templates/{}.json", sha256_hex(b"{}")));
    assert!(lake.has_package(&package).await.unwrap() && !lake.has_package(&template).await.unwrap());
    let listed: Vec<_> = lake.packages().await.unwrap().into_iter().map(|entry| (entry.key, entry.bytes)).collect();
    assert_eq!(listed, [(package.clone(), 13), (template.clone(), 2)]);
    assert!(lake.code().await.unwrap().is_empty(), "what components leave behind is another list");

    std::fs::write(local.file_of(Bucket::Code, &package), b"shorter").unwrap();
    let error = lake.put_package(Bytes::from_static(b"PK-not-really")).await.unwrap_err();
    assert!(matches!(error, LakeError::FileLength { expected: 13, found: 7, .. }), "{error:?}");

    for key in [&package, &template] {
        lake.delete_code(key).await.unwrap();
    }
    assert!(lake.packages().await.unwrap().is_empty() && !lake.has_package(&package).await.unwrap());
    for key in ["functions/x.zip", "templates/", "deployments/18446744073709551614.json", "catalog/1.json"] {
        assert!(matches!(lake.delete_code(key).await, Err(LakeError::Key { .. })), "{key}");
    }
}

#[tokio::test]
async fn deployments_are_numbered_and_the_newest_comes_first() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    assert!(lake.newest_deployment().await.unwrap().is_none());
    let package = lake.put_package(Bytes::from_static(b"PK")).await.unwrap();
    let template = lake.put_template("{}").await.unwrap();
    for number in 1..=3 {
        let record = deployment(number, &package, &template);
        assert_eq!(lake.commit_deployment(&record).await.unwrap(), Committed::Ours);
    }
    let Committed::Theirs(first) = lake.commit_deployment(&deployment(3, &package, &template)).await.unwrap() else {
        panic!("somebody else deployed meanwhile");
    };
    assert_eq!(*first, lake.newest_deployment().await.unwrap().unwrap());
    let numbers = |most| async move {
        let newest = lake.newest_deployments(most).await.unwrap();
        newest.iter().map(|record| record.number).collect::<Vec<_>>()
    };
    assert_eq!((numbers(2).await, numbers(9).await), (vec![3, 2], vec![3, 2, 1]));
    for (record, problem) in [
        (deployment(0, &package, &template), "has no number"),
        (deployment(4, &template, &template), "names a package that is none"),
        (deployment(4, &package, "catalog/1.json"), "names a template that is none"),
    ] {
        let error = lake.commit_deployment(&record).await.unwrap_err();
        assert!(error.to_string().ends_with(problem), "{error}");
    }
}
