//! Contracts: the one before is served beside the current one, what was released stays as it was, and a component of
//! another is refused with words that say which side to update.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use host_lambda::HostError;
use star_contract::{CONTRACT_VERSION, SERVED_VERSIONS};
use totesys_lake::{BatchNumber, Bucket, sha256_hex};
use totesys_publisher::{InspectError, PublishError, compile};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, SandboxError};
use totesys_tests::{Data, STARS, Totesys, component, picky, publisher, test_publisher};

use crate::tampered::by_hand;

/// The contract of the star that was built before the current one.
const BEFORE: &str = "0.1.0";

#[tokio::test(flavor = "multi_thread")]
async fn a_star_of_the_contract_before_runs_beside_those_of_the_current_one() {
    let totesys = Totesys::start(Data::Sample).await;
    let record = totesys.publish(&[component("veteran")], "a veteran").await.record;
    let contracts = record.stars.iter().map(|(star, entry)| (star.as_str(), entry.contract_version.as_str()));
    let expected = STARS.iter().map(|star| (*star, CONTRACT_VERSION)).chain([("veteran", BEFORE)]);
    assert_eq!(contracts.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>());
    // What it says in extras is understood as what the others say in fields.
    let prices = &record.stars["veteran"].description.outputs[0];
    assert_eq!((prices.table.as_str(), prices.created()), ("fact_price", vec!["created_at"]));
    assert!(prices.columns[2].is_unconstrained() && !prices.columns[1].is_unconstrained());

    totesys.run().await;
    totesys.source.execute("UPDATE sales_order SET unit_price = unit_price + 1 WHERE sales_order_id IN (1, 5)").await;
    totesys.run().await;
    let orders = "sales_order_id, created_at, unit_price::numeric(10,2)";
    let expected = totesys.source_rows(&format!("SELECT {orders} FROM sales_order ORDER BY 1")).await;
    assert!(expected.len() > 100);
    assert_eq!(totesys.warehouse_rows(&format!("SELECT {orders} FROM fact_price_current ORDER BY 1")).await, expected);
    let sold = totesys.warehouse_rows("SELECT sales_order_id FROM fact_sales_order_current ORDER BY 1").await;
    assert_eq!(sold.len(), expected.len(), "the other stars go on");

    for (table, precision, scale) in [("fact_price", None, None), ("fact_sales_order", Some("10"), Some("2"))] {
        let column = format!(
            "SELECT data_type, numeric_precision, numeric_scale FROM information_schema.columns
             WHERE table_schema = 'totesys' AND table_name = '{table}' AND column_name = 'unit_price'"
        );
        let expected = [Some("numeric"), precision, scale].map(|text| text.map(str::to_owned));
        assert_eq!(totesys.warehouse_rows(&column).await, [expected.to_vec()], "{table}");
    }
    // Its history begins when the source made the row, and goes on when a batch saw another version.
    let all = i64::try_from(expected.len()).unwrap();
    for (batch, versions, from_creation) in [(1, all, all), (2, 2, 0)] {
        let of_batch = format!("SELECT count(*) FROM fact_price_history WHERE batch = {batch}");
        assert_eq!(totesys.warehouse_number(&of_batch).await, versions, "batch {batch}");
        let created = format!("{of_batch} AND valid_from = created_at AT TIME ZONE 'UTC'");
        assert_eq!(totesys.warehouse_number(&created).await, from_creation, "batch {batch}");
    }

    // Records and files say which contract it was.
    for (star, contract) in STARS.iter().map(|star| (*star, CONTRACT_VERSION)).chain([("veteran", BEFORE)]) {
        let record = totesys.lake.transformation(star, BatchNumber(2)).await.unwrap().unwrap();
        assert_eq!(record.contract_version, contract, "{star}");
        let files: Vec<_> = record.outputs.iter().flat_map(|output| &output.files).collect();
        assert!(star != "veteran" || !files.is_empty());
        for file in files {
            let said = totesys.said_by_file(Bucket::TransformedData, file, "contract").await;
            assert_eq!(said.as_deref(), Some(contract), "{}", file.key);
        }
    }
    let status = totesys.pipeline.status().await.unwrap();
    let veteran = status.stars.iter().find(|star| star.star == "veteran").unwrap();
    assert_eq!((veteran.component.contract_version.as_str(), veteran.loaded), (BEFORE, Some(2)));
}

