//! Successors under an old name: what was planned is done though the text of an ARN is the same,
//! nothing that refers to a predecessor is left behind, and no change ends where no run can go on.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;

use llmhost_engine::plan::Plan;
use llmhost_engine::run::refresh;
use proptest::prelude::*;
use support::keyed::When;
use support::{World, fates};

/// A group, members of it, an entry for a member and a server that names it.
fn pipeline(group: &str, member: &str) -> String {
    format!(
        r#"
        [steps.iam]
        uses = "keyed"
        with = {{ declare = [
            {{ kind = "test.group", at = "read", spec = {{ name = "{group}", fixed = "FIXED" }} }},
            {{ kind = "test.member", at = "app", spec = {{ name = "app", fixed = "{member}", groups = ["@test.group/read"] }} }},
            {{ kind = "test.entry", at = "app", spec = {{ name = "e", of = "@test.member/app" }} }},
            {{ kind = "test.server", at = "app", spec = {{ name = "s", of = "@test.member/app" }} }},
        ] }}
        "#
    )
}

fn order(plan: &Plan, name: &str) -> String {
    let found = plan.resources.iter().find(|(address, _)| address.to_string().ends_with(name));
    format!("{:?}", found.unwrap().1.action)
}

#[tokio::test]
async fn what_is_attached_is_let_go_of_replaced_and_attached_again() {
    let world = World::new();
    let before = pipeline("read", "1").replace("FIXED", "one");
    let after = pipeline("read", "1").replace("FIXED", "two");
    assert!(world.run(&before).await.is_ok());
    let plan = world.plan(&after).await;
    assert_eq!(fates(&plan), [("read".to_owned(), "replace"), ("app".to_owned(), "update")]);
    assert!(order(&plan, "test.group/read").contains("DeleteFirst"));
    world.keyed.take_calls();
    let report = world.run(&after).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((report.done.update, report.done.replace, report.done.changes()), (1, 1, 2));
    let calls = world.keyed.take_calls();
    assert_eq!(calls[..3], ["update test.member/app", "delete test.group/read", "create test.group/read"], "{calls:?}");
    assert_eq!(world.keyed.dangling(), Vec::<String>::new());
    assert_eq!(world.keyed.things.lock().unwrap()["test.member/app"].spec.groups.len(), 1);
    assert_eq!(fates(&world.plan(&after).await), []);
}

#[tokio::test]
async fn a_new_name_makes_the_successor_first() {
    let world = World::new();
    assert!(world.run(&pipeline("read", "1")).await.is_ok());
    let after = pipeline("read-v2", "1");
    assert!(order(&world.plan(&after).await, "test.group/read").contains("CreateFirst"));
    world.keyed.take_calls();
    let report = world.run(&after).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((report.done.update, report.done.replace, report.done.delete), (1, 1, 0));
    let calls = world.keyed.take_calls();
    assert_eq!(calls, ["create test.group/read-v2", "update test.member/app", "delete test.group/read"]);
}

#[tokio::test]
async fn who_was_made_for_the_predecessor_is_made_for_the_successor_and_who_goes_by_name_stays() {
    let world = World::new();
    assert!(world.run(&pipeline("read", "1")).await.is_ok());
    let after = pipeline("read", "2");
    let fate = [("app", "replace"), ("app", "replace")].map(|(name, fate)| (name.to_owned(), fate));
    assert_eq!(fates(&world.plan(&after).await), fate, "member and entry; the server stays");
    let report = world.run(&after).await;
    assert!(report.is_ok() && report.done.replace == 2, "{report:?}");
    assert_eq!(world.keyed.dangling(), Vec::<String>::new());
    assert_eq!(fates(&world.plan(&after).await), []);
}

#[tokio::test]
async fn what_was_deleted_by_hand_is_made_again_with_all_that_was_lost_with_it() {
    for (lost, changed) in [("test.member/app", 2), ("test.group/read", 2)] {
        let world = World::new();
        let text = pipeline("read", "1");
        assert!(world.run(&text).await.is_ok());
        world.keyed.lose(lost);
        let store = world.store();
        refresh(&world.registry(), &store.snapshot(), 4).await.unwrap().record(&*store).await.unwrap();
        store.close().await.unwrap();
        let report = world.run(&text).await;
        assert!(report.is_ok() && report.done.changes() == changed, "{lost}: {report:?}");
        assert_eq!(world.keyed.dangling(), Vec::<String>::new(), "{lost}");
        assert_eq!(fates(&world.plan(&text).await), [], "{lost}");
    }
}

