//! `llmhost state rm`: forgets resources without deleting them.

use std::collections::BTreeSet;

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::state::{Change, State};

use super::{change, known};
use crate::app::{self, Console};
use crate::args::StateRm;
use crate::asked::confirm;
use crate::failure::Failure;

/// Forgets resources.
pub(super) async fn rm(args: StateRm) -> Result<(), Failure> {
    let console = Console::new(false);
    change(&args.at, &console, "state rm", async |store, place| {
        let state = store.snapshot();
        let gone = args.addresses.iter().map(|text| known(&state, text)).collect::<Result<BTreeSet<_>, _>>()?;
        let used = users(&state, &gone);
        if !used.is_empty() && !args.force {
            let message = format!("they are still used: {}", used.join("; "));
            let help = "Remove those too, or use --force: the order of deletion is then not known.";
            return Err(Failure::Other { message, help: help.to_owned(), status: 1 });
        }
        for address in &gone {
            let ids: Vec<&str> = state.resources[address].current.iter().map(|current| current.id.as_str()).collect();
            console.note(&format!("- {address} {}", ids.join(" ")));
        }
        console.note(
            "The resources are kept and are still billed. llmhost no longer deletes them, and the next run creates \
             new ones if the file still has them.",
        );
        let s = if gone.len() == 1 { "" } else { "s" };
        if !(args.yes || place.is_emulated()) {
            confirm(&format!("Remove {} resource{s} from the state?", gone.len()))?;
        }
        for address in &gone {
            store.record(Change::Forgotten { address: address.clone() }).await?;
        }
        app::print(&format!("Forgot {} resource{s}.\n", gone.len()));
        Ok(())
    })
    .await
}

/// Who, of those that stay, depends on one of those that go.
fn users(state: &State, gone: &BTreeSet<ResourceAddress>) -> Vec<String> {
    let mut users = Vec::new();
    for (address, record) in state.resources.iter().filter(|(address, _)| !gone.contains(*address)) {
        let instances = record.current.iter().chain(&record.deposed).flat_map(|instance| &instance.depends_on);
        let used = instances.chain(record.pending.iter().flat_map(|pending| &pending.depends_on));
        let used: BTreeSet<_> = used.filter(|used| gone.contains(*used)).collect();
        users.extend(used.into_iter().map(|used| format!("{used} by {address}")));
    }
    users
}
