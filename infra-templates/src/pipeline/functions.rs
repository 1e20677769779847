//! The three functions: one program, told by its environment which stage it is.

use std::collections::BTreeMap;

use super::{logs, network, roles};
use crate::resources::{Code, Function, LoggingConfig, Properties, TracingConfig, Variables};
use crate::{Environment, Expression, Stage, Template, attribute, reference};

/// Where the authorities' file is in the program's zip.
const SSLROOTCERT: &str = "/var/task/sslrootcert.pem";

/// The logical id of a stage's function.
pub(super) fn id(stage: Stage) -> &'static str {
    match stage {
        Stage::Extract => "ExtractFunction",
        Stage::Transform => "TransformFunction",
        Stage::Load => "LoadFunction",
    }
}

/// Adds the functions.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    for stage in Stage::ALL {
        let function = function(environment, stage).resource();
        template.add(id(stage), function.after(network::after(environment, stage)));
    }
}

fn function(environment: &Environment, stage: Stage) -> Function {
    let names = &environment.names;
    let size = environment.size(stage);
    let description = match stage {
        Stage::Extract => "Source to lake: what changed since the batch before",
        Stage::Transform => "Lake to lake: what a star's component makes of a batch",
        Stage::Load => "Lake to warehouse: each star's batches in their order",
    };
    Function {
        function_name: names.function(stage.name()).into(),
        description: description.to_owned(),
        runtime: "provided.al2023",
        handler: "bootstrap",
        code: Code { bucket: names.bucket("code").into(), key: reference("CodeKey") },
        architectures: vec![environment.architecture.name()],
        role: attribute(roles::id(stage), "Arn"),
        memory_size: size.memory,
        timeout: size.timeout,
        environment: Variables { variables: variables(environment, stage) },
        tracing_config: TracingConfig { mode: "Active" },
        logging_config: LoggingConfig {
            log_group: reference(logs::of_function(stage)),
            log_format: "JSON",
            // The settings of the host say what it logs: Lambda, left alone, would drop what is less than INFO.
            application_log_level: "TRACE",
            // With less there would be no report of how long a call and a start took, and of how much memory.
            system_log_level: "INFO",
        },
        vpc_config: network::placed(environment, stage),
    }
}

fn variables(environment: &Environment, stage: Stage) -> BTreeMap<String, Expression> {
    let names = &environment.names;
    let settings = environment.host_settings.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    let mut variables: BTreeMap<String, Expression> = settings.collect();
    let mut set = |name: &str, value: Expression| variables.insert(name.to_owned(), value);
    set("TOTESYS_STAGE", stage.name().into());
    set("TOTESYS_LAKE_PREFIX", names.prefix().into());
    if let Some(database) = roles::database(stage) {
        let variable = format!("TOTESYS_{}_SECRET", database.to_uppercase());
        set(&variable, names.secret(database).into());
        if environment.sslrootcert.is_some() {
            set("PGSSLROOTCERT", SSLROOTCERT.into());
        }
    }
    if stage == Stage::Extract {
        set("TOTESYS_SOURCE_CHUNK_ABOVE_BYTES", environment.chunk_above_bytes.to_string().into());
    }
    variables
}
