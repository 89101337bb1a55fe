//! Ranges as users write them.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use llmhost_engine::unknown;

/// Reads a range, or says what is wrong with it. Nothing for a value that is not known yet.
pub(in crate::aws) fn parse(field: &str, text: &str) -> Result<Option<Ipv4Net>, String> {
    if unknown::is_unknown(text) {
        return Ok(None);
    }
    let net = match text.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => net,
        Ok(IpNet::V6(_)) => {
            return Err(format!("{field} '{text}' is an IPv6 range; write an IPv4 one, such as 10.0.0.0/16"));
        }
        Err(_) => return Err(format!("{field} '{text}' is not an IPv4 range, such as 10.0.0.0/16")),
    };
    if net != net.trunc() {
        return Err(format!("{field} '{text}' names an address within the range; write {}", net.trunc()));
    }
    Ok(Some(net))
}

/// As [`parse`], for an IPv6 range.
pub(in crate::aws) fn parse_v6(field: &str, text: &str) -> Result<Option<Ipv6Net>, String> {
    if unknown::is_unknown(text) {
        return Ok(None);
    }
    let net = match text.parse::<IpNet>() {
        Ok(IpNet::V6(net)) => net,
        Ok(IpNet::V4(_)) => {
            return Err(format!("{field} '{text}' is an IPv4 range; write an IPv6 one, such as 2001:db8::/32"));
        }
        Err(_) => return Err(format!("{field} '{text}' is not an IPv6 range, such as 2001:db8::/32")),
    };
    if net != net.trunc() {
        return Err(format!("{field} '{text}' names an address within the range; write {}", net.trunc()));
    }
    Ok(Some(net))
}

/// Whether this is meant as an IPv6 range: no IPv4 range has a colon.
pub(in crate::aws) fn is_v6(text: &str) -> bool {
    !unknown::is_unknown(text) && text.contains(':')
}

/// The so many-th /64 of an IPv6 range, which is a /56 as Amazon gives it out.
pub(super) fn sixty_four(range: Ipv6Net, index: u32) -> Option<Ipv6Net> {
    let bits = u128::from(range.network()) | (u128::from(index) << 64);
    let net = Ipv6Net::new(bits.into(), 64).ok()?;
    (range.prefix_len() <= 64 && range.contains(&net)).then_some(net)
}

/// Reads the range of a VPC or subnet, which AWS wants between /16 and /28.
pub(super) fn of_network(field: &str, text: &str) -> Result<Option<Ipv4Net>, String> {
    match parse(field, text)? {
        Some(net) if !(16..=28).contains(&net.prefix_len()) => {
            Err(format!("{field} '{text}' has a prefix of /{}; AWS allows /16 to /28", net.prefix_len()))
        }
        net => Ok(net),
    }
}

/// Whether a range lies within the private ones of RFC 1918.
pub(in crate::aws) fn is_private(net: Ipv4Net) -> bool {
    let within = |first: [u8; 4], prefix| Ipv4Net::new(first.into(), prefix).is_ok_and(|range| range.contains(&net));
    within([10, 0, 0, 0], 8) || within([172, 16, 0, 0], 12) || within([192, 168, 0, 0], 16)
}

/// Whether two ranges share addresses.
pub(in crate::aws) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_subnets_lie_in_the_vpcs_ipv6_range_one_after_the_other() {
        let vpc = "2600:1f18:12:3400::/56".parse().expect("a range");
        for (index, range) in [(0, Some("2600:1f18:12:3400::/64")), (255, Some("2600:1f18:12:34ff::/64")), (256, None)]
        {
            assert_eq!(sixty_four(vpc, index).map(|net| net.to_string()).as_deref(), range, "{index}");
        }
        assert_eq!(sixty_four("2600::/72".parse().expect("a range"), 0), None);
        let error = parse_v6("peer", "2001:db8::1/32").expect_err("an address");
        assert!(error.contains("write 2001:db8::/32"), "{error}");
        assert!(parse_v6("peer", "10.0.0.0/8").expect_err("IPv4").contains("is an IPv4 range"));
    }

    #[test]
    fn a_wrong_range_is_said_with_the_right_one_where_there_is_one() {
        for (text, words) in [
            ("10.0.0.0/160", "is not an IPv4 range"),
            ("ten", "is not an IPv4 range"),
            ("", "is not an IPv4 range"),
            ("10.0.0.5/16", "write 10.0.0.0/16"),
            ("10.0.0.0/8", "/16 to /28"),
            ("10.0.0.0/30", "/16 to /28"),
            ("fd00::/64", "IPv6"),
        ] {
            let error = of_network("cidr_block", text).expect_err(text);
            assert!(error.contains(words), "{error}");
        }
        assert!(of_network("cidr_block", "10.0.0.0/16").expect("good").is_some());
        assert_eq!(of_network("cidr_block", &unknown::fact("x.y")), Ok(None));
    }
}
