//! What an environment's stacks are to be.

use std::collections::BTreeMap;

use anyhow::Result;
use infra_templates::{Environment, Template, data_stack, pipeline_stack};
use totesys_lake::{Lake, sha256_hex};

use super::change_set::{INLINE_LIMIT, Wanted};

/// The parameter that names the functions' code.
pub(crate) const CODE_KEY: &str = "CodeKey";

/// The data stack, as the settings have it.
pub(crate) async fn data(environment: &Environment, lake: Option<&Lake>, is_new: bool) -> Result<Wanted> {
    let name = environment.names.data_stack();
    let wanted = stack(environment, lake, name, &data_stack(environment), BTreeMap::new()).await?;
    // What a stack that went has left is taken in again, contents and all.
    Ok(Wanted { take_in: is_new, ..wanted })
}

/// The pipeline stack with this code.
pub(crate) async fn pipeline(environment: &Environment, lake: Option<&Lake>, code: &str) -> Result<Wanted> {
    let name = environment.names.pipeline_stack();
    let parameters = BTreeMap::from([
        (CODE_KEY.to_owned(), code.to_owned()),
        ("ScheduleExpression".to_owned(), environment.schedule.expression.clone()),
    ]);
    stack(environment, lake, name, &pipeline_stack(environment), parameters).await
}

/// The pipeline stack as it is, with other code.
pub(crate) fn code_only(environment: &Environment, code: &str) -> Wanted {
    Wanted {
        stack: environment.names.pipeline_stack(),
        template: None,
        url: None,
        parameters: BTreeMap::from([(CODE_KEY.to_owned(), code.to_owned())]),
        take_in: false,
    }
}

/// A stack of a template; one that is too large to be sent is stored first.
pub(crate) async fn stack(
    environment: &Environment,
    lake: Option<&Lake>,
    name: String,
    template: &Template,
    parameters: BTreeMap<String, String>,
) -> Result<Wanted> {
    of_text(environment, lake, name, template.compact(), parameters).await
}

/// The pipeline stack with the template and the code of an earlier deployment.
pub(crate) async fn former(environment: &Environment, lake: &Lake, template: String, code: &str) -> Result<Wanted> {
    let parameters = BTreeMap::from([(CODE_KEY.to_owned(), code.to_owned())]);
    of_text(environment, Some(lake), environment.names.pipeline_stack(), template, parameters).await
}

/// Where a package lies in the code bucket.
pub(crate) fn code_key(sha256: &str) -> String {
    format!("functions/{sha256}.zip")
}

/// The same of a template's text.
async fn of_text(
    environment: &Environment,
    lake: Option<&Lake>,
    name: String,
    template: String,
    parameters: BTreeMap<String, String>,
) -> Result<Wanted> {
    let url = match lake {
        Some(lake) if template.len() > INLINE_LIMIT => {
            lake.put_template(&template).await?;
            Some(url(environment, &template))
        }
        _ => None,
    };
    Ok(Wanted { stack: name, template: Some(template), url, parameters, take_in: false })
}

/// Where CloudFormation finds a stored template.
fn url(environment: &Environment, template: &str) -> String {
    let (region, bucket) = (&environment.region, environment.names.bucket("code"));
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://s3.{region}.{domain}/{bucket}/templates/{}.json", sha256_hex(template.as_bytes()))
}
