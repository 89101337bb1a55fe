use super::*;
use crate::api::Status;

const TOKEN: &str = "0123456789-abcdefghijklmnopqrstuvwxyz-AB";

fn label(name: &str, value: &str) -> Label {
    Label { name: name.to_owned(), value: value.to_owned(), regex: false, equal: true }
}

fn spec() -> Spec {
    Spec {
        matchers: vec![label("job", "db"), label("env", "prod")],
        starts_at: None,
        ends_at: "2030-01-01T02:00:00+02:00".to_owned(),
        created_by: "ops".to_owned(),
        comment: "Maintenance".to_owned(),
    }
}

/// What Alertmanager has of [`spec`].
fn there(state: State) -> There {
    There {
        id: "1".to_owned(),
        matchers: spec().matchers.iter().map(Label::matcher).collect(),
        starts_at: "2029-12-31T00:00:00.123Z".to_owned(),
        ends_at: "2030-01-01T00:00:00.000Z".to_owned(),
        created_by: "ops".to_owned(),
        comment: joined("Maintenance", TOKEN),
        status: Status { state },
    }
}

fn seen(there: &There, known: &Spec) -> Option<Spec> {
    observed(there, known).expect("good times")
}

#[test]
fn what_was_declared_is_no_drift() {
    assert_eq!(seen(&there(State::Active), &spec()), Some(spec()));
    let mut sorted = there(State::Active);
    sorted.matchers.reverse();
    assert_eq!(seen(&sorted, &spec()), Some(spec()));
    // A start in the past becomes now.
    let past = Spec { starts_at: Some("2029-12-01T00:00:00Z".to_owned()), ..spec() };
    assert_eq!(seen(&there(State::Active), &past), Some(past));
    let later = Spec { starts_at: Some("2029-12-31T01:00:00.123+01:00".to_owned()), ..spec() };
    assert_eq!(seen(&there(State::Pending), &later), Some(later));
}

#[test]
fn what_somebody_else_changed_is_drift() {
    type Change<T> = fn(&mut T);
    let changes: [(Change<There>, Change<Spec>); 5] = [
        (|there| there.ends_at = "2030-01-01T00:00:01Z".into(), |spec| spec.ends_at = "2030-01-01T00:00:01Z".into()),
        (|there| there.created_by = "me".into(), |spec| spec.created_by = "me".into()),
        (|there| there.comment = joined("x", TOKEN), |spec| spec.comment = "x".into()),
        (|there| there.matchers[0].is_equal = false, |spec| spec.matchers[0].equal = false),
        (|there| there.matchers[1].value = "test".into(), |spec| spec.matchers[1].value = "test".into()),
    ];
    for (there_changes, spec_changes) in changes {
        let (mut there, mut expected) = (there(State::Active), spec());
        there_changes(&mut there);
        spec_changes(&mut expected);
        assert_eq!(seen(&there, &spec()), Some(expected));
    }
    // It was to begin at once, or earlier.
    let begins = Some("2029-12-31T00:00:00.123Z".to_owned());
    for declared in [None, Some("2029-12-01T00:00:00Z".to_owned()), Some("2029-12-31T12:00:00Z".to_owned())] {
        let known = Spec { starts_at: declared, ..spec() };
        assert_eq!(seen(&there(State::Pending), &known).and_then(|spec| spec.starts_at), begins);
    }
}

#[test]
fn a_silence_that_was_ended_is_gone_and_one_whose_time_has_passed_is_not() {
    assert_eq!(seen(&there(State::Expired), &spec()), Some(spec()));
    let ended = There { ends_at: "2029-12-31T23:59:59Z".to_owned(), ..there(State::Expired) };
    assert_eq!(seen(&ended, &spec()), None);
    // Forgotten some days later, or never there.
    let end = instant("ends_at", &spec().ends_at).expect("a time");
    assert_eq!(forgotten(Some(end), &spec()).expect("a time"), Some(spec()));
    assert_eq!(forgotten(Some(end - 1), &spec()).expect("a time"), None);
    assert_eq!(forgotten(None, &spec()).expect("a time"), None);
}

#[test]
fn a_silence_is_posted_with_its_token_and_changed_with_the_one_it_has() {
    let spec = spec();
    let made = posted(None, vec![], AT_ONCE, &spec, Some(TOKEN));
    assert_eq!(parted(&made.comment), ("Maintenance", Some(TOKEN)));
    let text = serde_json::to_string(&made).expect("JSON");
    assert!(text.contains("\"startsAt\":\"1970") && text.contains("createdBy") && !text.contains("\"id\""), "{text}");
    // One that was imported has none.
    let changed = posted(Some("1"), vec![], "2029-12-31T00:00:00.123Z", &spec, None);
    assert_eq!((changed.id, changed.comment.as_str()), (Some("1"), "Maintenance"));
}

#[test]
fn an_end_in_the_past_says_what_to_do() {
    let refused = Error::invalid("Failed to create silence: end time can't be in the past");
    let error = explained(refused, &spec());
    assert!(error.message.contains("ends_at 2030-01-01T02:00:00+02:00 is in the past"), "{}", error.message);
    assert!(error.advice.is_some_and(|advice| advice.contains("remove it from the file")));
    let other = explained(Error::invalid("no"), &spec());
    assert_eq!((other.message.as_str(), other.advice), ("no", None));
}
