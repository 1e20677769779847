//! What an environment costs in a month: counted in its own templates and state machine, multiplied by list prices.
//! Nothing is asked of AWS. docs/cost.md shows it and says what it leaves out.

mod measured;
mod prices;
mod runs;
mod text;
mod transitions;

use serde::Serialize;

pub use measured::MEASURED_ON;
pub use prices::{ALLOWANCES, Allowances, DATE, PAGES, Prices};
pub use runs::Volume;

use crate::{Architecture, Environment, Stage, Template, data_stack, machine, pipeline_stack};
use measured::Requests;
use runs::Runs;

/// Hours of a month on the average.
const HOURS: f64 = 730.0;

/// A GB as S3 and CloudWatch count it.
const GB: f64 = 1_073_741_824.0;

/// The least a Glue job for Spark is charged: two DPUs for a minute.
const GLUE_DPUS: f64 = 2.0;
const GLUE_SECONDS: f64 = 60.0;

/// How many availability zones an endpoint would be in where no network is set.
const ZONES: usize = 2;

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// A cron schedule says when, not how often.
    #[error("how often `{expression}` starts a run cannot be told")]
    Schedule {
        /// The schedule.
        expression: String,
    },
    /// A schedule of no time at all.
    #[error("a run every 0 minutes is no schedule")]
    NoTime,
}

impl CostError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "say how often with --schedule, such as --schedule 10m"
    }
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is paid for.
    pub what: &'static str,
    /// How much of it in a month.
    pub quantity: f64,
    /// The price of one, in US dollars.
    pub price: f64,
    /// What every account has free each month.
    pub free: f64,
}

impl Line {
    /// At list price, in US dollars.
    #[must_use]
    pub fn list(&self) -> f64 {
        self.quantity * self.price
    }

    /// What is left to pay where nothing else uses the allowance up, in US dollars.
    #[must_use]
    pub fn left(&self) -> f64 {
        (self.quantity - self.free).max(0.0) * self.price
    }
}

/// An estimate for a month of 730 hours, in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// The region whose prices were taken.
    pub region: &'static str,
    /// Whether that is the environment's; otherwise there are no prices of it here.
    pub own_region: bool,
    /// When the prices were written down.
    pub prices_of: &'static str,
    /// What it is an estimate for.
    pub volume: Volume,
    /// How often something is run.
    pub runs: Runs,
    /// How long a function is at work, in seconds.
    pub seconds: Seconds,
    /// What is paid for.
    pub lines: Vec<Line>,
    /// All of it at list price.
    pub list: f64,
    /// All of it where nothing else uses the allowances up.
    pub left: f64,
    /// A Glue job for each run instead of the functions, at list price; Glue gives no allowance.
    pub glue_job: f64,
    /// All of it with that job and without the functions, at list price.
    pub list_with_glue: f64,
    /// The same where nothing else uses the allowances up.
    pub left_with_glue: f64,
    /// GB in the lake after a month and after a year.
    pub stored_gb: [f64; 2],
    /// A NAT gateway instead of the endpoints, where there is a private network.
    pub nat_instead: Option<f64>,
}

/// How long functions are at work in one run, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Seconds {
    /// An extraction that finds nothing.
    pub nothing: f64,
    /// One that makes a batch.
    pub extract: f64,
    /// The transformation of one star.
    pub transform: f64,
    /// The load of all stars.
    pub load: f64,
}

/// Estimates a month of an environment.
///
/// # Errors
/// When neither the volume nor the environment's schedule says how often it runs.
pub fn estimate(environment: &Environment, volume: Volume) -> Result<Estimate, CostError> {
    let minutes = match (volume.schedule_minutes, environment.schedule.minutes) {
        (Some(minutes), _) if minutes > 0.0 => minutes,
        (Some(_), _) => return Err(CostError::NoTime),
        (None, Some(minutes)) => minutes as f64,
        (None, None) => {
            return Err(CostError::Schedule { expression: environment.schedule.expression.clone() });
        }
    };
    let volume = Volume { schedule_minutes: Some(minutes), ..volume };
    let runs = Runs::of(minutes, &volume);
    let prices = Prices::of(&environment.region);
    let seconds = Seconds::of(environment, &volume, &runs);
    let stored_gb = [1.0, 12.0].map(|months| runs.stored_bytes(months) / GB);
    let mut lines = lines(environment, &runs, &seconds, &prices, stored_gb[0]);
    let zones = match &environment.network {
        Some(network) if network.secrets_endpoint => network.subnets.len(),
        Some(_) => 0,
        None if volume.private_network => ZONES,
        None => 0,
    };
    if zones > 0 {
        let hours = zones as f64 * HOURS;
        lines.push(Line {
            what: "hours of Secrets Manager's endpoint",
            quantity: hours,
            price: prices.endpoint_hour,
            free: 0.0,
        });
    }
    let (list, left) = sums(&lines, |_| true);
    let functions = [GB_SECONDS, CALLS];
    let (list_without, left_without) = sums(&lines, |line| !functions.contains(&line.what));
    let longest = GLUE_SECONDS.max(seconds.busy(&runs));
    let glue_hours = GLUE_DPUS * (runs.nothing * GLUE_SECONDS + runs.something * longest) / 3600.0;
    let glue_job = glue_hours * prices.dpu_hour;
    Ok(Estimate {
        region: prices.region,
        own_region: prices.region == environment.region,
        prices_of: DATE,
        nat_instead: (zones > 0).then_some(HOURS * prices.nat_hour),
        volume,
        runs,
        seconds,
        lines,
        list,
        left,
        glue_job,
        list_with_glue: list_without + glue_job,
        left_with_glue: left_without + glue_job,
        stored_gb,
    })
}

