//! What a function may be asked.

use crate::Stage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

/// A request to a function of a stage.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// Extract, and say what is to be done.
    Extract,
    /// Read a chunk of a backfill.
    Chunk { plan: String, chunk: u32 },
    /// Make the batches of a backfill.
    Finish { plan: String },
    /// Transform what a star has not transformed.
    Transform { catalog: u64, star: String },
    /// Load what stars have transformed.
    Load { catalog: u64, stars: Vec<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extract {
    backfill: Option<String>,
    chunk: Option<u32>,
    #[serde(default)]
    finish: bool,
}

const EXTRACT: &str = r#"{}, {"backfill": "PLAN", "chunk": 0} or {"backfill": "PLAN", "finish": true}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transform {
    catalog: u64,
    star: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    catalog: u64,
    stars: Vec<String>,
}

const TRANSFORM: &str = r#"{"catalog": 1, "star": "NAME"}"#;
const LOAD: &str = r#"{"catalog": 1, "stars": ["NAME"]}"#;

impl Request {
    /// Reads a request to a stage.
    pub(crate) fn parse(stage: Stage, request: Value) -> Result<Self, Failure> {
        Ok(match stage {
            Stage::Extract => match read(stage, EXTRACT, request)? {
                Extract { backfill: None, chunk: None, finish: false } => Self::Extract,
                Extract { backfill: Some(plan), chunk: Some(chunk), finish: false } => Self::Chunk { plan, chunk },
                Extract { backfill: Some(plan), chunk: None, finish: true } => Self::Finish { plan },
                _ => return Err(Failure::request(stage, EXTRACT)),
            },
            Stage::Transform => {
                let Transform { catalog, star } = read(stage, TRANSFORM, request)?;
                Self::Transform { catalog, star }
            }
            Stage::Load => {
                let Load { catalog, stars } = read(stage, LOAD, request)?;
                Self::Load { catalog, stars }
            }
        })
    }
}

/// What the reader of JSON says of a mistake may quote the request, so that only the form is shown.
fn read<T: DeserializeOwned>(stage: Stage, form: &str, request: Value) -> Result<T, Failure> {
    serde_json::from_value(request).map_err(|_| Failure::request(stage, form))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_stage_has_its_requests() {
        let stars = || vec!["a".to_owned(), "b".to_owned()];
        for (stage, request, expected) in [
            (Stage::Extract, json!({}), Some(Request::Extract)),
            (
                Stage::Extract,
                json!({ "backfill": "p", "chunk": 0 }),
                Some(Request::Chunk { plan: "p".into(), chunk: 0 }),
            ),
            (Stage::Extract, json!({ "backfill": "p", "finish": true }), Some(Request::Finish { plan: "p".into() })),
            (Stage::Extract, json!({ "backfill": "p" }), None),
            (Stage::Extract, json!({ "backfill": "p", "chunk": 0, "finish": true }), None),
            (Stage::Extract, json!({ "chunk": 0 }), None),
            (Stage::Extract, json!({ "finish": true }), None),
            (Stage::Extract, json!({ "catalog": 1, "star": "a" }), None),
            (Stage::Extract, json!(null), None),
            (
                Stage::Transform,
                json!({ "catalog": 7, "star": "a" }),
                Some(Request::Transform { catalog: 7, star: "a".into() }),
            ),
            (Stage::Transform, json!({ "star": "a" }), None),
            (Stage::Transform, json!({ "catalog": -1, "star": "a" }), None),
            (Stage::Transform, json!({ "catalog": 7, "star": "a", "batch": 1 }), None),
            (
                Stage::Load,
                json!({ "catalog": 7, "stars": ["a", "b"] }),
                Some(Request::Load { catalog: 7, stars: stars() }),
            ),
            (Stage::Load, json!({ "catalog": 7, "stars": "a" }), None),
            (Stage::Load, json!({}), None),
        ] {
            let said = format!("{stage:?} {request}");
            match (Request::parse(stage, request), expected) {
                (Ok(request), Some(expected)) => assert_eq!(request, expected),
                (Err(failure), None) => assert_eq!(failure.kind(), "Settings", "{said}"),
                (parsed, expected) => panic!("{said}: {parsed:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn a_malformed_request_is_not_repeated() {
        let failure = Request::parse(Stage::Load, json!({ "catalog": "hunter2" })).unwrap_err();
        assert!(format!("{failure:?}").contains(LOAD));
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
