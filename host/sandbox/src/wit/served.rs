//! What this host serves, as tables that the build script writes from `wit/`.

/// A package that was released: components may import its interfaces.
pub(crate) struct Released {
    /// `llmhost:aws-ec2`
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) interfaces: &'static [&'static str],
}

/// An interface as its newest version has it.
pub(crate) struct Interface {
    pub(crate) name: &'static str,
    pub(crate) functions: &'static [Function],
}

pub(crate) struct Function {
    /// `[static]subnet.declare`, `[method]subnet.id`, or a plain name.
    pub(crate) name: &'static str,
    pub(crate) params: &'static [(&'static str, Shape)],
    pub(crate) result: Option<&'static Shape>,
}

/// A type.
#[derive(Debug)]
pub(crate) enum Shape {
    Bool,
    /// By its name in WIT.
    Number(&'static str),
    Text,
    List(&'static Shape),
    Option(&'static Shape),
    Tuple(&'static [Shape]),
    Record(&'static [(&'static str, Shape)]),
    Variant(&'static [(&'static str, Option<&'static Shape>)]),
    Enum(&'static [&'static str]),
    Result(Option<&'static Shape>, Option<&'static Shape>),
    /// A handle of a resource.
    Handle,
    /// `failure`, which was a variant once and is a record now.
    Failure,
}

include!(concat!(env!("OUT_DIR"), "/served.rs"));

/// Functions that belong to no resource, with the grant that each needs.
pub(crate) const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("ec2", "availability-zone", "ec2:describe"),
    ("ec2", "existing", "ec2:existing"),
    ("eks", "existing", "eks:existing"),
    ("files", "entries", "files:read"),
    ("files", "read", "files:read"),
    ("files", "text", "files:read"),
    ("iam", "existing", "iam:existing"),
    ("s3", "existing", "s3:existing"),
    ("ec2", "zone-name", "ec2:describe"),
    ("eks", "newest-version", "eks:describe"),
    ("sts", "account-id", "sts:identity"),
    ("sts", "partition", "sts:identity"),
    ("sts", "region", "sts:identity"),
    ("sts", "service-principal", "sts:identity"),
    ("sts", "web-identity-audiences", "sts:identity"),
];

impl Interface {
    /// The resources that can be declared.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &'static str> {
        let names = self.functions.iter().filter_map(|function| function.name.strip_prefix("[static]"));
        names.filter_map(|name| name.strip_suffix(".declare"))
    }
}

/// The interface of resources of any kind, whose grants name kinds of providers.
pub(crate) const ANY: &str = "resources";

/// Every resource of the host's own kinds, with its interface.
pub(crate) fn resources() -> impl Iterator<Item = (&'static str, &'static str)> {
    SERVED
        .iter()
        .filter(|interface| interface.name != ANY)
        .flat_map(|interface| interface.resources().map(|resource| (interface.name, resource)))
}

/// The name of an interface that a component imports: `llmhost:aws-ec2/ec2@0.2.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Import<'a> {
    pub(crate) package: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) version: &'a str,
}

impl<'a> Import<'a> {
    pub(crate) fn parse(name: &'a str) -> Self {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        Self { package, interface, version }
    }

    /// Whether it is one of llmhost's own, of any version.
    pub(crate) fn is_own(&self) -> bool {
        self.package.starts_with("llmhost:")
    }

    /// Whether this host has it; why not, and what to do about it. Versions 0.x are compatible within one x.
    pub(crate) fn served(&self) -> Result<(), String> {
        let of_package: Vec<_> = RELEASED.iter().filter(|released| released.package == self.package).collect();
        let name = self.to_string();
        if of_package.is_empty() {
            return Err(format!(
                "it imports '{name}', and this version of llmhost does not have that package; it has {}",
                packages()
            ));
        }
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        let same =
            |released: &&&Released| minor(self.version).is_some() && minor(released.version) == minor(self.version);
        let Some(released) = of_package.iter().find(same) else {
            let versions: Vec<_> = of_package.iter().map(|released| released.version).collect();
            return Err(format!(
                "it imports '{name}', and this version of llmhost serves {} {}; build the plugin against that version, \
                 or use a newer llmhost",
                self.package,
                versions.join(" and ")
            ));
        };
        match released.interfaces.contains(&self.interface) {
            true => Ok(()),
            false => Err(format!(
                "it imports '{name}', and this version of llmhost has no such interface; of {} it has: {}",
                self.package,
                released.interfaces.join(", ")
            )),
        }
    }
}

impl std::fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { package, interface, version } = self;
        match version.is_empty() {
            true => write!(f, "{package}/{interface}"),
            false => write!(f, "{package}/{interface}@{version}"),
        }
    }
}

/// Whether the kinds of resources of this interface are the host's own.
pub(crate) fn is_built_in(interface: &str) -> bool {
    SERVED.iter().any(|served| served.name == interface)
}

/// The names of all packages.
pub(crate) fn packages() -> String {
    let mut packages: Vec<_> = RELEASED.iter().map(|released| released.package).collect();
    packages.dedup();
    packages.join(", ")
}

/// What this host has of an interface.
pub(crate) fn interface(name: &str) -> Option<&'static Interface> {
    SERVED.iter().find(|interface| interface.name == name)
}
