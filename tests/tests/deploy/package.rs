//! What the environment could not run is not deployed.

use totesys_tests::Data;

use crate::emulator::Permissions;
use crate::environment::Environment;
use crate::tools;

/// Nothing is touched before the package is known to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_could_not_start_is_refused_before_anything_is_touched() {
    let Some(tools) = tools::folder() else { return };
    let environment = Environment::new(&tools, Permissions::Ignored, Data::Empty).await;
    let refused = |file: &str, expected: &str| {
        let said = environment.xtask(&["deploy", "--yes", "--package", file]);
        assert_eq!(said.code, Some(1), "{said:#?}");
        assert!(said.err.contains(expected) && said.err.contains("hint: "), "{said:#?}");
        assert_eq!(environment.stack_status("acme-totesys-data"), None);
    };
    let text = environment.folder.path().join("text.zip");
    std::fs::write(&text, "no zip").unwrap();
    refused(text.to_str().unwrap(), "is no zip with a program `bootstrap`");
    refused("/nowhere/functions.zip", "cannot be read");

    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "x86_64" };
    environment.write_settings_for(other, "");
    refused(tools::package().to_str().unwrap(), &format!("not for {other}"));
}
