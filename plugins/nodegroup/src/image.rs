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
                "'{name}' does not read as an instance type such as g4dn.xlarge; state ami_type if it is one"
            ))
        })?;
        match chosen {
            Some((other, of, on)) if (of, on) != (kind, arm) => {
                return Err(invalid(format!(
                    "{other} and {name} need different images; make a node group for each, or state ami_type"
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
}
