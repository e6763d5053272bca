//! A queue and a fleet in discrete events, scaled by the law. One seed, one history.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::{super::*, conditions::*};

const VISIBILITY: Ms = 60 * SECOND;
/// Tasks that do not poll by then are stopped.
const STOPPED_AFTER: Ms = 5 * MINUTE;
/// From launch to image pull, when the paid time begins.
const NETWORK: Ms = 10 * SECOND;
/// A worker leaves after a poll this long found nothing.
const POLL: Ms = 20 * SECOND;
/// From a stop to its slot being free: the event's way.
const STOP_EVENT: Ms = 3 * SECOND;

#[derive(Clone, Copy)]
struct Message {
    arrived: Ms,
    service: Ms,
}

#[derive(Clone)]
struct Task {
    launched: Ms,
    /// Nobody knows yet.
    dead: bool,
    polling: Option<Ms>,
    held: VecDeque<Message>,
    /// When it began the message in hand, or to wait for one.
    since: Ms,
    done: u64,
    busy: Ms,
}

#[derive(Default, Clone)]
struct Slot {
    generation: u32,
    task: Option<Task>,
    report: Option<(Ms, Report)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive { count: usize, service: Ms },
    Minute,
    Read { queued_now: usize },
    Reserve { slot: usize, generation: u32 },
    Task { slot: usize, generation: u32, task_event: TaskEvent },
    Return { service: Ms, arrived: Ms },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TaskEvent {
    Polls,
    Finishes,
    Leaves { idle_since: Ms },
    Dies,
    Freed,
}

struct Simulation {
    conditions: Conditions,
    random: fastrand::Rng,
    now: Ms,
    events: BinaryHeap<Reverse<(Ms, u64, Event)>>,
    serial: u64,
    queue: VecDeque<Message>,
    in_flight: usize,
    slots: Vec<Slot>,
    snapshot: Option<QueueSnapshot>,
    counts: VecDeque<(Ms, usize, usize)>,
    expected: usize,
    history: History,
}

/// Simulates `arrivals` under these conditions until all is done and all workers have left, or to `until`.
pub(super) fn play(conditions: &Conditions, arrivals: &Arrivals, seed: u64, until: Ms) -> History {
    let mut simulation = Simulation {
        random: fastrand::Rng::with_seed(seed),
        now: 0,
        events: BinaryHeap::new(),
        serial: 0,
        queue: VecDeque::new(),
        in_flight: 0,
        slots: vec![Slot::default(); conditions.maximum as usize],
        snapshot: None,
        counts: VecDeque::from([(0, 0, 0)]),
        expected: arrivals.iter().map(|(_, count, _)| count).sum(),
        history: History::default(),
        conditions: conditions.clone(),
    };
    for (at, count, service) in arrivals {
        simulation.at(*at, Event::Arrive { count: *count, service: *service });
    }
    let phase = simulation.random.u64(0..MINUTE);
    simulation.at(phase, Event::Minute);
    simulation.run(until);
    simulation.history.left = simulation.slots.iter().filter(|slot| slot.task.is_some()).count();
    simulation.history
}

impl Simulation {
    fn at(&mut self, at: Ms, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at, self.serial, event)));
    }

    fn run(&mut self, until: Ms) {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            let over = self.history.done == self.expected && self.slots.iter().all(|s| s.task.is_none());
            if now > until || over && self.now > self.history.finished + 5 * MINUTE {
                break;
            }
            self.now = now;
            self.happen(event);
            let oldest = now.saturating_sub(2 * MINUTE);
            while self.counts.len() > 1 && self.counts[1].0 < oldest {
                self.counts.pop_front();
            }
            self.counts.push_back((now, self.queue.len(), self.in_flight));
        }
    }

    /// Something that will happen to the task that holds this slot, if it still does then.
    fn expect(&mut self, at: Ms, slot: usize, task_event: TaskEvent) {
        self.at(at, Event::Task { slot, generation: self.slots[slot].generation, task_event });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { count, service } => {
                let message = Message { arrived: self.now, service };
                self.queue.extend(std::iter::repeat_n(message, count));
                self.feed();
                if self.slots.iter().all(|slot| slot.task.is_none()) {
                    self.overlapping_runs(count);
                }
            }
            Event::Minute => {
                self.overlapping_runs(0);
                self.at(self.now + MINUTE, Event::Minute);
            }
            Event::Read { queued_now } => self.scale(queued_now),
            Event::Reserve { slot, generation } => self.launch(slot, generation),
            Event::Return { service, arrived } => {
                self.in_flight -= 1;
                self.queue.push_back(Message { arrived, service });
                self.feed();
            }
            Event::Task { slot, generation, .. } if self.slots[slot].generation != generation => {}
            Event::Task { slot, task_event, .. } => match task_event {
                TaskEvent::Polls => self.poll(slot),
                TaskEvent::Finishes => self.finish(slot),
                TaskEvent::Leaves { idle_since } => {
                    let task = self.slots[slot].task.as_ref().unwrap();
                    if task.held.is_empty() && task.since == idle_since {
                        self.free(slot);
                    }
                }
                TaskEvent::Dies => self.die(slot),
                TaskEvent::Freed => self.free(slot),
            },
        }
    }

    fn overlapping_runs(&mut self, queued_now: usize) {
        for n in 0..self.conditions.scalers {
            // Each reads within two seconds of the first and reserves while the others do.
            let at = self.now + if n == 0 { 0 } else { self.random.u64(0..2 * SECOND) };
            self.at(at, Event::Read { queued_now });
        }
    }

    fn scale(&mut self, queued_now: usize) {
        let counted_at = self.now.saturating_sub(self.random.u64(self.conditions.counts_age.clone()));
        let (_, visible, in_flight) = *self.counts.iter().rfind(|(at, ..)| *at <= counted_at).unwrap();
        let visible = visible.max(queued_now) as u64;
        let reports: Vec<_> = (0..self.slots.len()).filter_map(|slot| self.report(slot)).collect();
        let learned = estimates(&reports);
        let now = Timestamp::UNIX_EPOCH + Duration::from_millis(self.now);
        let done = self.history.done as u64;
        let trend = observe_queue(self.snapshot.as_ref(), now, visible, in_flight as u64, done);
        let tasks = || self.slots.iter().filter_map(|slot| slot.task.as_ref());
        let overdue = overdue_after(learned.startup).as_millis() as Ms;
        let not_polling = || tasks().filter(|task| task.polling.is_none());
        let is_overdue = |task: &&Task| self.now - task.launched > overdue;
        let signals = Signals {
            visible,
            in_flight: in_flight as u64,
            done_lately: trend.done_lately,
            waited: trend.waited,
            arrivals_per_second: trend.arrivals_per_second,
            service: self.conditions.known_service.unwrap_or(learned.service),
            startup: learned.startup,
            running: tasks().filter(|task| task.polling.is_some()).count() as u32,
            launching: not_polling().filter(|task| !is_overdue(task)).count() as u32,
            overdue: not_polling().filter(is_overdue).count() as u32,
            maximum: self.conditions.maximum,
        };
        self.snapshot = Some(trend.snapshot);
        let wanted = (self.conditions.law)(&signals);
        let free = (0..self.slots.len()).filter(|slot| self.slots[*slot].task.is_none());
        let free: Vec<_> = free.take(wanted as usize).collect();
        let mut at = self.now;
        for slot in free {
            at += self.random.u64(10..300);
            self.at(at, Event::Reserve { slot, generation: self.slots[slot].generation });
        }
    }

    fn report(&self, slot: usize) -> Option<Report> {
        let slot = &self.slots[slot];
        match &slot.task {
            None => {
                slot.report.map(|(at, report)| Report { age: Duration::from_millis(self.now - at), ..report })
            }
            Some(task) => {
                let in_hand = if task.held.is_empty() { 0 } else { self.now - task.since };
                Some(Report {
                    startup: task.polling.map(|at| Duration::from_millis(at - task.launched)),
                    done: task.done,
                    busy: Duration::from_millis(task.busy + in_hand),
                    age: Duration::ZERO,
                })
            }
        }
    }

    fn launch(&mut self, slot: usize, generation: u32) {
        let place = &mut self.slots[slot];
        if place.generation != generation || place.task.is_some() {
            return;
        }
        place.generation += 1;
        let (launched, since) = (self.now, self.now);
        let held = VecDeque::new();
        place.task = Some(Task { launched, dead: false, polling: None, held, since, done: 0, busy: 0 });
        match self.history.launches.last_mut() {
            Some((at, count)) if launched - *at < 10 * SECOND => *count += 1,
            _ => self.history.launches.push((launched, 1)),
        }
        self.history.launched += 1;
        let live = self.slots.iter().filter(|slot| slot.task.is_some()).count();
        self.history.peak = self.history.peak.max(live as u32);
        if launched < self.conditions.starts_work_from || self.random.f64() < self.conditions.never_start {
            self.expect(launched + STOPPED_AFTER, slot, TaskEvent::Freed);
        } else {
            let startup = self.random.u64(self.conditions.startup.clone());
            self.expect(launched + startup, slot, TaskEvent::Polls);
        }
    }

    fn poll(&mut self, slot: usize) {
        let now = self.now;
        self.slots[slot].task.as_mut().unwrap().polling = Some(now);
        if let Some(lifetime) = self.conditions.lifetime.clone() {
            let dies = now + self.random.u64(lifetime);
            self.expect(dies, slot, TaskEvent::Dies);
        }
        self.take(slot);
    }

    /// Gives waiting messages to idle workers, as long polls do.
    fn feed(&mut self) {
        let first = self.random.usize(..self.slots.len());
        for slot in (first..self.slots.len()).chain(0..first) {
            let idle = |task: &Task| task.polling.is_some() && !task.dead && task.held.is_empty();
            if self.queue.is_empty() {
                break;
            } else if self.slots[slot].task.as_ref().is_some_and(idle) {
                self.take(slot);
            }
        }
    }

    fn take(&mut self, slot: usize) {
        let batch = self.conditions.batch.min(self.queue.len());
        let now = self.now;
        let task = self.slots[slot].task.as_mut().unwrap();
        task.since = now;
        if batch > 0 {
            task.held.extend(self.queue.drain(..batch));
            self.in_flight += batch;
            let done = now + task.held[0].service;
            self.expect(done, slot, TaskEvent::Finishes);
        } else {
            let leaves = (now + POLL).max(task.launched + NETWORK + PAID.as_millis() as Ms);
            self.expect(leaves, slot, TaskEvent::Leaves { idle_since: now });
        }
    }

    fn finish(&mut self, slot: usize) {
        let now = self.now;
        let task = self.slots[slot].task.as_mut().unwrap();
        let message = task.held.pop_front().unwrap();
        task.done += 1;
        task.busy += now - task.since;
        task.since = now;
        let next = task.held.front().map(|message| now + message.service);
        self.in_flight -= 1;
        self.history.done += 1;
        self.history.finished = now;
        self.history.longest = self.history.longest.max(now - message.arrived);
        self.history.total_wait += now - message.arrived;
        match next {
            Some(done) => self.expect(done, slot, TaskEvent::Finishes),
            None => self.take(slot),
        }
    }

    /// The slot still says it runs until the event of its stop has come.
    fn die(&mut self, slot: usize) {
        let now = self.now;
        self.slots[slot].generation += 1;
        let task = self.slots[slot].task.as_mut().unwrap();
        task.dead = true;
        let held = std::mem::take(&mut task.held);
        for Message { arrived, service } in held {
            self.at(now + VISIBILITY, Event::Return { service, arrived });
        }
        self.expect(now + STOP_EVENT, slot, TaskEvent::Freed);
    }

    fn free(&mut self, slot: usize) {
        let report = self.report(slot).map(|report| (self.now, report));
        let place = &mut self.slots[slot];
        place.generation += 1;
        place.report = report;
        let task = place.task.take().unwrap();
        let pulled = task.launched + NETWORK;
        self.history.paid += self.now.saturating_sub(pulled).max(PAID.as_millis() as Ms);
    }
}
