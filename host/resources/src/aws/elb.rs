//! Load balancers, of both generations, as far as finding and deleting them goes. Two SDK crates
//! would take minutes to compile for a handful of calls; these are made by the query protocol.

use std::collections::BTreeMap;

use llmhost_engine::kind::{ErrorClass, OpError};
use roxmltree::{Document, Node};

use super::clients::Aws;
use super::signed::{self, Signed, form};

const SERVICE: &str = "elasticloadbalancing";
/// A page of load balancers takes some 500 KiB.
const LONGEST: usize = 8 << 20;
/// DescribeTags takes so many names a call.
const AT_ONCE: usize = 20;

/// The two generations of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// Classic load balancers, known by name.
    Classic,
    /// Application, network and gateway load balancers and target groups, known by ARN.
    Second,
}

/// A load balancer or a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) generation: Generation,
    /// What it is: `network load balancer`.
    pub(super) what: String,
    /// What the API knows it by.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) vpc: String,
    pub(super) tags: BTreeMap<String, String>,
}

/// Every load balancer of the region in this VPC, with its tags.
pub(super) async fn load_balancers(aws: &Aws, vpc: &str) -> Result<Vec<Found>, OpError> {
    let mut all = list(aws, Generation::Second, "DescribeLoadBalancers", "LoadBalancers", balancer).await?;
    let classic =
        list(aws, Generation::Classic, "DescribeLoadBalancers", "LoadBalancerDescriptions", classic_balancer).await?;
    all.extend(classic);
    all.retain(|found| found.vpc == vpc);
    with_tags(aws, all).await
}

/// Every target group of the region in this VPC, with its tags.
pub(super) async fn target_groups(aws: &Aws, vpc: &str) -> Result<Vec<Found>, OpError> {
    let mut all = list(aws, Generation::Second, "DescribeTargetGroups", "TargetGroups", target_group).await?;
    all.retain(|found| found.vpc == vpc);
    with_tags(aws, all).await
}

/// Deletes a load balancer or a target group. Already gone is success.
pub(super) async fn delete(aws: &Aws, found: &Found) -> Result<(), OpError> {
    let (action, key) = match found.generation {
        Generation::Classic => ("DeleteLoadBalancer", "LoadBalancerName"),
        Generation::Second if found.what == TARGET_GROUP => ("DeleteTargetGroup", "TargetGroupArn"),
        Generation::Second => ("DeleteLoadBalancer", "LoadBalancerArn"),
    };
    match call(aws, found.generation, action, &[(key, &found.id)]).await {
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

const TARGET_GROUP: &str = "target group";

fn balancer(node: Node<'_, '_>) -> Option<Found> {
    let kind = text(node, "Type").unwrap_or_else(|| "application".to_owned());
    Some(Found {
        generation: Generation::Second,
        what: format!("{kind} load balancer"),
        id: text(node, "LoadBalancerArn")?,
        name: text(node, "LoadBalancerName")?,
        vpc: text(node, "VpcId").unwrap_or_default(),
        tags: BTreeMap::new(),
    })
}

fn classic_balancer(node: Node<'_, '_>) -> Option<Found> {
    let name = text(node, "LoadBalancerName")?;
    Some(Found {
        generation: Generation::Classic,
        what: "classic load balancer".to_owned(),
        id: name.clone(),
        name,
        // So this API spells it.
        vpc: text(node, "VPCId").or_else(|| text(node, "VpcId")).unwrap_or_default(),
        tags: BTreeMap::new(),
    })
}

fn target_group(node: Node<'_, '_>) -> Option<Found> {
    Some(Found {
        generation: Generation::Second,
        what: TARGET_GROUP.to_owned(),
        id: text(node, "TargetGroupArn")?,
        name: text(node, "TargetGroupName")?,
        vpc: text(node, "VpcId").unwrap_or_default(),
        tags: BTreeMap::new(),
    })
}

/// All pages of a listing.
async fn list(
    aws: &Aws,
    generation: Generation,
    action: &str,
    container: &str,
    read: fn(Node<'_, '_>) -> Option<Found>,
) -> Result<Vec<Found>, OpError> {
    let (mut all, mut marker) = (Vec::new(), None::<String>);
    loop {
        let fields: Vec<(&str, &str)> = marker.iter().map(|marker| ("Marker", marker.as_str())).collect();
        let answer = call(aws, generation, action, &fields).await?;
        let page = parse(action, &answer)?;
        all.extend(members(page.root(), container).filter_map(read));
        let next = page.descendants().find(|node| node.has_tag_name_anywhere("NextMarker"));
        let next = next.and_then(|node| node.text()).filter(|text| !text.is_empty()).map(str::to_owned);
        // A service that gives the same page again would be asked for ever.
        if next.is_none() || next == marker {
            return Ok(all);
        }
        marker = next;
    }
}

async fn with_tags(aws: &Aws, mut all: Vec<Found>) -> Result<Vec<Found>, OpError> {
    for generation in [Generation::Second, Generation::Classic] {
        let mut of_it: Vec<&mut Found> = all.iter_mut().filter(|found| found.generation == generation).collect();
        for batch in of_it.chunks_mut(AT_ONCE) {
            if tag(aws, generation, batch).await? {
                continue;
            }
            // One of them went meanwhile, and the others' tags were not told. What has no tags is nobody's, and
            // left alone.
            for one in batch.chunks_mut(1) {
                tag(aws, generation, one).await?;
            }
        }
    }
    Ok(all)
}

/// Asks for the tags of all of these; false where one of them is not there.
async fn tag(aws: &Aws, generation: Generation, batch: &mut [&mut Found]) -> Result<bool, OpError> {
    let (list, key) = match generation {
        Generation::Second => ("ResourceArns", "ResourceArn"),
        Generation::Classic => ("LoadBalancerNames", "LoadBalancerName"),
    };
    let names: Vec<String> = (1..=batch.len()).map(|at| format!("{list}.member.{at}")).collect();
    let fields: Vec<(&str, &str)> =
        names.iter().zip(batch.iter()).map(|(name, found)| (name.as_str(), found.id.as_str())).collect();
    let answer = match call(aws, generation, "DescribeTags", &fields).await {
        Err(error) if error.class == ErrorClass::NotFound => return Ok(false),
        other => other?,
    };
    let page = parse("DescribeTags", &answer)?;
    let mut tags: BTreeMap<String, BTreeMap<String, String>> =
        members(page.root(), "TagDescriptions").filter_map(|node| Some((text(node, key)?, pairs(node)))).collect();
    for found in batch {
        found.tags = tags.remove(&found.id).unwrap_or_default();
    }
    Ok(true)
}

fn pairs(node: Node<'_, '_>) -> BTreeMap<String, String> {
    members(node, "Tags").filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value").unwrap_or_default()))).collect()
}

async fn call(aws: &Aws, generation: Generation, action: &str, fields: &[(&str, &str)]) -> Result<String, OpError> {
    let version = match generation {
        Generation::Classic => "2012-06-01",
        Generation::Second => "2015-12-01",
    };
    let operation = format!("{SERVICE}:{action}");
    let named = [("Action", action), ("Version", version)];
    let signed = Signed {
        operation: &operation,
        service: SERVICE,
        prefix: SERVICE,
        method: "POST",
        path: "/",
        headers: vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())],
        body: form(named.into_iter().chain(fields.iter().copied())),
        // All of these look or delete.
        repeatable: true,
        longest: LONGEST,
        timeout: aws.settings.attempt_timeout,
    };
    signed::call(aws, &signed).await
}

