//! What happens to a stack, event by event.

use aws_sdk_cloudformation::types::{OperationEvent, StackEvent};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Event {
    /// AWS's name for it.
    #[cfg_attr(test, serde(default))]
    pub(crate) event: String,
    /// The resource, or the stack's own name.
    pub(crate) id: String,
    /// Its type; `AWS::CloudFormation::Stack` for the stack itself.
    pub(crate) kind: String,
    /// Such as `CREATE_IN_PROGRESS`.
    pub(crate) status: String,
    #[cfg_attr(test, serde(default))]
    pub(crate) reason: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
}

/// The type of the stack itself among the resources of its events.
pub(crate) const STACK: &str = "AWS::CloudFormation::Stack";

impl Event {
    pub(crate) fn of(event: &StackEvent) -> Self {
        Self {
            event: event.event_id().unwrap_or_default().to_owned(),
            id: event.logical_resource_id().unwrap_or_default().to_owned(),
            kind: event.resource_type().unwrap_or_default().to_owned(),
            status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            reason: event.resource_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
            at: event.timestamp().and_then(|time| time.to_millis().ok()).unwrap_or_default(),
        }
    }

    /// A finding of AWS's checks before it begins to work.
    pub(crate) fn unfit(event: &OperationEvent) -> Option<Self> {
        let reason = event.validation_status_reason().filter(|reason| !reason.is_empty())?;
        Some(Self {
            event: event.event_id().unwrap_or_default().to_owned(),
            id: event.logical_resource_id().unwrap_or("the template").to_owned(),
            kind: event.resource_type().unwrap_or_default().to_owned(),
            status: "VALIDATION_FAILED".to_owned(),
            reason: Some(reason.to_owned()),
            at: event.timestamp().and_then(|time| time.to_millis().ok()).unwrap_or_default(),
        })
    }

    /// What happened to what, and why, in one line.
    pub(crate) fn sentence(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("AWS gives no reason");
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.is_of_stack() { reason } else { format!("{} ({}): {reason}", self.id, self.kind) }
    }

    /// Whether the reason is to be looked up among the findings of AWS's checks.
    pub(crate) fn points_at_checks(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.contains("DescribeEvents"))
    }

    pub(crate) fn is_of_stack(&self) -> bool {
        self.kind == STACK
    }

    /// Whether it says that something could not be done.
    pub(crate) fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// Whether what it says follows from another failure: AWS stops what else it was doing.
    pub(crate) fn is_consequence(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.to_lowercase().contains("cancelled"))
    }
}

/// The events of the stack's last operation: all from the last one that began it.
pub(crate) fn last_operation(events: &[Event]) -> &[Event] {
    const BEGINNINGS: [&str; 4] =
        ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
    let begins = |event: &Event| event.is_of_stack() && BEGINNINGS.contains(&event.status.as_str());
    &events[events.iter().rposition(begins).unwrap_or_default()..]
}
