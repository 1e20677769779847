//! The functions' program as AWS runs it, for tests that are its Runtime API.

#[tokio::main]
async fn main() {
    let served = host_lambda::lambda::serve(std::env::vars()).await;
    served.expect("there is a Runtime API");
}
