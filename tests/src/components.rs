//! The built components, and a publisher whose compiled components all tests share.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use totesys_publisher::{Publisher, compile};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, PublisherKey, VerifiedArtifact};

/// The stars of Totesys, the owner of shared dimensions first.
pub const STARS: &[&str] = &["sales", "purchases", "payments"];

const FOLDER: &str = "TOTESYS_TEST_COMPONENTS";

fn folder() -> PathBuf {
    let folder = std::env::var(FOLDER)
        .unwrap_or_else(|_| panic!("{FOLDER} is not set: there are no components; hint: run `cargo xtask test`"));
    PathBuf::from(folder)
}

/// A built component.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn component(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; hint: run `cargo xtask test`", path.display()))
}

/// The key all tests publish with, and the folder of compiled components.
///
/// # Panics
/// Without randomness.
pub fn publisher() -> (&'static PublisherKey, PathBuf) {
    static KEY: OnceLock<PublisherKey> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let document = PublisherKey::generate().expect("a key can be made");
        PublisherKey::from_pkcs8(&document).expect("the key can be read")
    });
    (key, folder().join("artefacts"))
}

/// The publisher all tests publish with.
///
/// # Panics
/// As [`publisher`].
#[must_use]
pub fn test_publisher() -> Publisher<'static> {
    let (key, cache) = publisher();
    Publisher::new(key, &cache)
}

/// The picky star, built with these manners.
///
/// # Panics
/// When it was not built, or has no manners.
#[must_use]
pub fn picky(manners: &str) -> Vec<u8> {
    let mut bytes = component("picky");
    let mark = b"picky-manners:";
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("it has manners") + mark.len();
    bytes[at..at + manners.len()].copy_from_slice(manners.as_bytes());
    bytes
}

/// Another build of a component that does the same: a section of it says which.
///
/// # Panics
/// When the build's name is long.
#[must_use]
pub fn rebuilt(component: &[u8], build: &str) -> Vec<u8> {
    let content = [b"\x05build".as_slice(), build.as_bytes()].concat();
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 128).expect("a short name");
    [component, [0, length].as_slice(), content.as_slice()].concat()
}

/// A component compiled and signed for a star, whatever it says of itself.
///
/// # Panics
/// When it cannot be compiled.
#[must_use]
pub fn trusted(name: &str, star: &str) -> VerifiedArtifact {
    trusted_bytes(&component(name), star)
}

/// The same of any component's bytes.
///
/// # Panics
/// When they cannot be compiled.
#[must_use]
pub fn trusted_bytes(component: &[u8], star: &str) -> VerifiedArtifact {
    let (key, cache) = publisher();
    let code = compiled(component, &cache);
    let claim = ArtifactClaim {
        component: Digest::of(component),
        star: star.to_owned(),
        version: "0.1.0".to_owned(),
        engine: EngineKey::current(),
        artifact: Digest::of(&code),
    };
    let signature = key.sign(&claim);
    VerifiedArtifact::verify(claim, code, &signature, &[key.public()]).expect("what was just signed is accepted")
}

/// Compiling takes seconds in a debug build, so it is done once per component.
fn compiled(component: &[u8], cache: &Path) -> Vec<u8> {
    let path = cache.join("bare").join(format!("{}-{}.cwasm", Digest::of(component), EngineKey::current()));
    if let Ok(code) = std::fs::read(&path) {
        return code;
    }
    let code = compile(component).expect("a built component compiles").bytes;
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the cache can be made");
    let draft = path.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::write(&draft, &code).expect("the cache can be written");
    std::fs::rename(&draft, &path).expect("the cache can be written");
    code
}
