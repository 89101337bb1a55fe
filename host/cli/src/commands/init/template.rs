//! The file that is written, with its comments.

use std::fmt::Write;

use super::{Model, Wanted};

/// Subnets that exist.
const THERE: &str = r#"["${existing.private[0].id}", "${existing.private[1].id}"]"#;

/// The pipeline file.
pub(super) fn text(wanted: &Wanted) -> String {
    let Wanted { name, region, .. } = wanted;
    let mut text = format!(
        "# {name}: made by llmhost init. `llmhost explain` lists plugins; `llmhost explain nodegroup` has the options of one.\n\n\
         [pipeline]\n\
         # Names the state, and tags everything.\n\
         name = \"{name}\"\n\
         region = \"{region}\"\n\
         # Where a team keeps the state; by default it is in .llmhost/ beside this file.\n\
         # state = \"s3://my-states/{name}\"\n\
         tags = {{ project = \"{name}\" }}\n"
    );
    if wanted.model != Model::None {
        let sort = if wanted.gpu.is_some() { "cuda" } else { "cpu" };
        let _ = write!(
            text,
            "\n[vars.image]\n\
             description = \"Image of the model server, built by the Dockerfile of llmhost (docker build --target {sort}).\"\n\
             default = \"public.ecr.aws/llmhost/llmhost:0.1.0-{sort}\"\n"
        );
    }
    network(&mut text, wanted);
    let _ = write!(
        text,
        "\n# The roles of the control plane and of the nodes.\n\
         [steps.roles]\n\
         uses = \"iam\"\n\
         with = {{ cluster_role = \"{name}-cluster\", node_role = \"{name}-nodes\" }}\n"
    );
    cluster(&mut text, wanted);
    nodes(&mut text, wanted);
    server(&mut text, wanted);
    text
}

fn network(text: &mut String, wanted: &Wanted) {
    let name = &wanted.name;
    let _ = match &wanted.vpc {
        None => write!(
            text,
            "\n# A VPC with two public and two private subnets. The NAT gateway, by which private subnets reach the internet, is\n\
             # billed by the hour; nat = \"per-az\" makes one for each zone.\n\
             [steps.network]\n\
             uses = \"vpc\"\n\
             with = {{ name = \"{name}\", cidr = \"10.0.0.0/16\", azs = 2, nat = \"single\", cluster = \"{name}\" }}\n"
        ),
        Some(vpc) => write!(
            text,
            "\n# Looked up, and never changed.\n\
             [existing.vpc]\n\
             kind = \"ec2.vpc\"\n\
             id = \"{vpc}\"\n\
             \n# Its private subnets, by the tag that load balancers look for. The cluster takes the first two: they must be in two\n\
             # zones, and need a route to the internet. A third one is ${{existing.private[2].id}}.\n\
             [existing.private]\n\
             kind = \"ec2.subnet\"\n\
             tags = {{ \"kubernetes.io/role/internal-elb\" = \"1\" }}\n\
             where = {{ vpc_id = \"${{existing.vpc.id}}\" }}\n\
             all = true\n"
        ),
    };
}

fn cluster(text: &mut String, wanted: &Wanted) {
    let name = &wanted.name;
    let subnets = if wanted.vpc.is_some() { THERE } else { "\"${network.subnet_ids}\"" };
    let _ = write!(
        text,
        "\n# The cluster. Without version it gets the newest Kubernetes version that EKS offers, kept in llmhost.lock.\n\
         [steps.cluster]\n\
         uses = \"eks\"\n\
         [steps.cluster.with]\n\
         name = \"{name}\"\n\
         role_arn = \"${{roles.cluster_role_arn}}\"\n\
         subnet_ids = {subnets}\n\
         # Who reaches the API server: by default everybody who has a token. Narrow it to your addresses.\n\
         # public_access_cidrs = [\"203.0.113.0/24\"]\n\
         # Who else administers the cluster.\n\
         # admins = [\"arn:aws:iam::123456789012:role/Admin\"]\n\
         logging = [\"api\", \"audit\", \"authenticator\"]\n"
    );
}

