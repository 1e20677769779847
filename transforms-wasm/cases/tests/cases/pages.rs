//! What pages say, and what is wrong with those that cannot be read.

use author_kit::Session;
use author_kit::arrow_array::RecordBatch;
use star_cases::{Case, Subject, SubjectError};
use star_contract::{Outcome, RefusedRow};

use crate::star::{REFUSED, TYPES, answer, case, described, everything, orders, required};

const ORDERS: &str = r#"
# Orders, one of them refused

Prose with a | pipe, and an example:

```markdown
## Output `not_a_section`
```

### A heading of its own

## Input `order`

The first push.

| order_id | price | due        | note    | colour_id |
|----------|------:|:-----------|---------|-----------|
| 1        | 2.5   | 2022-11-03 | a \| b  | 1         |
| 2        | -3.00 | soon       | "NULL"  | 1         |

## Input `colour`

| colour_id | colour_name |
|---|---|
| 1 | "light\nblue" |

## Input `order`

| order_id | due | colour_id |
|---|---|---|
| 3 | 2022-11-05 | 1 |
| 4 | "" | 9 |

## Output `fact_order`

| note | order_id | price |
|---|---|---|
| NULL | 3 | 0 |
| a \| b | 1 | 2.50 |

## Output `dim_colour`

| colour_name |
|---|
| "light\u000ablue" |

## Refused

| table | row | column | code |
|---|---|---|---|
| order | 4 | due | malformed-date |
| order | 2 | due | malformed-date |
"#;

#[test]
fn a_page_is_what_it_says() {
    let case = case(ORDERS, &orders());
    assert_eq!((case.name(), case.title()), ("page", "Orders, one of them refused"));
    assert!(case.prose().starts_with("Prose with") && case.prose().ends_with("### A heading of its own"));
    let pushes: Vec<_> = case.pushes().map(|(table, rows)| (table, rows.num_rows())).collect();
    assert_eq!(pushes, [("colour", 1), ("order", 2), ("order", 2)], "snapshots come first, pushes of a table in order");
    assert_eq!(case.differences(&answer(&case, orders())), Vec::<String>::new());
}

#[test]
fn differences_can_be_read() {
    let page = ORDERS
        .replace("2.50", "2.51")
        .replace("order | 2 | due", "order | 3 | due")
        .replace("light\\u000a", "")
        .replace(" 4 | due", " 4 | ");
    let case = case(&page, &orders());
    assert_eq!(
        case.differences(&answer(&case, orders())).join("\n"),
        r#"
output `fact_order`: 1 missing (-), 1 not expected (+)
  | note   | order_id | price |
- | a \| b | 1        | 2.51  |
+ | a \| b | 1        | 2.50  |
output `dim_colour`: 1 missing (-), 1 not expected (+)
  | colour_name   |
- | blue          |
+ | "light\nblue" |
refused rows: 2 missing (-), 2 not expected (+)
  | table | row | column | code           |
- | order | 3   | due    | malformed-date |
- | order | 4   |        | malformed-date |
+ | order | 2   | due    | malformed-date | `soon` is no YYYY-MM-DD date
+ | order | 4   | due    | malformed-date | `` is no YYYY-MM-DD date"#
            .trim_start()
    );
}

#[test]
fn rows_are_a_multiset_and_absent_sections_mean_what_they_should() {
    let colours = |output: &str, star| {
        let page =
            format!("# t\n## Input `colour`\n|colour_id|colour_name|\n|-|-|\n|1|red|\n|1|red|\n{output}{REFUSED}");
        let case = case(&page, &star);
        let answer = answer(&case, star);
        case.differences(&answer).len()
    };
    let head = "## Output `dim_colour`\n|colour_name|\n|-|\n";
    assert_eq!(colours("", orders()), 0, "an output that is not named is not compared");
    assert_eq!(colours(&format!("{head}|red|\n|red|\n"), orders()), 0);
    assert_eq!(colours(&format!("{head}|red|\n"), orders()), 3, "one red is not two");
    assert_eq!(colours(&format!("{head}|red|\n|red|\n|red|\n"), orders()), 3);
    assert_eq!(colours(head, orders()), 4, "a header alone says that there are no rows");
    for expected in [REFUSED, head] {
        let refused = case(&format!("# t\n## Input `order`\n|order_id|\n|-|\n|1|\n{expected}"), &orders());
        assert_eq!(refused.differences(&answer(&refused, orders())).len(), 3, "nothing may be refused");
    }
    let empty = case(&format!("# t\n## Input `order`\n|order_id|\n|-|\n{REFUSED}"), &orders());
    assert_eq!(empty.pushes().count(), 0, "no rows are no push");
}

