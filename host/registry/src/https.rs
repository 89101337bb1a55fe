//! Components on HTTPS servers.

use futures::StreamExt;
use reqwest::{Client, Url};

use crate::client::{CONNECT, SILENCE, TRANSFER};
use crate::error::Asked;
use crate::retry::patiently;
use crate::store::MOST_BYTES;
use crate::{HttpsAddress, RegistryError, Store};

/// An armoured signature has some 300 bytes.
const MOST_SIGNATURE: u64 = 16 << 10;

/// The component, into the store.
pub(crate) async fn component(address: &HttpsAddress, store: &Store) -> Result<(), RegistryError> {
    let asked = asked(address, address.name());
    patiently(&format!("server {}", asked.host), || async {
        let mut draft = store.draft()?;
        get(address, &address.url, &asked, MOST_BYTES, |part| draft.write(part)).await?;
        draft.finish(&asked.name, &address.digest)
    })
    .await
}

/// The signature beside the component: its address with `.sig` after the path. None where the server has none.
pub(crate) async fn signature(address: &HttpsAddress) -> Result<Option<Vec<u8>>, RegistryError> {
    let mut url = address.url.clone();
    url.set_path(&format!("{}.sig", url.path()));
    let asked = asked(address, format!("{}.sig", address.name()));
    let call = format!("server {}", asked.host);
    let fetched = patiently(&call, || async {
        let mut bytes = Vec::new();
        let take = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        get(address, &url, &asked, MOST_SIGNATURE, take).await?;
        Ok(bytes)
    });
    match fetched.await {
        Err(RegistryError::NotFound { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn asked(address: &HttpsAddress, name: String) -> Asked {
    Asked { host: address.host(), name, user: None }
}

async fn get(
    address: &HttpsAddress,
    url: &Url,
    asked: &Asked,
    most: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let client = Client::builder()
        .https_only(!address.is_loopback())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .timeout(TRANSFER)
        .user_agent(concat!("llmhost/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| asked.unsent(&error))?;
    let answer = client.get(url.clone()).send().await.map_err(|error| asked.unsent(&error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(asked.answer(Some(status.as_u16()), status.canonical_reason().unwrap_or("an error")));
    }
    let too_large = || RegistryError::TooLarge { name: asked.name.clone(), most: MOST_BYTES };
    if answer.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let (mut stream, mut length) = (answer.bytes_stream(), 0);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| asked.unsent(&error))?;
        length += part.len() as u64;
        if length > most {
            return Err(too_large());
        }
        take(&part)?;
    }
    Ok(())
}
