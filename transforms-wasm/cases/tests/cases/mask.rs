//! What a mask changes and what it keeps.

use author_kit::arrow_array::{Array, RecordBatch};
use author_kit::{ColumnType, Definition, Description, Mapping, Reference, Transform, copy};
use star_cases::{Case, CaseError, mask};

use crate::star::{REFUSED, TYPES, answer, case, described, everything};

/// Rows of one column of a page's only input.
fn rows(name: &str, cells: &[&str]) -> RecordBatch {
    let rows: String = cells.iter().map(|cell| format!("| {} |\n", cell.replace('|', "\\|"))).collect();
    let case = case(&format!("# t\n## Input `all_types`\n| {name} |\n|---|\n{rows}{REFUSED}"), &everything());
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
    let cells = [
        "Ottilie Marchbanks",
        "ottilie.marchbanks@sampletotes.example",
        "Anaïs",
        "ŁN-42/7 (x)",
        "GBPX",
        "gbp",
        "GBP",
        "A",
        "soon",
    ];
    for (cell, masked) in cells.iter().zip(masked("text", &cells)) {
        assert_eq!(shape(cell), shape(&masked));
        let same = cell.chars().zip(masked.chars()).filter(|(a, b)| a == b && a.is_alphanumeric()).count();
        assert_eq!(same, 0, "{cell} {masked}: every letter and digit is another");
    }
    assert_eq!(masked("text", &["2022-11-03", "\"\"", "NULL", "--"]), ["2022-11-03", "\"\"", "NULL", "--"]);
}

#[test]
fn a_bad_date_stays_a_bad_date() {
    let bad: Vec<String> = (0..400).map(|n| format!("2{:03}-1{}-3{}", n, 3 + n % 7, 2 + n % 8)).collect();
    let cells: Vec<&str> = bad.iter().map(String::as_str).collect();
    for masked in masked("text", &cells) {
        assert_eq!(shape(&masked), "9999-99-99");
        let page = format!("# t\n## Input `all_types`\n| date |\n|---|\n| {masked} |\n{REFUSED}");
        let error = Case::parse("page", &page, &described(&everything())).unwrap_err();
        assert!(matches!(error, CaseError::Cell { .. }), "{masked}: {error}");
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
fn names_of_members_are_kept_if_they_are_identifiers() {
    let json =
        r#"{"first_name": 1, "_a2" : 1, "ann@sample.example": 1, "Ann Lee": 1, "4711": {"größe": [2]}, "\u0041nn": 1}"#;
    let masked = &masked("json", &[json])[0];
    assert!(masked.starts_with(r#"{"first_name": "#) && masked.contains(r#", "_a2" : "#), "{masked}");
    for gone in ["ann", "sample", "example", "Ann", "Lee", "4711", "größe", "u0041"] {
        assert!(!masked.contains(gone), "{masked}");
    }
    assert_eq!(shape(masked).matches("\": ").count(), 6, "{masked}");
    let code = &self::masked("json", &[r#"{"code": "GBP", "list": ["GBP"]}"#])[0];
    assert!(!code.contains("GBP") && code.contains("\"code\": "), "{code}");
}

const SHORT: [&str; 3] = ["GBP", "MD", "A"];

/// Customers with a key, and columns that are none whatever they end in.
fn customers() -> Definition {
    let mapping = Mapping::dimension("dim_customer", "customer_id").from_changes("customer", "customer_id");
    let ids = ["customer_id", "referring_customer_id", "uncustomer_id", "tax_id", "passport_id", "shop_id", "bank_id"];
    let add = |mapping: Mapping, name: &'static str| mapping.column(name, ColumnType::Int32, copy(name));
    let mapping = ids.into_iter().fold(mapping, add).column("token_id", ColumnType::Uuid, copy("token_id"));
    let add = |mapping: Mapping, name: &'static str| mapping.column(name, ColumnType::Text, copy(name));
    let mapping = ["initials", "code", "currency_code", "codes"].into_iter().fold(mapping, add);
    let bank = Mapping::dimension("dim_bank", "bank_id").from_snapshot("bank", "bank_id").column(
        "bank_id",
        ColumnType::Int32,
        copy("bank_id"),
    );
    Definition::new("customers", "1").output(bank).output(mapping)
}

#[test]
fn only_keys_and_codes_are_kept() {
    let star = customers();
    let mut page = "# t\n## Input `customer`\n".to_owned();
    let columns = &star.description().input("customer").unwrap().columns;
    let line = |cell: &dyn Fn(&author_kit::Column) -> String| {
        format!("|{}|\n", columns.iter().map(cell).collect::<Vec<_>>().join("|"))
    };
    page += &line(&|column| column.name.clone());
    page += &line(&|_| "-".to_owned());
    for (number, text) in (1_234_567..).zip(SHORT) {
        page += &line(&|column| match column.column_type {
            ColumnType::Text => text.to_owned(),
            ColumnType::Uuid => "6f1e2a34-0b5c-4d6e-8f90-a1b2c3d4e5f6".to_owned(),
            _ => number.to_string(),
        });
    }
    let case = case(&format!("{page}{REFUSED}"), &star);
    let rows = case.pushes().next().unwrap().1;
    let kept = |description: &Description| {
        let input = description.input("customer").unwrap();
        let masked = mask(rows, input, description).unwrap();
        let same = |at: &usize| masked.column(*at).to_data() == rows.column(*at).to_data();
        (0..columns.len()).filter(same).map(|at| columns[at].name.clone()).collect::<Vec<_>>()
    };
    let always = ["customer_id", "referring_customer_id", "bank_id", "code", "currency_code"];
    let mut description = described(&star);
    let with = |more: &[&'static str]| {
        let mut names: Vec<&'static str> = always.iter().chain(more).copied().collect();
        names.sort_by_key(|name| columns.iter().position(|column| column.name == *name));
        names
    };
    assert_eq!(kept(&description), with(&[]));
    // An output's business key alone says nothing of where its values come from.
    description.outputs[1].business_key.push("tax_id".to_owned());
    assert_eq!(kept(&description), with(&[]));
    let refer = |column: &str| Reference { column: column.into(), table: "dim_shop".into(), target: "number".into() };
    description.outputs[1].references.extend([refer("shop_id"), refer("token_id"), refer("elsewhere")]);
    assert_eq!(kept(&description), with(&["shop_id", "token_id"]));
    let shop = description.outputs[1].columns.iter_mut().find(|column| column.name == "shop_id").unwrap();
    shop.column_type = ColumnType::Int64;
    assert_eq!(kept(&description), with(&["token_id"]), "of another type it is no copy");
    description.inputs[0].key.push("tax_id".to_owned());
    assert_eq!(kept(&description), with(&["tax_id", "token_id"]));
}