#[tokio::test]
async fn a_name_that_one_gives_up_another_takes_in_the_same_plan() {
    let world = World::new();
    let groups = |list: &[(&str, &str)]| {
        let entries = list.iter().map(|(at, name)| {
            format!(r#"{{ kind = "test.group", at = "{at}", spec = {{ name = "{name}", fixed = "{at}" }} }},"#)
        });
        format!("[steps.iam]\nuses = \"keyed\"\nwith = {{ declare = [{}] }}", entries.collect::<String>())
    };
    // Taken from one that is deleted, from one that is renamed, and from each other.
    for version in
        [&[("a", "x"), ("b", "y")][..], &[("b", "y"), ("c", "x")], &[("b", "z"), ("c", "y")], &[("b", "y"), ("c", "z")]]
    {
        let report = world.run(&groups(version)).await;
        assert!(report.is_ok(), "{version:?}: {report:?}");
        let names: Vec<_> = world.keyed.things.lock().unwrap().values().map(|thing| thing.spec.name.clone()).collect();
        let wanted: BTreeSet<_> = version.iter().map(|(_, name)| (*name).to_owned()).collect();
        assert_eq!(names, wanted.into_iter().collect::<Vec<_>>(), "{version:?}");
        assert_eq!(fates(&world.plan(&groups(version)).await), []);
    }
}

/// A version of the pipeline: of each group and member whether it is there and what it is like.
#[derive(Debug, Clone)]
struct Version {
    /// Name and fixed field, of those that are there.
    groups: Vec<Option<(u8, u8)>>,
    /// Name, fixed field, note, groups (a bit each), whether it has an entry, and a server.
    members: Vec<Option<MemberOf>>,
    /// What somebody deletes by hand before the next version: a bit for each group and member.
    lost: u8,
}

type MemberOf = (u8, u8, u8, u8, bool, bool);

const GROUPS: usize = 3;
const MEMBERS: usize = 3;

fn version() -> impl Strategy<Value = Version> {
    let group = prop::option::weighted(0.8, (0..4_u8, 0..2_u8));
    let member = prop::option::weighted(0.8, (0..4_u8, 0..2_u8, 0..2_u8, any::<u8>(), any::<bool>(), any::<bool>()));
    let (groups, members) = (prop::collection::vec(group, GROUPS), prop::collection::vec(member, MEMBERS));
    (groups, members, prop::bool::weighted(0.3), any::<u8>()).prop_map(|(groups, members, loses, lost)| {
        let (mut of_groups, mut of_members) = (BTreeSet::new(), BTreeSet::new());
        // Two cannot have one name at a time.
        let groups = groups.into_iter().map(|group| group.filter(|(name, _)| of_groups.insert(*name))).collect();
        let members = members.into_iter().map(|member| member.filter(|member| of_members.insert(member.0))).collect();
        Version { groups, members, lost: if loses { lost & (lost >> 4) } else { 0 } }
    })
}

fn text(version: &Version) -> String {
    let mut entries = String::new();
    for (at, (name, fixed)) in version.groups.iter().enumerate().filter_map(|(at, group)| Some((at, (*group)?))) {
        writeln!(
            entries,
            r#"{{ kind = "test.group", at = "g{at}", spec = {{ name = "g{name}", fixed = "{fixed}" }} }},"#
        )
        .unwrap();
    }
    for (at, member) in version.members.iter().enumerate() {
        let Some((name, fixed, note, of, entry, server)) = member else { continue };
        let there = (0..GROUPS).filter(|group| of & (1 << group) != 0 && version.groups[*group].is_some());
        let groups: Vec<_> = there.map(|group| format!("\"@test.group/g{group}\"")).collect();
        writeln!(
            entries,
            r#"{{ kind = "test.member", at = "m{at}", spec = {{ name = "m{name}", fixed = "{fixed}", note = "{note}", groups = [{}] }} }},"#,
            groups.join(", ")
        )
        .unwrap();
        for (kind, _) in [("entry", *entry), ("server", *server)].into_iter().filter(|(_, there)| *there) {
            writeln!(
                entries,
                r#"{{ kind = "test.{kind}", at = "m{at}", spec = {{ name = "of-m{at}", of = "@test.member/m{at}" }} }},"#
            )
            .unwrap();
        }
    }
    format!("[steps.iam]\nuses = \"keyed\"\nwith = {{ declare = [\n{entries}] }}")
}

/// What a version wants to be there, with the groups of each member.
fn wanted(version: &Version) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for (name, _) in version.groups.iter().flatten() {
        wanted.insert(format!("test.group/g{name}"));
    }
    for (at, member) in version.members.iter().enumerate() {
        let Some((name, _, note, of, entry, server)) = member else { continue };
        let there = (0..GROUPS).filter(|group| of & (1 << group) != 0).filter_map(|group| version.groups[group]);
        let groups: BTreeSet<_> = there.map(|(name, _)| format!("arn:test.group/g{name}")).collect();
        wanted.insert(format!("test.member/m{name} {note} {groups:?}"));
        if *entry {
            wanted.insert(format!("test.entry/test.member-m{name}"));
        }
        if *server {
            wanted.insert(format!("test.server/of-m{at} arn:test.member/m{name}"));
        }
    }
    wanted
}

