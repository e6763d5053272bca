use super::*;

fn task(cpu: u32, memory: u32, seconds: u64) -> TaskUse {
    TaskUse {
        cpu_units: cpu,
        memory_mib: memory,
        architecture: Architecture::X86,
        spot: false,
        public_ip: false,
        seconds,
        count: 1,
    }
}

#[test]
fn an_hour_of_one_vcpu_and_two_gigabytes_is_the_price_lists() {
    let hour = task(1_024, 2_048, 3_600);
    assert_eq!(hour.cost().nanodollars(), 40_480_000 + 2 * 4_445_000);
    let arm = TaskUse { architecture: Architecture::Arm, ..hour };
    assert_eq!(arm.cost().nanodollars(), 32_380_000 + 2 * 3_560_000);
    let spot = TaskUse { spot: true, ..hour };
    assert_eq!(spot.cost().nanodollars(), 49_370_000 * 30 / 100);
    let addressed = TaskUse { public_ip: true, ..hour };
    assert_eq!(addressed.cost().nanodollars(), 49_370_000 + 5_000_000);
}

#[test]
fn every_task_is_paid_for_a_minute_at_least() {
    assert_eq!(task(256, 512, 1).cost(), task(256, 512, 60).cost());
    assert!(task(256, 512, 61).cost() > task(256, 512, 60).cost());
    // A quarter vCPU and half a gigabyte for a minute: (0.01012 + 0.0022225) / 60.
    assert_eq!(task(256, 512, 60).cost().nanodollars(), 205_709);
}

#[test]
fn a_million_of_each_call_is_the_price_lists() {
    let million = 1_000_000;
    let bill = |usage: Usage| Bill::of(&usage).total().to_string();
    let none = Usage::default;
    assert_eq!(bill(Usage { invocations: million, ..none() }), "$0.20");
    assert_eq!(bill(Usage { sqs_requests: million, ..none() }), "$0.40");
    assert_eq!(bill(Usage { write_units: 8 * million, ..none() }), "$5.00");
    assert_eq!(bill(Usage { read_units: 8 * million, ..none() }), "$1.00");
    assert_eq!(bill(Usage { s3_writes: million, ..none() }), "$5.00");
    assert_eq!(bill(Usage { s3_reads: 5 * million, ..none() }), "$2.00");
    assert_eq!(bill(Usage { publishes: 2 * million, ..none() }), "$1.00");
    assert_eq!(bill(Usage { emails: 100_000, ..none() }), "$2.00");
    assert_eq!(bill(Usage { custom_events: million, ..none() }), "$1.00");
    assert_eq!(bill(Usage { schedules: million, ..none() }), "$1.00");
    // 3,000 GB-seconds.
    assert_eq!(bill(Usage { lambda_mb_ms: 3_000 * 1_024 * 1_000, ..none() }), "$0.040");
    assert_eq!(bill(none()), "$0.00");
}

#[test]
fn writes_dwarf_the_compute_of_a_bulk_load() {
    let usage = Usage { tasks: vec![task(256, 512, 600)], write_units: 1_000_000, ..Usage::default() };
    let bill = Bill::of(&usage);
    assert!(bill.dynamodb.nanodollars() > 300 * bill.fargate.nanodollars());
}

#[test]
fn pooling_is_far_cheaper_than_a_task_for_every_object() {
    let each = task(256, 512, 3);
    let own = one_task_per_object(10_000, each);
    assert_eq!(own, TaskUse { count: 10_000, ..each }.cost());
    assert_eq!(own.to_string(), "$2.06");
    let pooled = TaskUse { seconds: 30_000, ..each }.cost();
    assert!(own.nanodollars() > 15 * pooled.nanodollars());
}

#[test]
fn huge_amounts_stop_at_the_end_and_do_not_wrap() {
    let usage = Usage { write_units: u64::MAX, s3_writes: u64::MAX, ..Usage::default() };
    assert_eq!(Bill::of(&usage).total(), Dollars::MAX);
    let forever = TaskUse { seconds: u64::MAX, count: u64::MAX, ..task(16_384, 122_880, 0) };
    assert_eq!(forever.cost(), Dollars::MAX);
    assert_eq!(Dollars::MAX.to_string(), "$18446744.07");
}

#[test]
fn the_bill_is_a_short_table() {
    let usage = Usage {
        tasks: vec![TaskUse { count: 3, ..task(256, 512, 95) }],
        invocations: 40,
        lambda_mb_ms: 40 * 128 * 25,
        sqs_requests: 120,
        write_units: 30_000,
        read_units: 80,
        s3_writes: 2,
        s3_reads: 24,
        emails: 1,
        publishes: 1,
        ..Usage::default()
    };
    let expected = "\
Fargate           $0.00098
Lambda          $0.0000097
SQS              $0.000048
DynamoDB            $0.019
S3 requests      $0.000020
SNS              $0.000021
total               $0.020";
    assert_eq!(Bill::of(&usage).to_string(), expected);
}
