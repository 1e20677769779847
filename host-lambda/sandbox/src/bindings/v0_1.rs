//! Contract 0.1, as it was released.

wasmtime::component::bindgen!({
    path: "../../transforms-wasm/contract/released/0.1.0",
    world: "star",
});

super::translation::translation!();

/// Said in the column's extras.
fn decimal(_: &wit::DecimalType) -> Option<bool> {
    None
}

/// Said in the output's extras.
fn created(_: &wit::Output) -> Option<Vec<String>> {
    None
}
