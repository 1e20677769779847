//! The names by which rows in quarantine are asked for.

use std::fmt;
use std::str::FromStr;

use crate::HostError;

/// The name of a row in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowId {
    /// A change that a component refuses: its number among those of its star, batch and table.
    Refused { star: String, batch: u64, table: String, number: u64 },
    /// A row the codec could not hold.
    Unreadable { batch: u64, table: String, number: u64 },
    /// A fact that waits in the warehouse.
    Waiting { fact: String, batch: u64, number: i64 },
    /// A row of a batch that was stopped.
    Stopped { star: String, batch: u64, number: u64 },
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { star, batch, table, number } => write!(f, "refused/{star}/{batch}/{number}/{table}"),
            Self::Unreadable { batch, table, number } => write!(f, "unreadable/{batch}/{number}/{table}"),
            Self::Waiting { fact, batch, number } => write!(f, "waiting/{batch}/{number}/{fact}"),
            Self::Stopped { star, batch, number } => write!(f, "stopped/{star}/{batch}/{number}"),
        }
    }
}

impl FromStr for RowId {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        parse(text).ok_or_else(|| HostError::NotInQuarantine { id: text.chars().take(200).collect() })
    }
}

fn parse(text: &str) -> Option<RowId> {
    let (kind, rest) = text.split_once('/')?;
    match kind {
        "refused" => {
            let mut parts = rest.splitn(4, '/');
            let (star, batch) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
            Some(RowId::Refused { star, batch, number: parts.next()?.parse().ok()?, table: parts.next()?.to_owned() })
        }
        "unreadable" | "waiting" => {
            let mut parts = rest.splitn(3, '/');
            let (batch, number, table) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?.to_owned());
            Some(if kind == "waiting" {
                RowId::Waiting { fact: table, batch, number: number.parse().ok()? }
            } else {
                RowId::Unreadable { batch, table, number: number.parse().ok()? }
            })
        }
        "stopped" => {
            let mut parts = rest.splitn(3, '/');
            let (star, batch) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
            Some(RowId::Stopped { star, batch, number: parts.next()?.parse().ok()? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_understood() {
        let table = || "Order / Details".to_owned();
        for id in [
            RowId::Refused { star: "sales".into(), batch: 3, table: table(), number: 17 },
            RowId::Unreadable { batch: u64::MAX, table: table(), number: 0 },
            RowId::Waiting { fact: "fact_x".into(), batch: 3, number: 5 },
            RowId::Stopped { star: "sales".into(), batch: 3, number: 5 },
        ] {
            assert_eq!(id.to_string().parse::<RowId>().unwrap(), id);
        }
        for wrong in ["", "refused", "refused/sales/3/17", "refused/sales/x/17/t", "lost/1/2/t", "stopped/sales/3/-1"] {
            assert!(wrong.parse::<RowId>().is_err(), "{wrong}");
        }
    }
}
