//! `transform record`: a case made of rows of a real batch, with values masked.

mod batch;
mod leads;
mod rows;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use host_lambda::settings::Settings;
use star_cases::{Answer, Case};

use super::test::Component;
use crate::arguments::Record;
use crate::guests::StarCrate;
use crate::hint::advise;
use crate::place::{Place, say};

/// Writes the case and says what of it is masked and what is not.
pub(crate) async fn record(settings: Settings, demo: bool, arguments: &Record) -> Result<()> {
    let star = StarCrate::find(&arguments.star)?;
    let page = page(&star, &arguments.name)?;
    if arguments.rows == 0 {
        return Err(advise("a case of no rows shows nothing", "take at least one with --rows"));
    }
    let limits = settings.limits();
    let component = tokio::task::block_in_place(|| Component::build(&star, &limits))?;
    let description = component.description();
    let place = Place::open(settings, demo).await?;
    let manifest = batch::choose(&place.lake, description, arguments.batch).await?;
    let taken = rows::take(&place.lake, &manifest, description, arguments.rows).await?;
    if taken.is_empty() {
        return Err(advise(
            format!("batch {} has no row for the star `{}`", manifest.batch.0, description.star),
            "without --batch, the newest batch with changes for the star is taken",
        ));
    }
    let mut masked = Vec::with_capacity(taken.len());
    for (input, rows) in &taken {
        masked.push(star_cases::mask(rows, input, description)?);
    }
    let changes = rows::Changes::between(&taken, &masked);
    let inputs: Vec<(String, Vec<RecordBatch>)> =
        taken.iter().zip(masked).map(|((input, _), rows)| (input.table.clone(), vec![rows])).collect();
    let case = Case::from_rows(&arguments.name, &inputs, description)?;
    let answer = tokio::task::block_in_place(|| -> Result<Answer> {
        let mut subject = component.begin().map_err(|error| anyhow::anyhow!(error))?;
        Ok(case.run(&mut subject)?)
    })?;
    let prose = format!(
        "Rows of batch {} with values masked. What the star `{}` gave for them is expected below.",
        manifest.batch.0, description.star
    );
    let text = Case::render(&title(&arguments.name), &prose, &inputs, &answer, description)?;
    write(&page, &text)?;
    println!("{}", page.display());
    for (table, rows) in &inputs {
        say(&format!("{table}: {} rows", rows.iter().map(RecordBatch::num_rows).sum::<usize>()));
    }
    say(&format!("refused: {} rows", answer.refused().len()));
    for line in changes.told() {
        say(&line);
    }
    say("dates and times stay whatever they say, birthdays too; so do keys, booleans, 0, and codes such as GBP");
    say("read the page before you commit it: is every value on it fit to be seen, and what is expected right?");
    Ok(())
}

/// Where the case's page is to lie; nothing is there yet.
fn page(star: &StarCrate, name: &str) -> Result<PathBuf> {
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(advise(
            format!("`{name}` cannot be the name of a case"),
            "a name is letters, digits, hyphens and underscores, such as ordinary-order",
        ));
    }
    let page = star.cases().join(format!("{name}.md"));
    if fs::symlink_metadata(&page).is_ok() {
        return Err(taken(&page));
    }
    Ok(page)
}

fn taken(page: &Path) -> anyhow::Error {
    advise(format!("{} is there already", page.display()), "nothing is overwritten: choose another --name")
}

/// A title to begin with: the name as words.
fn title(name: &str) -> String {
    let words = name.replace(['-', '_'], " ");
    let mut chars = words.trim().chars();
    match chars.next() {
        Some(first) => format!("{}{}", first.to_ascii_uppercase(), chars.as_str()),
        None => "A case".to_owned(),
    }
}

fn write(page: &Path, text: &str) -> Result<()> {
    if let Some(folder) = page.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    match OpenOptions::new().write(true).create_new(true).open(page) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", page.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(taken(page)),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", page.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_titles() {
        let star = StarCrate::find("sales").unwrap();
        assert!(page(&star, "new-one").unwrap().ends_with("transforms-wasm/sales/cases/new-one.md"));
        for wrong in ["", "../up", "a b", "a.md", "ordinary-order"] {
            assert!(crate::hint::of(&page(&star, wrong).unwrap_err()).is_some(), "{wrong}");
        }
        assert_eq!(title("late_payment-of-may"), "Late payment of may");
        assert_eq!(title("-"), "A case");
    }
}
