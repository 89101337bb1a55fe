//! How long finding and checking 1,000 resources of 50 types takes:
//! `cargo run --release -p llmhost-aws-types --example timing`.
#![allow(clippy::print_stdout, reason = "it talks to a person at a terminal")]

use std::time::Instant;

use llmhost_aws_types::{find, names};

fn main() {
    let start = Instant::now();
    let all: Vec<&str> = names().collect();
    println!("open the table of {} types: {:?}", all.len(), start.elapsed());

    let start = Instant::now();
    let first = find("AWS::EC2::Instance").map(|one| one.properties().len());
    println!("find one type with {} properties: {:?}", first.unwrap_or(0), start.elapsed());

    let some: Vec<&str> = all.iter().copied().step_by(all.len() / 50).take(50).collect();
    // Samples compile patterns; what counts are checks, so others than those are compiled there.
    let samples: Vec<_> = some.iter().filter_map(|name| find(name).map(|one| one.sample())).collect();
    let start = Instant::now();
    let mut problems = 0;
    for number in 0..1_000 {
        if let (Some(name), Some(sample)) = (some.get(number % 50), samples.get(number % 50)) {
            problems += find(name).map_or(0, |one| one.check(sample, &|_| false).len());
        }
    }
    println!("find and check 1,000 resources of {} types: {:?} ({problems} problems)", some.len(), start.elapsed());

    let start = Instant::now();
    let checked: usize =
        all.iter().filter_map(|name| find(name)).map(|one| one.check(&one.sample(), &|_| false).len()).sum();
    println!("find, sample and check every type: {:?} ({checked} problems)", start.elapsed());
}
