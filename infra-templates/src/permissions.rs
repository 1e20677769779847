//! What a template allows and refuses, as facts that can be compared: who reviews a change sees what it widens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// Whether something is allowed or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is allowed.
    Allow,
    /// It is refused, whatever allows it.
    Deny,
}

/// That somebody may, or may not, do one thing to one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Who: a role's name, a service, or `*`.
    pub principal: String,
    /// Whether it is allowed or refused.
    pub effect: Effect,
    /// What, such as `s3:PutObject`, or `egress tcp 443` of a security group.
    pub action: String,
    /// With what: an ARN, where `${…}` stands for what CloudFormation computes.
    pub resource: String,
    /// Under which condition; empty when under any.
    pub condition: String,
}

/// Permissions of one principal that differ in nothing but actions and resources, of which each action goes with each
/// resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Who.
    pub principal: String,
    /// Whether it is allowed or refused.
    pub effect: Effect,
    /// What.
    pub actions: BTreeSet<String>,
    /// With what.
    pub resources: BTreeSet<String>,
    /// Under which condition; empty when under any.
    pub condition: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |texts: &BTreeSet<String>| texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let verb = match self.effect {
            Effect::Allow => "may",
            Effect::Deny => "is refused",
        };
        write!(f, "{} {verb} {} on {}", self.principal, listed(&self.actions), listed(&self.resources))?;
        if !self.condition.is_empty() {
            write!(f, " when {}", self.condition)?;
        }
        Ok(())
    }
}

impl Permission {
    /// Whether this one is about everything that the other is about. A text with `*` and `?` counts as what it matches;
    /// another condition counts as another permission.
    fn covers(&self, other: &Self) -> bool {
        let by_whom = self.principal == "*" || self.principal == other.principal;
        let when = self.condition.is_empty() || self.condition == other.condition;
        let actions = (self.action.to_lowercase(), other.action.to_lowercase());
        by_whom
            && self.effect == other.effect
            && when
            && matches(&actions.0, &actions.1)
            && matches(&self.resource, &other.resource)
    }
}

/// Whether a pattern matches at least what another pattern matches.
fn matches(pattern: &str, other: &str) -> bool {
    let (pattern, other): (Vec<char>, Vec<char>) = (pattern.chars().collect(), other.chars().collect());
    // `reached[at]`: the pattern so far matches the first `at` characters.
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    for mark in pattern {
        let mut next = vec![false; other.len() + 1];
        for at in 0..=other.len() {
            next[at] = match mark {
                '*' => reached[at] || (at > 0 && next[at - 1]),
                // A `*` of the other may stand for nothing or for many.
                '?' => at > 0 && reached[at - 1] && other[at - 1] != '*',
                mark => at > 0 && reached[at - 1] && other[at - 1] == mark,
            };
        }
        reached = next;
    }
    reached[other.len()]
}

/// Everything a template's roles, policies and security groups allow and refuse.
#[must_use]
pub fn granted(template: &Value) -> BTreeSet<Permission> {
    let mut found = BTreeSet::new();
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        let properties = &resource["Properties"];
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::IAM::Role" => role(id, properties, &mut found),
            "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" => {
                let holders = ["Roles", "Users", "Groups"].iter().flat_map(|kind| texts(&properties[kind]));
                for holder in holders {
                    document(&properties["PolicyDocument"], Some(&holder), "", &mut found);
                }
            }
            "AWS::Lambda::Permission" => {
                found.insert(Permission {
                    principal: text(&properties["Principal"]),
                    effect: Effect::Allow,
                    action: text(&properties["Action"]),
                    resource: text(&properties["FunctionName"]),
                    condition: ["SourceArn", "SourceAccount"]
                        .iter()
                        .filter(|key| !properties[**key].is_null())
                        .map(|key| format!("{key} is {}", text(&properties[*key])))
                        .collect::<Vec<_>>()
                        .join(" and "),
                });
            }
            "AWS::EC2::SecurityGroup" => {
                for (way, rules) in [("egress", "SecurityGroupEgress"), ("ingress", "SecurityGroupIngress")] {
                    let rules = properties[rules].as_array().into_iter().flatten();
                    found.extend(rules.map(|rule| reach(&format!("${{{id}.GroupId}}"), way, rule)));
                }
            }
            "AWS::EC2::SecurityGroupEgress" => {
                found.insert(reach(&text(&properties["GroupId"]), "egress", properties));
            }
            "AWS::EC2::SecurityGroupIngress" => {
                found.insert(reach(&text(&properties["GroupId"]), "ingress", properties));
            }
            _ => {
                for key in ["KeyPolicy", "PolicyDocument", "ResourcePolicy"] {
                    document(&properties[key], None, &format!("${{{id}}}"), &mut found);
                }
            }
        }
    }
    found
}

