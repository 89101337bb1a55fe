//! `llmhost policy`: the least IAM policy that a pipeline needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llmhost_engine::kind::{Permission, Scope, ToDestroy};
use llmhost_engine::names::StepName;
use llmhost_engine::placement::Placement;
use llmhost_engine::plan::{Plan, PlannedExisting};
use llmhost_engine::state::State;
use llmhost_resources::{MANAGED_POLICY, PREFLIGHT_ACTIONS, is_for_destroy, policy_document};

use crate::app::{self, Console};
use crate::args::{Policy, Purpose};
use crate::failure::Failure;
use crate::others;
use crate::place::Place;

/// Those actions that change nothing.
fn looks(actions: &[&'static str]) -> Vec<&'static str> {
    let is_look = |action: &&&str| {
        let verb = action.split_once(':').map_or(**action, |(_, verb)| verb);
        ["Describe", "List", "Get"].iter().any(|look| verb.starts_with(look))
    };
    let of_ec2 = actions.iter().any(|action| action.starts_with("ec2:"));
    actions.iter().filter(is_look).copied().chain(of_ec2.then_some("ec2:DescribeTags")).collect()
}

/// Whose policy is meant: what a step with a profile or a role of its own does, others need not be allowed.
struct Whose<'a> {
    plan: &'a Plan,
    state: &'a State,
    placement: Placement,
}

impl<'a> Whose<'a> {
    fn new(plan: &'a Plan, state: &'a State, step: Option<&StepName>) -> Result<Self, Failure> {
        let mut whose = Self { plan, state, placement: Placement::default() };
        if let Some(step) = step {
            whose.placement = whose.placement_of(step).clone();
            if whose.placement.credentials().is_own() {
                let help = format!("It uses the credentials of the pipeline; remove --step {step}.");
                return Err(Failure::usage(format!("step {step} has no profile or assume_role of its own"), &help));
            }
        }
        Ok(whose)
    }

    fn placement_of(&self, step: &StepName) -> &Placement {
        let planned = self.plan.steps.iter().find(|known| known.name == *step).map(|known| &known.placement);
        let recorded = || self.state.placements.get(step).map(|placed| &placed.placement);
        planned.or_else(recorded).unwrap_or(&Placement::OWN)
    }

    /// Whether what a placement's calls need is needed here: regions share credentials.
    fn covers(&self, placement: &Placement) -> bool {
        self.placement.credentials() == placement.credentials()
    }

    /// The roles that are assumed with the same credentials.
    fn assumed(&self) -> Vec<String> {
        let of_steps = self.plan.steps.iter().map(|step| &step.placement);
        let all = of_steps.chain(self.state.placements.values().map(|placed| &placed.placement));
        let from_here =
            all.filter(|placement| self.placement.assume_role.is_none() && placement.profile == self.placement.profile);
        let roles: BTreeSet<String> = from_here.filter_map(|placement| placement.assume_role.clone()).collect();
        roles.into_iter().collect()
    }

    /// Says which steps need a policy of their own.
    fn tell(&self, console: &Console) {
        let mut told = BTreeSet::new();
        for step in self.plan.steps.iter().filter(|step| !self.covers(&step.placement)) {
            let credentials = step.placement.credentials();
            if told.insert(credentials.clone()) {
                console.note(&format!(
                    "Step {} works {credentials}: llmhost policy FILE --step {} prints the policy for that.",
                    step.name, step.name
                ));
            }
        }
    }
}

/// Prints the policy.
pub(crate) async fn policy(args: Policy) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::real(&pipeline, &args.file)?.offline();
    let engine = app::engine(Arc::clone(&pipeline), &args.file, place.settings(), &console, 10).await?;
    let state = place.read().await?;
    let plan = engine.plan(&Arc::new(state.clone())).await?;
    let whose = Whose::new(&plan, &state, args.step.as_ref())?;
    let is_own = args.step.is_none();
    let of_role = whose.placement.account_of_role().map(str::to_owned);
    let account = args.account.or(of_role).or_else(|| state.account().filter(|_| is_own).cloned());
    let account = account.unwrap_or_else(|| "*".to_owned());
    let registry = engine.registry();
    let own = Scope { pipeline: &pipeline.name, region: &pipeline.region, account: &account };
    let mut permissions: Vec<(Scope<'_>, Permission)> = Vec::new();
    let mut whole: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What the state has under another name or path is read, and deleted or replaced.
    let planned = plan.resources.iter().map(|(address, planned)| (address, &planned.spec));
    for (address, spec) in planned.chain(state.specs()) {
        let placement = whose.placement_of(address.step());
        if !whose.covers(placement) {
            continue;
        }
        let region = placement.region_in(&pipeline.region);
        let scope = Scope { region, ..own };
        let kind = registry.kind_of(address);
        for permission in kind.into_iter().flat_map(|kind| kind.permissions(spec, &scope)) {
            for action in permission.actions.iter().filter(|action| action.ends_with(":*")) {
                whole.entry(action.clone()).or_default().insert(address.to_string());
            }
            permissions.push((scope, permission));
        }
    }
    match args.purpose {
        Purpose::Run => {
            let facts: BTreeSet<&str> = plan
                .facts
                .iter()
                .flat_map(|key| {
                    let (facts, fact) = registry.facts_by_key(key);
                    facts.actions(fact)
                })
                .copied()
                .collect();
            let asked: Vec<&str> = facts.into_iter().chain(PREFLIGHT_ACTIONS.iter().copied()).collect();
            permissions.push((own, Permission::new(&asked, ["*".to_owned()])));
        }
        Purpose::Destroy => {
            permissions.retain(|(_, permission)| permission.to_destroy != ToDestroy::None);
            let by_name = permissions.iter_mut().filter(|(_, permission)| permission.to_destroy == ToDestroy::ByName);
            by_name.for_each(|(_, permission)| permission.actions.retain(|action| is_for_destroy(action)));
        }
    }
    if matches!(args.purpose, Purpose::Run) {
        let placement = |one: &PlannedExisting| {
            let of_file = pipeline.existing.iter().find(|known| known.name == one.name);
            of_file.map_or_else(|| whose.placement_of(&one.name).clone(), |known| known.placement.clone())
        };
        let here = plan.existing.iter().filter(|one| whose.covers(&placement(one)));
        let looked_up = here.filter_map(|one| registry.kind(&one.kind));
        permissions.extend(looked_up.map(|kind| (own, Permission::new(&looks(kind.actions()), ["*".to_owned()]))));
    }
    let assumed = whose.assumed();
    if !assumed.is_empty() {
        permissions.push((own, Permission::new(&["sts:AssumeRole"], assumed).to_destroy()));
    }
    if is_own {
        let beside = place.state_permissions().into_iter().chain(others::permissions(&pipeline)?);
        permissions.extend(beside.map(|permission| (own, permission)));
    }
    let document = policy_document(permissions);
    for (action, addresses) in whole {
        let addresses: Vec<String> = addresses.into_iter().collect();
        console.note(&format!(
            "The policy allows {action} for {}: the actions that its type needs are not known. Restrict it before \
                you use it.",
            addresses.join(", ")
        ));
    }
    let text = serde_json::to_string_pretty(&document).expect("a policy is plain data");
    app::print(&(text + "\n"));
    if is_own {
        whose.tell(&console);
        for provider in &pipeline.providers {
            let granted = if provider.allow.is_empty() { "nothing".to_owned() } else { provider.allow.join(", ") };
            console.note(&format!("Provider {} needs no AWS policy; its grants are {granted}.", provider.name));
        }
    }
    let length = document.to_string().len();
    if length > MANAGED_POLICY {
        console.note(&format!(
            "The policy has {length} characters and IAM allows {MANAGED_POLICY} in one: split its statements over several policies."
        ));
    }
    Ok(())
}
