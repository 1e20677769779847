//! Stars written by hand in WebAssembly text, to do what no compiled one would: real traps of the instruction set, lies
//! to the canonical ABI, bombs that go off at instantiation, other imports and other contracts.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = include_str!("../../../../transforms-wasm/contract/wit/star.wit");

/// A star written by hand: what differs from [`PLAIN`].
pub(super) struct ByHand {
    pub(super) name: &'static str,
    /// The contract's version.
    pub(super) version: &'static str,
    /// Further lines of the world.
    world: &'static str,
    /// Packages those lines name.
    packages: &'static str,
    /// The module's further imports.
    imports: &'static str,
    memory: &'static str,
    /// The module's further items.
    items: &'static str,
    /// The body of the function by which the host asks for room: the size is `$size`.
    realloc: &'static str,
    constructor: &'static str,
    push: &'static str,
}

/// It keeps to the contract: every push gives back nothing.
pub(super) const PLAIN: ByHand = ByHand {
    name: "plain",
    version: star_contract::CONTRACT_VERSION,
    world: "",
    packages: "",
    imports: "",
    memory: r#"(memory (export "memory") 2)"#,
    items: "",
    realloc: "(local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (local.get $at)",
    constructor: "(call $resource_new (i32.const 1))",
    // The memory begins with zeros: a result that is no error, with three empty lists.
    push: "(i32.const 0)",
};

/// It imports WASI's clock.
pub(super) const WITH_WASI: ByHand = ByHand {
    name: "import-wasi",
    world: "import wasi:clocks/wall-clock@0.2.0;",
    packages: "package wasi:clocks@0.2.0 { interface wall-clock { now: func() -> u64; } }",
    imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (result i64)))"#,
    push: "(drop (call $now)) (i32.const 0)",
    ..PLAIN
};

/// It imports an interface nobody knows.
pub(super) const WITH_UNKNOWN: ByHand = ByHand {
    name: "import-unknown",
    world: "import nobody:knows/this@1.0.0;",
    packages: "package nobody:knows@1.0.0 { interface this { ask: func(); } }",
    imports: r#"(import "nobody:knows/this@1.0.0" "ask" (func $ask))"#,
    push: "(call $ask) (i32.const 0)",
    ..PLAIN
};

/// It imports the log of another contract than it exports, and with another type.
pub(super) const WITH_OTHER_LOG: ByHand = ByHand {
    name: "import-other-log",
    world: "import totesys:star/log@0.1.0;",
    packages: "package totesys:star@0.1.0 { interface log { message: func(); } }",
    imports: r#"(import "totesys:star/log@0.1.0" "message" (func $message))"#,
    push: "(call $message) (i32.const 0)",
    ..PLAIN
};

/// It was built against a contract of the future.
pub(super) const TOO_NEW: ByHand = ByHand { name: "contract-too-new", version: "0.9.0", ..PLAIN };

/// It was built against a contract that is served no more.
pub(super) const TOO_OLD: ByHand = ByHand { name: "contract-too-old", version: "0.0.1", ..PLAIN };

