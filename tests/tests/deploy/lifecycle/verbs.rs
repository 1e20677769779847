//! The verbs that look at a pipeline, or work on it from here, do so with a deployed one.

use serde_json::Value;
use totesys_sandbox::Digest;
use totesys_tests::component;

use crate::environment::Environment;

/// Order 5 has two versions by now, and sales another component.
pub(super) fn work_on_an_environment(environment: &Environment) {
    let well = |arguments: &[&str]| environment.xtask_well(arguments).out;
    let read = |arguments: &[&str]| -> Value { serde_json::from_str(&well(arguments)).unwrap() };

    let status = read(&["status", "--json"]);
    assert!(status["lag_seconds"].as_i64().is_some_and(|lag| lag < 1800), "{status}");
    let stars = status["stars"].as_array().unwrap();
    assert!(stars.len() == 3 && stars.iter().all(|star| star["loaded"] == status["newest_batch"]), "{status}");
    let around = well(&["status", "--aws"]);
    assert!(around.contains("succeeded") && around.contains("ops@acme.example"), "{around}");
    assert!(!around.contains("unknown"), "{around}");
    assert_eq!(well(&["history", "fact_sales_order", "5"]).matches("units_sold").count(), 2);
    well(&["quarantine", "list"]);
    assert_eq!(environment.xtask(&["doctor"]).code, Some(0));
    assert!(well(&["outputs", "--json"]).contains(&Environment::machine()));
    assert!(well(&["logs", "--stage", "extract"]).contains("batch"));
    assert_eq!(environment.xtask(&["drift"]).code, Some(0));
    well(&["gc"]);

    let followed = read(&["run", "--aws", "--json"]);
    assert_eq!(followed["outcome"], "succeeded", "{followed}");

    let file = environment.folder.path().join("first.wasm");
    std::fs::write(&file, component("sales")).unwrap();
    let planned = environment.xtask(&["transform", "plan", file.to_str().unwrap()]);
    assert!(matches!(planned.code, Some(0 | 3)), "the same component built again: {planned:#?}");
    well(&["transform", "rollback"]);
    let first = Digest::of(&component("sales")).to_string();
    assert!(well(&["transform", "log"]).contains(&first[..16]));
    let live = read(&["status", "--json"]);
    let sales = live["stars"].as_array().unwrap().iter().find(|star| star["star"] == "sales").unwrap();
    assert_eq!(sales["component"]["digest"], first.as_str(), "{live}");
}
