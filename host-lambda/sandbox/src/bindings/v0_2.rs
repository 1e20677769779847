//! Contract 0.2.

wasmtime::component::bindgen!({
    path: "../../transforms-wasm/contract/released/0.2.0",
    world: "star",
});

super::translation::translation!();

fn decimal(found: &wit::DecimalType) -> Option<bool> {
    Some(found.unconstrained)
}

fn created(found: &wit::Output) -> Option<Vec<String>> {
    Some(found.created.clone())
}
