//! The administrators' paths, which are there only where the server has a key for them.

use super::schema::{Properties, get_with_key, map, post, properties, with_variable};

const TAG: &str = "Administration";

pub(super) fn paths() -> Properties {
    let models = get_with_key("adminModels", TAG, "Every model, loaded or not.", &map("The models."));
    let change = |id, summary| {
        let mut operation = post(id, TAG, summary, &map("None."), &map("The current state of the model."));
        if let Some(of) = operation["post"].as_object_mut() {
            of.remove("requestBody");
        }
        with_variable(operation, "name", "The model's name.")
    };
    properties([
        ("/admin/models", models),
        ("/admin/models/{name}/load", change("loadModel", "Loads a model.")),
        ("/admin/models/{name}/unload", change("unloadModel", "Frees the memory of an idle model.")),
        (
            "/admin/models/{name}/reload",
            change("reloadModel", "Loads a model again beside the loaded one, then switches."),
        ),
    ])
}
