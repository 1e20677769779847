//! From what is written to what is checked: every mistake at once, so that nobody mends them one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::names::BUCKETS;
use crate::{Architecture, Environment, EnvironmentError, Names, RawEnvironment, RawStage, Stage, StageSize};

/// The longest name of a bucket, in characters.
const LONGEST_BUCKET: usize = 63;

/// The longest name of an environment, in characters: it is in the subjects of mails, for which SNS takes 99.
const LONGEST_NAME: usize = 48;

/// The periods CloudWatch keeps logs for, in days.
const RETENTIONS: [u64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// One whole processor, in MiB of memory.
const WHOLE_PROCESSOR: u64 = 1769;

/// Lambda takes so many bytes of environment variables, names and values together.
const MOST_VARIABLES: usize = 4096;

/// What the templates add to the variables of `settings`, in bytes: a prefix and a secret's name may be long.
const OWN_VARIABLES: usize = 512;

/// Variables that may hold a password, and so are no settings of a template.
const SECRET_VARIABLES: [(&str, &str); 2] = [("TOTESYS_SOURCE_URL", "source"), ("TOTESYS_WAREHOUSE_URL", "warehouse")];

/// Collects the mistakes of one environment.
pub(super) struct Mistakes<'a> {
    environment: &'a str,
    found: Vec<EnvironmentError>,
}

impl<'a> Mistakes<'a> {
    fn of(environment: &'a str) -> Self {
        Self { environment, found: Vec::new() }
    }

    pub(super) fn add(&mut self, key: &str, problem: impl Display, hint: impl Display) {
        self.found.push(EnvironmentError {
            environment: self.environment.to_owned(),
            key: key.to_owned(),
            problem: problem.to_string(),
            hint: hint.to_string(),
        });
    }

    /// A number within bounds.
    pub(super) fn within(&mut self, key: &str, value: u64, least: u64, most: u64, unit: &str) {
        if !(least..=most).contains(&value) {
            self.add(key, format!("{value} {unit} is out of bounds"), format!("{least} to {most} {unit} are allowed"));
        }
    }
}

