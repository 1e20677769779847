//! `synth`: the templates and diagrams, from settings alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use infra_templates::{Environment, data_stack, deployer, diagram, machine, pipeline_stack};
use serde_json::Value;

use crate::arguments::Synth;
use crate::hint::advise;
use crate::place::{say, workspace};

/// The environments whose templates git keeps: said once, where the golden tests are.
#[path = "../../infra-templates/tests/examples/mod.rs"]
#[allow(unreachable_pub, reason = "the golden tests use it as well")]
mod examples;

/// How a diagram begins and ends in a document; its name stands between.
const BEGIN: &str = "<!-- diagram ";
const END: &str = "<!-- /diagram -->";

/// Writes, prints or compares; gives the exit code.
pub(crate) fn synth(environment: Option<&Environment>, arguments: &Synth) -> Result<u8> {
    if arguments.check {
        return check();
    }
    if arguments.diagram {
        let diagrams = environment.map_or_else(examples::diagrams, diagrams);
        return draw(&diagrams, arguments.out.as_deref()).map(|()| 0);
    }
    let files = match environment {
        Some(environment) => of_environment(environment)?,
        None => golden()?,
    };
    match &arguments.out {
        Some(folder) => {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            for (name, text) in &files {
                let path = folder.join(name);
                fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
                println!("{}", path.display());
            }
        }
        None => {
            let read = |(name, text): (&String, &String)| Ok((name.clone(), serde_json::from_str(text)?));
            let all: BTreeMap<String, Value> = files.iter().map(read).collect::<Result<_>>()?;
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
    }
    Ok(0)
}

/// Everything of an environment, by file.
fn of_environment(environment: &Environment) -> Result<BTreeMap<String, String>> {
    Ok(BTreeMap::from([
        ("backfill-machine.asl.json".to_owned(), pretty(&machine::backfill(environment))?),
        ("data.json".to_owned(), data_stack(environment).pretty()),
        ("deployer.json".to_owned(), pretty(&deployer::policy(environment))?),
        ("deployer-deletion.json".to_owned(), pretty(&deployer::deletion_policy(environment))?),
        ("pipeline-machine.asl.json".to_owned(), pretty(&machine::pipeline(environment))?),
        ("pipeline.json".to_owned(), pipeline_stack(environment).pretty()),
    ]))
}

/// What infra-templates/golden has of the examples.
fn golden() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (name, template) in examples::templates() {
        files.insert(format!("{name}.json"), template.pretty());
    }
    // Those of a long prefix are made for their size alone, and not kept.
    for (name, policy) in examples::deployer_policies().into_iter().filter(|(name, _)| !name.ends_with("-long")) {
        files.insert(format!("{name}.json"), pretty(&policy)?);
    }
    for (name, definition) in examples::machines() {
        files.insert(format!("{name}.asl.json"), pretty(&definition)?);
    }
    Ok(files)
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// An environment's diagrams, by name.
fn diagrams(environment: &Environment) -> BTreeMap<String, String> {
    let stacks = [data_stack(environment), pipeline_stack(environment)];
    BTreeMap::from([
        ("backfill-machine".to_owned(), diagram::state_machine(&machine::backfill(environment))),
        ("infrastructure".to_owned(), diagram::infrastructure(&stacks.each_ref())),
        ("pipeline-machine".to_owned(), diagram::state_machine(&machine::pipeline(environment))),
    ])
}

/// Prints diagrams, writes one file for each, or puts them where a document has markers for them.
fn draw(diagrams: &BTreeMap<String, String>, out: Option<&Path>) -> Result<()> {
    match out {
        None => diagrams.iter().for_each(|(name, text)| println!("{name}\n\n{}", block(text))),
        Some(document) if document.extension().is_some_and(|extension| extension == "md") => {
            let text =
                fs::read_to_string(document).with_context(|| format!("{} cannot be read", document.display()))?;
            let drawn = embedded(&text, diagrams).with_context(|| document.display().to_string())?;
            fs::write(document, drawn).with_context(|| format!("{} cannot be written", document.display()))?;
            println!("{}", document.display());
        }
        Some(folder) => {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            for (name, text) in diagrams {
                let path = folder.join(format!("{name}.mmd"));
                fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
                println!("{}", path.display());
            }
        }
    }
    Ok(())
}

/// A diagram as Markdown has it.
fn block(diagram: &str) -> String {
    format!("```mermaid\n{}\n```\n", diagram.trim_end())
}

/// A document with its diagrams drawn anew. What stands between `<!-- diagram NAME …-->` and `<!-- /diagram -->` is
/// replaced.
fn embedded(document: &str, diagrams: &BTreeMap<String, String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = document;
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        let Some((line, after)) = from.split_once('\n') else {
            return Err(unfinished(from));
        };
        let name = line[BEGIN.len()..].split([' ', ':']).next().unwrap_or_default();
        let Some(diagram) = diagrams.get(name) else {
            let known: Vec<&str> = diagrams.keys().map(String::as_str).collect();
            return Err(advise(format!("there is no diagram `{name}`"), format!("name one of {}", known.join(", "))));
        };
        let Some(end) = after.find(END) else {
            return Err(unfinished(line));
        };
        text += &format!("{before}{line}\n{}", block(diagram));
        rest = &after[end..];
    }
    Ok(text + rest)
}

