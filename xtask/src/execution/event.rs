//! What happened in an execution, out of AWS's forty kinds of events.

use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType as Kind};
use serde::Serialize;
use serde_json::Value;
use totesys_lake::Micros;

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

impl Outcome {
    /// None while it runs.
    pub(crate) fn of(status: &ExecutionStatus) -> Option<Self> {
        match status {
            ExecutionStatus::Succeeded => Some(Self::Succeeded),
            ExecutionStatus::Failed => Some(Self::Failed),
            ExecutionStatus::TimedOut => Some(Self::TimedOut),
            ExecutionStatus::Aborted => Some(Self::Aborted),
            _ => None,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "ran out of time",
            Self::Aborted => "was stopped",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: i64,
    /// The event that led to this one; 0 for the first.
    pub(crate) previous: i64,
    pub(crate) at: Micros,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// A state that calls something was entered.
    Entered { state: String, input: Value },
    /// It called.
    Called,
    /// It was answered.
    Answered { answer: Value },
    /// The call failed.
    Failed { error: String, cause: String },
    /// The state was left.
    Left,
    /// The execution is over.
    Ended { outcome: Outcome, error: String, cause: String },
    /// What leads from one to the next and tells nothing.
    Step,
}

impl Event {
    pub(crate) fn of(event: &HistoryEvent) -> Self {
        Self { id: event.id(), previous: event.previous_event_id(), at: micros(event.timestamp()), what: what(event) }
    }
}

pub(crate) fn micros(time: &DateTime) -> Micros {
    Micros(time.secs() * 1_000_000 + i64::from(time.subsec_nanos() / 1000))
}

fn what(event: &HistoryEvent) -> What {
    macro_rules! failed {
        ($($details:ident),*) => {
            $(if let Some(details) = event.$details() {
                return What::Failed { error: text(details.error()), cause: text(details.cause()) };
            })*
        };
    }
    failed!(
        task_failed_event_details,
        task_start_failed_event_details,
        task_submit_failed_event_details,
        task_timed_out_event_details,
        lambda_function_failed_event_details,
        lambda_function_schedule_failed_event_details,
        lambda_function_start_failed_event_details,
        lambda_function_timed_out_event_details,
        evaluation_failed_event_details
    );
    macro_rules! ended {
        ($outcome:expr, $details:ident) => {
            What::Ended {
                outcome: $outcome,
                error: text(event.$details().and_then(|details| details.error())),
                cause: text(event.$details().and_then(|details| details.cause())),
            }
        };
    }
    match event.r#type() {
        Kind::TaskStateEntered => match event.state_entered_event_details() {
            Some(details) => What::Entered { state: details.name().to_owned(), input: json(details.input()) },
            None => What::Step,
        },
        Kind::TaskStateExited => What::Left,
        Kind::TaskScheduled | Kind::LambdaFunctionScheduled => What::Called,
        Kind::TaskSucceeded => {
            let mut answer = json(event.task_succeeded_event_details().and_then(|details| details.output()));
            // The function's answer lies among what the SDK said of the call.
            let payload = answer.get_mut("Payload").map(Value::take);
            What::Answered { answer: payload.unwrap_or(answer) }
        }
        Kind::LambdaFunctionSucceeded => {
            let details = event.lambda_function_succeeded_event_details();
            What::Answered { answer: json(details.and_then(|details| details.output())) }
        }
        Kind::ExecutionSucceeded => {
            What::Ended { outcome: Outcome::Succeeded, error: String::new(), cause: String::new() }
        }
        Kind::ExecutionFailed => ended!(Outcome::Failed, execution_failed_event_details),
        Kind::ExecutionTimedOut => ended!(Outcome::TimedOut, execution_timed_out_event_details),
        Kind::ExecutionAborted => ended!(Outcome::Aborted, execution_aborted_event_details),
        _ => What::Step,
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

/// What is no JSON tells nothing here.
fn json(value: Option<&str>) -> Value {
    value.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::{StateEnteredEventDetails, TaskFailedEventDetails, TaskSucceededEventDetails};
    use serde_json::json;

    use super::*;

    fn event(kind: Kind) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
        HistoryEvent::builder().id(2).previous_event_id(1).timestamp(DateTime::from_millis(1_500)).r#type(kind)
    }

    #[test]
    fn what_matters_is_taken_from_an_event() {
        let entered = StateEnteredEventDetails::builder().name("Extract").input("{\"a\":1}").build().unwrap();
        let succeeded = |output: &str| {
            let details =
                TaskSucceededEventDetails::builder().resource("r").resource_type("lambda").output(output).build();
            event(Kind::TaskSucceeded).task_succeeded_event_details(details.unwrap())
        };
        let failed =
            TaskFailedEventDetails::builder().resource("r").resource_type("lambda").error("Source").cause("c").build();
        for (built, expected) in [
            (
                event(Kind::TaskStateEntered).state_entered_event_details(entered),
                What::Entered { state: "Extract".into(), input: json!({ "a": 1 }) },
            ),
            (
                succeeded("{\"Payload\":{\"batches\":2},\"StatusCode\":200}"),
                What::Answered { answer: json!({ "batches": 2 }) },
            ),
            (succeeded("{\"batches\":3}"), What::Answered { answer: json!({ "batches": 3 }) }),
            (succeeded("no JSON"), What::Answered { answer: Value::Null }),
            (
                event(Kind::TaskFailed).task_failed_event_details(failed.unwrap()),
                What::Failed { error: "Source".into(), cause: "c".into() },
            ),
            (
                event(Kind::ExecutionTimedOut),
                What::Ended { outcome: Outcome::TimedOut, error: String::new(), cause: String::new() },
            ),
            (event(Kind::ChoiceStateEntered), What::Step),
        ] {
            let event = Event::of(&built.build().unwrap());
            assert_eq!((event.id, event.previous, event.at), (2, 1, Micros(1_500_000)));
            assert_eq!(event.what, expected);
        }
    }
}
