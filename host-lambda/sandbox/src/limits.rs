//! What a component may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Declares the limits once: as values with defaults, as overrides of some of them, and as a list of names.
macro_rules! limits {
    ($($(#[doc = $words:literal])+ $name:ident: $kind:ty = $default:expr;)+) => {
        /// The limits of one component. Exceeding one is a typed error that names it.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $words])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Some limits, for one star, in the place of those for all.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LimitOverrides {
            $($(#[doc = $words])+ pub $name: Option<$kind>,)+
        }

        impl LimitOverrides {
            /// These limits, and the others as they are for all.
            #[must_use]
            pub fn over(&self, all: &Limits) -> Limits {
                Limits { $($name: self.$name.unwrap_or(all.$name),)+ }
            }
        }

        impl Limits {
            /// Every limit by the name of its setting.
            #[must_use]
            pub fn by_name(&self) -> BTreeMap<String, u64> {
                BTreeMap::from([$((stringify!($name).to_owned(), self.$name as u64),)+])
            }
        }
    };
}

limits! {
    /// Linear memory of one transformer, in bytes. Default 512 MiB.
    memory_bytes: usize = 512 << 20;
    /// Table elements of one transformer. Default 20,000.
    table_elements: usize = 20_000;
    /// Core instances of one transformer. Default 16.
    instances: usize = 16;
    /// Tables of one transformer. Default 16.
    tables: usize = 16;
    /// Wall time of one call, in milliseconds. Default 30,000.
    call_milliseconds: u64 = 30_000;
    /// Fuel of one batch, about one for each WebAssembly instruction; 0 means that fuel is not counted. Default 0:
    /// counting makes a component slower, and wall time is limited anyway.
    fuel: u64 = 0;
    /// Bytes lifted out of the component in one call. Default 128 MiB.
    lifted_bytes: usize = 128 << 20;
    /// Bytes of log messages in one batch; what comes after is dropped and counted. Default 64 KiB.
    log_bytes: usize = 64 << 10;
    /// Output rows of a batch, as a multiple of its input rows. Default 16.
    output_rows_factor: u64 = 16;
    /// Output rows a batch may have whatever its input. Default 1,048,576.
    output_rows_floor: u64 = 1 << 20;
    /// Output bytes of a batch, as a multiple of its input bytes. Default 16.
    output_bytes_factor: u64 = 16;
    /// Output bytes a batch may have whatever its input. Default 64 MiB.
    output_bytes_floor: u64 = 64 << 20;
}

/// The limits of every star: some have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StarLimits {
    /// Those of a star without its own.
    pub all: Limits,
    /// What differs, by star.
    pub stars: BTreeMap<String, LimitOverrides>,
}

impl StarLimits {
    /// The limits of a star.
    #[must_use]
    pub fn of(&self, star: &str) -> Limits {
        self.stars.get(star).map_or_else(|| self.all.clone(), |own| own.over(&self.all))
    }
}

impl From<Limits> for StarLimits {
    fn from(all: Limits) -> Self {
        Self { all, stars: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_has_its_own_limits_where_it_says_so() {
        let own = LimitOverrides { memory_bytes: Some(1), ..LimitOverrides::default() };
        let limits = StarLimits { all: Limits::default(), stars: BTreeMap::from([("a".to_owned(), own)]) };
        assert_eq!(limits.of("a"), Limits { memory_bytes: 1, ..Limits::default() });
        assert_eq!(limits.of("b"), Limits::default());
        assert_eq!(limits.of("a").by_name()["memory_bytes"], 1);
        assert_eq!(limits.all.by_name().len(), 12);
    }
}
