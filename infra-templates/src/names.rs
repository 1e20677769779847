//! What things are called. The stacks are joined by these names, so each can be changed without the other.

/// The names of everything in an environment, from its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

/// What each of the six buckets is for, in the order of the pipeline; the host's `Bucket` says the same.
pub const BUCKETS: [&str; 6] =
    ["ingestion", "extraction-times", "transformed-data", "transformation-times", "load-times", "code"];

impl Names {
    /// The names under a prefix.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// What every name begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn with(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// One of [`BUCKETS`].
    #[must_use]
    pub fn bucket(&self, purpose: &str) -> String {
        self.with(purpose)
    }

    /// The stack of what is kept.
    #[must_use]
    pub fn data_stack(&self) -> String {
        self.with("data")
    }

    /// The stack of what runs.
    #[must_use]
    pub fn pipeline_stack(&self) -> String {
        self.with("pipeline")
    }

    /// The stack of the Glue tables and views, written by `publish`.
    #[must_use]
    pub fn tables_stack(&self) -> String {
        self.with("tables")
    }

    /// The function of a stage: `extract`, `transform` or `load`.
    #[must_use]
    pub fn function(&self, stage: &str) -> String {
        self.with(stage)
    }

    /// The role of a stage's function, or of `states`, `scheduler`, `backfill`.
    #[must_use]
    pub fn role(&self, of: &str) -> String {
        self.with(&format!("{of}-role"))
    }

    /// The state machine.
    #[must_use]
    pub fn state_machine(&self) -> String {
        self.with("pipeline")
    }

    /// The state machine that reads tables in chunks.
    #[must_use]
    pub fn backfill_machine(&self) -> String {
        self.with("backfill")
    }

    /// The schedule.
    #[must_use]
    pub fn schedule(&self) -> String {
        self.with("schedule")
    }

    /// The queue of what the schedule could not start.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        self.with("not-started")
    }

    /// The topic that alarms and failures go to.
    #[must_use]
    pub fn topic(&self) -> String {
        self.with("alerts")
    }

    /// The dashboard.
    #[must_use]
    pub fn dashboard(&self) -> String {
        self.prefix.clone()
    }

    /// The secret of a database: `source` or `warehouse`.
    #[must_use]
    pub fn secret(&self, database: &str) -> String {
        format!("{}/{database}", self.prefix)
    }

    /// The Glue database. Athena takes no hyphens without quotes.
    #[must_use]
    pub fn glue_database(&self) -> String {
        self.prefix.replace('-', "_")
    }

    /// The log group of a stage's function.
    #[must_use]
    pub fn function_logs(&self, stage: &str) -> String {
        format!("/aws/lambda/{}", self.function(stage))
    }

    /// The log group of a state machine. The prefix keeps the resource policy of the logs from growing without bound.
    #[must_use]
    pub fn states_logs(&self, machine: &str) -> String {
        format!("/aws/vendedlogs/states/{machine}")
    }
}
