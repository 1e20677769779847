//! The templates and the state machines as Mermaid diagrams, from the same values: the same values give the same bytes.

mod access;
mod infrastructure;
mod states;

pub use infrastructure::infrastructure;
pub use states::state_machine;

/// A text within a label: Mermaid ends a quoted one at `"`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "#quot;"))
}
