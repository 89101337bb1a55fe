//! What a plan costs, in words.

use std::fmt::Write;

use llmhost_engine::plan::{TextStyle, plain};
use llmhost_engine::secret::shown;
use llmhost_prices::{Bill, HOURS_PER_MONTH, Item};

use super::{coloured, style};
use crate::cost::Cost;

/// So many items are shown; all of them with `--verbose`.
const LARGEST: usize = 5;
/// Less than this is no change.
const NOTHING: f64 = 0.000_5;

/// The cost of a plan and its largest items.
pub(crate) fn cost(cost: &Cost, text: TextStyle, shows_all: bool) -> String {
    let (name, faint) = (style::NAME, style::FAINT);
    let bill = &cost.after;
    let head =
        textwrap::fill(&format!("Cost: {}{}", sum(bill), change(cost)), options(text.width).subsequent_indent("  "));
    let mut out = format!("\n{}\n", head.replacen("Cost:", &format!("{name}Cost:{name:#}"), 1));
    let priced: Vec<&Item> = bill.priced().collect();
    let most = if shows_all { priced.len() } else { LARGEST };
    let names = priced.iter().take(most).map(|item| item.resource.chars().count()).max().unwrap_or(0);
    for item in priced.iter().take(most) {
        let hourly = item.hourly.unwrap_or_default().least;
        let spot = if item.spot { "spot, at most this: " } else { "" };
        let (hour, month) = (dollars(hourly), dollars(hourly * HOURS_PER_MONTH));
        let item_name = plain(&item.resource);
        let head = format!("  {hour:>8}/h {month:>9}/month  {item_name:names$}  ");
        let what = cut(&format!("{spot}{}", plain(&item.what)), text.width.saturating_sub(head.chars().count()));
        let _ = writeln!(out, "{head}{faint}{what}{faint:#}");
    }
    if priced.len() > most {
        let rest: f64 = priced[most..].iter().map(|item| item.hourly.unwrap_or_default().least).sum();
        let (more, hour) = (priced.len() - most, dollars(rest));
        let _ = writeln!(out, "  {hour:>8}/h  {more} more; --verbose shows them");
    }
    let lines = [("Billed by use, not counted", bill.by_use()), ("Price unknown, not counted", bill.unknown())];
    for (head, found) in lines.into_iter().filter(|(_, found)| !found.is_empty()) {
        out += &wrapped(&format!("{head}: {}.", plain(&found.join(", "))), text.width);
    }
    out += &wrapped(&about_prices(bill, "; --online-prices asks AWS"), text.width);
    coloured(out, text)
}

/// What a destroy ends.
pub(crate) fn end_of_cost(bill: &Bill, text: TextStyle) -> String {
    let (hour, month) = (dollars(bill.hourly.least), dollars(bill.monthly.least));
    let name = style::NAME;
    coloured(format!("{name}Cost:{name:#} this stops about {hour} an hour, {month} a month.\n"), text)
}

/// `about $0.73 an hour, $533 a month; $1.27 an hour at full size`
fn sum(bill: &Bill) -> String {
    if bill.priced().next().is_none() {
        return "nothing that is billed by the hour has a known price".to_owned();
    }
    let spot = if bill.has_spot() { "up to" } else { "about" };
    let mut sum = format!("{spot} {} an hour, {} a month", dollars(bill.hourly.least), dollars(bill.monthly.least));
    if bill.hourly.scales() {
        let _ = write!(sum, "; {} an hour at full size", dollars(bill.hourly.most));
    }
    sum
}

/// What the plan changes of it, where there is something already.
fn change(cost: &Cost) -> String {
    let more = cost.after.hourly.least - cost.before.least;
    match cost.before.least {
        before if before < NOTHING => String::new(),
        _ if more.abs() < NOTHING => " (as now)".to_owned(),
        _ if more > 0.0 => format!(" ({} an hour more than now)", dollars(more)),
        _ => format!(" ({} an hour less than now)", dollars(-more)),
    }
}

/// The date of the prices, and what they leave out; where they are old, with a hint.
pub(crate) fn about_prices(bill: &Bill, hint: &str) -> String {
    let Some(date) = bill.as_of else { return "Without tax, discounts and data transfer.".to_owned() };
    let age = if bill.is_old { format!(", more than 180 days ago{hint}") } else { String::new() };
    format!("List prices of {date}{age}. Without tax, discounts and data transfer.")
}

/// What fits.
fn cut(what: &str, room: usize) -> String {
    // Masked before it is cut.
    let what = shown(what);
    match what.chars().count() > room {
        true => what.chars().take(room.saturating_sub(3)).chain("...".chars().take(room)).collect(),
        false => what.into_owned(),
    }
}

fn options(width: usize) -> textwrap::Options<'static> {
    textwrap::Options::new(width.max(40)).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

/// Lines that fit, in faint letters.
fn wrapped(line: &str, width: usize) -> String {
    let options = options(width).initial_indent("  ").subsequent_indent("    ");
    let faint = style::FAINT;
    textwrap::wrap(line, options).iter().map(|line| format!("{faint}{line}{faint:#}\n")).collect()
}

