//! One batch of one star in the sandbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use star_contract::{Delivery, Description, MAX_PUSH_BYTES, MAX_PUSH_ROWS, Outcome, RefusedRow};
use wasmtime::component::ResourceAny;
use wasmtime::{Store, Trap};

use crate::bindings::{Answer, Star};
use crate::engine::{fuel, ticks};
use crate::engine_key::{Metering, STACK_BYTES};
use crate::error::{LimitName, RowData, SandboxError};
use crate::state::State;
use crate::{Context, ipc};

/// The longest reason code, in bytes.
const MAX_CODE: usize = 64;

/// The most different reason codes of a batch: codes are logged and counted, so they must not spell values.
const MAX_CODES: usize = 64;

/// What a push or a finish gave back, checked against the description.
#[derive(Debug, Default)]
pub struct Produced {
    /// Output table and rows, in the component's order.
    pub outputs: Vec<(String, RecordBatch)>,
    /// Refused rows; each names a push and a row that exist.
    pub refused: Vec<RefusedRow>,
}

/// A store and where it stands: every call into the component goes through here.
pub(crate) struct Call {
    pub(crate) store: Store<State>,
    pub(crate) context: Context,
    /// The time spent in calls.
    pub(crate) took: Duration,
}

impl Call {
    /// Runs one call under a fresh deadline, and says what went wrong in our own terms.
    pub(crate) fn run<T>(
        &mut self,
        what: &str,
        call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, SandboxError> {
        what.clone_into(&mut self.context.call);
        self.store.set_epoch_deadline(ticks(self.store.data().limits()));
        let started = Instant::now();
        let answer = call(&mut self.store);
        self.took += started.elapsed();
        answer.map_err(|error| self.classify(error))
    }

    fn classify(&self, source: wasmtime::Error) -> SandboxError {
        let limits = self.store.data().limits();
        let over = |limit, allowed, asked| SandboxError::Limit { context: self.at(), limit, allowed, asked };
        if let Some((limit, asked)) = self.store.data().denied() {
            let allowed = if limit == LimitName::Table { limits.table_elements } else { limits.memory_bytes };
            return over(limit, allowed as u64, Some(asked));
        }
        match source.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => over(LimitName::Time, limits.call_milliseconds, None),
            Some(Trap::StackOverflow) => over(LimitName::Stack, STACK_BYTES as u64, None),
            Some(Trap::OutOfFuel) => over(LimitName::Fuel, limits.fuel, None),
            Some(_) => SandboxError::Trapped { context: self.at(), source },
            // Lifting, lowering and instantiating fail without a trap code.
            None => match budget(&format!("{source:#}")) {
                Some(LimitName::Instances) => over(LimitName::Instances, limits.instances as u64, None),
                Some(LimitName::Tables) => over(LimitName::Tables, limits.tables as u64, None),
                Some(LimitName::Memories) => over(LimitName::Memories, 1, None),
                Some(limit) => over(limit, limits.lifted_bytes as u64, None),
                None => SandboxError::Trapped { context: self.at(), source },
            },
        }
    }

    fn at(&self) -> Box<Context> {
        Box::new(self.context.clone())
    }

    fn malformed(&self, problem: &'static str) -> SandboxError {
        SandboxError::Malformed { context: self.at(), problem }
    }
}

/// The budget that the engine's words say was exceeded.
fn budget(words: &str) -> Option<LimitName> {
    let of = |what: &str| words.contains(&format!("{what} count too high"));
    match () {
        () if of("instance") => Some(LimitName::Instances),
        () if of("table") => Some(LimitName::Tables),
        () if of("memory") => Some(LimitName::Memories),
        () if words.contains("fuel") => Some(LimitName::Lifted),
        () => None,
    }
}

/// What a batch has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The time spent in calls.
    pub time: Duration,
    /// Fuel, where it is counted.
    pub fuel: Option<u64>,
    /// The largest linear memory, in bytes.
    pub memory_bytes: u64,
    /// Bytes of Arrow IPC pushed.
    pub pushed_bytes: u64,
    /// Bytes of Arrow IPC given back.
    pub produced_bytes: u64,
}

/// One batch of one star.
pub struct Transformer {
    call: Call,
    star: Star,
    resource: ResourceAny,
    metering: Metering,
    description: Arc<Description>,
    /// Table, delivery and rows of each push so far.
    pushes: Vec<(String, Delivery, usize)>,
    rows: Flow,
    bytes: Flow,
    refused: u64,
    codes: BTreeSet<String>,
    /// Whether the answer at hand is that of the end.
    finishing: bool,
}

/// How much went in and came out.
#[derive(Default)]
struct Flow {
    pushed: u64,
    produced: u64,
}

impl Transformer {
    pub(crate) fn new(
        mut call: Call,
        star: Star,
        metering: Metering,
        description: Arc<Description>,
    ) -> Result<Self, SandboxError> {
        let resource = call.run("constructor", |store| star.construct(store))?;
        Ok(Self {
            call,
            star,
            resource,
            metering,
            description,
            pushes: Vec::new(),
            rows: Flow::default(),
            bytes: Flow::default(),
            refused: 0,
            codes: BTreeSet::new(),
            finishing: false,
        })
    }

    /// Pushes one record batch, which must have the input's described columns.
    ///
    /// # Errors
    /// When the component fails or breaks the contract; the transformer is of no use afterwards.
    pub fn push(&mut self, table: &str, rows: &RecordBatch) -> Result<Produced, SandboxError> {
        let stream = ipc::write(rows).map_err(|_| self.call.malformed("its input cannot be written as Arrow IPC"))?;
        let outcome = self.exchange(table, &stream, rows.num_rows())?;
        self.accept(outcome)
    }

