//! `alerts confirm`: who is written to when something is wrong, and whether the mails arrive.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use anyhow::Result;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::types::Subscription;
use serde::Serialize;
use serde_json::json;

use crate::arguments::ConfirmAlerts;
use crate::aws::{Cloud, refused};
use crate::hint::advise;
use crate::place::say;
use crate::stdin;

/// What SNS has in the place of an ARN for a subscription nobody has confirmed.
const PENDING: &str = "PendingConfirmation";

/// The addresses of the settings and those of the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Recipients {
    /// Get mails.
    pub(crate) confirmed: BTreeSet<String>,
    /// Were asked and have not answered; after 48 hours AWS forgets them.
    pub(crate) pending: BTreeSet<String>,
    /// Stand in the settings and have no subscription: it ran out, or somebody ended it.
    pub(crate) missing: BTreeSet<String>,
    /// Get mails and do not stand in the settings.
    pub(crate) others: BTreeSet<String>,
}

impl Recipients {
    /// Sorts the topic's subscriptions, as (address, ARN or state), against the settings' addresses.
    fn sort(wanted: &[String], subscriptions: &[(String, String)]) -> Self {
        // Of addresses, only what stands before the @ may tell capitals apart, and nobody does.
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let mut recipients = Self::default();
        for address in wanted {
            let mut standing = subscriptions.iter().filter(|(endpoint, _)| same(endpoint, address));
            let mut found = None;
            for (_, arn) in standing.by_ref() {
                match (arn.as_str(), found) {
                    (arn, _) if arn.starts_with("arn:") => found = Some(true),
                    (PENDING, None) => found = Some(false),
                    _ => {}
                }
            }
            let list = match found {
                Some(true) => &mut recipients.confirmed,
                Some(false) => &mut recipients.pending,
                None => &mut recipients.missing,
            };
            list.insert(address.clone());
        }
        for (endpoint, arn) in subscriptions {
            if arn.starts_with("arn:") && !wanted.iter().any(|address| same(address, endpoint)) {
                recipients.others.insert(endpoint.clone());
            }
        }
        recipients
    }

    /// Whether everybody who should gets mails.
    pub(crate) fn is_well(&self) -> bool {
        self.pending.is_empty() && self.missing.is_empty() && !self.confirmed.is_empty()
    }

    /// One line per address.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (addresses, state) in [
            (&self.confirmed, "confirmed"),
            (&self.pending, "PENDING: the mail of AWS was not answered; after 48 hours it is void"),
            (&self.missing, "MISSING: not subscribed, or no more"),
            (&self.others, "confirmed, and not in the settings"),
        ] {
            for address in addresses {
                text += &format!("{address:<32} {state}\n");
            }
        }
        if text.is_empty() {
            text += "nobody: the settings have no `emails`\n";
        }
        text
    }
}

/// The topic that alarms and failures go to.
pub(crate) async fn topic(cloud: &Cloud) -> Result<String> {
    cloud.output(&cloud.environment.names.data_stack(), "TopicArn").await
}

/// Who gets the topic's mails.
pub(crate) async fn recipients(cloud: &Cloud, topic: &str) -> Result<Recipients> {
    let mut pages = cloud.topics().list_subscriptions_by_topic().topic_arn(topic).into_paginator().send();
    let mut subscriptions = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("sns", error))?;
        subscriptions.extend(page.subscriptions().iter().filter_map(of_email));
    }
    Ok(Recipients::sort(&cloud.environment.emails, &subscriptions))
}

fn of_email(subscription: &Subscription) -> Option<(String, String)> {
    let is_email = subscription.protocol().is_some_and(|protocol| protocol.starts_with("email"));
    is_email.then(|| Some((subscription.endpoint()?.to_owned(), subscription.subscription_arn()?.to_owned()))).flatten()
}

/// Confirms a token if there is one, subscribes addresses that are missing, and says who is written to.
pub(crate) async fn confirm(cloud: &Cloud, arguments: &ConfirmAlerts) -> Result<()> {
    cloud.account().await?;
    let topic = topic(cloud).await?;
    let mut confirmed = 0;
    if let Some(given) = &arguments.token {
        confirm_token(cloud, &topic, &given_or_read(given).await?).await?;
        confirmed += 1;
    }
    let before = recipients(cloud, &topic).await?;
    for address in &before.missing {
        subscribe(cloud, &topic, address).await?;
        say(&format!("{address} was asked again: AWS sends a mail with a link"));
    }
    let after = if before.missing.is_empty() { before.clone() } else { recipients(cloud, &topic).await? };
    if arguments.output.json {
        println!("{}", json!({ "confirmed_now": confirmed, "subscribed_again": before.missing, "recipients": after }));
        return Ok(());
    }
    print!("{}", after.text());
    if !after.pending.is_empty() {
        say(&format!(
            "do not click the mail's link: anybody could then end the subscription by another. Copy it:\n  cargo xtask \
             alerts confirm --env {} --token 'LINK'",
            cloud.environment.name
        ));
    }
    Ok(())
}