fn unfinished(line: &str) -> anyhow::Error {
    advise(format!("`{line}` has no end"), format!("write {END} below it"))
}

/// Says what git has otherwise than the code makes it.
fn check() -> Result<u8> {
    let mut differing = Vec::new();
    let (golden_folder, diagrams) = (workspace().join("infra-templates/golden"), examples::diagrams());
    let drawn_golden = diagrams.iter().map(|(name, text)| (format!("{name}.mmd"), text.clone()));
    for (name, text) in golden()?.into_iter().chain(drawn_golden) {
        let path = golden_folder.join(&name);
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            let diagram = if name.ends_with(".mmd") { " --diagram" } else { "" };
            differing.push((path, format!("cargo xtask synth{diagram} --out infra-templates/golden")));
        }
    }
    let mut embedded_diagrams = 0;
    for path in documents()? {
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        embedded_diagrams += text.matches(BEGIN).count();
        if embedded(&text, &diagrams).with_context(|| path.display().to_string())? != text {
            let shown = path.strip_prefix(workspace()).unwrap_or(&path);
            let command = format!("cargo xtask synth --diagram --out {}", shown.display());
            differing.push((path, command));
        }
    }
    for (path, command) in &differing {
        println!("{} is not what the code makes", path.strip_prefix(workspace()).unwrap_or(path).display());
        say(&format!("hint: `{command}` writes it; then read `git diff`"));
    }
    if differing.is_empty() {
        println!(
            "templates, policies, machines and {embedded_diagrams} diagrams in documents are as the code makes them"
        );
    }
    Ok(u8::from(!differing.is_empty()))
}

/// The documents that may hold diagrams.
fn documents() -> Result<Vec<PathBuf>> {
    let mut found = vec![workspace().join("README.md"), workspace().join("ARCHITECTURE.md")];
    for entry in fs::read_dir(workspace().join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagrams_are_drawn_between_their_markers() {
        let diagrams = BTreeMap::from([("pipeline".to_owned(), "stateDiagram-v2\n".to_owned())]);
        let marked = |inner: &str| format!("a\n<!-- diagram pipeline: written -->\n{inner}<!-- /diagram -->\nb\n");
        let drawn = marked("```mermaid\nstateDiagram-v2\n```\n");
        for before in [marked(""), marked("something old\n"), drawn.clone()] {
            assert_eq!(embedded(&before, &diagrams).unwrap(), drawn);
        }
        assert_eq!(embedded("no marker", &diagrams).unwrap(), "no marker");
        for (document, problem) in [
            ("<!-- diagram other -->\n<!-- /diagram -->", "no diagram `other`"),
            ("<!-- diagram pipeline -->\n", "has no end"),
            ("<!-- diagram pipeline", "has no end"),
        ] {
            let found = embedded(document, &diagrams).unwrap_err().to_string();
            assert!(found.contains(problem), "{found}");
        }
    }

    #[test]
    fn what_git_keeps_is_what_the_code_makes() {
        assert_eq!(check().unwrap(), 0, "`cargo xtask synth --check` says which files differ");
    }
}
