//! Nothing that a pipeline prints holds a row's value or a secret, whatever level is asked for.

use std::process::Command;

use totesys_tests::planted;

/// All that the program printed in one format.
fn printed(format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_printed"))
        .arg(format)
        .env("PGPASSWORD", planted::ENV_PASSWORD)
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the program starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", tail(&text));
    assert!(text.contains("everything was printed"), "{}", tail(&text));
    text
}

fn tail(text: &str) -> String {
    text.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The lines with a planted value, cut around it.
fn leaks(text: &str) -> Vec<String> {
    let mut leaks = Vec::new();
    for value in planted::all() {
        for (at, _) in text.match_indices(value).take(3) {
            let around = |text: &str, most: usize| text.chars().take(most).collect::<String>();
            let before: String = text[..at].chars().rev().take(160).collect::<Vec<_>>().into_iter().rev().collect();
            leaks.push(format!("{value}: …{before}{}", around(&text[at..], 120)));
        }
    }
    leaks
}

#[test]
fn no_row_value_and_no_secret_is_printed_at_trace_level() {
    for format in ["human", "json"] {
        let text = printed(format);
        let leaks = leaks(&text);
        assert!(leaks.is_empty(), "{format}:\n{}", leaks.join("\n"));
        // It did print, down to the finest level, and what was provoked came about.
        for expected in ["batch extracted", "object written", "provoked: ", "check_violation", "raise_exception"] {
            assert!(text.contains(expected), "{format}: nothing says `{expected}`");
        }
    }
}

/// Without the bound the same run does print what other crates say below INFO, and a planted value would be found.
#[test]
fn the_bound_is_what_keeps_other_crates_quiet() {
    let (bare, bounded) = (printed("bare"), printed("json"));
    for other in ["aws_smithy", "hyper_util"] {
        assert!(bare.contains(other), "{other} says something");
        assert!(!bounded.contains(&format!("\"target\":\"{other}")), "{other} is kept quiet");
    }
    assert_eq!(leaks(&format!("a line with {} in it", planted::URL_PASSWORD)).len(), 1);
}
