//! The schedule that starts the state machine, and the queue of what it could not start.

use super::machines::PIPELINE_MACHINE;
use crate::policy::{Document, Statement, arn};
use crate::resources::{
    DeadLetterConfig, FlexibleTimeWindow, Properties as _, Queue, QueuePolicy, RetryPolicy, Schedule, ScheduleTarget,
};
use crate::{Environment, Template, attribute, reference};

/// The logical id of the queue.
pub(super) const NOT_STARTED_QUEUE: &str = "NotStartedQueue";

/// The parameter with the schedule's expression.
pub(super) const SCHEDULE_EXPRESSION: &str = "ScheduleExpression";

/// The parameter with the schedule's state: `ENABLED` or `DISABLED`.
pub(super) const SCHEDULE_STATE: &str = "ScheduleState";

/// How long what could not be started is kept for somebody to look at, in seconds: 14 days, the longest there is.
const KEPT_SECONDS: u64 = 14 * 24 * 60 * 60;

/// Adds the schedule, its queue and the queue's policy.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let names = &environment.names;
    let queue = Queue {
        queue_name: names.dead_letters().into(),
        message_retention_period: KEPT_SECONDS,
        sqs_managed_sse_enabled: true,
    };
    template.add(NOT_STARTED_QUEUE, queue.resource());
    let policy = QueuePolicy {
        queues: vec![reference(NOT_STARTED_QUEUE)],
        policy_document: Document::new(vec![
            Statement::deny("OnlyEncrypted", &["sqs:*"], vec![arn("sqs", &names.dead_letters())])
                .by_everybody()
                .without_tls(),
        ]),
    };
    template.add("NotStartedQueuePolicy", policy.resource());
    let schedule = Schedule {
        name: names.schedule().into(),
        description: "Starts the pipeline".to_owned(),
        schedule_expression: reference(SCHEDULE_EXPRESSION),
        schedule_expression_timezone: "UTC",
        state: reference(SCHEDULE_STATE),
        flexible_time_window: FlexibleTimeWindow { mode: "OFF" },
        target: ScheduleTarget {
            arn: reference(PIPELINE_MACHINE),
            role_arn: attribute("SchedulerRole", "Arn"),
            input: "{}".to_owned(),
            // Left alone it would try for a day, long after the next runs did the work.
            retry_policy: RetryPolicy { maximum_event_age_in_seconds: 600, maximum_retry_attempts: 2 },
            dead_letter_config: DeadLetterConfig { arn: attribute(NOT_STARTED_QUEUE, "Arn") },
        },
    };
    template.add("Schedule", schedule.resource());
}