/// What `new` allows that `old` did not, and what `old` refused that `new` does not.
#[must_use]
pub fn widened(old: &BTreeSet<Permission>, new: &BTreeSet<Permission>) -> BTreeSet<Permission> {
    let lacking = |these: &BTreeSet<Permission>, those: &BTreeSet<Permission>, effect| {
        let in_question = these.iter().filter(|permission| permission.effect == effect);
        let lacking = in_question.filter(|permission| !those.iter().any(|other| other.covers(permission)));
        lacking.cloned().collect::<BTreeSet<_>>()
    };
    let mut widened = lacking(new, old, Effect::Allow);
    widened.extend(lacking(old, new, Effect::Deny));
    widened
}

/// Permissions as actions × resources, for people.
#[must_use]
pub fn grants(permissions: &BTreeSet<Permission>) -> BTreeSet<Grant> {
    let mut by_resource: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for Permission { principal, effect, action, resource, condition } in permissions {
        by_resource.entry((principal, *effect, condition, resource)).or_default().insert(action.clone());
    }
    let mut by_actions: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for ((principal, effect, condition, resource), actions) in by_resource {
        by_actions.entry((principal, effect, condition, actions)).or_default().insert(resource.clone());
    }
    let grant = |((principal, effect, condition, actions), resources): ((&String, _, &String, _), _)| Grant {
        principal: principal.clone(),
        effect,
        actions,
        resources,
        condition: condition.clone(),
    };
    by_actions.into_iter().map(grant).collect()
}

fn role(id: &str, properties: &Value, found: &mut BTreeSet<Permission>) {
    let name = if properties["RoleName"].is_null() { format!("${{{id}}}") } else { text(&properties["RoleName"]) };
    document(&properties["AssumeRolePolicyDocument"], None, &name, found);
    for policy in properties["Policies"].as_array().into_iter().flatten() {
        document(&policy["PolicyDocument"], Some(&name), "", found);
    }
    for managed in texts(&properties["ManagedPolicyArns"]) {
        found.insert(Permission {
            principal: name.clone(),
            effect: Effect::Allow,
            action: "what a managed policy allows".to_owned(),
            resource: managed,
            condition: String::new(),
        });
    }
}

/// The statements of a policy: of one that belongs to `holder`, or of one that a resource has, `own`.
fn document(policy: &Value, holder: Option<&str>, own: &str, found: &mut BTreeSet<Permission>) {
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    for statement in statements {
        let effect = if statement["Effect"] == "Deny" { Effect::Deny } else { Effect::Allow };
        let principals = holder.map_or_else(|| principals(statement), |holder| vec![holder.to_owned()]);
        let resources = listed(statement, "Resource", own);
        for principal in &principals {
            for action in listed(statement, "Action", "") {
                for resource in &resources {
                    found.insert(Permission {
                        principal: principal.clone(),
                        effect,
                        action: action.clone(),
                        resource: resource.clone(),
                        condition: condition(&statement["Condition"]),
                    });
                }
            }
        }
    }
}

/// The actions or resources of a statement. What it excepts is one text, since no pattern says it.
fn listed(statement: &Value, key: &str, otherwise: &str) -> Vec<String> {
    let excepted = texts(&statement[format!("Not{key}")]);
    match texts(&statement[key]) {
        none if none.is_empty() && excepted.is_empty() => vec![otherwise.to_owned()],
        none if none.is_empty() => vec![format!("everything but {}", excepted.join(", "))],
        listed => listed,
    }
}

fn principals(statement: &Value) -> Vec<String> {
    let of = |principal: &Value| match principal {
        Value::Object(kinds) => kinds.values().flat_map(texts).collect(),
        other => texts(other),
    };
    match (of(&statement["Principal"]), of(&statement["NotPrincipal"])) {
        (named, excepted) if named.is_empty() => vec![format!("everybody but {}", excepted.join(", "))],
        (named, _) => named,
    }
}

/// `{"StringEquals": {"key": ["a", "b"]}}` as `key StringEquals a, b`.
fn condition(condition: &Value) -> String {
    let mut parts = Vec::new();
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            parts.push(format!("{key} {operator} {}", texts(values).join(", ")));
        }
    }
    parts.join(" and ")
}

