//! What is known of a type: `cargo run -p llmhost-aws-types --example explain AWS::SQS::Queue`.
#![allow(clippy::print_stdout, reason = "it talks to a person at a terminal")]

use llmhost_aws_types::{find, suggest};

fn main() {
    for name in std::env::args().skip(1) {
        match find(&name) {
            Some(one) => println!("{}\nThe smallest that is valid\n\n{:#}\n", one.describe(), one.sample()),
            None => println!("There is no type {name}. {}", suggest(&name).unwrap_or_default()),
        }
    }
}
