//! Pipelines that are changed again and again: parts, and the forms that each of them takes.

use llmhost_emulator::testing::Dice;

/// A pipeline in parts. A change gives some of them another form.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    parts: &'static [&'static [&'static str]],
    /// Calls of a run that change something, more or less: where it may be killed.
    pub(super) calls: u64,
}

/// The form of each part.
pub(super) type Choice = Vec<usize>;

/// Any index of a list with so many entries.
pub(super) fn index(dice: &mut Dice, length: usize) -> usize {
    usize::try_from(dice.draw(length as u64)).expect("below a length")
}

impl Course {
    /// Any form of each part.
    pub(super) fn first(&self, dice: &mut Dice) -> Choice {
        self.parts.iter().map(|forms| index(dice, forms.len())).collect()
    }

    /// The choice with one to three parts changed.
    pub(super) fn next(&self, choice: &Choice, dice: &mut Dice) -> Choice {
        let mut next = choice.clone();
        for _ in 0..=dice.draw(3) {
            let part = index(dice, self.parts.len());
            next[part] = index(dice, self.parts[part].len());
        }
        // The last draw may have undone the others: something changes.
        if next == *choice {
            next[0] = (next[0] + 1) % self.parts[0].len();
        }
        next
    }

    /// The pipeline file. The first part is the name of a step that others refer to.
    pub(super) fn file(&self, choice: &Choice) -> String {
        let forms = self.parts.iter().zip(choice).map(|(forms, form)| forms[*form]);
        let mut forms = forms.collect::<Vec<_>>().into_iter();
        let roles = forms.next().expect("the first part is a name");
        let file = format!("[pipeline]\nname = \"torture\"\nregion = \"us-east-1\"\n{}", forms.collect::<String>());
        file.replace("ROLES", roles)
    }
}

const STEP_NAMES: &[&str] = &["roles", "identities"];
const PIPELINE_TAGS: &[&str] =
    &["", "tags = { team = \"ml\" }\n", "tags = { team = \"serving\", stage = \"dev\", owner = \"a\" }\n"];

/// A network, roles with policies, and a bucket.
pub const BASE_CHANGES: Course = Course {
    calls: 30,
    parts: &[
        STEP_NAMES,
        PIPELINE_TAGS,
        // The range makes a network anew.
        &[
            "\n[steps.network]\nuses = \"vpc\"\n[steps.network.with]\nname = \"torture\"\ncidr = \"10.0.0.0/16\"\n",
            "\n[steps.network]\nuses = \"vpc\"\n[steps.network.with]\nname = \"torture\"\ncidr = \"10.8.0.0/16\"\n",
            "\n[steps.network]\nuses = \"vpc\"\n[steps.network.with]\nname = \"tortured\"\ncidr = \"10.0.0.0/16\"\n",
        ],
        &[
            "azs = 1\nnat = \"single\"\n",
            "azs = 2\nnat = \"single\"\n",
            "azs = 2\nnat = \"per-az\"\n",
            "azs = 2\nnat = \"none\"\n",
            "azs = 1\nnat = \"none\"\ns3_endpoint = false\n",
        ],
        // Rules in another order, one more, one less; and a group that can only be made anew, under its name or another.
        &[
            "[steps.network.with.security_groups.web]\ndescription = \"one\"\nrules = [{ name = \"https\", port = 443, sources = [\"203.0.113.0/24\", \"198.51.100.0/24\"] }]\n",
            "[steps.network.with.security_groups.web]\ndescription = \"one\"\nrules = [{ name = \"https\", port = 443, sources = [\"198.51.100.0/24\", \"192.0.2.0/24\", \"203.0.113.0/24\"] }]\n",
            "[steps.network.with.security_groups.web]\ndescription = \"two\"\nrules = [{ name = \"https\", port = 443, sources = [\"198.51.100.0/24\"] }]\n",
            "[steps.network.with.security_groups.front]\ndescription = \"two\"\nrules = [{ name = \"http\", port = 80 }, { name = \"https\", port = 443, sources = [\"198.51.100.0/24\"] }]\n",
            "security_groups = {}\n",
        ],
        &[
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"ClusterRole\"\nnode_role = \"NodeRole\"\n",
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"ClusterRole\"\nnode_role = \"OtherNodeRole\"\n",
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"NodeRole\"\nnode_role = \"ClusterRole\"\n",
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"ClusterRole\"\nnode_role = false\n",
        ],
        // The path makes all of them anew, under their names.
        &["path = \"/\"\n", "path = \"/llm/\"\n"],
        // A policy that is attached and can only be made anew: under its name or another.
        &[
            "[steps.ROLES.with.policies.read]\ndescription = \"one\"\ndocument = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = [\"s3:GetObject\"], Resource = [\"*\"] }] }\n",
            "[steps.ROLES.with.policies.read]\ndescription = \"two\"\ndocument = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = [\"s3:GetObject\"], Resource = [\"*\"] }] }\n",
            "[steps.ROLES.with.policies.read]\ndescription = \"one\"\ndocument = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = [\"s3:ListBucket\", \"s3:GetObject\"], Resource = [\"*\"] }] }\n",
            "[steps.ROLES.with.policies.read]\nname = \"reading\"\ndescription = \"one\"\ndocument = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = [\"s3:GetObject\"], Resource = [\"*\"] }] }\n",
        ],
        &[
            "[steps.ROLES.with.roles.app]\nservices = [\"ec2.amazonaws.com\"]\npolicies = [\"read\"]\n",
            "[steps.ROLES.with.roles.app]\nservices = [\"ec2.amazonaws.com\"]\npolicies = [\"read\", \"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess\"]\ninstance_profile = true\n",
            "[steps.ROLES.with.roles.app]\nname = \"application\"\nservices = [\"ec2.amazonaws.com\"]\npolicies = [\"read\"]\ninline = { more = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = [\"s3:PutObject\"], Resource = [\"*\"] }] } }\n",
            "[steps.ROLES.with.roles.app]\nservices = [\"lambda.amazonaws.com\"]\nmax_session_seconds = 7200\n[steps.ROLES.with.roles.job]\nservices = [\"ec2.amazonaws.com\"]\npolicies = [\"read\"]\n",
        ],
        &[
            "\n[steps.models]\nuses = \"s3\"\n[steps.models.with]\nbucket = \"torture-models\"\nforce_destroy = true\n",
            "\n[steps.models]\nuses = \"s3\"\n[steps.models.with]\nbucket = \"torture-models\"\nforce_destroy = true\nversioning = false\n",
            "\n[steps.models]\nuses = \"s3\"\n[steps.models.with]\nbucket = \"torture-weights\"\nforce_destroy = true\n",
        ],
        &[
            "upload = [{ source = \"model\", prefix = \"model\" }]\n",
            "upload = [{ source = \"model\", prefix = \"model/v2\" }, { source = \"keys\", prefix = \"keys\" }]\n",
            "upload = []\n",
        ],
    ],
};

