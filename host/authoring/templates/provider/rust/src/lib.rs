//! A provider of notes, which a small service keeps.

use llmhost_plugin::provider::http::{Request, encoded};
use llmhost_plugin::provider::{Created, Error, Kind, Observed};

/// What is in the provider's `with` table. These comments become the descriptions that users see.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Address of the service.
    url: String,
    /// Key of the service: a secret of the pipeline file.
    key: Option<String>,
}

impl Config {
    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("{}{path}", self.url.trim_end_matches('/'))).bearer(self.key.as_deref())
    }
}

/// What a plugin declares.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Title; no two notes have the same.
    title: String,
    /// What it says.
    #[serde(default)]
    text: String,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Outputs {
    /// How often the note was written.
    revision: u64,
}

/// A note, as the service tells it.
#[derive(serde::Deserialize)]
struct Note {
    id: String,
    title: String,
    text: String,
    revision: u64,
}

impl Note {
    fn outputs(&self) -> Outputs {
        Outputs { revision: self.revision }
    }

    fn created(self) -> Created<Outputs> {
        Created { outputs: self.outputs(), id: self.id }
    }
}

/// What is sent: the spec, and what tells whose note it is.
#[derive(serde::Serialize)]
struct New<'a> {
    #[serde(flatten)]
    spec: &'a Spec,
    token: &'a str,
}

impl Kind for Note {
    type Config = Config;
    type Spec = Spec;
    type Outputs = Outputs;
    const NAME: &'static str = "note";
    const SUMMARY: &'static str = "A note.";
    const IMMUTABLE: &'static [&'static str] = &["title"];
    const UNIQUE: &'static [&'static str] = &["title"];

    fn create(config: &Config, spec: &Spec, token: &str) -> Result<Created<Outputs>, Error> {
        let note: Note = config.request("POST", "/notes").json(&New { spec, token }).send()?;
        Ok(note.created())
    }

    // Called where the answer to a create was lost: what it made carries the token.
    fn find(config: &Config, _: &Spec, token: &str) -> Result<Option<Created<Outputs>>, Error> {
        let notes: Vec<Note> = config.request("GET", "/notes").query("token", token).send()?;
        Ok(notes.into_iter().next().map(Note::created))
    }

    fn read(config: &Config, id: &str, _: &Spec) -> Result<Option<Observed<Spec, Outputs>>, Error> {
        let note: Option<Note> = config.request("GET", &format!("/notes/{}", encoded(id))).send_optional()?;
        Ok(note.map(|note| Observed { outputs: note.outputs(), spec: Spec { title: note.title, text: note.text } }))
    }

    fn update(config: &Config, id: &str, _: &Spec, new: &Spec) -> Result<Outputs, Error> {
        let note: Note = config.request("PUT", &format!("/notes/{}", encoded(id))).json(new).send()?;
        Ok(note.outputs())
    }

    // A note that is gone already (404) is no error.
    fn delete(config: &Config, id: &str, _: &Spec) -> Result<(), Error> {
        config.request("DELETE", &format!("/notes/{}", encoded(id))).done()
    }
}

llmhost_plugin::export_provider!("Notes, which a small service keeps.", [Note]);
