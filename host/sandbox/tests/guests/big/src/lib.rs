//! A plugin with a megabyte of code, for measuring how long loading takes.

wit_bindgen::generate!({
    inline: "
        package test:big;
        world big { include llmhost:plugin/step@0.1.0; }
    ",
    path: ["../../../../../wit/plugin/0.1.0"],
    world: "test:big/big",
    generate_all,
});

/// Code that is different for each pair of numbers.
#[inline(never)]
fn work<const A: u64, const B: u64>(input: f64) -> f64 {
    let mut value = input;
    for turn in 0..(A % 7 + 3) {
        value = value * (A as f64 + 0.5) + (B as f64).sqrt() * turn as f64;
        if value > (A * 64 + B) as f64 * 1e9 {
            value = (value / (B as f64 + 1.25)).floor() - A as f64;
        } else if value < -(B as f64) {
            value = -value + (A ^ B) as f64;
        }
        if (value as i64).rotate_left((A % 63) as u32) & (B as i64 * 77 + 1) == A as i64 {
            value += 1.0 / (A as f64 + 2.0);
        }
        value = f64::from_bits(value.to_bits() ^ (A * 0x1_0001 + B)) * 0.5 + B as f64 / 3.0;
        if value.to_bits() % (A + 3) == B % 3 {
            value = value.trunc() * (B as f64 - 7.5) + (A * B) as f64;
        }
    }
    value
}

macro_rules! row {
    ($a:literal) => { row!($a: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
        32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63) };
    ($a:literal: $($b:literal)*) => { [$(work::<$a, $b>),*] };
}

macro_rules! table {
    ($($a:literal)*) => { [$(row!($a)),*] };
}

static TABLE: [[fn(f64) -> f64; 64]; 64] = table![
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
];

struct Big;

impl Guest for Big {
    fn describe() -> Description {
        Description { summary: "Is big.".into(), config_schema: "{}".into(), outputs: vec![] }
    }

    fn run(config: String) -> Result<String, Failure> {
        let at = config.len();
        let value = TABLE[at % 64][at / 64 % 64](at as f64);
        Ok(if value.is_nan() { "{ }".into() } else { "{}".into() })
    }
}

export!(Big);
