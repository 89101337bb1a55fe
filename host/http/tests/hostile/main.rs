//! What a hostile plugin, a hostile server or hostile DNS would try, and how each is refused.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

mod addresses;
mod grants;
mod limits;
mod properties;
mod redirects;
mod requests;
mod secrets;
mod tcp;
mod tls;
