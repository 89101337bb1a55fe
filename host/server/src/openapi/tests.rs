//! The document against the fields that the handlers take.

use std::collections::BTreeSet;

use super::whole;
use crate::openai;

#[test]
fn the_schema_of_a_request_has_the_fields_that_its_handler_takes() {
    let document = whole();
    for (path, fields) in openai::fields_by_path() {
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let documented: BTreeSet<&str> =
            body["properties"].as_object().expect(path).keys().map(String::as_str).collect();
        let taken: BTreeSet<&str> = fields.into_iter().collect();
        let missing: Vec<_> = taken.difference(&documented).collect();
        let strange: Vec<_> = documented.difference(&taken).collect();
        assert!(
            missing.is_empty() && strange.is_empty(),
            "src/openapi lacks the fields {missing:?} of {path}, and has {strange:?}, which the handler's FIELDS has not"
        );
    }
}
