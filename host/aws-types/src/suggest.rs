//! What was probably meant.

/// Services whose types count where only the last part of a name is given.
const WELL_KNOWN: &[&str] = &[
    "s3",
    "ec2",
    "iam",
    "lambda",
    "dynamodb",
    "sqs",
    "sns",
    "rds",
    "ecs",
    "eks",
    "ecr",
    "logs",
    "cloudwatch",
    "events",
    "kms",
    "secretsmanager",
    "ssm",
    "route53",
    "cloudfront",
    "elasticloadbalancingv2",
    "apigateway",
    "stepfunctions",
    "autoscaling",
];

/// More letters than ever count as near.
const FAR: usize = 99;

/// The name that comes nearest, if one comes near.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let scored = names.map(|other| (distance(&lower, &other.to_lowercase()), other));
    scored.filter(|(score, _)| *score <= allowed(&lower)).min_by_key(|(score, _)| *score).map(|(_, name)| name)
}

/// How many letters may differ.
fn allowed(name: &str) -> usize {
    (name.chars().count() / 3).clamp(1, 4)
}

fn distance(one: &str, other: &str) -> usize {
    // Lengths that far apart are never near; most pairs end here.
    if one.len().abs_diff(other.len()) > 4 { FAR } else { strsim::damerau_levenshtein(one, other) }
}

pub(crate) fn type_name(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // `AWS::S3::Bucket`, `s3.bucket`, `aws:s3/bucket`, `Bucket`.
    let lower = name.to_lowercase();
    let mut parts: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let last = parts.pop()?;
    let service = parts.pop().filter(|part| *part != "aws");
    let score = |candidate: &'static str| -> Option<((usize, usize, usize), &'static str)> {
        let lower = candidate.to_lowercase();
        let mut parts = lower.rsplit("::");
        let (its_last, its_service) = (parts.next()?, parts.next()?);
        let rank = WELL_KNOWN.iter().position(|known| *known == its_service).unwrap_or(WELL_KNOWN.len());
        let resource = distance(last, its_last);
        let Some(service) = service else {
            return (resource <= allowed(last)).then_some(((resource, rank, its_service.len()), candidate));
        };
        let other = distance(service, its_service);
        // A resource of exactly that name may be in another service altogether.
        let part = its_service.contains(service) || service.contains(its_service);
        let other = if part { other.min(2) } else { other };
        let near = resource <= allowed(last) && other <= allowed(service);
        (near || resource == 0).then_some(((2 * resource + other.min(5), rank, its_service.len()), candidate))
    };
    names.filter_map(score).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use crate::suggest;

    #[test]
    fn a_name_is_found_by_what_was_meant() {
        for (given, meant) in [
            ("aws::s3::bucket", "AWS::S3::Bucket"),
            ("Bucket", "AWS::S3::Bucket"),
            ("table", "AWS::DynamoDB::Table"),
            ("AWS::Dynamo::Table", "AWS::DynamoDB::Table"),
            ("AWS::DynamoDB::Tabel", "AWS::DynamoDB::Table"),
            ("AWS::Lamda::Function", "AWS::Lambda::Function"),
            ("AWS::EC2::Bucket", "AWS::S3::Bucket"),
            ("sqs.queue", "AWS::SQS::Queue"),
            ("aws:ec2/subnet", "AWS::EC2::Subnet"),
            ("S3::Buckets", "AWS::S3::Bucket"),
            ("AWS::IAM::Rol", "AWS::IAM::Role"),
        ] {
            assert_eq!(suggest(given), Some(meant), "{given}");
        }
        for nothing in ["", "::", "AWS", "Xylophone", "AWS::S3::Xylophone"] {
            assert_eq!(suggest(nothing), None, "{nothing}");
        }
    }
}