/// A cluster with nodes, a pod identity and a model server.
pub const STACK_CHANGES: Course = Course {
    calls: 60,
    parts: &[
        STEP_NAMES,
        PIPELINE_TAGS,
        &["
[secrets]
api_key = { file = \"key.txt\" }

[steps.network]
uses = \"vpc\"
with = { name = \"torture\", azs = 2, nat = \"single\", cluster = \"llm\" }
"],
        &[
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"ClusterRole\"\nnode_role = \"NodeRole\"\n",
            "\n[steps.ROLES]\nuses = \"iam\"\n[steps.ROLES.with]\ncluster_role = \"ClusterRole\"\nnode_role = \"OtherNodeRole\"\n",
        ],
        &["
[steps.ROLES.with.roles.ops]
services = [\"ec2.amazonaws.com\"]
[steps.ROLES.with.roles.support]
services = [\"ec2.amazonaws.com\"]

[steps.cluster]
uses = \"eks\"
[steps.cluster.with]
name = \"llm\"
version = \"1.34\"
role_arn = \"${ROLES.cluster_role_arn}\"
subnet_ids = \"${network.subnet_ids}\"
"],
        &["", "logging = [\"audit\"]\n", "public_access_cidrs = [\"203.0.113.0/24\", \"127.0.0.0/8\"]\n"],
        // Entries in another order, one less.
        &[
            "",
            "admins = [\"${ROLES.role_arns.ops}\", \"${ROLES.role_arns.support}\"]\n",
            "admins = [\"${ROLES.role_arns.support}\", \"${ROLES.role_arns.ops}\"]\n",
            "admins = [\"${ROLES.role_arns.support}\"]\n",
        ],
        // A group that can only be made anew: under its name or another.
        &[
            "\n[steps.cpu]\nuses = \"nodegroup\"\n[steps.cpu.with]\nname = \"cpu\"\ninstance_types = [\"t3.medium\"]\n",
            "\n[steps.cpu]\nuses = \"nodegroup\"\n[steps.cpu.with]\nname = \"cpu\"\ninstance_types = [\"t3.large\"]\n",
            "\n[steps.cpu]\nuses = \"nodegroup\"\n[steps.cpu.with]\nname = \"general\"\ninstance_types = [\"t3.large\"]\n",
        ],
        &["disk_gib = 20\n", "disk_gib = 40\nlabels = { pool = \"general\" }\n"],
        &["
cluster        = \"${cluster.name}\"
role_arn       = \"${ROLES.node_role_arn}\"
subnet_ids     = \"${network.private_subnet_ids}\"
min            = 1
max            = 1

[steps.identity]
uses = \"irsa\"
[steps.identity.with]
cluster         = \"${cluster.name}\"
namespace       = \"models\"
bucket          = \"models\"
mode            = \"pod-identity\"
"],
        &[
            "prefix = \"demo\"\nservice_account = \"model\"\n",
            "prefix = \"next\"\nservice_account = \"model\"\n",
            "prefix = \"demo\"\nservice_account = \"server\"\n",
        ],
        &["
[steps.model]
uses = \"inference\"
after = [\"cpu\"]
[steps.model.with]
cluster         = \"${cluster.name}\"
namespace       = \"${identity.namespace}\"
service_account = \"${identity.service_account}\"
model           = \"s3://models/demo\"
device          = \"cpu\"
cpu             = \"500m\"
memory          = \"1Gi\"
api_key         = \"${secrets.api_key}\"
"],
        &[
            "image = \"example.com/llmhost:1\"\n",
            "image = \"example.com/llmhost:2\"\nreplicas = { min = 2, max = 2 }\n",
        ],
    ],
};
