//! A bar for each contestant in each stage, as SVG.

use std::fmt::Write as _;

use super::report::Line;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 270.0;
const ROW: f64 = 20.0;
const BARS: f64 = WIDTH - LEFT - 70.0;

/// The medians as bars; every stage has a scale of its own, its longest bar being the full width.
pub(super) fn svg(lines: &[Line]) -> String {
    let mut stages: Vec<&str> = lines.iter().map(|line| line.stage).collect();
    stages.dedup();
    let height = 30.0 + lines.len() as f64 * ROW + stages.len() as f64 * (ROW + 10.0);
    let mut bars = String::new();
    let mut y = 20.0;
    for stage in stages {
        let _ = writeln!(bars, r##"<text x="10" y="{y}" font-weight="bold">{stage}</text>"##);
        y += 6.0;
        let of_stage = || lines.iter().filter(|line| line.stage == stage);
        let longest = of_stage().map(|line| line.median.seconds).fold(f64::MIN_POSITIVE, f64::max);
        for line in of_stage() {
            let seconds = line.median.seconds;
            let (width, colour) = (BARS * seconds / longest, if line.who == "Totesys" { "#1f6f8b" } else { "#b8c4c9" });
            let (text, label) = (y + 14.0, LEFT - 8.0);
            let _ = writeln!(
                bars,
                r##"<text x="{label}" y="{text}" text-anchor="end">{}</text><rect x="{LEFT}" y="{}" width="{width:.1}" height="14" fill="{colour}"/><text x="{:.1}" y="{text}">{seconds:.2} s</text>"##,
                line.who,
                y + 3.0,
                LEFT + width + 6.0,
            );
            y += ROW;
        }
        y += 24.0;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{height}" fill="white"/>
{bars}</svg>
"##
    )
}
