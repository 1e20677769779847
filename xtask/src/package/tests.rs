//! What is packaged starts on Lambda, and is the same bytes every time.

use std::collections::BTreeMap;

use infra_templates::RawEnvironment;

use super::*;

/// The beginning of a program for a machine, and some of its symbols' versions.
fn program(machine: u8, versions: &str) -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(18, 0);
    program.extend([machine, 0]);
    program.extend(versions.as_bytes());
    program.push(0);
    program
}

#[test]
fn a_program_for_another_machine_or_library_is_refused() {
    use Architecture::{Arm64, X86_64};
    for (program, architecture, expected) in [
        (program(62, "GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9"), X86_64, "taken"),
        (program(183, "GLIBC_2.17"), Arm64, "taken"),
        (program(62, ""), X86_64, "taken"),
        (
            program(62, "GLIBC_2.34\0GLIBC_2.35"),
            X86_64,
            "the program needs glibc 2.35; Lambda's provided.al2023 has 2.34",
        ),
        (program(62, "GLIBC_2.100"), X86_64, "the program needs glibc 2.100; Lambda's provided.al2023 has 2.34"),
        (program(62, "GLIBC_2.17"), Arm64, "the program was built for x86_64, not for arm64"),
        (b"MZ".to_vec(), X86_64, "the program is no 64-bit Linux program"),
    ] {
        let said = check(&program, architecture).map_or_else(|error| error.to_string(), |()| "taken".into());
        assert_eq!(said, expected);
    }
}

#[test]
fn the_same_program_gives_the_same_zip() -> Result<()> {
    let program = program(62, "GLIBC_2.34");
    let first = zipped(&program, Some(b"certificates"))?;
    assert_eq!(first, zipped(&program, Some(b"certificates"))?);
    let mut archive = zip::ZipArchive::new(Cursor::new(&first))?;
    let mut bootstrap = archive.by_name("bootstrap")?;
    assert_eq!(bootstrap.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    let mut bytes = Vec::new();
    bootstrap.read_to_end(&mut bytes)?;
    assert_eq!(bytes, program);
    Ok(())
}

#[test]
fn what_is_too_large_is_refused() {
    for (bytes, expected) in [(15_000_000, "taken"), (15_060_000, "the package has 15.1 MB, more than 15 MB")] {
        assert_eq!(weigh(bytes).map_or_else(|error| error.to_string(), |()| "taken".into()), expected);
    }
    let mut program = program(62, "GLIBC_2.34");
    program.resize(usize::try_from(UNPACKED_LIMIT).unwrap(), 0);
    assert!(check(&program, Architecture::X86_64).is_ok());
    program.push(0);
    let refused = check(&program, Architecture::X86_64).unwrap_err().to_string();
    assert_eq!(refused, "the program has 262 MB; Lambda takes 250 MiB");
}

#[test]
fn a_file_that_is_no_package_of_the_environment_is_refused() -> Result<()> {
    let raw = RawEnvironment {
        region: Some("eu-west-2".into()),
        prefix: Some("acme-totesys".into()),
        emails: vec!["ops@acme.example".into()],
        architecture: Some("x86_64".into()),
        sslrootcert: Some("authorities.pem".into()),
        ..RawEnvironment::default()
    };
    let environment = raw.check("test", BTreeMap::new()).map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("x.zip");
    let good = program(62, "GLIBC_2.34");
    for (bytes, expected) in [
        (b"no zip".to_vec(), "is no zip with a program `bootstrap`"),
        (zipped(&program(183, ""), Some(b"certificates"))?, "the program was built for arm64, not for x86_64"),
        (zipped(&program(62, "GLIBC_2.36"), Some(b"certificates"))?, "the program needs glibc 2.36"),
        (zipped(&good, None)?, "was made without the environment's `sslrootcert`"),
    ] {
        fs::write(&file, bytes)?;
        let refused = Package::read(&file, &environment).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(expected), "`{refused}` is not `{expected}`");
    }
    fs::write(&file, zipped(&good, Some(b"certificates"))?)?;
    assert_eq!(Package::read(&file, &environment)?.sha256.len(), 64);
    Ok(())
}
