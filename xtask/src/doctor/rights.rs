//! Whether these credentials may do what a deployer does: AWS simulates it, nothing is done.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use serde_json::Value;

use super::account::Identity;
use super::finding::Finding;
use crate::aws::{Cloud, refused};

const AREA: &str = "rights";

/// So many missing rights are listed; the rest is counted.
const LISTED: usize = 12;

/// Asks AWS about each statement of the deployer's policy.
pub(super) async fn look(cloud: &Cloud, identity: &Identity) -> Vec<Finding> {
    let unknown = |what: &str| {
        let remedy = format!("compare yourself: `cargo xtask doctor --policy --env {}`", cloud.environment.name);
        vec![Finding::warning(AREA, format!("not checked: {what}"), remedy)]
    };
    let principal = match principal(&identity.arn) {
        Principal::Known(arn) => arn,
        Principal::Role { name, guess } => role(cloud, &name).await.unwrap_or(guess),
        Principal::Root => {
            return vec![Finding::warning(
                AREA,
                "these are the credentials of the account's root user, which may do everything",
                "use a role with the policy that `cargo xtask doctor --policy` prints",
            )];
        }
        Principal::Other => return unknown("AWS simulates users and roles only"),
    };
    let mut environment = cloud.environment.clone();
    // Where the settings name no account, this is the one it would be.
    environment.account.get_or_insert_with(|| identity.account.clone());
    let policy = infra_templates::deployer::policy(&environment);
    let (mut asked, mut denied) = (0, BTreeSet::new());
    for request in requests(&policy) {
        asked += request.actions.len();
        match simulate(cloud, &principal, &request).await {
            Ok(found) => denied.extend(found),
            Err(error) => {
                let why = host_lambda::sentence(error.as_ref());
                return unknown(&format!("these credentials may not simulate their own rights ({why})"));
            }
        }
    }
    vec![told(asked, &denied, &cloud.environment.name)]
}

fn told(asked: usize, denied: &BTreeSet<String>, environment: &str) -> Finding {
    if denied.is_empty() {
        return Finding::ok(AREA, format!("everything a deployer does is allowed ({asked} actions simulated)"));
    }
    let mut lines: Vec<&str> = denied.iter().take(LISTED).map(String::as_str).collect();
    let more = format!("and {} more", denied.len().saturating_sub(LISTED));
    if denied.len() > LISTED {
        lines.push(&more);
    }
    Finding::error(
        AREA,
        format!("{} rights are missing:\n{}", denied.len(), lines.join("\n")),
        format!("attach the policy that `cargo xtask doctor --policy --env {environment}` prints"),
    )
}

/// Whom AWS can simulate.
#[derive(Debug, PartialEq, Eq)]
enum Principal {
    Known(String),
    /// A role that is assumed: its path is not in the session's ARN.
    Role {
        name: String,
        guess: String,
    },
    Root,
    Other,
}

fn principal(arn: &str) -> Principal {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, _, account, resource] = parts[..] else { return Principal::Other };
    match (service, resource.split('/').collect::<Vec<_>>().as_slice()) {
        ("iam", ["user" | "role", _, ..]) => Principal::Known(arn.to_owned()),
        ("iam", ["root"]) => Principal::Root,
        ("sts", ["assumed-role", name, ..]) => {
            Principal::Role { name: (*name).to_owned(), guess: format!("arn:{partition}:iam::{account}:role/{name}") }
        }
        _ => Principal::Other,
    }
}

async fn role(cloud: &Cloud, name: &str) -> Option<String> {
    let found = cloud.iam().get_role().role_name(name).send().await.ok()?;
    found.role().map(|role| role.arn().to_owned())
}

/// Actions that a statement allows on resources, under what it asks of the request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    actions: Vec<String>,
    resources: Vec<String>,
    /// Key, kind and value.
    context: Vec<(String, ContextKeyTypeEnum, String)>,
}

/// What a policy allows, statement by statement; one that takes several values of a key is asked about each.
fn requests(policy: &Value) -> Vec<Request> {
    let statements = policy.get("Statement").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let allowing = statements.iter().filter(|statement| statement["Effect"] == "Allow");
    let mut requests = Vec::new();
    for statement in allowing {
        let (actions, resources) = (texts(&statement["Action"]), texts(&statement["Resource"]));
        if actions.is_empty() || resources.is_empty() {
            continue;
        }
        let conditions = conditions(&statement["Condition"]);
        let turns = conditions.iter().map(|(_, _, values)| values.len()).max().unwrap_or(1);
        for turn in 0..turns {
            let entry = |(key, kind, values): &(String, ContextKeyTypeEnum, Vec<String>)| {
                let value = values.get(turn).or(values.last()).cloned().unwrap_or_default();
                (key.clone(), kind.clone(), value)
            };
            let context = conditions.iter().map(entry).collect();
            requests.push(Request { actions: actions.clone(), resources: resources.clone(), context });
        }
    }
    requests
}

