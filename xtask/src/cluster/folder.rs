//! Where a cluster lives, and who may look inside.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::account::Account;
use crate::hint::advise;

/// The most bytes of a Unix socket's path, its NUL left out.
const LONGEST_SOCKET_PATH: usize = 107;

/// Makes the folder of a cluster, for its account's eyes only. If the account cannot get there, as
/// into a clone under /root, another folder takes its place.
pub(super) fn prepare(wanted: &Path, account: &Account) -> Result<PathBuf> {
    let explain = || format!("{} cannot be used for a private cluster", wanted.display());
    fs::create_dir_all(wanted).with_context(explain)?;
    let wanted = wanted.canonicalize().with_context(explain)?;
    if !wanted.parent().is_none_or(|parent| account.can_enter(parent)) {
        let folder = private(Path::new("/var/tmp"), &wanted, account)?;
        tracing::info!(
            wanted = %wanted.display(), folder = %folder.display(),
            "the server's account cannot enter the wanted folder; the private cluster lives in another"
        );
        return Ok(folder);
    }
    make_private(&wanted, account)?;
    Ok(wanted)
}

/// Where the server puts its socket: socket paths are short, so a deep cluster has it elsewhere.
pub(super) fn socket(folder: &Path, account: &Account) -> Result<PathBuf> {
    if folder.join(".s.PGSQL.65535").as_os_str().len() <= LONGEST_SOCKET_PATH {
        return Ok(folder.to_owned());
    }
    private(Path::new("/tmp"), folder, account)
}

/// Opens a lock file and takes its lock.
pub(super) fn lock_file(path: &Path, account: &Account, take: fn(&File) -> io::Result<()>) -> Result<File> {
    let open = || {
        let file = match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Ok(created) => {
                account.own(path)?;
                created
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path)?,
            Err(error) => return Err(error),
        };
        take(&file)?;
        Ok(file)
    };
    open().with_context(|| format!("{} cannot be locked", path.display()))
}

/// A folder of our own in a place that everybody can write to, named after the folder it stands for.
fn private(place: &Path, stands_for: &Path, account: &Account) -> Result<PathBuf> {
    let digest = Sha256::digest(stands_for.as_os_str().as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = place.join(format!("totesys-{name}"));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("{} cannot be made", folder.display()));
        }
        _ => make_private(&folder, account)?,
    }
    Ok(folder)
}

fn make_private(folder: &Path, account: &Account) -> Result<()> {
    // Not followed: in a shared place the name may be a link that another user put there.
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || !account.trusts(metadata.uid()) {
        return Err(advise(
            format!("{} belongs to another user", folder.display()),
            "remove it, or run this as the user it belongs to",
        ));
    }
    account.own(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    Ok(())
}
