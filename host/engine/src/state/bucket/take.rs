//! Taking the lease, and giving it back.

use super::clock::Moment;
use super::contents::load;
use super::lease::{Found, Holder, KEY, Shown};
use super::put::{Put, failed, get, put};
use super::store::LeaseSettings;
use super::{Answer, Bucket, Lease, Object, Only};
use crate::state::StateError;

/// Each attempt fails only because somebody else has written the lease meanwhile.
const ATTEMPTS: usize = 5;

/// A lease that is ours.
pub(super) struct Taken {
    pub(super) lease: Lease,
    pub(super) etag: String,
    /// Before it was written: from here on it lasts its time.
    pub(super) began: Moment,
    /// Whether the one before gave it back with everything written.
    pub(super) settled: bool,
    /// From whom it was taken, where they did not give it back.
    pub(super) from: Option<String>,
}

/// Takes the lease, or says who has it. By force, whoever has it; or only where it is of the run
/// that was shown.
pub(super) async fn take(
    bucket: &dyn Bucket,
    pipeline: &str,
    settings: &LeaseSettings,
    only: Option<&Shown>,
) -> Result<Taken, StateError> {
    if settings.by_force {
        is_of(bucket, pipeline).await?;
    }
    let holder = Holder::this(&settings.command);
    for _ in 0..ATTEMPTS {
        let answer = bucket.get(KEY).await.map_err(failed(bucket, "read", KEY))?;
        let found = found(bucket, &answer, settings.by_force)?;
        if let Some(found) = found.as_ref().filter(|found| found.is_in_force() && !settings.by_force) {
            return Err(found.refusal(bucket.address("")));
        }
        if let (Some(shown), Some(found)) = (only, found.as_ref().filter(|found| found.lease.held))
            && !shown.is_of(&found.lease)
        {
            return Err(StateError::OtherHolder { path: bucket.address(""), holder: found.words() });
        }
        let (last_term, settled, from) = match &found {
            Some(Found { lease, .. }) => {
                let from = lease.held.then(|| lease.holder.to_string());
                (lease.term, !lease.held && lease.settled, from)
            }
            // Never taken, or removed by hand: then what was written since tells.
            None => {
                let contents = load(bucket, pipeline).await?;
                (contents.term, contents.object.is_none() && contents.next == 1, None)
            }
        };
        let lease = Lease::new(last_term.saturating_add(1), holder.clone(), answer.now, settings.ttl);
        let condition = answer.object.as_ref().map_or(Only::New, |object| Only::Over(&object.etag));
        let began = Moment::now();
        if let Put::Done(etag) = put(bucket, KEY, &lease.text(), condition).await? {
            return Ok(Taken { lease, etag, began, settled, from });
        }
    }
    Err(StateError::Busy { path: bucket.address("") })
}

/// Nobody's lease is broken for a pipeline that the state is not of. What else is wrong with it is
/// said once it is taken.
async fn is_of(bucket: &dyn Bucket, pipeline: &str) -> Result<(), StateError> {
    match load(bucket, pipeline).await {
        Err(error @ StateError::OtherPipeline { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// The lease that is there. One that cannot be read is none to whoever breaks it.
fn found(bucket: &dyn Bucket, answer: &Answer, by_force: bool) -> Result<Option<Found>, StateError> {
    match Found::read(&bucket.address(KEY), answer) {
        Err(StateError::Lease { .. }) if by_force => Ok(None),
        found => found,
    }
}

/// Gives a lease back, where it is still there. Others then begin at once.
pub(super) async fn give_back(bucket: &dyn Bucket, lease: &Lease, settled: bool) -> Result<(), StateError> {
    for _ in 0..ATTEMPTS {
        let Some(object) = get(bucket, KEY).await? else { return Ok(()) };
        let there = Lease::parse(&bucket.address(KEY), &object)?;
        if !there.held || there.holder.run != lease.holder.run {
            return Ok(());
        }
        let free = Lease { held: false, settled, renewals: there.renewals.saturating_add(1), ..there };
        // A renewal whose answer nobody waited for may have come in between.
        if let Put::Done(_) = put(bucket, KEY, &free.text(), Only::Over(&object.etag)).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Who has the state now: what a write says that was refused.
pub(super) async fn taken_over(bucket: &dyn Bucket) -> StateError {
    taken_by(bucket, get(bucket, KEY).await.ok().flatten().as_ref())
}

/// As [`taken_over`], where the lease is at hand.
pub(super) fn taken_by(bucket: &dyn Bucket, lease: Option<&Object>) -> StateError {
    let lease = lease.and_then(|object| Lease::parse(&bucket.address(KEY), object).ok());
    let by = lease.map(|lease| lease.holder.to_string());
    StateError::TakenOver { path: bucket.address(""), by: by.unwrap_or_else(|| "somebody else".to_owned()) }
}