/// What must hold of a request; what must not hold does not, when nothing is said of it.
fn conditions(condition: &Value) -> Vec<(String, ContextKeyTypeEnum, Vec<String>)> {
    let mut conditions = Vec::new();
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        if operator.contains("Not") || operator == "Null" {
            continue;
        }
        let kind = match operator.split(':').next_back().unwrap_or_default() {
            operator if operator.starts_with("Bool") => ContextKeyTypeEnum::Boolean,
            operator if operator.starts_with("Numeric") => ContextKeyTypeEnum::Numeric,
            _ => ContextKeyTypeEnum::String,
        };
        for (key, values) in keys.as_object().into_iter().flatten() {
            conditions.push((key.clone(), kind.clone(), texts(values)));
        }
    }
    conditions
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Bool(truth) => vec![truth.to_string()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The actions that are not allowed, each with the resource it is not allowed on.
async fn simulate(cloud: &Cloud, principal: &str, request: &Request) -> Result<BTreeSet<String>> {
    let context = request.context.iter().map(|(key, kind, value)| {
        let entry = ContextEntry::builder().context_key_name(key).context_key_type(kind.clone());
        entry.context_key_values(value).build()
    });
    let mut pages = cloud
        .iam()
        .simulate_principal_policy()
        .policy_source_arn(principal)
        .set_action_names(Some(request.actions.clone()))
        .set_resource_arns(Some(request.resources.clone()))
        .set_context_entries(Some(context.collect()))
        .into_paginator()
        .send();
    let mut denied = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("iam", error))?;
        denied.extend(page.evaluation_results().iter().flat_map(refusals));
    }
    Ok(denied)
}

fn refusals(result: &EvaluationResult) -> Vec<String> {
    let is_refused = |decision: &PolicyEvaluationDecisionType| *decision != PolicyEvaluationDecisionType::Allowed;
    let action = result.eval_action_name();
    let each = result.resource_specific_results().iter().filter(|one| is_refused(one.eval_resource_decision()));
    let on: Vec<String> = each.map(|one| format!("{action} on {}", one.eval_resource_name())).collect();
    if on.is_empty() && is_refused(result.eval_decision()) {
        return vec![match result.eval_resource_name() {
            Some(resource) if resource != "*" => format!("{action} on {resource}"),
            _ => action.to_owned(),
        }];
    }
    on
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::ResourceSpecificResult;
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn whom_aws_can_simulate() {
        let known = |arn: &str| Principal::Known(arn.to_owned());
        let role = |name: &str, guess: &str| Principal::Role { name: name.into(), guess: guess.into() };
        for (arn, expected) in [
            ("arn:aws:iam::1:user/ops/anna", known("arn:aws:iam::1:user/ops/anna")),
            ("arn:aws:iam::1:role/deployer", known("arn:aws:iam::1:role/deployer")),
            ("arn:aws:sts::1:assumed-role/deployer/anna", role("deployer", "arn:aws:iam::1:role/deployer")),
            ("arn:aws-cn:sts::1:assumed-role/d/a", role("d", "arn:aws-cn:iam::1:role/d")),
            ("arn:aws:iam::1:root", Principal::Root),
            ("arn:aws:sts::1:federated-user/anna", Principal::Other),
            ("anna", Principal::Other),
        ] {
            assert_eq!(principal(arn), expected, "{arn}");
        }
    }

    #[test]
    fn a_policy_is_asked_about_statement_by_statement() {
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:CreateBucket", "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::b"] },
            { "Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "arn:aws:iam::1:role/a-*",
              "Condition": { "StringEquals": { "iam:PassedToService": ["lambda.amazonaws.com", "states.amazonaws.com"] },
                             "Bool": { "aws:SecureTransport": "true" },
                             "StringNotEquals": { "aws:RequestedRegion": "us-east-1" } } },
            { "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*" },
        ] });
        let pass = |service: &str| Request {
            actions: vec!["iam:PassRole".into()],
            resources: vec!["arn:aws:iam::1:role/a-*".into()],
            context: vec![
                ("aws:SecureTransport".into(), ContextKeyTypeEnum::Boolean, "true".into()),
                ("iam:PassedToService".into(), ContextKeyTypeEnum::String, service.into()),
            ],
        };
        let create = Request {
            actions: vec!["s3:CreateBucket".into()],
            resources: vec!["arn:aws:s3:::a".into(), "arn:aws:s3:::b".into()],
            context: Vec::new(),
        };
        assert_eq!(requests(&policy), [create, pass("lambda.amazonaws.com"), pass("states.amazonaws.com")]);
    }

    #[test]
    fn every_refusal_names_action_and_resource() {
        use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
        let on = |resource: &str, decision| {
            let built = ResourceSpecificResult::builder().eval_resource_name(resource).eval_resource_decision(decision);
            built.build().unwrap()
        };
        let result = |decision| EvaluationResult::builder().eval_action_name("s3:GetObject").eval_decision(decision);
        for (result, expected) in [
            (result(Allowed), vec![]),
            (result(ImplicitDeny), vec!["s3:GetObject"]),
            (result(ImplicitDeny).eval_resource_name("*"), vec!["s3:GetObject"]),
            (result(ExplicitDeny).eval_resource_name("arn:a"), vec!["s3:GetObject on arn:a"]),
            (
                result(ImplicitDeny)
                    .resource_specific_results(on("arn:a", Allowed))
                    .resource_specific_results(on("arn:b", ImplicitDeny)),
                vec!["s3:GetObject on arn:b"],
            ),
        ] {
            assert_eq!(refusals(&result.build().unwrap()), expected);
        }
    }

    #[test]
    fn missing_rights_are_listed_up_to_a_point() {
        let denied = |count: usize| (0..count).map(|number| format!("s3:Action{number:02}")).collect();
        assert_eq!(told(7, &denied(0), "test").verdict, Verdict::Ok);
        insta::assert_snapshot!(told(20, &denied(2), "test").what, @r"
        2 rights are missing:
        s3:Action00
        s3:Action01
        ");
        let many = told(20, &denied(15), "test").what;
        assert_eq!(many.lines().count(), LISTED + 2);
        assert!(many.ends_with("and 3 more"));
    }
}
