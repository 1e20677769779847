//! List prices in US dollars without tax, written down from what was known in 2025 of the pages named here.
//! They were not fetched: AWS changes them, so look before you rely on a figure.

/// When the prices were written down.
pub const DATE: &str = "in 2025";

/// Where AWS says them now.
pub const PAGES: &[(&str, &str)] = &[
    ("Step Functions", "aws.amazon.com/step-functions/pricing"),
    ("Lambda", "aws.amazon.com/lambda/pricing"),
    ("S3", "aws.amazon.com/s3/pricing"),
    ("CloudWatch, X-Ray", "aws.amazon.com/cloudwatch/pricing, aws.amazon.com/xray/pricing"),
    ("Secrets Manager", "aws.amazon.com/secrets-manager/pricing"),
    ("EventBridge Scheduler", "aws.amazon.com/eventbridge/pricing"),
    ("VPC", "aws.amazon.com/privatelink/pricing, aws.amazon.com/vpc/pricing"),
    ("Glue", "aws.amazon.com/glue/pricing"),
];

/// What things cost in a region, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// The region.
    pub region: &'static str,
    /// 1,000 state transitions of a Standard state machine.
    pub transitions_1000: f64,
    /// A GB-second of Lambda on Graviton.
    pub gb_second_arm64: f64,
    /// The same on Intel or AMD.
    pub gb_second_x86_64: f64,
    /// A million calls of Lambda.
    pub calls_million: f64,
    /// 1,000 requests to S3 that put or list.
    pub puts_1000: f64,
    /// 1,000 requests to S3 that get.
    pub gets_1000: f64,
    /// A GB in S3 Standard for a month.
    pub stored_gb: f64,
    /// A custom metric for a month.
    pub metric: f64,
    /// An alarm of standard resolution for a month.
    pub alarm: f64,
    /// A dashboard for a month.
    pub dashboard: f64,
    /// A GB of logs taken in.
    pub logs_gb: f64,
    /// A million traces recorded.
    pub traces_million: f64,
    /// A secret for a month.
    pub secret: f64,
    /// 10,000 reads of secrets.
    pub secret_reads_10000: f64,
    /// A million starts by EventBridge Scheduler.
    pub starts_million: f64,
    /// An interface endpoint in one availability zone for an hour.
    pub endpoint_hour: f64,
    /// A NAT gateway for an hour.
    pub nat_hour: f64,
    /// A DPU of Glue for an hour.
    pub dpu_hour: f64,
}

/// What AWS gives to every account each month, without end. Something else in the account may use it up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowances {
    /// State transitions.
    pub transitions: f64,
    /// GB-seconds of Lambda.
    pub gb_seconds: f64,
    /// Calls of Lambda.
    pub calls: f64,
    /// Custom metrics.
    pub metrics: f64,
    /// Alarms of standard resolution.
    pub alarms: f64,
    /// Dashboards of up to 50 metrics.
    pub dashboards: f64,
    /// GB of logs.
    pub logs_gb: f64,
    /// Traces recorded.
    pub traces: f64,
    /// Starts by EventBridge Scheduler.
    pub starts: f64,
}

/// The allowances that do not end after a year.
pub const ALLOWANCES: Allowances = Allowances {
    transitions: 4_000.0,
    gb_seconds: 400_000.0,
    calls: 1_000_000.0,
    metrics: 10.0,
    alarms: 10.0,
    dashboards: 3.0,
    logs_gb: 5.0,
    traces: 100_000.0,
    starts: 14_000_000.0,
};

const NORTH_VIRGINIA: Prices = Prices {
    region: "us-east-1",
    transitions_1000: 0.025,
    gb_second_arm64: 0.000_013_333_4,
    gb_second_x86_64: 0.000_016_666_7,
    calls_million: 0.20,
    puts_1000: 0.005,
    gets_1000: 0.000_4,
    stored_gb: 0.023,
    metric: 0.30,
    alarm: 0.10,
    dashboard: 3.00,
    logs_gb: 0.50,
    traces_million: 5.00,
    secret: 0.40,
    secret_reads_10000: 0.05,
    starts_million: 1.00,
    endpoint_hour: 0.010,
    nat_hour: 0.045,
    dpu_hour: 0.44,
};

const LONDON: Prices = Prices {
    region: "eu-west-2",
    puts_1000: 0.005_3,
    gets_1000: 0.000_42,
    stored_gb: 0.024,
    logs_gb: 0.598_5,
    endpoint_hour: 0.011,
    nat_hour: 0.050,
    ..NORTH_VIRGINIA
};

impl Prices {
    /// The prices of a region; where it has none here, those of eu-west-2.
    #[must_use]
    pub fn of(region: &str) -> Self {
        if region == NORTH_VIRGINIA.region { NORTH_VIRGINIA } else { LONDON }
    }
}
