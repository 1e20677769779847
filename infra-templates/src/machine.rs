//! The state machines, in the Amazon States Language. What passes through them are numbers and names: which catalog
//! record, which stars, which failed and with what kind of error. Rows stay in the buckets.

mod alert;
mod errors;
mod states;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use alert::Alert;
pub use errors::{FUNCTION_ERRORS, FunctionError};
use states::{
    Catch, Caught, Choice, Fail, Items, Machine, Map, Pass, ProcessorConfig, QueryLanguage, Retry, State, Succeed,
    Task, Then, Way, jsonata, literal,
};

use crate::{Environment, Stage};

/// How many stars are transformed at once.
const STARS_AT_ONCE: u64 = 3;

/// How many chunks of large tables are read at once: each is a connection to the source.
const CHUNKS_AT_ONCE: u64 = 8;

/// How long a backfill may take, in seconds.
const BACKFILL_SECONDS: u64 = 24 * 60 * 60;

/// What a task has in seconds beyond its function's own limit, so that it is the function that says what happened.
const GRACE_SECONDS: u64 = 15;

/// The machine that the schedule starts: extract, transform each star, load. Its definition in JSONata, with
/// `${ExtractFunction}`, `${TransformFunction}`, `${LoadFunction}`, `${BackfillMachine}` and `${Topic}` for ARNs.
#[must_use]
pub fn pipeline(environment: &Environment) -> Value {
    let outlook = literal(
        "Nothing is lost: what could be loaded was, and the next scheduled execution goes on where this one stopped.",
    );
    let alert = Alert { machine: "pipeline", failures: "$states.input.failed", outlook, query_language: None };
    let states = BTreeMap::from([
        ("Extract", extract(environment)),
        ("WhatIsDue", what_is_due()),
        ("StartBackfill", start_backfill()),
        ("TransformStars", transform_stars(environment)),
        ("Load", load(environment)),
        ("DidAnyFail", did_any_fail()),
        ("Alert", alert.state(environment, "Failed")),
        ("Failed", failed("$states.input.failed[0].error", "$states.input.failed", None)),
        ("Done", done("Nothing more is due")),
    ]);
    definition(Machine {
        comment: Some("Totesys: source to lake, lake to lake star by star, lake to warehouse"),
        query_language: Some(QueryLanguage::JSONata),
        processor_config: None,
        start_at: "Extract",
        states,
        timeout_seconds: Some(environment.execution_minutes * 60),
    })
}

/// The machine that reads large tables in chunks: its input is `{"plan": "<attempt id>", "chunks": 120}`, and its
/// definition has `${ExtractFunction}`, `${PipelineMachine}` and `${Topic}` for ARNs.
///
/// A chunk that was read is not read again, so the same input can be given again after a failure.
#[must_use]
pub fn backfill(environment: &Environment) -> Value {
    let command = format!(
        "What was read is kept. Where a table was rewritten meanwhile, the next execution of the pipeline plans anew. \
         Otherwise go on with:\naws stepfunctions start-execution --region {} --state-machine-arn ",
        environment.region
    );
    let goes_on = format!(
        "{} & $states.context.StateMachine.Id & {} & $states.input.plan & {} & $string($states.input.chunks) & {}",
        literal(&command),
        literal(" --input '{\"plan\":\""),
        literal("\",\"chunks\":"),
        literal("}'"),
    );
    let language = Some(QueryLanguage::JSONata);
    let failures = "{ 'step': 'backfill', 'error': $states.input.caught.Error }";
    let alert = Alert { machine: "backfill", failures, outlook: goes_on, query_language: language };
    let states = BTreeMap::from([
        ("NumberChunks", number_chunks()),
        ("ReadChunks", read_chunks(environment)),
        ("Finish", finish(environment)),
        ("StartPipeline", start_pipeline()),
        ("Alert", alert.state(environment, "Failed")),
        ("Failed", failed("$states.input.caught.Error", failures, language)),
        ("Done", done("The chunks are batches, and the pipeline goes on with them")),
    ]);
    definition(Machine {
        comment: Some("Totesys: reads large tables in chunks"),
        // Not JSONata for all of it: the emulator of the tests knows distributed Maps in JSONPath only.
        query_language: Some(QueryLanguage::JSONPath),
        processor_config: None,
        start_at: "NumberChunks",
        states,
        timeout_seconds: Some(BACKFILL_SECONDS),
    })
}

