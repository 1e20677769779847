//! What is deployed passes the checkers that others write: cfn-lint, the guard rules of AWS Control Tower, and a
//! validator of state machines. Each is shown something wrong as well, so that it is known to look.

mod guard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools;

/// A golden template.
struct Golden {
    name: String,
    path: PathBuf,
    template: Value,
}

impl Golden {
    fn all() -> Vec<Self> {
        let mut found = Vec::new();
        collect(&tools::workspace().join("infra-templates/golden"), &mut found);
        let of = |stack: &str| found.iter().filter(|golden| golden.name.contains(stack)).count();
        assert!(
            of("data") > 0 && of("pipeline") > 0,
            "{:?}",
            found.iter().map(|golden| &golden.name).collect::<Vec<_>>()
        );
        found
    }

    fn of(stack: &str) -> Self {
        Self::all().into_iter().find(|golden| golden.name.contains(stack)).unwrap()
    }

    /// Resources of a type, with their names.
    fn resources(&self, kind: &str) -> Vec<(&String, &Value)> {
        let resources = self.template["Resources"].as_object().unwrap();
        resources.iter().filter(|(_, resource)| resource["Type"] == kind).collect()
    }
}

fn collect(folder: &Path, found: &mut Vec<Golden>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let template: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            if template.get("Resources").is_some() {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                found.push(Golden { name, path, template });
            }
        }
    }
}

/// A file of a template with something wrong in it.
fn wrong(template: &Value) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.json");
    std::fs::write(&path, template.to_string()).unwrap();
    (folder, path)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_template_passes_cfn_lint() {
    let Some(tools) = tools::folder() else { return };
    let lint = |paths: &[&Path]| {
        let mut lint = Command::new(tools.join("venv/bin/cfn-lint"));
        lint.args(["--format", "parseable"]).args(["--template"]).args(paths).output().unwrap()
    };
    let golden = Golden::all();
    let paths: Vec<_> = golden.iter().map(|golden| golden.path.as_path()).collect();
    let output = lint(&paths);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output));

    let mut template = Golden::of("pipeline").template;
    template["Resources"]["ExtractFunction"]["Properties"]["Memory"] = json!(512);
    let (_folder, path) = wrong(&template);
    let output = lint(&[&path]);
    assert!(!output.status.success() && said(&output).contains("E3002"), "{}", said(&output));
}

/// CloudFormation takes 51,200 bytes inline, and there is no bucket before the first deployment.
#[test]
fn every_template_is_small_enough() {
    for golden in Golden::all() {
        let limit = if golden.name.contains("data") { 51_200 } else { 1_000_000 };
        let bytes = serde_json::to_vec(&golden.template).unwrap().len();
        assert!(bytes <= limit, "{}: {bytes} bytes", golden.name);
    }
}

/// A rule that resources break on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rule: String,
    /// Beginnings or ends of the resources' names.
    resources: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
struct Exceptions {
    exception: Vec<Exception>,
}

#[test]
fn every_template_keeps_the_guard_rules_or_says_why_not() {
    let Some(tools) = tools::folder() else { return };
    let file = std::fs::read_to_string(tools::workspace().join("tests/emulator/guard-exceptions.toml")).unwrap();
    let exceptions = toml::from_str::<Exceptions>(&file).unwrap().exception;
    assert!(exceptions.iter().all(|exception| !exception.reason.is_empty()));
    let golden = Golden::all();
    let paths: Vec<_> = golden.iter().map(|golden| golden.path.as_path()).collect();
    let (mut used, mut unexplained) = (BTreeSet::new(), BTreeSet::new());
    for broken in guard::broken(&tools, &paths) {
        let named = |exception: &&Exception| {
            let resource =
                |pattern: &String| broken.resource.starts_with(pattern) || broken.resource.ends_with(pattern);
            exception.rule == broken.rule && exception.resources.iter().any(resource)
        };
        match exceptions.iter().find(named) {
            Some(exception) => drop(used.insert(exception.rule.clone())),
            None => drop(unexplained.insert(broken)),
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let unused: Vec<_> = exceptions.iter().filter(|exception| !used.contains(&exception.rule)).collect();
    assert!(unused.is_empty(), "no longer needed: {unused:#?}");

    let mut template = Golden::of("data").template;
    template["Resources"]["IngestionBucket"]["Properties"].as_object_mut().unwrap().remove("VersioningConfiguration");
    let (_folder, path) = wrong(&template);
    let found = guard::broken(&tools, &[&path]);
    assert!(found.iter().any(|broken| broken.rule.contains("versioning") && broken.resource == "IngestionBucket"));
}

#[test]
fn every_state_machine_is_valid() {
    let Some(tools) = tools::folder() else { return };
    let validate = |definition: &Value| {
        let (_folder, path) = wrong(definition);
        let mut validator = Command::new(tools.join("node/node_modules/.bin/asl-validator"));
        validator.arg("--json-path").arg(path).output().unwrap()
    };
    let mut machines = BTreeMap::new();
    for golden in Golden::all() {
        for (name, machine) in golden.resources("AWS::StepFunctions::StateMachine") {
            let definition = definition(machine);
            // With a network the machines are the same.
            machines.insert((name.clone(), definition.to_string()), definition);
        }
    }
    let names: BTreeSet<_> = machines.keys().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["BackfillMachine", "PipelineMachine"]);
    for ((name, _), definition) in &machines {
        let output = validate(definition);
        assert!(output.status.success(), "{name}: {}", said(&output));
    }

    let whole = machines.into_values().next_back().unwrap();
    for (what, place, wrong) in [
        ("it starts nowhere", "/StartAt", json!("Nowhere")),
        ("a state has no type that there is", "/States/Done/Type", json!("Suceed")),
    ] {
        let mut machine = whole.clone();
        *machine.pointer_mut(place).unwrap() = wrong;
        assert!(!validate(&machine).status.success(), "{what}, and it is valid");
    }
}

/// A machine's definition, which stands in the template as an object or as text.
fn definition(machine: &Value) -> Value {
    let properties = &machine["Properties"];
    match properties["DefinitionString"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => properties["Definition"].clone(),
    }
}
