//! Executions told from their events.

use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:states:eu-west-2:123456789012:execution:acme-totesys-pipeline:by-hand-1";

/// A history under way: events follow one another, or begin again behind an earlier one.
#[derive(Default)]
struct History {
    events: Vec<Event>,
    milliseconds: i64,
}

impl History {
    /// The next event, some milliseconds later, after the event `previous`; gives its id.
    fn then(&mut self, previous: i64, later: i64, what: What) -> i64 {
        self.milliseconds += later;
        let id = self.events.len() as i64 + 1;
        self.events.push(Event { id, previous, at: Micros(self.milliseconds * 1000), what });
        id
    }

    fn enter(&mut self, previous: i64, state: &str, star: Option<&str>) -> i64 {
        let input = star.map_or(json!({}), |star| json!({ "catalog": 12, "star": star }));
        let entered = self.then(previous, 1, What::Entered { state: state.to_owned(), input });
        self.then(entered, 1, What::Called)
    }

    fn answer(&mut self, previous: i64, later: i64, answer: Value) -> i64 {
        let answered = self.then(previous, later, What::Answered { answer });
        self.then(answered, 1, What::Left)
    }

    fn fail(&mut self, previous: i64, later: i64, error: &str, message: &str) -> i64 {
        let cause = json!({ "errorType": error, "errorMessage": message }).to_string();
        self.then(previous, later, What::Failed { error: error.to_owned(), cause })
    }

    fn end(&mut self, previous: i64, outcome: Outcome, error: &str, cause: &str) {
        let (error, cause) = (error.to_owned(), cause.to_owned());
        self.then(previous, 5, What::Ended { outcome, error, cause });
    }

    fn told(self) -> (String, Summary) {
        let mut story = Story::new(ARN, &format!("cargo xtask logs --env production --execution {ARN}"));
        let mut said = String::new();
        for event in self.events {
            assert!(!story.has_ended());
            if let Some(line) = story.tell(event) {
                said += &format!("{line}\n");
            }
        }
        let summary = story.summary("production");
        (format!("{said}---\n{}", text(&summary)), summary)
    }
}

#[test]
fn an_execution_that_succeeds() {
    let mut history = History::default();
    let started = history.then(0, 0, What::Step);
    let extract = history.enter(started, "Extract", None);
    let answer = json!({ "catalog": 12, "batch": 7, "stars": ["sales", "purchases"] });
    let extracted = history.answer(extract, 4_000, answer);
    let map = history.then(extracted, 1, What::Step);
    let sales = history.enter(map, "Transform", Some("sales"));
    let purchases = history.enter(map, "Transform", Some("purchases"));
    let retried = history.fail(purchases, 900, "Lambda.TooManyRequestsException", "Rate Exceeded.");
    let sales = history.answer(sales, 2_000, json!({ "star": "sales", "batches": 2 }));
    let again = history.then(retried, 500, What::Called);
    history.answer(again, 1_000, json!({ "star": "purchases", "batches": 1 }));
    let load = history.enter(sales, "Load", None);
    let loaded = history.answer(load, 3_000, json!({ "batches": 3 }));
    history.end(loaded, Outcome::Succeeded, "", "");
    let (told, summary) = history.told();
    insta::assert_snapshot!(told);
    insta::assert_snapshot!("an_execution_as_json", serde_json::to_string_pretty(&summary).unwrap());
}

#[test]
fn an_execution_in_which_a_star_fails() {
    let mut history = History::default();
    let extract = history.enter(0, "Extract", None);
    let extracted =
        history.answer(extract, 4_000, json!({ "catalog": 12, "batch": 7, "stars": ["sales", "purchases"] }));
    let sales = history.enter(extracted, "Transform", Some("sales"));
    let purchases = history.enter(extracted, "Transform", Some("purchases"));
    history.fail(sales, 1_500, "Refused", "900 of 1000 rows of batch 7 are refused");
    let purchases = history.answer(purchases, 1, json!({ "star": "purchases", "batches": 1 }));
    let load = history.enter(purchases, "Load", None);
    let loaded = history.answer(load, 2_000, json!({ "batches": 1 }));
    let alert = history.enter(loaded, "Alert", None);
    let alerted = history.answer(alert, 50, json!({ "MessageId": "m" }));
    history.end(alerted, Outcome::Failed, "StarsFailed", "sales");
    insta::assert_snapshot!(history.told().0);
}

#[test]
fn an_execution_with_nothing_to_do() {
    let mut history = History::default();
    let extract = history.enter(0, "Extract", None);
    let extracted = history.answer(extract, 700, json!({ "catalog": 12, "batch": 7, "stars": [] }));
    history.end(extracted, Outcome::Succeeded, "", "");
    insta::assert_snapshot!(history.told().0);
}

#[test]
fn an_execution_that_begins_a_backfill() {
    let mut history = History::default();
    let extract = history.enter(0, "Extract", None);
    let answer = json!({ "catalog": 12, "batch": null, "stars": [], "backfill": { "plan": "p", "chunks": 120 } });
    let extracted = history.answer(extract, 700, answer);
    history.end(extracted, Outcome::Succeeded, "", "");
    let (told, summary) = history.told();
    insta::assert_snapshot!(told);
    assert_eq!((summary.batch, summary.backfill_chunks), (None, Some(120)));
}

#[test]
fn executions_that_end_for_reasons_of_their_own() {
    let ends = |outcome, error: &str, cause: &str| {
        let mut history = History::default();
        let extract = history.enter(0, "Extract", None);
        history.end(extract, outcome, error, cause);
        history.told().0
    };
    insta::assert_snapshot!(
        [
            ends(Outcome::TimedOut, "", ""),
            ends(Outcome::Aborted, "", ""),
            ends(Outcome::Failed, "States.Runtime", "the state `Extract` has no Catch"),
        ]
        .join("\n")
    );
}

#[test]
fn a_history_without_links_is_read_in_its_order() {
    let events = [
        What::Step,
        What::Entered { state: "Extract".to_owned(), input: json!({}) },
        What::Called,
        What::Answered { answer: json!({ "catalog": 12, "batch": 7, "stars": ["sales"] }) },
        What::Left,
        What::Failed { error: "States.QueryEvaluationError".to_owned(), cause: "no such function".to_owned() },
        What::Ended { outcome: Outcome::Failed, error: "States.QueryEvaluationError".to_owned(), cause: String::new() },
    ];
    let events = events.into_iter().zip(1..).map(|(what, id)| Event { id, previous: 0, at: Micros(id * 1000), what });
    let (told, summary) = History { events: events.collect(), milliseconds: 0 }.told();
    assert!(told.contains("Extract done: newest batch 7, stars sales"), "{told}");
    // What happens between two calls is nobody's.
    assert_eq!((summary.failures.len(), summary.failures[0].state.as_str()), (1, "the execution"));
    assert_eq!(summary.failures[0].message, "no such function");
}