#[test]
fn columns_left_out() {
    let page = "# t\n## Input `all_types`\n| id |\n|---|\n| 7 |\n";
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let expect = |values: [&str; 15]| {
        let rule = "|---".repeat(15);
        format!("{page}## Output `everything`\n|{}|\n{rule}|\n|{}|\n", names.join("|"), values.join("|"))
    };
    let nulls = case(&expect(["NULL"; 15]), &everything());
    assert_eq!(nulls.differences(&answer(&nulls, everything())), Vec::<String>::new());
    let plain = case(
        &expect([
            "0",
            "0",
            "0",
            "0.0",
            "0.00",
            "0",
            "\"\"",
            "false",
            "2000-01-01",
            "00:00:00",
            "2000-01-01T00:00:00",
            "2000-01-01T00:00:00Z",
            "00000000-0000-0000-0000-000000000000",
            "\\x",
            "{}",
        ]),
        &required(),
    );
    assert_eq!(plain.differences(&answer(&plain, required())), Vec::<String>::new());
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    let order = "# t\n\n## Input `order`\n\n";
    let fenced = format!("## Input `order`\n|order_id|\n|-|\n|1|\n{REFUSED}");
    for (page, message, hint) in [
        ("", "line 1: the page has no title", "begin it with `# `"),
        ("\nText.\n", "line 2: the page has no title", "begin it with `# `"),
        ("# t\n## Imput `order`\n", "line 2: this heading is none of a case's", "begin a line with ## Input `table`"),
        ("# t\n## Input order\n", "line 2: this heading is none of a case's", "begin a line with ## Input `table`"),
        (
            "# t\n## Input `ordre`\n|a|\n|-|\n",
            "line 2: the star has no input `ordre`",
            "its inputs are `order`, `colour`",
        ),
        (
            "# t\n## Output `order`\n|a|\n|-|\n",
            "line 2: the star has no output `order`",
            "its outputs are `fact_order`, `dim_",
        ),
        ("# t\n## Input `order`\n", "line 2: a table is missing", "a table is a line of column names"),
        (&format!("{order}|order_id|\n|1|\n"), "line 5: a table is missing", "a table is a line of column names"),
        (&format!("{order}|order_id|\n|-|\n\n|1|\n"), "line 8: a section has a second table", "write one table"),
        (&format!("{order}|order_id|\n|-|\n|1\n"), "line 7: a row is not closed", "end it with `|`"),
        (&format!("{order}|order_id|\n|-|-|\n|1|\n"), "line 6: a row has not as many cells", "give every row"),
        (&format!("{order}|order_id|\n|-|\n|1|2|\n"), "line 7: a row has not as many cells", "give every row"),
        (&format!("{order}|due|due|\n|-|-|\n"), "line 5: a column has no name of its own", "name every column"),
        (&format!("{order}|id|\n|-|\n"), "line 5: `order` has no column `id`", "its columns are `order_id`, `price`"),
        (
            &format!("{order}|order_id|\n|-|\n|x|\n"),
            "line 7, column `order_id` of `order` (int32): no value of this type",
            "`int32` is written -12",
        ),
        (
            &format!("{order}|price|\n|-|\n|1.234|\n"),
            "line 7, column `price` of `order` (decimal(10,2)): no value of this type",
            "`decimal(10,2)` is written -0.12, at most 10 digits, 2 of them",
        ),
        (
            &format!("{order}|due|\n|-|\n|NULL|\n"),
            "line 7, column `due` of `order` (text): NULL, where there must be a value",
            "`text` is written plain words",
        ),
        (&format!("{order}|note|\n|-|\n||\n"), "column `note` of `order` (text): an empty cell", "\"\" for the empty"),
        (
            "# t\n## Output `fact_order`\n|note|\n|-|\n## Output `fact_order`\n|note|\n|-|\n",
            "line 5: this section occurs twice",
            "put the rows into one table",
        ),
        ("# t\n## Refused\n|table|row|\n|-|-|\n", "line 3: this is not how refused rows are listed", "its columns are"),
        (
            &format!("{order}|order_id|\n|-|\n|1|\n## Refused\n|table|row|column|code|\n|-|-|-|-|\n|order|2|due|x|\n"),
            "line 11: there is no such row to be refused",
            "count its rows from 1",
        ),
        (
            &format!("{order}|order_id|\n|-|\n|1|\n## Refused\n|table|row|column|code|\n|-|-|-|-|\n|order|1|due||\n"),
            "line 11: this is no refused row",
            "every refused row has",
        ),
        (&format!("# t\n\n```\n\n{fenced}"), "line 3: this ``` fence is never closed", "end it with a line"),
        (&format!("# t\n```\n```\n{fenced}\n  ~~~~ md\n~~~\n```"), "line 13: this ~~~ fence", "end it with a line"),
        (&format!("# t\n````\n```\n{fenced}"), "line 2: this ``` fence is never closed", "end it with a line"),
        (&format!("# t\n```\n``` rust\n{fenced}"), "line 2: this ``` fence is never closed", "end it with a line"),
        ("\n# t\n\nOnly words.\n", "line 2: the page has no input", "## Input `table`"),
        ("# t\n## Output `fact_order`\n|note|\n|-|\n", "line 1: the page has no input", "## Input `table`"),
        (&format!("# t{REFUSED}"), "line 1: the page has no input", "## Input `table`"),
        (
            &format!("{order}|order_id|\n|-|\n|1|\n"),
            "line 3: the page has inputs and expects",
            "## Output `table` or ##",
        ),
        (
            &format!("{order}|order_id|\n|-|\n|1|\n|2|\n3\n"),
            "line 9: this would be shown as a row",
            "leave a blank line",
        ),
        (&format!("{order}|order_id|\n|-|\n  2|\n"), "line 7: this would be shown as a row", "leave a blank line"),
        (&format!("{order}|order_id|\n2\n|-|\n"), "line 6: this would be shown as a row", "leave a blank line"),
        (&format!("{order}|order_id|\n|-|\n|1|\n\u{a0}\n"), "line 8: this would be shown", "leave a blank line"),
        (&format!("{order}|order_id|\n|-|\n|1|\n```\n```\n"), "line 8: this would be shown", "leave a blank line"),
    ] {
        let error = Case::parse("page", page, &described(&orders())).unwrap_err();
        assert!(error.to_string().contains(message), "{error}\n{page}");
        assert!(error.to_string().starts_with("`page`, line "), "{error}");
        let told = error.hint().unwrap_or_default();
        assert!(told.contains(hint), "{told}\n{page}");
    }
}

