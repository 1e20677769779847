//! How the databases are reached. The secrets are made without a value: `secret set` puts it in, and no template ever
//! holds it.

use crate::resources::{Properties, Secret};
use crate::{Environment, Template};

/// The logical id of the source's secret.
pub(super) const SOURCE: &str = "SourceSecret";
/// The logical id of the warehouse's secret.
pub(super) const WAREHOUSE: &str = "WarehouseSecret";

/// Adds both secrets.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    for (id, database) in [(SOURCE, "source"), (WAREHOUSE, "warehouse")] {
        let secret = Secret {
            name: environment.names.secret(database).into(),
            description: format!("How the {database} is reached: set with cargo xtask secret set {database}"),
        };
        template.add(id, secret.resource().retained());
    }
}