    /// One push as the contract has it, its answer unchecked: an Arrow IPC stream of so many rows in, streams out.
    ///
    /// # Errors
    /// When the component fails; the transformer is of no use afterwards.
    pub fn exchange(&mut self, table: &str, stream: &[u8], rows: usize) -> Result<Outcome, SandboxError> {
        let input =
            self.description.input(table).ok_or_else(|| self.call.malformed("it was pushed an unknown table"))?;
        if rows > MAX_PUSH_ROWS || stream.len() > MAX_PUSH_BYTES {
            return Err(self.call.malformed("it was pushed more than one push may carry"));
        }
        self.pushes.push((table.to_owned(), input.delivery, rows));
        self.rows.pushed += rows as u64;
        self.bytes.pushed += stream.len() as u64;
        let (star, resource) = (&self.star, self.resource);
        let answer = self.call.run(table, |store| star.push(store, resource, table, stream))?;
        self.answered(answer)
    }

    /// Ends the batch.
    ///
    /// # Errors
    /// As for `push`.
    pub fn finish(&mut self) -> Result<Produced, SandboxError> {
        let outcome = self.conclude()?;
        let dropped = self.call.store.data().log_dropped();
        if dropped > 0 {
            tracing::warn!(star = self.call.context.star, dropped, "component logged more than its limit");
        }
        self.accept(outcome)
    }

    /// The end of the batch as the contract has it, its answer unchecked.
    ///
    /// # Errors
    /// When the component fails.
    pub fn conclude(&mut self) -> Result<Outcome, SandboxError> {
        let (star, resource) = (&self.star, self.resource);
        self.finishing = true;
        let answer = self.call.run("finish", |store| star.finish(store, resource))?;
        self.answered(answer)
    }

    /// What the batch has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let store = &self.call.store;
        let left = store.get_fuel().ok().filter(|_| self.metering == Metering::Fuel);
        Usage {
            time: self.call.took,
            fuel: left.map(|left| fuel(store.data().limits()).saturating_sub(left)),
            memory_bytes: store.data().memory_bytes() as u64,
            pushed_bytes: self.bytes.pushed,
            produced_bytes: self.bytes.produced,
        }
    }

    fn answered(&self, answer: Answer) -> Result<Outcome, SandboxError> {
        answer.map_err(|words| SandboxError::GaveUp { context: self.call.at(), words: RowData(words) })
    }

    /// Checks an answer against the description.
    fn accept(&mut self, outcome: Outcome) -> Result<Produced, SandboxError> {
        let mut outputs = Vec::new();
        for batch in outcome.outputs {
            let Some(output) = self.description.output(&batch.table) else {
                return Err(self.call.malformed("it wrote to a table it does not describe"));
            };
            let schema = output.schema();
            self.bytes.produced += batch.arrow_ipc.len() as u64;
            let batches = ipc::read_output(batch.arrow_ipc, &schema).map_err(|problem| self.call.malformed(problem))?;
            for rows in batches {
                self.rows.produced += rows.num_rows() as u64;
                outputs.push((batch.table.clone(), rows));
            }
            self.check_flow()?;
        }
        for row in &outcome.refused {
            self.check_refusal(row)?;
        }
        self.refused += outcome.refused.len() as u64;
        // Every output may refuse a row once.
        if self.refused > self.rows.pushed.saturating_mul(self.description.outputs.len() as u64) {
            return Err(self.call.malformed("it refused more rows than it was pushed"));
        }
        Ok(Produced { outputs, refused: outcome.refused })
    }

    fn check_flow(&self) -> Result<(), SandboxError> {
        let limits = self.call.store.data().limits();
        let rows = self.rows.pushed.saturating_mul(limits.output_rows_factor).max(limits.output_rows_floor);
        let bytes = self.bytes.pushed.saturating_mul(limits.output_bytes_factor).max(limits.output_bytes_floor);
        for (limit, allowed, asked) in
            [(LimitName::OutputRows, rows, self.rows.produced), (LimitName::OutputBytes, bytes, self.bytes.produced)]
        {
            if asked > allowed {
                let context = self.call.at();
                return Err(SandboxError::Limit { context, limit, allowed, asked: Some(asked) });
            }
        }
        Ok(())
    }

    fn check_refusal(&mut self, row: &RefusedRow) -> Result<(), SandboxError> {
        let Some((table, delivery, rows)) = self.pushes.get(row.push as usize) else {
            return Err(self.call.malformed("it refused a row of a push that was not made"));
        };
        if *table != row.table || row.row as usize >= *rows {
            return Err(self.call.malformed("it refused a row that was not pushed"));
        }
        if *delivery == Delivery::Changes && (self.finishing || row.push as usize + 1 != self.pushes.len()) {
            return Err(self.call.malformed("it refused a change after that change's own push"));
        }
        let has = |column: &String| {
            let input = self.description.input(&row.table);
            input.is_some_and(|input| input.columns.iter().any(|described| described.name == *column))
        };
        if !row.column.as_ref().is_none_or(has) {
            return Err(self.call.malformed("it refused a row for a column that its input does not have"));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if row.code.is_empty() || row.code.len() > MAX_CODE || !row.code.bytes().all(plain) {
            return Err(self.call.malformed("a reason code is not short lower-case words with hyphens"));
        }
        if !self.codes.contains(&row.code) {
            self.codes.insert(row.code.clone());
        }
        if self.codes.len() > MAX_CODES {
            let (context, asked) = (self.call.at(), Some(self.codes.len() as u64));
            return Err(SandboxError::Limit {
                context,
                limit: LimitName::ReasonCodes,
                allowed: MAX_CODES as u64,
                asked,
            });
        }
        Ok(())
    }
}