fn parse<'a>(action: &str, answer: &'a str) -> Result<Document<'a>, OpError> {
    Document::parse(answer).map_err(|error| {
        let message = format!("the answer cannot be read: {error}");
        OpError { class: ErrorClass::Service, ..OpError::local(&format!("{SERVICE}:{action}"), message) }
    })
}

/// Names without their namespace: the two APIs have one each, and they say nothing.
trait Local {
    fn has_tag_name_anywhere(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    fn has_tag_name_anywhere(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// The members of the list of this name, the first below `node`.
fn members<'a, 'i>(node: Node<'a, 'i>, list: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let list = node.descendants().find(|node| node.has_tag_name_anywhere(list));
    list.into_iter().flat_map(|list| list.children()).filter(|child| child.has_tag_name_anywhere("member"))
}

/// The text of a field.
fn text(node: Node<'_, '_>, field: &str) -> Option<String> {
    let field = node.children().find(|child| child.has_tag_name_anywhere(field))?;
    field.text().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_their_namespace_and_lists_inside_them() {
        let answer = r#"<DescribeLoadBalancersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
          <DescribeLoadBalancersResult><LoadBalancers>
            <member><LoadBalancerArn>arn:1</LoadBalancerArn><LoadBalancerName>k8s-a&amp;b</LoadBalancerName><VpcId>vpc-1</VpcId>
              <Type>network</Type><AvailabilityZones><member><SubnetId>s</SubnetId></member></AvailabilityZones></member>
            <member><LoadBalancerName>without an ARN</LoadBalancerName></member>
          </LoadBalancers><NextMarker>m</NextMarker></DescribeLoadBalancersResult></DescribeLoadBalancersResponse>"#;
        let page = parse("DescribeLoadBalancers", answer).expect("XML");
        let all: Vec<Found> = members(page.root(), "LoadBalancers").filter_map(balancer).collect();
        let expected = ("network load balancer", "arn:1", "k8s-a&b", "vpc-1");
        assert_eq!(all.len(), 1);
        assert_eq!((&*all[0].what, &*all[0].id, &*all[0].name, &*all[0].vpc), expected);
    }

    #[test]
    fn tags_are_read_and_what_is_no_xml_is_said() {
        let answer = "<R><TagDescriptions><member><ResourceArn>a</ResourceArn><Tags><member><Key>k</Key><Value>v</Value>\
                      </member><member><Key>empty</Key><Value/></member></Tags></member></TagDescriptions></R>";
        let page = parse("DescribeTags", answer).expect("XML");
        let node = members(page.root(), "TagDescriptions").next().expect("one");
        assert_eq!(pairs(node), BTreeMap::from([("k".into(), "v".into()), ("empty".into(), String::new())]));
        let error = parse("DescribeTags", "<html").expect_err("no XML");
        assert!(error.to_string().contains("cannot be read") && error.class == ErrorClass::Service, "{error}");
    }
}