#[test]
fn headings_that_would_be_passed_over() {
    let page = |heading: &str| format!("# t\n\n{heading}\n\n|order_id|\n|-|\n|1|\n{REFUSED}");
    for heading in [
        "##Input `order`",
        "##",
        "##Prose",
        " ## Input `order`",
        "##\tInput `order`",
        "### Input `order`",
        "# Input `order`",
        "#Input`order`",
        "#### Refused",
        "## input `order`",
    ] {
        let error = Case::parse("page", &page(heading), &described(&orders())).unwrap_err();
        assert_eq!(error.to_string(), "`page`, line 3: this heading is none of a case's", "{heading}");
        assert!(error.hint().unwrap().starts_with("begin a line with ## Input `table`"));
    }
    for prose in ["### Inputs", "# Output of it", "#", "a ## Input `x`", "`` ` `` and ```code``` in a line", "~~no~~"] {
        let case = case(&format!("# t\n{prose}\n\n{}", &page("## Input `order`")[4..]), &orders());
        assert_eq!((case.prose(), case.pushes().count()), (prose, 1));
    }
    let case = case(&page("``` md\n##Input\n    ```  \n~~~\n```\n~~~\n\n## Input `order`"), &orders());
    assert_eq!(case.pushes().count(), 1);
}

/// Answers what it is told to, whatever is pushed.
struct Told(fn() -> Result<Outcome, SubjectError>);

impl Subject for Told {
    fn push(&mut self, _: &str, _: Vec<u8>, _: usize) -> Result<Outcome, SubjectError> {
        Ok(Outcome::default())
    }

    fn finish(&mut self) -> Result<Outcome, SubjectError> {
        (self.0)()
    }
}

fn refuse(table: &str, push: u32, row: u32) -> Result<Outcome, SubjectError> {
    let refused = RefusedRow { table: table.into(), push, row, column: None, code: "no".into(), text: String::new() };
    Ok(Outcome { outputs: Vec::new(), refused: vec![refused] })
}

#[test]
fn answers_that_break_the_description() {
    let case = case(&format!("# t\n## Input `order`\n|order_id|\n|-|\n|1|\n{REFUSED}"), &orders());
    let run = |told| case.run(&mut Told(told)).map(|answer| answer.refused().len()).map_err(|error| error.to_string());
    assert_eq!(run(|| refuse("order", 0, 0)), Ok(1));
    let broken =
        |problem: &str| Err(format!("`page`: the star's answer for `order` breaks its description: {problem}"));
    assert_eq!(run(|| refuse("order", 1, 0)), broken("it refuses a row of a push that was not made"));
    assert_eq!(run(|| refuse("order", 0, 1)), broken("it refuses a row that was not pushed"));
    assert_eq!(run(|| Err("lost".into())), Err("`page`: the star failed in finish".to_owned()));
    let everything = everything();
    let other = crate::star::case(&format!("# t\n## Input `all_types`\n|id|\n|-|\n|1|\n{REFUSED}"), &everything);
    let mut session = Session::new(Box::new(everything));
    let (table, rows): (&str, &RecordBatch) = other.pushes().next().unwrap();
    assert_eq!((table, rows.num_rows()), ("all_types", 1));
    let answer = other.run(&mut session).unwrap();
    assert_eq!(answer.rows("everything").len(), 1);
    let error = case.run(&mut Session::new(Box::new(crate::star::everything()))).unwrap_err();
    assert_eq!(error.to_string(), "`page`: the star failed in the push of `order`");
}