fn definition(machine: Machine) -> Value {
    serde_json::to_value(machine).unwrap_or_default()
}

/// Calls a function.
fn invoke(
    environment: &Environment,
    stage: Stage,
    comment: &'static str,
    payload: Value,
    output: Value,
    then: Then,
) -> Task {
    let function = match stage {
        Stage::Extract => "${ExtractFunction}",
        Stage::Transform => "${TransformFunction}",
        Stage::Load => "${LoadFunction}",
    };
    Task {
        comment,
        query_language: None,
        resource: "arn:aws:states:::lambda:invoke",
        arguments: json!({ "FunctionName": function, "Payload": payload }),
        timeout_seconds: Some(environment.size(stage).timeout + GRACE_SECONDS),
        output,
        retry: errors::of_a_function(),
        catch: Vec::new(),
        then,
    }
}

/// Whatever went wrong leads to `next`.
fn catch(next: &'static str, becomes: Caught) -> Vec<Catch> {
    vec![Catch { error_equals: vec!["States.ALL"], next, becomes }]
}

fn input(path: &str) -> String {
    jsonata(&format!("$states.input.{path}"))
}

fn extract(environment: &Environment) -> State {
    let output = json!({
        "catalog": "{% $states.result.Payload.catalog %}",
        "stars": "{% $states.result.Payload.stars %}",
        "backfill": "{% $exists($states.result.Payload.backfill) ? $states.result.Payload.backfill : null %}",
    });
    let caught = json!({ "failed": [{ "step": "extract", "error": "{% $states.errorOutput.Error %}" }] });
    let task = invoke(
        environment,
        Stage::Extract,
        "Take what changed, and pin the catalog record for this execution",
        json!({}),
        output,
        Then::Next("WhatIsDue"),
    );
    State::Task(Task { catch: catch("Alert", Caught::JSONata { output: caught }), ..task })
}

fn what_is_due() -> State {
    State::Choice(Choice {
        choices: vec![
            Way {
                comment: "a large table",
                condition: jsonata("$states.input.backfill != null"),
                next: "StartBackfill",
            },
            Way { comment: "nothing", condition: jsonata("$count($states.input.stars) = 0"), next: "Done" },
        ],
        default: "TransformStars",
    })
}

/// The plan's id names the execution: while that runs, and after it ended, no second one is started.
fn start_backfill() -> State {
    // The second name is the emulator's.
    let known = vec!["StepFunctions.ExecutionAlreadyExistsException", "ExecutionAlreadyExists"];
    let mut retry = errors::of_a_service();
    let never = Retry { error_equals: known.clone(), max_attempts: 0, ..retry[0].clone() };
    retry.insert(0, never);
    let caught = json!({ "failed": [{ "step": "start of the backfill", "error": "{% $states.errorOutput.Error %}" }] });
    let mut catches = vec![Catch { error_equals: known, next: "Done", becomes: Caught::JSONata { output: json!({}) } }];
    catches.extend(catch("Alert", Caught::JSONata { output: caught }));
    State::Task(Task {
        comment: "Read a large table in chunks, in an execution of its own",
        query_language: None,
        resource: "arn:aws:states:::states:startExecution",
        arguments: json!({
            "StateMachineArn": "${BackfillMachine}",
            "Name": input("backfill.plan"),
            "Input": { "plan": input("backfill.plan"), "chunks": input("backfill.chunks") },
        }),
        timeout_seconds: Some(60),
        output: json!({}),
        retry,
        catch: catches,
        then: Then::Next("Done"),
    })
}

