//! Templates as a flowchart: what there is, stack by stack, and who may do what to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::access::{self, Named, named, text};
use super::quoted;
use crate::Template;

/// How a type of resource is drawn.
struct Kind {
    /// The type.
    kind: &'static str,
    /// In words, one and several.
    words: [&'static str; 2],
    /// Its service as ARNs call it, where others may name it.
    service: &'static str,
    /// The property with its name, as a JSON pointer.
    name: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// It does something.
    Box,
    /// It keeps something.
    Store,
    /// It passes something on.
    Round,
    /// One node for all of its type: there are many, and each says the same.
    Many,
    /// Not drawn: it belongs to something that is.
    None,
}

const fn kind(
    kind: &'static str,
    words: [&'static str; 2],
    service: &'static str,
    name: &'static str,
    shape: Shape,
) -> Kind {
    Kind { kind, words, service, name, shape }
}

/// What is drawn, and how. A role is drawn as the edges of whoever has it.
const KINDS: [Kind; 22] = [
    kind("AWS::CloudWatch::Alarm", ["alarm", "alarms"], "", "", Shape::Many),
    kind("AWS::CloudWatch::Dashboard", ["dashboard", ""], "", "/DashboardName", Shape::Box),
    kind("AWS::EC2::SecurityGroup", ["security group", ""], "", "/GroupName", Shape::Box),
    kind("AWS::EC2::SecurityGroupEgress", ["", ""], "", "", Shape::None),
    kind("AWS::EC2::SecurityGroupIngress", ["", ""], "", "", Shape::None),
    kind("AWS::EC2::VPCEndpoint", ["VPC endpoint", ""], "", "", Shape::Round),
    kind("AWS::Events::Rule", ["event rule", ""], "", "/Name", Shape::Box),
    kind("AWS::Glue::Database", ["Glue database", ""], "", "/DatabaseInput/Name", Shape::Store),
    kind("AWS::Glue::Table", ["Glue table or view", "Glue tables and views"], "", "", Shape::Many),
    kind("AWS::IAM::Role", ["", ""], "", "", Shape::None),
    kind("AWS::Lambda::Function", ["function", ""], "lambda", "/FunctionName", Shape::Box),
    kind("AWS::Logs::LogGroup", ["", ""], "", "", Shape::None),
    kind("AWS::S3::Bucket", ["bucket", ""], "s3", "/BucketName", Shape::Store),
    kind("AWS::S3::BucketPolicy", ["", ""], "", "", Shape::None),
    kind("AWS::SNS::Subscription", ["subscription", "subscriptions"], "", "", Shape::Many),
    kind("AWS::SNS::Topic", ["topic", ""], "sns", "/TopicName", Shape::Round),
    kind("AWS::SNS::TopicPolicy", ["", ""], "", "", Shape::None),
    kind("AWS::SQS::Queue", ["queue", ""], "sqs", "/QueueName", Shape::Round),
    kind("AWS::SQS::QueuePolicy", ["", ""], "", "", Shape::None),
    kind("AWS::Scheduler::Schedule", ["schedule", ""], "", "/Name", Shape::Box),
    kind("AWS::SecretsManager::Secret", ["secret", ""], "secretsmanager", "/Name", Shape::Store),
    kind("AWS::StepFunctions::StateMachine", ["state machine", ""], "states", "/StateMachineName", Shape::Box),
];

/// A resource of one of the templates: which template, and its logical id there.
type Id<'a> = (usize, &'a str);

/// The diagram of templates: resources by stack, solid edges for what a role allows, dotted ones for what is only
/// named. Roles are the edges of what has them; policies and log groups are left out.
#[must_use]
pub fn infrastructure(templates: &[&Template]) -> String {
    let drawing = Drawing::of(templates);
    let mut diagram = "flowchart LR\n".to_owned();
    for (index, template) in templates.iter().enumerate() {
        let _ = writeln!(diagram, "    subgraph stack{index}[{}]", quoted(&template.description));
        for node in drawing.nodes.values().filter(|node| node.stack == index) {
            let _ = writeln!(diagram, "        {}", node.text());
        }
        diagram.push_str("    end\n");
    }
    for ((from, to), verbs) in drawing.edges(templates) {
        let verbs: Vec<&str> = verbs.into_iter().collect();
        let arrow = if verbs.is_empty() { "-.->".to_owned() } else { format!("-->|{}|", verbs.join(", ")) };
        let _ = writeln!(diagram, "    {from} {arrow} {to}");
    }
    diagram
}

/// Something that is drawn.
struct Node {
    stack: usize,
    name: String,
    label: String,
    shape: Shape,
}

impl Node {
    fn text(&self) -> String {
        let (open, close) = match self.shape {
            Shape::Box | Shape::None => ("[", "]"),
            Shape::Store => ("[(", ")]"),
            Shape::Round => ("([", "])"),
            Shape::Many => ("[[", "]]"),
        };
        format!("{}{open}{}{close}", self.name, quoted(&self.label))
    }
}

struct Drawing<'a> {
    /// The nodes by their names in the diagram.
    nodes: BTreeMap<String, Node>,
    /// Which node stands for a resource.
    of: BTreeMap<Id<'a>, String>,
    /// Which node has a name that ARNs know.
    named: BTreeMap<Named, String>,
}

