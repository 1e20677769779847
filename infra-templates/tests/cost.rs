//! docs/cost.md shows what the command prints.

use std::collections::BTreeMap;
use std::path::Path;

use infra_templates::RawEnvironment;
use infra_templates::cost::{Volume, estimate};

/// What stands between these lines of the page is written by this test when `UPDATE_GOLDEN` is set.
fn marks(name: &str) -> [String; 2] {
    [format!("<!-- printed: {name} -->\n\n```text\n"), format!("```\n\n<!-- /printed: {name} -->")]
}

#[test]
fn the_page_shows_what_is_printed() {
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        ..RawEnvironment::default()
    };
    let environment = raw.check("production", BTreeMap::new()).unwrap();
    let minute = Volume { schedule_minutes: Some(1.0), ..Volume::default() };
    let private = Volume { private_network: true, ..Volume::default() };
    let thousandfold = Volume { rows_per_day: 124_000.0, source_rows: 14_581_000.0, ..Volume::default() };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (name, volume) in
        [("default", Volume::default()), ("minute", minute), ("vpc", private), ("thousandfold", thousandfold)]
    {
        let printed = estimate(&environment, volume).unwrap().text();
        let [begin, end] = marks(name);
        let from = page.find(&begin).unwrap_or_else(|| panic!("docs/cost.md has no `{name}`")) + begin.len();
        let until = from + page[from..].find(&end).unwrap_or_else(|| panic!("docs/cost.md does not end `{name}`"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            page.replace_range(from..until, &printed);
            std::fs::write(&path, &page).unwrap();
        } else {
            let hint = "UPDATE_GOLDEN=1 cargo test -p infra-templates --test cost writes it; then read `git diff`";
            assert!(page[from..until] == printed, "docs/cost.md shows another `{name}` (hint: {hint}):\n{printed}");
        }
    }
}
