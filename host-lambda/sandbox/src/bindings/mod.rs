//! The host side of the contract, one module for each version that is served, and what they have in common.

mod translation;
mod v0_1;
mod v0_2;

use star_contract::{Description, Outcome};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker, ResourceAny};
use wasmtime::{Engine, Store};

use crate::state::State;

/// What a component exports, without its version.
const TRANSFORM: &str = "totesys:star/transform@";

/// The version of the contract a component was built against, if it has one at all.
pub(crate) fn contract_version(component: &Component, engine: &Engine) -> Option<String> {
    let ty = component.component_type();
    ty.exports(engine).find_map(|(name, _)| name.strip_prefix(TRANSFORM).map(str::to_owned))
}

/// Offers what a component of any served version may import.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    v0_1::Star::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    v0_2::Star::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// A component that only has to be instantiated.
pub(crate) enum StarPre {
    V0_1(v0_1::StarPre<State>),
    V0_2(v0_2::StarPre<State>),
}

impl StarPre {
    /// `None` when no module here speaks the version.
    pub(crate) fn new(version: &str, instance: InstancePre<State>) -> Option<wasmtime::Result<Self>> {
        Some(match version {
            "0.1.0" => v0_1::StarPre::new(instance).map(Self::V0_1),
            "0.2.0" => v0_2::StarPre::new(instance).map(Self::V0_2),
            _ => return None,
        })
    }

    pub(crate) fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Star> {
        match self {
            Self::V0_1(pre) => pre.instantiate(store).map(Star::V0_1),
            Self::V0_2(pre) => pre.instantiate(store).map(Star::V0_2),
        }
    }
}

/// An instance.
pub(crate) enum Star {
    V0_1(v0_1::Star),
    V0_2(v0_2::Star),
}

/// What a component says to a push or at the end: an outcome, or the words it gives up with.
pub(crate) type Answer = Result<Outcome, String>;

impl Star {
    pub(crate) fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
        match self {
            Self::V0_1(star) => star.totesys_star_transform().call_describe(store).map(v0_1::description),
            Self::V0_2(star) => star.totesys_star_transform().call_describe(store).map(v0_2::description),
        }
    }

    pub(crate) fn construct(&self, store: &mut Store<State>) -> wasmtime::Result<ResourceAny> {
        match self {
            Self::V0_1(star) => star.totesys_star_transform().transformer().call_constructor(store),
            Self::V0_2(star) => star.totesys_star_transform().transformer().call_constructor(store),
        }
    }

    pub(crate) fn push(
        &self,
        store: &mut Store<State>,
        transformer: ResourceAny,
        table: &str,
        stream: &[u8],
    ) -> wasmtime::Result<Answer> {
        Ok(match self {
            Self::V0_1(star) => {
                let star = star.totesys_star_transform().transformer();
                star.call_push(store, transformer, table, stream)?.map(v0_1::outcome)
            }
            Self::V0_2(star) => {
                let star = star.totesys_star_transform().transformer();
                star.call_push(store, transformer, table, stream)?.map(v0_2::outcome)
            }
        })
    }

    pub(crate) fn finish(&self, store: &mut Store<State>, transformer: ResourceAny) -> wasmtime::Result<Answer> {
        Ok(match self {
            Self::V0_1(star) => {
                star.totesys_star_transform().transformer().call_finish(store, transformer)?.map(v0_1::outcome)
            }
            Self::V0_2(star) => {
                star.totesys_star_transform().transformer().call_finish(store, transformer)?.map(v0_2::outcome)
            }
        })
    }
}