fn transform_stars(environment: &Environment) -> State {
    let caught = json!({
        "star": input("star"),
        "failed": "{% $states.errorOutput.Error %}",
    });
    let transform = invoke(
        environment,
        Stage::Transform,
        "Run the component of the star over the batches it has not seen",
        json!({ "catalog": input("catalog"), "star": input("star") }),
        json!({ "star": input("star") }),
        Then::End(true),
    );
    let transform = Task { catch: catch("StarFailed", Caught::JSONata { output: caught }), ..transform };
    let star_failed =
        Pass { comment: "The other stars go on", query_language: None, output: None, then: Then::End(true) };
    let each = Machine {
        comment: None,
        query_language: None,
        processor_config: Some(ProcessorConfig { mode: "INLINE", execution_type: None }),
        start_at: "Transform",
        states: BTreeMap::from([("Transform", State::Task(transform)), ("StarFailed", State::Pass(star_failed))]),
        timeout_seconds: None,
    };
    let output = json!({
        "catalog": input("catalog"),
        "stars": input("stars"),
        "failed": "{% [$states.result[$exists(failed)].{ 'step': 'transform of ' & star, 'error': failed }] %}",
    });
    let map_failed = json!({ "failed": [{ "step": "transform", "error": "{% $states.errorOutput.Error %}" }] });
    State::Map(Map {
        comment: "Each star by itself: one that fails holds up no other",
        items: Items::JSONata { items: input("stars"), output },
        item_selector: json!({ "catalog": input("catalog"), "star": "{% $states.context.Map.Item.Value %}" }),
        max_concurrency: STARS_AT_ONCE,
        item_processor: Box::new(each),
        catch: catch("Alert", Caught::JSONata { output: map_failed }),
        then: Then::Next("Load"),
    })
}

fn load(environment: &Environment) -> State {
    let caught = json!({
        "failed": "{% $append($states.input.failed, [{ 'step': 'load', 'error': $states.errorOutput.Error }]) %}",
    });
    let task = invoke(
        environment,
        Stage::Load,
        "Load what was transformed, star by star; those that failed have their earlier batches",
        json!({ "catalog": input("catalog"), "stars": input("stars") }),
        json!({ "failed": input("failed") }),
        Then::Next("DidAnyFail"),
    );
    State::Task(Task { catch: catch("Alert", Caught::JSONata { output: caught }), ..task })
}

fn did_any_fail() -> State {
    State::Choice(Choice {
        choices: vec![Way {
            comment: "a star failed",
            condition: jsonata("$count($states.input.failed) > 0"),
            next: "Alert",
        }],
        default: "Done",
    })
}

/// Ends with the first failure's error, and all of them as the cause.
fn failed(error: &str, failures: &str, query_language: Option<QueryLanguage>) -> State {
    State::Fail(Fail {
        query_language,
        error: jsonata(error),
        cause: jsonata(&format!("$join([{failures}.(step & ': ' & error)], ', ')")),
    })
}

fn done(comment: &'static str) -> State {
    State::Succeed(Succeed { comment })
}

fn number_chunks() -> State {
    State::Pass(Pass {
        comment: "One number for each chunk",
        query_language: Some(QueryLanguage::JSONata),
        output: Some(json!({
            "plan": input("plan"),
            "chunks": input("chunks"),
            "numbers": "{% [0..$states.input.chunks - 1] %}",
        })),
        then: Then::Next("ReadChunks"),
    })
}

fn read_chunks(environment: &Environment) -> State {
    let read = invoke(
        environment,
        Stage::Extract,
        "Read one chunk, unless it was read before",
        json!("{% $states.input %}"),
        json!("{% $states.input.chunk %}"),
        Then::End(true),
    );
    let read = Task { query_language: Some(QueryLanguage::JSONata), ..read };
    let each = Machine {
        comment: None,
        query_language: None,
        processor_config: Some(ProcessorConfig { mode: "DISTRIBUTED", execution_type: Some("STANDARD") }),
        start_at: "ReadChunk",
        states: BTreeMap::from([("ReadChunk", State::Task(read))]),
        timeout_seconds: None,
    };
    State::Map(Map {
        comment: "Each chunk in an execution of its own; the first that fails stops the others",
        items: Items::JSONPath { items_path: "$.numbers", result_path: Value::Null, tolerated_failure_count: 0 },
        item_selector: json!({ "backfill.$": "$.plan", "chunk.$": "$$.Map.Item.Value" }),
        max_concurrency: CHUNKS_AT_ONCE,
        item_processor: Box::new(each),
        catch: catch("Alert", Caught::JSONPath { result_path: "$.caught" }),
        then: Then::Next("Finish"),
    })
}

