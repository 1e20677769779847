//! The worst night: a source that lives, runs that are killed, connections that are cut, requests that fail, and runs
//! that overlap. Every version has to be in the warehouse once, in order, deletions included.
//!
//! `TOTESYS_SOAK_MINUTES` makes it longer, `TOTESYS_SOAK_SEED` gives it another seed: see `cargo xtask soak`.

mod proxy;
mod truth;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Child;
use tokio::task::JoinHandle;
use totesys_lake::{BatchNumber, Lake};
use totesys_simulate::{Counts, Moment, Random, Rates, Simulator, Start};
use totesys_tests::{ChildLake, ChildRun, LocalLake, TestDatabase};

use proxy::{Proxy, Trouble};
use truth::{Capture, Truth, compare_current};

/// How long the short form makes trouble, if it has had enough of each kind by then.
const SHORT: Duration = Duration::from_secs(25);

/// When it gives up waiting for enough trouble, beyond its time.
const PATIENCE: Duration = Duration::from_secs(240);

/// A run that takes longer hangs.
const LONGEST_RUN: Duration = Duration::from_secs(120);

/// Everything rare happens often.
fn rates() -> Rates {
    Rates {
        silent_sales: 24.0 * 40.0,
        silent_purchases: 10.0 * 40.0,
        silent_designs: 4.0 * 20.0,
        there_and_back: 4.0 * 60.0,
        late_commits: 21.0 * 30.0,
        savepoints: 42.0 * 10.0,
        addresses: 3.0 * 20.0,
        departments: 2.0 * 20.0,
        deletions: 6.0 * 60.0,
        ..Rates::default()
    }
}

/// How often what happened to the runs.
#[derive(Debug, Default)]
struct Runs {
    succeeded: u64,
    failed: u64,
    killed: u64,
    overlapping: u64,
    /// Kills by how far the newest batch had come: loaded, so the next one was extracted; to be transformed; to be
    /// loaded.
    killed_while: [u64; 3],
}

struct Soak {
    source: Arc<TestDatabase>,
    warehouse: TestDatabase,
    lake: Lake,
    child: ChildRun,
    folder: TempDir,
    trouble: Arc<Trouble>,
    random: Random,
    captures: Vec<(String, Capture)>,
    truth: Truth,
    runs: Runs,
    started: u64,
    /// How long a run takes from its snapshot on.
    typical: Duration,
    seed: u64,
    _local: LocalLake,
    _proxies: [Proxy; 2],
}

/// A run with the file that lets it go on after its snapshot.
struct Started {
    child: Child,
    gate: PathBuf,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_version_arrives_once_through_the_worst_night() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = variable("TOTESYS_SOAK_SEED").unwrap_or(20_240_822);
    let time = variable("TOTESYS_SOAK_MINUTES").map_or(SHORT, |minutes| Duration::from_secs(minutes * 60));
    let mut soak = Soak::new(seed).await;
    let life = Life::begin(&soak.source, seed).await;

    let begun = Instant::now();
    while begun.elapsed() < time || !soak.has_had_enough(&life) {
        assert!(begun.elapsed() < time + PATIENCE, "seed {seed}: not enough trouble: {}", soak.summary(&life));
        soak.round().await;
        println!("{:.0?} {}", begun.elapsed(), soak.summary(&life));
    }
    soak.trouble.calm.store(true, Ordering::Relaxed);
    let counts = life.end().await;
    // Whatever was left behind is taken up now, and then there is nothing more to find.
    let mut quiet = 0;
    while quiet < 2 {
        let batches = soak.truth.batches();
        let run = soak.start().await;
        soak.pass_the_snapshot(&run).await;
        let (status, said) = finish(run).await;
        assert!(status.success(), "seed {seed}: an undisturbed run fails: {said}");
        soak.fold().await;
        quiet = if soak.truth.batches() == batches { quiet + 1 } else { 0 };
    }
    let (versions, deletions) = soak.truth.compare(&soak.warehouse, seed).await;
    compare_current(&soak.source, &soak.warehouse, seed).await;
    println!("{}; {versions} versions, {deletions} deletions, {counts:?}", soak.tally());
    assert!(deletions > 0 && counts.late_commits > 0 && versions > 1000, "seed {seed}");
}

