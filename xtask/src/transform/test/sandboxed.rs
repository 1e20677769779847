//! A star's component in the production sandbox, as something cases can be run against.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_ipc::writer::StreamWriter;
use star_cases::{Subject, SubjectError};
use star_contract::{Description, Outcome, OutputBatch};
use totesys_publisher::Publisher;
use totesys_sandbox::{
    Loaded, Metering, Produced, PublisherKey, Sandbox, SandboxError, StarLimits, Transformer, read_output,
};
use xshell::Shell;

use crate::guests::{self, StarCrate};
use crate::place::{home, say};

/// A component that is loaded as if it were live, and what it says about itself.
pub(in crate::transform) struct Component {
    loaded: Arc<Loaded>,
    description: Arc<Description>,
}

impl Component {
    /// Builds a crate's component and loads it under these limits. Nobody trusts the key it is signed with.
    pub(in crate::transform) fn build(star: &StarCrate, limits: &StarLimits) -> Result<Self> {
        let guest = guests::build_crate(&Shell::new()?, &star.folder, &say)?;
        let bytes = fs::read(&guest.path).with_context(|| format!("{} cannot be read", guest.path.display()))?;
        let key = PublisherKey::from_pkcs8(&PublisherKey::generate()?)?;
        let cache = home().join("artefacts");
        let publisher = Publisher::new(&key, &cache).with_limits(limits.clone());
        let candidate = publisher.candidate(bytes)?;
        let metering = Metering::of(&limits.of(&candidate.description.star));
        let loaded = publisher.load(&candidate, &Sandbox::new(limits.clone())?, metering)?;
        Ok(Self { loaded, description: Arc::new(candidate.description) })
    }

    /// What the component says about itself.
    pub(in crate::transform) fn description(&self) -> &Description {
        &self.description
    }

    /// A transformer of its own for one case.
    pub(in crate::transform) fn begin(&self) -> Result<Sandboxed, SubjectError> {
        let transformer = self.loaded.begin(0, Arc::clone(&self.description)).map_err(told)?;
        Ok(Sandboxed { transformer, description: Arc::clone(&self.description) })
    }
}

/// One batch in the sandbox. Its answers pass the checks of production on their way.
pub(in crate::transform) struct Sandboxed {
    transformer: Transformer,
    description: Arc<Description>,
}

impl Subject for Sandboxed {
    fn push(&mut self, table: &str, stream: Vec<u8>, _rows: usize) -> Result<Outcome, SubjectError> {
        let input = self.description.input(table).ok_or("it does not read this table")?;
        let mut outcome = Outcome::default();
        for rows in read_output(stream, &input.schema())? {
            let more = given(self.transformer.push(table, &rows).map_err(told)?)?;
            outcome.outputs.extend(more.outputs);
            outcome.refused.extend(more.refused);
        }
        Ok(outcome)
    }

    fn finish(&mut self) -> Result<Outcome, SubjectError> {
        given(self.transformer.finish().map_err(told)?)
    }
}

/// What was given back, as the contract has it.
fn given(produced: Produced) -> Result<Outcome, SubjectError> {
    let mut outputs = Vec::with_capacity(produced.outputs.len());
    for (table, rows) in produced.outputs {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
        writer.write(&rows)?;
        outputs.push(OutputBatch { table, arrow_ipc: writer.into_inner()? });
    }
    Ok(Outcome { outputs, refused: produced.refused })
}

/// A case's rows are no secret, so the component's own words may be read.
fn told(error: SandboxError) -> SubjectError {
    match &error {
        SandboxError::GaveUp { words, .. } => format!("{error}: {}", words.0).into(),
        _ => error.into(),
    }
}