impl<'a> Drawing<'a> {
    fn of(templates: &[&'a Template]) -> Self {
        let mut drawing = Self { nodes: BTreeMap::new(), of: BTreeMap::new(), named: BTreeMap::new() };
        for (stack, template) in templates.iter().enumerate() {
            for (id, resource) in &template.resources {
                let Some(kind) = KINDS.iter().find(|kind| kind.kind == resource.kind) else {
                    let words = resource.kind.rsplit("::").next().unwrap_or_default();
                    drawing.draw(stack, id, id.clone(), format!("{words}<br/>{id}"), Shape::Box);
                    continue;
                };
                let name = resource.properties.pointer(kind.name).and_then(text).unwrap_or(id);
                match kind.shape {
                    Shape::None => {}
                    Shape::Many => {
                        let all = template.resources.values().filter(|other| other.kind == kind.kind).count();
                        let label = format!("{all} {}", kind.words[usize::from(all > 1)]);
                        let node = format!("{}s", resource.kind.rsplit("::").next().unwrap_or_default());
                        drawing.draw(stack, id, node, label, kind.shape);
                    }
                    shape => drawing.draw(stack, id, id.clone(), format!("{}<br/>{name}", kind.words[0]), shape),
                }
                if !kind.service.is_empty()
                    && let Some(node) = drawing.of.get(&(stack, id.as_str()))
                {
                    drawing.named.insert((kind.service.to_owned(), name.to_owned()), node.clone());
                }
            }
        }
        drawing
    }

    /// Draws a resource; another stack's node of that name gets a number.
    fn draw(&mut self, stack: usize, id: &'a str, name: String, label: String, shape: Shape) {
        let taken = self.nodes.get(&name).is_some_and(|node| node.stack != stack);
        let name = if taken { format!("{name}{stack}") } else { name };
        self.of.insert((stack, id), name.clone());
        self.nodes.insert(name.clone(), Node { stack, name, label, shape });
    }

    /// Edges with what may be done along them; nothing where one resource only names another.
    fn edges(&self, templates: &[&'a Template]) -> BTreeMap<(String, String), BTreeSet<&'static str>> {
        let mut edges: BTreeMap<(String, String), BTreeSet<&'static str>> = BTreeMap::new();
        for (stack, template) in templates.iter().enumerate() {
            for (id, resource) in &template.resources {
                let Some(from) = self.of.get(&(stack, id.as_str())) else { continue };
                let mut mentions = Mentions::default();
                mentions.look_in(&resource.properties);
                for mentioned in &mentions.ids {
                    let Some(other) = template.resources.get(mentioned) else { continue };
                    if other.kind == "AWS::IAM::Role" {
                        for (named, verbs) in access::of_role(&other.properties) {
                            let to = self.named.get(&named).filter(|to| *to != from);
                            if let Some(to) = to {
                                edges.entry((from.clone(), to.clone())).or_default().extend(verbs);
                            }
                        }
                    } else if let Some(to) = self.of.get(&(stack, mentioned.as_str())).filter(|to| *to != from) {
                        edges.entry((from.clone(), to.clone())).or_default();
                    }
                }
                for named in &mentions.names {
                    if let Some(to) = self.named.get(named).filter(|to| *to != from) {
                        edges.entry((from.clone(), to.clone())).or_default();
                    }
                }
            }
        }
        edges
    }
}

/// What a resource's properties mention: logical ids of its template, and names within ARNs.
#[derive(Default)]
struct Mentions {
    ids: BTreeSet<String>,
    names: BTreeSet<Named>,
}

impl Mentions {
    fn look_in(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                self.ids.extend(value["Ref"].as_str().map(str::to_owned));
                self.ids.extend(value["Fn::GetAtt"][0].as_str().map(str::to_owned));
                if let Some(text) = value["Fn::Sub"].as_str() {
                    self.names.extend(named(text));
                    let inside = text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
                    self.ids.extend(inside.map(str::to_owned));
                }
                fields.values().for_each(|field| self.look_in(field));
            }
            Value::Array(items) => items.iter().for_each(|item| self.look_in(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Resource;

    #[test]
    fn who_may_do_what_is_an_edge_across_stacks() {
        let arn = |rest: &str| json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:{rest}") });
        let mut kept = Template::new("kept");
        kept.add("Bucket", Resource::new("AWS::S3::Bucket", json!({ "BucketName": "acme-lake" })));
        kept.add("Topic", Resource::new("AWS::SNS::Topic", json!({ "TopicName": "acme-alerts" })));
        let mut runs = Template::new("runs");
        let batches = arn("s3:::acme-lake/data/*");
        let policy = json!({ "Statement": [
            { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [batches] },
            { "Effect": "Deny", "Action": ["sns:Publish"], "Resource": [arn("sns:r:a:acme-alerts")] },
        ] });
        runs.add("Role", Resource::new("AWS::IAM::Role", json!({ "Policies": [{ "PolicyDocument": policy }] })));
        let function = json!({ "FunctionName": "acme-load", "Role": { "Fn::GetAtt": ["Role", "Arn"] } });
        runs.add("Function", Resource::new("AWS::Lambda::Function", function));
        for id in ["First", "Second"] {
            let alarm = json!({
                "AlarmActions": [arn("sns:${AWS::Region}:${AWS::AccountId}:acme-alerts")],
                "Dimensions": [{ "Name": "FunctionName", "Value": { "Ref": "Function" } }],
            });
            runs.add(id, Resource::new("AWS::CloudWatch::Alarm", alarm));
        }
        let expected = "\
flowchart LR
    subgraph stack0[\"kept\"]
        Bucket[(\"bucket<br/>acme-lake\")]
        Topic([\"topic<br/>acme-alerts\"])
    end
    subgraph stack1[\"runs\"]
        Alarms[[\"2 alarms\"]]
        Function[\"function<br/>acme-load\"]
    end
    Alarms -.-> Function
    Alarms -.-> Topic
    Function -->|reads, writes| Bucket
";
        assert_eq!(infrastructure(&[&kept, &runs]), expected);
    }
}
