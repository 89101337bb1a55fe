//! Where the subnets of a zone lie when the user does not say.

use ipnet::Ipv4Net;
use llmhost_plugin::{Failure, invalid};

/// The public and the private range of the zone in this slot: of 10.0.0.0/16 those of slot 0 are 10.0.1.0/24 and
/// 10.0.2.0/24, those of slot 1 are 10.0.3.0/24 and 10.0.4.0/24.
///
/// Ranges are 256 times smaller than the VPC, but not smaller than AWS allows (/28). A slot's ranges depend on the
/// VPC and the slot alone, so further zones never move a subnet.
pub(crate) fn of_slot(vpc: &str, slot: usize) -> Result<(String, String), Failure> {
    let net: Ipv4Net =
        vpc.parse().map_err(|_| invalid(format!("cidr '{vpc}' is not an IPv4 range, such as 10.0.0.0/16")))?;
    let prefix = (net.prefix_len() + 8).min(28);
    let count = 1_usize << prefix.saturating_sub(net.prefix_len());
    if 2 * slot + 1 >= count {
        let advice = "choose a larger range, or set the ranges of the subnets";
        return Err(invalid(match count / 2 {
            0 => format!("cidr '{vpc}' has no room for a public and a private subnet of /{prefix}; {advice}"),
            zones => {
                let last = letter(zones - 1);
                format!(
                    "cidr '{vpc}' has room for the subnets (/{prefix}) of zones a to {last}, and not of zone {}; {advice}",
                    letter(slot)
                )
            }
        }));
    }
    // The first range comes last: it is where people look for other things.
    let range = |at: usize| {
        let start = u32::from(net.network()) + (((at % count) as u32) << (32 - prefix));
        format!("{}/{prefix}", std::net::Ipv4Addr::from(start))
    };
    Ok((range(2 * slot + 1), range(2 * slot + 2)))
}

/// The range for pods of the zone in this slot: an eighth of a further range of the VPC.
pub(crate) fn of_pods(range: &str, slot: usize) -> Result<String, Failure> {
    let net: Ipv4Net = range.parse().map_err(|_| {
        invalid(format!("secondary_cidrs has '{range}', which is not an IPv4 range, such as 100.64.0.0/16"))
    })?;
    let prefix = (net.prefix_len() + 3).min(28);
    let count = 1_usize << prefix.saturating_sub(net.prefix_len());
    if slot >= count {
        let advice = "set the ranges in pod_subnets";
        return Err(invalid(format!(
            "secondary_cidrs '{range}' has pod ranges for zones a to {}, and not for zone {}; {advice}",
            letter(count - 1),
            letter(slot)
        )));
    }
    let start = u32::from(net.network()) + ((slot as u32) << (32 - prefix));
    Ok(format!("{}/{prefix}", std::net::Ipv4Addr::from(start)))
}

/// Letter of a slot: a, b, c, …
pub(crate) fn letter(slot: usize) -> char {
    char::from(b'a'.saturating_add(u8::try_from(slot).unwrap_or(u8::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(vpc: &str) -> Vec<(Ipv4Net, Ipv4Net)> {
        let parse = |text: String| text.parse::<Ipv4Net>().expect("a range");
        let all = (0..26).map_while(|slot| of_slot(vpc, slot).ok());
        all.map(|(public, private)| (parse(public), parse(private))).collect()
    }

    #[test]
    fn ranges_alternate_and_shrink_with_the_vpc() {
        for (vpc, public, private) in [
            ("10.0.0.0/16", ["10.0.1.0/24", "10.0.3.0/24"], ["10.0.2.0/24", "10.0.4.0/24"]),
            ("172.31.0.0/16", ["172.31.1.0/24", "172.31.3.0/24"], ["172.31.2.0/24", "172.31.4.0/24"]),
            ("10.0.0.0/20", ["10.0.0.16/28", "10.0.0.48/28"], ["10.0.0.32/28", "10.0.0.64/28"]),
            ("10.8.0.0/25", ["10.8.0.16/28", "10.8.0.48/28"], ["10.8.0.32/28", "10.8.0.64/28"]),
            ("10.0.0.0/26", ["10.0.0.16/28", "10.0.0.48/28"], ["10.0.0.32/28", "10.0.0.0/28"]),
        ] {
            for slot in 0..2 {
                let found = of_slot(vpc, slot).map_err(|_| ()).expect(vpc);
                assert_eq!(found, (public[slot].to_owned(), private[slot].to_owned()), "{vpc}");
            }
        }
    }

    #[test]
    fn every_range_has_ranges_of_its_own_within_the_vpc() {
        for length in 16..=28 {
            let vpc = format!("10.64.0.0/{length}");
            let net: Ipv4Net = vpc.parse().expect("a range");
            let all: Vec<_> = slots(&vpc).into_iter().flat_map(|(public, private)| [public, private]).collect();
            let zones = match length {
                16..=22 => 26,
                _ => (1 << (28 - length)) / 2,
            };
            assert_eq!(all.len(), 2 * zones, "{vpc}");
            for (at, range) in all.iter().enumerate() {
                assert!(net.contains(range) && range.prefix_len() <= 28, "{range} of {vpc}");
                let overlaps = |other: &Ipv4Net| other.contains(range) || range.contains(other);
                assert!(!all[..at].iter().any(overlaps), "{range} of {vpc}");
            }
        }
    }

    #[test]
    fn a_range_without_room_or_sense_is_refused_before_anything_is_made() {
        for (vpc, slot, words) in [
            ("10.0.0.0/25", 4, "has room for the subnets (/28) of zones a to d, and not of zone e"),
            ("10.0.0.0/27", 1, "and not of zone b"),
            ("10.0.0.0/28", 0, "has no room for a public and a private subnet of /28"),
            ("ten", 0, "is not an IPv4 range"),
            ("", 0, "is not an IPv4 range"),
            ("10.0.0.0/32", 0, "has no room"),
        ] {
            let Err(Failure { message, .. }) = of_slot(vpc, slot) else { panic!("{vpc} has room") };
            assert!(message.contains(words), "{message}");
        }
    }
}