#[test]
fn a_released_contract_is_what_it_was_when_it_was_released() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transforms-wasm/contract");
    let released = contract.join("released");
    let sums = std::fs::read_to_string(released.join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> =
        sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, file)| (file.into(), sum.into())).collect();
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&released).unwrap().map(Result::unwrap) {
        let version = entry.file_name().into_string().unwrap();
        if version == "SHA256SUMS" {
            continue;
        }
        for file in std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap) {
            let (name, bytes) = (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap());
            let text = std::str::from_utf8(&bytes).unwrap();
            assert!(text.contains(&format!("\npackage totesys:star@{version};\n")), "{version} is another version");
            found.insert(format!("{version}/{name}"), sha256_hex(&bytes));
        }
    }
    assert_eq!(found, listed, "a released contract was changed, or one is not listed");
    for version in SERVED_VERSIONS {
        assert!(listed.contains_key(&format!("{version}/star.wit")), "{version} is served and was never released");
    }
    let current = std::fs::read_to_string(contract.join("wit/star.wit")).unwrap();
    let release = std::fs::read_to_string(released.join(CONTRACT_VERSION).join("star.wit")).unwrap();
    assert_eq!(current, release, "give a changed contract another version, and release it beside the others");
}

/// The picky star as if it had been built against another version, which has as many letters.
fn built_against(version: &str) -> Vec<u8> {
    let mut bytes = picky(::picky::STRICT);
    let mark = format!("totesys:star/transform@{CONTRACT_VERSION}").into_bytes();
    let own = format!("totesys:star/transform@{version}").into_bytes();
    assert_eq!(own.len(), mark.len());
    let at = |bytes: &[u8], from: usize| bytes[from..].windows(mark.len()).position(|window| window == mark);
    let (mut from, mut replaced) = (0, 0);
    while let Some(next) = at(&bytes, from) {
        from += next;
        bytes[from..from + own.len()].copy_from_slice(&own);
        replaced += 1;
    }
    assert!(replaced > 0);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_a_contract_that_is_not_served_is_refused_before_and_after_it_is_live() {
    let totesys = Totesys::start(Data::Sample).await;
    let good = totesys.publish(&[picky(::picky::STRICT)], "picky").await.record.stars["picky"].clone();
    totesys.run().await;
    for (batch, version, side) in [(2, "0.9.0", "update the host"), (3, "0.0.1", "build it again")] {
        let bytes = built_against(version);
        let components = [bytes.clone()];
        let refused = Box::pin(test_publisher().publish(&totesys.lake, &components, "another")).await;
        let error = refused.unwrap_err();
        let found = matches!(
            &error, PublishError::Inspect(InspectError::OtherContract { found }) if found == version
        );
        assert!(found, "{error:?}");
        assert!(error.to_string().contains(version) && error.to_string().contains("0.1.0 and 0.2.0"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(side)), "{:?}", error.hint());

        // It was live before the host was updated: its star waits, and the others go on.
        let (key, _) = publisher();
        let code = compile(&bytes).unwrap().bytes;
        let claim = ArtifactClaim {
            component: Digest::of(&bytes),
            star: "picky".into(),
            version: good.version.clone(),
            engine: EngineKey::current(),
            artifact: Digest::of(&code),
        };
        let (digest, stored) = (claim.component.to_string(), Bytes::copy_from_slice(&code));
        let stored = totesys.lake.put_artefact(&digest, claim.engine.as_str(), stored).await.unwrap();
        by_hand::append(&totesys.lake, |record| {
            let entry = record.stars.get_mut("picky").unwrap();
            entry.digest = digest;
            entry.contract_version = version.to_owned();
            entry.artefacts = BTreeMap::from([by_hand::signed(key, &claim, stored, &code)]);
        })
        .await;
        totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id < 4").await;
        let report = Box::pin(totesys.pipeline.run()).await.unwrap();
        let [failure] = report.failures.as_slice() else { panic!("{version}: {:?}", report.failures) };
        let error = &failure.error;
        let found = matches!(
            error,
            HostError::Sandbox(SandboxError::OtherContract { star, found: Some(found) })
                if star == "picky" && found == version
        );
        assert!(found && failure.star == "picky", "{error:?}");
        assert!(error.to_string().contains(version) && error.to_string().contains("0.1.0 and 0.2.0"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(side)), "{:?}", error.hint());
        assert_eq!(report.loads.iter().filter(|load| load.batch == batch).count(), STARS.len());
        by_hand::append(&totesys.lake, |record| {
            record.stars.insert("picky".into(), good.clone());
        })
        .await;
        let report = totesys.run().await;
        let loads: Vec<_> = report.loads.iter().map(|load| (load.star.as_str(), load.batch)).collect();
        assert_eq!(loads, [("picky", batch)], "it catches up under a component that fits");
    }
}
