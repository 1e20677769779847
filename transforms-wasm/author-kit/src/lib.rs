//! What the author of a star should not have to write.
//!
//! A star is a function that returns a [`Transform`]; most are a [`Definition`], a table of
//! columns with the rule that fills each. [`export_star!`] makes it a component, and
//! [`Session`] runs the very same code natively.

mod definition;
mod error;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
mod ipc;
mod mapping;
mod rows;
mod session;
mod text_date;
mod transform;

pub use arrow_array;
pub use arrow_schema;
pub use definition::{Definition, Derived};
pub use error::KitError;
pub use mapping::{Lookup, Mapping, Rule, computed, copy, date_of, looked_up, parsed_date, time_of, via};
pub use rows::Rows;
pub use session::Session;
pub use star_contract::{
    Column, ColumnType, Delivery, Description, Input, Outcome, Output, OutputBatch, Reference, RefusedRow, Role,
};
pub use transform::{Sink, Transform};

/// Makes a star a component: `export_star!(star)` with `fn star() -> impl Transform`.
///
/// Natively it expands to nothing, so that the crate can be tested as an ordinary library.
#[macro_export]
macro_rules! export_star {
    ($star:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Star;
            impl $crate::guest::Make for Star {
                fn make() -> Box<dyn $crate::Transform> {
                    Box::new($star())
                }
            }
            type Exported = $crate::guest::Component<Star>;
    $crate::guest::bindings::export!(Exported with_types_in $crate::guest::bindings);
        };
    };
}
