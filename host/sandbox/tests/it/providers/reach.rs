//! What a provider tries that it may not.

use super::WWW;
use super::scene::{KEY, PASSWORD, Scene};

#[tokio::test]
async fn connections_and_proofs_are_held_to_what_the_call_was_given() {
    let scene = Scene::new().await;
    let file = scene.file_with(", nonsense = \"create steal\"", WWW);
    let file = file.replace("allow = [\"http", "allow = [\"tcp:db.example.com:5433\", \"http");
    let words = Scene::words(&scene.run(&file).await);
    for part in [
        "ErrorClass::NotGranted: 169.254.169.254 is not contacted: it is a metadata service",
        "ErrorClass::NotGranted: the grant does not cover a connection to localhost:22: no entry covers the host \
            localhost",
        "for the host db.example.com it has only the port 5433",
        "ErrorClass::Secret: the secret 'password' cannot be used as a password: the call was not given it",
        "ErrorClass::Secret: the secret 'gone' cannot be used as a password: the call was not given it",
        "ErrorClass::Invalid: the password is empty",
        "Err(ErrorClass::Invalid)",
        "its nonce does not continue that of this exchange",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert!(
        !words.contains("was given:") && !words.contains("was started") && !words.contains("connected to\n"),
        "{words}"
    );
    assert!(!words.contains(KEY) && !words.contains(PASSWORD), "{words}");
}
