//! What a mask changes and what it keeps.

use author_kit::Transform;
use author_kit::arrow_array::cast::AsArray;
use author_kit::arrow_array::{Array, RecordBatch};
use star_cases::{Case, mask};

use crate::star::{TYPES, answer, case, described, everything, orders, required};

/// Rows of one column of a page's only input.
fn rows(name: &str, cells: &[&str]) -> RecordBatch {
    let rows: String = cells.iter().map(|cell| format!("| {} |\n", cell.replace('|', "\\|"))).collect();
    let case = case(&format!("# t\n## Input `all_types`\n| {name} |\n|---|\n{rows}"), &everything());
    case.pushes().next().unwrap().1.clone()
}

/// The cells of a column after masking, as a page spells them.
fn masked(name: &str, cells: &[&str]) -> Vec<String> {
    let description = described(&everything());
    let batch = mask(&rows(name, cells), description.input("all_types").unwrap(), &description).unwrap();
    let at = TYPES.iter().position(|(other, _)| *other == name).unwrap() + 1;
    let inputs = [("all_types".to_owned(), vec![batch])];
    let case = Case::from_rows("masked", &inputs, &description).unwrap();
    let page = Case::render("t", "", &inputs, &answer(&case, everything()), &description).unwrap();
    let lines = page.lines().skip_while(|line| !line.starts_with("|--")).skip(1).take(cells.len());
    lines.map(|line| line.split(" | ").nth(at).unwrap().trim_matches([' ', '|']).to_owned()).collect()
}

/// Letters and digits as classes, all else as it is.
fn shape(text: &str) -> String {
    let class = |char: char| match char {
        '0'..='9' => '9',
        _ if char.is_uppercase() => 'A',
        _ if char.is_alphabetic() => 'a',
        _ => char,
    };
    text.chars().map(class).collect()
}

#[test]
fn text_keeps_its_shape() {
    let cells =
        ["Ottilie Marchbanks", "ottilie.marchbanks@sampletotes.example", "Anaïs", "ŁN-42/7 (x)", "GBPX", "gbp", "soon"];
    for (cell, masked) in cells.iter().zip(masked("text", &cells)) {
        assert_eq!(shape(cell), shape(&masked));
        let same = cell.chars().zip(masked.chars()).filter(|(a, b)| a == b && a.is_alphanumeric()).count();
        assert_eq!(same, 0, "{cell} {masked}: every letter and digit is another");
    }
    assert_eq!(
        masked("text", &["GBP", "2022-11-03", "\"\"", "NULL", "A", "--"]),
        ["GBP", "2022-11-03", "\"\"", "NULL", "A", "--"]
    );
}

#[test]
fn a_bad_date_stays_a_bad_date() {
    let bad: Vec<String> = (0..400).map(|n| format!("2{:03}-1{}-3{}", n, 3 + n % 7, 2 + n % 8)).collect();
    let cells: Vec<&str> = bad.iter().map(String::as_str).collect();
    for masked in masked("text", &cells) {
        assert_eq!(shape(&masked), "9999-99-99");
        let page = format!("# t\n## Output `everything`\n| date |\n|---|\n| {masked} |\n");
        assert!(Case::parse("page", &page, &described(&everything())).is_err(), "{masked}");
    }
}

#[test]
fn the_same_value_has_the_same_mask() {
    let masked = masked("text", &["Leeds", "Manchester", "Leeds"]);
    assert_eq!(masked[0], masked[2]);
    assert_ne!(masked[0], masked[1]);
    // It may not change with a compiler or a library: pages are recorded at different times.
    assert_eq!(masked[0], "Kxrno");
}

#[test]
fn numbers_keep_their_digits() {
    for (name, cells) in [
        ("int16", vec!["32767", "-32768", "10", "0", "9", "NULL"]),
        ("int32", vec!["2147483647", "-2147483648", "1234"]),
        ("int64", vec!["9223372036854775807", "-9223372036854775808", "12"]),
        ("money", vec!["99999999.99", "0.07", "-3.50", "0.00"]),
        ("wide", vec!["99999999999999999999999999999999999999", "5"]),
        ("float64", vec!["1.25", "-3.5e300", "0.0", "NaN", "-inf"]),
    ] {
        let masked = masked(name, &cells);
        for (cell, masked) in cells.iter().zip(&masked) {
            if name == "float64" {
                assert_eq!(cell.starts_with('-'), masked.starts_with('-'), "{cell} {masked}");
            } else {
                assert_eq!(shape(cell), shape(masked), "{name}");
            }
            if ["0", "0.00", "0.0", "NULL", "NaN", "-inf"].contains(cell) {
                assert_eq!(cell, masked);
            }
        }
        assert_ne!(masked, cells, "{name}");
    }
}

