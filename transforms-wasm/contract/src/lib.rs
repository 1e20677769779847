//! The contract between the host and a star's transform, as plain Rust values.
//!
//! `wit/star.wit` is the contract itself; these types are its image on both sides, so that the
//! author kit and the host speak of the same things without either knowing the other's bindings.

mod check;
mod describe;
mod outcome;
mod together;
mod types;

pub use check::{DescriptionError, check};
pub use describe::{Column, Delivery, Description, Extras, Input, Output, Reference, Role, without_fields};
pub use outcome::{Outcome, OutputBatch, RefusedRow};
pub use together::check_together;
pub use types::ColumnType;

/// The WIT package version that components are built against now. `released/` keeps every version as it was.
pub const CONTRACT_VERSION: &str = "0.2.0";

/// The versions whose components a host runs: the current one and the one before.
pub const SERVED_VERSIONS: &[&str] = &["0.1.0", CONTRACT_VERSION];

/// The most rows one push may carry.
pub const MAX_PUSH_ROWS: usize = 64 * 1024;

/// The most bytes one pushed Arrow IPC stream may have.
pub const MAX_PUSH_BYTES: usize = 8 * 1024 * 1024;

/// What to do about a component that was built against a version that is not served, or against none.
#[must_use]
pub fn side_to_update(found: Option<&str>) -> &'static str {
    let numbers = |version: &str| -> Option<Vec<u64>> { version.split('.').map(|part| part.parse().ok()).collect() };
    let newest = numbers(CONTRACT_VERSION);
    match found.map(numbers) {
        Some(Some(found)) if Some(&found) > newest.as_ref() => {
            "the component is newer than this host: update the host, or build the component with this host's author kit"
        }
        Some(Some(_)) => "the component is too old for this host: build it again with this host's author kit",
        _ => "a star exports `totesys:star/transform`: build it with the author kit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_is_behind_is_the_one_to_update() {
        assert!(side_to_update(Some("0.10.0")).contains("update the host"));
        assert!(side_to_update(Some("0.0.9")).contains("build it again"));
        assert!(side_to_update(Some("nonsense")).contains("exports"));
        assert!(side_to_update(None).contains("exports"));
    }

    #[test]
    fn the_current_contract_is_the_released_one_of_its_version() {
        let current = include_str!("../wit/star.wit");
        assert!(current.contains(&format!("package totesys:star@{CONTRACT_VERSION};")));
        // To change the contract, give it another version and release it beside the others.
        assert_eq!(current, include_str!("../released/0.2.0/star.wit"), "the contract was edited without a bump");
    }
}
