//! What an IP address is: public, private, loopback, or one that no request ever goes to.
//!
//! What has a second spelling (an IPv4 address inside an IPv6 address) is judged by what it means, so no
//! spelling reaches what another one does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anybody's: any grant that names the host is enough.
    Public,
    /// Of the network that this machine is in, or of no network at all: the grant has to name the host exactly.
    Private,
    /// This machine: the grant has to name the address itself, or `localhost`.
    Loopback,
    /// No grant reaches it.
    Never(Why),
}

/// Why no grant reaches an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Services of the cloud that give credentials to whoever asks.
    Metadata,
    /// Of one cable: 169.254.0.0/16 and fe80::/10. The metadata services of most clouds are here.
    LinkLocal,
    /// 0.0.0.0/8 and `::`, which many systems take for this machine.
    Unspecified,
    /// Of groups of machines, or of all of them.
    Multicast,
    /// Set aside by the standards; no server is there.
    Reserved,
    /// An IPv6 address that stands for an IPv4 address by way of a tunnel.
    Tunnel,
}

impl Why {
    /// For a sentence: "it is …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Metadata => "a metadata service, which gives cloud credentials to any client",
            Self::LinkLocal => "a link-local address, which metadata services use",
            Self::Unspecified => "an unspecified address, which many systems treat as this machine",
            Self::Multicast => "a multicast or broadcast address",
            Self::Reserved => "a reserved address, which no server uses",
            Self::Tunnel => "an IPv6 address that contains an IPv4 address",
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

/// What an address is.
pub fn reach(address: IpAddr) -> Reach {
    match plain(address) {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

/// The address itself, where IPv6 maps an IPv4 address (`::ffff:10.0.0.1`): the system treats both alike.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Metadata services outside of link-local ranges: Alibaba Cloud, Azure's wire server, Oracle Cloud Classic.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// The same in IPv6, as the first segments of what is refused: all of Amazon's `fd00:ec2::/32` (instance metadata,
/// credentials of EKS Pod Identity, time, names), Google Cloud, Scaleway.
const METADATA_V6: [&[u16]; 3] =
    [&[0xfd00, 0x0ec2], &[0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254], &[0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042]];

fn v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) || is_link_local_metadata(address) {
        return Reach::Never(Why::Metadata);
    }
    match address.octets() {
        [0, ..] => Reach::Never(Why::Unspecified),
        [127, ..] => Reach::Loopback,
        [169, 254, ..] => Reach::Never(Why::LinkLocal),
        [255, 255, 255, 255] | [224..=239, ..] => Reach::Never(Why::Multicast),
        // Protocol assignments, the relay of 6to4, and what was never given out.
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Reach::Never(Why::Reserved),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Private,
        // Of carriers and of pods in clusters.
        [100, 64..=127, ..] => Reach::Private,
        // Benchmarks and documentation: on the internet nobody has them, so whoever does is near.
        [198, 18..=19, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Private,
        _ => Reach::Public,
    }
}

/// Those that have a name of their own in the messages: instances of most clouds, tasks of ECS, EKS Pod Identity.
fn is_link_local_metadata(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [169, 254, 42, 42] | [169, 254, 0, 23])
}

fn v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    if METADATA_V6.iter().any(|metadata| segments.starts_with(metadata)) {
        return Reach::Never(Why::Metadata);
    }
    if let Some(inner) = embedded(segments) {
        return match (inner.form, v4(inner.address)) {
            (_, Reach::Never(why)) => Reach::Never(why),
            // A network without IPv4 reaches public servers this way, and nothing else (RFC 6052, 3.1).
            (Form::Nat64, Reach::Public) => Reach::Public,
            _ => Reach::Never(Why::Tunnel),
        };
    }
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never(Why::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        [0xfe80..=0xfebf, ..] => Reach::Never(Why::LinkLocal),
        [0xff00..=0xffff, ..] => Reach::Never(Why::Multicast),
        // Teredo.
        [0x2001, 0, ..] => Reach::Never(Why::Tunnel),
        // Documentation.
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Private,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Private,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // NAT64 of a network's own (64:ff9b:1::/48), the discard prefix, and what was never given out.
        _ => Reach::Never(Why::Reserved),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Nat64,
    Deprecated,
}

struct Embedded {
    form: Form,
    address: Ipv4Addr,
}

/// The IPv4 address that an IPv6 address stands for.
fn embedded(segments: [u16; 8]) -> Option<Embedded> {
    let of = |form, high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Embedded { form, address: Ipv4Addr::new(a, b, c, d) })
    };
    match segments {
        // `::` and `::1` are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible, translated (SIIT), 6to4. Mapped ones were made plain before.
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0x2002, high, low, ..] => {
            of(Form::Deprecated, high, low)
        }
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => of(Form::Nat64, high, low),
        // ISATAP.
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => of(Form::Deprecated, high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_what_it_means_in_every_spelling() {
        use Reach::{Loopback, Never, Private, Public};
        let cases = [
            ("93.184.215.14", Public),
            ("8.8.8.8", Public),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.32.0.1", Public),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("100.128.0.1", Public),
            ("198.18.0.1", Private),
            ("203.0.113.9", Private),
            ("127.0.0.1", Loopback),
            ("127.255.0.3", Loopback),
            ("0.0.0.0", Never(Why::Unspecified)),
            ("0.1.2.3", Never(Why::Unspecified)),
            ("169.254.169.254", Never(Why::Metadata)),
            ("169.254.170.2", Never(Why::Metadata)),
            ("169.254.170.23", Never(Why::Metadata)),
            ("169.254.1.1", Never(Why::LinkLocal)),
            ("100.100.100.200", Never(Why::Metadata)),
            ("168.63.129.16", Never(Why::Metadata)),
            ("192.0.0.192", Never(Why::Metadata)),
            ("192.0.0.8", Never(Why::Reserved)),
            ("224.0.0.1", Never(Why::Multicast)),
            ("239.255.255.255", Never(Why::Multicast)),
            ("255.255.255.255", Never(Why::Multicast)),
            ("240.0.0.1", Never(Why::Reserved)),
            ("2606:4700::1111", Public),
            ("fd12:3456::1", Private),
            ("fec0::1", Private),
            ("2001:db8::1", Private),
            ("::1", Loopback),
            ("::", Never(Why::Unspecified)),
            ("fe80::1", Never(Why::LinkLocal)),
            ("febf::1", Never(Why::LinkLocal)),
            ("ff02::1", Never(Why::Multicast)),
            ("fd00:ec2::254", Never(Why::Metadata)),
            ("fd00:ec2::23", Never(Why::Metadata)),
            ("fd20:ce::254", Never(Why::Metadata)),
            ("fd00:42::42", Never(Why::Metadata)),
            ("fd20:ce::255", Private),
            ("::ffff:169.254.169.254", Never(Why::Metadata)),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:93.184.215.14", Public),
            ("::169.254.169.254", Never(Why::Metadata)),
            ("::93.184.215.14", Never(Why::Tunnel)),
            ("::127.0.0.1", Never(Why::Tunnel)),
            ("::2", Never(Why::Unspecified)),
            ("::ffff:0:169.254.169.254", Never(Why::Metadata)),
            ("64:ff9b::169.254.169.254", Never(Why::Metadata)),
            ("64:ff9b::10.0.0.1", Never(Why::Tunnel)),
            ("64:ff9b::127.0.0.1", Never(Why::Tunnel)),
            ("64:ff9b::93.184.215.14", Public),
            ("64:ff9b:1::93.184.215.14", Never(Why::Reserved)),
            ("2002:a9fe:a9fe::1", Never(Why::Metadata)),
            ("2002:7f00:1::1", Never(Why::Tunnel)),
            ("2002:5db8:d70e::1", Never(Why::Tunnel)),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Never(Why::Tunnel)),
            ("2606:4700::5efe:169.254.169.254", Never(Why::Metadata)),
            ("100::1", Never(Why::Reserved)),
            ("4000::1", Never(Why::Reserved)),
        ];
        for (text, expected) in cases {
            assert_eq!(reach(text.parse().expect(text)), expected, "{text}");
        }
    }
}