#[test]
fn dates_and_truth_are_kept_and_bytes_are_not() {
    for (name, cell) in [
        ("bool", "true"),
        ("date", "2022-11-03"),
        ("time", "14:20:52.186"),
        ("timestamp", "infinity"),
        ("timestamptz", "2022-11-03T14:20:52.186Z"),
        ("bytes", "\\x"),
    ] {
        assert_eq!(masked(name, &[cell]), [cell]);
    }
    let bytes = &masked("bytes", &["\\x00ff10"])[0];
    assert!(bytes.len() == 8 && bytes != "\\x00ff10", "{bytes}");
    assert_ne!(masked("uuid", &["6f1e2a34-0b5c-4d6e-8f90-a1b2c3d4e5f6"]), ["6f1e2a34-0b5c-4d6e-8f90-a1b2c3d4e5f6"]);
}

#[test]
fn json_stays_json() {
    let json = r#"{"name": "Łucja \"L\" \u00e9", "on": "2022-11-03", "n": [-12.5e3, 0, 70, true, null]}"#;
    let masked = &masked("json", &[json])[0];
    let shape = shape(masked);
    assert!(masked.starts_with(r#"{"name": ""#) && masked.contains(r#""on": "2022-11-03", "n": [-"#), "{masked}");
    assert!(masked.ends_with("true, null]}") && masked.contains("e3, 0, "), "{masked}");
    assert!(shape.contains(r#": "Aaaaa \"A\" a", "#), "{masked}");
    assert!(!masked.contains("ucja"), "{masked}");
    for odd in ["\"\\\"open", "\"\\\"open\\\"", "secret 12", "{\"a\": open", "\"\\u00"] {
        let quoted = format!("\"{}\"", odd.replace('\\', "\\\\").replace('"', "\\\""));
        let masked = &self::masked("json", &[quoted.as_str()])[0];
        assert!(!masked.contains("open") && !masked.contains("secret"), "what is no JSON is masked as well: {masked}");
    }
}

#[test]
fn keys_are_kept_whatever_they_are_called() {
    let description = described(&orders());
    let page =
        "# t\n## Input `order`\n|order_id|price|due|note|colour_id|\n|-|-|-|-|-|\n|17|12.34|2022-11-03|For Ann|4711|\n";
    let case = case(page, &orders());
    let batch = mask(case.pushes().next().unwrap().1, description.input("order").unwrap(), &description).unwrap();
    let number = |column: &str| {
        let array = batch.column_by_name(column).unwrap();
        array.as_primitive::<author_kit::arrow_array::types::Int32Type>().value(0)
    };
    assert_eq!((number("order_id"), number("colour_id")), (17, 4711));
    assert_ne!(batch.column_by_name("note").unwrap().as_string::<i32>().value(0), "For Ann");
    // A column is a key by the description, too: `id` here, and an integer that some other input has for its key.
    let mut description = described(&required());
    let star = required();
    let input = star.description().input("all_types").unwrap();
    let rows =
        crate::star::case("# t\n## Input `all_types`\n|id|int32|int64|\n|-|-|-|\n|17|1234567|1234567|\n", &required());
    let rows = rows.pushes().next().unwrap().1.clone();
    let kept = |description: &author_kit::Description| {
        let masked = mask(&rows, input, description).unwrap();
        let same = |name: &&str| {
            masked.column_by_name(name).unwrap().to_data() == rows.column_by_name(name).unwrap().to_data()
        };
        ["id", "int32", "int64"].into_iter().filter(same).collect::<Vec<_>>()
    };
    assert_eq!(kept(&description), ["id"]);
    description.outputs[0].business_key.push("int64".to_owned());
    assert_eq!(kept(&description), ["id", "int64"]);
    description.inputs[0].key.push("int32".to_owned());
    assert_eq!(kept(&description), ["id", "int32", "int64"]);
}
