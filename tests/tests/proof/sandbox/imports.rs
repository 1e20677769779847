//! What is refused before it is ever run: files that are no component, and components that are no star's.

use std::sync::Arc;

use totesys_publisher::{InspectError, compile, inspect};
use totesys_sandbox::{Digest, Sandbox, SandboxError};
use totesys_tests::{STARS, component, trusted_bytes};

use super::by_hand::{PLAIN, TOO_NEW, TOO_OLD, WITH_OTHER_LOG, WITH_UNKNOWN, WITH_WASI};
use super::{limits, rows};

fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

#[test]
fn what_is_no_component_is_refused() {
    let cases: &[(&str, Vec<u8>)] = &[
        ("nothing", Vec::new()),
        ("half a magic number", b"\0asm".to_vec()),
        ("an empty core module", b"\0asm\x01\0\0\0".to_vec()),
        (
            "a core module with a star's exports",
            text("(module (func (export \"totesys:star/transform@0.2.0#describe\")))"),
        ),
        ("another file", b"PK\x03\x04 a zip archive, perhaps".to_vec()),
        ("a compiled artefact", compile(&component("hostile")).unwrap().bytes),
    ];
    for (name, bytes) in cases {
        let refused = inspect(bytes);
        assert!(matches!(refused, Err(InspectError::NotAComponent(_))), "{name}: {refused:?}");
        assert!(compile(bytes).is_err(), "{name}");
    }
}

#[test]
fn a_part_of_a_component_is_refused() {
    let whole = component("hostile");
    for length in [8, 9, 100, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let refused = inspect(&whole[..length]);
        // Eight bytes are a component with nothing in it.
        let expected = matches!(refused, Err(InspectError::Unreadable(_) | InspectError::NoTransform));
        assert!(expected, "{length} bytes: {refused:?}");
    }
}

#[test]
fn a_component_that_is_no_star_is_refused() {
    let cases = [
        ("an empty component", "(component)"),
        (
            "a component that runs something else",
            r#"(component
                (core module $module (func (export "run")))
                (core instance $instance (instantiate $module))
                (func (export "run") (canon lift (core func $instance "run"))))"#,
        ),
        (
            "a star inside of a component",
            r#"(component
                (component
                    (instance $nothing)
                    (export "totesys:star/transform@0.2.0" (instance $nothing))))"#,
        ),
        (
            "a component that exports a name like the contract's",
            r#"(component (instance $nothing) (export "totesys:star/transforms@0.2.0" (instance $nothing)))"#,
        ),
    ];
    for (name, wat) in cases {
        let refused = inspect(&text(wat));
        assert!(matches!(refused, Err(InspectError::NoTransform)), "{name}: {refused:?}");
    }
}

#[test]
fn a_star_imports_nothing_but_the_log_of_its_contract() {
    let cases = [
        (WITH_WASI, "wasi:clocks/wall-clock@0.2.0"),
        (WITH_UNKNOWN, "nobody:knows/this@1.0.0"),
        (WITH_OTHER_LOG, "totesys:star/log@0.1.0"),
    ];
    for (star, expected) in cases {
        let component = star.component();
        let refused = inspect(&component);
        let Err(InspectError::ForbiddenImport { import }) = &refused else { panic!("{}: {refused:?}", star.name) };
        assert_eq!(import, expected);
        // The sandbox does not take the publisher's word for it.
        let sandbox = Sandbox::new(limits()).unwrap();
        let loaded = sandbox.load(&trusted_bytes(&component, "hostile")).err().unwrap();
        assert!(matches!(loaded, SandboxError::Contract { .. }), "{}: {loaded:?}", star.name);
    }
}

#[test]
fn a_star_of_a_contract_that_is_not_served_is_refused() {
    for (star, side) in [(TOO_NEW, "update the host"), (TOO_OLD, "build it again")] {
        let component = star.component();
        let refused = inspect(&component).unwrap_err();
        assert!(matches!(&refused, InspectError::OtherContract { found } if found == star.version), "{refused:?}");
        assert!(refused.hint().is_some_and(|hint| hint.contains(side)), "{:?}", refused.hint());
        let sandbox = Sandbox::new(limits()).unwrap();
        let loaded = sandbox.load(&trusted_bytes(&component, "hostile")).err().unwrap();
        let found =
            matches!(&loaded, SandboxError::OtherContract { found, .. } if found.as_deref() == Some(star.version));
        assert!(found, "{loaded:?}");
    }
}

#[test]
fn a_star_is_told_by_its_contract_and_its_imports() {
    let stars = STARS.iter().chain(&["picky"]).map(|star| (component(star), false));
    let by_hand = PLAIN.component();
    for (bytes, logs) in stars.chain([(component("hostile"), true), (by_hand.clone(), false)]) {
        let inspected = inspect(&bytes).unwrap();
        assert_eq!((inspected.digest, inspected.bytes), (Digest::of(&bytes), bytes.len() as u64));
        let log = format!("totesys:star/log@{}", inspected.contract);
        assert_eq!(inspected.imports, if logs { vec![log] } else { Vec::new() });
    }
    // What was written by hand runs like any other.
    let sandbox = Sandbox::new(limits()).unwrap();
    let description = sandbox.load(&trusted_bytes(&component("hostile"), "hostile")).unwrap().describe().unwrap();
    let loaded = sandbox.load(&trusted_bytes(&by_hand, "hostile")).unwrap();
    let mut transformer = loaded.begin(7, Arc::new(description)).unwrap();
    for _ in 0..3 {
        assert!(transformer.push("behave", &rows()).unwrap().outputs.is_empty());
    }
    assert!(transformer.finish().unwrap().outputs.is_empty());
}
