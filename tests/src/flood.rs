//! A flood of small objects in an account that has little: how long they wait, how many tasks they take, what it
//! costs, and what a task for each object would.

use std::{fmt, time::Duration};

use domain::{
    fargate::Size,
    job::{Job, State},
};
use localcloud::{
    ecs::{Limits, Rate, Timing},
    faults::Call,
};
use pricing::{Architecture, Bill, Dollars, TaskUse, one_task_per_object};
use tokio::time::Instant;

use crate::TestEnv;

/// What comes.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// How many objects, of three rows each.
    pub objects: u32,
    /// Evenly within this time.
    pub over: Duration,
}

/// A new account's limits, and AWS's launch rates: 6 vCPUs, 11 addresses in each of the two subnets, 100 launches at
/// once and 20 a second (`https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html`).
const LIMITS: Limits = Limits {
    vcpus: Some(6.0),
    addresses: Some(11),
    launches: Some(Rate { per_second: 20.0, burst: 100.0 }),
    calls: Some(Rate { per_second: 20.0, burst: 20.0 }),
};
/// How many tasks those leave room for.
const PLACES: u32 = 22;

/// A task's life besides its work: 10 s for its interface, 35 s for its image, 5 s to be gone.
const TIMING: Timing = Timing {
    provisioning: Duration::from_secs(10),
    pending: Duration::from_secs(35),
    deprovisioning: Duration::from_secs(5),
};

/// How long AWS takes to answer.
const LATENCIES: [(&str, Duration); 4] = [
    ("s3", Duration::from_millis(150)),
    ("dynamodb", Duration::from_millis(6)),
    ("sqs", Duration::from_millis(15)),
    ("ecs", Duration::from_millis(300)),
];

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    flood: Flood,
    /// From the first upload until the last job was done.
    pub done_after: Duration,
    /// From each upload until its records were visible: the median, and the longest.
    pub waits: [Duration; 2],
    /// Tasks launched.
    pub tasks: usize,
    /// The most at once.
    pub peak: usize,
    /// What all of it cost.
    pub bill: Bill,
}

impl Flood {
    /// Lets it come, waits until every job is done and every worker has left, and checks that nothing is lost.
    ///
    /// # Panics
    /// When something is.
    pub fn run(self) -> Outcome {
        let mut outcome = None;
        let plan = TestEnv::plan(1).timing(TIMING).parameter("MaximumTasks", "40");
        plan.run(async |env| outcome = Some(self.happen(env).await));
        outcome.expect("the scenario has ended")
    }

    async fn happen(self, env: &TestEnv) -> Outcome {
        env.ecs().set_limits(LIMITS);
        for (service, latency) in LATENCIES {
            env.fault(service, "*", Call::Delay(latency));
        }
        let (begun, real) = (Instant::now(), std::time::Instant::now());
        for n in 0..self.objects {
            if n > 0 && n.is_multiple_of(5_000) {
                let visible = env.calls("dynamodb", "TransactWriteItems");
                eprintln!("{n} uploaded, {visible} published after {:.0?} of real time", real.elapsed());
            }
            tokio::time::sleep_until(begun + self.over * n / self.objects).await;
            env.put(&format!("uploads/{n:06}.csv"), format!("id,word\n{n},a\n{n},b\n{n},c\n")).await;
        }
        eprintln!("all uploaded after {:.0?} of real time", real.elapsed());
        env.quiet().await;
        let jobs = env.jobs().await;
        assert_eq!(jobs.len(), self.objects as usize, "a job for every object");
        let mut waits = Vec::with_capacity(jobs.len());
        let mut last = env.cloud().clock().now();
        let first = jobs.iter().map(|job| job.created_at).min().unwrap_or(last);
        for job in &jobs {
            assert_eq!((job.state(), job.records()), (State::Done, 3), "{job:#?}");
            last = job.settled_at().expect("a done job has settled");
            waits.push(Duration::try_from(last.duration_since(job.created_at)).unwrap_or_default());
        }
        let done_after = jobs.iter().filter_map(Job::settled_at).max().unwrap_or(last).duration_since(first);
        waits.sort_unstable();
        let mut usage = env.cloud().usage();
        usage.write_units += jobs.iter().map(Job::write_units).sum::<u64>();
        Outcome {
            flood: self,
            done_after: Duration::try_from(done_after).unwrap_or_default(),
            waits: [waits[waits.len() / 2], waits[waits.len() - 1]],
            tasks: usage.tasks.len(),
            peak: env.ecs().peak("tidemill-worker"),
            bill: Bill::of(&usage),
        }
    }
}

impl Outcome {
    /// What the tasks alone would cost if every object had one, and how long they would take in this account.
    #[must_use]
    pub fn one_task_each(&self) -> (Dollars, Duration) {
        let task = TaskUse {
            cpu_units: Size::SMALLEST.cpu(),
            memory_mib: Size::SMALLEST.memory(),
            architecture: Architecture::Arm,
            spot: false,
            public_ip: true,
            // What the timing says of a task whose work takes a second; a minute is paid at least.
            seconds: (TIMING.pending + TIMING.deprovisioning).as_secs() + 1,
            count: 1,
        };
        let life = TIMING.provisioning + TIMING.pending + TIMING.deprovisioning + Duration::from_secs(1);
        let objects = self.flood.objects;
        (one_task_per_object(objects.into(), task), self.flood.over.max(life * objects.div_ceil(PLACES)))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |time: Duration| match time.as_secs() {
            seconds @ 0..=119 => format!("{seconds} s"),
            seconds @ 120..=7_199 => format!("{} min", seconds / 60),
            seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
        };
        let (price, long) = self.one_task_each();
        let Flood { objects, over } = self.flood;
        writeln!(f, "{objects} objects in {}, an account with 6 vCPUs and {PLACES} addresses", words(over))?;
        writeln!(f, "                      pooled workers   one task per object")?;
        writeln!(f, "all done after        {:>14}   {:>19}", words(self.done_after), words(long))?;
        writeln!(f, "upload to visible     {:>14}", words(self.waits[0]))?;
        writeln!(f, "  the longest         {:>14}", words(self.waits[1]))?;
        writeln!(f, "tasks                 {:>14}   {objects:>19}", self.tasks)?;
        writeln!(f, "  the most at once    {:>14}   {PLACES:>19}", self.peak)?;
        writeln!(
            f,
            "Fargate               {:>14}   {:>19}",
            self.bill.fargate.to_string(),
            price.to_string()
        )?;
        writeln!(f, "everything            {:>14}", self.bill.total().to_string())
    }
}