impl Soak {
    async fn new(seed: u64) -> Self {
        let (source, warehouse) = (TestDatabase::create().await, TestDatabase::create().await);
        let local = LocalLake::start().await.expect("a lake can be made");
        let lake = Lake::open(local.settings()).await.expect("the lake can be opened");
        let trouble = Arc::new(Trouble::default());
        let socket = server_socket(&source.url());
        let postgres = Proxy::of_postgres(socket, Arc::clone(&trouble), seed).await;
        let server = &local.server;
        let upstream = server.endpoint().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let s3 = Proxy::of_s3(upstream, Arc::clone(&trouble), seed + 1).await;
        let through = |database: &TestDatabase| {
            let name = database.settings().database().to_owned();
            format!("postgresql://postgres@127.0.0.1:{}/{name}?sslmode=disable", postgres.port)
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut child = ChildRun::new(&through(&source), &through(&warehouse), folder.path());
        child.lake = ChildLake::Server(
            format!("http://127.0.0.1:{}", s3.port),
            server.access_key().to_owned(),
            server.secret_key().to_owned(),
        );
        println!("seed {seed}");
        Self {
            source: Arc::new(source),
            warehouse,
            lake,
            child,
            folder,
            trouble,
            random: Random::new(seed + 2),
            captures: Vec::new(),
            truth: Truth::default(),
            runs: Runs::default(),
            started: 0,
            typical: Duration::from_secs(2),
            seed,
            _local: local,
            _proxies: [postgres, s3],
        }
    }

    /// One run, or two at once; they end by themselves, or are killed at some moment.
    async fn round(&mut self) {
        let mut runs = vec![self.start().await];
        if self.random.chance(0.2) {
            runs.push(self.start().await);
            self.runs.overlapping += 1;
        }
        let kills = self.random.chance(0.6);
        if kills && self.random.chance(0.2) {
            // Before it has its snapshot, or just when.
            tokio::time::sleep(self.typical.mul_f64(self.random.fraction() / 2.0)).await;
        } else {
            for run in &runs {
                self.pass_the_snapshot(run).await;
            }
        }
        let released = Instant::now();
        if kills {
            let moment = self.typical.mul_f64(self.random.fraction() * 1.1);
            let first = &mut runs[0].child;
            if tokio::time::timeout(moment, first.wait()).await.is_err() {
                first.start_kill().expect("a child can be killed");
            }
        }
        for run in runs {
            // One that was killed before its snapshot may have left the other one waiting for the test.
            self.pass_the_snapshot(&run).await;
            let (status, said) = finish(run).await;
            if status.success() {
                self.runs.succeeded += 1;
                self.typical = (self.typical * 3 + released.elapsed()) / 4;
            } else if status.code().is_some() {
                // A runtime that ends while a file is still being stored says so by a panic of that thread.
                let panicked = said.contains("panicked") && !said.contains("it is being shutdown");
                assert!(!panicked, "seed {}: {said}", self.seed);
                println!("a run failed: {}", said.lines().next().unwrap_or_default());
                self.runs.failed += 1;
            } else {
                self.runs.killed += 1;
                let got_to = self.got_to().await;
                self.runs.killed_while[got_to] += 1;
            }
        }
        self.fold().await;
    }

    /// How far the newest batch has come: 0 it is loaded, 1 it is to be transformed, 2 it is to be loaded.
    async fn got_to(&self) -> usize {
        let Some(newest) = self.lake.newest_manifest().await.expect("the lake can be read") else { return 0 };
        let (mut transformed, mut loaded) = (true, true);
        for star in totesys_tests::STARS {
            let record = self.lake.newest_transformation(*star).await.expect("the lake can be read");
            transformed &= record.is_some_and(|record| record.batch == newest.batch);
            let record = self.lake.newest_load(star).await.expect("the lake can be read");
            loaded &= record.is_some_and(|record| record.batch == newest.batch);
        }
        match (transformed, loaded) {
            (_, true) => 0,
            (false, false) => 1,
            (true, false) => 2,
        }
    }

    async fn start(&mut self) -> Started {
        self.started += 1;
        let gate = self.folder.path().join(format!("gate-{}", self.started));
        let held = format!("extract:lake-claimed=hold:{}", gate.display());
        let child = self.child.start(env!("CARGO_BIN_EXE_stage"), Some(&held)).expect("a run can be started");
        Started { child, gate }
    }

    /// Waits until a run has taken its snapshot, copies the tables under it, and lets it go on. A run that ended
    /// before needs nothing.
    async fn pass_the_snapshot(&mut self, run: &Started) {
        if run.gate.exists() {
            return;
        }
        let deadline = Instant::now() + LONGEST_RUN;
        while !run.gate.with_extension("held").exists() {
            assert!(Instant::now() < deadline, "seed {}: a run never takes its snapshot", self.seed);
            if !is_alive(&run.child) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let known: Vec<String> = self.captures.iter().map(|(id, _)| id.clone()).collect();
        self.captures.extend(Capture::take_all(&self.source, &known).await);
        std::fs::write(&run.gate, "").expect("the gate can be opened");
    }

    /// Takes in the batches that were made since. No run is under way, so what is left belongs to none.
    async fn fold(&mut self) {
        loop {
            let next = BatchNumber(self.truth.batches() + 1);
            let Some(manifest) = self.lake.manifest(next).await.expect("the lake can be read") else { break };
            let baseline = serde_json::to_value(&manifest.baseline).expect("a baseline is JSON");
            let is_of = |(_, capture): &&(String, Capture)| capture.is_of(&baseline);
            let mut matching = self.captures.iter().filter(is_of).map(|(_, capture)| capture);
            let first = matching.next();
            let first = first.unwrap_or_else(|| panic!("seed {}: batch {} was not captured", self.seed, next.0));
            assert!(matching.all(|other| other.shows_the_same_as(first)), "seed {}: two snapshots alike", self.seed);
            let snapshot = first.snapshot.clone();
            let at = self.captures.iter().position(|(_, capture)| capture.snapshot == snapshot).expect("it is there");
            let (_, capture) = self.captures.swap_remove(at);
            self.truth.fold(capture);
        }
        self.captures.clear();
    }

    fn has_had_enough(&self, life: &Life) -> bool {
        let trouble = &self.trouble;
        let s3 = [&trouble.refused, &trouble.lost, &trouble.unanswered].map(Trouble::count);
        self.runs.killed >= 4
            && self.runs.killed_while.iter().filter(|kills| **kills > 0).count() >= 2
            && self.runs.overlapping >= 2
            && self.runs.succeeded >= 3
            && self.truth.batches() >= 6
            && Trouble::count(&trouble.dropped) >= 3
            && s3.iter().all(|faults| *faults >= 3)
            && s3.iter().sum::<u64>() >= 15
            && life.late_commits.load(Ordering::Relaxed) >= 10
    }

    fn tally(&self) -> String {
        let trouble = &self.trouble;
        format!(
            "seed {}: {} batches, {:?}, {} connections dropped, S3: {} refused, {} lost, {} unanswered",
            self.seed,
            self.truth.batches(),
            self.runs,
            Trouble::count(&trouble.dropped),
            Trouble::count(&trouble.refused),
            Trouble::count(&trouble.lost),
            Trouble::count(&trouble.unanswered),
        )
    }

    fn summary(&self, life: &Life) -> String {
        format!("{}, {} late commits", self.tally(), life.late_commits.load(Ordering::Relaxed))
    }
}

/// The source's life, beside the runs.
struct Life {
    stop: Arc<AtomicBool>,
    late_commits: Arc<AtomicU64>,
    task: JoinHandle<Counts>,
}

impl Life {
    async fn begin(source: &TestDatabase, seed: u64) -> Self {
        let monday = Start::At(Moment::of_date("2024-09-02").expect("a date"));
        let mut simulator =
            Simulator::connect(&source.settings(), "public", rates(), seed, monday).await.expect("the source is there");
        // Something to change and to delete from the first batch on.
        simulator.advance(10.0).await.expect("the source lives");
        let (stop, late_commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, late) = (Arc::clone(&stop), Arc::clone(&late_commits));
        let mut random = Random::new(seed + 3);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                simulator.step().await.expect("the source lives");
                late.store(simulator.counts().late_commits, Ordering::Relaxed);
                let pause = random.between(0, 30).unsigned_abs();
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            simulator.settle().await.expect("the source lives");
            simulator.counts()
        });
        Self { stop, late_commits, task }
    }

