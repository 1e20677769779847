//! What is measured of the sandbox: loading a component, calling it, and a plan.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

use super::{Field, copied, emptied};
use crate::bench::costs::{Calls, Loading, Start};
use crate::bench::data::{self, execute};
use crate::bench::measure::{Measured, reported};
use crate::place::say;

/// How many processes load the component for the first time.
const STARTS: usize = 5;

/// The source of the plan's lake.
const PLANNED: &str = "bench_planned";

/// The orders of the plan's goal.
const PLANNED_ORDERS: u64 = 1_000_000;

impl Field {
    /// Compiles the component, and loads the compiled one in processes that have loaded none before.
    pub(in crate::bench) async fn loading(&self) -> Result<Loading> {
        self.settle().await?;
        // A lake without batches will do, and needs no extraction.
        let ours = |word: &str| {
            let mut command = self.ours(word);
            command.env("TOTESYS_LAKE_FOLDER", self.folder.join("template"));
            command
        };
        tokio::task::block_in_place(|| {
            let compilation = figures(ours("compile"), None)?;
            let mut starts = Vec::new();
            for round in 1..=STARTS {
                let start: Start = figures(ours("loading"), None)?;
                say(&format!("component loading {round}: {:.1} ms", start.milliseconds()));
                starts.push(start);
            }
            Loading::of(compilation, starts)
        })
    }

    /// Calls the component and the same code natively in turn, with few rows and with many.
    pub(in crate::bench) async fn calls(&self) -> Result<Calls> {
        self.settle().await?;
        tokio::task::block_in_place(|| figures(self.ours("calls"), Some("calls")))
    }

    /// Makes a lake with as many orders as the plan's goal speaks of, however many the others have.
    pub(super) async fn prepare_plan(&mut self) -> Result<()> {
        if self.planned {
            return Ok(());
        }
        data::prepare(&self.cluster, PLANNED, PLANNED_ORDERS).await?;
        let (lake, _) = self.plan_files();
        emptied(&lake)?;
        copied(&self.folder.join("template"), &lake)?;
        tokio::task::block_in_place(|| {
            reported(self.ours_planned("extract"))?;
            reported(self.ours_planned("prepare-plan"))
        })?;
        self.planned = true;
        Ok(())
    }

    /// The live component planned in the place of itself.
    pub(super) fn plan(&self) -> Result<Measured> {
        let (measured, value) = reported(self.ours_planned("plan"))?;
        ensure!(measured.rows == PLANNED_ORDERS, "the plan covered {} orders", measured.rows);
        let number = |key: &str| value[key].as_u64().unwrap_or_default();
        say(&format!(
            "plan: {} rows pushed to each side, {} ms in calls, {:.0} MB of linear memory",
            number("pushed"),
            number("calls_milliseconds"),
            number("memory_bytes") as f64 / 1e6
        ));
        Ok(measured)
    }

    /// The plan's lake, and the file with the component compiled for it.
    fn plan_files(&self) -> (PathBuf, PathBuf) {
        let folder = self.folder.join("planned");
        (folder.join("lake"), folder.join("sales.cwasm"))
    }

    fn ours_planned(&self, word: &str) -> Command {
        let (lake, file) = self.plan_files();
        let mut command = self.ours(word);
        command.arg(file).env("TOTESYS_SOURCE_URL", self.cluster.url(PLANNED)).env("TOTESYS_LAKE_FOLDER", lake);
        command
    }

    /// Lets the server write what it has to, so that it does not while something is measured.
    async fn settle(&self) -> Result<()> {
        execute(&self.connect("postgres").await?, "CHECKPOINT").await
    }
}

/// What a program reports of itself, or one part of that.
fn figures<T: DeserializeOwned>(command: Command, part: Option<&str>) -> Result<T> {
    let (_, mut value) = reported(command)?;
    if let Some(part) = part {
        value = value[part].take();
    }
    serde_json::from_value(value).context("the figures are not those that are expected")
}
