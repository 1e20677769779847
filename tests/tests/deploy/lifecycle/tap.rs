//! A queue that hears what the topic of alerts says, as its readers would.

use serde_json::{Value, json};

use crate::emulator::{ACCOUNT, REGION};
use crate::environment::{Environment, PREFIX, until};

const NAME: &str = "tap";

/// The queue.
pub(super) struct Tap<'a> {
    environment: &'a Environment,
    url: String,
}

impl<'a> Tap<'a> {
    /// Subscribes one to the topic of an environment.
    pub(super) fn on(environment: &'a Environment) -> Self {
        let emulator = &environment.emulator;
        let made = emulator.ask("sqs", "create_queue", json!({ "QueueName": NAME }));
        let subscription = json!({
            "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:{PREFIX}-alerts"),
            "Protocol": "sqs",
            "Endpoint": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}"),
        });
        emulator.ask("sns", "subscribe", subscription);
        Self { environment, url: made["QueueUrl"].as_str().unwrap().to_owned() }
    }

    /// Waits for a message; those before it are let go.
    pub(super) fn next(&self, wanted: impl Fn(&str) -> bool) -> String {
        until("the topic says it", || self.heard().into_iter().find(|message| wanted(message)))
    }

    /// Subject and text of what has come.
    fn heard(&self) -> Vec<String> {
        let emulator = &self.environment.emulator;
        let asked = json!({ "QueueUrl": self.url, "MaxNumberOfMessages": 10 });
        let received = emulator.ask("sqs", "receive_message", asked);
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        let told = messages.iter().map(|message| {
            let handle = json!({ "QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"] });
            emulator.ask("sqs", "delete_message", handle);
            let envelope: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let text = |key: &str| envelope[key].as_str().unwrap_or_default().to_owned();
            format!("{}\n{}", text("Subject"), text("Message"))
        });
        told.collect()
    }
}
