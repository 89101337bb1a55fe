//! Where prices come from.

use clap::Args;

/// How a plan's cost is estimated.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Prices {
    /// Ask AWS's price list what the instances cost today, in place of the table of this version. Needs the permission
    /// pricing:GetProducts.
    #[arg(long)]
    pub(crate) online_prices: bool,
}
