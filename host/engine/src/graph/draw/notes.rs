//! What a page shows of a plan besides what the plan holds.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::names::{ResourceAddress, StepName};

/// What a page shows besides the plan: whoever has the page drawn knows it.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The grants of each step, as the file has them; nothing for a plugin that needs none, as it is part of llmhost.
    pub grants: BTreeMap<StepName, Option<Vec<String>>>,
    /// The IAM actions that each resource needs.
    pub actions: BTreeMap<ResourceAddress, Vec<String>>,
    /// What is billed; nothing where nobody is billed.
    pub bill: Option<Costs>,
}

/// What resources cost.
#[derive(Debug, Clone, Default)]
pub struct Costs {
    /// What holds for all prices: their date, and what they leave out.
    pub about: String,
    /// Each resource that is in the bill.
    pub of: BTreeMap<ResourceAddress, Cost>,
}

/// What one resource costs, in dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// What is billed: `1 x g4dn.xlarge, 100 GiB`.
    pub what: String,
    /// For an hour; absent where only use is billed, or the price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Amount>,
    /// For a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Amount>,
    /// What is billed by use besides.
    pub by_use: Vec<String>,
    /// What has no known price.
    pub unknown: Vec<String>,
    /// Whether it is spot capacity, which costs a part of this.
    pub spot: bool,
}

/// Dollars, at the size that something starts with and at its largest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Amount {
    /// At first.
    pub least: f64,
    /// At its largest.
    pub most: f64,
}
