//! Deleting, and letting go of what is deleted: the part of [`Hands`] that takes away.

use serde_json::Value;

use super::event::Operation;
use super::hands::{Hands, Reporter, Stop};
use super::report::Reason;
use crate::kind::ErrorClass;
use crate::names::ResourceAddress;
use crate::registry::DynKind;
use crate::state::{Change, Instance};

impl Hands {
    /// Takes the references to a resource that is about to be deleted out of another one. `instance` has
    /// the spec without them, and `was` the one with them.
    pub(crate) async fn detach(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        instance: Instance,
        was: &Value,
    ) -> Result<(), Stop> {
        let scope = &self.scope(address);
        let progress = &Reporter { hands: self, address, scope };
        let work = async {
            // Recorded first: whatever stops this here, the next run brings the references back.
            let unfinished = Instance { unfinished: true, was: Some(was.clone()), ..instance.clone() };
            self.record(Change::Current { address: address.clone(), instance: unfinished }).await?;
            Ok(self.finish(address, kind, instance, Some(was), progress).await?)
        };
        self.operate(address, Operation::Detach, scope, work, |instance| instance.id.clone()).await.map(drop)
    }

    /// The same where an update did not end: what is there is read and counts, for it may be what the resource was, what
    /// it is to be, or in between. The update goes on later.
    pub(crate) async fn detach_unfinished(
        &self,
        address: &ResourceAddress,
        kind: &dyn DynKind,
        mut instance: Instance,
        gone: &[String],
    ) -> Result<(), Stop> {
        let known = [Some(&instance.spec), instance.was.as_ref()];
        if !known.into_iter().flatten().any(|spec| kind.without(spec, gone).is_some()) {
            return Ok(());
        }
        let scope = &self.scope(address);
        let progress = &Reporter { hands: self, address, scope };
        let work = async {
            let was = instance.was.as_ref().unwrap_or(&instance.spec);
            let seen = kind.read(&instance.id, was).await.map_err(Reason::Operation)?.map(|seen| seen.spec);
            if let Some(there) = seen
                && let Some(less) = kind.without(&there, gone)
            {
                kind.configure(&instance.id, &less, Some(&there), progress).await.map_err(Reason::Operation)?;
            }
            if let Some(less) = instance.was.as_ref().and_then(|was| kind.without(was, gone)) {
                instance.was = Some(less);
                self.record(Change::Current { address: address.clone(), instance: instance.clone() }).await?;
            }
            Ok(instance)
        };
        self.operate(address, Operation::Detach, scope, work, |instance| instance.id.clone()).await.map(drop)
    }

    /// Lets a resource that makes things by itself take them back, before what depends on it goes.
    /// What goes wrong here is left to its deletion.
    pub(crate) async fn release(&self, address: &ResourceAddress, instance: &Instance) {
        let Ok(kind) = self.kind(address) else { return };
        if kind.makes() && !self.cancel.is_cancelled() && self.store.check().is_ok() {
            let scope = &self.scope(address);
            let progress = Reporter { hands: self, address, scope };
            scope.run(kind.release(&instance.id, &instance.spec, &progress)).await;
        }
    }

    /// Deletes an instance and records that it is gone.
    pub(crate) async fn delete(&self, address: &ResourceAddress, instance: &Instance) -> Result<(), Stop> {
        let kind = self.kind(address)?;
        let scope = &self.scope(address);
        let work = async {
            let progress = &Reporter { hands: self, address, scope };
            let marked = self.mark(address, instance).await?;
            if let Err(error) = kind.delete(&instance.id, &instance.spec, progress).await {
                // A service that refuses has left it as it was; one that does not answer may have deleted it.
                if let Some(unmarked) = marked.filter(|_| !is_open(error.class)) {
                    self.record(Change::Current { address: address.clone(), instance: unmarked }).await?;
                }
                return Err(Reason::Operation(error).into());
            }
            Ok(self.record(Change::Gone { address: address.clone(), id: instance.id.clone() }).await?)
        };
        self.operate(address, Operation::Delete, scope, work, |()| instance.id.clone()).await
    }

    /// Records that a deletion is begun, where the resource would count otherwise. Gives it as it was without that.
    async fn mark(&self, address: &ResourceAddress, instance: &Instance) -> Result<Option<Instance>, Reason> {
        let current = self.store.resource(address).and_then(|record| record.current);
        let Some(current) = current.filter(|current| current.id == instance.id && !current.going) else {
            return Ok(None);
        };
        let going = Instance { going: true, ..current.clone() };
        self.record(Change::Current { address: address.clone(), instance: going }).await?;
        Ok(Some(current))
    }
}

/// Whether an error says nothing of what became of the call.
fn is_open(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Unreachable | ErrorClass::Service | ErrorClass::Interrupted | ErrorClass::Local)
}
