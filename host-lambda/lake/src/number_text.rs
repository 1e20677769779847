//! 64-bit numbers as JSON strings: many readers of JSON lose digits of larger ones.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

fn parse<T: FromStr, E: Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom("a string does not hold the number expected"))
}

/// The same for a number that may be absent.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer, parse};

    pub(crate) fn serialize<T: Display, S: Serializer>(number: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(deserializer)?.as_deref().map(parse).transpose()
    }
}

/// The same for counts by name.
pub(crate) mod by_name {
    use std::collections::BTreeMap;

    use super::{Deserialize, Deserializer, Serializer, parse};

    pub(crate) fn serialize<S: Serializer>(numbers: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(numbers.iter().map(|(name, number)| (name, number.to_string())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u64>, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, number)| Ok((name, parse(&number)?)))
            .collect()
    }
}