/// What is there, looked at without llmhost.
fn there(world: &World) -> BTreeSet<String> {
    let things = world.keyed.things.lock().unwrap();
    let told = things.iter().map(|(key, thing)| match key.split('/').next() {
        Some("test.member") => format!("{key} {} {:?}", thing.spec.note, thing.spec.groups),
        Some("test.server") => format!("{key} {}", thing.spec.of),
        _ => key.clone(),
    });
    told.collect()
}

async fn lose(world: &World, lost: u8) {
    let keys: Vec<_> = world.keyed.things.lock().unwrap().keys().cloned().collect();
    for (at, key) in keys.iter().enumerate().filter(|(at, _)| lost & (1 << (at % 8)) != 0) {
        let _ = at;
        world.keyed.lose(key);
    }
    let store = world.store();
    refresh(&world.registry(), &store.snapshot(), 4).await.unwrap().record(&*store).await.unwrap();
    store.close().await.unwrap();
}

/// Lives through the versions. Where calls fail in between, a second run comes to the same end.
async fn lived(versions: &[Version], failing: &[(String, When)]) {
    let world = World::new();
    for version in versions {
        let text = text(version);
        if !failing.is_empty() {
            world.keyed.failing.lock().unwrap().extend(failing.iter().cloned());
            // It may fail or not; what it leaves is what counts.
            world.run(&text).await;
            world.keyed.failing.lock().unwrap().clear();
        }
        let planned = world.plan(&text).await.summary();
        let report = world.run(&text).await;
        assert!(report.is_ok(), "{report:?}\n{text}");
        assert_eq!(report.done, planned, "what was done is what was planned\n{text}");
        assert_eq!(there(&world), wanted(version), "{text}");
        assert_eq!(world.keyed.dangling(), Vec::<String>::new(), "{text}");
        assert_eq!(fates(&world.plan(&text).await), [], "nothing is left to do after\n{text}");
        if version.lost != 0 {
            lose(&world, version.lost).await;
        }
    }
}

/// Found by chance: the update that lets go of what is to be deleted failed, and by its new spec the member no longer
/// used it.
#[tokio::test]
async fn what_a_failed_update_was_to_let_go_of_is_let_go_of_before_it_is_deleted() {
    let member = |name, of| Some((name, 0, 0, of, false, false));
    let versions = [
        Version {
            groups: vec![Some((0, 0)), None, Some((1, 0))],
            members: vec![None, member(3, 4), member(0, 0)],
            lost: 0,
        },
        Version { groups: vec![None, Some((1, 1)), None], members: vec![member(0, 2), member(3, 0), None], lost: 0 },
    ];
    for when in [When::Before, When::After] {
        lived(&versions, &[("update test.member/m3".to_owned(), when)]).await;
    }
}

