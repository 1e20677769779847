//! The private network.

use std::net::Ipv4Addr;

use super::check::Mistakes;
use crate::{Network, RawNetwork};

/// PostgreSQL's own port.
const POSTGRESQL: u64 = 5432;

impl RawNetwork {
    /// The network, if nothing is wrong with it; the mistakes are the caller's to look at.
    pub(super) fn check(self, mistakes: &mut Mistakes<'_>) -> Option<Network> {
        let required = |value: Option<String>, key: &str, hint: &str, mistakes: &mut Mistakes<'_>| {
            if value.is_none() {
                mistakes.add(key, "is not set", hint);
            }
            value
        };
        let hint = "name the VPC the databases are in, vpc-…";
        let vpc = required(self.vpc, "network.vpc", hint, mistakes);
        let hint = "aws ec2 describe-managed-prefix-lists --filters Name=prefix-list-name,Values=com.amazonaws.REGION.s3 \
                    prints it";
        let s3_prefix_list = required(self.s3_prefix_list, "network.s3_prefix_list", hint, mistakes);
        if self.subnets.is_empty() {
            let hint = "name one subnet at least, and better one in each of two zones";
            mistakes.add("network.subnets", "is empty: a function in a VPC is in a subnet of it", hint);
        }
        for (key, kind, ids) in [
            ("network.vpc", "vpc", vpc.as_slice()),
            ("network.subnets", "subnet", self.subnets.as_slice()),
            ("network.security_groups", "sg", self.security_groups.as_slice()),
            ("network.route_tables", "rtb", self.route_tables.as_slice()),
            ("network.s3_prefix_list", "pl", s3_prefix_list.as_slice()),
        ] {
            for id in ids.iter().filter(|id| !is_id(kind, id)) {
                let hint = format!("write {kind}- and 8 or 17 hexadecimal digits");
                mistakes.add(key, format!("`{id}` is no id of this kind"), hint);
            }
            if let Some(twice) = ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
                mistakes.add(key, format!("`{}` is there twice", twice.1), "name it once");
            }
        }
        for range in self.databases.iter().filter(|range| !is_range(range)) {
            let hint = "write addresses as 10.0.3.0/24, and a single one as 10.0.3.7/32";
            mistakes.add("network.databases", format!("`{range}` is no range of addresses"), hint);
        }
        if self.databases.is_empty() && self.security_groups.is_empty() {
            let hint = "name the databases' addresses, or in network.security_groups a group that leads to them";
            mistakes.add("network.databases", "is empty: nothing leads to the databases", hint);
        }
        let port = self.database_port.unwrap_or(POSTGRESQL);
        mistakes.within("network.database_port", port, 1, u64::from(u16::MAX), "as a port");
        let secrets_endpoint = self.secrets_endpoint.unwrap_or(true);
        if !secrets_endpoint && self.security_groups.is_empty() {
            let hint = "set it to true, or name in network.security_groups a group that leads to Secrets Manager";
            mistakes.add("network.secrets_endpoint", "is false: nothing leads to the databases' secrets", hint);
        }
        Some(Network {
            vpc: vpc?,
            subnets: self.subnets,
            security_groups: self.security_groups,
            route_tables: self.route_tables,
            s3_prefix_list: s3_prefix_list?,
            databases: self.databases,
            database_port: u16::try_from(port).ok()?,
            secrets_endpoint,
        })
    }
}

/// EC2 writes ids with 17 hexadecimal digits, and old ones with 8.
fn is_id(kind: &str, id: &str) -> bool {
    let digits = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether a text is a range of IPv4 addresses whose first address it names. All addresses are none: the point is to
/// say where the databases are.
fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(bits)) = (address.parse::<Ipv4Addr>(), bits.parse::<u32>()) else { return false };
    (1..=32).contains(&bits) && u32::from(address) & u32::MAX.checked_shr(bits).unwrap_or_default() == 0
}
