//! A plugin that tries to get out of the sandbox by way of WASI, and tells what it found.

use serde_json::{Value, json};

wit_bindgen::generate!({
    path: ["../../../../../wit/plugin/0.1.0", "wit"],
    world: "test:wasi/wasi",
    generate_all,
});

use wasi::cli::{environment, exit, stderr, stdin, stdout};
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::filesystem::preopens;
use wasi::random::{insecure, insecure_seed, random};
use wasi::sockets::network::IpAddressFamily;
use wasi::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

struct Wasi;

impl Guest for Wasi {
    fn describe() -> Description {
        let outputs = vec![OutputDoc { name: "found".into(), description: "What it found.".into() }];
        Description { summary: "Looks around.".into(), config_schema: "{}".into(), outputs }
    }

    fn run(config: String) -> Result<String, Failure> {
        let config: Value = serde_json::from_str(&config).map_err(|error| Failure::Invalid(error.to_string()))?;
        let found = match config["do"].as_str().unwrap_or_default() {
            "environment" => json!([
                environment::get_environment(),
                environment::get_arguments(),
                environment::initial_cwd(),
                preopens::get_directories().len(),
            ]),
            "network" => json!([
                tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4)
                    .map_or_else(|error| error.name(), |_| "a socket"),
                udp_create_socket::create_udp_socket(IpAddressFamily::Ipv6)
                    .map_or_else(|error| error.name(), |_| "a socket"),
                resolve("localhost"),
            ]),
            "clocks" => json!([wall_clock::now().seconds, wall_clock::now().nanoseconds, monotonic_clock::now()]),
            "random" => {
                let (low, high) = insecure_seed::insecure_seed();
                json!([
                    random::get_random_u64(),
                    random::get_random_bytes(8),
                    insecure::get_insecure_random_u64(),
                    low,
                    high
                ])
            }
            "much-random" => json!(random::get_random_bytes(1 << 40).len()),
            "stdin" => json!(stdin::get_stdin().blocking_read(16).map_or("at its end", |_| "bytes")),
            "print" => {
                let write = |text: &str| stdout::get_stdout().blocking_write_and_flush(text.as_bytes()).is_ok();
                json!([
                    write("one\ntw"),
                    write("o\nthree"),
                    stderr::get_stderr().blocking_write_and_flush(b"!\n\xff\nlast").is_ok()
                ])
            }
            "print-much" => {
                let out = stdout::get_stdout();
                json!((0..3000).all(|_| out.blocking_write_and_flush(&[b'x'; 4096]).is_ok()))
            }
            "sleep" => {
                monotonic_clock::subscribe_duration(3_600_000_000_000).block();
                json!("awake")
            }
            "handles" => {
                let count = config["count"].as_u64().unwrap_or_default();
                let held: Vec<_> = (0..count).map(|_| monotonic_clock::subscribe_duration(1)).collect();
                json!(held.len())
            }
            "exit" => {
                exit::exit(Err(()));
                json!("still here")
            }
            other => json!(format!("no such deed: {other}")),
        };
        Ok(json!({"found": found}).to_string())
    }
}

fn resolve(name: &str) -> &'static str {
    let network = instance_network::instance_network();
    let found = ip_name_lookup::resolve_addresses(&network, name).and_then(|addresses| {
        addresses.subscribe().block();
        addresses.resolve_next_address()
    });
    found.map_or_else(|error| error.name(), |_| "an address")
}

export!(Wasi);
