//! What was found, with what to do about it.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    /// It works, but not all of it, or it cannot be told.
    Warning,
    /// Something will fail.
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) area: &'static str,
    pub(super) verdict: Verdict,
    pub(super) what: String,
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Ok, what: what.into(), remedy: None }
    }

    pub(super) fn warning(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Warning, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn error(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Error, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// An error's sentence and its own hint, after some words.
    pub(super) fn of_error(area: &'static str, verdict: Verdict, words: &str, error: &anyhow::Error) -> Self {
        let what = format!("{words}: {}", host_lambda::sentence(error.as_ref()));
        Self { area, verdict, what, remedy: crate::hint::of(error) }
    }
}

/// The findings by area, and how many of them are in the way.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut area = "";
    for finding in findings {
        if finding.area != area {
            area = finding.area;
            text += &format!("{area}\n");
        }
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Error => "ERROR",
        };
        let mut lines = finding.what.lines();
        text += &format!("  {verdict:<8} {}\n", lines.next().unwrap_or_default());
        for line in lines {
            text += &format!("           {line}\n");
        }
        for (number, line) in finding.remedy.iter().flat_map(|remedy| remedy.lines()).enumerate() {
            let heading = if number == 0 { "hint: " } else { "      " };
            text += &format!("           {heading}{line}\n");
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    text += &match (count(Verdict::Error), count(Verdict::Warning)) {
        (0, 0) => "nothing is in the way\n".to_owned(),
        (0, warnings) => format!("nothing is in the way; {}\n", counted(warnings, "warning")),
        (errors, warnings) => format!("{}, {}\n", counted(errors, "error"), counted(warnings, "warning")),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_by_area() {
        let findings = [
            Finding::ok("tools", "rustc 1.95.0"),
            Finding::warning("tools", "there is no cargo-zigbuild", "pip install ziglang cargo-zigbuild"),
            Finding::error(
                "rights",
                "2 rights are missing:\ns3:CreateBucket on arn:aws:s3:::acme-totesys-code\nlambda:CreateFunction",
                "attach the policy\nthat --policy prints",
            ),
        ];
        insta::assert_snapshot!(text(&findings));
        assert!(text(&findings[..1]).ends_with("nothing is in the way\n"));
        assert!(text(&findings[..2]).ends_with("nothing is in the way; 1 warning\n"));
    }

    #[test]
    fn an_error_brings_its_own_advice() {
        let error = crate::hint::advise("the cup is empty", "fill it");
        let expected = Finding::error("tea", "no tea: the cup is empty", "fill it");
        assert_eq!(Finding::of_error("tea", Verdict::Error, "no tea", &error), expected);
    }
}
