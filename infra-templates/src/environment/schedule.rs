//! When the pipeline runs.

use super::check::Mistakes;
use crate::Schedule;

/// What a change may take until it is visible, in minutes.
const LAG_LIMIT: u64 = 30;

/// The default.
const DEFAULT: &str = "rate(10 minutes)";

/// A schedule as EventBridge Scheduler takes it. `10 minutes` is short for `rate(10 minutes)`.
pub(super) fn checked(text: Option<&str>, execution_minutes: u64, mistakes: &mut Mistakes<'_>) -> Option<Schedule> {
    let text = text.unwrap_or(DEFAULT).trim();
    let checked = match function(text) {
        Some(("cron", fields)) => cron(fields),
        Some(("rate", rate)) => rate_of(rate, execution_minutes),
        Some(_) => Err((format!("`{text}` is no schedule"), SHAPES.to_owned())),
        None => rate_of(text, execution_minutes),
    };
    checked.map_err(|(problem, hint)| mistakes.add("schedule", problem, hint)).ok()
}

const SHAPES: &str = "write \"10 minutes\", \"rate(10 minutes)\" or \"cron(0/10 * * * ? *)\"";

type Refused = (String, String);

/// `name(inside)`, taken apart.
fn function(text: &str) -> Option<(&str, &str)> {
    text.strip_suffix(')')?.split_once('(')
}

fn rate_of(rate: &str, execution_minutes: u64) -> Result<Schedule, Refused> {
    let no_rate = || (format!("`{rate}` is no rate"), SHAPES.to_owned());
    let (number, unit) = rate.split_once(' ').ok_or_else(no_rate)?;
    let value: u64 = number.parse().map_err(|_| no_rate())?;
    let (singular, minutes) = match unit {
        "minute" | "minutes" => ("minute", 1),
        "hour" | "hours" => ("hour", 60),
        "day" | "days" => ("day", 24 * 60),
        _ => return Err(no_rate()),
    };
    if value == 0 {
        return Err((format!("`{rate}` would never run"), SHAPES.to_owned()));
    }
    let demanded = if value == 1 { singular.to_owned() } else { format!("{singular}s") };
    if unit != demanded {
        return Err((format!("AWS does not take `{rate}`"), format!("write `{value} {demanded}`")));
    }
    let minutes = value.saturating_mul(minutes);
    // A change that just missed a run waits for the next and for that one to end.
    if minutes.saturating_add(execution_minutes) > LAG_LIMIT {
        let problem = format!(
            "every {minutes} minutes, with executions of up to {execution_minutes}, is later than the {LAG_LIMIT} minutes \
             a change may take"
        );
        let most = LAG_LIMIT.saturating_sub(execution_minutes);
        return Err((problem, format!("run every {most} minutes at least, or make execution_minutes less")));
    }
    Ok(Schedule { expression: format!("rate({value} {unit})"), minutes: Some(minutes) })
}

/// Six fields, of which EventBridge checks more than is checked here. How often one runs is its author's affair.
fn cron(fields: &str) -> Result<Schedule, Refused> {
    let refused = |problem: String, hint: &str| Err((problem, hint.to_owned()));
    let example = "minutes, hours, day of month, month, day of week and year, as in cron(0/10 * * * ? *)";
    let parts: Vec<&str> = fields.split_whitespace().collect();
    let [minutes, hours, day_of_month, month, day_of_week, year] = parts.as_slice() else {
        return refused(format!("`cron({fields})` has {} fields, not six", parts.len()), example);
    };
    for (field, marks) in [
        (minutes, ",-*/"),
        (hours, ",-*/"),
        (day_of_month, ",-*?/LW"),
        (month, ",-*/"),
        (day_of_week, ",-*?/L#"),
        (year, ",-*/"),
    ] {
        if !field.chars().all(|mark| mark.is_ascii_alphanumeric() || marks.contains(mark)) {
            return refused(format!("`{field}` is no field of `cron({fields})`"), example);
        }
    }
    if (*day_of_month == "?") == (*day_of_week == "?") {
        let problem = format!("`cron({fields})` must have `?` as its day of month or its day of week, and only as one");
        return refused(problem, example);
    }
    Ok(Schedule { expression: format!("cron({})", parts.join(" ")), minutes: None })
}