    async fn end(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the source lived to the end")
    }
}

/// Waits for a run's end; gives what it said besides.
async fn finish(run: Started) -> (ExitStatus, String) {
    let output = tokio::time::timeout(LONGEST_RUN, run.child.wait_with_output()).await;
    let output = output.expect("a run comes to an end").expect("a run can be waited for");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether a child still works: it is neither gone nor a zombie.
fn is_alive(child: &Child) -> bool {
    let Some(id) = child.id() else { return false };
    let stat = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}

/// The Unix socket of the test server, out of a URL such as `postgresql://postgres@%2Ftmp%2Fpg:5432/name`.
fn server_socket(url: &str) -> PathBuf {
    let place = url.split_once('@').map_or(url, |(_, rest)| rest);
    let place = place.split('/').next().unwrap_or(place);
    let (folder, port) = place.rsplit_once(':').expect("the test server's URL has a port");
    let mut plain = Vec::new();
    let mut bytes = folder.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits: String = bytes.by_ref().take(2).map(char::from).collect();
            plain.push(u8::from_str_radix(&digits, 16).expect("a percent sign has two digits"));
        } else {
            plain.push(byte);
        }
    }
    let folder = String::from_utf8(plain).expect("the socket's folder is text");
    Path::new(&folder).join(format!(".s.PGSQL.{port}"))
}