/// Confirms a subscription so that only the account can end it.
async fn confirm_token(cloud: &Cloud, topic: &str, given: &str) -> Result<()> {
    let token = token(given, topic)?;
    let sent = cloud
        .topics()
        .confirm_subscription()
        .topic_arn(topic)
        .token(token)
        // Mail scanners follow links, that which ends a subscription among them.
        .authenticate_on_unsubscribe("true")
        .send()
        .await;
    sent.map(drop).map_err(|error| {
        if error.code().is_some_and(|code| code.starts_with("InvalidParameter")) {
            return advise(
                "AWS does not take this token",
                "a token is good for 48 hours, for one subscription: `cargo xtask alerts confirm` without --token says \
                 who is pending and asks missing addresses again",
            );
        }
        refused("sns", error)
    })
}

async fn subscribe(cloud: &Cloud, topic: &str, address: &str) -> Result<()> {
    let sent = cloud.topics().subscribe().topic_arn(topic).protocol("email").endpoint(address).send().await;
    sent.map(drop).map_err(|error| refused("sns", error))
}

async fn given_or_read(given: &str) -> Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    if std::io::stdin().is_terminal() {
        say("the link of AWS's mail:");
    }
    Ok(stdin::read(false).await?)
}

/// The token alone, or that of a link such as
/// `https://sns.eu-west-2.amazonaws.com/confirmation.html?TopicArn=…&Token=…&Endpoint=…`.
fn token(given: &str, topic: &str) -> Result<String> {
    let given = given.trim();
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_token(given) {
        return Ok(given.to_owned());
    }
    let pairs = given.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.replace("%3A", ":")))
    };
    if let Some(of) = value("TopicArn").filter(|of| of != topic) {
        return Err(advise(
            format!("this link is for the topic {of}, the environment's is {topic}"),
            "name the environment the mail is about with --env",
        ));
    }
    value("Token").filter(|token| is_token(token)).ok_or_else(|| {
        advise(
            "there is no token in this",
            "give the whole link of the mail \"AWS Notification - Subscription Confirmation\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-2:123456789012:acme-totesys-alerts";

    #[test]
    fn subscriptions_are_compared_with_the_settings() {
        let wanted = ["ops@acme.example", "dev@acme.example", "gone@acme.example", "twice@acme.example"];
        let subscriptions = [
            ("Ops@acme.example", "arn:aws:sns:1"),
            ("dev@acme.example", "PendingConfirmation"),
            ("gone@acme.example", "Deleted"),
            ("twice@acme.example", "PendingConfirmation"),
            ("twice@acme.example", "arn:aws:sns:2"),
            ("boss@acme.example", "arn:aws:sns:3"),
            ("asked@acme.example", "PendingConfirmation"),
        ];
        let recipients = Recipients::sort(
            &wanted.map(str::to_owned),
            &subscriptions.map(|(address, arn)| (address.to_owned(), arn.to_owned())),
        );
        assert!(!recipients.is_well());
        insta::assert_snapshot!(recipients.text());
        assert!(Recipients::sort(&["a@b.c".to_owned()], &[("a@b.c".to_owned(), "arn:1".to_owned())]).is_well());
        assert!(!Recipients::default().is_well());
        insta::assert_snapshot!(Recipients::default().text(), @"nobody: the settings have no `emails`");
    }

    #[test]
    fn a_token_is_found_in_what_the_mail_holds() {
        let link = |topic: &str| {
            format!(
                "https://sns.eu-west-2.amazonaws.com/confirmation.html?TopicArn={topic}&Token=2336abc&Endpoint=a@b.c\n"
            )
        };
        assert_eq!(token("2336abc\n", TOPIC).unwrap(), "2336abc");
        assert_eq!(token(&link(TOPIC), TOPIC).unwrap(), "2336abc");
        assert_eq!(token(&link(&TOPIC.replace(':', "%3A")), TOPIC).unwrap(), "2336abc");
        assert!(token(&link("arn:aws:sns:eu-west-2:1:other"), TOPIC).unwrap_err().to_string().contains("other"));
        for wrong in ["", "hello there", "https://example.com/?Token=", "https://example.com/"] {
            assert!(token(wrong, TOPIC).is_err(), "{wrong}");
        }
    }
}
