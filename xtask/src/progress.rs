//! How far each table is: bars on a terminal, a few plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

/// How often a table that is still running gets a plain line.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of several tables at once, on stderr.
#[derive(Clone)]
pub(crate) struct Progress {
    display: Display,
}

#[derive(Clone)]
enum Display {
    Bars { bars: MultiProgress, colour: bool },
    Lines(Arc<Mutex<Box<dyn Write + Send>>>),
}

impl Progress {
    /// Bars if stderr is a terminal that can draw them, plain lines otherwise.
    pub(crate) fn new() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let display = if std::io::stderr().is_terminal() && !dumb {
            Display::Bars { bars: MultiProgress::new(), colour: !set("NO_COLOR") }
        } else {
            Display::Lines(Arc::new(Mutex::new(Box::new(std::io::stderr()))))
        };
        Self { display }
    }

    /// Starts a table; without `expected_rows` its bar has no end.
    pub(crate) fn table(&self, name: &str, expected_rows: Option<u64>) -> TableProgress {
        let bytes = Arc::new(AtomicU64::new(0));
        let (bar, lines) = match &self.display {
            Display::Bars { bars, colour } => {
                let bar = expected_rows.map_or_else(ProgressBar::no_length, ProgressBar::new);
                bar.set_style(style(&bytes, expected_rows.is_some(), *colour));
                bar.set_prefix(name.to_owned());
                (Some(bars.add(bar)), None)
            }
            Display::Lines(lines) => (None, Some(Arc::clone(lines))),
        };
        let now = Instant::now();
        TableProgress {
            name: name.to_owned(),
            rows: AtomicU64::new(0),
            bytes,
            started: now,
            bar,
            lines,
            spoken: Mutex::new(now),
        }
    }
}

fn style(bytes: &Arc<AtomicU64>, bounded: bool, colour: bool) -> ProgressStyle {
    let bar = match (bounded, colour) {
        (true, true) => "{bar:24.cyan/blue} ",
        (true, false) => "{bar:24} ",
        (false, _) => "",
    };
    let template = format!("{{prefix:<22}} {bar}{{human_pos:>12}} rows {{moved:>11}} {{pace:>14}} rows/s");
    let moved = Arc::clone(bytes);
    ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
        .with_key("moved", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", HumanBytes(moved.load(Ordering::Relaxed)));
        })
        .with_key("pace", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", HumanCount(pace(state.pos(), state.elapsed())));
        })
}

fn pace(rows: u64, elapsed: Duration) -> u64 {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    rows.saturating_mul(1000) / milliseconds
}

/// One table under way; shared between the tasks that move its rows.
pub(crate) struct TableProgress {
    name: String,
    rows: AtomicU64,
    bytes: Arc<AtomicU64>,
    started: Instant,
    bar: Option<ProgressBar>,
    lines: Option<Arc<Mutex<Box<dyn Write + Send>>>>,
    spoken: Mutex<Instant>,
}

impl TableProgress {
    /// So many more rows and bytes are done.
    pub(crate) fn advance(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(rows);
        } else if let Ok(mut spoken) = self.spoken.try_lock()
            && spoken.elapsed() >= LINE_EVERY
        {
            *spoken = Instant::now();
            self.line("so far");
        }
    }

    /// The table is done.
    pub(crate) fn finish(self) {
        match &self.bar {
            Some(bar) => {
                // Where the expected count was a guess, the bar must still end full.
                bar.set_length(bar.position());
                bar.finish();
            }
            None => self.line("done"),
        }
    }

    fn line(&self, state: &str) {
        let Some(lines) = &self.lines else { return };
        let (rows, bytes) = (self.rows.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let rate = HumanCount(pace(rows, self.started.elapsed()));
        let text = format!("{}: {} rows, {}, {rate} rows/s, {state}\n", self.name, HumanCount(rows), HumanBytes(bytes));
        // Progress that cannot be shown is no reason to fail the work.
        let _ = lines.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_each_table_gets_one_line() {
        let page = Page::default();
        let progress = Progress { display: Display::Lines(Arc::new(Mutex::new(Box::new(page.clone())))) };
        let table = progress.table("sales_order", Some(1500));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..500).for_each(|_| table.advance(1, 2)));
            }
        });
        table.finish();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("sales_order: 1,500 rows, 2.93 KiB, "), "{text}");
        assert!(text.ends_with(" rows/s, done\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn the_bar_templates_are_valid() {
        for bounded in [true, false] {
            for colour in [true, false] {
                let bar = ProgressBar::hidden();
                bar.set_style(style(&Arc::default(), bounded, colour));
                bar.tick();
            }
        }
        assert_eq!(pace(3000, Duration::from_secs(2)), 1500);
        assert_eq!(pace(1, Duration::ZERO), 1000);
    }
}
