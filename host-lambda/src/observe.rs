//! Who watches a run: a progress display, or nobody.

/// A stage of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Source to lake.
    Extract,
    /// Lake to lake, through a component.
    Transform,
    /// Lake to warehouse.
    Load,
}

impl Stage {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Load => "load",
        }
    }
}

/// Is told of rows as they pass.
pub trait Observer: Send + Sync {
    /// Rows of a table passed a stage; for the transform, the table is the star's input.
    fn passed(&self, stage: Stage, table: &str, rows: u64, bytes: u64);
}

impl Observer for () {
    fn passed(&self, _: Stage, _: &str, _: u64, _: u64) {}
}