/// All of them.
pub(super) const STARS: &[ByHand] = &[
    PLAIN,
    // Traps of the instruction set: in a compiled guest the language's own checks come first.
    ByHand { name: "divide", push: "(i32.div_s (i32.const 1) (i32.const 0))", ..PLAIN },
    ByHand { name: "overflow", push: "(i32.div_s (i32.const 0x80000000) (i32.const -1))", ..PLAIN },
    ByHand { name: "bad-conversion", push: "(i32.trunc_f32_s (f32.const nan))", ..PLAIN },
    ByHand { name: "load-beyond", push: "(i32.load (i32.const -4))", ..PLAIN },
    ByHand { name: "store-beyond", push: "(i32.store (i32.const 131070) (i32.const 1)) (i32.const 0)", ..PLAIN },
    ByHand {
        name: "call-nothing",
        items: "(type $answer (func (result i32))) (table 1 funcref)",
        push: "(call_indirect (type $answer) (i32.const 0))",
        ..PLAIN
    },
    ByHand {
        name: "call-something-else",
        items: "(type $answer (func (result i32))) (table 1 funcref) (elem (i32.const 0) func $other)
                (func $other (param i64))",
        push: "(call_indirect (type $answer) (i32.const 0))",
        ..PLAIN
    },
    // Bombs.
    ByHand {
        name: "table-bomb",
        items: "(table $bomb 1 funcref)",
        push: "(loop $again
                 (br_if $again
                   (i32.ne (table.grow $bomb (ref.null func) (i32.const 1000)) (i32.const -1))))
               unreachable",
        ..PLAIN
    },
    ByHand { name: "table-at-start", items: "(table 1000000 funcref)", ..PLAIN },
    ByHand {
        name: "many-tables",
        items: "(table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)
                (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)
                (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)
                (table 1 funcref) (table 1 funcref)",
        ..PLAIN
    },
    ByHand { name: "memory-at-start", memory: r#"(memory (export "memory") 16384)"#, ..PLAIN },
    ByHand { name: "two-memories", memory: r#"(memory (export "memory") 2) (memory 1)"#, ..PLAIN },
    ByHand { name: "loop-at-start", items: "(func $spin (loop $again (br $again))) (start $spin)", ..PLAIN },
    ByHand { name: "trap-at-start", items: "(func $trap unreachable) (start $trap)", ..PLAIN },
    ByHand { name: "data-beyond-memory", items: r#"(data (i32.const 131070) "beyond")"#, ..PLAIN },
    // Lies to the host about where things are and what they are.
    ByHand { name: "no-such-handle", constructor: "(i32.const 77)", ..PLAIN },
    ByHand { name: "realloc-beyond", realloc: "(i32.const -16)", ..PLAIN },
    ByHand { name: "realloc-loop", realloc: "(loop $again (br $again)) unreachable", ..PLAIN },
    ByHand { name: "answer-beyond", push: "(i32.const -8)", ..PLAIN },
    ByHand { name: "answer-unaligned", push: "(i32.const 2)", ..PLAIN },
    ByHand { name: "no-such-case", push: "(i32.store8 (i32.const 8) (i32.const 7)) (i32.const 8)", ..PLAIN },
    ByHand { name: "endless-list", push: "(i32.store (i32.const 16) (i32.const -1)) (i32.const 8)", ..PLAIN },
    // 4,096 outputs, each of them the same 64 KiB: far more than the memory has.
    ByHand {
        name: "overlapping-outputs",
        push: "(local $at i32)
               (local.set $at (i32.const 65536))
               (loop $next
                 (i32.store offset=12 (local.get $at) (i32.const 65536))
                 (local.set $at (i32.add (local.get $at) (i32.const 16)))
                 (br_if $next (i32.lt_u (local.get $at) (i32.const 131072))))
               (i32.store (i32.const 12) (i32.const 65536))
               (i32.store (i32.const 16) (i32.const 4096))
               (i32.const 8)",
        ..PLAIN
    },
    ByHand {
        name: "words-no-utf8",
        push: "(i32.store8 (i32.const 100) (i32.const 255))
               (i32.store8 (i32.const 8) (i32.const 1))
               (i32.store (i32.const 12) (i32.const 100))
               (i32.store (i32.const 16) (i32.const 1))
               (i32.const 8)",
        ..PLAIN
    },
    // What the host does not offer.
    WITH_WASI,
    WITH_UNKNOWN,
    WITH_OTHER_LOG,
    TOO_NEW,
    TOO_OLD,
];

impl ByHand {
    /// The star as a component.
    pub(super) fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut resolve = Resolve::default();
        let package = resolve.push_source("star.wit", &self.contract()).unwrap();
        let world = resolve.select_world(&[package], Some("star")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let component = ComponentEncoder::default().validate(true).module(&module).and_then(|encoder| encoder.encode());
        component.unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    /// The contract in this star's version, and with what this star imports besides.
    fn contract(&self) -> String {
        let package = |version: &str| format!("package totesys:star@{version};");
        assert!(CONTRACT.contains(&package(PLAIN.version)) && CONTRACT.contains("    import log;\n"));
        let world = format!("    import log;\n    {}\n", self.world);
        let contract = CONTRACT.replace(&package(PLAIN.version), &package(self.version));
        format!("{}\n{}\n", contract.replace("    import log;\n", &world), self.packages)
    }

    fn module(&self) -> String {
        let Self { version, imports, memory, items, realloc, constructor, push, .. } = self;
        format!(
            r#"(module
                (import "[export]totesys:star/transform@{version}" "[resource-new]transformer"
                    (func $resource_new (param i32) (result i32)))
                {imports}
                {memory}
                (global $top (mut i32) (i32.const 1024))
                {items}
                (func (export "cabi_realloc")
                    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                    {realloc})
                (func (export "totesys:star/transform@{version}#describe") (result i32) unreachable)
                (func (export "totesys:star/transform@{version}#[constructor]transformer") (result i32)
                    {constructor})
                (func (export "totesys:star/transform@{version}#[method]transformer.push")
                    (param $self i32) (param $table i32) (param $table_length i32)
                    (param $stream i32) (param $stream_length i32) (result i32)
                    {push})
                (func (export "totesys:star/transform@{version}#[method]transformer.finish")
                    (param $self i32) (result i32)
                    (i32.const 0)))"#
        )
    }
}
