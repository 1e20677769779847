//! The functions' place in a private network, where the settings give one. Security groups say what each may reach:
//! transform S3 and nothing else, extract and load also the databases and their secrets. Names are resolved and logs and
//! traces taken by AWS whatever the groups say.

use crate::names::BUCKETS;
use crate::policy::{Document, Statement, arn, s3_arn, secret_arn};
use crate::resources::{
    Egress, GatewayEndpoint, InterfaceEndpoint, Properties, SecurityGroup, SecurityGroupIngress, VpcConfig,
};
use crate::{Environment, Expression, Network, Stage, Template, attribute, reference, sub};

/// The group of the function that speaks to S3 only.
const LAKE_ONLY: &str = "LakeOnlyGroup";
/// The group of the functions that speak to databases.
const DATABASES: &str = "DatabasesGroup";
/// The group of Secrets Manager's address.
const SECRETS: &str = "SecretsEndpointGroup";
/// What that group hears.
const SECRETS_INGRESS: &str = "SecretsEndpointIngress";
/// That address.
const SECRETS_ENDPOINT: &str = "SecretsEndpoint";

const HTTPS: u16 = 443;

/// A security group: one of the template's, or one that is there already.
pub(super) enum Group {
    /// By its logical id.
    Ours(&'static str),
    /// By its id.
    Theirs(String),
}

/// The security groups of a stage's function.
pub(super) fn groups(network: &Network, stage: Stage) -> Vec<Group> {
    match stage {
        Stage::Transform => vec![Group::Ours(LAKE_ONLY)],
        Stage::Extract | Stage::Load => {
            let theirs = network.security_groups.iter().cloned().map(Group::Theirs);
            [Group::Ours(DATABASES)].into_iter().chain(theirs).collect()
        }
    }
}

/// A group's ARN.
pub(super) fn group_arn(group: &Group) -> Expression {
    match group {
        Group::Ours(id) => arn("ec2", &format!("security-group/${{{id}.GroupId}}")),
        Group::Theirs(id) => arn("ec2", &format!("security-group/{id}")),
    }
}

/// Where a stage's function is placed.
pub(super) fn placed(environment: &Environment, stage: Stage) -> Option<VpcConfig> {
    let network = environment.network.as_ref()?;
    let id = |group| match group {
        Group::Ours(id) => attribute(id, "GroupId"),
        Group::Theirs(id) => id.into(),
    };
    let security_group_ids = groups(network, stage).into_iter().map(id).collect();
    Some(VpcConfig { subnet_ids: network.subnets.clone(), security_group_ids })
}

/// What must be there before a stage's function can be used, and is not referred to by it.
pub(super) fn after(environment: &Environment, stage: Stage) -> &'static [&'static str] {
    let speaks_to_databases = stage != Stage::Transform;
    let has_endpoint = environment.network.as_ref().is_some_and(|network| network.secrets_endpoint);
    if has_endpoint && speaks_to_databases { &[SECRETS_ENDPOINT, SECRETS_INGRESS] } else { &[] }
}

/// Adds the groups and the ways to S3 and Secrets Manager, where there is a network.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let Some(network) = &environment.network else { return };
    let https = |description: &str| tcp(description, HTTPS);
    let to_s3 = || Egress { destination_prefix_list_id: Some(network.s3_prefix_list.clone()), ..https("S3") };
    let to_databases = network
        .databases
        .iter()
        .map(|range| Egress { cidr_ip: Some(range.clone()), ..tcp("Databases", network.database_port) });
    let to_secrets = network.secrets_endpoint.then(|| Egress {
        destination_security_group_id: Some(attribute(SECRETS, "GroupId")),
        ..https("Secrets Manager")
    });
    let prefix = environment.names.prefix();
    let group = |name: &str, description: &str, egress| SecurityGroup {
        group_name: format!("{prefix}-{name}").into(),
        group_description: description.to_owned(),
        vpc_id: network.vpc.clone(),
        security_group_egress: egress,
    };
    template.add(LAKE_ONLY, group("lake-only", "Speaks to S3 and nothing else", vec![to_s3()]).resource());
    let egress = [to_s3()].into_iter().chain(to_databases).chain(to_secrets).collect();
    template.add(DATABASES, group("databases", "Speaks to S3, the databases and their secrets", egress).resource());
    if !network.route_tables.is_empty() {
        template.add("S3Endpoint", s3_endpoint(environment, network).resource());
    }
    if network.secrets_endpoint {
        let group = group("secrets-endpoint", "Hears the functions that speak to databases", vec![nowhere()]);
        template.add(SECRETS, group.resource());
        // Not within the group: the two would wait for each other.
        let ingress = SecurityGroupIngress {
            group_id: attribute(SECRETS, "GroupId"),
            source_security_group_id: attribute(DATABASES, "GroupId"),
            description: "Extract and load".to_owned(),
            ip_protocol: "tcp",
            from_port: HTTPS,
            to_port: HTTPS,
        };
        template.add(SECRETS_INGRESS, ingress.resource());
        template.add(SECRETS_ENDPOINT, secrets_endpoint(environment, network).resource());
    }
}

fn tcp(description: &str, port: u16) -> Egress {
    Egress {
        description: description.to_owned(),
        ip_protocol: "tcp",
        from_port: port,
        to_port: port,
        cidr_ip: None,
        destination_prefix_list_id: None,
        destination_security_group_id: None,
    }
}

/// A group without a rule for what goes out would be given one that lets out everything: one for what nobody has instead.
fn nowhere() -> Egress {
    Egress { ip_protocol: "icmp", to_port: 86, cidr_ip: Some("255.255.255.255/32".to_owned()), ..tcp("Nowhere", 252) }
}

/// Through it pass the environment's buckets and no other: nothing can be carried out of the network into a stranger's.
fn s3_endpoint(environment: &Environment, network: &Network) -> GatewayEndpoint {
    let buckets: Vec<String> = BUCKETS.iter().map(|purpose| environment.names.bucket(purpose)).collect();
    let objects = buckets.iter().map(|bucket| s3_arn(&format!("{bucket}/*"))).collect();
    let policy = Document::new(vec![
        Statement::allow("List", &["s3:ListBucket"], buckets.iter().map(|bucket| s3_arn(bucket)).collect())
            .by_everybody(),
        Statement::allow("ReadAndWrite", &["s3:GetObject", "s3:PutObject"], objects).by_everybody(),
    ]);
    GatewayEndpoint {
        endpoint_type: "Gateway",
        vpc_id: network.vpc.clone(),
        service_name: service("s3"),
        route_table_ids: network.route_tables.clone(),
        policy_document: policy,
    }
}

fn secrets_endpoint(environment: &Environment, network: &Network) -> InterfaceEndpoint {
    let secrets = ["source", "warehouse"].map(|database| secret_arn(&environment.names.secret(database))).to_vec();
    let policy =
        Document::new(vec![Statement::allow("Read", &["secretsmanager:GetSecretValue"], secrets).by_everybody().when(
            "StringEquals",
            "aws:PrincipalAccount",
            vec![reference("AWS::AccountId")],
        )]);
    InterfaceEndpoint {
        endpoint_type: "Interface",
        vpc_id: network.vpc.clone(),
        service_name: service("secretsmanager"),
        subnet_ids: network.subnets.clone(),
        security_group_ids: vec![attribute(SECRETS, "GroupId")],
        private_dns_enabled: true,
        policy_document: policy,
    }
}

fn service(name: &str) -> Expression {
    sub(&format!("com.amazonaws.${{AWS::Region}}.{name}"))
}
