//! The envelope of a CloudFormation template.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

/// A property's value: text or number, or what CloudFormation computes when it makes the resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Expression(pub Value);

impl From<&str> for Expression {
    fn from(text: &str) -> Self {
        Self(Value::String(text.to_owned()))
    }
}

impl From<String> for Expression {
    fn from(text: String) -> Self {
        Self(Value::String(text))
    }
}

/// The resource or parameter with this logical id: its name, or its value.
#[must_use]
pub fn reference(id: &str) -> Expression {
    Expression(json!({ "Ref": id }))
}

/// What a resource has once it is made, such as its `Arn`.
#[must_use]
pub fn attribute(id: &str, attribute: &str) -> Expression {
    Expression(json!({ "Fn::GetAtt": [id, attribute] }))
}

/// Text with `${…}` in it, such as `arn:${AWS::Partition}:s3:::name`.
#[must_use]
pub fn sub(text: &str) -> Expression {
    Expression(json!({ "Fn::Sub": text }))
}

/// Parts with a separator between them.
#[must_use]
pub fn join(separator: &str, parts: Vec<Expression>) -> Expression {
    Expression(json!({ "Fn::Join": [separator, parts] }))
}

/// A CloudFormation template. Logical ids are constants, written by hand: another id is another resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Template {
    #[serde(rename = "AWSTemplateFormatVersion")]
    version: &'static str,
    /// What the stack is.
    pub description: String,
    /// What is chosen when the stack is made or updated.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<&'static str, Parameter>,
    /// Conditions of resources, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<&'static str, Value>,
    /// The resources.
    pub resources: BTreeMap<String, Resource>,
    /// What a person or program asks the stack for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<&'static str, Output>,
}

/// A template's parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    /// `String` or `Number`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its value when nobody says another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it must look like, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<&'static str>,
    /// The values there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_values: Vec<&'static str>,
}

/// A stack's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// What it is.
    pub description: &'static str,
    /// Its value.
    pub value: Expression,
}

/// A resource of a template.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    /// Its type, such as `AWS::S3::Bucket`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// The condition without which it is not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'static str>,
    /// What must be there before and is not referred to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<&'static str>,
    /// What becomes of it when its stack goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<&'static str>,
    /// What becomes of it when an update replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_replace_policy: Option<&'static str>,
    /// Exceptions to rules, with their reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// What it is to be.
    pub properties: Value,
}

impl Resource {
    /// A resource of a type with properties that serialise as CloudFormation names them.
    ///
    /// # Panics
    /// Never: the properties are plain structs of this crate.
    #[must_use]
    pub fn new(kind: &'static str, properties: impl Serialize) -> Self {
        let properties = serde_json::to_value(properties).unwrap_or_default();
        Self {
            kind,
            condition: None,
            depends_on: Vec::new(),
            deletion_policy: None,
            update_replace_policy: None,
            metadata: None,
            properties,
        }
    }

    /// The same, kept when its stack goes or an update replaces it.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { deletion_policy: Some("Retain"), update_replace_policy: Some("Retain"), ..self }
    }

    /// The same, made after others it does not refer to.
    #[must_use]
    pub fn after(self, others: &[&'static str]) -> Self {
        Self { depends_on: others.to_vec(), ..self }
    }

    /// The same, made only under a condition of the template.
    #[must_use]
    pub fn only_if(self, condition: &'static str) -> Self {
        Self { condition: Some(condition), ..self }
    }

    /// The same with metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Value) -> Self {
        Self { metadata: Some(metadata), ..self }
    }
}

impl Template {
    /// A template without anything.
    #[must_use]
    pub fn new(description: impl Into<String>) -> Self {
        Self {
            version: "2010-09-09",
            description: description.into(),
            parameters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            resources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// Adds a resource.
    ///
    /// # Panics
    /// When the logical id is taken: templates are written by hand, and that is a slip of the pen.
    pub fn add(&mut self, id: impl Into<String>, resource: Resource) {
        let id = id.into();
        let taken = self.resources.insert(id.clone(), resource).is_some();
        assert!(!taken, "two resources have the logical id `{id}`");
    }

    /// The template as people read it and git keeps it: the same bytes for the same template.
    #[must_use]
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The template as it is sent: without spaces.
    #[must_use]
    pub fn compact(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_template_gives_the_same_bytes() {
        let template = |ids: [&str; 2]| {
            let mut template = Template::new("two topics");
            for id in ids {
                template.add(id, Resource::new("AWS::SNS::Topic", json!({ "TopicName": id })).retained());
            }
            template.pretty()
        };
        assert_eq!(template(["A", "B"]), template(["B", "A"]));
        assert!(template(["A", "B"]).ends_with("}\n"));
    }

    #[test]
    #[should_panic(expected = "logical id `A`")]
    fn a_logical_id_is_given_once() {
        let mut template = Template::new("one topic");
        template.add("A", Resource::new("AWS::SNS::Topic", json!({})));
        template.add("A", Resource::new("AWS::SNS::Topic", json!({})));
    }
}
