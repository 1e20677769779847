//! Pages written from rows and read again.

use std::sync::Arc;

use author_kit::Transform;
use author_kit::arrow_array::{Array, Int32Array, RecordBatch, StringArray, new_null_array};
use star_cases::{Case, CaseError};

use crate::star::{REFUSED, TYPES, answer, case, described, everything, orders};

/// Cells of every type, each as a page is to spell it.
const CELLS: [(&str, &[&str]); 15] = [
    ("int16", &["-32768", "0", "32767"]),
    ("int32", &["-2147483648", "0", "2147483647"]),
    ("int64", &["-9223372036854775808", "0", "9223372036854775807"]),
    ("float64", &["-0.0", "0.1", "1e300", "5e-324", "NaN", "inf", "-inf", "12.0"]),
    ("money", &["-99999999.99", "0.00", "0.07", "12345678.90"]),
    ("wide", &["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"]),
    (
        "text",
        &[
            "Łucja O'Toole",
            "\"NULL\"",
            "\"\"",
            "\" a\"",
            "\"a \"",
            "\"\\\"quoted\\\"\"",
            "in \"quotes\"",
            "\"two\\nlines\\r\\tand \\u0000\"",
            "a | b",
            "\\|",
            "\\",
            "---",
            "\"\\\\| \"",
            "## Input `x`",
            "null",
            "infinity",
            "\"\u{3000}\"",
        ],
    ),
    ("bool", &["true", "false"]),
    ("date", &["-infinity", "infinity", "2022-11-03", "0001-01-01", "-0044-03-15", "+12345-06-07", "1969-12-31"]),
    ("time", &["00:00:00", "14:20:52.186", "23:59:59.999999", "24:00:00"]),
    (
        "timestamp",
        &[
            "-infinity",
            "infinity",
            "2022-11-03T14:20:52.186",
            "1969-12-31T23:59:59.999999",
            "+294247-01-10T04:00:54.775806",
        ],
    ),
    ("timestamptz", &["-infinity", "infinity", "2022-11-03T14:20:52.186Z", "-290308-12-21T19:59:05.224193Z"]),
    ("uuid", &["6f1e2a34-0b5c-4d6e-8f90-a1b2c3d4e5f6", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("bytes", &["\\x", "\\x00", "\\x7c5c0aff"]),
    ("json", &["{}", "{\"a\": [1, null, \"x | y\"]}", "\"\\\"text\\\"\"", "null"]),
];

/// The pushes of a case as `Case::render` takes them.
fn inputs(case: &Case) -> Vec<(String, Vec<RecordBatch>)> {
    case.pushes().map(|(table, rows)| (table.to_owned(), vec![rows.clone()])).collect()
}

fn rendered(case: &Case, star: impl Transform + 'static) -> String {
    let description = described(&star);
    Case::render(case.title(), case.prose(), &inputs(case), &answer(case, star), &description).unwrap()
}

#[test]
fn every_type_comes_back_as_it_was() {
    assert_eq!(CELLS.map(|(name, _)| name), TYPES.map(|(name, _)| name));
    let rows = CELLS.iter().map(|(_, cells)| cells.len()).max().unwrap();
    let mut page = "# All types\n\n## Input `all_types`\n\n| id |".to_owned();
    CELLS.iter().for_each(|(name, _)| page.push_str(&format!(" {name} |")));
    page.push_str(&format!("\n|---{}|\n", "|---".repeat(CELLS.len())));
    for row in 0..=rows {
        page.push_str(&format!("| {row} |"));
        for (_, cells) in CELLS {
            page.push_str(&format!(" {} |", cells.get(row).unwrap_or(&"NULL").replace('|', "\\|")));
        }
        page.push('\n');
    }
    let first = case(&format!("{page}{REFUSED}"), &everything());
    let text = rendered(&first, everything());
    let second = case(&text, &everything());
    assert!(second.pushes().eq(first.pushes()), "{text}");
    assert_eq!(second.differences(&answer(&first, everything())), Vec::<String>::new());
    assert_eq!(rendered(&second, everything()), text, "written again it is the same page");
    // Each cell stands there as it was spelled, once in the input and once in the output.
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split(" | ").map(|it| it.trim_matches(['|', ' '])).collect()).collect();
    for (name, cells) in CELLS {
        for cell in cells.iter().filter(|cell| !cell.contains(['|', '\u{3000}'])) {
            let found = lines.iter().flatten().filter(|found| *found == cell).count();
            assert!(found >= 2, "{name}: {cell} in\n{text}");
        }
    }
}

#[test]
fn any_text_comes_back() {
    // What quotes, pipes, escapes and tables are made of, in an order that no person would think of.
    let parts =
        ["\\", "|", "\"", "\n", " ", "NULL", "-", "\u{85}", "\r", "#", "`", "ü", "😀", "n", "u0041", "\t", "\u{2028}"];
    let mut state = 1_u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let texts: Vec<String> =
        (0..4_000).map(|_| (0..next(6)).map(|_| parts[next(17) as usize]).collect::<String>()).collect();
    let empty = case(&format!("# t\n## Input `all_types`\n|id|\n|-|\n|1|\n{REFUSED}"), &everything());
    let one = empty.pushes().next().unwrap().1.clone();
    let repeated = |column: &Arc<dyn Array>| new_null_array(column.data_type(), texts.len());
    let mut columns: Vec<Arc<dyn Array>> = one.columns().iter().map(repeated).collect();
    let at = one.schema().index_of("text").unwrap();
    columns[0] = Arc::new((0..).take(texts.len()).map(Some).collect::<Int32Array>());
    columns[at] = Arc::new(StringArray::from_iter_values(&texts));
    let inputs = [("all_types".to_owned(), vec![RecordBatch::try_new(one.schema(), columns).unwrap()])];
    let description = described(&everything());
    let made = Case::from_rows("made", &inputs, &description).unwrap();
    let page = Case::render("t", "", &inputs, &answer(&made, everything()), &description).unwrap();
    let read = case(&page, &everything());
    assert!(read.pushes().eq(made.pushes()));
    assert_eq!(read.differences(&answer(&made, everything())), Vec::<String>::new());
}

#[test]
fn a_page_of_rows_and_refusals() {
    let page = "# Two  pushes\n\nProse.\n\n## Input `order`\n|order_id|due|colour_id|\n|-|-|-|\n|1|2022-11-03|1|\n\
                ## Input `order`\n|order_id|due|colour_id|\n|-|-|-|\n|2|None|1|\n\
                ## Input `colour`\n|colour_id|colour_name|\n|-|-|\n|1|red|\n";
    let read = case(&format!("{page}{REFUSED}"), &orders());
    let text = rendered(&read, orders());
    assert_eq!(
        text,
        "# Two pushes

Prose.

## Input `colour`

| colour_id | colour_name |
|-----------|-------------|
| 1         | red         |

## Input `order`

| order_id | price | due        | note | colour_id |
|----------|-------|------------|------|-----------|
| 1        | 0.00  | 2022-11-03 | NULL | 1         |

## Input `order`

| order_id | price | due  | note | colour_id |
|----------|-------|------|------|-----------|
| 2        | 0.00  | None | NULL | 1         |

## Output `fact_order`

| order_id | price | due        | note | colour_id |
|----------|-------|------------|------|-----------|
| 1        | 0.00  | 2022-11-03 | NULL | 1         |

## Output `dim_colour`

| colour_id | colour_name |
|-----------|-------------|
| 1         | red         |

## Refused

| table | row | column | code           |
|-------|-----|--------|----------------|
| order | 2   | due    | malformed-date |
"
    );
    let again = case(&text, &orders());
    assert!(again.pushes().eq(read.pushes()));
    assert_eq!(again.differences(&answer(&again, orders())), Vec::<String>::new());
}

#[test]
fn rows_become_a_case_without_columns_the_star_does_not_read() {
    let orders_only = case(&format!("# t\n## Input `order`\n|order_id|\n|-|\n|1|\n{REFUSED}"), &orders());
    let mut given = inputs(&orders_only);
    let batch = &given[0].1[0];
    let more = batch
        .schema()
        .fields()
        .iter()
        .rev()
        .map(|field| (field.name().clone(), field.is_nullable()))
        .collect::<Vec<_>>();
    let arrays =
        more.iter().map(|(name, nullable)| (name.as_str(), batch.column_by_name(name).unwrap().clone(), *nullable));
    let turned = RecordBatch::try_from_iter_with_nullable(arrays.chain([(
        "more",
        batch.column_by_name("order_id").unwrap().clone(),
        true,
    )]))
    .unwrap();
    given[0].1 = vec![turned];
    let made = Case::from_rows("made", &given, &described(&orders())).unwrap();
    assert!(made.pushes().eq(orders_only.pushes()));
    given[0].1[0] = given[0].1[0].project(&[0]).unwrap();
    let error = Case::from_rows("made", &given, &described(&orders())).unwrap_err();
    assert_eq!(error.to_string(), "the rows of `order` cannot be used: a column is missing");
    given[0].0 = "nothing".to_owned();
    let error = Case::from_rows("made", &given, &described(&orders())).unwrap_err();
    assert_eq!(error.to_string(), "the rows of `nothing` cannot be used: the star does not read this table");
}

#[test]
fn prose_that_would_be_taken_for_something_else() {
    let read = case(&format!("# t\n## Input `order`\n|order_id|\n|-|\n|1|\n{REFUSED}"), &orders());
    let answer = answer(&read, orders());
    let render = |title: &str, prose: &str| Case::render(title, prose, &inputs(&read), &answer, &described(&orders()));
    for prose in ["## Input `order`\n\n| order_id |\n|---|\n| 1 |", "```\nopen", "##Input `order`", "~~~", "## x"] {
        assert!(matches!(render("t", prose), Err(CaseError::Prose)), "{prose}");
    }
    assert!(render("", "").is_err());
    let none = crate::star::answer(&Case::from_rows("none", &[], &described(&orders())).unwrap(), orders());
    let nothing = Case::render("t", "", &[], &none, &described(&orders())).unwrap_err();
    assert!(nothing.to_string().ends_with("the page has no input"), "{nothing}");
    for prose in ["", "```\n## Input `x`\n```\n\n| a | b |", "# Not the title\r\nmore"] {
        assert!(render("t\n## Refused", prose).is_ok(), "{prose}");
    }
}
