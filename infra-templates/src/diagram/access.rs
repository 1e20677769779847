//! What a policy's statements let somebody do, in words, and to what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A resource as others name it: its service, as ARNs call it, and its name.
pub(super) type Named = (String, String);

/// What the policies of a role allow on resources of which the name is known, in words.
pub(super) fn of_role(role: &Value) -> BTreeMap<Named, BTreeSet<&'static str>> {
    let mut access: BTreeMap<Named, BTreeSet<&'static str>> = BTreeMap::new();
    let policies = role["Policies"].as_array().into_iter().flatten();
    let statements = policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
    for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
        let actions = statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let verbs: BTreeSet<&'static str> = actions.filter_map(verb).collect();
        let resources = statement["Resource"].as_array().into_iter().flatten();
        for named in resources.filter_map(|resource| text(resource).and_then(named)) {
            access.entry(named).or_default().extend(&verbs);
        }
    }
    access.retain(|_, verbs| !verbs.is_empty());
    access
}

/// An action in a word; none where everybody has it and it says nothing about the resource.
fn verb(action: &str) -> Option<&'static str> {
    Some(match action {
        "s3:GetObject" | "secretsmanager:GetSecretValue" => "reads",
        "s3:PutObject" => "writes",
        "lambda:InvokeFunction" => "calls",
        "states:StartExecution" => "starts",
        "sns:Publish" => "tells",
        "sqs:SendMessage" => "sends",
        _ => return None,
    })
}

/// A text, or one that CloudFormation fills in.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["Fn::Sub"].as_str())
}

/// The resource an ARN names, with or without what it is on: objects of a bucket, the random end of a secret's name.
pub(super) fn named(arn: &str) -> Option<Named> {
    let arn = arn.replace("${AWS::", "${");
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next()?;
    let resource = parts.nth(2)?;
    let name = match service {
        "s3" => resource.split('/').next()?,
        "lambda" => resource.strip_prefix("function:")?,
        "states" => resource.strip_prefix("stateMachine:")?,
        "secretsmanager" => resource.strip_prefix("secret:")?.strip_suffix("-??????")?,
        "sns" | "sqs" => resource,
        _ => return None,
    };
    Some((service.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_resources() {
        let of = |service: &str, name: &str| Some((service.to_owned(), name.to_owned()));
        let here = "${AWS::Region}:${AWS::AccountId}";
        for (arn, expected) in [
            ("arn:${AWS::Partition}:s3:::acme-code/catalog/*".to_owned(), of("s3", "acme-code")),
            ("arn:${AWS::Partition}:s3:::acme-code".to_owned(), of("s3", "acme-code")),
            (format!("arn:${{AWS::Partition}}:lambda:{here}:function:acme-load"), of("lambda", "acme-load")),
            (format!("arn:${{AWS::Partition}}:sns:{here}:acme-alerts"), of("sns", "acme-alerts")),
            (
                format!("arn:${{AWS::Partition}}:secretsmanager:{here}:secret:acme/source-??????"),
                of("secretsmanager", "acme/source"),
            ),
            (format!("arn:${{AWS::Partition}}:states:{here}:execution:acme-backfill:*"), None),
            ("*".to_owned(), None),
        ] {
            assert_eq!(named(&arn), expected, "{arn}");
        }
    }
}