const GB_SECONDS: &str = "GB-seconds of the functions";
const CALLS: &str = "calls of the functions";

fn sums(lines: &[Line], counts: impl Fn(&Line) -> bool) -> (f64, f64) {
    let counted = || lines.iter().filter(|line| counts(line));
    (counted().map(Line::list).sum(), counted().map(Line::left).sum())
}

fn lines(environment: &Environment, runs: &Runs, seconds: &Seconds, prices: &Prices, stored_gb: f64) -> Vec<Line> {
    let stacks = [data_stack(environment), pipeline_stack(environment)];
    let resources = |kind: &str| stacks.iter().map(|stack| count(stack, kind)).sum::<usize>() as f64;
    let definition = machine::pipeline(environment);
    let stars = runs.stars as usize;
    let transitions = runs.nothing * transitions::nothing_new(&definition) as f64
        + runs.something * transitions::something_new(&definition, stars) as f64;
    let gb = |stage: Stage| environment.size(stage).memory as f64 / 1024.0;
    let gb_seconds = gb(Stage::Extract) * (runs.nothing * seconds.nothing + runs.something * seconds.extract)
        + gb(Stage::Transform) * runs.something * runs.stars * seconds.transform
        + gb(Stage::Load) * runs.something * seconds.load;
    let calls = runs.nothing + runs.something * (2.0 + runs.stars);
    let gb_second = match environment.architecture {
        Architecture::Arm64 => prices.gb_second_arm64,
        Architecture::X86_64 => prices.gb_second_x86_64,
    };
    let asked = |of: fn(&Requests) -> u32| {
        let busy = [measured::EXTRACT_BATCH, measured::LOAD_ALL].iter().map(of).sum::<u32>() as f64
            + f64::from(of(&measured::TRANSFORM_ALL)) * runs.stars / measured::STARS;
        runs.nothing * f64::from(of(&measured::EXTRACT_NOTHING)) + runs.something * busy
    };
    let line = |what, quantity, price, free| Line { what, quantity, price, free };
    let free = ALLOWANCES;
    vec![
        line("state transitions", transitions, prices.transitions_1000 / 1e3, free.transitions),
        line(GB_SECONDS, gb_seconds, gb_second, free.gb_seconds),
        line(CALLS, calls, prices.calls_million / 1e6, free.calls),
        line("S3 requests, put and list", asked(|of| of.puts + of.lists), prices.puts_1000 / 1e3, 0.0),
        line("S3 requests, get", asked(|of| of.gets), prices.gets_1000 / 1e3, 0.0),
        line("GB stored after a month", stored_gb, prices.stored_gb, 0.0),
        line("custom metrics", crate::metrics::METRICS.len() as f64, prices.metric, free.metrics),
        line("alarms", resources("AWS::CloudWatch::Alarm"), prices.alarm, free.alarms),
        line("dashboards", resources("AWS::CloudWatch::Dashboard"), prices.dashboard, free.dashboards),
        line("secrets", resources("AWS::SecretsManager::Secret"), prices.secret, 0.0),
        line("reads of secrets", runs.nothing + 2.0 * runs.something, prices.secret_reads_10000 / 1e4, 0.0),
        line("GB of logs", calls * measured::LOG_BYTES / GB, prices.logs_gb, free.logs_gb),
        line("traces", runs.all(), prices.traces_million / 1e6, free.traces),
        line("starts by the schedule", runs.all(), prices.starts_million / 1e6, free.starts),
    ]
}

fn count(stack: &Template, kind: &str) -> usize {
    stack.resources.values().filter(|resource| resource.kind == kind).count()
}

impl Seconds {
    fn of(environment: &Environment, volume: &Volume, runs: &Runs) -> Self {
        let slower = |stage: Stage| {
            let share = (environment.size(stage).memory as f64 / measured::WHOLE_PROCESSOR).min(1.0);
            measured::PROCESSOR_FACTOR / share
        };
        let asking = |requests: Requests| f64::from(requests.all()) * measured::REQUEST;
        let looking = measured::IDLE_RUN
            + (measured::EMPTY_RUN - measured::IDLE_RUN) * volume.source_rows / measured::SOURCE_ROWS;
        let rows = runs.rows_of_a_batch / measured::CHANGES;
        let (start, connection) = (measured::START, measured::CONNECTION);
        let extract = |requests, rows: f64| {
            let work = looking + rows * measured::CHANGES_EXTRACTED;
            start + connection + asking(requests) + work * slower(Stage::Extract)
        };
        let of_each_star = measured::COMPONENT + rows * measured::CHANGES_TRANSFORMED / runs.stars;
        Self {
            nothing: extract(measured::EXTRACT_NOTHING, 0.0),
            extract: extract(measured::EXTRACT_BATCH, rows),
            transform: start
                + asking(measured::TRANSFORM_ALL) / measured::STARS
                + of_each_star * slower(Stage::Transform),
            load: start
                + connection
                + asking(measured::LOAD_ALL)
                + rows * measured::CHANGES_LOADED * slower(Stage::Load),
        }
    }

    /// All functions of a run that has something to do, one after the other.
    fn busy(&self, runs: &Runs) -> f64 {
        self.extract + runs.stars * self.transform + self.load
    }
}

#[cfg(test)]
mod tests;