fn nodes(text: &mut String, wanted: &Wanted) {
    let subnets = if wanted.vpc.is_some() { THERE } else { "\"${network.private_subnet_ids}\"" };
    let common =
        format!("cluster = \"${{cluster.name}}\"\nrole_arn = \"${{roles.node_role_arn}}\"\nsubnet_ids = {subnets}\n");
    if let Some(gpu) = &wanted.gpu {
        let _ = write!(
            text,
            "\n# The model runs on nodes with a GPU. The taint keeps other pods away. A new account may have a quota of 0 for these:\n\
             # llmhost validate --online says so.\n\
             [steps.gpu]\n\
             uses = \"nodegroup\"\n\
             [steps.gpu.with]\n\
             name = \"gpu\"\n{common}\
             instance_types = [\"{gpu}\"]\n\
             disk_gib = 100\n\
             min = 1\n\
             max = 2\n\
             # Cheaper, and interrupted at two minutes' notice.\n\
             # spot = true\n\
             labels = {{ workload = \"inference\" }}\n\
             taints = [{{ key = \"nvidia.com/gpu\", value = \"true\", effect = \"NoSchedule\" }}]\n"
        );
    }
    let (words, machine) = match (&wanted.gpu, &wanted.model) {
        (Some(_), _) => ("Everything else runs", "t3.medium"),
        (None, Model::None) => ("Pods run", "t3.medium"),
        (None, _) => ("The model, and everything else, runs", "m7i.2xlarge"),
    };
    let _ = write!(
        text,
        "\n# {words} on these nodes.\n\
         [steps.cpu]\n\
         uses = \"nodegroup\"\n\
         [steps.cpu.with]\n\
         name = \"cpu\"\n{common}\
         instance_types = [\"{machine}\"]\n\
         disk_gib = 40\n\
         min = 1\n\
         max = 2\n"
    );
}

fn server(text: &mut String, wanted: &Wanted) {
    let name = &wanted.name;
    let (bucket, prefix) = match &wanted.model {
        Model::None => return,
        Model::Folder(folder) => {
            let source = toml::Value::from(folder.display().to_string().replace("${", "$${"));
            let _ = write!(
                text,
                "\n# The bucket of the models. Its name is unique in all of AWS: choose another one where it is taken.\n\
                 [steps.models]\n\
                 uses = \"s3\"\n\
                 [steps.models.with]\n\
                 bucket = \"{name}-models-change-me\"\n\
                 upload = [{{ source = {source}, prefix = \"model\" }}]\n\
                 # A destroy deletes the bucket with the models in it. Without this line it keeps a bucket that holds something.\n\
                 force_destroy = true\n"
            );
            ("${models.bucket}".to_owned(), "model".to_owned())
        }
        Model::Bucket(bucket, prefix) => (bucket.clone(), prefix.clone()),
    };
    let escaped = prefix.replace("${", "$${");
    let address = format!("s3://{bucket}/{escaped}");
    let address = address.trim_end_matches('/');
    let on_gpu = match wanted.gpu {
        Some(_) => {
            "node_selector = { \"eks.amazonaws.com/nodegroup\" = \"${gpu.name}\" }\n\
             device_plugin = \"${gpu.needs_device_plugin}\"\n"
        }
        None => "device = \"cpu\"\n",
    };
    let _ = write!(
        text,
        "\n# A role for the server's pods: they may read the model, and nothing else.\n\
         [steps.identity]\n\
         uses = \"irsa\"\n\
         [steps.identity.with]\n\
         cluster = \"${{cluster.name}}\"\n\
         namespace = \"models\"\n\
         service_account = \"model-server\"\n\
         oidc_provider_arn = \"${{cluster.oidc_provider_arn}}\"\n\
         oidc_issuer = \"${{cluster.oidc_issuer}}\"\n\
         bucket = \"{bucket}\"\n\
         prefix = \"{escaped}\"\n\
         \n# The model server: OpenAI's API inside of the cluster. kubectl port-forward reaches it from here.\n\
         [steps.server]\n\
         uses = \"inference\"\n\
         after = [\"cpu\"]\n\
         [steps.server.with]\n\
         cluster = \"${{cluster.name}}\"\n\
         namespace = \"${{identity.namespace}}\"\n\
         service_account = \"${{identity.service_account}}\"\n\
         image = \"${{vars.image}}\"\n\
         model = \"{address}\"\n\
         {on_gpu}\
         replicas = {{ min = 1, max = 2 }}\n"
    );
}