impl RawEnvironment {
    /// Checks the settings of the environment `name`. `host_settings` are the host's own, as `TOTESYS_…` variables.
    ///
    /// # Errors
    /// All mistakes there are, each with what to do about it.
    pub fn check(
        self,
        name: &str,
        host_settings: BTreeMap<String, String>,
    ) -> Result<Environment, Vec<EnvironmentError>> {
        let mut mistakes = Mistakes::of(name);
        let region = region(self.region, &mut mistakes);
        let account = self.account.filter(|account| checked_account(account, &mut mistakes));
        let prefix = prefix(self.prefix, &mut mistakes);
        emails(&self.emails, &mut mistakes);
        let architecture = architecture(self.architecture.as_deref(), &mut mistakes);
        let execution_minutes = self.execution_minutes.unwrap_or(14);
        mistakes.within("execution_minutes", execution_minutes, 1, 14, "minutes");
        let schedule = super::schedule::checked(self.schedule.as_deref(), execution_minutes, &mut mistakes);
        let log_retention_days = self.log_retention_days.unwrap_or(30);
        if !RETENTIONS.contains(&log_retention_days) {
            let known: Vec<String> = RETENTIONS.iter().map(u64::to_string).collect();
            let problem = format!("CloudWatch keeps no logs for {log_retention_days} days");
            mistakes.add("log_retention_days", problem, format!("it knows {} days", known.join(", ")));
        }
        let old_versions_days = self.old_versions_days.unwrap_or(30);
        mistakes.within("old_versions_days", old_versions_days, 1, 36_500, "days");
        if self.sslrootcert.as_deref().is_some_and(|file| file.trim().is_empty()) {
            let hint = "name a PEM file of certificate authorities, or leave the key out";
            mistakes.add("sslrootcert", "names no file", hint);
        }
        let chunk_above_bytes = self.chunk_above_bytes.unwrap_or(20 << 30);
        if chunk_above_bytes == 0 {
            mistakes.add("chunk_above_bytes", "every table would be read in chunks", "give a size in bytes above 0");
        }
        let stages = [(Stage::Extract, self.extract), (Stage::Transform, self.transform), (Stage::Load, self.load)];
        let sizes = stages.map(|(stage, raw)| size(stage, &raw, execution_minutes, &mut mistakes));
        let network = self.network.and_then(|network| network.check(&mut mistakes));
        variables(&host_settings, &mut mistakes);
        if !is_name(name) {
            let hint = format!("use up to {LONGEST_NAME} letters, digits, hyphens and underscores");
            mistakes.add("(name)", "is no name of an environment", hint);
        }
        match (mistakes.found, region, prefix, schedule, architecture) {
            (none, Some(region), Some(prefix), Some(schedule), Some(architecture)) if none.is_empty() => {
                Ok(Environment {
                    name: name.to_owned(),
                    region,
                    account,
                    names: Names::new(&prefix),
                    emails: self.emails,
                    schedule,
                    architecture,
                    execution_minutes,
                    log_retention_days,
                    old_versions_days,
                    sslrootcert: self.sslrootcert,
                    chunk_above_bytes,
                    sizes,
                    network,
                    host_settings,
                })
            }
            (found, ..) => Err(found),
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn region(region: Option<String>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let hint = "set it as AWS writes it, such as eu-west-2";
    let Some(region) = region else {
        mistakes.add("region", "is not set", hint);
        return None;
    };
    let parts: Vec<&str> = region.split('-').collect();
    let well_formed = match parts.as_slice() {
        [area, middle @ .., number] => {
            area.len() == 2
                && !middle.is_empty()
                && parts[..parts.len() - 1].iter().all(|part| is_lower_word(part))
                && number.len() == 1
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    if !well_formed {
        mistakes.add("region", format!("`{region}` is no AWS region"), hint);
    }
    well_formed.then_some(region)
}

fn is_lower_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn checked_account(account: &str, mistakes: &mut Mistakes<'_>) -> bool {
    let well_formed = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !well_formed {
        let hint = "`aws sts get-caller-identity` prints its twelve digits; keep the quotes, for it may begin with 0";
        mistakes.add("account", format!("`{account}` is no account number"), hint);
    }
    well_formed
}

fn prefix(prefix: Option<String>, mistakes: &mut Mistakes<'_>) -> Option<String> {
    let Some(prefix) = prefix else {
        let hint = "choose one that nobody else in the world has, such as acme-totesys: buckets are named with it";
        mistakes.add("prefix", "is not set", hint);
        return None;
    };
    let longest = BUCKETS.iter().map(|purpose| purpose.len() + 1).max().unwrap_or_default();
    let most = LONGEST_BUCKET - longest;
    let problem = if prefix.len() < 3 || prefix.len() > most {
        Some(format!("has {} characters; buckets are named with it", prefix.len()))
    } else if !prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        Some(format!("`{prefix}` has characters that a bucket's name has not"))
    } else if !prefix.starts_with(|first: char| first.is_ascii_lowercase()) {
        Some(format!("`{prefix}` does not begin with a letter; stacks are named with it"))
    } else if prefix.ends_with('-') || prefix.contains("--") {
        Some(format!("`{prefix}` has a hyphen too many"))
    } else if ["sthree-", "amzn-s3-demo-"].iter().any(|reserved| prefix.starts_with(reserved)) {
        Some(format!("`{prefix}` begins as S3 keeps for itself"))
    } else {
        None
    };
    match problem {
        None => Some(prefix),
        Some(problem) => {
            let hint = format!("use 3 to {most} lower-case letters, digits and single hyphens, a letter first");
            mistakes.add("prefix", problem, hint);
            None
        }
    }
}

/// Nobody need be written to; `doctor` warns of it.
fn emails(emails: &[String], mistakes: &mut Mistakes<'_>) {
    let mut seen = BTreeSet::new();
    for email in emails {
        if !is_email(email) {
            mistakes.add("emails", format!("`{email}` is no address"), "write it as ops@acme.example");
        } else if !seen.insert(email.to_lowercase()) {
            mistakes.add("emails", format!("`{email}` is there twice"), "name it once: SNS knows each address once");
        }
    }
}

fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else { return false };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"@,;<>()[]\"\\".contains(&byte));
    email.len() <= 254
        && !local.is_empty()
        && plain(local)
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn architecture(architecture: Option<&str>, mistakes: &mut Mistakes<'_>) -> Option<Architecture> {
    match architecture {
        None | Some("arm64") => Some(Architecture::Arm64),
        Some("x86_64") => Some(Architecture::X86_64),
        Some(other) => {
            let hint = "write arm64, which is cheaper for the same time, or x86_64";
            mistakes.add("architecture", format!("Lambda has no `{other}`"), hint);
            None
        }
    }
}

fn size(stage: Stage, raw: &RawStage, execution_minutes: u64, mistakes: &mut Mistakes<'_>) -> StageSize {
    let key = |what| format!("{}.{what}", stage.name());
    let memory = raw.memory.unwrap_or(WHOLE_PROCESSOR);
    mistakes.within(&key("memory"), memory, 128, 10_240, "MiB");
    let execution = execution_minutes * 60;
    // A stage that nobody set stays below an execution that somebody made short.
    let timeout = raw.timeout.unwrap_or_else(|| 600.min(execution.saturating_sub(30)).max(1));
    mistakes.within(&key("timeout"), timeout, 1, 900, "seconds");
    if raw.timeout.is_some() && timeout <= 900 && timeout >= execution {
        let problem = format!("{timeout} seconds are not less than an execution may take, which is {execution}");
        mistakes.add(&key("timeout"), problem, "make it less, or execution_minutes more");
    }
    StageSize { memory, timeout }
}

fn variables(host_settings: &BTreeMap<String, String>, mistakes: &mut Mistakes<'_>) {
    for (variable, database) in SECRET_VARIABLES {
        if host_settings.contains_key(variable) {
            let problem = "may hold a password, which would stand in the template";
            let hint = format!("leave it out here and run `cargo xtask secret set {database}`");
            mistakes.add(&format!("settings.{database}.url"), problem, hint);
        }
    }
    let bytes: usize = host_settings.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes + OWN_VARIABLES > MOST_VARIABLES {
        let problem = format!("take {bytes} bytes as environment variables, more than Lambda has room for");
        let hint = format!("keep them below {} bytes", MOST_VARIABLES - OWN_VARIABLES);
        mistakes.add("settings", problem, hint);
    }
}