/// `$0.005`, `$0.73`, `$1,051`
pub(crate) fn dollars(amount: f64) -> String {
    match amount {
        tiny if tiny < 0.001 => format!("${tiny:.4}"),
        small if small < 0.1 => format!("${small:.3}"),
        usual if usual < 100.0 => format!("${usual:.2}"),
        large => {
            let digits = format!("{large:.0}");
            let head = digits.len() % 3;
            let mut out = digits[..head].to_owned();
            for at in (head..digits.len()).step_by(3) {
                if !out.is_empty() {
                    out.push(',');
                }
                out.push_str(&digits[at..at + 3]);
            }
            format!("${out}")
        }
    }
}

#[cfg(test)]
mod tests {
    use llmhost_prices::{Date, Declared, Range, Table, estimate};
    use serde_json::json;

    use super::*;

    fn bill(spot: bool, kinds: usize) -> Bill {
        let nodes = json!({"instance_types": ["g4dn.xlarge"], "desired_size": 1, "max_size": 2, "spot": spot});
        let endpoint = json!({"subnet_ids": ["a"]});
        let (unknown, bucket) = (json!({"type_name": "AWS::RDS::DBInstance"}), json!({}));
        let mut all = vec![
            ("gpu/eks.node-group/main".to_owned(), "eks.node-group", &nodes),
            ("db/cloud-control.entity/main".to_owned(), "cloud-control.entity", &unknown),
            ("models/s3.bucket/main".to_owned(), "s3.bucket", &bucket),
        ];
        all.extend(
            (0..kinds).map(|at| (format!("net/ec2.interface-endpoint/e{at}"), "ec2.interface-endpoint", &endpoint)),
        );
        let declared: Vec<Declared<'_>> = all
            .into_iter()
            .map(|(address, kind, spec)| Declared { address, kind, region: "us-east-1", spec, uses: vec![] })
            .collect();
        estimate(&Table::built_in(), &declared, "2025-12-31".parse::<Date>().expect("a date"))
    }

    #[test]
    fn a_bill_is_told_with_its_largest_items() {
        let told = |before: f64, shows_all| {
            let before = Range { least: before, most: before };
            cost(&Cost { after: bill(false, 6), before }, TextStyle { width: 100, ..TextStyle::default() }, shows_all)
        };
        let text = told(0.0, false);
        assert_eq!(
            text,
            "\nCost: about $0.59 an hour, $429 a month; $1.12 an hour at full size\n\
             \u{20}    $0.53/h      $386/month  gpu/eks.node-group/main        1 x g4dn.xlarge, 20 GiB (up to 2)\n\
             \u{20}   $0.010/h     $7.30/month  net/ec2.interface-endpoint/e0  interface endpoint in 1 zone\n\
             \u{20}   $0.010/h     $7.30/month  net/ec2.interface-endpoint/e1  interface endpoint in 1 zone\n\
             \u{20}   $0.010/h     $7.30/month  net/ec2.interface-endpoint/e2  interface endpoint in 1 zone\n\
             \u{20}   $0.010/h     $7.30/month  net/ec2.interface-endpoint/e3  interface endpoint in 1 zone\n\
             \u{20}   $0.020/h  2 more; --verbose shows them\n\
             \u{20} Billed by use, not counted: S3 storage $0.023 a GB a month, interface endpoints $0.01 a GB.\n\
             \u{20} Price unknown, not counted: AWS::RDS::DBInstance.\n\
             \u{20} List prices of 2025-06-01, more than 180 days ago; --online-prices asks AWS. Without tax,\n\
             \u{20}   discounts and data transfer.\n"
        );
        let narrow = cost(&Cost { after: bill(false, 6), before: Range::default() }, TextStyle::default(), false);
        assert!(narrow.lines().all(|line| line.chars().count() <= 80) && narrow.contains("1 x g4dn"), "{narrow}");
        assert!(told(0.5, true).contains("($0.088 an hour more than now)") && told(0.5, true).contains("/e5"));
        assert!(told(1.0, false).contains("($0.41 an hour less than now)"));
    }

    #[test]
    fn spot_capacity_costs_at_most_what_is_said() {
        let text = cost(&Cost { after: bill(true, 0), before: Range::default() }, TextStyle::default(), false);
        assert!(text.contains("Cost: up to $0.53 an hour") && text.contains("spot, at most this: 1"), "{text}");
        assert!(
            end_of_cost(&bill(false, 0), TextStyle::default())
                .ends_with("this stops about $0.53 an hour, $386 a month.\n")
        );
    }

    #[test]
    fn amounts_are_written_as_people_read_them() {
        for (amount, text) in [
            (0.0002, "$0.0002"),
            (0.005, "$0.005"),
            (0.5, "$0.50"),
            (99.0, "$99.00"),
            (533.4, "$533"),
            (1_050.6, "$1,051"),
            (1_234_567.0, "$1,234,567"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }
}
