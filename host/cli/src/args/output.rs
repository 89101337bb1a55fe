//! Which commands were asked for JSON.

use super::{Cache, Command, Plugin, State};

impl Command {
    /// Whether standard output is for a program: then it hears of failures too.
    pub(crate) fn prints_json(&self) -> bool {
        match self {
            Self::Run(run) => run.how.json,
            Self::Destroy(destroy) => destroy.how.json,
            Self::Validate(validate) => validate.json,
            Self::Status(status) => status.json,
            Self::Outputs(outputs) => outputs.json,
            Self::Import(import) => import.json,
            Self::Drift(drift) => drift.json,
            Self::Rehearse(rehearse) => rehearse.json,
            Self::Fetch(fetch) => fetch.json,
            Self::Bench(bench) => bench.json,
            Self::Doctor(doctor) => doctor.json,
            Self::State(State::List(list)) => list.json,
            Self::State(State::Show(show)) => show.json,
            Self::Plugin(Plugin::Inspect { json, .. }) => *json,
            Self::Plugin(Plugin::Build(build)) => build.json,
            Self::Plugin(Plugin::Test(test)) => test.json,
            Self::Plugin(Plugin::Run(run)) => run.json,
            Self::Plugin(Plugin::Replay(replay)) => replay.json,
            Self::Plugin(Plugin::Push(push)) => push.json,
            Self::Plugin(Plugin::Pull(pull)) => pull.json,
            Self::Lock(lock) => lock.json,
            Self::Convert(convert) => convert.json,
            Self::Cache(Cache::List(list)) => list.json,
            Self::Cache(Cache::Clean(clean)) => clean.json,
            _ => false,
        }
    }
}
