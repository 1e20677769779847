//! Pages read, run, compared and written.

mod folder;
mod mask;
mod pages;
mod render;
mod star;
