//! What the name of an instance type tells: `g5g.2xlarge` is an ARM machine with a GPU.

/// What is in a machine, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) nvidia: bool,
    pub(super) neuron: bool,
    pub(super) arm: bool,
}

/// Reads a type's name; nothing where it is no such name.
pub(super) fn machine(kind: &str) -> Option<Machine> {
    let (family, _) = kind.split_once('.')?;
    let letters: String = family.chars().take_while(char::is_ascii_alphabetic).collect();
    let rest = &family[letters.len()..];
    let options = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() || rest.len() == options.len() {
        return None;
    }
    let neuron = ["inf", "trn"].contains(&letters.as_str());
    // g4ad is AMD's; every other family of g and p is NVIDIA's.
    let nvidia = ["g", "gr", "p"].contains(&letters.as_str()) && family != "g4ad";
    Some(Machine { nvidia, neuron, arm: letters == "a" || options.starts_with('g') || options.starts_with("b200g") })
}

/// The quota on vCPUs that counts a type: its code in Service Quotas, and its name.
pub(super) fn quota(kind: &str, spot: bool) -> Option<(&'static str, &'static str)> {
    let (family, _) = kind.split_once('.')?;
    let letters: String = family.chars().take_while(char::is_ascii_alphabetic).collect();
    let row = match letters.as_str() {
        "g" | "gr" | "vt" => [
            ("L-DB2E81BA", "Running On-Demand G and VT instances"),
            ("L-3819A6DF", "All G and VT Spot Instance Requests"),
        ],
        "p" if family.starts_with("p5") || family.starts_with("p6") => {
            [("L-417A185B", "Running On-Demand P instances"), ("L-C4BD4855", "All P5 Spot Instance Requests")]
        }
        "p" => [
            ("L-417A185B", "Running On-Demand P instances"),
            ("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"),
        ],
        "inf" => [("L-1945791B", "Running On-Demand Inf instances"), ("L-B5D1601B", "All Inf Spot Instance Requests")],
        "trn" => [("L-2C3B7624", "Running On-Demand Trn instances"), ("L-6B0D517C", "All Trn Spot Instance Requests")],
        "x" => [("L-7295265B", "Running On-Demand X instances"), ("L-E3A00192", "All X Spot Instance Requests")],
        "f" => [("L-74FC7D96", "Running On-Demand F instances"), ("L-88CF9481", "All F Spot Instance Requests")],
        "a" | "c" | "d" | "h" | "i" | "m" | "r" | "t" | "z" | "im" | "is" => [
            ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
            ("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
        ],
        _ => return None,
    };
    Some(row[usize::from(spot)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_gpus_and_processors() {
        for (kind, nvidia, neuron, arm) in [
            ("g4dn.xlarge", true, false, false),
            ("g5g.2xlarge", true, false, true),
            ("g4ad.xlarge", false, false, false),
            ("p5.48xlarge", true, false, false),
            ("gr6.4xlarge", true, false, false),
            ("t3.medium", false, false, false),
            ("t4g.medium", false, false, true),
            ("m7g.large", false, false, true),
            ("m7gd.large", false, false, true),
            ("c7gn.large", false, false, true),
            ("inf2.xlarge", false, true, false),
            ("a1.large", false, false, true),
        ] {
            assert_eq!(machine(kind), Some(Machine { nvidia, neuron, arm }), "{kind}");
        }
        assert_eq!(machine("large"), None);
    }

    #[test]
    fn each_family_has_its_quota() {
        assert_eq!(quota("g4dn.xlarge", false).map(|q| q.0), Some("L-DB2E81BA"));
        assert_eq!(quota("g4dn.xlarge", true).map(|q| q.0), Some("L-3819A6DF"));
        assert_eq!(quota("t3.medium", false).map(|q| q.0), Some("L-1216C47A"));
        assert_eq!(quota("p5.48xlarge", false).map(|q| q.0), Some("L-417A185B"));
        assert_eq!(quota("mac2.metal", false), None);
    }
}
