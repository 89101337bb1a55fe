//! A bill: what resources cost for an hour and a month.

use serde::Serialize;

use crate::date::Date;
use crate::table::OLD_DAYS;

/// As AWS's calculator has it.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// From the least to the most, where something scales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Range {
    /// At the size that it starts with.
    pub least: f64,
    /// At its largest size.
    pub most: f64,
}

impl Range {
    /// One that does not scale.
    pub(crate) fn fixed(price: f64) -> Self {
        Self { least: price, most: price }
    }

    /// So many of a price.
    /// The same of this many.
    pub fn times(self, factor: f64) -> Self {
        Self { least: self.least * factor, most: self.most * factor }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }

    /// Whether it scales.
    pub fn scales(self) -> bool {
        self.most - self.least > 1e-9
    }
}

/// What one resource costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// The resource's address.
    pub resource: String,
    /// What is billed: `1 x g4dn.xlarge, 100 GiB`.
    pub what: String,
    /// For an hour; absent where only use is billed, or the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Range>,
    /// What is billed by use besides: `$0.045 a GB that passes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_use: Vec<String>,
    /// What has no price here: `p5e.48xlarge in eu-north-1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Whether the price is that on demand, of which spot capacity costs a part.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
}

/// What resources cost together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Bill {
    /// For an hour: what is known of it.
    pub hourly: Range,
    /// For a month of 730 hours.
    pub monthly: Range,
    /// The dearest first; then those that are billed by use, or unknown.
    pub items: Vec<Item>,
    /// The day that the oldest of the prices is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// Whether that is more than 180 days ago.
    pub is_old: bool,
}

impl Bill {
    pub(crate) fn of(mut items: Vec<Item>, as_of: Option<Date>, today: Date) -> Self {
        let price = |item: &Item| item.hourly.unwrap_or_default();
        items.sort_by(|a, b| price(b).least.total_cmp(&price(a).least).then(price(b).most.total_cmp(&price(a).most)));
        let hourly = items.iter().fold(Range::default(), |sum, item| sum.plus(price(item)));
        let is_old = as_of.is_some_and(|date| today.days_after(date) > OLD_DAYS);
        Self { hourly, monthly: hourly.times(HOURS_PER_MONTH), items, as_of, is_old }
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Items with a price for an hour.
    pub fn priced(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.hourly.is_some())
    }

    /// What has no price here, each once.
    pub fn unknown(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.items.iter().flat_map(|item| &item.unknown).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is billed by use, each once.
    pub fn by_use(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.items.iter().flat_map(|item| &item.by_use).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether something costs a part of what is said: spot capacity.
    pub fn has_spot(&self) -> bool {
        self.items.iter().any(|item| item.spot)
    }
}
