//! The provider `alertmanager`: silences of Prometheus Alertmanager, by its API v2.

mod api;
mod comment;
mod config;
mod silence;
mod time;

use silence::Silence;

llmhost_plugin::export_provider!("Silences of Prometheus Alertmanager.", [Silence]);
