//! What AWS takes for resources: a dated table of prices, and a bill of what a plan declares.
//!
//! An estimate, not an invoice: list prices on demand, in US dollars, without tax, discounts and data transfer. What has
//! no price here is said to be unknown, and what is billed by use is said with its price for a unit.

mod bill;
mod date;
mod estimate;
mod kinds;
mod table;

pub use bill::{Bill, HOURS_PER_MONTH, Item, Range};
pub use date::Date;
pub use estimate::{Declared, estimate, instance_types};
pub use table::{OLD_DAYS, Table};
