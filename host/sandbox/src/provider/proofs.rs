//! Proofs of passwords that a call was given. Computing them counts as the guest's own time.

use llmhost_engine::secret::{hide, mask};
use llmhost_http::Secrets;
use llmhost_scram::{Exchange, ScramError};

use super::outside::{Handles, Unusable};
use crate::state::Run;

/// One authentication; nothing while it is computed.
pub(crate) struct Proof(Option<Exchange>);

/// Begins an authentication.
pub(crate) async fn begin(run: &Run, user: &str, password: &str) -> Result<Proof, Unusable> {
    run.called(format_args!("start a SCRAM exchange"));
    let password = value(run, password).await?;
    Ok(Proof(Some(Exchange::begin(user, password).map_err(refused)?)))
}

/// The first message to the server.
pub(crate) fn client_first(proof: &mut Proof) -> Result<String, Unusable> {
    proof.exchange()?.client_first().map_err(refused)
}

/// The answer to the server's first message.
pub(crate) async fn client_final(run: &Run, proof: &mut Proof, server_first: String) -> Result<String, Unusable> {
    let mut exchange = proof.0.take().ok_or_else(lost)?;
    let computed = tokio::task::spawn_blocking(move || (exchange.client_final(&server_first), exchange)).await;
    let (answer, exchange) = computed.map_err(|_| lost())?;
    proof.0 = Some(exchange);
    answer.map_err(refused).inspect_err(|refused| run.failed(&refused.message))
}

/// Holds the server's last message against the password.
pub(crate) fn verify(run: &Run, proof: &mut Proof, server_final: &str) -> Result<(), Unusable> {
    let verified = proof.exchange()?.verify(server_final);
    verified.map_err(refused).inspect_err(|refused| run.failed(&refused.message))
}

/// What a server keeps in place of a password. Whoever has it can guess the password, so nothing shows it.
pub(crate) async fn verifier(run: &Run, password: &str) -> Result<String, Unusable> {
    run.called(format_args!("make a SCRAM verifier"));
    let password = value(run, password).await?;
    let verifier = tokio::task::spawn_blocking(move || llmhost_scram::verifier(&password)).await;
    let verifier = verifier.map_err(|_| lost())?;
    hide(&verifier);
    Ok(verifier)
}

impl Proof {
    fn exchange(&mut self) -> Result<&mut Exchange, Unusable> {
        self.0.as_mut().ok_or_else(lost)
    }
}

/// The password itself: a text, with the values of the call's secrets in the places of their handles.
async fn value(run: &Run, password: &str) -> Result<String, Unusable> {
    let Some(outside) = &run.outside else { return Err(Unusable::from_describe()) };
    let handles: &Handles = &outside.handles;
    let (mut value, mut end) = (String::new(), 0);
    for token in handles.tokens(password) {
        let unknown = |problem: String, advice: &str| {
            let message = format!("the secret '{}' cannot be used as a password: {problem}", token.name);
            run.failed(&message);
            Unusable { class: "secret", message, advice: advice.to_owned() }
        };
        if handles.audience(&token.name).is_none() {
            let advice = "give it to the provider in its options, or in the spec of the resource";
            return Err(unknown("the call was not given it".to_owned(), advice));
        }
        let read = {
            let _host = run.meter.in_host();
            handles.value(&token.name).await
        };
        let advice = "check the place of its value in the pipeline file";
        let secret =
            read.map_err(|reason| unknown(mask(&format!("it cannot be read: {reason}")).into_owned(), advice))?;
        value.push_str(&password[end..token.at.start]);
        value.push_str(&secret);
        end = token.at.end;
    }
    value.push_str(&password[end..]);
    match value.is_empty() {
        false => Ok(value),
        true => Err(Unusable {
            class: "invalid",
            message: "the password is empty, which servers treat as none".to_owned(),
            advice: "use a password that is not empty".to_owned(),
        }),
    }
}

fn lost() -> Unusable {
    refused(ScramError::Order { step: "this", turn: "before something failed" })
}

fn refused(error: ScramError) -> Unusable {
    let (class, advice) = match &error {
        ScramError::User | ScramError::Order { .. } => ("invalid", "this is an error in the provider"),
        ScramError::Mismatch => {
            ("mismatch", "check that this is the right server, and that nothing intercepts the connection")
        }
        ScramError::Refused { .. } => ("mismatch", "check the user and the password"),
        _ => ("protocol", "ask the administrator of the server"),
    };
    Unusable { class, message: error.to_string(), advice: advice.to_owned() }
}
