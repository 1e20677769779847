//! The functions' program.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    host_lambda::lambda::serve(std::env::vars()).await
}
