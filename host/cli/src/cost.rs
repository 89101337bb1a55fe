//! What a plan costs: its resources, priced.

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{Action, Plan};
use llmhost_engine::run::Selection;
use llmhost_engine::state::State;
use llmhost_prices::{Bill, Date, Declared, Range, Table, estimate, instance_types};
use llmhost_resources::{AwsSettings, PriceList};

use crate::app::Console;
use crate::args::Prices;
use crate::commands::run::text_style;
use crate::view::{self, JsonLine};

/// More types than a pipeline has are not asked for.
const MOST_ASKED: usize = 50;

/// What is billed when a plan is applied, and what is billed now.
pub(crate) struct Cost {
    pub(crate) after: Bill,
    pub(crate) before: Range,
}

impl Cost {
    /// `about $0.73 an hour`, where something costs by the hour.
    pub(crate) fn in_short(&self) -> Option<String> {
        (self.after.hourly.least > 0.0).then(|| format!("about {} an hour", view::dollars(self.after.hourly.least)))
    }
}

/// Estimates what a plan costs.
pub(crate) async fn estimated(
    console: &Console,
    pipeline: &Pipeline,
    (plan, state): (&Plan, &State),
    prices: Prices,
    settings: AwsSettings,
) -> Cost {
    let mut table = Table::built_in();
    // A plan without changes says nothing of costs on the terminal, and its page does without AWS.
    if prices.online_prices && plan.summary().changes() > 0 {
        ask(console, &mut table, &planned(pipeline, plan, state), settings).await;
    }
    of_table(&table, pipeline, (plan, state))
}

/// Estimates what a plan costs with the prices of a table.
pub(crate) fn of_table(table: &Table, pipeline: &Pipeline, (plan, state): (&Plan, &State)) -> Cost {
    let today = Date::today();
    let before = estimate(table, &held(pipeline, state, |_| true), today).hourly;
    Cost { after: estimate(table, &planned(pipeline, plan, state), today), before }
}

/// Shows what a plan costs, where it changes something.
pub(crate) fn tell(console: &Console, plan: &Plan, cost: &Cost) {
    if plan.summary().changes() > 0 && (!cost.after.is_empty() || cost.before.least > 0.0) {
        let line = JsonLine::Cost { bill: &cost.after, before: Some(cost.before), stops: false };
        console.result(|| view::cost(cost, text_style(), view::shows_everything()), &line);
    }
}

/// Shows what a destroy of these steps ends.
pub(crate) fn tell_end(console: &Console, pipeline: &Pipeline, state: &State, selection: &Selection) {
    let held = held(pipeline, state, |address| !selection.leaves_out(address.step()));
    let bill = estimate(&Table::built_in(), &held, Date::today());
    if bill.hourly.least > 0.0 {
        let line = JsonLine::Cost { bill: &bill, before: None, stops: true };
        console.result(|| view::end_of_cost(&bill, text_style()), &line);
    }
}

/// Asks AWS what the instances cost; where it cannot be asked, the table has to do.
async fn ask(console: &Console, table: &mut Table, resources: &[Declared<'_>], settings: AwsSettings) {
    let list = PriceList::new(settings);
    for (instance_type, region) in instance_types(resources).into_iter().take(MOST_ASKED) {
        match list.instance(&instance_type, &region).await {
            Ok(Some(hourly)) => table.learn(&instance_type, &region, hourly),
            Ok(None) => console.note(&format!("AWS's price list has no {instance_type} in {region}.")),
            Err(error) => {
                console
                    .note(&format!("AWS could not be asked for prices ({error}). The table of this llmhost is used."));
                return;
            }
        }
    }
}

/// What there is when a plan is applied.
fn planned<'a>(pipeline: &'a Pipeline, plan: &'a Plan, state: &'a State) -> Vec<Declared<'a>> {
    let stays = plan.resources.iter().filter(|(_, resource)| resource.action != Action::Delete);
    let declared = stays.map(|(address, resource)| Declared {
        address: address.to_string(),
        kind: address.kind(),
        region: region(pipeline, state, address.step()),
        spec: &resource.spec,
        uses: resource.depends_on.iter().map(ToString::to_string).collect(),
    });
    declared.collect()
}

/// What there is now.
fn held<'a>(pipeline: &'a Pipeline, state: &'a State, counts: impl Fn(&ResourceAddress) -> bool) -> Vec<Declared<'a>> {
    let all = state.resources.iter().filter(|(address, _)| counts(address));
    let held = all.flat_map(|(address, record)| {
        record.current.iter().chain(&record.deposed).map(move |instance| Declared {
            address: address.to_string(),
            kind: address.kind(),
            region: region(pipeline, state, address.step()),
            spec: &instance.spec,
            uses: instance.depends_on.iter().map(ToString::to_string).collect(),
        })
    });
    held.collect()
}

/// Where the resources of a step are.
pub(crate) fn region<'a>(pipeline: &'a Pipeline, state: &'a State, step: &StepName) -> &'a str {
    let of_file = pipeline.placements().find(|(name, _)| *name == step).map(|(_, placement)| placement);
    let placement = of_file.or_else(|| state.placements.get(step).map(|placed| &placed.placement));
    placement.map_or(pipeline.region.as_str(), |placement| placement.region_in(&pipeline.region))
}
