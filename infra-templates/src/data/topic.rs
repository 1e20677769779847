//! The topic that alarms, failures and deployments are told to, and who hears of them.

use std::collections::BTreeSet;

use super::TOPIC;
use crate::policy::{Document, Statement, arn};
use crate::resources::{Properties, Subscription, Topic, TopicPolicy};
use crate::{Environment, Template, reference};

/// Adds the topic, its policy and the subscriptions.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let topic = Topic {
        topic_name: environment.names.topic().into(),
        display_name: format!("Totesys {}", environment.names.prefix()),
    };
    // Its confirmed subscriptions would have to be confirmed again.
    template.add(TOPIC, topic.resource().retained());
    let policy = TopicPolicy { topics: vec![reference(TOPIC)], policy_document: publishers(environment) };
    template.add("AlertsTopicPolicy", policy.resource());
    let mut taken = BTreeSet::new();
    for email in &environment.emails {
        let subscription =
            Subscription { topic_arn: reference(TOPIC), protocol: "email", endpoint: email.as_str().into() };
        // Not retained: whoever is taken out of the settings hears no more.
        template.add(subscription_id(email, &mut taken), subscription.resource());
    }
}

/// Who may publish. The state machines' roles are of this account and are allowed it by their own policies; as
/// principals they could not stand here before they exist.
fn publishers(environment: &Environment) -> Document {
    let publish = |sid| Statement::allow(sid, &["sns:Publish"], vec![reference(TOPIC)]);
    let alarms = arn("cloudwatch", &format!("alarm:{}-*", environment.names.prefix()));
    Document::new(vec![
        publish("Alarms").by_service("cloudwatch.amazonaws.com").for_this_account().when(
            "ArnLike",
            "aws:SourceArn",
            vec![alarms],
        ),
        // EventBridge says on nobody's behalf that it publishes to a topic: under a condition it never could.
        publish("Events").by_service("events.amazonaws.com"),
        Statement::deny("RefusePlainHttp", &["sns:Publish"], vec![reference(TOPIC)]).by_everybody().without_tls(),
    ])
}

/// A logical id that stays an address's own when others come and go: `ops@acme.example` is `EmailOpsAcmeExample`.
fn subscription_id(email: &str, taken: &mut BTreeSet<String>) -> String {
    let words = email.split(|mark: char| !mark.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.map(|word| word[..1].to_uppercase() + &word[1..].to_lowercase());
    let mut id = format!("Email{}", words.collect::<String>());
    while !taken.insert(id.clone()) {
        id.push('X');
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_ids_of_their_own() {
        let mut taken = BTreeSet::new();
        for (email, id) in [
            ("ops@acme.example", "EmailOpsAcmeExample"),
            ("on-call+night@acme.example", "EmailOnCallNightAcmeExample"),
            ("on.call+night@acme.example", "EmailOnCallNightAcmeExampleX"),
        ] {
            assert_eq!(subscription_id(email, &mut taken), id);
        }
    }
}
