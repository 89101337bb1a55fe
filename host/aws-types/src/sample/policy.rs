//! Policies, which most properties that take JSON hold.

use serde_json::{Value, json};

/// A policy for a property of that name, where it holds one.
pub(super) fn of(name: &str) -> Option<Value> {
    let statement = match name {
        "AssumeRolePolicyDocument" => {
            json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" })
        }
        "PolicyDocument" | "Policy" | "ResourcePolicy" | "KeyPolicy" => {
            json!({ "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*" })
        }
        _ => return None,
    };
    Some(json!({ "Version": "2012-10-17", "Statement": [statement] }))
}