/// Found by chance: a deletion was done and its answer lost, and the next version of the file wanted what was deleted under
/// another address.
#[tokio::test]
async fn what_may_have_been_deleted_is_made_anew_where_it_is_wanted() {
    let member = |name, fixed, entry| Some((name, fixed, 0, 0, entry, false));
    let none = || vec![None, None, None];
    let versions = [
        Version { groups: none(), members: vec![None, member(1, 0, false), member(0, 1, true)], lost: 0 },
        Version { groups: none(), members: vec![member(1, 0, false), member(0, 1, true), None], lost: 0 },
    ];
    for when in [When::Before, When::After] {
        lived(&versions, &[("delete test.member/m0".to_owned(), when)]).await;
    }
    // The same where the file wants it at its address again.
    let world = World::new();
    let (both, one) = (text(&versions[0]), text(&Version { members: vec![None, None, None], ..versions[0].clone() }));
    assert!(world.run(&both).await.is_ok());
    world.keyed.failing.lock().unwrap().insert("delete test.member/m0".to_owned(), When::After);
    assert!(!world.run(&one).await.is_ok());
    let planned = world.plan(&both).await.summary();
    let report = world.run(&both).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((report.done, there(&world)), (planned, wanted(&versions[0])));
    // A service that refuses leaves it as it is: nothing is made anew.
    world.keyed.failing.lock().unwrap().insert("delete test.member/m0".to_owned(), When::Before);
    assert!(!world.run(&one).await.is_ok());
    let replaced = |plan: &Plan| plan.summary().replace;
    assert_eq!(replaced(&world.plan(&both).await), 0);
}

/// Found by chance: what was made for a successor went with the predecessor that it no longer used.
#[tokio::test]
async fn who_uses_the_successor_stays_when_the_predecessor_goes() {
    let (server, entry) = (Some((1, 0, 0, 2, false, true)), Some((0, 0, 0, 1, true, false)));
    let versions = [
        Version { groups: vec![Some((1, 0)), Some((2, 0)), None], members: vec![None, server, entry], lost: 0 },
        Version {
            groups: vec![None, Some((1, 0)), Some((2, 0))],
            members: vec![None, None, Some((2, 0, 0, 0, true, false))],
            lost: 0,
        },
    ];
    lived(&versions, &[]).await;
}

/// Found by chance: who was bound to a group that was lost and to one that took its address was taken for bound to the
/// lost one.
#[tokio::test]
async fn who_uses_what_moved_to_the_address_of_something_lost_lets_go_of_it() {
    let member = Some((0, 0, 0, 6, true, false));
    let versions = [
        Version { groups: vec![None, Some((1, 0)), Some((0, 0))], members: vec![member, None, None], lost: 2 },
        Version { groups: vec![None, None, Some((1, 1))], members: vec![None, None, None], lost: 0 },
    ];
    lived(&versions, &[]).await;
}

/// A call that fails.
fn failing() -> impl Strategy<Value = (String, When)> {
    let call = prop::sample::select(&["create", "update", "delete"][..]);
    let thing =
        prop::sample::select(&["test.group/g", "test.member/m", "test.entry/test.member-m", "test.server/of-m"][..]);
    let when = prop::sample::select(&[When::Before, When::After][..]);
    (call, thing, 0..4_u8, when).prop_map(|(call, thing, at, when)| (format!("{call} {thing}{at}"), when))
}

/// With `LLMHOST_TORTURE=long` (`cargo xtask torture`) as many as a coffee takes.
fn cases() -> u32 {
    if std::env::var("LLMHOST_TORTURE").is_ok_and(|extent| extent == "long") { 2_000 } else { 96 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_of_named_things_are_done_as_planned(versions in prop::collection::vec(version(), 2..5)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(lived(&versions, &[]));
    }

    #[test]
    fn whatever_call_fails_in_between_the_next_run_comes_to_the_same_end(
        versions in prop::collection::vec(version(), 2..5),
        failing in prop::collection::vec(failing(), 1..4),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(lived(&versions, &failing));
    }
}
