use std::collections::BTreeMap;

use crate::{Environment, EnvironmentError, RawEnvironment};

const MINIMAL: &str = "region = 'eu-west-2'\nprefix = 'acme-totesys'\n";

fn checked(text: &str) -> Result<Environment, Vec<EnvironmentError>> {
    toml::from_str::<RawEnvironment>(text).unwrap().check("production", BTreeMap::new())
}

/// What is wrong with the minimal settings and these.
fn mistakes(more: &str) -> Vec<String> {
    let text = if more.contains("region =") || more.contains("prefix =") {
        let set = |key: &str| more.lines().any(|line| line.starts_with(key));
        let kept = MINIMAL.lines().filter(|line| !set(line.split(' ').next().unwrap()));
        kept.map(|line| format!("{line}\n")).collect::<String>() + more
    } else {
        format!("{MINIMAL}{more}")
    };
    let errors = checked(&text).err().unwrap_or_default();
    assert!(errors.iter().all(|error| !error.hint.is_empty()), "{errors:?}");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_said_has_its_default() {
    let environment = checked(MINIMAL).unwrap();
    assert_eq!(environment.schedule.expression, "rate(10 minutes)");
    assert_eq!(environment.schedule.minutes, Some(10));
    assert_eq!(environment.architecture.name(), "arm64");
    assert_eq!((environment.execution_minutes, environment.log_retention_days), (14, 30));
    assert_eq!((environment.old_versions_days, environment.chunk_above_bytes), (30, 21_474_836_480));
    assert!(environment.sizes.iter().all(|size| (size.memory, size.timeout) == (1769, 600)));
    let short = checked(&format!("{MINIMAL}execution_minutes = 5")).unwrap();
    assert!(short.sizes.iter().all(|size| size.timeout == 270));
}

#[test]
fn each_mistake_is_named_with_its_key() {
    let network = |line: &str| {
        let kept = [
            "vpc = 'vpc-01234567'",
            "subnets = ['subnet-01234567']",
            "s3_prefix_list = 'pl-01234567'",
            "databases = ['10.0.0.0/16']",
        ];
        let key = line.split(' ').next().unwrap_or_default();
        let kept = kept.iter().filter(|kept| !kept.starts_with(&format!("{key} ")));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        format!("[network]\n{kept}{line}\n")
    };
    for (text, expected) in [
        // Regions.
        ("region = 'london'".to_owned(), "region: `london` is no AWS region"),
        ("region = 'EU-west-2'".to_owned(), "region: `EU-west-2` is no AWS region"),
        ("region = 'eu-west-2a'".to_owned(), "region: `eu-west-2a` is no AWS region"),
        // Accounts.
        ("account = '12345678901'".to_owned(), "account: `12345678901` is no account number"),
        ("account = '1234-5678-90'".to_owned(), "account: `1234-5678-90` is no account number"),
        // Prefixes.
        ("prefix = 'ab'".to_owned(), "prefix: has 2 characters; buckets are named with it"),
        (
            "prefix = 'a-very-long-prefix-of-forty-three-letters-a'".to_owned(),
            "prefix: has 43 characters; buckets are named with it",
        ),
        ("prefix = 'Acme'".to_owned(), "prefix: `Acme` has characters that a bucket's name has not"),
        ("prefix = 'acme.totesys'".to_owned(), "prefix: `acme.totesys` has characters that a bucket's name has not"),
        ("prefix = 'acme_totesys'".to_owned(), "prefix: `acme_totesys` has characters that a bucket's name has not"),
        ("prefix = '4cme'".to_owned(), "prefix: `4cme` does not begin with a letter; stacks are named with it"),
        ("prefix = 'acme-'".to_owned(), "prefix: `acme-` has a hyphen too many"),
        ("prefix = 'acme--totesys'".to_owned(), "prefix: `acme--totesys` has a hyphen too many"),
        ("prefix = 'sthree-acme'".to_owned(), "prefix: `sthree-acme` begins as S3 keeps for itself"),
        // Addresses.
        ("emails = ['ops']".to_owned(), "emails: `ops` is no address"),
        ("emails = ['ops@acme']".to_owned(), "emails: `ops@acme` is no address"),
        ("emails = ['a b@acme.example']".to_owned(), "emails: `a b@acme.example` is no address"),
        ("emails = ['a@b@acme.example']".to_owned(), "emails: `a@b@acme.example` is no address"),
        ("emails = ['a@x.example', 'A@x.example']".to_owned(), "emails: `A@x.example` is there twice"),
        // Schedules.
        ("schedule = 'rate(1 minutes)'".to_owned(), "schedule: AWS does not take `1 minutes`"),
        ("schedule = 'rate(10 minute)'".to_owned(), "schedule: AWS does not take `10 minute`"),
        ("schedule = '0 minutes'".to_owned(), "schedule: `0 minutes` would never run"),
        ("schedule = '10 fortnights'".to_owned(), "schedule: `10 fortnights` is no rate"),
        ("schedule = 'ten minutes'".to_owned(), "schedule: `ten minutes` is no rate"),
        ("schedule = '10'".to_owned(), "schedule: `10` is no rate"),
        ("schedule = 'at(2030-01-01T00:00:00)'".to_owned(), "schedule: `at(2030-01-01T00:00:00)` is no schedule"),
        (
            "schedule = '1 hour'".to_owned(),
            "schedule: every 60 minutes, with executions of up to 14, is later than the 30 minutes a change may take",
        ),
        (
            "schedule = '17 minutes'".to_owned(),
            "schedule: every 17 minutes, with executions of up to 14, is later than the 30 minutes a change may take",
        ),
        ("schedule = 'cron(0 * * * ?)'".to_owned(), "schedule: `cron(0 * * * ?)` has 5 fields, not six"),
        (
            "schedule = 'cron(0 * * * * *)'".to_owned(),
            "schedule: `cron(0 * * * * *)` must have `?` as its day of month or its day of week, and only as one",
        ),
        ("schedule = 'cron(0 * ; * ? *)'".to_owned(), "schedule: `;` is no field of `cron(0 * ; * ? *)`"),
        // Sizes and times.
        ("architecture = 'riscv'".to_owned(), "architecture: Lambda has no `riscv`"),
        ("execution_minutes = 15".to_owned(), "execution_minutes: 15 minutes is out of bounds"),
        ("execution_minutes = 0".to_owned(), "execution_minutes: 0 minutes is out of bounds"),
        ("log_retention_days = 31".to_owned(), "log_retention_days: CloudWatch keeps no logs for 31 days"),
        ("old_versions_days = 0".to_owned(), "old_versions_days: 0 days is out of bounds"),
        ("sslrootcert = ' '".to_owned(), "sslrootcert: names no file"),
        ("chunk_above_bytes = 0".to_owned(), "chunk_above_bytes: every table would be read in chunks"),
        ("[extract]\nmemory = 127".to_owned(), "extract.memory: 127 MiB is out of bounds"),
        ("[transform]\nmemory = 10241".to_owned(), "transform.memory: 10241 MiB is out of bounds"),
        ("[load]\ntimeout = 901".to_owned(), "load.timeout: 901 seconds is out of bounds"),
        ("[load]\ntimeout = 0".to_owned(), "load.timeout: 0 seconds is out of bounds"),
        (
            "[load]\ntimeout = 840".to_owned(),
            "load.timeout: 840 seconds are not less than an execution may take, which is 840",
        ),
        // Networks.
        (network("vpc = 'vpc-1'"), "network.vpc: `vpc-1` is no id of this kind"),
        (network("subnets = []"), "network.subnets: is empty: a function in a VPC is in a subnet of it"),
        (network("subnets = ['sg-01234567']"), "network.subnets: `sg-01234567` is no id of this kind"),
        (
            network("subnets = ['subnet-01234567', 'subnet-01234567']"),
            "network.subnets: `subnet-01234567` is there twice",
        ),
        (network("security_groups = ['sg-0123456G']"), "network.security_groups: `sg-0123456G` is no id of this kind"),
        (network("route_tables = ['rtb-']"), "network.route_tables: `rtb-` is no id of this kind"),
        (network("s3_prefix_list = 's3'"), "network.s3_prefix_list: `s3` is no id of this kind"),
        (network("databases = []"), "network.databases: is empty: nothing leads to the databases"),
        (network("databases = ['10.0.0.0']"), "network.databases: `10.0.0.0` is no range of addresses"),
        (network("databases = ['10.0.0.1/16']"), "network.databases: `10.0.0.1/16` is no range of addresses"),
        (network("databases = ['0.0.0.0/0']"), "network.databases: `0.0.0.0/0` is no range of addresses"),
        (network("database_port = 65536"), "network.database_port: 65536 as a port is out of bounds"),
        (
            network("secrets_endpoint = false"),
            "network.secrets_endpoint: is false: nothing leads to the databases' secrets",
        ),
    ] {
        assert_eq!(mistakes(&text), [format!("environments.production.{expected}")], "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let errors = checked("account = '1'\nschedule = 'now'\n[network]\n[load]\nmemory = 1\n").unwrap_err();
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "region",
            "account",
            "prefix",
            "schedule",
            "load.memory",
            "network.vpc",
            "network.s3_prefix_list",
            "network.subnets",
            "network.databases",
        ]
    );
}

#[test]
fn an_environment_has_a_name_that_fits_into_a_mails_subject() {
    for (name, taken) in
        [("production".to_owned(), true), ("a".repeat(48), true), ("a".repeat(49), false), (String::new(), false)]
    {
        let raw: RawEnvironment = toml::from_str(MINIMAL).unwrap();
        let errors = raw.check(&name, BTreeMap::new()).err().unwrap_or_default();
        let said: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(said.is_empty(), taken, "{name}: {said:?}");
    }
}

#[test]
fn what_aws_takes_is_taken() {
    for schedule in ["1 minute", "rate(1 minute)", "16 minutes", "rate(10 minutes)", "cron(0/10 * * * ? *)"] {
        let environment = checked(&format!("{MINIMAL}schedule = '{schedule}'")).unwrap();
        assert!(environment.schedule.expression.ends_with(')'), "{schedule}");
    }
    for region in ["us-gov-west-1", "ap-southeast-4", "cn-north-1", "us-iso-east-1"] {
        assert_eq!(mistakes(&format!("region = '{region}'")), [""; 0], "{region}");
    }
    let alone = "[network]\nvpc = 'vpc-0123456789abcdef0'\nsubnets = ['subnet-01234567']\ns3_prefix_list = 'pl-01234567'\n\
                 security_groups = ['sg-01234567']\nsecrets_endpoint = false\n";
    assert_eq!(mistakes(alone), [""; 0]);
}

#[test]
fn settings_that_hold_passwords_or_have_no_room_are_refused() {
    let of = |name: &str, value: String| {
        let raw: RawEnvironment = toml::from_str(MINIMAL).unwrap();
        let errors = raw.check("production", BTreeMap::from([(name.to_owned(), value)])).unwrap_err();
        assert_eq!(errors.len(), 1);
        errors[0].to_string()
    };
    let said = of("TOTESYS_SOURCE_URL", "postgresql://u:hunter2@h/d".to_owned());
    assert!(said.starts_with("environments.production.settings.source.url: may hold a password"), "{said}");
    assert!(!said.contains("hunter2"));
    let said = of("TOTESYS_STARS", "x".repeat(4000));
    assert!(said.starts_with("environments.production.settings: take 4013 bytes"), "{said}");
}
