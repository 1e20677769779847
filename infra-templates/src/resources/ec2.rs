//! Private networks.

use serde::Serialize;

use super::Properties;
use crate::Expression;
use crate::policy::Document;

/// Who may speak with what is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityGroup {
    /// Its name.
    pub group_name: Expression,
    /// What it is for.
    pub group_description: String,
    /// The VPC.
    pub vpc_id: String,
    /// Where it may speak to. An empty list stands for everywhere, as AWS has it.
    pub security_group_egress: Vec<Egress>,
}

impl Properties for SecurityGroup {
    const KIND: &'static str = "AWS::EC2::SecurityGroup";
}

/// Where a group may speak to: one of addresses, a prefix list and another group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Egress {
    /// Why.
    pub description: String,
    /// `tcp`.
    pub ip_protocol: &'static str,
    /// The first port.
    pub from_port: u16,
    /// The last port.
    pub to_port: u16,
    /// Addresses, as `10.0.0.0/16`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr_ip: Option<String>,
    /// A service's addresses, as AWS keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_prefix_list_id: Option<String>,
    /// Another group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_security_group_id: Option<Expression>,
}

/// That one group hears another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityGroupIngress {
    /// Who.
    pub group_id: Expression,
    /// Whom.
    pub source_security_group_id: Expression,
    /// Why.
    pub description: String,
    /// `tcp`.
    pub ip_protocol: &'static str,
    /// The first port.
    pub from_port: u16,
    /// The last port.
    pub to_port: u16,
}

impl Properties for SecurityGroupIngress {
    const KIND: &'static str = "AWS::EC2::SecurityGroupIngress";
}

/// A way out of a VPC to S3, which costs nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GatewayEndpoint {
    /// `Gateway`.
    #[serde(rename = "VpcEndpointType")]
    pub endpoint_type: &'static str,
    /// The VPC.
    pub vpc_id: String,
    /// The service.
    pub service_name: Expression,
    /// The route tables that lead to it.
    pub route_table_ids: Vec<String>,
    /// What passes.
    pub policy_document: Document,
}

impl Properties for GatewayEndpoint {
    const KIND: &'static str = "AWS::EC2::VPCEndpoint";
}

/// A service's address within a VPC.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InterfaceEndpoint {
    /// `Interface`.
    #[serde(rename = "VpcEndpointType")]
    pub endpoint_type: &'static str,
    /// The VPC.
    pub vpc_id: String,
    /// The service.
    pub service_name: Expression,
    /// The subnets it is in.
    pub subnet_ids: Vec<String>,
    /// Its security groups.
    pub security_group_ids: Vec<Expression>,
    /// Whether the service's usual name leads to it.
    pub private_dns_enabled: bool,
    /// What passes.
    pub policy_document: Document,
}

impl Properties for InterfaceEndpoint {
    const KIND: &'static str = "AWS::EC2::VPCEndpoint";
}
