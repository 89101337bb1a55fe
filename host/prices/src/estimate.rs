//! From resources to a bill.

use std::collections::HashMap;

use serde_json::Value;

use crate::bill::{Bill, Item, Range};
use crate::date::Date;
use crate::kinds;
use crate::table::Table;

/// A resource as a plan declares it, or a state holds it.
#[derive(Debug, Clone)]
pub struct Declared<'a> {
    /// What it is called.
    pub address: String,
    /// `eks.node-group`
    pub kind: &'a str,
    /// The region that it is in.
    pub region: &'a str,
    /// What was declared.
    pub spec: &'a Value,
    /// The addresses of resources that it uses, as far as they are declared as well.
    pub uses: Vec<String>,
}

/// What is known while one resource is priced.
pub(crate) struct Desk<'a> {
    pub(crate) table: &'a Table,
    pub(crate) today: Date,
    all: HashMap<&'a str, &'a Declared<'a>>,
    oldest: Option<Date>,
}

impl<'a> Desk<'a> {
    /// A resource of this kind that another uses.
    pub(crate) fn used(&self, by: &Declared<'_>, kind: &str) -> Option<&'a Declared<'a>> {
        by.uses.iter().filter_map(|address| self.all.get(address.as_str())).find(|one| one.kind == kind).copied()
    }

    /// A price and its date, which counts for the bill's.
    pub(crate) fn take(&mut self, found: Option<(f64, Date)>) -> Option<f64> {
        let (price, date) = found?;
        self.oldest = Some(self.oldest.map_or(date, |oldest| oldest.min(date)));
        Some(price)
    }

    pub(crate) fn service(&mut self, name: &str, region: &str) -> Option<f64> {
        self.take(self.table.service(name, region))
    }

    pub(crate) fn instance(&mut self, instance_type: &str, region: &str) -> Option<f64> {
        self.take(self.table.instance(instance_type, region))
    }
}

/// What these resources cost together.
pub fn estimate(table: &Table, resources: &[Declared<'_>], today: Date) -> Bill {
    let all = resources.iter().map(|one| (one.address.as_str(), one)).collect();
    let mut desk = Desk { table, today, all, oldest: None };
    let items = resources.iter().filter_map(|one| kinds::item(&mut desk, one)).collect();
    Bill::of(items, desk.oldest, today)
}

/// The instance types whose prices a bill of these resources needs, with their regions.
pub fn instance_types(resources: &[Declared<'_>]) -> Vec<(String, String)> {
    let of = |one: &Declared<'_>| {
        let types = kinds::instance_types(one.kind, one.spec);
        types.into_iter().map(|name| (name, one.region.to_owned())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = resources.iter().flat_map(of).collect();
    all.sort();
    all.dedup();
    all
}

/// An item that is being written.
pub(crate) struct Draft {
    item: Item,
}

impl Draft {
    pub(crate) fn new(one: &Declared<'_>, what: impl Into<String>) -> Self {
        let (resource, what) = (one.address.clone(), what.into());
        Self { item: Item { resource, what, hourly: None, by_use: Vec::new(), unknown: Vec::new(), spot: false } }
    }

    /// A price for an hour, or that it is unknown.
    pub(crate) fn hour(mut self, price: Option<Range>, otherwise: impl FnOnce() -> String) -> Self {
        match price {
            Some(price) => self.item.hourly = Some(self.item.hourly.unwrap_or_default().plus(price)),
            None => self.item.unknown.push(otherwise()),
        }
        self
    }

    /// A price for what is used.
    pub(crate) fn by_use(mut self, price: Option<f64>, what: &str, unit: &str) -> Self {
        self.item.by_use.push(match price {
            // $0.50 and $0.045.
            Some(price) if price.to_string().len() < 4 => format!("{what} ${price:.2} a {unit}"),
            Some(price) => format!("{what} ${price} a {unit}"),
            None => what.to_owned(),
        });
        self
    }

    pub(crate) fn spot(mut self, spot: bool) -> Self {
        self.item.spot = spot;
        self
    }

    pub(crate) fn done(self) -> Option<Item> {
        Some(self.item)
    }
}