/// What a rule of a security group lets through.
fn reach(group: &str, way: &str, rule: &Value) -> Permission {
    let other = [
        "CidrIp",
        "CidrIpv6",
        "DestinationPrefixListId",
        "DestinationSecurityGroupId",
        "SourcePrefixListId",
        "SourceSecurityGroupId",
    ];
    let other = other.iter().find(|key| !rule[**key].is_null()).map_or_else(|| "*".to_owned(), |key| text(&rule[*key]));
    let (from, to) = (text(&rule["FromPort"]), text(&rule["ToPort"]));
    let ports = if from == to { from } else { format!("{from}-{to}") };
    Permission {
        principal: group.to_owned(),
        effect: Effect::Allow,
        action: format!("{way} {} {ports}", text(&rule["IpProtocol"])),
        resource: other,
        condition: String::new(),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// A value as a person reads it: `${…}` for what CloudFormation computes.
fn text(value: &Value) -> String {
    let function = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
    match (value, function) {
        (Value::String(text), _) => text.clone(),
        (_, Some((name, Value::String(id)))) if name == "Ref" => format!("${{{id}}}"),
        (_, Some((name, Value::String(text)))) if name == "Fn::Sub" => text.clone(),
        (_, Some((name, Value::Array(parts)))) if name == "Fn::GetAtt" => {
            format!("${{{}}}", parts.iter().map(text).collect::<Vec<_>>().join("."))
        }
        (_, Some((name, Value::Array(parts)))) if name == "Fn::Join" => {
            let separator = parts.first().map(text).unwrap_or_default();
            parts.get(1).map(texts).unwrap_or_default().join(&separator)
        }
        (other, _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(statement: Value) -> Value {
        let policies = json!([{ "PolicyName": "own", "PolicyDocument": { "Statement": [statement] } }]);
        let properties = json!({ "RoleName": "extract", "Policies": policies });
        json!({ "Resources": { "ExtractRole": { "Type": "AWS::IAM::Role", "Properties": properties } } })
    }

    fn shown(permissions: &BTreeSet<Permission>) -> Vec<String> {
        grants(permissions).iter().map(Grant::to_string).collect()
    }

    #[test]
    fn a_pattern_covers_what_it_matches() {
        for (pattern, other, covered) in [
            ("s3:*", "s3:PutObject", true),
            ("s3:PutObject", "s3:*", false),
            ("*", "arn:a/*", true),
            ("arn:a/*", "arn:a/b/*", true),
            ("arn:a/b/*", "arn:a/*", false),
            ("arn:?", "arn:a", true),
            ("arn:?", "arn:*", false),
            ("a*c", "abcbc", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, other), covered, "{pattern} and {other}");
        }
    }

    #[test]
    fn what_is_widened_is_said_and_what_is_narrowed_is_not() {
        let allow = |actions: Value, resources: Value| {
            template(json!({ "Effect": "Allow", "Action": actions, "Resource": resources }))
        };
        let narrow = || allow(json!(["s3:GetObject"]), json!("arn:bucket/data/*"));
        let deny = || template(json!({ "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:bucket/*" }));
        let conditional = template(json!({
            "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:bucket/data/*",
            "Condition": { "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } },
        }));
        for (old, new, expected) in [
            (narrow(), narrow(), vec![]),
            (narrow(), json!({}), vec![]),
            (narrow(), conditional.clone(), vec![]),
            (conditional, narrow(), vec!["extract may s3:GetObject on arn:bucket/data/*"]),
            (narrow(), allow(json!("s3:GetObject"), json!("arn:bucket/data/new/*")), vec![]),
            (
                narrow(),
                allow(json!(["s3:GetObject", "s3:PutObject"]), json!(["arn:bucket/data/*", "arn:other/*"])),
                vec![
                    "extract may s3:GetObject, s3:PutObject on arn:other/*",
                    "extract may s3:PutObject on arn:bucket/data/*",
                ],
            ),
            (narrow(), allow(json!("s3:*"), json!("*")), vec!["extract may s3:* on *"]),
            (deny(), json!({}), vec!["extract is refused s3:DeleteObject on arn:bucket/*"]),
            (json!({}), deny(), vec![]),
        ] {
            assert_eq!(shown(&widened(&granted(&old), &granted(&new))), expected, "{old} to {new}");
        }
    }

    #[test]
    fn everything_that_allows_is_looked_at() {
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "sns:Publish",
            "Resource": { "Ref": "Topic" },
        }});
        let refusal = json!({ "Statement": {
            "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "NotResource": [{ "Fn::Sub": "arn:code/x/*" }],
        }});
        let trust = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
        }});
        let template = json!({ "Resources": {
            "TopicPolicy": { "Type": "AWS::SNS::TopicPolicy", "Properties": { "PolicyDocument": policy } },
            "BucketPolicy": { "Type": "AWS::S3::BucketPolicy", "Properties": { "PolicyDocument": refusal } },
            "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": trust } },
            "Permission": { "Type": "AWS::Lambda::Permission", "Properties": {
                "Action": "lambda:InvokeFunction", "FunctionName": { "Fn::GetAtt": ["F", "Arn"] },
                "Principal": "s3.amazonaws.com", "SourceAccount": "1",
            }},
            "Group": { "Type": "AWS::EC2::SecurityGroup", "Properties": { "SecurityGroupEgress": [
                { "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "DestinationPrefixListId": "pl-1" },
            ]}},
        }});
        assert_eq!(
            shown(&granted(&template)),
            [
                "${Group.GroupId} may egress tcp 443 on pl-1",
                "* is refused s3:DeleteObject on everything but arn:code/x/*",
                "events.amazonaws.com may sns:Publish on ${Topic}",
                "lambda.amazonaws.com may sts:AssumeRole on ${Role}",
                "s3.amazonaws.com may lambda:InvokeFunction on ${F.Arn} when SourceAccount is 1",
            ]
        );
    }
}
