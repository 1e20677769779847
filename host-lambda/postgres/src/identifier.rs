//! Names and literals inside SQL text.

/// A name as an SQL identifier: always quoted, so that case, spaces and keywords survive.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal that reads the same whatever `standard_conforming_strings` says.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!(" E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// A table's name with its schema.
#[must_use]
pub fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        for (name, quoted) in [
            ("sales_order", r#""sales_order""#),
            ("PaymentTypeName", r#""PaymentTypeName""#),
            (r#"x"; DROP TABLE y; --"#, r#""x""; DROP TABLE y; --""#),
            ("two words", r#""two words""#),
        ] {
            assert_eq!(quote_identifier(name), quoted);
        }
        assert_eq!(qualified("public", "a.b"), r#""public"."a.b""#);
    }

    #[test]
    fn hostile_literals_stay_literals() {
        for (text, quoted) in [("O'Keefe", "'O''Keefe'"), (r"\'; --", r" E'\\''; --'"), ("", "''")] {
            assert_eq!(quote_literal(text), quoted);
        }
    }
}
