//! A process that is frozen, as a function's is between two calls, finds all of its time there when it goes on: one
//! tick has passed, however long it was.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use arrow_array::{Int32Array, RecordBatch};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use totesys_sandbox::{Clock, LimitName, Limits, Loaded, Sandbox, SandboxError};
use totesys_tests::trusted;

/// The wall time of a call, and the ticks it is worth.
const CALL: u64 = 300;
const TICKS: u64 = CALL / 10;

/// A clock that stands still until the test lets a sleep end.
struct ByHand {
    ends: mpsc::Receiver<()>,
    sleeps: Arc<AtomicU64>,
}

impl Clock for ByHand {
    fn sleep(&self, time: Duration) {
        assert_eq!(time, Duration::from_millis(10));
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        if self.ends.recv().is_err() {
            // The test is over.
            std::thread::sleep(time);
        }
    }
}

/// What moves that clock.
struct Hand {
    end: mpsc::Sender<()>,
    sleeps: Arc<AtomicU64>,
}

impl Hand {
    /// Lets so many sleeps end, and waits until the next one has begun: their ticks have happened then.
    fn tick(&self, ticks: u64) {
        let until = self.sleeps.load(Ordering::SeqCst) + ticks;
        (0..ticks).for_each(|_| self.end.send(()).unwrap());
        let patience = Instant::now() + Duration::from_secs(30);
        while self.sleeps.load(Ordering::SeqCst) < until {
            assert!(Instant::now() < patience, "the clock stands still");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A sandbox under that clock, whose first sleep has begun.
fn sandbox() -> (Sandbox, Hand) {
    let (end, ends) = mpsc::channel();
    let sleeps = Arc::new(AtomicU64::new(0));
    let clock = ByHand { ends, sleeps: Arc::clone(&sleeps) };
    let sandbox = Sandbox::with_clock(Limits { call_milliseconds: CALL, ..Limits::default() }, clock).unwrap();
    while sleeps.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    (sandbox, Hand { end, sleeps })
}

fn push(component: &Loaded, behaviour: &str) -> Result<usize, SandboxError> {
    let ids = Int32Array::from_iter_values(0..100);
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap();
    let mut transformer = component.begin(7, Arc::new(component.describe()?))?;
    let mut given = transformer.push(behaviour, &rows)?.outputs;
    given.extend(transformer.finish()?.outputs);
    Ok(given.iter().map(|(_, rows)| rows.num_rows()).sum())
}

fn is_out_of_time(outcome: &Result<usize, SandboxError>) -> bool {
    matches!(outcome, Err(SandboxError::Limit { limit: LimitName::Time, allowed: CALL, .. }))
}

#[test]
fn an_hour_in_one_sleep_is_one_tick_and_no_call_loses_its_time_by_it() {
    let (sandbox, hand) = sandbox();
    let component = sandbox.load(&trusted("hostile", "hostile")).unwrap();
    assert_eq!(push(&component, "behave").unwrap(), 100);
    // The process freezes, and an hour later the sleep ends that had just begun.
    hand.tick(1);
    assert_eq!(push(&component, "behave").unwrap(), 100);

    // It freezes in the middle of a call, and again and again: that is a tick each time, and the call goes on.
    let calling = |ticks: u64| {
        let in_call = Arc::clone(&component);
        let call = std::thread::spawn(move || push(&in_call, "loop"));
        // It has begun, or its time begins later.
        std::thread::sleep(Duration::from_millis(200));
        hand.tick(ticks);
        std::thread::sleep(Duration::from_millis(200));
        call
    };
    let call = calling(TICKS - 2);
    assert!(!call.is_finished(), "{} frozen hours are {} ticks and no more", TICKS - 2, TICKS - 2);
    // What does not come to an end is stopped once the clock goes on.
    let patience = Instant::now() + Duration::from_secs(30);
    while !call.is_finished() {
        assert!(Instant::now() < patience, "the limit is never met");
        hand.tick(1);
        std::thread::sleep(Duration::from_millis(2));
    }
    let outcome = call.join().unwrap();
    assert!(is_out_of_time(&outcome), "{outcome:?}");
    // As many ticks as the limit has, and one more for the tick that was under way, are enough.
    let call = calling(TICKS + 1);
    let patience = Instant::now() + Duration::from_secs(30);
    while !call.is_finished() {
        assert!(Instant::now() < patience, "the limit is met in time");
        // Only where the call had not begun in time.
        hand.tick(1);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_out_of_time(&call.join().unwrap()));
    assert_eq!(push(&component, "behave").unwrap(), 100, "and the next call has all of its time");
}

/// A child that can be stopped and told to go on.
struct Frozen {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    tell: ChildStdin,
}

impl Frozen {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_frozen"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (said, tell) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let mut frozen = Self { child, said: BufReader::new(said).lines(), tell };
        assert_eq!(frozen.hear().await, "ready");
        frozen
    }

    async fn hear(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(120), self.said.next_line()).await;
        line.expect("it says something").unwrap().expect("it goes on")
    }

    async fn tell(&mut self) {
        self.tell.write_all(b"go on\n").await.unwrap();
        self.tell.flush().await.unwrap();
    }

    /// Stops it for so long.
    async fn freeze(&self, time: Duration) {
        self.signal("STOP").await;
        while !self.is_stopped() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(time).await;
        assert!(self.is_stopped());
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success(), "{kill}");
    }

    fn is_stopped(&self) -> bool {
        let stat = Path::new("/proc").join(self.child.id().unwrap().to_string()).join("stat");
        let stat = std::fs::read_to_string(stat).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    }

    /// Lets it come to its end.
    async fn end(self) {
        let Self { mut child, tell, .. } = self;
        drop(tell);
        let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await;
        assert!(ended.expect("it ends").unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_between_two_batches_makes_the_next_one() {
    let mut frozen = Frozen::start(&["batches"]).await;
    for batch in 0..3 {
        frozen.tell().await;
        assert_eq!(frozen.hear().await, "3 loads, failures: []", "batch {batch}");
        // Ten times the time of a call.
        frozen.freeze(Duration::from_millis(10 * CALL)).await;
    }
    frozen.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_in_the_middle_of_a_call_finishes_it() {
    let limit = 2_000;
    let mut frozen = Frozen::start(&["call", &limit.to_string()]).await;
    let mut said = Vec::new();
    // Once undisturbed, then stopped for longer than a call may take.
    for stopped in [0, 3_000] {
        frozen.tell().await;
        assert_eq!(frozen.hear().await, "calling");
        if stopped > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            frozen.freeze(Duration::from_millis(stopped)).await;
        }
        let went_on = Instant::now();
        let took = frozen.hear().await;
        let took: u64 = took.strip_prefix("stopped after ").unwrap().parse().unwrap();
        said.push((took, went_on.elapsed()));
    }
    let [(plain, _), (frozen_for, after)] = said.as_slice() else { panic!("two calls") };
    assert!(*plain >= limit - 100, "{plain} ms");
    assert!(*frozen_for >= 3_000 + limit / 2, "{frozen_for} ms");
    // The hour it was frozen for took none of its time.
    assert!(*after >= Duration::from_millis(limit / 2), "{after:?} after it went on");
    frozen.end().await;
}
