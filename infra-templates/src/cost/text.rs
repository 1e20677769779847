//! An estimate as people read it.

use std::fmt::Write as _;

use super::Estimate;

impl Estimate {
    /// The estimate as a table, with what it stands on.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let (volume, runs, seconds) = (&self.volume, &self.runs, &self.seconds);
        let minutes = volume.schedule_minutes.unwrap_or_default();
        let largest = grouped(volume.source_rows);
        writeln!(
            to,
            "a run every {minutes} min; {} changed rows a working day; largest table {largest} rows",
            grouped(volume.rows_per_day)
        )?;
        writeln!(
            to,
            "a month: {} runs find nothing ({:.1} s), {} make a batch (extract {:.1} s, each star {:.1} s, load {:.1} s)",
            grouped(runs.nothing),
            seconds.nothing,
            grouped(runs.something),
            seconds.extract,
            seconds.transform,
            seconds.load,
        )?;
        writeln!(to, "list prices of {} in US dollars, written down {}, without tax\n", self.region, self.prices_of)?;
        writeln!(to, "{:<36}{:>12}{:>14}{:>9}{:>12}{:>9}", "", "a month", "each", "list", "free", "to pay")?;
        for line in &self.lines {
            let free = if line.free > 0.0 { grouped(line.free) } else { "–".to_owned() };
            writeln!(
                to,
                "{:<36}{:>12}{:>14}{:>9.2}{:>12}{:>9.2}",
                line.what,
                amount(line.quantity),
                each(line.price),
                line.list(),
                free,
                line.left()
            )?;
        }
        let sum = |to: &mut String, what: &str, list: f64, left: f64| {
            writeln!(to, "{what:<62}{list:>9.2}{:>12}{left:>9.2}", "")
        };
        sum(to, "all of it", self.list, self.left)?;
        sum(to, "with a Glue job for each run instead of the functions", self.list_with_glue, self.left_with_glue)?;
        writeln!(to)?;
        writeln!(
            to,
            "the lake has {:.2} GB after a month and {:.2} GB after a year",
            self.stored_gb[0], self.stored_gb[1]
        )?;
        if let Some(nat) = self.nat_instead {
            writeln!(to, "a NAT gateway instead of the endpoint: {nat:.2}")?;
        }
        if !self.own_region {
            writeln!(to, "no prices of the environment's own region are known here: look them up")?;
        }
        Ok(())
    }
}

/// A number with commas between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn amount(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.0 { format!("{number:.2}") } else { grouped(number) }
}

/// A price without zeros at its end.
fn each(price: f64) -> String {
    let text = format!("{price:.10}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{:0<2}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0.0, 999.0, 1_000.4, 1_234_567.0].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.3, 3.0, 0.000_013_333_4, 0.000_025].map(each), ["0.30", "3.00", "0.0000133334", "0.000025"]);
        assert_eq!([0.04, 8.0, 12.5].map(amount), ["0.04", "8", "12"]);
    }
}
