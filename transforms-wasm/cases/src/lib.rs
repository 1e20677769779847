//! Test cases of a star, as pages a person can read: tables of rows in, tables of rows expected.
//!
//! ```markdown
//! # An order whose date is no date is refused
//!
//! Why this case exists, as long as one likes.
//!
//! ## Input `sales_order`
//!
//! | sales_order_id | agreed_delivery_date |
//! |---|---|
//! | 1 | soon |
//!
//! ## Output `fact_sales_order`
//!
//! | sales_order_id |
//! |---|
//!
//! ## Refused
//!
//! | table | row | column | code |
//! |---|---|---|---|
//! | sales_order | 1 | agreed_delivery_date | malformed-date |
//! ```
//!
//! **Inputs.** A nullable column that is left out is NULL, another one a plain value of its type: 0, empty text,
//! 2000-01-01, midnight, false, no bytes, `{}`. An input that is not named gets no rows; one that occurs twice is
//! pushed twice. Snapshots are pushed before changes, each in the order the star describes, as the host does it.
//!
//! **Outputs.** Only the columns named are compared, and rows in any order. An output that is not named is not
//! compared; a header alone says that there are no rows.
//!
//! **Refused.** `row` counts an input's rows on the page from 1, through all its tables. Without this section no row
//! may be refused.
//!
//! **The page.** It has an input, and an output or a list of refused rows. Below a row stands another one, which begins
//! with `|`, a blank line or the next section. A block of code is no part of the case, and is closed.
//!
//! **Cells.** NULL is no value. A text is written as it is, or in double quotes with JSON's escapes where it would be
//! taken for something else: `"NULL"`, `""`, `" a"`, `"two\nlines"`. `\|` is a pipe. Dates are `2022-11-03`, times
//! `14:20:52.186` up to `24:00:00`, timestamps `2022-11-03T14:20:52.186` and with a `Z` if they have a zone; dates and
//! timestamps may be `infinity` and `-infinity`, years beyond four digits have a sign. Bytes are `\x00ff`.
//!
//! A star's own test is one line of [`assert_cases`]. Whoever has another way to run a star, such as a sandbox, is a
//! [`Subject`] and uses [`run_folder_with`] or [`Case::run`].

mod answer;
mod case;
mod columns;
mod compare;
mod error;
mod folder;
mod grid;
mod mask;
mod page;
mod render;
mod subject;
mod value;

pub use answer::{Answer, Refusal};
pub use case::Case;
pub use error::{CaseError, SubjectError};
pub use folder::{CaseResult, Verdict, assert_cases, pages, report, run_folder, run_folder_with};
pub use mask::mask;
pub use subject::Subject;
