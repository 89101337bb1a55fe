//! TCP connections of a call.

use llmhost_http::{TcpClient, TcpFailure};

use super::outside::{Outside, Unusable, class};
use crate::limits;
use crate::state::Run;

pub(crate) use llmhost_http::Connection;

type Outcome<T> = wasmtime::Result<Result<T, Unusable>>;

/// Connects to a host.
pub(crate) async fn connect(run: &Run, host: &str, port: u16) -> Outcome<Connection> {
    run.called(format_args!("connect to {}:{port}", limits::cut(host, 120)));
    let Some(outside) = &run.outside else { return Ok(Err(Unusable::from_describe())) };
    let client: Result<&TcpClient, _> = outside.connections().await;
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            let (message, advice) = (error.to_string(), "correct this machine's certificates".to_owned());
            return Ok(Err(Unusable { class: "unreachable", message, advice }));
        }
    };
    held(run, outside, "connect to the service", client.connect(host, port)).await
}

/// Goes on with TLS.
pub(crate) async fn start_tls(run: &Run, connection: &mut Connection) -> Outcome<()> {
    run.called(format_args!("start TLS"));
    let Some(outside) = &run.outside else { return Ok(Err(Unusable::from_describe())) };
    held(run, outside, "agree on TLS with the service", connection.start_tls()).await
}

/// Writes bytes.
pub(crate) async fn write(run: &Run, connection: &mut Connection, bytes: &[u8]) -> Outcome<()> {
    run.called(format_args!("write {} bytes", bytes.len()));
    let Some(outside) = &run.outside else { return Ok(Err(Unusable::from_describe())) };
    held(run, outside, "write to the service", connection.write(bytes)).await
}

/// Reads bytes.
pub(crate) async fn read(run: &Run, connection: &mut Connection, most: u32) -> Outcome<Vec<u8>> {
    run.called(format_args!("read at most {most} bytes"));
    let Some(outside) = &run.outside else { return Ok(Err(Unusable::from_describe())) };
    let read = connection.read(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(held(run, outside, "wait for the service", read).await?.map(|bytes| bytes.to_vec()))
}

/// Waits for the network, which is no time of the guest's and ends with the run.
async fn held<T>(
    run: &Run,
    outside: &Outside,
    what: &str,
    work: impl Future<Output = Result<T, TcpFailure>>,
) -> Outcome<T> {
    let done = {
        let _host = run.meter.in_host();
        outside.unless_stopped(what, work).await?
    };
    Ok(done.map_err(|failure| {
        run.failed(&failure.message());
        Unusable { class: class(failure.class()), message: failure.message(), advice: failure.advice() }
    }))
}
