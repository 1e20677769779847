use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::debian::is_root;

/// A place that the server's account can enter, whoever runs the tests.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    place
}

fn start(folder: &Path) -> Cluster {
    Cluster::start(folder, Tuning::Throwaway).unwrap()
}

fn ask(url: &str, query: &str) -> Result<String> {
    Runtime::new()?.block_on(async {
        let connection = ConnectionSettings::parse(url, &|_| None)?.connect("test").await?;
        Ok(connection.query_one(query, &[]).await.map_err(PostgresError::from)?.get::<_, String>(0))
    })
}

/// Forgets a cluster as a killed command does: its locks go, its server stays.
fn kill_command(mut cluster: Cluster) -> Option<Child> {
    let server = cluster.server.take();
    drop(cluster.membership.take());
    server
}

#[test]
fn a_cluster_keeps_its_data_and_is_stopped_by_the_last_one_out() {
    let place = place();
    let folder = place.path().join("cluster");
    let mut first = start(&folder);
    let runtime = Runtime::new().unwrap();
    for _ in 0..2 {
        runtime.block_on(first.create_database("odd name/%")).unwrap();
    }
    let url = first.url("odd name/%");
    assert_eq!(ask(&url, "SELECT current_database()::text || current_user::text").unwrap(), "odd name/%postgres");
    assert_eq!(ask(&url, "SHOW fsync").unwrap(), "off");

    let second = start(&folder);
    assert_eq!(second.listening, first.listening);
    first.stop().unwrap();
    assert!(ask(&url, "SHOW timezone").is_ok(), "another command still uses it");
    drop(second);
    assert!(ask(&url, "SHOW timezone").is_err(), "nobody uses it any more");
    first.stop().unwrap();

    let again = start(&folder);
    assert_eq!(ask(&again.url("odd name/%"), "SHOW timezone").unwrap(), "UTC");
}

#[test]
fn leftovers_of_killed_runs_are_dealt_with() {
    let place = place();
    let folder = place.path().join("cluster");

    let survivor = start(&folder);
    let url = survivor.url("postgres");
    let mut server = kill_command(survivor).unwrap();
    let joined = start(&folder);
    assert_eq!(joined.url("postgres"), url, "a server that outlived its command is used");
    drop(joined);
    server.wait().unwrap();
    assert!(ask(&url, "SHOW timezone").is_err(), "and stopped by the next one out");

    let mut server = kill_command(start(&folder)).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(folder.join("data/postmaster.pid").exists());
    drop(start(&folder));

    let foreign = format!("{}\n{}\n0\n1\n/nowhere\nlocalhost\n 1 1\nready   \n", std::process::id(), folder.display());
    fs::write(folder.join("data/postmaster.pid"), foreign).unwrap();
    assert_eq!(ask(&start(&folder).url("postgres"), "SHOW timezone").unwrap(), "UTC");
}

#[test]
fn the_loopback_port_wants_the_password_even_of_a_deep_folder() {
    let place = place();
    let folder = place.path().join("a-folder-far-down".repeat(3)).join("and-further-down".repeat(4));
    let cluster = start(&folder);
    let socket = cluster.listening.socket.clone();
    assert!(socket.starts_with("/tmp/") && !socket.starts_with(place.path()), "{}", socket.display());
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    let loopback = format!("postgresql://postgres@127.0.0.1:{}/postgres", cluster.listening.port);
    assert!(ask(&loopback, "SHOW timezone").is_err());
    let with_password = format!("{loopback}?passfile={}", folder.join("pgpass").display());
    assert_eq!(ask(&with_password, "SHOW timezone").unwrap(), "UTC");
    assert!(!folder.join("password").exists());
    drop(cluster);
    fs::remove_dir_all(socket).unwrap();
}

#[test]
fn a_place_the_servers_account_cannot_enter_is_replaced() {
    if !is_root() {
        return;
    }
    let place = place();
    fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
    let folder = place.path().join("cluster");
    let cluster = start(&folder);
    let home = cluster.data.parent().unwrap().to_owned();
    assert!(home.starts_with("/var/tmp/"), "{}", home.display());
    assert_eq!(ask(&cluster.url("postgres"), "SHOW timezone").unwrap(), "UTC");
    drop(cluster);
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn urls_survive_odd_folders() {
    assert_eq!(percent_encoded("/tmp/my tötes%"), "%2Ftmp%2Fmy%20t%C3%B6tes%25");
}
