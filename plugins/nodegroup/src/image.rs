//! Which image fits an instance type, by its name.

use llmhost_plugin::{Failure, invalid};

use crate::config::Os;

/// What a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Nvidia,
    Neuron,
}

/// The AMI type of EKS for these instance types, and what they have. All must want the same.
pub(crate) fn choose(types: &[String], os: Os) -> Result<(String, Kind), Failure> {
    let mut chosen: Option<(&String, Kind, bool)> = None;
    for name in types {
        let (kind, arm) = read(name).ok_or_else(|| {
            invalid(format!(
                "'{name}' does not look like an instance type such as g4dn.xlarge; set ami_type if it is one"
            ))
        })?;
        match chosen {
            Some((other, of, on)) if (of, on) != (kind, arm) => {
                return Err(invalid(format!(
                    "{other} and {name} need different images; create a node group for each, or set ami_type"
                )));
            }
            Some(_) => {}
            None => chosen = Some((name, kind, arm)),
        }
    }
    let Some((name, kind, arm)) = chosen else { return Err(invalid("instance_types is empty")) };
    let machine = if arm { "ARM_64" } else { "x86_64" };
    let image = match (os, kind) {
        (Os::Al2023, Kind::Plain) => format!("AL2023_{machine}_STANDARD"),
        (Os::Al2023, Kind::Nvidia) => format!("AL2023_{machine}_NVIDIA"),
        (Os::Al2023, Kind::Neuron) => format!("AL2023_{machine}_NEURON"),
        (Os::Bottlerocket, Kind::Plain) => format!("BOTTLEROCKET_{machine}"),
        (Os::Bottlerocket, Kind::Nvidia) => format!("BOTTLEROCKET_{machine}_NVIDIA"),
        (Os::Bottlerocket, Kind::Neuron) => {
            return Err(invalid(format!("EKS has no Bottlerocket image for {name}; use os = \"al2023\"")));
        }
    };
    Ok((image, kind))
}

/// What the name of a type says: its accelerator, and whether it is ARM. `g5g.xlarge`: a letter or
/// more for the family, its generation, and letters for options, of which `g` is Graviton.
pub(crate) fn read(name: &str) -> Option<(Kind, bool)> {
    let (family, size) = name.split_once('.')?;
    let letters = &family[..family.find(|c: char| c.is_ascii_digit())?];
    let options = family[letters.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty()
        || size.is_empty()
        || !family.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        return None;
    }
    let kind = match letters {
        "inf" | "trn" => Kind::Neuron,
        "g" | "gr" | "p" if family != "g4ad" => Kind::Nvidia,
        _ => Kind::Plain,
    };
    Some((kind, letters == "a" || options.starts_with('g')))
}

/// Network cards that take an interface for EFA, where an instance type has more than one.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html>
const CARDS: [(&str, u32); 11] = [
    ("p5.48", 32),
    ("p5e.48", 32),
    ("p5en.48", 16),
    ("p6-b200.48", 8),
    ("p6-b300.48", 16),
    ("p4d.24", 4),
    ("p4de.24", 4),
    ("trn1.32", 8),
    ("trn1n.32", 16),
    ("trn2.48", 16),
    ("dl1.24", 4),
];

/// How many interfaces for EFA an instance type takes. Whether it takes any is asked before a run.
pub(crate) fn efa_interfaces(name: &str) -> u32 {
    if let Some((_, cards)) = CARDS.iter().find(|(start, _)| name.strip_prefix(start) == Some("xlarge")) {
        return *cards;
    }
    let (family, size) = name.split_once('.').unwrap_or((name, ""));
    match (family, size) {
        ("g6e" | "g7e", "24xlarge") => 2,
        ("g6e" | "g7e", "48xlarge") => 4,
        ("c6in" | "m6in" | "m6idn" | "r6in" | "r6idn", "32xlarge" | "metal") => 2,
        ("hpc6id" | "hpc7a" | "hpc8a", _) => 2,
        ("c8gn" | "m8gn" | "r8gn" | "c8gb" | "m8gb" | "r8gb", "48xlarge" | "metal-48xl") => 2,
        _ => 1,
    }
}

/// How many NVIDIA GPUs a type has; nothing where its name does not tell.
pub(crate) fn gpus(name: &str) -> Option<u32> {
    let (family, size) = name.split_once('.')?;
    Some(match (family, size) {
        ("g4dn", "12xlarge") => 4,
        ("g4dn", "metal") => 8,
        ("g5" | "g6" | "g6e", "12xlarge" | "24xlarge") => 4,
        ("g5" | "g6" | "g6e" | "g7e", "48xlarge") => 8,
        ("g7e", "12xlarge") => 2,
        ("g7e", "24xlarge") => 4,
        ("g5g", "16xlarge" | "metal") => 2,
        ("g4dn" | "g5" | "g5g" | "g6" | "g6e" | "g7e" | "gr6", _) => 1,
        ("p3", "2xlarge") | ("p5", "4xlarge") => 1,
        ("p3", "8xlarge") => 4,
        ("p3" | "p3dn" | "p4d" | "p4de" | "p5" | "p5e" | "p5en" | "p6-b200" | "p6-b300", _) => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_follows_from_the_type() {
        let of = |types: &[&str], os| {
            let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
            choose(&types, os).map(|(image, _)| image).map_err(|failure| format!("{failure:?}"))
        };
        for (types, os, image) in [
            (&["g4dn.xlarge"][..], Os::Al2023, "AL2023_x86_64_NVIDIA"),
            (&["g5g.xlarge"], Os::Al2023, "AL2023_ARM_64_NVIDIA"),
            (&["t3.medium"], Os::Al2023, "AL2023_x86_64_STANDARD"),
            (&["m7g.large", "c7gn.large"], Os::Al2023, "AL2023_ARM_64_STANDARD"),
            (&["inf2.xlarge"], Os::Al2023, "AL2023_x86_64_NEURON"),
            (&["g4ad.xlarge"], Os::Al2023, "AL2023_x86_64_STANDARD"),
            (&["g6.xlarge", "g5.xlarge"], Os::Bottlerocket, "BOTTLEROCKET_x86_64_NVIDIA"),
            (&["t4g.small"], Os::Bottlerocket, "BOTTLEROCKET_ARM_64"),
        ] {
            assert_eq!(of(types, os).as_deref(), Ok(image), "{types:?}");
        }
        assert!(of(&["g4dn.xlarge", "t3.medium"], Os::Al2023).is_err_and(|error| error.contains("different images")));
        assert!(of(&["inf2.xlarge"], Os::Bottlerocket).is_err());
        assert!(of(&["xlarge"], Os::Al2023).is_err());
    }

    #[test]
    fn the_name_tells_gpus_and_network_cards() {
        for (name, gpu, cards) in [
            ("p5.48xlarge", Some(8), 32),
            ("p5.4xlarge", Some(1), 1),
            ("p5en.48xlarge", Some(8), 16),
            ("g6e.24xlarge", Some(4), 2),
            ("g4dn.xlarge", Some(1), 1),
            ("g6f.xlarge", None, 1),
            ("m6i.large", None, 1),
            ("hpc7a.96xlarge", None, 2),
        ] {
            assert_eq!((gpus(name), efa_interfaces(name)), (gpu, cards), "{name}");
        }
    }
}