fn finish(environment: &Environment) -> State {
    let caught = json!({
        "plan": input("plan"),
        "chunks": input("chunks"),
        "caught": { "Error": "{% $states.errorOutput.Error %}" },
    });
    let task = invoke(
        environment,
        Stage::Extract,
        "Make the chunks batches; a call that runs out of time has another go on",
        json!({ "backfill": input("plan"), "finish": true }),
        json!({}),
        Then::Next("StartPipeline"),
    );
    let query_language = Some(QueryLanguage::JSONata);
    let retry = task.retry.iter().cloned().chain([errors::of_what_goes_on()]).collect();
    State::Task(Task { query_language, retry, catch: catch("Alert", Caught::JSONata { output: caught }), ..task })
}

/// Where it cannot be started now, the schedule starts it soon.
fn start_pipeline() -> State {
    State::Task(Task {
        comment: "Transform and load the batches",
        query_language: Some(QueryLanguage::JSONata),
        resource: "arn:aws:states:::states:startExecution",
        arguments: json!({ "StateMachineArn": "${PipelineMachine}", "Input": {} }),
        timeout_seconds: Some(60),
        output: json!({}),
        retry: errors::of_a_service(),
        catch: catch("Done", Caught::JSONata { output: json!({}) }),
        then: Then::Next("Done"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawEnvironment;

    /// An environment with no more than what is required.
    fn production() -> Environment {
        let raw = RawEnvironment {
            region: Some("eu-west-2".to_owned()),
            prefix: Some("acme-totesys".to_owned()),
            emails: vec!["ops@acme.example".to_owned()],
            ..RawEnvironment::default()
        };
        raw.check("production", BTreeMap::new()).expect("it has what is required")
    }

    /// Each state of a definition, those within Maps as well.
    fn states(definition: &Value) -> Vec<(String, &Value)> {
        let mut all = Vec::new();
        for (name, state) in definition["States"].as_object().into_iter().flatten() {
            all.push((name.clone(), state));
            all.extend(states(&state["ItemProcessor"]));
        }
        all
    }

    #[test]
    fn whatever_fails_is_told_or_passed_on() {
        for definition in [pipeline(&production()), backfill(&production())] {
            for (name, state) in states(&definition) {
                // A chunk that fails fails the Map, which is caught.
                if !matches!(state["Type"].as_str(), Some("Task" | "Map")) || name == "ReadChunk" {
                    continue;
                }
                let catches = state["Catch"].as_array().map(Vec::as_slice).unwrap_or_default();
                let last = catches.last().map(|catch| &catch["ErrorEquals"]);
                assert_eq!(last, Some(&json!(["States.ALL"])), "{name}");
            }
        }
    }

    #[test]
    fn every_call_of_a_function_is_tried_again_and_ends_in_time() {
        let environment = production();
        let mut calls = Vec::new();
        for definition in [pipeline(&environment), backfill(&environment)] {
            for (name, state) in states(&definition) {
                if state["Resource"] == "arn:aws:states:::lambda:invoke" {
                    // Only what goes on where it was stopped is worth another try after it ran out of time.
                    let more = (name == "Finish").then(errors::of_what_goes_on);
                    let retry: Vec<_> = errors::of_a_function().into_iter().chain(more).collect();
                    assert_eq!(state["Retry"], json!(retry), "{name}");
                    assert!(
                        state["TimeoutSeconds"].as_u64() > Some(environment.size(Stage::Extract).timeout),
                        "{name}"
                    );
                    calls.push(name);
                }
            }
        }
        assert_eq!(calls, ["Extract", "Load", "Transform", "Finish", "ReadChunk"]);
    }

    #[test]
    fn an_execution_ends_before_the_time_it_is_given() {
        let environment = production();
        assert!(environment.execution_minutes < 15);
        assert_eq!(pipeline(&environment)["TimeoutSeconds"], environment.execution_minutes * 60);
    }

    #[test]
    fn every_state_that_is_named_is_there_and_is_reached() {
        for definition in [pipeline(&production()), backfill(&production())] {
            let diagram = crate::diagram::state_machine(&definition);
            for (name, _) in states(&definition) {
                assert!(diagram.contains(&format!("--> {name}")), "{name} is not reached");
            }
        }
    }
}
