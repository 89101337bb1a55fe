//! Where the subnets lie when the user does not say.

use ipnet::Ipv4Net;
use llmhost_plugin::{Failure, invalid};

/// Public and private ranges for so many zones, in turn: of 10.0.0.0/16 the public ones are
/// 10.0.1.0/24, 10.0.3.0/24, …, the private ones 10.0.2.0/24, 10.0.4.0/24, …
///
/// Subnets are 256 times smaller than the VPC, but not smaller than AWS allows (/28).
pub(crate) fn subnets(vpc: &str, zones: usize) -> Result<(Vec<String>, Vec<String>), Failure> {
    let net: Ipv4Net =
        vpc.parse().map_err(|_| invalid(format!("cidr '{vpc}' is not an IPv4 range, such as 10.0.0.0/16")))?;
    let prefix = (net.prefix_len() + 8).min(28);
    let all: Vec<Ipv4Net> = match net.subnets(prefix) {
        // The first range stays free where there is room: it is where people look for other things.
        Ok(all) => {
            let count = 1_usize << (prefix - net.prefix_len());
            all.skip(usize::from(count > 2 * zones)).take(2 * zones).collect()
        }
        Err(_) => Vec::new(),
    };
    if all.len() < 2 * zones {
        return Err(invalid(format!(
            "cidr '{vpc}' has no room for {} subnets of /{prefix}; choose a larger range, or state public_subnets and private_subnets",
            2 * zones
        )));
    }
    let (mut public, mut private) = (Vec::new(), Vec::new());
    for pair in all.chunks(2) {
        public.push(pair[0].to_string());
        private.push(pair[1].to_string());
    }
    Ok((public, private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_alternate_and_shrink_with_the_vpc() {
        for (vpc, zones, public, private) in [
            ("10.0.0.0/16", 2, ["10.0.1.0/24", "10.0.3.0/24"], ["10.0.2.0/24", "10.0.4.0/24"]),
            ("172.31.0.0/16", 2, ["172.31.1.0/24", "172.31.3.0/24"], ["172.31.2.0/24", "172.31.4.0/24"]),
            ("10.0.0.0/20", 2, ["10.0.0.16/28", "10.0.0.48/28"], ["10.0.0.32/28", "10.0.0.64/28"]),
            ("10.0.0.0/26", 2, ["10.0.0.0/28", "10.0.0.32/28"], ["10.0.0.16/28", "10.0.0.48/28"]),
        ] {
            let found = subnets(vpc, zones).map_err(|_| ()).expect(vpc);
            assert_eq!(found, (public.map(str::to_owned).to_vec(), private.map(str::to_owned).to_vec()), "{vpc}");
        }
    }

    #[test]
    fn a_range_without_room_or_sense_is_refused() {
        for vpc in ["10.0.0.0/27", "ten", "10.0.0.0/28", ""] {
            assert!(subnets(vpc, 2).is_err(), "{vpc}");
        }
    }
}
